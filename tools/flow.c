// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
#include <string.h>

#include "args.h"
#include "attrs.h"
#include "flow.h"
#include "names.h"

enum filter {
	FILTER_SERVICE,
	FILTER_PROTO,
	FILTER_CLIENT,
	FILTER_BACKEND,
	FILTER_KIND,
	FILTER_STATE,
};

static const char *const filter_names[] = {
	[FILTER_SERVICE]	= "service",
	[FILTER_PROTO]		= "proto",
	[FILTER_CLIENT]		= "client",
	[FILTER_BACKEND]	= "backend",
	[FILTER_KIND]		= "kind",
	[FILTER_STATE]		= "state",
	NULL
};

static int build_host(struct request *request, struct line *line, const char *what,
		      int address_type, int port_type)
{
	struct endpoint host;
	int code = args_host(line, what, &host);

	if (code)
		return code;
	request_address(request, line->next - 1, address_type, &host.address);
	if (host.port)
		request_port(request, line->next - 1, port_type, host.port);
	return 0;
}

static int build_choice(struct request *request, struct line *line, const char *what,
			const char *const *names, int type)
{
	unsigned int value;
	int code = args_choice(line, what, names, &value);

	if (!code)
		request_u8(request, line->next - 1, type,
			   names == proto_names ? proto_numbers[value] : value);
	return code;
}

static int build_filter(struct request *request, struct line *line, enum filter which)
{
	const char *name;
	int code;

	switch (which) {
	case FILTER_SERVICE:
		code = args_name(line, &name);
		if (!code)
			request_string(request, line->next - 1, BPFLB_FLOW_A_SERVICE, name);
		return code;
	case FILTER_PROTO:
		return build_choice(request, line, "protocol", proto_names,
				    BPFLB_FLOW_A_PROTO);
	case FILTER_CLIENT:
		return build_host(request, line, "client", BPFLB_FLOW_A_CLIENT_ADDR,
				  BPFLB_FLOW_A_CLIENT_PORT);
	case FILTER_BACKEND:
		return build_host(request, line, "backend", BPFLB_FLOW_A_BACKEND_ADDR,
				  BPFLB_FLOW_A_BACKEND_PORT);
	case FILTER_KIND:
		return build_choice(request, line, "kind", kind_names, BPFLB_FLOW_A_KIND);
	case FILTER_STATE:
		return build_choice(request, line, "state", state_names, BPFLB_FLOW_A_STATE);
	}
	return 0;
}

static int build_filters(struct request *request, struct line *line, uint8_t command)
{
	unsigned int which, seen = 0;
	char valid[128];
	int code = 0;

	request_start(request, command, 0);
	while (!code && line_peek(line)) {
		if (!parse_choice(line_peek(line), filter_names, &which)) {
			names_join(filter_names, valid, sizeof(valid));
			return args_unknown(line, valid);
		}
		line_take(line);
		code = args_once(line, &seen, 1 << which);
		if (!code)
			code = build_filter(request, line, which);
	}
	return code;
}

static void decode_endpoint(struct nlattr **attrs, int address, int port,
			    struct endpoint *endpoint)
{
	attr_address(attrs[address], &endpoint->address);
	endpoint->port = attr_port(attrs[port]);
}

