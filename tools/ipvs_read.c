// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines of "ipvsadm -Sn", which are its own arguments: -A makes a service, -a adds a server to one.
 * Options may be short or long, and a long one may have its value behind a '='.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "ipvs.h"
#include "mem.h"
#include "names.h"
#include "report.h"

/* What IPVS has where it is not told (ipvsadm: -s, -p, -w). */
#define SCHEDULER_DEFAULT	"wlc"
#define TIMEOUT_DEFAULT		300
#define WEIGHT_DEFAULT		1

#define OPTIONS "-A, -a, -t, -u, --sctp-service, -f, -6, -s, -p, -M, -b, -o, --pe, -r, -m, -g, -i, " \
		"-w, -x, -y, --tun-type"

/* The long ones without a letter get one that none has. */
static const struct option {
	char letter;
	const char *name;
	bool value;
} options[] = {
	{ 'A', "add-service", false }, { 'a', "add-server", false },
	{ 't', "tcp-service", true }, { 'u', "udp-service", true },
	{ 'S', "sctp-service", true }, { 'f', "fwmark-service", true }, { '6', "ipv6", false },
	{ 's', "scheduler", true }, { 'p', "persistent", false }, { 'M', "netmask", true },
	{ 'b', "sched-flags", true }, { 'o', "ops", false }, { 'P', "pe", true },
	{ 'r', "real-server", true }, { 'm', "masquerading", false }, { 'g', "gatewaying", false },
	{ 'i', "ipip", false }, { 'w', "weight", true }, { 'x', "u-threshold", true },
	{ 'y', "l-threshold", true }, { 'T', "tun-type", true }, { 'Q', "tun-port", true },
	{ 'C', "tun-nocsum", false }, { 'D', "tun-csum", false },
	{ 'E', "tun-remcsum", false }, { 'n', "numeric", false },
};

/**
 * struct reading - a line that is being read
 * @line: the line
 * @value: what stands behind a '=', or NULL
 * @add: 'A' or 'a'; 0: not told yet
 * @has_key: the service was named
 * @has_at: the server was
 * @service: what an -A line says
 * @server: what an -a line says
 */
struct reading {
	struct line *line;
	const char *value;
	char add;
	bool has_key;
	bool has_at;
	struct ipvs_service service;
	struct ipvs_server server;
};

static const struct option *option_find(const char *word, const char **value)
{
	size_t i, length;

	*value = NULL;
	for (i = 0; i < sizeof(options) / sizeof(*options); i++) {
		const struct option *option = &options[i];

		if (word[0] == '-' && word[1] == option->letter && !word[2] &&
		    !strchr("SPTQCDE", option->letter))
			return option;
		length = strlen(option->name);
		if (strncmp(word, "--", 2) || strncmp(word + 2, option->name, length))
			continue;
		if (word[2 + length] == '=' && option->value)
			*value = word + 3 + length;
		if (!word[2 + length] || *value)
			return option;
	}
	return NULL;
}

/* As parse_endpoint(), but the port may be 0. */
static bool parse_at(const char *word, struct endpoint *at)
{
	size_t length = strlen(word);
	char text[ENDPOINT_ROOM];

	if (length < 2 || length >= sizeof(text) || strcmp(word + length - 2, ":0"))
		return parse_endpoint(word, at);
	memcpy(text, word, length);
	strcpy(text + length - 1, "*");
	return parse_backend(text, at);
}

/* The value of the option that was taken. Return: NULL if it is missing, which is reported. */
static const char *take_value(struct reading *r, const struct option *option)
{
	const char *value = r->value ? r->value : line_take(r->line);

	if (!value)
		report_end(r->line, "the value of --%s is missing", option->name);
	return value;
}

static int take_number(struct reading *r, const struct option *option, uint64_t max,
		       uint32_t *number)
{
	const char *word = take_value(r, option);
	uint64_t value;

	if (!word)
		return LBADM_USAGE;
	if (!parse_number(word, 0, max, &value))
		return report_last(r->line, "--%s must be 0 to %" PRIu64, option->name, max);
	*number = value;
	return 0;
}

