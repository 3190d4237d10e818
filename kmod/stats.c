// SPDX-License-Identifier: GPL-2.0-only
#include <linux/netfilter.h>
#include <linux/skbuff.h>

#include "drop.h"
#include "foreign.h"
#include "netns.h"
#include "service.h"
#include "stats.h"
#include "trace.h"

#define COUNTERS_BYTES	((long)(sizeof(struct bpflb_counters) * num_possible_cpus()))

/**
 * bpflb_counters_get() - an object's counters, made when first asked for
 * @where: the object's pointer to them
 * @foreign: of its namespace
 *
 * A quarter of a million idle backends on 64 processors must not cost half a
 * gigabyte, so there are none until a flow needs them.
 *
 * Context: any. Return: NULL without memory; then nothing is counted and the
 * next flow tries again.
 */
struct bpflb_counters __percpu *bpflb_counters_get(struct bpflb_counters __percpu **where,
						   bool foreign)
{
	struct bpflb_counters __percpu *c = READ_ONCE(*where), *old;
	int cpu;

	if (c)
		return c;
	c = alloc_percpu_gfp(struct bpflb_counters, GFP_ATOMIC | __GFP_NOWARN);
	if (!c)
		return NULL;
	for_each_possible_cpu(cpu)
		u64_stats_init(&per_cpu_ptr(c, cpu)->syncp);
	old = cmpxchg(where, NULL, c);
	if (old) {
		free_percpu(c);
		return old;
	}
	bpflb_charge(foreign, COUNTERS_BYTES);
	return c;
}

/**
 * bpflb_counters_free() - free an object's counters
 * @c: counters, or NULL
 * @foreign: as when they were made
 *
 * Context: any.
 */
void bpflb_counters_free(struct bpflb_counters __percpu *c, bool foreign)
{
	if (c)
		bpflb_charge(foreign, -COUNTERS_BYTES);
	free_percpu(c);
}

/**
 * bpflb_counters_add() - count
 * @c: counters, or NULL
 * @what: which
 * @n: how much
 *
 * Context: bottom halves off.
 */
void bpflb_counters_add(struct bpflb_counters __percpu *c, enum bpflb_count what, u64 n)
{
	struct bpflb_counters *here;

	if (!c)
		return;
	here = this_cpu_ptr(c);
	u64_stats_update_begin(&here->syncp);
	u64_stats_add(&here->v[what], n);
	u64_stats_update_end(&here->syncp);
}

/**
 * bpflb_counters_sum() - add what all processors counted to a sum
 * @c: counters, or NULL
 * @sum: by enum bpflb_count
 *
 * Context: any.
 */
void bpflb_counters_sum(const struct bpflb_counters __percpu *c, u64 sum[BPFLB_COUNTS])
{
	int cpu, i;

	if (!c)
		return;
	for_each_possible_cpu(cpu) {
		const struct bpflb_counters *there = per_cpu_ptr(c, cpu);
		u64 v[BPFLB_COUNTS];
		unsigned int start;

		do {
			start = u64_stats_fetch_begin(&there->syncp);
			for (i = 0; i < BPFLB_COUNTS; i++)
				v[i] = u64_stats_read(&there->v[i]);
		} while (u64_stats_fetch_retry(&there->syncp, start));
		for (i = 0; i < BPFLB_COUNTS; i++)
			sum[i] += v[i];
	}
}

static const char * const drop_name[] = {
	[BPFLB_DROP_NO_BACKEND]		= "no-backend",
	[BPFLB_DROP_NO_LOCAL_BACKEND]	= "no-local-backend",
	[BPFLB_DROP_TABLE_FULL]		= "table-full",
	[BPFLB_DROP_NO_MEMORY]		= "no-memory",
	[BPFLB_DROP_NO_FLOW]		= "no-flow",
	[BPFLB_DROP_NO_SNAT_PORT]	= "no-snat-port",
	[BPFLB_DROP_NO_SNAT_ADDRESS]	= "no-snat-address",
	[BPFLB_DROP_TUPLE_CLASH]	= "tuple-clash",
	[BPFLB_DROP_NOTE_NO_ROOM]	= "note-no-room",
	[BPFLB_DROP_NOTE_TOO_BIG]	= "note-too-big",
	[BPFLB_DROP_NOTE_SENDER]	= "note-sender",
	[BPFLB_DROP_NOTE_SERVICE]	= "note-service",
	[BPFLB_DROP_REROUTE]		= "reroute",
	[BPFLB_DROP_BACKEND_DOWN]	= "backend-down",
	[BPFLB_DROP_UNKNOWN_PORT]	= "unknown-port",
	[BPFLB_DROP_SOURCE]		= "source-range",
	[BPFLB_DROP_FLOWS_MAX]		= "flows-max",
	[BPFLB_DROP_DISPATCH_ROUTE]	= "dispatch-route",
	[BPFLB_DROP_TUNNEL_PACKET]	= "tunnel-packet",
};
static_assert(ARRAY_SIZE(drop_name) == __BPFLB_DROP_MAX);

const char *bpflb_drop_name(enum bpflb_drop_reason reason)
{
	return drop_name[reason];
}

/**
 * bpflb_drop() - count a packet that is to be dropped
 * @bn: namespace
 * @svc: the service it was for, or NULL
 * @skb: the packet, for the tracepoint; still the caller's
 * @reason: why
 *
 * Context: bottom halves off. Return: NF_DROP and why, for bpflb_finish(), which frees the
 * packet; who frees it otherwise does it by bpflb_drop_free().
 */
unsigned int bpflb_drop(struct bpflb_net *bn, struct bpflb_service *svc,
			const struct sk_buff *skb, enum bpflb_drop_reason reason)
{
	this_cpu_inc(bn->counters->drops[reason]);
	if (svc)
		bpflb_counters_add(bpflb_counters_get(&svc->counters, bn->foreign),
				   BPFLB_COUNT_DROPS, 1);
	trace_bpflb_drop(bn->net, skb, reason);
	return bpflb_verdict(reason);
}

/**
 * bpflb_net_sum() - one of a namespace's counters
 * @bn: namespace
 * @offset: where it is in struct bpflb_net_counters, an unsigned long
 *
 * Context: any. Return: the sum of all processors'.
 */
u64 bpflb_net_sum(const struct bpflb_net *bn, size_t offset)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu) {
		const void *counters = per_cpu_ptr(bn->counters, cpu);

		sum += READ_ONCE(*(const unsigned long *)(counters + offset));
	}
	return sum;
}