static void decode(struct nlattr **attrs, struct flow *flow)
{
	memset(flow, 0, sizeof(*flow));
	attr_string(attrs[BPFLB_FLOW_A_SERVICE], flow->service, sizeof(flow->service));
	flow->proto = attr_u8(attrs[BPFLB_FLOW_A_PROTO]);
	flow->kind = attr_u8(attrs[BPFLB_FLOW_A_KIND]);
	flow->state = attr_u8(attrs[BPFLB_FLOW_A_STATE]);
	decode_endpoint(attrs, BPFLB_FLOW_A_CLIENT_ADDR, BPFLB_FLOW_A_CLIENT_PORT,
			&flow->client);
	decode_endpoint(attrs, BPFLB_FLOW_A_SERVICE_ADDR, BPFLB_FLOW_A_SERVICE_PORT,
			&flow->frontend);
	decode_endpoint(attrs, BPFLB_FLOW_A_BACKEND_ADDR, BPFLB_FLOW_A_BACKEND_PORT,
			&flow->backend);
	decode_endpoint(attrs, BPFLB_FLOW_A_SNAT_ADDR, BPFLB_FLOW_A_SNAT_PORT, &flow->snat);
	flow->mid_port = attr_port(attrs[BPFLB_FLOW_A_MID_PORT]);
	flow->closed = attr_u8(attrs[BPFLB_FLOW_A_CLOSED]);
	flow->marks = attr_u8(attrs[BPFLB_FLOW_A_MARKS]);
	flow->bypass = attr_u8(attrs[BPFLB_FLOW_A_BYPASS]);
	flow->dispatch = attr_u8(attrs[BPFLB_FLOW_A_DISPATCH]);
	flow->has_dispatch = attrs[BPFLB_FLOW_A_DISPATCH];
	flow->idle = attr_u32(attrs[BPFLB_FLOW_A_IDLE]);
	flow->expires = attr_u32(attrs[BPFLB_FLOW_A_EXPIRES]);
	flow->has_idle = attrs[BPFLB_FLOW_A_IDLE];
	flow->has_expires = attrs[BPFLB_FLOW_A_EXPIRES];
	flow->packets[0] = attr_u64(attrs[BPFLB_FLOW_A_PACKETS_IN]);
	flow->packets[1] = attr_u64(attrs[BPFLB_FLOW_A_PACKETS_OUT]);
	flow->bytes[0] = attr_u64(attrs[BPFLB_FLOW_A_BYTES_IN]);
	flow->bytes[1] = attr_u64(attrs[BPFLB_FLOW_A_BYTES_OUT]);
	flow->duration = attr_u64(attrs[BPFLB_FLOW_A_DURATION]);
	flow->has_account = attrs[BPFLB_FLOW_A_DURATION];
	flow->end = attr_u8(attrs[BPFLB_FLOW_A_END]);
	flow->has_end = attrs[BPFLB_FLOW_A_END];
}

/**
 * flow_decode - the values of a message about a flow
 * @nlh: the message
 * @flow: the result
 */
void flow_decode(const struct nlmsghdr *nlh, struct flow *flow)
{
	struct nlattr *attrs[BPFLB_FLOW_A_MAX + 1];

	attrs_parse(nlh, attrs, BPFLB_FLOW_A_MAX);
	decode(attrs, flow);
}

/**
 * flow_decode_nest - the values of a flow that a message is not about alone
 * @nest: the attribute that has them
 * @flow: the result
 */
void flow_decode_nest(const struct nlattr *nest, struct flow *flow)
{
	struct nlattr *attrs[BPFLB_FLOW_A_MAX + 1];

	attrs_parse_nest(nest, attrs, BPFLB_FLOW_A_MAX);
	decode(attrs, flow);
}

static void endpoint_json(struct json *json, const char *key, const struct endpoint *endpoint)
{
	char text[ADDRESS_ROOM];

	json_open(json, key, '{');
	if (endpoint->address.length)
		json_string(json, "address", format_address(&endpoint->address, text));
	else
		json_null(json, "address");
	json_u64(json, "port", endpoint->port);
	json_close(json);
}

static void account_json(struct json *json, const struct flow *flow)
{
	static const char *const keys[] = {
		"packets_in", "bytes_in", "packets_out", "bytes_out", "duration"
	};
	const uint64_t values[] = {
		flow->packets[0], flow->bytes[0], flow->packets[1], flow->bytes[1], flow->duration
	};
	unsigned int i;

	for (i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		if (flow->has_account)
			json_u64(json, keys[i], values[i]);
		else
			json_null(json, keys[i]);
	}
}

/**
 * flow_show_json - a flow as JSON
 * @json: where to
 * @key: its key
 * @flow: the flow
 */
void flow_show_json(struct json *json, const char *key, const struct flow *flow)
{
	char room[NAME_ROOM], text[ADDRESS_ROOM];

	json_open(json, key, '{');
	json_string(json, "service", flow->service);
	json_string(json, "proto", proto_name(flow->proto, room));
	json_string(json, "kind", name_of(kind_names, flow->kind, room));
	json_string(json, "state", name_of(state_names, flow->state, room));
	endpoint_json(json, "client", &flow->client);
	endpoint_json(json, "frontend", &flow->frontend);
	endpoint_json(json, "backend", &flow->backend);
	/* A backend may see another source port without another address. */
	if (flow->snat.address.length)
		json_string(json, "snat_address", format_address(&flow->snat.address, text));
	else
		json_null(json, "snat_address");
	if (flow->snat.port)
		json_u64(json, "snat_port", flow->snat.port);
	else
		json_null(json, "snat_port");
	if (flow->has_dispatch)
		json_string(json, "dispatch", name_of(dispatch_names, flow->dispatch, room));
	else
		json_null(json, "dispatch");
	json_string(json, "bypass", name_of(bypass_names, flow->bypass, room));
	if (flow->has_idle)
		json_u64(json, "idle", flow->idle);
	if (flow->has_expires)
		json_u64(json, "expires", flow->expires);
	account_json(json, flow);
	if (flow->has_end)
		json_string(json, "end", name_of(end_names, flow->end, room));
	json_close(json);
}

