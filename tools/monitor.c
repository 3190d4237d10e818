// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "args.h"
#include "attrs.h"
#include "monitor_flow.h"
#include "names.h"
#include "objects.h"
#include "snapshot.h"
#include "stop.h"

#define TIME_ROOM 64

enum watched {
	WATCH_SERVICE,
	WATCH_BACKEND,
	WATCH_NODE,
	WATCH_SETTINGS,
	WATCH_FLOW,
	WATCH_SNAT,
};

static const char *const watched_names[] = {
	[WATCH_SERVICE]		= "service",
	[WATCH_BACKEND]		= "backend",
	[WATCH_NODE]		= "node",
	[WATCH_SETTINGS]	= "settings",
	[WATCH_FLOW]		= "flow",
	[WATCH_SNAT]		= "snat",
	NULL
};

#define WATCH_CONFIG (1 << WATCH_SERVICE | 1 << WATCH_BACKEND | 1 << WATCH_NODE | \
		      1 << WATCH_SETTINGS | 1 << WATCH_SNAT)

/* Of these there is a state, which can be asked for. */
#define WATCH_STATE (1 << WATCH_SERVICE | 1 << WATCH_BACKEND | 1 << WATCH_NODE | \
		     1 << WATCH_SETTINGS)

static const int generation_attrs[] = {
	[WATCH_SERVICE]		= BPFLB_SERVICE_A_GENERATION,
	[WATCH_BACKEND]		= BPFLB_BACKEND_A_GENERATION,
	[WATCH_NODE]		= BPFLB_NODE_A_GENERATION,
	[WATCH_SETTINGS]	= BPFLB_SETTINGS_A_GENERATION,
};

/** struct event - what a command's number stands for when it comes as an event */
struct event {
	const char *verb;
	enum watched what;
};

static const struct event known_events[BPFLB_CMD_MAX + 1] = {
	[BPFLB_CMD_SETTINGS_SET]	= { "set", WATCH_SETTINGS },
	[BPFLB_CMD_SERVICE_ADD]		= { "add", WATCH_SERVICE },
	[BPFLB_CMD_SERVICE_SET]		= { "set", WATCH_SERVICE },
	[BPFLB_CMD_SERVICE_DEL]		= { "del", WATCH_SERVICE },
	[BPFLB_CMD_BACKEND_ADD]		= { "add", WATCH_BACKEND },
	[BPFLB_CMD_BACKEND_SET]		= { "set", WATCH_BACKEND },
	[BPFLB_CMD_BACKEND_DEL]		= { "del", WATCH_BACKEND },
	[BPFLB_CMD_NODE_ADD]		= { "add", WATCH_NODE },
	[BPFLB_CMD_NODE_DEL]		= { "del", WATCH_NODE },
	[BPFLB_CMD_FLOW_ADD]		= { "add", WATCH_FLOW },
	[BPFLB_CMD_FLOW_DEL]		= { "del", WATCH_FLOW },
	[BPFLB_CMD_FLOW_SET]		= { "set", WATCH_FLOW },
	[BPFLB_CMD_SNAT_FULL]		= { "full", WATCH_SNAT },
};

/**
 * struct monitor - what is watched, and how it is shown
 * @options: of lbadm
 * @watched: a bit for each enum watched
 * @flows: what comes by a socket of its own
 * @generation: up to which the changes have been shown as the state that they led to
 */
struct monitor {
	const struct options *options;
	unsigned int watched;
	struct flow_watch flows;
	uint64_t generation;
};

static const char *time_text(char text[TIME_ROOM])
{
	char date[32], zone[8];
	struct timespec now;
	struct tm local;

	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &local);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &local);
	strftime(zone, sizeof(zone), "%z", &local);
	snprintf(text, TIME_ROOM, "%s.%06ld%s", date, now.tv_nsec / 1000, zone);
	return text;
}

static void begin_json(const struct monitor *monitor, struct json *json, const char *event)
{
	char text[TIME_ROOM];

	json_init(json, stdout, monitor->options->pretty);
	json_open(json, NULL, '{');
	if (monitor->options->timestamps)
		json_string(json, "time", time_text(text));
	json_string(json, "event", event);
}

static void begin_text(const struct monitor *monitor)
{
	char text[TIME_ROOM];

	if (monitor->options->timestamps)
		printf("%s ", time_text(text));
}

