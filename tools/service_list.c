// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "args.h"
#include "attrs.h"
#include "names.h"
#include "objects.h"

#define FRONTENDS_SHOWN	3	/* of one service, in a table */
#define FRONTENDS_ROOM	(FRONTENDS_SHOWN * FRONTEND_ROOM + 16)

enum filter {
	FILTER_NAME,
	FILTER_PROTO,
	FILTER_ADDRESS,
	FILTER_SCHEDULER,
	FILTER_MODE,
	FILTER_DISPATCH,
	FILTER_POLICY,
};

static const char *const filter_names[] = {
	[FILTER_NAME]		= "name",
	[FILTER_PROTO]		= "proto",
	[FILTER_ADDRESS]	= "address",
	[FILTER_SCHEDULER]	= "scheduler",
	[FILTER_MODE]		= "mode",
	[FILTER_DISPATCH]	= "dispatch",
	[FILTER_POLICY]		= "policy",
	NULL
};

/**
 * struct filters - which services are listed
 * @seen: a bit for each enum filter that was given
 * @value: of those that are a choice
 * @address: with a port, or 0 for any; of length 0 for node ports
 * @name: of the one service
 * @word: that named it
 */
struct filters {
	unsigned int seen;
	unsigned int value[FILTER_POLICY + 1];
	struct endpoint address;
	const char *name;
	unsigned int word;
};

static int take_filter(struct line *line, struct filters *filters, enum filter which)
{
	unsigned int *value = &filters->value[which];

	switch (which) {
	case FILTER_NAME:
		filters->word = line->next;
		return args_name(line, &filters->name);
	case FILTER_PROTO:
		return args_choice(line, "protocol", proto_names, value);
	case FILTER_ADDRESS:
		return args_host(line, "address", &filters->address);
	case FILTER_SCHEDULER:
		return args_choice(line, "scheduler", scheduler_names, value);
	case FILTER_MODE:
		return args_choice(line, "mode", service_mode_names, value);
	case FILTER_DISPATCH:
		return args_choice(line, "dispatch", service_dispatch_names, value);
	case FILTER_POLICY:
		return args_choice(line, "policy", policy_names, value);
	}
	return LBADM_OK;
}

/* The first word may be a service's name by itself, unless it is a filter's. */
static int take_filters(struct line *line, struct filters *filters)
{
	unsigned int which;
	int code = LBADM_OK;
	char valid[128];

	if (line_peek(line) && !parse_choice(line_peek(line), filter_names, &which)) {
		filters->seen |= 1 << FILTER_NAME;
		code = take_filter(line, filters, FILTER_NAME);
	}
	while (!code && line_peek(line)) {
		if (!parse_choice(line_peek(line), filter_names, &which)) {
			names_join(filter_names, valid, sizeof(valid));
			return args_unknown(line, valid);
		}
		line_take(line);
		code = args_once(line, &filters->seen, 1 << which);
		if (!code)
			code = take_filter(line, filters, which);
	}
	return code;
}

/* Is one of its addresses this one? A range has all of its ports. */
static bool has_address(const struct service *service, const struct endpoint *address)
{
	unsigned int i;

	for (i = 0; i < service->frontend_count; i++) {
		const struct frontend *frontend = &service->frontends[i];
		uint16_t last = frontend->last_port ? frontend->last_port : frontend->at.port;

		if (!address_compare(&frontend->at.address, &address->address) &&
		    (!address->port || (address->port >= frontend->at.port &&
					address->port <= last)))
			return true;
	}
	return false;
}

/* A value is of the settings', or the last of @names, for which 255 stands. */
static bool is_own(uint8_t own, unsigned int value, unsigned int count)
{
	return own == (value == count ? BPFLB_SERVICE_MODE_DEFAULT : value);
}

static bool matches(const struct nlmsghdr *nlh, const void *arg)
{
	const struct filters *filters = arg;
	const unsigned int *value = filters->value;
	struct service service;

	service_decode(nlh, &service);
	if (filters->seen & 1 << FILTER_PROTO &&
	    service.proto != proto_numbers[value[FILTER_PROTO]])
		return false;
	if (filters->seen & 1 << FILTER_ADDRESS && !has_address(&service, &filters->address))
		return false;
	if (filters->seen & 1 << FILTER_SCHEDULER && service.scheduler != value[FILTER_SCHEDULER])
		return false;
	if (filters->seen & 1 << FILTER_MODE &&
	    !is_own(service.mode, value[FILTER_MODE], __BPFLB_MODE_MAX))
		return false;
	if (filters->seen & 1 << FILTER_DISPATCH &&
	    !is_own(service.dispatch, value[FILTER_DISPATCH], __BPFLB_DISPATCH_MAX))
		return false;
	return !(filters->seen & 1 << FILTER_POLICY) || service.policy == value[FILTER_POLICY];
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

static void list_json(struct json *json, const struct messages *messages)
{
	const struct nlmsghdr *nlh;
	struct service service;

	json_open(json, "services", '[');
	messages_for_each(nlh, messages) {
		service_decode(nlh, &service);
		service_json(json, NULL, &service);
	}
	json_close(json);
}

static int service_gather(struct context *context, const struct filters *filters,
			  struct messages *messages)
{
	struct request *request = &context->request;
	struct conn *conn = &context->conn;
	int error;

	request_start(request, BPFLB_CMD_SERVICE_GET, 0);
	if (filters->name) {
		request_string(request, filters->word, BPFLB_SERVICE_A_NAME, filters->name);
		error = conn_call(conn, request, messages_add, messages);
	} else {
		error = conn_gather(conn, request, messages);
	}
	return error ? context_refused(context, &conn->refusal) : LBADM_OK;
}

/** service_run_list - "service list" */
int service_run_list(struct context *context)
{
	struct messages messages = { 0 };
	struct filters filters = { 0 };
	uint64_t generation = 0;
	int code;

	code = take_filters(&context->line, &filters);
	if (!code)
		code = conn_open(&context->conn);
	if (!code)
		code = service_gather(context, &filters, &messages);
	if (!code && messages.used)
		generation = attr_u64(attrs_find((const struct nlmsghdr *)messages.bytes,
						 BPFLB_SERVICE_A_GENERATION));
	messages_keep(&messages, matches, &filters);
	if (!code && context->options.json)
		code = context_json_list(context, generation, &messages, list_json);
	else if (!code)
		service_table(&messages);
	messages_free(&messages);
	return code;
}
