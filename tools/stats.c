// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "attrs.h"
#include "objects.h"
#include "watch.h"

#define REASON_ROOM	64
#define WATCH_DEFAULT	1	/* seconds */
#define WATCH_MAX	3600

/**
 * counters_decode - the counters of something
 * @nest: the attribute that has them, or NULL
 * @counters: the result
 */
void counters_decode(const struct nlattr *nest, struct counters *counters)
{
	struct nlattr *attrs[BPFLB_COUNTERS_A_MAX + 1];

	attrs_parse_nest(nest, attrs, BPFLB_COUNTERS_A_MAX);
	counters->flows = attr_u64(attrs[BPFLB_COUNTERS_A_FLOWS]);
	counters->packets_in = attr_u64(attrs[BPFLB_COUNTERS_A_PACKETS_IN]);
	counters->bytes_in = attr_u64(attrs[BPFLB_COUNTERS_A_BYTES_IN]);
	counters->packets_out = attr_u64(attrs[BPFLB_COUNTERS_A_PACKETS_OUT]);
	counters->bytes_out = attr_u64(attrs[BPFLB_COUNTERS_A_BYTES_OUT]);
	counters->drops = attr_u64(attrs[BPFLB_COUNTERS_A_DROPS]);
	counters->has_drops = attrs[BPFLB_COUNTERS_A_DROPS];
}

/**
 * counters_json - counters as JSON
 * @json: where to
 * @counters: the counters
 */
void counters_json(struct json *json, const struct counters *counters)
{
	json_open(json, "counters", '{');
	json_u64(json, "flows", counters->flows);
	json_u64(json, "packets_in", counters->packets_in);
	json_u64(json, "bytes_in", counters->bytes_in);
	json_u64(json, "packets_out", counters->packets_out);
	json_u64(json, "bytes_out", counters->bytes_out);
	if (counters->has_drops)
		json_u64(json, "drops", counters->drops);
	json_close(json);
}

static void counters_text(const struct counters *counters)
{
	char text[QUANTITY_ROOM];

	printf("flows made   %" PRIu64 "\n", counters->flows);
	printf("in           %" PRIu64 " packets, %s\n", counters->packets_in,
	       format_bytes(counters->bytes_in, text));
	printf("out          %" PRIu64 " packets, %s\n", counters->packets_out,
	       format_bytes(counters->bytes_out, text));
	if (counters->has_drops)
		printf("drops        %" PRIu64 "\n", counters->drops);
}

static void drop_decode(const struct nlattr *nest, char name[REASON_ROOM], uint64_t *packets)
{
	struct nlattr *attrs[BPFLB_DROP_A_MAX + 1];

	attrs_parse_nest(nest, attrs, BPFLB_DROP_A_MAX);
	attr_string(attrs[BPFLB_DROP_A_NAME], name, REASON_ROOM);
	if (!name[0])
		snprintf(name, REASON_ROOM, "%u", attr_u8(attrs[BPFLB_DROP_A_REASON]));
	*packets = attr_u64(attrs[BPFLB_DROP_A_PACKETS]);
}

static int totals_json(struct context *context, const struct nlmsghdr *nlh,
		       struct nlattr **attrs, const struct counters *counters)
{
	char name[REASON_ROOM];
	struct nlattr *attr;
	struct json json;
	uint64_t packets;
	int code, left;

	code = context_json_begin(context, &json, attr_u64(attrs[BPFLB_STATS_A_GENERATION]));
	if (code)
		return code;
	json_open(&json, "stats", '{');
	json_u64(&json, "flows", attr_u32(attrs[BPFLB_STATS_A_FLOWS]));
	counters_json(&json, counters);
	json_u64(&json, "notes_sent", attr_u64(attrs[BPFLB_STATS_A_NOTES_SENT]));
	json_u64(&json, "notes_taken", attr_u64(attrs[BPFLB_STATS_A_NOTES_TAKEN]));
	json_u64(&json, "notes_removed", attr_u64(attrs[BPFLB_STATS_A_NOTES_REMOVED]));
	json_u64(&json, "bypassed", attr_u64(attrs[BPFLB_STATS_A_BYPASSED]));
	json_u64(&json, "answers", attr_u64(attrs[BPFLB_STATS_A_ANSWERS]));
	json_u64(&json, "affinity_evicted", attr_u64(attrs[BPFLB_STATS_A_AFFINITY_EVICTED]));
	json_u64(&json, "flow_events_lost", attr_u64(attrs[BPFLB_STATS_A_FLOW_EVENTS_LOST]));
	json_open(&json, "drops", '[');
	attrs_for_each(attr, nlh, left) {
		if (nla_type(attr) != BPFLB_STATS_A_DROP)
			continue;
		drop_decode(attr, name, &packets);
		json_open(&json, NULL, '{');
		json_string(&json, "reason", name);
		json_u64(&json, "packets", packets);
		json_close(&json);
	}
	json_close(&json);
	json_close(&json);
	context_json_end(&json);
	return LBADM_OK;
}