static int take_word(struct reading *r, const struct option *option, char *text)
{
	const char *word = take_value(r, option);

	if (!word)
		return LBADM_USAGE;
	if (strlen(word) >= IPVS_WORD_ROOM)
		return report_last(r->line, "'%s' is too long for --%s", word, option->name);
	strcpy(text, word);
	return 0;
}

static int take_at(struct reading *r, const struct option *option, struct endpoint *at)
{
	const char *word = take_value(r, option);

	if (!word)
		return LBADM_USAGE;
	if (!parse_at(word, at))
		return report_last(r->line, "'%s' is no address and port, such as 192.0.2.10:443 or "
				   "[2001:db8::1]:443; ipvsadm prints these with -n", word);
	return 0;
}

static int take_key(struct reading *r, const struct option *option)
{
	struct ipvs_key *key = &r->service.key;

	if (r->has_key)
		return report_last(r->line, "a line is about one service");
	r->has_key = true;
	switch (option->letter) {
	case 'f':
		return take_number(r, option, UINT32_MAX, &key->mark);
	case 't':
		key->proto = IPPROTO_TCP;
		break;
	case 'u':
		key->proto = IPPROTO_UDP;
		break;
	default:
		key->proto = IPPROTO_SCTP;
	}
	return take_at(r, option, &key->at);
}

static int take_persistence(struct reading *r, const struct option *option)
{
	const char *next = line_peek(r->line);

	r->service.persistent = true;
	r->service.timeout = TIMEOUT_DEFAULT;
	/* Its value may be left out. */
	if (!next || next[0] == '-')
		return 0;
	return take_number(r, option, UINT32_MAX, &r->service.timeout);
}

/* Of IPv6 it is a number of bits. */
static int take_netmask(struct reading *r, const struct option *option)
{
	const char *word = take_value(r, option);
	struct address mask;
	uint64_t bits;

	if (!word)
		return LBADM_USAGE;
	if (parse_number(word, 1, 128, &bits))
		r->service.partly = bits != 128;
	else if (parse_address(word, &mask) && mask.length == 4)
		r->service.partly = memcmp(mask.bytes, "\377\377\377\377", 4);
	else
		return report_last(r->line, "'%s' is no netmask", word);
	return 0;
}

static int take_add(struct reading *r, char letter)
{
	if (r->add)
		return report_last(r->line, "a line has one of -A and -a");
	r->add = letter;
	return 0;
}

static int take_server_option(struct reading *r, const struct option *option)
{
	struct ipvs_server *server = &r->server;
	uint32_t port;

	switch (option->letter) {
	case 'r':
		r->has_at = true;
		return take_at(r, option, &server->at);
	case 'w':
		return take_number(r, option, INT32_MAX, &server->weight);
	case 'x':
		return take_number(r, option, UINT32_MAX, &server->upper);
	case 'y':
		return take_number(r, option, UINT32_MAX, &server->lower);
	case 'T':
		return take_word(r, option, server->tunnel);
	case 'Q':
		return take_number(r, option, UINT16_MAX, &port);
	case 'm':
	case 'g':
	case 'i':
		server->method = option->letter;
		return 0;
	default:	/* of a tunnel's checksums, and -n */
		return 0;
	}
}

static int take_option(struct reading *r, const struct option *option)
{
	switch (option->letter) {
	case 'A':
	case 'a':
		return take_add(r, option->letter);
	case 't':
	case 'u':
	case 'S':
	case 'f':
		return take_key(r, option);
	case '6':
		r->service.key.ipv6 = true;
		return 0;
	case 's':
		return take_word(r, option, r->service.scheduler);
	case 'p':
		return take_persistence(r, option);
	case 'M':
		return take_netmask(r, option);
	case 'b':
		return take_word(r, option, r->service.flags);
	case 'P':
		return take_word(r, option, r->service.pe);
	case 'o':
		r->service.one_packet = true;
		return 0;
	default:
		return take_server_option(r, option);
	}
}

