// SPDX-License-Identifier: GPL-2.0-only
/* Rates as lines or JSON, at each interval; top.c shows them on a terminal. */
#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "names.h"
#include "stop.h"
#include "watch.h"

/**
 * rate_text - a rate for a person
 * @rate: a second
 * @text: where it is written
 *
 * Return: @text
 */
const char *rate_text(double rate, char text[RATE_ROOM])
{
	char count[QUANTITY_ROOM];

	if (rate > 0 && rate < 9.95)
		snprintf(text, RATE_ROOM, "%.1f", rate);
	else
		snprintf(text, RATE_ROOM, "%s", format_count((uint64_t)(rate + 0.5), count));
	return text;
}

/** rate_bytes_text - the same of bytes */
const char *rate_bytes_text(double rate, char text[RATE_ROOM])
{
	char bytes[QUANTITY_ROOM];

	snprintf(text, RATE_ROOM, "%s", format_bytes((uint64_t)(rate + 0.5), bytes));
	return text;
}

/**
 * tick_begin - the first interval begins now
 * @deadline: when it ends, after tick_next()
 */
void tick_begin(struct timespec *deadline)
{
	clock_gettime(CLOCK_MONOTONIC, deadline);
}

/**
 * tick_next - one interval later; but not one that is over already
 * @deadline: when the last one ended
 * @seconds: of an interval
 */
void tick_next(struct timespec *deadline, uint32_t seconds)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	do
		deadline->tv_sec += seconds;
	while (deadline->tv_sec < now.tv_sec ||
	       (deadline->tv_sec == now.tv_sec && deadline->tv_nsec <= now.tv_nsec));
}

/**
 * tick_left - how long an interval still is
 * @deadline: when it ends
 */
struct timespec tick_left(const struct timespec *deadline)
{
	struct timespec now, left;

	clock_gettime(CLOCK_MONOTONIC, &now);
	left.tv_sec = deadline->tv_sec - now.tv_sec;
	left.tv_nsec = deadline->tv_nsec - now.tv_nsec;
	if (left.tv_nsec < 0) {
		left.tv_nsec += 1000000000;
		left.tv_sec--;
	}
	return left.tv_sec < 0 ? (struct timespec) { 0 } : left;
}

static void rates_json(struct json *json, const struct rates *rates, bool drops)
{
	json_open(json, "rates", '{');
	json_thousandths(json, "flows", rates->flows);
	json_thousandths(json, "packets_in", rates->packets_in);
	json_thousandths(json, "bytes_in", rates->bytes_in);
	json_thousandths(json, "packets_out", rates->packets_out);
	json_thousandths(json, "bytes_out", rates->bytes_out);
	if (drops)
		json_thousandths(json, "drops", rates->drops);
	json_close(json);
}

static void total_json(struct json *json, const struct sample *old, const struct sample *new,
		       double seconds)
{
	struct rates rates;
	unsigned int i;

	rates_between(&old->total, &new->total, seconds, &rates);
	json_open(json, "total", '{');
	json_u64(json, "flows", new->flows);
	rates_json(json, &rates, true);
	json_open(json, "drops", '[');
	for (i = 0; i < new->drops.count; i++) {
		uint64_t before = i < old->drops.count ? old->drops.of[i].packets : 0;

		if (new->drops.of[i].packets <= before)
			continue;
		json_open(json, NULL, '{');
		json_string(json, "reason", new->drops.of[i].reason);
		json_thousandths(json, "packets",
				 (new->drops.of[i].packets - before) / seconds);
		json_close(json);
	}
	json_close(json);
	json_close(json);
}

static void rows_json(struct json *json, const struct rate_rows *services,
		      const struct rate_rows *backends)
{
	char text[ADDRESS_ROOM];
	size_t i;

	json_open(json, "services", '[');
	for (i = 0; i < services->count; i++) {
		json_open(json, NULL, '{');
		json_string(json, "name", services->rows[i].service);
		json_u64(json, "flows", services->rows[i].active);
		rates_json(json, &services->rows[i].rates, true);
		json_close(json);
	}
	json_close(json);
	json_open(json, "backends", '[');
	for (i = 0; i < backends->count; i++) {
		const struct endpoint *at = &backends->rows[i].entry->endpoint;

		json_open(json, NULL, '{');
		json_string(json, "service", backends->rows[i].service);
		json_string(json, "address", format_address(&at->address, text));
		json_u64(json, "port", at->port);
		json_u64(json, "flows", backends->rows[i].active);
		rates_json(json, &backends->rows[i].rates, false);
		json_close(json);
	}
	json_close(json);
}

