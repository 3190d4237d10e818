// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>

#include "args.h"
#include "attrs.h"
#include "names.h"
#include "objects.h"

static void status_decode(const struct nlmsghdr *nlh, void *arg)
{
	struct nlattr *attrs[BPFLB_STATUS_A_MAX + 1];
	struct status *status = arg;

	attrs_parse(nlh, attrs, BPFLB_STATUS_A_MAX);
	attr_string(attrs[BPFLB_STATUS_A_VERSION], status->version, sizeof(status->version));
	status->generation = attr_u64(attrs[BPFLB_STATUS_A_GENERATION]);
	status->mode = attr_u8(attrs[BPFLB_STATUS_A_MODE]);
	status->mode_origin = attr_u8(attrs[BPFLB_STATUS_A_MODE_ORIGIN]);
	status->services = attr_u32(attrs[BPFLB_STATUS_A_SERVICES]);
	status->backends = attr_u32(attrs[BPFLB_STATUS_A_BACKENDS]);
	status->nodes = attr_u32(attrs[BPFLB_STATUS_A_NODES]);
	status->flows = attr_u32(attrs[BPFLB_STATUS_A_FLOWS]);
	status->flows_max = attr_u32(attrs[BPFLB_STATUS_A_FLOWS_MAX]);
	status->flow_buckets = attr_u32(attrs[BPFLB_STATUS_A_FLOW_BUCKETS]);
	status->drops = attr_u64(attrs[BPFLB_STATUS_A_DROPS]);
	status->active = attrs[BPFLB_STATUS_A_ACTIVE];
	status->namespaces = attr_u32(attrs[BPFLB_STATUS_A_NAMESPACES]);
	status->flow_events_lost = attr_u64(attrs[BPFLB_STATUS_A_FLOW_EVENTS_LOST]);
}

/**
 * status_get - ask how things are
 * @context: with its socket open
 * @status: the answer
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int status_get(struct context *context, struct status *status)
{
	*status = (struct status) { 0 };
	request_start(&context->request, BPFLB_CMD_STATUS_GET, 0);
	if (conn_call(&context->conn, &context->request, status_decode, status))
		return context_refused(context, &context->conn.refusal);
	return LBADM_OK;
}

static void status_json(struct json *json, const struct status *status)
{
	char room[NAME_ROOM];

	json_open(json, "status", '{');
	json_string(json, "mode", name_of(mode_names, status->mode, room));
	json_string(json, "mode_origin",
		    name_of(mode_origin_names, status->mode_origin, room));
	json_u64(json, "generation", status->generation);
	json_u64(json, "services", status->services);
	json_u64(json, "backends", status->backends);
	json_u64(json, "nodes", status->nodes);
	json_u64(json, "flows", status->flows);
	json_u64(json, "flows_max", status->flows_max);
	json_u64(json, "flow_buckets", status->flow_buckets);
	json_u64(json, "drops", status->drops);
	json_close(json);
}

static void status_text(const struct status *status)
{
	bool set = status->mode_origin == BPFLB_MODE_ORIGIN_SET;
	char room[NAME_ROOM];

	printf("module      bpflb %s\n", status->version);
	printf("mode        %s, %s\n", name_of(mode_names, status->mode, room),
	       set ? "set here" : "the module's default");
	printf("generation  %" PRIu64 "\n", status->generation);
	printf("services    %u\n", status->services);
	printf("backends    %u\n", status->backends);
	printf("nodes       %u\n", status->nodes);
	printf("flows       %u of %u, %u buckets\n", status->flows, status->flows_max,
	       status->flow_buckets);
	printf("drops       %" PRIu64 "\n", status->drops);
}

static int status_run(struct context *context)
{
	struct status status;
	struct json json;
	int code;

	code = args_end(&context->line);
	if (!code)
		code = conn_open(&context->conn);
	if (!code)
		code = status_get(context, &status);
	if (code)
		return code;
	if (!context->options.json) {
		status_text(&status);
		return LBADM_OK;
	}
	code = context_json_begin(context, &json, status.generation);
	if (code)
		return code;
	status_json(&json, &status);
	context_json_end(&json);
	return LBADM_OK;
}

static const struct command status_commands[] = {
	{
		.args = "",
		.summary = "what is loaded, its mode, and how much there is of everything",
		.help = "'lbadm' alone does the same. Exits with 3 if the module is not loaded,\n"
			"and does not load it.\n",
		.run = status_run,
	},
	{ 0 }
};

const struct object status_object = {
	.name = "status",
	.summary = "what is loaded, and how much there is",
	.commands = status_commands,
};
