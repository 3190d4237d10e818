// SPDX-License-Identifier: GPL-2.0-only
/*
 * What was counted, in Prometheus' text format. All samples of a metric stand together there, so
 * the objects are read once and gone through once for each metric.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "args.h"
#include "attrs.h"
#include "mem.h"
#include "metrics.h"
#include "names.h"
#include "objects.h"
#include "snapshot.h"

/* The numbers of the whole, of a service, and of a backend. */
enum value {
	VALUE_NONE,
	VALUE_ONE,
	VALUE_GENERATION,
	VALUE_SERVICES,
	VALUE_BACKENDS,
	VALUE_BACKENDS_LOCAL,
	VALUE_NODES,
	VALUE_WEIGHT,
	VALUE_FLOWS,
	VALUE_FLOWS_MAX,
	VALUE_FLOW_BUCKETS,
	VALUE_FLOWS_CREATED,
	VALUE_PACKETS_IN,
	VALUE_PACKETS_OUT,
	VALUE_BYTES_IN,
	VALUE_BYTES_OUT,
	VALUE_DROPS,
	VALUE_BYPASSED,
	VALUE_NOTES_SENT,
	VALUE_NOTES_TAKEN,
	VALUE_NOTES_REMOVED,
	VALUE_ANSWERS,
	VALUE_AFFINITY_EVICTED,
	VALUE_FLOW_EVENTS_LOST,
	VALUE_SNAT_ADDRESSES,
	VALUE_SNAT_PORTS,
	VALUES,
};

/**
 * struct metric - one of the kinds of numbers
 * @name: its name; that of a counter ends in "_total"
 * @help: what it is; docs/metrics.md says more
 * @value: which number
 * @out: that of the other direction, for those that have two
 * @info: the labels of @row.info go with it
 */
struct metric {
	const char *name;
	const char *help;
	enum value value;
	enum value out;
	bool info;
};

/**
 * struct row - an object's numbers
 * @labels: which object it is, as the first of the labels; empty for the whole
 * @info: more labels, for the metric that describes it
 * @values: by enum value
 */
struct row {
	char labels[512];
	char info[256];
	uint64_t values[VALUES];
};

typedef void row_fn(const struct nlmsghdr *nlh, struct row *row);

static const struct metric whole_metrics[] = {
	{ .name = "bpflb_info", .value = VALUE_ONE, .info = true,
	  .help = "The module: its version, and the mode of new flows." },
	{ .name = "bpflb_generation", .value = VALUE_GENERATION,
	  .help = "Generation of the configuration in force." },
	{ .name = "bpflb_services", .value = VALUE_SERVICES,
	  .help = "Services that are configured." },
	{ .name = "bpflb_backends", .value = VALUE_BACKENDS,
	  .help = "Backends that are configured, of all services." },
	{ .name = "bpflb_nodes", .value = VALUE_NODES,
	  .help = "Nodes that are configured." },
	{ .name = "bpflb_flows", .value = VALUE_FLOWS,
	  .help = "Flows that there are now." },
	{ .name = "bpflb_flows_max", .value = VALUE_FLOWS_MAX,
	  .help = "Flows that there may be." },
	{ .name = "bpflb_flow_buckets", .value = VALUE_FLOW_BUCKETS,
	  .help = "Buckets of the flow table that all namespaces share." },
	{ .name = "bpflb_snat_addresses", .value = VALUE_SNAT_ADDRESSES,
	  .help = "Addresses that are set for SNAT; 0: the outgoing device's is used." },
	{ .name = "bpflb_snat_ports", .value = VALUE_SNAT_PORTS,
	  .help = "Source ports that each SNAT address may use towards a backend." },
	{ .name = "bpflb_flows_created_total", .value = VALUE_FLOWS_CREATED,
	  .help = "Flows made." },
	{ .name = "bpflb_packets_total", .value = VALUE_PACKETS_IN, .out = VALUE_PACKETS_OUT,
	  .help = "Packets of flows, from clients (in) and from backends (out)." },
	{ .name = "bpflb_bytes_total", .value = VALUE_BYTES_IN, .out = VALUE_BYTES_OUT,
	  .help = "Bytes of these packets, from the IP header on." },
	{ .name = "bpflb_bypassed_packets_total", .value = VALUE_BYPASSED,
	  .help = "Packets of flows that went past the stack." },
	{ .name = "bpflb_dsr_notes_sent_total", .value = VALUE_NOTES_SENT,
	  .help = "DSR notes put on packets." },
	{ .name = "bpflb_dsr_notes_taken_total", .value = VALUE_NOTES_TAKEN,
	  .help = "DSR notes believed and taken off." },
	{ .name = "bpflb_dsr_notes_removed_total", .value = VALUE_NOTES_REMOVED,
	  .help = "DSR notes taken off unbelieved." },
	{ .name = "bpflb_answers_sent_total", .value = VALUE_ANSWERS,
	  .help = "ICMP errors and RSTs sent in a service's name." },
	{ .name = "bpflb_affinity_evictions_total", .value = VALUE_AFFINITY_EVICTED,
	  .help = "Clients whose affinity was cut short for others." },
	{ .name = "bpflb_flow_events_lost_total", .value = VALUE_FLOW_EVENTS_LOST,
	  .help = "Events of flows beyond what a second may have." },
	{ 0 }
};

