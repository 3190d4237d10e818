// SPDX-License-Identifier: GPL-2.0-only
/*
 * While no module is there the host would answer in its place: a client's packet by a RST or an
 * ICMP error, as would a backend's for a SNAT port; and what a backend here says would leave
 * with its own address. So all of that is dropped by a table of nftables, behind
 * defragmentation and before conntrack and all others. TCP sends it again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attrs.h"
#include "upgrade.h"

#define TABLE "inet bpflb_upgrade"

enum set {
	SET_SERVICES,		/* protocol, address, port */
	SET_RANGES,		/* the same with ports, as rules */
	SET_ADDRESSES,		/* of services */
	SET_NODEPORTS,		/* protocol, port; of both families */
	SET_BACKENDS,		/* address, port */
	SET_BACKENDS_ANY,	/* address, of those with any port */
	SET_BACKEND_ADDRESSES,
	SET_NODES,
	SETS,
};

static const struct {
	const char *name;
	const char *type;	/* NULL: it is none of nftables' */
} sets[SETS] = {
	[SET_SERVICES]		= { "services", "inet_proto . %s . inet_service" },
	[SET_RANGES]		= { "ranges", NULL },
	[SET_ADDRESSES]		= { "addresses", "%s" },
	[SET_NODEPORTS]		= { "nodeports", "inet_proto . inet_service" },
	[SET_BACKENDS]		= { "backends", "%s . inet_service" },
	[SET_BACKENDS_ANY]	= { "backends_any", "%s" },
	[SET_BACKEND_ADDRESSES]	= { "backend_addresses", "%s" },
	[SET_NODES]		= { "nodes", "%s" },
};

/**
 * struct gate - the table as it is written
 * @set: elements of each set, of IPv4 and of IPv6
 * @text: the same, once that is closed
 * @length: of @text
 */
struct gate {
	FILE *set[SETS][2];
	char *text[SETS][2];
	size_t length[SETS][2];
};

static FILE *of(struct gate *gate, enum set which, const struct address *address)
{
	FILE *file = gate->set[which][address->length == 16];

	if (sets[which].type && ftell(file))
		fputs(",\n", file);
	return file;
}

static void add_address(struct gate *gate, enum set which, const struct address *address)
{
	char text[ADDRESS_ROOM];

	fputs(format_address(address, text), of(gate, which, address));
}

/* A node port is in both families' sets. */
static void add_nodeport(struct gate *gate, uint8_t proto, uint16_t port)
{
	static const struct address family[] = { { .length = 4 }, { .length = 16 } };
	int i;

	for (i = 0; i < 2; i++)
		fprintf(of(gate, SET_NODEPORTS, &family[i]), "%u . %u", proto, port);
}

static void add_frontend(struct gate *gate, uint8_t proto, const struct frontend *frontend)
{
	const struct address *address = &frontend->at.address;
	char text[ADDRESS_ROOM];

	if (!address->length) {
		add_nodeport(gate, proto, frontend->at.port);
		return;
	}
	add_address(gate, SET_ADDRESSES, address);
	format_address(address, text);
	if (frontend->last_port)
		fprintf(of(gate, SET_RANGES, address),
			"\t\tmeta l4proto %u %s daddr %s th dport %u-%u drop\n", proto,
			address->length == 16 ? "ip6" : "ip", text, frontend->at.port,
			frontend->last_port);
	else
		fprintf(of(gate, SET_SERVICES, address), "%u . %s . %u", proto, text,
			frontend->at.port);
}

static void add_backend(struct gate *gate, const struct endpoint *backend)
{
	char text[ADDRESS_ROOM];

	add_address(gate, SET_BACKEND_ADDRESSES, &backend->address);
	if (backend->port)
		fprintf(of(gate, SET_BACKENDS, &backend->address), "%s . %u",
			format_address(&backend->address, text), backend->port);
	else
		add_address(gate, SET_BACKENDS_ANY, &backend->address);
}

static void add_services(struct gate *gate, const struct snapshot *snapshot)
{
	const struct nlmsghdr *nlh;
	struct service service;
	unsigned int i;

	messages_for_each(nlh, &snapshot->services) {
		service_decode(nlh, &service);
		for (i = 0; i < service.frontend_count; i++)
			add_frontend(gate, service.proto, &service.frontends[i]);
	}
}

static void add_all(struct gate *gate, const struct space *space)
{
	const struct nlmsghdr *nlh;
	struct backend backend;
	struct node node;
	size_t i;

	add_services(gate, &space->snapshot);
	messages_for_each(nlh, &space->snapshot.backends) {
		backend_decode(nlh, &backend);
		add_backend(gate, &backend.endpoint);
	}
	for (i = 0; i < space->ghost_count; i++)
		add_backend(gate, &space->ghosts[i].backend);
	messages_for_each(nlh, &space->snapshot.nodes) {
		node_decode(nlh, &node);
		add_address(gate, SET_NODES, &node.address);
	}
}

static void write_sets(const struct gate *gate, FILE *file)
{
	int set, v6;

	for (set = 0; set < SETS; set++) {
		for (v6 = 0; sets[set].type && v6 < 2; v6++) {
			fprintf(file, "\tset %s%d {\n\t\ttype ", sets[set].name, v6 ? 6 : 4);
			fprintf(file, sets[set].type, v6 ? "ipv6_addr" : "ipv4_addr");
			fputc('\n', file);
			if (gate->length[set][v6])
				fprintf(file, "\t\telements = { %s }\n", gate->text[set][v6]);
			fputs("\t}\n", file);
		}
	}
}