static void totals_text(const struct nlmsghdr *nlh, struct nlattr **attrs,
			const struct counters *counters)
{
	char name[REASON_ROOM];
	struct nlattr *attr;
	uint64_t packets;
	bool any = false;
	int left;

	printf("flows        %u\n", attr_u32(attrs[BPFLB_STATS_A_FLOWS]));
	counters_text(counters);
	printf("notes sent   %" PRIu64 "\n", attr_u64(attrs[BPFLB_STATS_A_NOTES_SENT]));
	printf("notes taken  %" PRIu64 ", removed %" PRIu64 "\n",
	       attr_u64(attrs[BPFLB_STATS_A_NOTES_TAKEN]),
	       attr_u64(attrs[BPFLB_STATS_A_NOTES_REMOVED]));
	printf("bypassed     %" PRIu64 "\n", attr_u64(attrs[BPFLB_STATS_A_BYPASSED]));
	printf("answers      %" PRIu64 "\n", attr_u64(attrs[BPFLB_STATS_A_ANSWERS]));
	printf("forgotten    %" PRIu64 "\n", attr_u64(attrs[BPFLB_STATS_A_AFFINITY_EVICTED]));
	printf("not told     %" PRIu64 " flow events\n",
	       attr_u64(attrs[BPFLB_STATS_A_FLOW_EVENTS_LOST]));
	attrs_for_each(attr, nlh, left) {
		if (nla_type(attr) != BPFLB_STATS_A_DROP)
			continue;
		drop_decode(attr, name, &packets);
		if (packets)
			printf("%-11s  %-20s %" PRIu64 "\n", any ? "" : "drops", name, packets);
		any = any || packets;
	}
	if (!any)
		puts("drops        0");
}

static int totals_run(struct context *context)
{
	struct nlattr *attrs[BPFLB_STATS_A_MAX + 1];
	struct messages messages = { 0 };
	const struct nlmsghdr *nlh;
	struct counters counters;
	int code = LBADM_OK;

	request_start(&context->request, BPFLB_CMD_STATS_GET, 0);
	if (conn_call(&context->conn, &context->request, messages_add, &messages))
		code = context_refused(context, &context->conn.refusal);
	messages_for_each(nlh, &messages) {
		attrs_parse(nlh, attrs, BPFLB_STATS_A_MAX);
		counters_decode(attrs[BPFLB_STATS_A_COUNTERS], &counters);
		if (context->options.json)
			code = totals_json(context, nlh, attrs, &counters);
		else
			totals_text(nlh, attrs, &counters);
	}
	messages_free(&messages);
	return code;
}

static int one_run(struct context *context, const struct rates_of *of)
{
	struct messages messages = { 0 };
	struct service service;
	struct json json;
	int code;

	code = service_get(context, of->service, of->word, &service);
	if (!code)
		code = backend_gather(context, of->service, of->word, &messages);
	backend_filters_apply(&of->backends, &messages);
	if (!code && !context->options.json) {
		printf("service      %s\n", service.name);
		counters_text(&service.counters);
		if (messages.used)
			putchar('\n');
		backend_list_table(&messages);
	} else if (!code) {
		code = context_json_begin(context, &json, service.generation);
		if (!code) {
			service_json(&json, "service", &service);
			backend_list_json(&json, &messages);
			context_json_end(&json);
		}
	}
	messages_free(&messages);
	return code;
}

/* "--watch" may stand anywhere, with an interval behind it. */
static int take_watch(struct line *line, uint32_t *seconds)
{
	const char *word = line_peek(line);

	*seconds = WATCH_DEFAULT;
	if (!word || !strchr("0123456789", word[0]))
		return LBADM_OK;
	if (args_duration(line, "--watch", seconds))
		return LBADM_USAGE;
	if (*seconds > WATCH_MAX)
		return report_last(line, "an hour is as long as an interval can be");
	return LBADM_OK;
}

/* @seconds: of an interval, 0 if it is to be shown once */
static int take_args(struct line *line, struct rates_of *of, uint32_t *seconds)
{
	unsigned int first = line->next, i;
	int code = LBADM_OK;

	*seconds = 0;
	for (i = first; !code && i < line->count; i++) {
		if (strcmp(line->words[i].text, "--watch"))
			continue;
		line->next = i + 1;
		code = take_watch(line, seconds);
		memmove(line->words + i, line->words + line->next,
			(line->count - line->next) * sizeof(*line->words));
		line->count -= line->next - i;
		break;
	}
	line->next = first;
	if (code || !line_peek(line))
		return code;
	if (!line_take_word(line, "service"))
		return args_unknown(line, "service, --watch");
	of->word = line->next;
	code = args_name(line, &of->service);
	return code ? code : backend_filters_take(line, &of->backends, false);
}

static int stats_run(struct context *context)
{
	struct rates_of of = { 0 };
	uint32_t seconds;
	int code;

	code = take_args(&context->line, &of, &seconds);
	if (!code)
		code = conn_open(&context->conn);
	if (code)
		return code;
	if (seconds)
		return isatty(STDOUT_FILENO) && !context->options.json ?
		       top_run(context, &of, seconds) : watch_run(context, &of, seconds);
	return of.service ? one_run(context, &of) : totals_run(context);
}

static const struct command stats_commands[] = {
	{
		.args = "[service NAME [node ADDRESS] [state active|draining|down|terminating]\n"
			"    [address ADDRESS[:PORT]]] [--watch [INTERVAL]]",
		.summary = "what was counted: in all with drops by reason, or of a service",
		.help = "'In' is from clients to backends, 'out' is from backends to clients. The\n"
			"answers of a DSR flow that was sent to another node are not seen here.\n"
			"'Forgotten' are clients whose affinity gave way to that of others too early.\n"
			"'Not told' are events of flows beyond 'set flow-events' in a second.\n"
			"People are shown the reasons that occurred; -j has all of them.\n"
			"With --watch it is what was counted in a second, anew each INTERVAL (1s, if not\n"
			"given): on a terminal the services with the most, where q quits, b shows backends,\n"
			"and letters below name what to sort by; else a table for each interval, of those\n"
			"that had any; with -j an object in a line.\n",
		.run = stats_run,
	},
	{ 0 }
};

const struct object stats_object = {
	.name = "stats",
	.summary = "packets, bytes, flows, and drops by reason",
	.commands = stats_commands,
};