static const struct metric service_metrics[] = {
	{ .name = "bpflb_service_info", .value = VALUE_ONE, .info = true,
	  .help = "A service: its protocol, scheduler and policy." },
	{ .name = "bpflb_service_backends", .value = VALUE_BACKENDS,
	  .help = "Backends of a service." },
	{ .name = "bpflb_service_local_backends", .value = VALUE_BACKENDS_LOCAL,
	  .help = "Backends of a service on this node." },
	{ .name = "bpflb_service_flows_max", .value = VALUE_FLOWS_MAX,
	  .help = "Flows that a service may have on this node; 0: any number." },
	{ .name = "bpflb_service_flows_created_total", .value = VALUE_FLOWS_CREATED,
	  .help = "Flows made for a service." },
	{ .name = "bpflb_service_packets_total", .value = VALUE_PACKETS_IN,
	  .out = VALUE_PACKETS_OUT,  .help = "Packets of a service's flows." },
	{ .name = "bpflb_service_bytes_total", .value = VALUE_BYTES_IN, .out = VALUE_BYTES_OUT,
	  .help = "Bytes of a service's flows." },
	{ .name = "bpflb_service_dropped_packets_total", .value = VALUE_DROPS,
	  .help = "Packets for a service that were dropped." },
	{ 0 }
};

static const struct metric backend_metrics[] = {
	{ .name = "bpflb_backend_info", .value = VALUE_ONE, .info = true,
	  .help = "A backend: its state, and its node if it has one." },
	{ .name = "bpflb_backend_weight", .value = VALUE_WEIGHT,
	  .help = "Weight of a backend; 0: it gets no new flows." },
	{ .name = "bpflb_backend_flows", .value = VALUE_FLOWS,
	  .help = "Flows that a backend has now." },
	{ .name = "bpflb_backend_flows_max", .value = VALUE_FLOWS_MAX,
	  .help = "Flows that a backend may have from this node; 0: any number." },
	{ .name = "bpflb_backend_flows_created_total", .value = VALUE_FLOWS_CREATED,
	  .help = "Flows made to a backend." },
	{ .name = "bpflb_backend_packets_total", .value = VALUE_PACKETS_IN,
	  .out = VALUE_PACKETS_OUT,  .help = "Packets of a backend's flows." },
	{ .name = "bpflb_backend_bytes_total", .value = VALUE_BYTES_IN, .out = VALUE_BYTES_OUT,
	  .help = "Bytes of a backend's flows." },
	{ 0 }
};

