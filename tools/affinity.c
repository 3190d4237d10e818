// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "args.h"
#include "attrs.h"
#include "flow.h"

/** struct affinity - see enum bpflb_affinity_attr */
struct affinity {
	char service[BPFLB_NAME_MAX];
	struct address client;
	struct endpoint backend;
	uint32_t idle;
	uint32_t timeout;
};

static void affinity_decode(const struct nlmsghdr *nlh, struct affinity *affinity)
{
	struct nlattr *attrs[BPFLB_AFFINITY_A_MAX + 1];

	attrs_parse(nlh, attrs, BPFLB_AFFINITY_A_MAX);
	attr_string(attrs[BPFLB_AFFINITY_A_SERVICE], affinity->service,
		    sizeof(affinity->service));
	attr_address(attrs[BPFLB_AFFINITY_A_CLIENT_ADDR], &affinity->client);
	attr_address(attrs[BPFLB_AFFINITY_A_BACKEND_ADDR], &affinity->backend.address);
	affinity->backend.port = attr_port(attrs[BPFLB_AFFINITY_A_BACKEND_PORT]);
	affinity->idle = attr_u32(attrs[BPFLB_AFFINITY_A_IDLE]);
	affinity->timeout = attr_u32(attrs[BPFLB_AFFINITY_A_TIMEOUT]);
}

/* Of a backend without a port of its own, as it is written in the configuration. */
static const char *backend_text(const struct endpoint *backend, char text[ENDPOINT_ROOM])
{
	char address[ADDRESS_ROOM];

	if (backend->port)
		return format_endpoint(backend, text);
	snprintf(text, ENDPOINT_ROOM, backend->address.length == 4 ? "%s:*" : "[%s]:*",
		 format_address(&backend->address, address));
	return text;
}

/**
 * affinity_write - what follows "affinity add"
 * @file: where to
 * @nlh: the message that has it
 */
void affinity_write(FILE *file, const struct nlmsghdr *nlh)
{
	char client[ADDRESS_ROOM], backend[ENDPOINT_ROOM];
	struct affinity affinity;

	affinity_decode(nlh, &affinity);
	fprintf(file, "%s %s %s timeout %us", affinity.service,
		format_address(&affinity.client, client),
		backend_text(&affinity.backend, backend), affinity.timeout);
	if (affinity.idle)
		fprintf(file, " idle %us", affinity.idle);
	fputc('\n', file);
}

static int build_seconds(struct request *request, struct line *line, const char *what, int type)
{
	uint32_t seconds;
	int code = args_duration(line, what, &seconds);

	if (!code)
		request_u32(request, line->next - 1, type, seconds);
	return code;
}

static int build_keywords(struct request *request, struct line *line)
{
	unsigned int seen = 0;
	int code = 0;

	while (!code && line_peek(line)) {
		if (line_take_word(line, "timeout"))
			code = args_once(line, &seen, 1) ?:
			       build_seconds(request, line, "timeout", BPFLB_AFFINITY_A_TIMEOUT);
		else if (line_take_word(line, "idle"))
			code = args_once(line, &seen, 2) ?:
			       build_seconds(request, line, "idle", BPFLB_AFFINITY_A_IDLE);
		else
			code = args_unknown(line, "timeout, idle");
	}
	return code;
}

/**
 * affinity_build_add - the message of what follows "affinity add"
 * @request: what to build
 * @line: the words
 */
int affinity_build_add(struct request *request, struct line *line)
{
	struct endpoint backend;
	struct address client;
	const char *name;
	int code;

	request_start(request, BPFLB_CMD_AFFINITY_ADD, 0);
	code = args_name(line, &name);
	if (code)
		return code;
	request_string(request, line->next - 1, BPFLB_AFFINITY_A_SERVICE, name);
	code = args_address(line, "client", &client);
	if (code)
		return code;
	request_address(request, line->next - 1, BPFLB_AFFINITY_A_CLIENT_ADDR, &client);
	code = args_backend(line, &backend);
	if (code)
		return code;
	request_address(request, line->next - 1, BPFLB_AFFINITY_A_BACKEND_ADDR, &backend.address);
	request_port(request, line->next - 1, BPFLB_AFFINITY_A_BACKEND_PORT, backend.port);
	return build_keywords(request, line);
}

static void affinity_row(const struct nlmsghdr *nlh, void *arg)
{
	struct table *table = arg;
	char text[ENDPOINT_ROOM];
	struct affinity affinity;
	uint32_t left;

	affinity_decode(nlh, &affinity);
	left = affinity.timeout > affinity.idle ? affinity.timeout - affinity.idle : 0;
	table_cell(table, "%s", affinity.service);
	table_cell(table, "%s", format_address(&affinity.client, text));
	table_cell(table, "%s", backend_text(&affinity.backend, text));
	table_cell(table, "%s", format_duration(affinity.idle, text));
	table_cell(table, "%s", format_duration(left, text));
}