/**
 * flow_json - a flow as JSON
 * @json: where to
 * @key: its key
 * @nlh: the message that has it
 */
void flow_json(struct json *json, const char *key, const struct nlmsghdr *nlh)
{
	struct flow flow;

	flow_decode(nlh, &flow);
	flow_show_json(json, key, &flow);
}

/* An endpoint of a flow, which is never a node port: that has an address by now. */
static const char *flow_endpoint(const struct endpoint *endpoint, char text[ENDPOINT_ROOM])
{
	if (!endpoint->address.length)
		return "-";
	return format_endpoint(endpoint, text);
}

static const char *flow_how(const struct flow *flow, char text[ENDPOINT_ROOM + NAME_ROOM])
{
	char room[NAME_ROOM], by[NAME_ROOM], snat[ENDPOINT_ROOM];
	const char *kind = name_of(kind_names, flow->kind, room);

	if (flow->snat.address.length)
		snprintf(text, ENDPOINT_ROOM + NAME_ROOM, "%s %s", kind,
			 format_endpoint(&flow->snat, snat));
	else if (flow->has_dispatch && flow->dispatch != BPFLB_DISPATCH_OPT)
		snprintf(text, ENDPOINT_ROOM + NAME_ROOM, "%s %s", kind,
			 name_of(dispatch_names, flow->dispatch, by));
	else if (flow->snat.port && flow->snat.port != flow->client.port)
		snprintf(text, ENDPOINT_ROOM + NAME_ROOM, "%s port %u", kind, flow->snat.port);
	else
		snprintf(text, ENDPOINT_ROOM + NAME_ROOM, "%s", kind);
	return text;
}

/**
 * flow_show - a flow in one line
 * @file: where to
 * @flow: the flow
 */
void flow_show(FILE *file, const struct flow *flow)
{
	char client[ENDPOINT_ROOM], frontend[ENDPOINT_ROOM], backend[ENDPOINT_ROOM];
	char how[ENDPOINT_ROOM + NAME_ROOM], proto[NAME_ROOM], state[NAME_ROOM];

	fprintf(file, "%s %s %s > %s > %s %s %s", flow->service,
		proto_name(flow->proto, proto), flow_endpoint(&flow->client, client),
		flow_endpoint(&flow->frontend, frontend),
		flow_endpoint(&flow->backend, backend), flow_how(flow, how),
		name_of(state_names, flow->state, state));
	if (flow->has_end)
		fprintf(file, " end %s", name_of(end_names, flow->end, state));
	if (flow->has_account)
		fprintf(file, " in %" PRIu64 " packets %" PRIu64 " bytes out %" PRIu64
			" packets %" PRIu64 " bytes in %" PRIu64 ".%03us", flow->packets[0],
			flow->bytes[0], flow->packets[1], flow->bytes[1], flow->duration / 1000,
			(unsigned int)(flow->duration % 1000));
}

/**
 * flow_words - a flow in one line
 * @file: where to
 * @nlh: the message that has it
 */
void flow_words(FILE *file, const struct nlmsghdr *nlh)
{
	struct flow flow;

	flow_decode(nlh, &flow);
	flow_show(file, &flow);
}

static void flow_row(const struct nlmsghdr *nlh, void *arg)
{
	char text[ENDPOINT_ROOM + NAME_ROOM], room[NAME_ROOM];
	struct table *table = arg;
	struct flow flow;

	flow_decode(nlh, &flow);
	table_cell(table, "%s", flow.service);
	table_cell(table, "%s", proto_name(flow.proto, room));
	table_cell(table, "%s", flow_endpoint(&flow.client, text));
	table_cell(table, "%s", flow_endpoint(&flow.frontend, text));
	table_cell(table, "%s", flow_endpoint(&flow.backend, text));
	table_cell(table, "%s", flow_how(&flow, text));
	table_cell(table, "%s", name_of(state_names, flow.state, room));
	table_cell(table, "%s", name_of(bypass_names, flow.bypass, room));
	table_cell(table, "%s", format_duration(flow.idle, text));
	table_cell(table, "%s", format_duration(flow.expires, text));
}

