// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "args.h"
#include "entries.h"
#include "objects.h"
#include "snapshot.h"

static void write_text(const struct entries *nodes, const struct entries *services,
		       const struct entries *backends)
{
	char text[ADDRESS_ROOM];
	struct service service;
	struct backend backend;
	size_t i, b = 0;

	for (i = 0; i < nodes->count; i++)
		printf("node add %s\n",
		       format_address(&nodes->entries[i].endpoint.address, text));
	/* Both are sorted by name, so each service's backends can stand below it. */
	for (i = 0; i < services->count; i++) {
		service_decode(services->entries[i].nlh, &service);
		fputs("service add ", stdout);
		service_words(stdout, &service, false);
		putchar('\n');
		while (b < backends->count &&
		       strcmp(backends->entries[b].name, services->entries[i].name) <= 0) {
			backend_decode(backends->entries[b++].nlh, &backend);
			fputs("backend add ", stdout);
			backend_words(stdout, &backend, false);
			putchar('\n');
		}
	}
}

static void write_json(struct json *json, const struct snapshot *snapshot,
		       const struct entries *nodes, const struct entries *services,
		       const struct entries *backends)
{
	struct service service;
	struct backend backend;
	struct node node;
	size_t i;

	settings_json(json, "settings", &snapshot->settings);
	json_open(json, "nodes", '[');
	for (i = 0; i < nodes->count; i++) {
		node_decode(nodes->entries[i].nlh, &node);
		node_json(json, NULL, &node);
	}
	json_close(json);
	json_open(json, "services", '[');
	for (i = 0; i < services->count; i++) {
		service_decode(services->entries[i].nlh, &service);
		service_json(json, NULL, &service);
	}
	json_close(json);
	json_open(json, "backends", '[');
	for (i = 0; i < backends->count; i++) {
		backend_decode(backends->entries[i].nlh, &backend);
		backend_json(json, NULL, &backend);
	}
	json_close(json);
}

static int snapshot_write(struct context *context, const struct snapshot *snapshot)
{
	struct entries nodes = { 0 }, services = { 0 }, backends = { 0 };
	struct json json;
	int code = LBADM_OK;

	entries_of_nodes(&snapshot->nodes, BPFLB_CMD_NODE_GET, &nodes);
	entries_of_services(&snapshot->services, BPFLB_CMD_SERVICE_GET, &services);
	entries_of_backends(&snapshot->backends, BPFLB_CMD_BACKEND_GET, &backends);
	if (!context->options.json) {
		settings_save(stdout, &snapshot->settings);
		write_text(&nodes, &services, &backends);
	} else {
		code = context_json_begin(context, &json, snapshot->generation);
		if (!code) {
			write_json(&json, snapshot, &nodes, &services, &backends);
			context_json_end(&json);
		}
	}
	entries_free(&nodes);
	entries_free(&services);
	entries_free(&backends);
	return code;
}

static int save_run(struct context *context)
{
	struct snapshot snapshot = { 0 };
	int code;

	code = args_end(&context->line);
	if (!code)
		code = conn_open(&context->conn);
	if (!code)
		code = snapshot_take(context, &snapshot);
	if (!code)
		code = snapshot_write(context, &snapshot);
	snapshot_free(&snapshot);
	return code;
}

static const struct command save_commands[] = {
	{
		.args = "",
		.summary = "print the configuration as apply reads it",
		.help = "Always in the same order, and without what is as it would be anyway. With\n"
			"-j all of it as JSON, counters too.\n",
		.run = save_run,
	},
	{ 0 }
};

const struct object save_object = {
	.name = "save",
	.summary = "print the whole configuration",
	.commands = save_commands,
};
