// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>

#include "args.h"
#include "attrs.h"
#include "names.h"
#include "objects.h"

enum filter {
	FILTER_SERVICE,
	FILTER_NODE,
	FILTER_STATE,
	FILTER_ADDRESS,
};

/* The service is the first, so that it can be left out. */
static const char *const filter_names[] = {
	[FILTER_SERVICE]	= "service",
	[FILTER_NODE]		= "node",
	[FILTER_STATE]		= "state",
	[FILTER_ADDRESS]	= "address",
	NULL
};

static int take_filter(struct line *line, struct backend_filters *filters, enum filter which)
{
	switch (which) {
	case FILTER_SERVICE:
		filters->word = line->next;
		return args_name(line, &filters->service);
	case FILTER_NODE:
		return args_address(line, "node", &filters->node);
	case FILTER_STATE:
		return args_choice(line, "state", backend_state_names, &filters->state);
	case FILTER_ADDRESS:
		return args_host(line, "backend", &filters->address);
	}
	return LBADM_OK;
}

/**
 * backend_gather - ask for backends
 * @context: with its socket open
 * @service: of which service, NULL for all
 * @word: of the command line that named it
 * @messages: the answer
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int backend_gather(struct context *context, const char *service, unsigned int word,
		   struct messages *messages)
{
	struct refusal *why = &context->conn.refusal;

	request_start(&context->request, BPFLB_CMD_BACKEND_GET, 0);
	if (service)
		request_string(&context->request, word, BPFLB_BACKEND_A_SERVICE, service);
	if (!conn_gather(&context->conn, &context->request, messages))
		return LBADM_OK;
	/* Older kernels give no offset when a dump fails; here it can only be this one. */
	if (service && why->error == ENOENT && !why->has_offset) {
		why->has_offset = true;
		why->offset = context->request.origins[0].offset;
	}
	return context_refused(context, why);
}

/**
 * backend_filters_take - which backends; the rest of the line
 * @line: the line
 * @filters: zeroed; the result
 * @service: a service may be named, too
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int backend_filters_take(struct line *line, struct backend_filters *filters, bool service)
{
	const char *const *names = filter_names + !service;
	unsigned int which;
	int code = LBADM_OK;
	char valid[128];

	if (service && line_peek(line) && !parse_choice(line_peek(line), names, &which)) {
		filters->seen |= 1 << FILTER_SERVICE;
		code = take_filter(line, filters, FILTER_SERVICE);
	}
	while (!code && line_peek(line)) {
		if (!parse_choice(line_peek(line), names, &which)) {
			names_join(names, valid, sizeof(valid));
			return args_unknown(line, valid);
		}
		which += !service;
		line_take(line);
		code = args_once(line, &filters->seen, 1 << which);
		if (!code)
			code = take_filter(line, filters, which);
	}
	return code;
}

static bool matches(const struct nlmsghdr *nlh, const void *arg)
{
	const struct backend_filters *filters = arg;
	const struct endpoint *address = &filters->address;
	struct backend backend;

	backend_decode(nlh, &backend);
	if (filters->seen & 1 << FILTER_NODE && address_compare(&backend.node, &filters->node))
		return false;
	if (filters->seen & 1 << FILTER_STATE && backend.state != filters->state)
		return false;
	if (!(filters->seen & 1 << FILTER_ADDRESS))
		return true;
	return !address_compare(&backend.endpoint.address, &address->address) &&
	       (!address->port || backend.endpoint.port == address->port);
}

/**
 * backend_filters_apply - leave out what was not asked for
 * @filters: which stay
 * @messages: the backends
 */
void backend_filters_apply(const struct backend_filters *filters, struct messages *messages)
{
	messages_keep(messages, matches, filters);
}

/**
 * backend_list_json - the array of backends
 * @json: where to
 * @messages: the backends
 */
void backend_list_json(struct json *json, const struct messages *messages)
{
	const struct nlmsghdr *nlh;
	struct backend backend;

	json_open(json, "backends", '[');
	messages_for_each(nlh, messages) {
		backend_decode(nlh, &backend);
		backend_json(json, NULL, &backend);
	}
	json_close(json);
}

static void backend_row(struct table *table, const struct backend *backend)
{
	const struct counters *counters = &backend->counters;
	char text[ENDPOINT_ROOM], room[NAME_ROOM];

	table_cell(table, "%s", backend->service);
	table_cell(table, "%s", format_endpoint(&backend->endpoint, text));
	if (backend->node.length)
		table_cell(table, "node %s%s", format_address(&backend->node, text),
			   backend->here ? " (here)" : "");
	else
		table_cell(table, "%s", backend->local || backend->here ? "local" : "plain");
	table_cell(table, "%u", backend->weight);
	table_cell(table, "%s", name_of(backend_state_names, backend->state, room));
	table_cell(table, "%s", format_count(backend->flows, text));
	table_cell(table, "%s", format_count(counters->flows, text));
	table_cell(table, "%s", format_bytes(counters->bytes_in, text));
	table_cell(table, "%s", format_bytes(counters->bytes_out, text));
}

/**
 * backend_list_table - print backends as a table
 * @messages: the backends
 */
void backend_list_table(const struct messages *messages)
{
	static const char *const headers[] = {
		"SERVICE", "BACKEND", "WHERE", ">WEIGHT", "STATE", ">ACTIVE", ">FLOWS", ">IN", ">OUT",
		NULL
	};
	const struct nlmsghdr *nlh;
	struct backend backend;
	struct table table;

	table_init(&table, headers);
	messages_for_each(nlh, messages) {
		backend_decode(nlh, &backend);
		backend_row(&table, &backend);
	}
	out_table(&table, "no backends");
}

/** backend_run_list - "backend list" */
int backend_run_list(struct context *context)
{
	struct backend_filters filters = { 0 };
	struct messages messages = { 0 };
	uint64_t generation = 0;
	int code;

	code = backend_filters_take(&context->line, &filters, true);
	if (!code)
		code = conn_open(&context->conn);
	if (!code)
		code = backend_gather(context, filters.service, filters.word, &messages);
	if (!code && messages.used)
		generation = attr_u64(attrs_find((const struct nlmsghdr *)messages.bytes,
						 BPFLB_BACKEND_A_GENERATION));
	backend_filters_apply(&filters, &messages);
	if (!code && context->options.json)
		code = context_json_list(context, generation, &messages, backend_list_json);
	else if (!code)
		backend_list_table(&messages);
	messages_free(&messages);
	return code;
}