static bool key_equal(const struct ipvs_key *a, const struct ipvs_key *b)
{
	if (a->proto != b->proto)
		return false;
	if (!a->proto)
		return a->mark == b->mark && a->ipv6 == b->ipv6;
	return a->at.port == b->at.port && !address_compare(&a->at.address, &b->at.address);
}

static struct ipvs_service *service_find(struct ipvs *ipvs, const struct ipvs_key *key)
{
	size_t i = ipvs->service_count;

	/* Servers stand below their service. */
	while (i--) {
		if (key_equal(&ipvs->services[i].key, key))
			return &ipvs->services[i];
	}
	return NULL;
}

static int add_service(struct ipvs *ipvs, const struct reading *r)
{
	if (service_find(ipvs, &r->service.key))
		return report_at(LBADM_USAGE, r->line, NO_WORD, "this service was added before");
	ipvs->services = mem_grow(ipvs->services, &ipvs->service_room, ipvs->service_count + 1,
				  sizeof(*ipvs->services));
	ipvs->services[ipvs->service_count] = r->service;
	ipvs->services[ipvs->service_count++].number = r->line->number;
	return 0;
}

static int add_server(struct ipvs *ipvs, const struct reading *r)
{
	const struct ipvs_service *service = service_find(ipvs, &r->service.key);
	struct ipvs_server *server;

	if (!service)
		return report_at(LBADM_USAGE, r->line, NO_WORD,
				 "no -A line before this one has added its service");
	if (!r->has_at)
		return report_end(r->line, "the server is missing: -r ADDRESS:PORT");
	ipvs->servers = mem_grow(ipvs->servers, &ipvs->server_room, ipvs->server_count + 1,
				 sizeof(*ipvs->servers));
	server = &ipvs->servers[ipvs->server_count++];
	*server = r->server;
	server->service = service - ipvs->services;
	server->number = r->line->number;
	return 0;
}

/**
 * ipvs_read - one line
 * @ipvs: zeroed at first; what was read so far
 * @line: the line, split; nothing is done if it has no words
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int ipvs_read(struct ipvs *ipvs, struct line *line)
{
	struct reading r = {
		.line = line,
		.service.scheduler = SCHEDULER_DEFAULT,
		.server = { .method = 'g', .weight = WEIGHT_DEFAULT },
	};
	const struct option *option;
	int code = 0;

	if (!line->count)
		return LBADM_OK;
	while (!code && line_peek(line)) {
		/* An older ipvsadm has saved it without its dashes. */
		if (!strcmp(line_peek(line), "pe"))
			option = option_find("--pe", &r.value);
		else
			option = option_find(line_peek(line), &r.value);
		if (!option)
			return args_unknown(line, OPTIONS);
		line_take(line);
		code = take_option(&r, option);
	}
	if (code)
		return code;
	if (!r.add)
		return report_at(LBADM_USAGE, line, 0, "no line of ipvsadm -Sn: these begin with -A "
				 "or -a");
	if (!r.has_key)
		return report_end(line, "the service is missing: -t, -u, --sctp-service or -f");
	return r.add == 'A' ? add_service(ipvs, &r) : add_server(ipvs, &r);
}

/**
 * ipvs_key_text - what a service is known by, as ipvsadm writes it
 * @key: the key
 * @text: where to
 * @room: its size
 */
void ipvs_key_text(const struct ipvs_key *key, char *text, size_t room)
{
	const char *proto = key->proto == IPPROTO_TCP ? "-t" :
			    key->proto == IPPROTO_UDP ? "-u" : "--sctp-service";
	char at[ENDPOINT_ROOM];

	if (!key->proto)
		snprintf(text, room, "-f %u%s", key->mark, key->ipv6 ? " -6" : "");
	else
		snprintf(text, room, "%s %s", proto, format_endpoint(&key->at, at));
}

/**
 * ipvs_free - give the memory back
 * @ipvs: zeroed, or read
 */
void ipvs_free(struct ipvs *ipvs)
{
	free(ipvs->services);
	free(ipvs->servers);
}
