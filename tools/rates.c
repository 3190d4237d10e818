// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attrs.h"
#include "mem.h"
#include "rates.h"

/**
 * drops_decode - drops by reason
 * @nlh: answer to STATS_GET
 * @drops: the result
 */
void drops_decode(const struct nlmsghdr *nlh, struct drops *drops)
{
	struct nlattr *attrs[BPFLB_DROP_A_MAX + 1];
	struct nlattr *attr;
	int left;

	drops->count = 0;
	attrs_for_each(attr, nlh, left) {
		if (nla_type(attr) != BPFLB_STATS_A_DROP || drops->count == DROP_REASONS_MAX)
			continue;
		attrs_parse_nest(attr, attrs, BPFLB_DROP_A_MAX);
		attr_string(attrs[BPFLB_DROP_A_NAME], drops->of[drops->count].reason,
			    sizeof(drops->of->reason));
		if (!drops->of[drops->count].reason[0])
			snprintf(drops->of[drops->count].reason, sizeof(drops->of->reason), "%u",
				 attr_u8(attrs[BPFLB_DROP_A_REASON]));
		drops->of[drops->count++].packets = attr_u64(attrs[BPFLB_DROP_A_PACKETS]);
	}
}

/* What counts less than before has begun anew: it was removed and made again. */
static double rate(uint64_t old, uint64_t new, double seconds)
{
	return seconds > 0 ? (new < old ? new : new - old) / seconds : 0;
}

/**
 * rates_between - what was counted, a second
 * @old: at first
 * @new: then
 * @seconds: between the two
 * @rates: the result
 */
void rates_between(const struct counters *old, const struct counters *new, double seconds,
		   struct rates *rates)
{
	rates->flows = rate(old->flows, new->flows, seconds);
	rates->packets_in = rate(old->packets_in, new->packets_in, seconds);
	rates->bytes_in = rate(old->bytes_in, new->bytes_in, seconds);
	rates->packets_out = rate(old->packets_out, new->packets_out, seconds);
	rates->bytes_out = rate(old->bytes_out, new->bytes_out, seconds);
	rates->drops = rate(old->drops, new->drops, seconds);
}

/** rates_packets - packets a second in both directions */
double rates_packets(const struct rates *rates)
{
	return rates->packets_in + rates->packets_out;
}

/** rates_bytes - bytes a second in both directions */
double rates_bytes(const struct rates *rates)
{
	return rates->bytes_in + rates->bytes_out;
}

static void total_decode(const struct nlmsghdr *nlh, void *arg)
{
	struct nlattr *attrs[BPFLB_STATS_A_MAX + 1];
	struct sample *sample = arg;
	unsigned int i;

	attrs_parse(nlh, attrs, BPFLB_STATS_A_MAX);
	sample->generation = attr_u64(attrs[BPFLB_STATS_A_GENERATION]);
	sample->flows = attr_u32(attrs[BPFLB_STATS_A_FLOWS]);
	counters_decode(attrs[BPFLB_STATS_A_COUNTERS], &sample->total);
	drops_decode(nlh, &sample->drops);
	sample->total.drops = 0;
	for (i = 0; i < sample->drops.count; i++)
		sample->total.drops += sample->drops.of[i].packets;
}

static int take_services(struct context *context, const struct rates_of *of,
			 struct messages *messages)
{
	struct request *request = &context->request;

	request_start(request, BPFLB_CMD_SERVICE_GET, 0);
	if (!of->service)
		return conn_gather(&context->conn, request, messages);
	request_string(request, of->word, BPFLB_SERVICE_A_NAME, of->service);
	return conn_call(&context->conn, request, messages_add, messages);
}

static int take_backends(struct context *context, const struct rates_of *of,
			 struct messages *messages)
{
	struct request *request = &context->request;

	request_start(request, BPFLB_CMD_BACKEND_GET, 0);
	if (of->service)
		request_string(request, of->word, BPFLB_BACKEND_A_SERVICE, of->service);
	return conn_gather(&context->conn, request, messages);
}

/**
 * sample_take - ask for all counters
 * @context: with its socket open
 * @of: of what
 * @sample: zeroed; the result
 *
 * A configuration that never stands still is shown as it was read, not of one moment.
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int sample_take(struct context *context, const struct rates_of *of, struct sample *sample)
{
	int error;

	request_start(&context->request, BPFLB_CMD_STATS_GET, 0);
	error = conn_call(&context->conn, &context->request, total_decode, sample);
	if (!error)
		error = take_services(context, of, &sample->services);
	if (!error || error == -EAGAIN)
		error = take_backends(context, of, &sample->backends);
	if (error && error != -EAGAIN)
		return context_refused(context, &context->conn.refusal);
	clock_gettime(CLOCK_MONOTONIC, &sample->at);
	backend_filters_apply(&of->backends, &sample->backends);
	entries_of_services(&sample->services, BPFLB_CMD_SERVICE_GET, &sample->service_order);
	entries_of_backends(&sample->backends, BPFLB_CMD_BACKEND_GET, &sample->backend_order);
	return LBADM_OK;
}

/**
 * sample_free - give its memory back
 * @sample: zeroed, or taken; zeroed then
 */