static int show_json(struct context *context, const struct rates_of *of,
		     const struct sample *old, const struct sample *new,
		     const struct rate_rows *services, const struct rate_rows *backends)
{
	double seconds = samples_seconds(old, new);
	struct json json;
	int code;

	code = context_json_begin(context, &json, new->generation);
	if (code)
		return code;
	json_open(&json, "watch", '{');
	json_thousandths(&json, "seconds", seconds);
	if (!of->service)
		total_json(&json, old, new, seconds);
	rows_json(&json, services, backends);
	json_close(&json);
	context_json_end(&json);
	return LBADM_OK;
}

static void rates_row(struct table *table, const char *service, const char *backend,
		      uint64_t active, const struct rates *rates, bool drops)
{
	char text[RATE_ROOM], count[QUANTITY_ROOM];

	table_cell(table, "%s", service);
	table_cell(table, "%s", backend);
	table_cell(table, "%s", format_count(active, count));
	table_cell(table, "%s", rate_text(rates->flows, text));
	table_cell(table, "%s", rate_text(rates->packets_in, text));
	table_cell(table, "%s", rate_bytes_text(rates->bytes_in, text));
	table_cell(table, "%s", rate_text(rates->packets_out, text));
	table_cell(table, "%s", rate_bytes_text(rates->bytes_out, text));
	table_cell(table, "%s", drops ? rate_text(rates->drops, text) : "-");
}

static bool is_still(const struct rates *rates)
{
	return rates->flows + rates->drops + rates_packets(rates) <= 0;
}

/* Of all services only those of which something is heard: else there are too many. */
static void show_text(const struct rates_of *of, const struct sample *old,
		      const struct sample *new, const struct rate_rows *services,
		      const struct rate_rows *backends)
{
	static const char *const headers[] = {
		"SERVICE", "BACKEND", ">ACTIVE", ">FLOWS/s", ">PACKETS/s IN", ">BYTES/s IN",
		">PACKETS/s OUT", ">BYTES/s OUT", ">DROPS/s", NULL
	};
	double seconds = samples_seconds(old, new);
	char endpoint[ENDPOINT_ROOM];
	struct rates total;
	struct table table;
	size_t i, b = 0;

	table_init(&table, headers);
	rates_between(&old->total, &new->total, seconds, &total);
	if (!of->service)
		rates_row(&table, "all", "", new->flows, &total, true);
	for (i = 0; i < services->count; i++) {
		const struct rate_row *row = &services->rows[i];
		bool shown = of->service || !is_still(&row->rates);

		if (shown)
			rates_row(&table, row->service, "", row->active, &row->rates, true);
		for (; b < backends->count &&
		     strcmp(backends->rows[b].service, row->service) <= 0; b++) {
			const struct rate_row *backend = &backends->rows[b];

			if (!of->service && is_still(&backend->rates))
				continue;
			rates_row(&table, row->service,
				  format_endpoint(&backend->entry->endpoint, endpoint),
				  backend->active, &backend->rates, false);
		}
	}
	table_print(&table, stdout, out_color(STDOUT_FILENO));
	putchar('\n');
}

static int show(struct context *context, const struct rates_of *of, const struct sample *old,
		const struct sample *new)
{
	struct rate_rows services = { 0 }, backends = { 0 };
	int code = LBADM_OK;

	rate_rows_of_services(old, new, &services);
	rate_rows_of_backends(old, new, &backends);
	if (context->options.json)
		code = show_json(context, of, old, new, &services, &backends);
	else
		show_text(of, old, new, &services, &backends);
	fflush(stdout);
	rate_rows_free(&services);
	rate_rows_free(&backends);
	return code;
}

/* Until the interval is over. Return: false if it shall end before, or its reader has gone. */
static bool wait_for(const struct timespec *deadline, const sigset_t *unblocked)
{
	struct pollfd reader = { .fd = STDOUT_FILENO };	/* only for: it has gone */
	struct timespec left;
	int ready;

	do {
		left = tick_left(deadline);
		ready = ppoll(&reader, 1, &left, unblocked);
	} while (ready < 0 && !stop_asked());
	return !ready;
}

/**
 * watch_run - show rates at each interval
 * @context: with its socket open
 * @of: of what
 * @seconds: of an interval
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int watch_run(struct context *context, const struct rates_of *of, uint32_t seconds)
{
	struct sample old = { 0 }, new = { 0 };
	struct timespec deadline;
	sigset_t unblocked;
	int code;

	stop_catch(&unblocked);
	tick_begin(&deadline);
	code = sample_take(context, of, &old);
	while (!code && !ferror(stdout)) {
		tick_next(&deadline, seconds);
		if (!wait_for(&deadline, &unblocked))
			break;
		code = sample_take(context, of, &new);
		if (!code)
			code = show(context, of, &old, &new);
		sample_free(&old);
		old = new;
		new = (struct sample) { 0 };
	}
	sample_free(&old);
	return code;
}
