// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "attrs.h"
#include "mem.h"
#include "objects.h"
#include "snapshot.h"

/**
 * struct entry - a message, and what it is sorted by
 * @nlh: the message
 * @name: of the service, in the message, or empty
 * @endpoint: of the backend, or the node's address, or empty
 *
 * There may be a million.
 */
struct entry {
	const struct nlmsghdr *nlh;
	const char *name;
	struct endpoint endpoint;
};

/** struct entries - messages in order */
struct entries {
	struct entry *entries;
	size_t count;
	size_t room;
};

static struct entry *entry_add(struct entries *entries, const struct nlmsghdr *nlh)
{
	struct entry *entry;

	entries->entries = mem_grow(entries->entries, &entries->room, entries->count + 1,
				    sizeof(*entries->entries));
	entry = &entries->entries[entries->count++];
	*entry = (struct entry){ .nlh = nlh, .name = "" };
	return entry;
}

static int entry_compare(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;
	int order = strcmp(a->name, b->name);

	if (!order)
		order = address_compare(&a->endpoint.address, &b->endpoint.address);
	if (!order)
		order = (int)a->endpoint.port - b->endpoint.port;
	return order;
}

/* They come in the order of their making, which for what was saved once is this one. */
static bool entries_sorted(const struct entries *entries)
{
	size_t i;

	for (i = 1; i < entries->count; i++) {
		if (entry_compare(&entries->entries[i - 1], &entries->entries[i]) > 0)
			return false;
	}
	return true;
}

static void entries_sort(struct entries *entries)
{
	if (!entries_sorted(entries))
		qsort(entries->entries, entries->count, sizeof(*entries->entries),
		      entry_compare);
}

static void sort_nodes(const struct messages *messages, struct entries *entries)
{
	const struct nlmsghdr *nlh;
	struct node node;

	messages_for_each(nlh, messages) {
		node_decode(nlh, &node);
		entry_add(entries, nlh)->endpoint.address = node.address;
	}
	entries_sort(entries);
}

static void sort_services(const struct messages *messages, struct entries *entries)
{
	const struct nlmsghdr *nlh;

	messages_for_each(nlh, messages)
		entry_add(entries, nlh)->name =
			attr_text(attrs_find(nlh, BPFLB_SERVICE_A_NAME));
	entries_sort(entries);
}

static void sort_backends(const struct messages *messages, struct entries *entries)
{
	const struct nlmsghdr *nlh;
	struct entry *entry;

	messages_for_each(nlh, messages) {
		entry = entry_add(entries, nlh);
		entry->name = attr_text(attrs_find(nlh, BPFLB_BACKEND_A_SERVICE));
		attr_address(attrs_find(nlh, BPFLB_BACKEND_A_ADDR), &entry->endpoint.address);
		entry->endpoint.port = attr_port(attrs_find(nlh, BPFLB_BACKEND_A_PORT));
	}
	entries_sort(entries);
}

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

	sort_nodes(&snapshot->nodes, &nodes);
	sort_services(&snapshot->services, &services);
	sort_backends(&snapshot->backends, &backends);
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
	free(nodes.entries);
	free(services.entries);
	free(backends.entries);
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
