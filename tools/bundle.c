// SPDX-License-Identifier: GPL-2.0-only
/*
 * What somebody who is asked for help wants to see: one text, in sections that each say where
 * they come from. What can't be had says so in its place; nothing of it fails the whole.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "args.h"
#include "bundle.h"
#include "program.h"

#define SELF		"/proc/self/exe"
#define ARGS_MAX	8
#define TIME_ROOM	64

/** enum when - what a section needs to be there */
enum when {
	ALWAYS,
	WITH_FLOWS,	/* it was asked for */
};

/**
 * struct section - a part of the report
 * @title: of it, if that is not the command
 * @argv: a program; SELF is lbadm
 * @files: pattern of files, each with its name before it, if there is no @argv
 * @only: of a program's lines those with this word
 * @run: a function, if there is neither
 * @when: whether it is there
 */
struct section {
	const char *title;
	const char *argv[ARGS_MAX];
	const char *files;
	const char *only;
	int (*run)(void);
	enum when when;
};

static const struct section sections[] = {
	{ .argv = { SELF, "--version" } },
	{ .argv = { "uname", "-a" } },
	{ .files = "/etc/os-release" },
	{ .argv = { "dpkg-query", "-W", "bpflb-dkms", "lbadm" } },
	{ .argv = { "dkms", "status", "bpflb" } },
	{ .files = "/sys/module/bpflb/{version,srcversion,taint,refcnt}" },
	{ .files = "/sys/module/bpflb/parameters/*" },
	{ .argv = { "modinfo", "bpflb" } },
	{ .argv = { SELF, "status" } },
	{ .argv = { SELF, "save" } },
	{ .argv = { SELF, "set", "show" } },
	{ .argv = { SELF, "stats" } },
	{ .argv = { SELF, "service", "list" } },
	{ .argv = { SELF, "backend", "list" } },
	{ .argv = { SELF, "node", "list" } },
	{ .argv = { SELF, "-j", "-p", "doctor" } },
	{ .title = "flows, counted by kind and state", .run = bundle_count_flows },
	{ .argv = { SELF, "flow", "list" }, .when = WITH_FLOWS },
	{ .argv = { SELF, "affinity", "list" }, .when = WITH_FLOWS },
	{ .files = "/etc/bpflb/*" },
	{ .files = "/etc/modprobe.d/*bpflb*" },
	{ .argv = { "systemctl", "--no-pager", "--full", "status", "bpflb.service" } },
	{ .argv = { "journalctl", "--no-pager", "-n", "100", "-u", "bpflb.service" } },
	{ .argv = { "ip", "-d", "address" } },
	{ .argv = { "ip", "-s", "link" } },
	{ .argv = { "ip", "-4", "rule" } },
	{ .argv = { "ip", "-6", "rule" } },
	{ .argv = { "ip", "-4", "route", "show", "table", "all" } },
	{ .argv = { "ip", "-6", "route", "show", "table", "all" } },
	{ .argv = { "ip", "neighbour" } },
	{ .title = "sysctls of IPv4 and IPv6",
	  .files = "/proc/sys/net/ipv4/{ip_forward,ip_local_port_range,ip_local_reserved_ports,"
		   "fib_multipath_hash_policy,ip_no_pmtu_disc,ip_default_ttl,tcp_mtu_probing,"
		   "icmp_ratelimit,conf/*/{rp_filter,forwarding,accept_local,route_localnet,arp_ignore,"
		   "arp_announce,send_redirects,src_valid_mark}}" },
	{ .title = "sysctls of IPv6",
	  .files = "/proc/sys/net/ipv6/{fib_multipath_hash_policy,conf/*/{forwarding,disable_ipv6,"
		   "accept_ra}}" },
	{ .title = "sysctls of netfilter", .files = "/proc/sys/net/netfilter/nf_conntrack_*" },
	{ .title = "sysctls of devices and bridges",
	  .files = "/proc/sys/net/{core/{netdev_max_backlog,netdev_budget,rps_sock_flow_entries},"
		   "bridge/*}" },
	{ .argv = { "nft", "list", "ruleset" } },
	{ .argv = { "iptables-save", "-c" } },
	{ .argv = { "ip6tables-save", "-c" } },
	{ .argv = { "ipvsadm", "-Sn" } },
	{ .argv = { "conntrack", "-S" } },
	{ .files = "/proc/net/snmp" },
	{ .files = "/proc/net/softnet_stat" },
	{ .files = "/sys/devices/system/cpu/online" },
	{ .files = "/proc/meminfo" },
	{ .files = "/proc/modules" },
	{ .argv = { "dmesg" }, .only = "bpflb" },
};

/**
 * struct bundle - a report that is being written
 * @file: where to
 * @flows: flows are wanted, and clients named
 * @netns: namespace, as the command line says; NULL: this one
 * @missing: how many sections could not be had
 */
struct bundle {
	FILE *file;
	bool flows;
	const char *netns;
	unsigned int missing;
};

static void write_privacy(const struct bundle *bundle, FILE *file)
{
	fprintf(file,
		"It has: versions, the module's parameters, configuration, counters; this node's addresses,\n"
		"routes, neighbours with their MACs, firewall rules, sysctls, loaded modules, and what the\n"
		"kernel's log says of bpflb. Service addresses, backends, source ranges and rules are in clear.\n"
		"%s\n", bundle->flows ?
		"It names clients: flows and affinity were asked for." :
		"It names no clients, but for those in source ranges, rules and neighbours; flows are only counted.");
}

static void write_head(const struct bundle *bundle)
{
	char text[TIME_ROOM];
	time_t now = time(NULL);

	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", gmtime(&now));
	fprintf(bundle->file, "lbadm report, %s%s%s\n\n", text,
		bundle->netns ? ", network namespace " : "", bundle->netns ? bundle->netns : "");
	write_privacy(bundle, bundle->file);
}