static void affinity_element(const struct nlmsghdr *nlh, void *arg)
{
	struct affinity affinity;
	char text[ADDRESS_ROOM];
	struct json *json = arg;

	affinity_decode(nlh, &affinity);
	json_open(json, NULL, '{');
	json_string(json, "service", affinity.service);
	json_string(json, "client", format_address(&affinity.client, text));
	json_open(json, "backend", '{');
	json_string(json, "address", format_address(&affinity.backend.address, text));
	json_u64(json, "port", affinity.backend.port);
	json_close(json);
	json_u64(json, "idle", affinity.idle);
	json_u64(json, "timeout", affinity.timeout);
	json_close(json);
}

enum { SEEN_SERVICE = 1, SEEN_CLIENT = 2, SEEN_BACKEND = 4 };

/**
 * struct list - a list that is being made
 * @seen: SEEN_*, the filters that were given
 * @client: only this one
 * @backend: only this one; its port is 0 for any
 * @table: what it becomes, or
 * @json: what it becomes
 */
struct list {
	unsigned int seen;
	struct address client;
	struct endpoint backend;
	struct table table;
	struct json json;
};

static bool matches(const struct list *list, const struct nlmsghdr *nlh)
{
	struct affinity affinity;

	affinity_decode(nlh, &affinity);
	if (list->seen & SEEN_CLIENT && address_compare(&affinity.client, &list->client))
		return false;
	if (!(list->seen & SEEN_BACKEND))
		return true;
	return !address_compare(&affinity.backend.address, &list->backend.address) &&
	       (!list->backend.port || affinity.backend.port == list->backend.port);
}

static void add_row(const struct nlmsghdr *nlh, void *arg)
{
	struct list *list = arg;

	if (matches(list, nlh))
		affinity_row(nlh, &list->table);
}

static void add_element(const struct nlmsghdr *nlh, void *arg)
{
	struct list *list = arg;

	if (matches(list, nlh))
		affinity_element(nlh, &list->json);
}

static int build_service(struct request *request, struct line *line)
{
	const char *name;
	int code = args_name(line, &name);

	if (!code)
		request_string(request, line->next - 1, BPFLB_AFFINITY_A_SERVICE, name);
	return code;
}

/* The module looks for the service, the rest is left out here. */
static int build_list(struct request *request, struct line *line, struct list *list)
{
	int code = 0;

	request_start(request, BPFLB_CMD_AFFINITY_GET, 0);
	while (!code && line_peek(line)) {
		if (line_take_word(line, "service"))
			code = args_once(line, &list->seen, SEEN_SERVICE) ?:
			       build_service(request, line);
		else if (line_take_word(line, "client"))
			code = args_once(line, &list->seen, SEEN_CLIENT) ?:
			       args_address(line, "client", &list->client);
		else if (line_take_word(line, "backend"))
			code = args_once(line, &list->seen, SEEN_BACKEND) ?:
			       args_host(line, "backend", &list->backend);
		else
			code = args_unknown(line, "service, client, backend");
	}
	return code;
}

static int list_table(struct context *context, struct list *list)
{
	static const char *const headers[] = {
		"SERVICE", "CLIENT", "BACKEND", ">IDLE", ">EXPIRES", NULL
	};

	table_init(&list->table, headers);
	if (conn_dump(&context->conn, &context->request, add_row, list))
		return context_refused(context, &context->conn.refusal);
	out_table(&list->table, "no clients are remembered");
	return LBADM_OK;
}

static int list_json(struct context *context, struct list *list)
{
	struct request request = context->request;
	int code;

	/* The header asks for the version, which must not spoil our request. */
	context->request = (struct request) { 0 };
	code = context_json_begin(context, &list->json, 0);
	if (!code) {
		json_open(&list->json, "affinity", '[');
		if (conn_dump(&context->conn, &request, add_element, list))
			code = context_refused(context, &context->conn.refusal);
		json_close(&list->json);
		context_json_end(&list->json);
	}
	request_free(&request);
	return code;
}

static int affinity_run_list(struct context *context)
{
	struct list list = { 0 };
	int code = build_list(&context->request, &context->line, &list);

	if (!code)
		code = conn_open(&context->conn);
	if (code)
		return code;
	return context->options.json ? list_json(context, &list) : list_table(context, &list);
}

static const struct command affinity_commands[] = {
	{
		.verb = "list",
		.alias = "show",
		.args = "[service NAME] [client ADDRESS] [backend ADDRESS[:PORT]]",
		.summary = "show which clients are to have a backend again",
		.run = affinity_run_list,
	},
	{
		.verb = "add",
		.args = "SERVICE CLIENT BACKEND:PORT [timeout DURATION] [idle DURATION]",
		.summary = "remember a client, that another module has known",
		.help = "'flow save' writes these lines. The service has to have affinity.\n",
		.build = affinity_build_add,
	},
	{ 0 }
};

const struct object affinity_object = {
	.name = "affinity",
	.summary = "which backend clients of services with affinity are to have again",
	.commands = affinity_commands,
	.implied = "list",
};