static void counters_row(const struct counters *counters, struct row *row)
{
	row->values[VALUE_FLOWS_CREATED] = counters->flows;
	row->values[VALUE_PACKETS_IN] = counters->packets_in;
	row->values[VALUE_PACKETS_OUT] = counters->packets_out;
	row->values[VALUE_BYTES_IN] = counters->bytes_in;
	row->values[VALUE_BYTES_OUT] = counters->bytes_out;
	row->values[VALUE_DROPS] = counters->drops;
}

static void service_row(const struct nlmsghdr *nlh, struct row *row)
{
	char room[NAME_ROOM];
	struct service service;

	service_decode(nlh, &service);
	metrics_label(row->labels, sizeof(row->labels), "service", service.name);
	metrics_label(row->info, sizeof(row->info), "proto", proto_name(service.proto, room));
	metrics_label(row->info, sizeof(row->info), "scheduler",
		      name_of(scheduler_names, service.scheduler, room));
	metrics_label(row->info, sizeof(row->info), "policy",
		      name_of(policy_names, service.policy, room));
	row->values[VALUE_BACKENDS] = service.backends;
	row->values[VALUE_BACKENDS_LOCAL] = service.backends_local;
	row->values[VALUE_FLOWS_MAX] = service.flows_max;
	counters_row(&service.counters, row);
}

static void backend_row(const struct nlmsghdr *nlh, struct row *row)
{
	char text[ENDPOINT_ROOM], room[NAME_ROOM];
	struct backend backend;

	backend_decode(nlh, &backend);
	metrics_label(row->labels, sizeof(row->labels), "service", backend.service);
	metrics_label(row->labels, sizeof(row->labels), "backend",
		      format_endpoint(&backend.endpoint, text));
	metrics_label(row->info, sizeof(row->info), "state",
		      name_of(backend_state_names, backend.state, room));
	metrics_label(row->info, sizeof(row->info), "node",
		      backend.node.length ? format_address(&backend.node, text) : "");
	row->values[VALUE_WEIGHT] = backend.weight;
	row->values[VALUE_FLOWS] = backend.flows;
	row->values[VALUE_FLOWS_MAX] = backend.flows_max;
	counters_row(&backend.counters, row);
}

static void write_sample(FILE *file, const struct metric *metric, const struct row *row,
			 const char *more, uint64_t value)
{
	const char *info = metric->info ? row->info : "";
	const char *first = *row->labels && (*info || *more) ? "," : "";

	fputs(metric->name, file);
	if (*row->labels || *info || *more)
		fprintf(file, "{%s%s%s%s}", row->labels, first, info, more);
	fprintf(file, " %" PRIu64 "\n", value);
}

static void write_row(FILE *file, const struct metric *metric, const struct row *row)
{
	if (metric->out) {
		write_sample(file, metric, row, "direction=\"in\"", row->values[metric->value]);
		write_sample(file, metric, row, "direction=\"out\"", row->values[metric->out]);
	} else {
		write_sample(file, metric, row, "", row->values[metric->value]);
	}
}

static void write_header(FILE *file, const char *name, const char *help)
{
	size_t length = strlen(name);
	bool counter = length > 6 && !strcmp(name + length - 6, "_total");

	fprintf(file, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
		counter ? "counter" : "gauge");
}

static void write_objects(FILE *file, const struct metric *metrics,
			  const struct messages *messages, row_fn *decode)
{
	const struct metric *metric;
	const struct nlmsghdr *nlh;
	struct row row;

	for (metric = metrics; metric->name; metric++) {
		write_header(file, metric->name, metric->help);
		messages_for_each(nlh, messages) {
			memset(&row, 0, sizeof(row));
			row.values[VALUE_ONE] = 1;
			decode(nlh, &row);
			write_row(file, metric, &row);
		}
	}
}

