// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "args.h"
#include "names.h"
#include "objects.h"

#define SERVICE_WORDS	\
	"address, scheduler, table-size, affinity, policy, internal-policy, bypass, allow, deny, " \
	"flows-max, one-packet, mode, dispatch"

static const char *const service_keywords[] = {
	"address", "scheduler", "table-size", "affinity", "policy", "internal-policy", "bypass",
	"allow", "deny", "flows-max", "one-packet", "mode", "dispatch", NULL
};

enum {
	SEEN_ADDRESS = 1,
	SEEN_SCHEDULER = 2,
	SEEN_POLICY = 4,
	SEEN_BYPASS = 8,
	SEEN_SOURCES = 16,
	SEEN_TABLE_SIZE = 32,
	SEEN_INTERNAL_POLICY = 64,
	SEEN_AFFINITY = 128,
	SEEN_FLOWS_MAX = 256,
	SEEN_ONE_PACKET = 512,
	SEEN_MODE = 1024,
	SEEN_DISPATCH = 2048,
};

static void put_frontend(struct request *request, unsigned int word,
			 const struct frontend *frontend)
{
	struct nlattr *nest = request_nest(request, word, BPFLB_SERVICE_A_FRONTEND);

	if (frontend->at.address.length)
		request_address(request, word, BPFLB_FRONTEND_A_ADDR, &frontend->at.address);
	request_port(request, word, BPFLB_FRONTEND_A_PORT, frontend->at.port);
	if (frontend->last_port)
		request_port(request, word, BPFLB_FRONTEND_A_LAST_PORT, frontend->last_port);
	if (frontend->open)
		request_flag(request, word, BPFLB_FRONTEND_A_OPEN);
	if (frontend->internal)
		request_flag(request, word, BPFLB_FRONTEND_A_INTERNAL);
	request_nest_end(request, nest);
}

/* At least one, then all up to a keyword. */
static int build_frontends(struct request *request, struct line *line)
{
	struct frontend frontend;
	unsigned int count = 0, keyword;
	int code;

	do {
		code = args_frontend(line, &frontend);
		if (code)
			return code;
		if (count++ == BPFLB_FRONTENDS_MAX)
			return report_last(line, "a service has %d addresses at most",
					   BPFLB_FRONTENDS_MAX);
		put_frontend(request, line->next - 1, &frontend);
	} while (line_peek(line) &&
		 !parse_choice(line_peek(line), service_keywords, &keyword));
	return 0;
}

/* A keyword that was taken, and the name of one of its values. */
static int build_choice(struct request *request, struct line *line, unsigned int *seen,
			unsigned int bit, const char *const *names, int type)
{
	const char *what = line->words[line->next - 1].text;
	unsigned int value;
	int code = args_once(line, seen, bit);

	if (!code)
		code = args_choice(line, what, names, &value);
	if (!code)
		request_u8(request, line->next - 1, type, value);
	return code;
}

static void put_source(const struct prefix *prefix, void *arg)
{
	const struct prefixes_arg *a = arg;

	request_prefix(a->request, a->word, BPFLB_SERVICE_A_SOURCE, prefix);
}

/* "allow" or "deny" was taken. */
static int build_sources(struct request *request, struct line *line, unsigned int *seen,
			 uint8_t rule)
{
	struct prefixes_arg arg = { request, line->next };

	if (*seen & SEEN_SOURCES)
		return report_last(line, "allow or deny may come once only");
	*seen |= SEEN_SOURCES;
	if (rule == BPFLB_SOURCES_ALLOW && line_take_word(line, "any")) {
		request_u8(request, arg.word, BPFLB_SERVICE_A_SOURCES, BPFLB_SOURCES_ANY);
		return 0;
	}
	request_u8(request, line->next - 1, BPFLB_SERVICE_A_SOURCES, rule);
	return args_prefixes(line, sources_names[rule], BPFLB_SOURCES_MAX, put_source, &arg);
}

/* Which sizes there may be the kernel knows. */
static int build_table_size(struct request *request, struct line *line, unsigned int *seen)
{
	int code = args_once(line, seen, SEEN_TABLE_SIZE);
	uint64_t size;

	if (!code)
		code = args_number(line, "table-size", 1, UINT32_MAX, &size);
	if (!code)
		request_u32(request, line->next - 1, BPFLB_SERVICE_A_TABLE_SIZE, size);
	return code;
}

_Static_assert(BPFLB_SERVICE_MODE_DEFAULT == BPFLB_SERVICE_DISPATCH_DEFAULT,
	       "build_own() has one default");