static void object_json(struct json *json, enum watched what, const struct nlmsghdr *nlh)
{
	struct settings settings;
	struct service service;
	struct backend backend;
	struct node node;

	switch (what) {
	case WATCH_SERVICE:
		service_decode(nlh, &service);
		json_u64(json, "generation", service.generation);
		service_json(json, "service", &service);
		break;
	case WATCH_BACKEND:
		backend_decode(nlh, &backend);
		json_u64(json, "generation", backend.generation);
		backend_json(json, "backend", &backend);
		break;
	case WATCH_NODE:
		node_decode(nlh, &node);
		json_u64(json, "generation", node.generation);
		node_json(json, "node", &node);
		break;
	case WATCH_SETTINGS:
		settings_decode(nlh, &settings);
		json_u64(json, "generation", settings.generation);
		settings_json(json, "settings", &settings);
		break;
	case WATCH_FLOW:
	case WATCH_SNAT:
		flow_json(json, "flow", nlh);
		break;
	}
}

/* In the words of the command that would have done it; of what is gone, its name. */
static void object_text(enum watched what, const char *verb, const struct nlmsghdr *nlh)
{
	bool gone = !strcmp(verb, "del");
	char text[ENDPOINT_ROOM];
	struct settings settings;
	struct service service;
	struct backend backend;
	struct node node;

	if (what != WATCH_SETTINGS)
		printf("%s ", watched_names[what]);
	printf("%s ", verb);
	switch (what) {
	case WATCH_SERVICE:
		service_decode(nlh, &service);
		if (gone)
			fputs(service.name, stdout);
		else
			service_words(stdout, &service, true);
		break;
	case WATCH_BACKEND:
		backend_decode(nlh, &backend);
		if (gone)
			printf("%s %s", backend.service,
			       format_endpoint(&backend.endpoint, text));
		else
			backend_words(stdout, &backend, true);
		break;
	case WATCH_NODE:
		node_decode(nlh, &node);
		fputs(format_address(&node.address, text), stdout);
		break;
	case WATCH_SETTINGS:
		settings_decode(nlh, &settings);
		settings_event(stdout, &settings);
		break;
	case WATCH_FLOW:
	case WATCH_SNAT:
		flow_words(stdout, nlh);
		break;
	}
	putchar('\n');
}

static void show_object(const struct monitor *monitor, const char *verb, enum watched what,
			const struct nlmsghdr *nlh)
{
	struct json json;

	if (!(monitor->watched & 1 << what))
		return;
	if (monitor->options->json) {
		begin_json(monitor, &json, verb);
		json_string(&json, "object", watched_names[what]);
		object_json(&json, what, nlh);
		json_close(&json);
	} else {
		begin_text(monitor);
		object_text(what, verb, nlh);
	}
}

/* Is what an event tells part of the state that was shown after it was sent? */
static bool is_old(const struct monitor *monitor, enum watched what, const struct nlmsghdr *nlh)
{
	return WATCH_STATE & 1 << what &&
	       attr_u64(attrs_find(nlh, generation_attrs[what])) <= monitor->generation;
}

static void show_event(const struct nlmsghdr *nlh, void *arg)
{
	uint8_t command = attrs_command(nlh);
	const struct monitor *monitor = arg;
	const struct event *event;

	if (command > BPFLB_CMD_MAX || !known_events[command].verb)
		return;
	event = &known_events[command];
	if (is_old(monitor, event->what, nlh))
		return;
	show_object(monitor, event->verb, event->what, nlh);
	fflush(stdout);
}

static void show_lost(const struct monitor *monitor)
{
	struct json json;

	if (monitor->options->json) {
		begin_json(monitor, &json, "lost");
		json_close(&json);
	} else {
		begin_text(monitor);
		puts("events lost");
	}
	fflush(stdout);
}

static void show_flows_lost(const struct monitor *monitor, uint64_t count)
{
	struct json json;

	if (monitor->options->json) {
		begin_json(monitor, &json, "lost");
		json_string(&json, "object", watched_names[WATCH_FLOW]);
		json_u64(&json, "count", count);
		json_close(&json);
	} else {
		begin_text(monitor);
		printf("%llu flow events lost\n", (unsigned long long)count);
	}
	fflush(stdout);
}