static void write_drops(FILE *file, const struct nlmsghdr *nlh)
{
	static const struct metric metric = { .name = "bpflb_dropped_packets_total" };
	struct nlattr *attrs[BPFLB_DROP_A_MAX + 1], *attr;
	struct row row;
	int left;

	write_header(file, metric.name, "Packets that were dropped, by reason.");
	attrs_for_each(attr, nlh, left) {
		if (nla_type(attr) != BPFLB_STATS_A_DROP)
			continue;
		attrs_parse_nest(attr, attrs, BPFLB_DROP_A_MAX);
		memset(&row, 0, sizeof(row));
		metrics_label(row.labels, sizeof(row.labels), "reason",
			      attr_text(attrs[BPFLB_DROP_A_NAME]));
		write_sample(file, &metric, &row, "", attr_u64(attrs[BPFLB_DROP_A_PACKETS]));
	}
}

/* Ports of snat-ports that are no node ports. */
static unsigned int snat_ports(const struct settings *settings)
{
	int first = settings->snat_ports[0], last = settings->snat_ports[1];
	int from = settings->nodeports[0], to = settings->nodeports[1];
	int both = (to < last ? to : last) - (from > first ? from : first) + 1;

	return last - first + 1 - (both > 0 ? both : 0);
}

static void whole_row(const struct snapshot *snapshot, const struct nlmsghdr *stats,
		      struct row *row)
{
	const struct status *status = &snapshot->status;
	struct nlattr *attrs[BPFLB_STATS_A_MAX + 1];
	struct counters counters;
	char room[NAME_ROOM];

	attrs_parse(stats, attrs, BPFLB_STATS_A_MAX);
	counters_decode(attrs[BPFLB_STATS_A_COUNTERS], &counters);
	counters_row(&counters, row);
	metrics_label(row->info, sizeof(row->info), "version", status->version);
	metrics_label(row->info, sizeof(row->info), "mode",
		      name_of(mode_names, snapshot->settings.mode, room));
	row->values[VALUE_ONE] = 1;
	row->values[VALUE_GENERATION] = snapshot->generation;
	row->values[VALUE_SERVICES] = status->services;
	row->values[VALUE_BACKENDS] = status->backends;
	row->values[VALUE_NODES] = status->nodes;
	row->values[VALUE_FLOWS] = attr_u32(attrs[BPFLB_STATS_A_FLOWS]);
	row->values[VALUE_FLOWS_MAX] = status->flows_max;
	row->values[VALUE_FLOW_BUCKETS] = status->flow_buckets;
	row->values[VALUE_BYPASSED] = attr_u64(attrs[BPFLB_STATS_A_BYPASSED]);
	row->values[VALUE_NOTES_SENT] = attr_u64(attrs[BPFLB_STATS_A_NOTES_SENT]);
	row->values[VALUE_NOTES_TAKEN] = attr_u64(attrs[BPFLB_STATS_A_NOTES_TAKEN]);
	row->values[VALUE_NOTES_REMOVED] = attr_u64(attrs[BPFLB_STATS_A_NOTES_REMOVED]);
	row->values[VALUE_ANSWERS] = attr_u64(attrs[BPFLB_STATS_A_ANSWERS]);
	row->values[VALUE_AFFINITY_EVICTED] = attr_u64(attrs[BPFLB_STATS_A_AFFINITY_EVICTED]);
	row->values[VALUE_FLOW_EVENTS_LOST] = attr_u64(attrs[BPFLB_STATS_A_FLOW_EVENTS_LOST]);
	row->values[VALUE_SNAT_ADDRESSES] = snapshot->settings.snat_count;
	row->values[VALUE_SNAT_PORTS] = snat_ports(&snapshot->settings);
}