/* @names: those of the settings' attribute of the same name, @count of them, and "default" */
static int build_own(struct request *request, struct line *line, unsigned int *seen,
		     unsigned int bit, const char *const *names, unsigned int count, int type)
{
	const char *what = line->words[line->next - 1].text;
	int code = args_once(line, seen, bit);
	unsigned int value;

	if (!code)
		code = args_choice(line, what, names, &value);
	if (!code)
		request_u8(request, line->next - 1, type,
			   value == count ? BPFLB_SERVICE_MODE_DEFAULT : value);
	return code;
}

static int build_affinity(struct request *request, struct line *line, unsigned int *seen)
{
	int code = args_once(line, seen, SEEN_AFFINITY);
	uint32_t seconds = 0;

	if (!code && line_peek(line) && !strcmp(line_peek(line), "off"))
		line_take(line);
	else if (!code)
		code = args_duration(line, "affinity", &seconds);
	if (!code)
		request_u32(request, line->next - 1, BPFLB_SERVICE_A_AFFINITY, seconds);
	return code;
}

static int build_flows_max(struct request *request, struct line *line, unsigned int *seen)
{
	uint64_t value;
	int code;

	code = args_once(line, seen, SEEN_FLOWS_MAX);
	if (!code)
		code = args_number(line, "flows-max", 0, UINT32_MAX, &value);
	if (!code)
		request_u32(request, line->next - 1, BPFLB_SERVICE_A_FLOWS_MAX, value);
	return code;
}

static int build_keyword(struct request *request, struct line *line, unsigned int *seen)
{
	const char *word = line_take(line);
	int code;

	if (!strcmp(word, "address")) {
		code = args_once(line, seen, SEEN_ADDRESS);
		return code ? code : build_frontends(request, line);
	}
	if (!strcmp(word, "scheduler"))
		return build_choice(request, line, seen, SEEN_SCHEDULER, scheduler_names,
				    BPFLB_SERVICE_A_SCHEDULER);
	if (!strcmp(word, "table-size"))
		return build_table_size(request, line, seen);
	if (!strcmp(word, "affinity"))
		return build_affinity(request, line, seen);
	if (!strcmp(word, "mode"))
		return build_own(request, line, seen, SEEN_MODE, service_mode_names,
				 __BPFLB_MODE_MAX, BPFLB_SERVICE_A_MODE);
	if (!strcmp(word, "dispatch"))
		return build_own(request, line, seen, SEEN_DISPATCH, service_dispatch_names,
				 __BPFLB_DISPATCH_MAX, BPFLB_SERVICE_A_DISPATCH);
	if (!strcmp(word, "policy"))
		return build_choice(request, line, seen, SEEN_POLICY, policy_names,
				    BPFLB_SERVICE_A_POLICY);
	if (!strcmp(word, "internal-policy"))
		return build_choice(request, line, seen, SEEN_INTERNAL_POLICY, policy_names,
				    BPFLB_SERVICE_A_INTERNAL_POLICY);
	if (!strcmp(word, "bypass"))
		return build_choice(request, line, seen, SEEN_BYPASS, switch_names,
				    BPFLB_SERVICE_A_BYPASS);
	if (!strcmp(word, "one-packet"))
		return build_choice(request, line, seen, SEEN_ONE_PACKET, switch_names,
				    BPFLB_SERVICE_A_ONE_PACKET);
	if (!strcmp(word, "allow"))
		return build_sources(request, line, seen, BPFLB_SOURCES_ALLOW);
	if (!strcmp(word, "flows-max"))
		return build_flows_max(request, line, seen);
	if (!strcmp(word, "deny"))
		return build_sources(request, line, seen, BPFLB_SOURCES_DENY);
	line->next--;
	return args_unknown(line, SERVICE_WORDS);
}

static int build_name(struct request *request, struct line *line, uint8_t command)
{
	const char *name;
	int code;

	request_start(request, command, 0);
	code = args_name(line, &name);
	if (!code)
		request_string(request, line->next - 1, BPFLB_SERVICE_A_NAME, name);
	return code;
}

static int service_build_add(struct request *request, struct line *line)
{
	unsigned int proto, seen = SEEN_ADDRESS;
	int code;

	code = build_name(request, line, BPFLB_CMD_SERVICE_ADD);
	if (!code)
		code = args_choice(line, "protocol", proto_names, &proto);
	if (code)
		return code;
	request_u8(request, line->next - 1, BPFLB_SERVICE_A_PROTO, proto_numbers[proto]);
	code = build_frontends(request, line);
	while (!code && line_peek(line))
		code = build_keyword(request, line, &seen);
	return code;
}

static int service_build_set(struct request *request, struct line *line)
{
	unsigned int seen = 0;
	int code;

	code = build_name(request, line, BPFLB_CMD_SERVICE_SET);
	if (!code && !line_peek(line))
		return args_unknown(line, SERVICE_WORDS);
	while (!code && line_peek(line))
		code = build_keyword(request, line, &seen);
	return code;
}