/* Of flows that come too fast some are not told: how many, once a second. */
static int watch_flows(struct context *context, struct monitor *monitor, bool readable)
{
	struct flow_watch *flows = &monitor->flows;
	uint64_t lost = 0;
	int code, error;

	if (!(monitor->watched & 1 << WATCH_FLOW))
		return LBADM_OK;
	error = readable ? conn_read_events(&flows->conn, show_event, monitor) : 0;
	if (error && error != -ENOBUFS)
		return report(LBADM_REFUSED, "%s", flows->conn.refusal.message);
	if (!flow_watch_is_due(flows) || !conn_listens(&flows->conn))
		return LBADM_OK;
	code = flow_watch_count(flows, context, &lost);
	if (!code && lost)
		show_flows_lost(monitor, lost);
	return code;
}

static bool is_heard(const struct conn *conn, const struct monitor *monitor)
{
	return (!(monitor->watched & WATCH_CONFIG) || conn_listens(conn)) &&
	       (!(monitor->watched & 1 << WATCH_FLOW) || conn_listens(&monitor->flows.conn));
}

static void show_generation(const struct monitor *monitor, const char *event,
			    uint64_t generation)
{
	struct json json;

	if (monitor->options->json) {
		begin_json(monitor, &json, event);
		json_u64(&json, "generation", generation);
		json_close(&json);
	} else {
		begin_text(monitor);
		printf("%s generation %llu\n", event, (unsigned long long)generation);
	}
	fflush(stdout);
}

/*
 * Whoever reads it knows from here on that every later change will be told. It
 * has the schema for all the lines that follow.
 */
static void show_start(const struct monitor *monitor, const struct status *status)
{
	struct json json;

	if (!monitor->options->json) {
		show_generation(monitor, "start", status->generation);
		return;
	}
	begin_json(monitor, &json, "start");
	json_schema(&json, status->version);
	json_u64(&json, "generation", status->generation);
	json_close(&json);
	fflush(stdout);
}

static void show_settings(const struct monitor *monitor, const struct settings *settings)
{
	struct json json;

	if (!(monitor->watched & 1 << WATCH_SETTINGS))
		return;
	if (monitor->options->json) {
		begin_json(monitor, &json, "set");
		json_string(&json, "object", watched_names[WATCH_SETTINGS]);
		json_u64(&json, "generation", settings->generation);
		settings_json(&json, "settings", settings);
		json_close(&json);
		return;
	}
	begin_text(monitor);
	fputs("set ", stdout);
	settings_event(stdout, settings);
	putchar('\n');
}

/* Between two marks stands all that there is: whoever forgets the rest has the right picture. */
static void show_state(struct monitor *monitor, const struct snapshot *snapshot)
{
	const struct nlmsghdr *nlh;

	show_generation(monitor, "resync", snapshot->generation);
	show_settings(monitor, &snapshot->settings);
	messages_for_each(nlh, &snapshot->nodes)
		show_object(monitor, "add", WATCH_NODE, nlh);
	messages_for_each(nlh, &snapshot->services)
		show_object(monitor, "add", WATCH_SERVICE, nlh);
	messages_for_each(nlh, &snapshot->backends)
		show_object(monitor, "add", WATCH_BACKEND, nlh);
	show_generation(monitor, "resynced", snapshot->generation);
	monitor->generation = snapshot->generation;
}

/* @again: something changed meanwhile; the events about it come first */
static int resync(struct context *context, struct monitor *monitor, bool *again)
{
	struct snapshot snapshot = { 0 };
	int code;

	*again = false;
	if (!(monitor->watched & WATCH_STATE))
		return LBADM_OK;
	code = snapshot_try(context, &snapshot, again);
	if (!code && !*again)
		show_state(monitor, &snapshot);
	snapshot_free(&snapshot);
	return code;
}

/*
 * After a loss the kernel drops events until all that were queued before it are
 * read. So it is told then: that is its place among the events, and the state of
 * things is asked for.
 */
static int after_loss(struct context *context, struct monitor *monitor, bool *lost, bool *told)
{
	int code;

	if (!*told)
		show_lost(monitor);
	*told = true;
	code = resync(context, monitor, lost);
	if (!*lost)
		*told = false;
	return code;
}