static void flow_element(const struct nlmsghdr *nlh, void *arg)
{
	flow_json(arg, NULL, nlh);
}

static int list_table(struct context *context)
{
	static const char *const headers[] = {
		"SERVICE", "PROTO", "CLIENT", "ADDRESS", "BACKEND", "HOW", "STATE", "BYPASS",
		">IDLE", ">EXPIRES", NULL
	};
	struct table table;

	table_init(&table, headers);
	if (conn_dump(&context->conn, &context->request, flow_row, &table))
		return context_refused(context, &context->conn.refusal);
	out_table(&table, "no flows");
	return LBADM_OK;
}

/*
 * Written as they come, for there may be millions. Flows come and go at any
 * time, so that there is no moment of which a list could be.
 */
static int list_json(struct context *context)
{
	struct request filters = context->request;
	struct json json;
	int code;

	/* The header asks for the version, which must not spoil our request. */
	context->request = (struct request) { 0 };
	code = context_json_begin(context, &json, 0);
	if (!code) {
		json_open(&json, "flows", '[');
		if (conn_dump(&context->conn, &filters, flow_element, &json))
			code = context_refused(context, &context->conn.refusal);
		json_close(&json);
		context_json_end(&json);
	}
	request_free(&filters);
	return code;
}

static int flow_run_list(struct context *context)
{
	int code;

	code = build_filters(&context->request, &context->line, BPFLB_CMD_FLOW_GET);
	if (!code)
		code = conn_open(&context->conn);
	if (code)
		return code;
	return context->options.json ? list_json(context) : list_table(context);
}

static void take_count(const struct nlmsghdr *nlh, void *arg)
{
	struct nlattr *attrs[BPFLB_FLOW_A_MAX + 1];
	uint32_t *count = arg;

	attrs_parse(nlh, attrs, BPFLB_FLOW_A_MAX);
	*count = attr_u32(attrs[BPFLB_FLOW_A_COUNT]);
}

static int flow_run_flush(struct context *context)
{
	uint32_t count = 0;
	struct json json;
	int code;

	code = build_filters(&context->request, &context->line, BPFLB_CMD_FLOW_DEL);
	if (!code)
		code = conn_open(&context->conn);
	if (code)
		return code;
	if (conn_call(&context->conn, &context->request, take_count, &count))
		return context_refused(context, &context->conn.refusal);
	if (!context->options.json) {
		printf("%u flow%s removed\n", count, count == 1 ? "" : "s");
		return LBADM_OK;
	}
	code = context_json_begin(context, &json, 0);
	if (code)
		return code;
	json_u64(&json, "flows_removed", count);
	context_json_end(&json);
	return LBADM_OK;
}

#define FILTER_ARGS "[service NAME] [proto tcp|udp|sctp] [client ADDRESS[:PORT]]\n" \
	"    [backend ADDRESS[:PORT]] [kind local|snat|dsr-out|dsr-in|direct] [state STATE]"
#define FILTER_HELP "A flow must match all that is given. STATE is one of tcp-syn-sent,\n" \
	"tcp-syn-received, tcp-established, tcp-fin, tcp-time-wait, tcp-closed,\n" \
	"udp-unreplied, udp-replied, sctp-init, sctp-cookie, sctp-established, sctp-shutdown,\n" \
	"sctp-closed. An IPv6 address with a port is [2001:db8::1]:443.\n"

static const struct command flow_commands[] = {
	{
		.verb = "list",
		.alias = "show",
		.args = FILTER_ARGS,
		.summary = "show flows",
		.help = FILTER_HELP,
		.run = flow_run_list,
	},
	{
		.verb = "flush",
		.args = FILTER_ARGS,
		.summary = "remove flows, all of them if nothing is given",
		.help = FILTER_HELP,
		.run = flow_run_flush,
	},
	{
		.verb = "add",
		.args = FLOW_ADD_ARGS,
		.summary = "make a flow that another module had",
		.help = flow_add_help,
		.build = flow_build_add,
	},
	{
		.verb = "save",
		.args = "",
		.summary = "print all flows as restore reads them",
		.help = flow_save_help,
		.run = flow_run_save,
	},
	{
		.verb = "restore",
		.args = "FILE|-",
		.summary = "make the flows that were saved",
		.help = flow_restore_help,
		.run = flow_run_restore,
	},
	{ 0 }
};

const struct object flow_object = {
	.name = "flow",
	.summary = "connections, and what stands for them where there are none",
	.commands = flow_commands,
	.implied = "list",
};