static int service_build_del(struct request *request, struct line *line)
{
	int code = build_name(request, line, BPFLB_CMD_SERVICE_DEL);

	return code ? code : args_end(line);
}

#define SCHEDULER_HELP \
	"New flows go to backends at random, one after the other (rr), to that with\n" \
	"the fewest flows (lc), or by the client's address and port alike on all nodes\n" \
	"(maglev, whose table has 251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521 or\n" \
	"131071 entries of 2 bytes; 16381 if not given). The weight counts for all.\n"

#define AFFINITY_HELP \
	"With affinity, such as 3h, a client's flows all go to one backend, until so long\n" \
	"after the last one began; to whichever of the service's addresses. With one-packet\n" \
	"on, of UDP and without affinity, each datagram goes to a backend of its own.\n"

#define FRONTEND_HELP \
	"ADDRESS is 192.0.2.10:443, [2001:db8::1]:443, or nodeport:30022 for every\n" \
	"address of this node. A service has 64 at most, of either family. A port may\n" \
	"also be a range, 8000-8999, or * for all; of several that fit, a single port\n" \
	"goes before a range, and that before all. An address\n" \
	"with internal: before it is the cluster's own (a ClusterIP).\n"

#define POLICY_HELP \
	"With policy local only backends on this node are chosen, and what finds\n" \
	"none is dropped; with cluster, which is the default, any backend is. Who asks\n" \
	"from this node itself gets any in either case. At an ADDRESS with internal:\n" \
	"before it internal-policy holds instead, for all alike.\n"

#define MODE_HELP \
	"With a mode or dispatch its new flows go by that, whatever 'set mode' and 'set\n" \
	"dispatch' say; with default, by these.\n"

#define SOURCES_HELP \
	"With allow or deny, and prefixes such as 10.0.0.0/8,2001:db8::/32, only some\n" \
	"clients may ask; what others send is dropped. At an ADDRESS with open: before\n" \
	"it all may. Flows that exist go on. 'allow any' takes the list away.\n" \
	"While there are flows-max flows, no more are made; with 0 there is no limit.\n"

static const struct command service_commands[] = {
	{
		.verb = "add",
		.args = "NAME tcp|udp|sctp ADDRESS... [scheduler random|rr|lc|maglev]\n"
			"    [table-size N] [affinity TIME|off] [policy cluster|local]\n"
			"    [internal-policy cluster|local] [bypass on|off] [allow|deny PREFIX,...]\n"
			"    [mode snat|dsr|hybrid|default] [dispatch opt|geneve|ipip|l2|default]\n"
			"    [one-packet on|off] [flows-max N]",
		.summary = "make a service",
		.help = FRONTEND_HELP SCHEDULER_HELP AFFINITY_HELP MODE_HELP POLICY_HELP
			"With bypass off each packet takes the whole way through the stack.\n"
			SOURCES_HELP,
		.build = service_build_add,
		.in_file = true,
	},
	{
		.verb = "set",
		.args = "NAME [address ADDRESS...] [scheduler random|rr|lc|maglev]\n"
			"    [table-size N] [affinity TIME|off] [policy cluster|local]\n"
			"    [internal-policy cluster|local] [bypass on|off] [allow|deny PREFIX,...]\n"
			"    [mode snat|dsr|hybrid|default] [dispatch opt|geneve|ipip|l2|default]\n"
			"    [one-packet on|off] [flows-max N]",
		.summary = "change a service; what is not mentioned stays as it is",
		.help = FRONTEND_HELP "Those given here replace all that it had.\n"
			AFFINITY_HELP MODE_HELP SOURCES_HELP,
		.build = service_build_set,
	},
	{
		.verb = "del",
		.args = "NAME",
		.summary = "remove a service and its backends",
		.help = "TCP flows that exist go on.\n",
		.build = service_build_del,
	},
	{
		.verb = "list",
		.alias = "show",
		.args = "[NAME | name NAME] [proto tcp|udp|sctp] [address ADDRESS[:PORT]]\n"
			"    [scheduler random|rr|lc|maglev] [mode snat|dsr|hybrid|default]\n"
			"    [dispatch opt|geneve|ipip|l2|default] [policy cluster|local]",
		.summary = "show all services, or some",
		.help = "A service must match all that is given, with the mode and dispatch of its own. One\n"
			"that has a filter's name is 'name NAME'.\n"
			"FLOWS are those made so far; IN is from clients, OUT to them.\n",
		.run = service_run_list,
	},
	{ 0 }
};

const struct object service_object = {
	.name = "service",
	.summary = "what clients connect to: addresses, ports and a protocol",
	.commands = service_commands,
	.implied = "list",
};
