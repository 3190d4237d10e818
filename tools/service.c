// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "args.h"
#include "attrs.h"
#include "names.h"
#include "objects.h"

#define FRONTENDS_SHOWN	3	/* of one service, in a table */
#define FRONTENDS_ROOM	(FRONTENDS_SHOWN * FRONTEND_ROOM + 16)

#define TABLE_SIZE	16381	/* where nothing is said */

#define SERVICE_WORDS	\
	"address, scheduler, table-size, affinity, policy, internal-policy, bypass, allow, deny, " \
	"flows-max"

static const char *const service_keywords[] = {
	"address", "scheduler", "table-size", "affinity", "policy", "internal-policy", "bypass",
	"allow", "deny", "flows-max", NULL
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
};

static void put_frontend(struct request *request, unsigned int word,
			 const struct frontend *frontend)
{
	struct nlattr *nest = request_nest(request, word, BPFLB_SERVICE_A_FRONTEND);

	if (frontend->at.address.length)
		request_address(request, word, BPFLB_FRONTEND_A_ADDR, &frontend->at.address);
	request_port(request, word, BPFLB_FRONTEND_A_PORT, frontend->at.port);
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
	if (!strcmp(word, "policy"))
		return build_choice(request, line, seen, SEEN_POLICY, policy_names,
				    BPFLB_SERVICE_A_POLICY);
	if (!strcmp(word, "internal-policy"))
		return build_choice(request, line, seen, SEEN_INTERNAL_POLICY, policy_names,
				    BPFLB_SERVICE_A_INTERNAL_POLICY);
	if (!strcmp(word, "bypass"))
		return build_choice(request, line, seen, SEEN_BYPASS, switch_names,
				    BPFLB_SERVICE_A_BYPASS);
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

/**
 * service_decode - a message as a service
 * @nlh: the message
 * @service: the result
 */
void service_decode(const struct nlmsghdr *nlh, struct service *service)
{
	struct nlattr *attrs[BPFLB_SERVICE_A_MAX + 1], *inner[BPFLB_FRONTEND_A_MAX + 1];
	struct frontend *frontend;
	struct nlattr *attr;
	int left;

	memset(service, 0, offsetof(struct service, ranges));
	attrs_parse(nlh, attrs, BPFLB_SERVICE_A_MAX);
	service->generation = attr_u64(attrs[BPFLB_SERVICE_A_GENERATION]);
	attr_string(attrs[BPFLB_SERVICE_A_NAME], service->name, sizeof(service->name));
	service->proto = attr_u8(attrs[BPFLB_SERVICE_A_PROTO]);
	service->scheduler = attr_u8(attrs[BPFLB_SERVICE_A_SCHEDULER]);
	service->policy = attr_u8(attrs[BPFLB_SERVICE_A_POLICY]);
	service->internal_policy = attr_u8(attrs[BPFLB_SERVICE_A_INTERNAL_POLICY]);
	service->bypass = attr_u8(attrs[BPFLB_SERVICE_A_BYPASS]);
	service->table_size = attr_u32(attrs[BPFLB_SERVICE_A_TABLE_SIZE]);
	service->affinity = attr_u32(attrs[BPFLB_SERVICE_A_AFFINITY]);
	service->backends = attr_u32(attrs[BPFLB_SERVICE_A_BACKENDS]);
	service->backends_local = attr_u32(attrs[BPFLB_SERVICE_A_BACKENDS_LOCAL]);
	service->flows_max = attr_u32(attrs[BPFLB_SERVICE_A_FLOWS_MAX]);
	service->sources = attr_u8(attrs[BPFLB_SERVICE_A_SOURCES]);
	counters_decode(attrs[BPFLB_SERVICE_A_COUNTERS], &service->counters);
	attrs_for_each(attr, nlh, left) {
		if (nla_type(attr) == BPFLB_SERVICE_A_SOURCE &&
		    service->range_count < BPFLB_SOURCES_MAX)
			attr_prefix(attr, &service->ranges[service->range_count++]);
		if (nla_type(attr) != BPFLB_SERVICE_A_FRONTEND ||
		    service->frontend_count == BPFLB_FRONTENDS_MAX)
			continue;
		attrs_parse_nest(attr, inner, BPFLB_FRONTEND_A_MAX);
		frontend = &service->frontends[service->frontend_count++];
		attr_address(inner[BPFLB_FRONTEND_A_ADDR], &frontend->at.address);
		frontend->at.port = attr_port(inner[BPFLB_FRONTEND_A_PORT]);
		frontend->open = inner[BPFLB_FRONTEND_A_OPEN];
		frontend->internal = inner[BPFLB_FRONTEND_A_INTERNAL];
	}
}

/**
 * service_json - a service as JSON
 * @json: where to
 * @key: its key
 * @service: the service
 */
void service_json(struct json *json, const char *key, const struct service *service)
{
	char room[NAME_ROOM], text[PREFIX_ROOM];
	unsigned int i;

	json_open(json, key, '{');
	json_string(json, "name", service->name);
	json_string(json, "proto", proto_name(service->proto, room));
	json_open(json, "frontends", '[');
	for (i = 0; i < service->frontend_count; i++) {
		const struct frontend *frontend = &service->frontends[i];
		bool nodeport = !frontend->at.address.length;

		json_open(json, NULL, '{');
		if (nodeport)
			json_null(json, "address");
		else
			json_string(json, "address", format_address(&frontend->at.address, text));
		json_u64(json, "port", frontend->at.port);
		json_bool(json, "nodeport", nodeport);
		json_bool(json, "open", frontend->open);
		json_bool(json, "internal", frontend->internal);
		json_close(json);
	}
	json_close(json);
	json_string(json, "scheduler", name_of(scheduler_names, service->scheduler, room));
	json_u64(json, "table_size", service->table_size);
	json_u64(json, "affinity", service->affinity);
	json_string(json, "policy", name_of(policy_names, service->policy, room));
	json_string(json, "internal_policy",
		    name_of(policy_names, service->internal_policy, room));
	json_bool(json, "bypass", service->bypass);
	json_u64(json, "flows_max", service->flows_max);
	json_string(json, "sources", name_of(sources_names, service->sources, room));
	json_open(json, "source_ranges", '[');
	for (i = 0; i < service->range_count; i++)
		json_string(json, NULL, format_prefix(&service->ranges[i], text));
	json_close(json);
	json_u64(json, "backends", service->backends);
	json_u64(json, "backends_local", service->backends_local);
	counters_json(json, &service->counters);
	json_close(json);
}

static void write_sources(FILE *file, const struct service *service, bool defaults)
{
	char text[PREFIX_ROOM];
	unsigned int i;

	if (service->sources == BPFLB_SOURCES_ANY) {
		fputs(defaults ? " allow any" : "", file);
		return;
	}
	fputs(service->sources == BPFLB_SOURCES_DENY ? " deny " : " allow ", file);
	for (i = 0; i < service->range_count; i++)
		fprintf(file, "%s%s", i ? "," : "", format_prefix(&service->ranges[i], text));
}

/**
 * service_words - a service as "service add" has it
 * @file: where to
 * @service: the service
 * @defaults: write also what is as it would be anyway
 */
void service_words(FILE *file, const struct service *service, bool defaults)
{
	char room[NAME_ROOM], text[FRONTEND_ROOM];
	unsigned int i;

	fprintf(file, "%s %s", service->name, proto_name(service->proto, room));
	for (i = 0; i < service->frontend_count; i++)
		fprintf(file, " %s", format_frontend(&service->frontends[i], text));
	if (defaults || service->scheduler != BPFLB_SCHEDULER_RANDOM)
		fprintf(file, " scheduler %s",
			name_of(scheduler_names, service->scheduler, room));
	if (service->table_size != TABLE_SIZE ||
	    (defaults && service->scheduler == BPFLB_SCHEDULER_MAGLEV))
		fprintf(file, " table-size %u", service->table_size);
	if (service->affinity)
		fprintf(file, " affinity %us", service->affinity);
	else if (defaults)
		fprintf(file, " affinity off");
	if (defaults || service->policy != BPFLB_POLICY_CLUSTER)
		fprintf(file, " policy %s", name_of(policy_names, service->policy, room));
	if (defaults || service->internal_policy != BPFLB_POLICY_CLUSTER)
		fprintf(file, " internal-policy %s",
			name_of(policy_names, service->internal_policy, room));
	if (defaults || !service->bypass)
		fprintf(file, " bypass %s", switch_names[service->bypass]);
	write_sources(file, service, defaults);
	if (defaults || service->flows_max)
		fprintf(file, " flows-max %u", service->flows_max);
}

static void take_service(const struct nlmsghdr *nlh, void *arg)
{
	service_decode(nlh, arg);
}

/**
 * service_get - ask for one service
 * @context: with its socket open
 * @name: which
 * @word: of the command line that named it
 * @service: the answer
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int service_get(struct context *context, const char *name, unsigned int word,
		struct service *service)
{
	memset(service, 0, sizeof(*service));
	request_start(&context->request, BPFLB_CMD_SERVICE_GET, 0);
	request_string(&context->request, word, BPFLB_SERVICE_A_NAME, name);
	if (conn_call(&context->conn, &context->request, take_service, service))
		return context_refused(context, &context->conn.refusal);
	return LBADM_OK;
}

static const char *frontends_text(const struct service *service, char text[FRONTENDS_ROOM])
{
	char frontend[FRONTEND_ROOM];
	size_t used = 0;
	unsigned int i;

	text[0] = '\0';
	for (i = 0; i < service->frontend_count && i < FRONTENDS_SHOWN; i++)
		used += snprintf(text + used, FRONTENDS_ROOM - used, "%s%s", i ? "," : "",
				 format_frontend(&service->frontends[i], frontend));
	if (service->frontend_count > FRONTENDS_SHOWN)
		snprintf(text + used, FRONTENDS_ROOM - used, ",+%u",
			 service->frontend_count - FRONTENDS_SHOWN);
	return text;
}

static void service_row(struct table *table, const struct service *service)
{
	const struct counters *counters = &service->counters;
	char room[NAME_ROOM], text[FRONTENDS_ROOM];

	table_cell(table, "%s", service->name);
	table_cell(table, "%s", proto_name(service->proto, room));
	table_cell(table, "%s", frontends_text(service, text));
	table_cell(table, "%s", name_of(scheduler_names, service->scheduler, room));
	table_cell(table, "%s", name_of(policy_names, service->policy, room));
	table_cell(table, "%u", service->backends);
	table_cell(table, "%u", service->backends_local);
	table_cell(table, "%s", format_count(counters->flows, text));
	table_cell(table, "%s", format_bytes(counters->bytes_in, text));
	table_cell(table, "%s", format_bytes(counters->bytes_out, text));
}

static void service_table(const struct messages *messages)
{
	static const char *const headers[] = {
		"NAME", "PROTO", "ADDRESSES", "SCHEDULER", "POLICY", ">BACKENDS", ">LOCAL",
		">FLOWS", ">IN", ">OUT", NULL
	};
	const struct nlmsghdr *nlh;
	struct service service;
	struct table table;

	table_init(&table, headers);
	messages_for_each(nlh, messages) {
		service_decode(nlh, &service);
		service_row(&table, &service);
	}
	out_table(&table, "no services");
}

static int service_list_json(struct context *context, const struct messages *messages)
{
	const struct nlmsghdr *nlh;
	struct service service = { 0 };
	struct json json;
	int code;

	if (messages->used)
		service_decode((const struct nlmsghdr *)messages->bytes, &service);
	code = context_json_begin(context, &json, service.generation);
	if (code)
		return code;
	json_open(&json, "services", '[');
	messages_for_each(nlh, messages) {
		service_decode(nlh, &service);
		service_json(&json, NULL, &service);
	}
	json_close(&json);
	context_json_end(&json);
	return LBADM_OK;
}

static int service_gather(struct context *context, struct messages *messages)
{
	struct request *request = &context->request;
	struct conn *conn = &context->conn;
	int code, error;

	if (line_peek(&context->line)) {
		code = build_name(request, &context->line, BPFLB_CMD_SERVICE_GET);
		if (!code)
			code = args_end(&context->line);
		if (!code)
			code = conn_open(conn);
		if (code)
			return code;
		error = conn_call(conn, request, messages_add, messages);
	} else {
		code = conn_open(conn);
		if (code)
			return code;
		request_start(request, BPFLB_CMD_SERVICE_GET, 0);
		error = conn_gather(conn, request, messages);
	}
	return error ? context_refused(context, &conn->refusal) : LBADM_OK;
}

static int service_run_list(struct context *context)
{
	struct messages messages = { 0 };
	int code = service_gather(context, &messages);

	if (!code && context->options.json)
		code = service_list_json(context, &messages);
	else if (!code)
		service_table(&messages);
	messages_free(&messages);
	return code;
}

#define SCHEDULER_HELP \
	"New flows go to backends at random, one after the other (rr), to that with\n" \
	"the fewest flows (lc), or by the client's address and port alike on all nodes\n" \
	"(maglev, whose table has 251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521 or\n" \
	"131071 entries of 2 bytes; 16381 if not given). The weight counts for all.\n"

#define AFFINITY_HELP \
	"With affinity, such as 3h, a client's flows all go to one backend, until so long\n" \
	"after the last one began; to whichever of the service's addresses.\n"

#define FRONTEND_HELP \
	"ADDRESS is 192.0.2.10:443, [2001:db8::1]:443, or nodeport:30022 for every\n" \
	"address of this node. A service has 64 at most, of either family. An address\n" \
	"with internal: before it is the cluster's own (a ClusterIP).\n"

#define POLICY_HELP \
	"With policy local only backends on this node are chosen, and what finds\n" \
	"none is dropped; with cluster, which is the default, any backend is. Who asks\n" \
	"from this node itself gets any in either case. At an ADDRESS with internal:\n" \
	"before it internal-policy holds instead, for all alike.\n"

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
			"    [flows-max N]",
		.summary = "make a service",
		.help = FRONTEND_HELP SCHEDULER_HELP AFFINITY_HELP POLICY_HELP
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
			"    [flows-max N]",
		.summary = "change a service; what is not mentioned stays as it is",
		.help = FRONTEND_HELP "Those given here replace all that it had.\n"
			AFFINITY_HELP SOURCES_HELP,
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
		.args = "[NAME]",
		.summary = "show all services, or one",
		.help = "FLOWS are those made so far; IN is from clients, OUT to them.\n",
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