void sample_free(struct sample *sample)
{
	messages_free(&sample->services);
	messages_free(&sample->backends);
	entries_free(&sample->service_order);
	entries_free(&sample->backend_order);
	memset(sample, 0, sizeof(*sample));
}

/**
 * samples_seconds - the time between two samples
 * @old: the older one
 * @new: the newer one
 */
double samples_seconds(const struct sample *old, const struct sample *new)
{
	return new->at.tv_sec - old->at.tv_sec + (new->at.tv_nsec - old->at.tv_nsec) / 1e9;
}

static struct rate_row *row_add(struct rate_rows *rows, const struct entry *entry)
{
	struct rate_row *row;

	rows->rows = mem_grow(rows->rows, &rows->room, rows->count + 1, sizeof(*rows->rows));
	row = &rows->rows[rows->count++];
	*row = (struct rate_row) { .entry = entry, .service = entry->name };
	return row;
}

/* What an older sample, in order and read up to @at, has of the same; NULL if it was not there. */
static const struct entry *find_older(const struct entries *old, size_t *at,
				      const struct entry *entry)
{
	while (*at < old->count && entry_compare(&old->entries[*at], entry) < 0)
		++*at;
	if (*at < old->count && !entry_compare(&old->entries[*at], entry))
		return &old->entries[*at];
	return NULL;
}

static void service_counters(const struct entry *entry, struct counters *counters)
{
	counters_decode(entry ? attrs_find(entry->nlh, BPFLB_SERVICE_A_COUNTERS) : NULL, counters);
}

static void backend_counters(const struct entry *entry, struct counters *counters)
{
	counters_decode(entry ? attrs_find(entry->nlh, BPFLB_BACKEND_A_COUNTERS) : NULL, counters);
}

static void rate_rows(const struct entries *old, const struct entries *new, double seconds,
		      void (*counters_of)(const struct entry *entry, struct counters *counters),
		      struct rate_rows *rows)
{
	struct counters was, is;
	size_t i, o = 0;

	rows->count = 0;
	for (i = 0; i < new->count; i++) {
		counters_of(find_older(old, &o, &new->entries[i]), &was);
		counters_of(&new->entries[i], &is);
		rates_between(&was, &is, seconds, &row_add(rows, &new->entries[i])->rates);
	}
}

/**
 * rate_rows_of_backends - each backend
 * @old: the older sample
 * @new: the newer one, which must live as long as @rows
 * @rows: zeroed at first; the result, by service and address
 */
void rate_rows_of_backends(const struct sample *old, const struct sample *new,
			   struct rate_rows *rows)
{
	size_t i;

	rate_rows(&old->backend_order, &new->backend_order, samples_seconds(old, new),
		  backend_counters, rows);
	for (i = 0; i < rows->count; i++)
		rows->rows[i].active = attr_u32(attrs_find(rows->rows[i].entry->nlh,
							   BPFLB_BACKEND_A_FLOWS));
}

/**
 * rate_rows_of_services - each service
 * @old: the older sample
 * @new: the newer one, which must live as long as @rows
 * @rows: zeroed at first; the result, by name
 */
void rate_rows_of_services(const struct sample *old, const struct sample *new,
			   struct rate_rows *rows)
{
	const struct entries *backends = &new->backend_order;
	size_t i, b = 0;

	rate_rows(&old->service_order, &new->service_order, samples_seconds(old, new),
		  service_counters, rows);
	for (i = 0; i < rows->count; i++) {
		struct rate_row *row = &rows->rows[i];

		for (; b < backends->count; b++) {
			const struct entry *backend = &backends->entries[b];
			int order = strcmp(backend->name, row->service);

			if (order > 0)
				break;
			if (!order)
				row->active += attr_u32(attrs_find(backend->nlh,
								   BPFLB_BACKEND_A_FLOWS));
		}
	}
}

/**
 * rate_rows_free - give their memory back
 * @rows: zeroed, or filled
 */
void rate_rows_free(struct rate_rows *rows)
{
	free(rows->rows);
}