static void write_all(FILE *file, const struct snapshot *snapshot, const struct nlmsghdr *stats)
{
	const struct metric *metric;
	struct row row = { 0 };

	whole_row(snapshot, stats, &row);
	for (metric = whole_metrics; metric->name; metric++) {
		write_header(file, metric->name, metric->help);
		write_row(file, metric, &row);
	}
	write_drops(file, stats);
	write_objects(file, service_metrics, &snapshot->services, service_row);
	write_objects(file, backend_metrics, &snapshot->backends, backend_row);
}

static int take(struct context *context, struct snapshot *snapshot, struct messages *stats)
{
	int code = snapshot_take(context, snapshot);

	if (code)
		return code;
	request_start(&context->request, BPFLB_CMD_STATS_GET, 0);
	if (conn_call(&context->conn, &context->request, messages_add, stats))
		return context_refused(context, &context->conn.refusal);
	return LBADM_OK;
}

/**
 * metrics_take - all metrics as text
 * @context: with no socket open yet
 * @text: the text, to be freed; not set after a failure
 * @length: of @text
 *
 * In memory, so that nothing is printed if something fails on the way.
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int metrics_take(struct context *context, char **text, size_t *length)
{
	struct snapshot snapshot = { 0 };
	struct messages stats = { 0 };
	FILE *file;
	int code;

	code = conn_open(&context->conn);
	if (!code)
		code = take(context, &snapshot, &stats);
	if (!code) {
		file = open_memstream(text, length);
		if (!file)
			mem_exhausted();
		write_all(file, &snapshot, (const struct nlmsghdr *)stats.bytes);
		if (fclose(file))
			mem_exhausted();
	}
	messages_free(&stats);
	snapshot_free(&snapshot);
	return code;
}

/* Who reads @path sees the old text or the new one, never a part. */
static int replace_file(const char *path, const char *text, size_t length)
{
	char *temporary;
	bool written;
	FILE *file;
	int fd;

	if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
		mem_exhausted();
	fd = mkostemp(temporary, O_CLOEXEC);
	file = fd < 0 ? NULL : fdopen(fd, "w");
	written = file && fwrite(text, 1, length, file) == length && !fchmod(fd, 0644);
	if (file && fclose(file))
		written = false;
	if (!written || rename(temporary, path)) {
		int error = errno;

		if (fd >= 0)
			unlink(temporary);
		free(temporary);
		return report(LBADM_REFUSED, "can't write '%s': %s", path, strerror(error));
	}
	free(temporary);
	return LBADM_OK;
}

static int metrics_run(struct context *context)
{
	struct line *line = &context->line;
	const char *path = NULL;
	bool http = false;
	size_t length;
	char *text;
	int code;

	if (context->options.json)
		return report(LBADM_USAGE, "metrics are Prometheus' text: for JSON, lbadm -j stats");
	if (line_take_word(line, "--http")) {
		http = true;
	} else if (line_take_word(line, "--output")) {
		path = line_take(line);
		if (!path)
			return report_end(line, "the name of the file is missing");
	} else if (line_peek(line)) {
		return args_unknown(line, "--output, --http");
	}
	code = args_end(line);
	if (code || http)
		return code ? code : metrics_serve(context);
	code = metrics_take(context, &text, &length);
	if (code)
		return code;
	if (path)
		code = replace_file(path, text, length);
	else
		fwrite(text, 1, length, stdout);
	free(text);
	return code;
}

static const struct command metrics_commands[] = {
	{
		.args = "[--output FILE | --http]",
		.summary = "what was counted, in Prometheus' text format",
		.help = "With --output FILE is replaced by it as a whole, as the textfile collector of\n"
			"node_exporter wants it: FILE's name has to end in .prom. With --http one request\n"
			"is read from standard input and answered on standard output: GET /metrics.\n"
			"docs/metrics.md says what each metric counts.\n",
		.run = metrics_run,
	},
	{ 0 }
};

const struct object metrics_object = {
	.name = "metrics",
	.summary = "the counters for Prometheus",
	.commands = metrics_commands,
};