/* Those of the node's addresses where node ports are. */
static void write_nodeports(const struct settings *settings, FILE *file, bool v6)
{
	char text[PREFIX_ROOM];
	unsigned int i;

	if (!settings->nodeport_address_count)
		fprintf(file, "\t\tmeta nfproto ipv%d fib daddr type local "
			"meta l4proto . th dport @nodeports%d drop\n", v6 ? 6 : 4, v6 ? 6 : 4);
	for (i = 0; i < settings->nodeport_address_count; i++) {
		const struct prefix *prefix = &settings->nodeport_addresses[i];

		bool is_v6 = prefix->address.length == 16;

		if (is_v6 == v6)
			fprintf(file, "\t\t%s daddr %s fib daddr type local "
				"meta l4proto . th dport @nodeports%d drop\n", v6 ? "ip6" : "ip",
				format_prefix(prefix, text), v6 ? 6 : 4);
	}
}

/* What is alike where packets come in and where they leave this node. */
static void write_common(const struct gate *gate, FILE *file, bool v6)
{
	static const char *const rules[] = {
		"meta l4proto . %s daddr . th dport @services%d drop",
		"%s daddr @addresses%d fib daddr type != local drop",
		"meta l4proto { 6, 17, 132 } %s saddr . th sport @backends%d drop",
		"meta l4proto { 6, 17, 132 } %s daddr . th dport @backends%d drop",
		"meta l4proto { 6, 17, 132 } %s saddr @backends_any%d drop",
		"meta l4proto { 6, 17, 132 } %s daddr @backends_any%d drop",
		NULL
	};
	const char *const *rule;

	for (rule = rules; *rule; rule++) {
		fputs("\t\t", file);
		fprintf(file, *rule, v6 ? "ip6" : "ip", v6 ? 6 : 4);
		fputc('\n', file);
	}
	fputs(gate->text[SET_RANGES][v6], file);
}

/* IP in IP for a backend, and what follows a first fragment that was dropped. */
static void write_in(const struct gate *gate, const struct settings *settings, FILE *file, bool v6)
{
	write_common(gate, file, v6);
	write_nodeports(settings, file, v6);
	if (v6)
		fputs("\t\tmeta l4proto 41 ip6 daddr @backend_addresses6 drop\n"
		      "\t\tip6 saddr @backend_addresses6 frag frag-off != 0 drop\n", file);
	else
		fputs("\t\tmeta l4proto 4 ip daddr @backend_addresses4 drop\n"
		      "\t\tip saddr @backend_addresses4 ip frag-off & 0x1fff != 0 drop\n", file);
}

/* What comes in Geneve, or in IP for this node itself, has a host's answer that nobody may hear. */
static void write_out(const struct gate *gate, FILE *file, bool v6)
{
	write_common(gate, file, v6);
	if (v6)
		fputs("\t\tmeta l4proto . ip6 saddr . th sport @services6 drop\n"
		      "\t\tip6 daddr @nodes6 "
		      "icmpv6 type { destination-unreachable, parameter-problem } drop\n",
		      file);
	else
		fputs("\t\tmeta l4proto . ip saddr . th sport @services4 drop\n"
		      "\t\tip daddr @nodes4 icmp type destination-unreachable drop\n", file);
}

static void write_table(const struct gate *gate, const struct space *space, FILE *file)
{
	const struct settings *settings = &space->snapshot.settings;

	fputs("table " TABLE "\ndelete table " TABLE "\ntable " TABLE " {\n", file);
	write_sets(gate, file);
	fputs("\tchain in {\n\t\ttype filter hook prerouting priority -390; policy accept;\n",
	      file);
	write_in(gate, settings, file, false);
	write_in(gate, settings, file, true);
	fputs("\t}\n\tchain out {\n"
	      "\t\ttype filter hook output priority -390; policy accept;\n", file);
	write_out(gate, file, false);
	write_out(gate, file, true);
	fputs("\t}\n}\n", file);
}

static int write_file(const struct space *space, const char *path)
{
	FILE *file = fopen(path, "we");
	struct gate gate = { 0 };
	int set, v6, code = 0;

	for (set = 0; set < SETS; set++) {
		for (v6 = 0; v6 < 2; v6++) {
			gate.set[set][v6] = open_memstream(&gate.text[set][v6],
							   &gate.length[set][v6]);
			if (!gate.set[set][v6])
				exit(report(LBADM_REFUSED, "out of memory"));
		}
	}
	add_all(&gate, space);
	for (set = 0; set < SETS; set++) {
		for (v6 = 0; v6 < 2; v6++)
			fclose(gate.set[set][v6]);
	}
	if (file)
		write_table(&gate, space, file);
	if (!file || fclose(file))
		code = report(LBADM_REFUSED, "can't write %s: %s", path, strerror(errno));
	for (set = 0; set < SETS; set++) {
		for (v6 = 0; v6 < 2; v6++)
			free(gate.text[set][v6]);
	}
	return code;
}

/**
 * gate_close - from now on nobody hears of the namespace's services
 * @space: what space_read() has read
 * @dir: for the table's text
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int gate_close(struct space *space, const char *dir)
{
	char path[PATH_ROOM];
	const char *const argv[] = { "nft", "-f", path, NULL };
	int code;

	space_path(space, dir, "nft", path);
	code = write_file(space, path);
	if (code)
		return code;
	space->gated = !space_run(space, argv, NULL);
	if (space->gated)
		return LBADM_OK;
	return report(LBADM_REFUSED, "nftables can't keep the host from answering in network namespace "
		      "%s while no module is loaded: install nftables, or add --force to do without; "
		      "nothing has changed", space->name);
}

/**
 * gate_open - the end of that; also where there is none
 * @space: the namespace
 */
void gate_open(struct space *space)
{
	static const char *const argv[] = {
		"nft", "table " TABLE "; delete table " TABLE, NULL
	};

	if (space->gated)
		space_run(space, argv, NULL);
	space->gated = false;
}