static int watch(struct context *context, struct conn *conn, struct monitor *monitor,
		 const sigset_t *unblocked)
{
	struct pollfd pollers[] = {
		{ .fd = nl_socket_get_fd(conn->sk), .events = POLLIN },
		{ .fd = STDOUT_FILENO },	/* only for: its reader has gone */
		{ .fd = -1, .events = POLLIN },
	};
	const struct timespec at_once = { 0 }, second = { .tv_sec = 1 };
	bool lost = false, told = false;
	int ready, error, code;

	if (monitor->watched & 1 << WATCH_FLOW)
		pollers[2].fd = nl_socket_get_fd(monitor->flows.conn.sk);

	while (!stop_asked() && !ferror(stdout)) {
		ready = ppoll(pollers, 3, lost ? &at_once : &second, unblocked);
		if (ready < 0)
			continue;
		code = watch_flows(context, monitor, pollers[2].revents);
		if (code)
			return code;
		if (!ready && !is_heard(conn, monitor))
			return report(LBADM_ABSENT, "the module was unloaded: what comes after that "
				      "is not seen here");
		if (lost && !pollers[0].revents) {
			code = after_loss(context, monitor, &lost, &told);
			if (code)
				return code;
		}
		if (pollers[1].revents & (POLLERR | POLLHUP | POLLNVAL))
			break;
		if (!pollers[0].revents)
			continue;
		error = conn_read_events(conn, show_event, monitor);
		if (error == -ENOBUFS) {
			lost = true;
			told = false;
		} else if (error) {
			return report(LBADM_REFUSED, "%s", conn->refusal.message);
		}
	}
	return LBADM_OK;
}

static int take_watched(struct line *line, struct monitor *monitor)
{
	unsigned int what;
	char valid[128];

	while (line_peek(line)) {
		if (!parse_choice(line_peek(line), watched_names, &what)) {
			names_join(watched_names, valid, sizeof(valid));
			return args_unknown(line, valid);
		}
		line_take(line);
		monitor->watched |= 1 << what;
	}
	if (!monitor->watched)
		monitor->watched = WATCH_CONFIG;
	return LBADM_OK;
}

static int monitor_run(struct context *context)
{
	struct monitor monitor = { .options = &context->options };
	struct conn events = { 0 };
	struct status status;
	sigset_t unblocked;
	int code;

	code = take_watched(&context->line, &monitor);
	if (code)
		return code;
	/* Events have a socket of their own: there is no telling them from answers. */
	stop_catch(&unblocked);
	code = conn_open(&events);
	if (!code && monitor.watched & WATCH_CONFIG)
		code = conn_listen(&events, BPFLB_MCGRP_CONFIG);
	if (!code)
		code = conn_open(&context->conn);
	if (!code && monitor.watched & 1 << WATCH_FLOW)
		code = flow_watch_open(&monitor.flows, context);
	if (!code)
		code = status_get(context, &status);
	if (!code) {
		show_start(&monitor, &status);
		code = watch(context, &events, &monitor, &unblocked);
	}
	conn_close(&events);
	conn_close(&monitor.flows.conn);
	return code;
}

static const struct command monitor_commands[] = {
	{
		.args = "[service] [backend] [node] [settings] [flow] [snat]",
		.summary = "show what happens as it happens, one event a line",
		.help = "Without a word: all but flows. Begins with the generation from which on it\n"
			"sees everything; says 'events lost' if they came faster than it could show. All\n"
			"that there is then stands between 'resync generation N' and 'resynced', as if\n"
			"it were added: forget what you knew of that before. Of flows there is only\n"
			"'flow list' to ask.\n"
			"'flow set': one of SNAT has its source. 'N flow events lost': more than 'set\n"
			"flow-events', or than it could show, once a second. With 'set flow-accounting\n"
			"on' the end of a flow tells what it has carried. It ends when the module is\n"
			"unloaded.\n"
			"'snat full': a new flow was dropped for want of a source port, shown once a\n"
			"second at most. -t puts the time in front; with -j each line is a JSON object.\n",
		.run = monitor_run,
	},
	{ 0 }
};

const struct object monitor_object = {
	.name = "monitor",
	.summary = "changes and flows, as they happen",
	.commands = monitor_commands,
};
