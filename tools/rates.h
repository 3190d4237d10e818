/* SPDX-License-Identifier: GPL-2.0-only */
/* What is counted, at two moments; and how much it was in a second between them. */
#ifndef LBADM_RATES_H
#define LBADM_RATES_H

#include <time.h>

#include "entries.h"
#include "objects.h"

/** struct rates - struct counters, each a second */
struct rates {
	double flows;
	double packets_in;
	double bytes_in;
	double packets_out;
	double bytes_out;
	double drops;
};

/**
 * struct rates_of - of what
 * @service: name of the only service, NULL for all
 * @word: that named it
 * @backends: which of its backends
 */
struct rates_of {
	const char *service;
	unsigned int word;
	struct backend_filters backends;
};

#define DROP_REASONS_MAX 64

/** struct drops - packets dropped, by reason */
struct drops {
	unsigned int count;
	struct {
		char reason[64];
		uint64_t packets;
	} of[DROP_REASONS_MAX];
};

/**
 * struct sample - all counters, at one moment
 * @at: when, by a clock that is not set
 * @generation: in force then
 * @flows: that there are
 * @total: of the namespace, drops too
 * @drops: the same drops by reason
 * @services: as dumped
 * @backends: as dumped
 * @service_order: them, by name
 * @backend_order: them, by service and address
 */
struct sample {
	struct timespec at;
	uint64_t generation;
	uint32_t flows;
	struct counters total;
	struct drops drops;
	struct messages services;
	struct messages backends;
	struct entries service_order;
	struct entries backend_order;
};

/**
 * struct rate_row - a service, or one of its backends, between two samples
 * @entry: the service or backend, in the newer sample
 * @service: its name
 * @active: flows that there are
 * @rates: a second
 */
struct rate_row {
	const struct entry *entry;
	const char *service;
	uint64_t active;
	struct rates rates;
};

/** struct rate_rows - all of a kind */
struct rate_rows {
	struct rate_row *rows;
	size_t count;
	size_t room;
};

void drops_decode(const struct nlmsghdr *nlh, struct drops *drops);
void rates_between(const struct counters *old, const struct counters *new, double seconds,
		   struct rates *rates);
double rates_packets(const struct rates *rates);
double rates_bytes(const struct rates *rates);
int sample_take(struct context *context, const struct rates_of *of, struct sample *sample);
void sample_free(struct sample *sample);
double samples_seconds(const struct sample *old, const struct sample *new);
void rate_rows_of_backends(const struct sample *old, const struct sample *new,
			   struct rate_rows *rows);
void rate_rows_of_services(const struct sample *old, const struct sample *new,
			   struct rate_rows *rows);
void rate_rows_free(struct rate_rows *rows);

#endif /* LBADM_RATES_H */