static void write_title(FILE *file, const struct section *section)
{
	unsigned int i;

	fputs("\n==== ", file);
	if (section->title)
		fputs(section->title, file);
	else if (section->files)
		fputs(section->files, file);
	for (i = 0; !section->title && i < ARGS_MAX && section->argv[i]; i++)
		fprintf(file, "%s%s", i ? " " : "",
			strcmp(section->argv[i], SELF) ? section->argv[i] : "lbadm");
	fputs(" ====\n", file);
}

/* The text, or of its lines those with a word; each as one that ends. */
static void write_lines(FILE *file, const char *text, const char *only)
{
	size_t length;

	for (; *text; text += length) {
		length = strcspn(text, "\n");
		if (!only || memmem(text, length, only, strlen(only)))
			fprintf(file, "%.*s\n", (int)length, text);
		length += text[length] == '\n';
	}
}

static void write_program(struct bundle *bundle, const struct section *section)
{
	int status = 0;
	char *text;

	text = program_capture(section->run ? NULL : section->argv, section->run, &status);
	if (!text || status == PROGRAM_ABSENT) {
		fprintf(bundle->file, "(can't be had: %s is not there)\n",
			section->run ? "memory" : section->argv[0]);
		bundle->missing++;
	} else {
		write_lines(bundle->file, text, section->only);
		if (status) {
			fprintf(bundle->file, "(exit status %d)\n", status);
			/* doctor says so where it has found something. */
			bundle->missing += status != LBADM_DIFFERS;
		}
	}
	free(text);
}

static bool write_file(FILE *file, const char *path)
{
	FILE *from = fopen(path, "re");
	char piece[4096];
	bool begun = false;
	size_t got;

	while (from && (got = fread(piece, 1, sizeof(piece) - 1, from))) {
		piece[got] = '\0';
		/* Those of one line stand behind their name. */
		if (!begun)
			fprintf(file, "%s:%s", path, strchr(piece, '\n') == piece + got - 1 ? " " : "\n");
		begun = true;
		fwrite(piece, 1, got, file);
		if (got < sizeof(piece) - 1 && piece[got - 1] != '\n')
			putc('\n', file);
	}
	if (from && !begun)
		fprintf(file, "%s:\n", path);
	if (!from)
		fprintf(file, "%s: (can't be read: %s)\n", path, strerror(errno));
	else
		fclose(from);
	return from;
}

static void write_files(struct bundle *bundle, const struct section *section)
{
	bool all = true;
	glob_t found;
	size_t i;

	if (glob(section->files, GLOB_BRACE, NULL, &found)) {
		fputs("(none there)\n", bundle->file);
		bundle->missing++;
		globfree(&found);
		return;
	}
	for (i = 0; i < found.gl_pathc; i++)
		all &= write_file(bundle->file, found.gl_pathv[i]);
	bundle->missing += !all;
	globfree(&found);
}

static void write_all(struct bundle *bundle)
{
	size_t i;

	write_head(bundle);
	for (i = 0; i < sizeof(sections) / sizeof(*sections); i++) {
		const struct section *section = &sections[i];

		if (section->when == WITH_FLOWS && !bundle->flows)
			continue;
		write_title(bundle->file, section);
		/* A child of ours must not have what is still to be written. */
		fflush(bundle->file);
		if (section->files)
			write_files(bundle, section);
		else
			write_program(bundle, section);
	}
	fprintf(bundle->file, "\n==== end: %u of %zu sections could not be had, or not in full ====\n",
		bundle->missing, sizeof(sections) / sizeof(*sections));
}

/* What is in it is for nobody else to read. */
static FILE *open_file(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	return fd < 0 ? NULL : fdopen(fd, "w");
}

static int take_args(struct line *line, struct bundle *bundle, const char **name)
{
	while (line_peek(line)) {
		if (line_take_word(line, "--flows"))
			bundle->flows = true;
		else if (!*name && line_peek(line)[0] != '-')
			*name = line_take(line);
		else
			return args_unknown(line, *name ? "--flows" : "FILE, --flows");
	}
	return LBADM_OK;
}

static int report_run(struct context *context)
{
	struct bundle bundle = { .file = stdout, .netns = context->options.netns };
	const char *name = NULL;
	int code, bad;

	code = take_args(&context->line, &bundle, &name);
	if (!code && context->options.json)
		code = report(LBADM_USAGE, "a report is text, for a person to read: no -j");
	if (code)
		return code;
	if (name)
		bundle.file = open_file(name);
	if (!bundle.file)
		return report(LBADM_REFUSED, "can't write %s: %s", name, strerror(errno));
	write_all(&bundle);
	if (!name)
		return LBADM_OK;
	bad = ferror(bundle.file);
	bad |= fclose(bundle.file);
	if (bad)
		return report(LBADM_REFUSED, "can't write %s: %s", name, strerror(errno));
	write_privacy(&bundle, stderr);
	return LBADM_OK;
}

static const struct command report_commands[] = {
	{
		.args = "[FILE] [--flows]",
		.summary = "write all that somebody who is asked for help needs to know",
		.help = "One text, into FILE that only its owner can read, or to standard output: versions,\n"
			"configuration, counters, what doctor finds, flows by number, and addresses, routes,\n"
			"neighbours, rules, sysctls and modules of this node. What can't be had says so in its\n"
			"place; run it as root for all of it. Look through it before you hand it on. Clients\n"
			"are not named, but with --flows, which adds all flows and affinity.\n",
		.run = report_run,
	},
	{ 0 }
};

const struct object report_object = {
	.name = "report",
	.summary = "all that somebody who is asked for help needs to know",
	.commands = report_commands,
};
