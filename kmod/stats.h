/* SPDX-License-Identifier: GPL-2.0-only */
/* Counters: per processor, and there only once something is counted. */
#ifndef _BPFLB_STATS_H
#define _BPFLB_STATS_H

#include <linux/bpflb.h>
#include <linux/percpu.h>
#include <linux/u64_stats_sync.h>

struct bpflb_flow;
struct bpflb_net;
struct bpflb_packet;
struct bpflb_service;
struct sk_buff;

/* Instead of an enum bpflb_drop_reason: there is none. */
#define BPFLB_NO_DROP __BPFLB_DROP_MAX

/** enum bpflb_count - what struct bpflb_counters counts */
enum bpflb_count {
	BPFLB_COUNT_FLOWS,		/* made */
	BPFLB_COUNT_FLOWS_ENDED,
	BPFLB_COUNT_PACKETS_IN,
	BPFLB_COUNT_BYTES_IN,
	BPFLB_COUNT_PACKETS_OUT,
	BPFLB_COUNT_BYTES_OUT,
	BPFLB_COUNT_DROPS,
	BPFLB_COUNTS,
};

/**
 * struct bpflb_counters - of a service or a backend, one for each processor
 * @syncp: for readers on 32 bits
 * @v: by enum bpflb_count
 *
 * Written with bottom halves off.
 */
struct bpflb_counters {
	struct u64_stats_sync syncp;
	u64_stats_t v[BPFLB_COUNTS];
};

/**
 * struct bpflb_net_counters - of a namespace, one for each processor
 * @drops: packets, by enum bpflb_drop_reason
 * @notes_sent: DSR notes put on
 * @notes_taken: DSR notes believed and taken off
 * @notes_removed: taken off unbelieved
 * @bypassed: packets that took bypass
 * @answers: ICMP errors and RSTs in a service's name
 * @affinity_evicted: clients that were forgotten for others
 * @flow_events_lost: beyond what a second may have
 */
struct bpflb_net_counters {
	unsigned long drops[__BPFLB_DROP_MAX];
	unsigned long notes_sent;
	unsigned long notes_taken;
	unsigned long notes_removed;
	unsigned long bypassed;
	unsigned long answers;
	unsigned long affinity_evicted;
	unsigned long flow_events_lost;
};

struct bpflb_counters __percpu *bpflb_counters_get(struct bpflb_counters __percpu **where,
						   bool foreign);
void bpflb_counters_free(struct bpflb_counters __percpu *c, bool foreign);
void bpflb_counters_add(struct bpflb_counters __percpu *c, enum bpflb_count what, u64 n);
void bpflb_counters_sum(const struct bpflb_counters __percpu *c, u64 sum[BPFLB_COUNTS]);

/**
 * bpflb_counters_packet() - count a packet and its bytes
 * @c: counters, or NULL
 * @len: bytes from the IP header on
 * @from_backend: which way it goes
 *
 * Context: bottom halves off.
 */
static inline void bpflb_counters_packet(struct bpflb_counters __percpu *c, u32 len,
					 bool from_backend)
{
	int what = from_backend ? BPFLB_COUNT_PACKETS_OUT : BPFLB_COUNT_PACKETS_IN;
	struct bpflb_counters *here;

	if (!c)
		return;
	here = this_cpu_ptr(c);
	u64_stats_update_begin(&here->syncp);
	u64_stats_inc(&here->v[what]);
	u64_stats_add(&here->v[what + 1], len);
	u64_stats_update_end(&here->syncp);
}

const char *bpflb_drop_name(enum bpflb_drop_reason reason);
unsigned int bpflb_drop(struct bpflb_net *bn, struct bpflb_service *svc,
			const struct sk_buff *skb, enum bpflb_drop_reason reason);
u64 bpflb_net_sum(const struct bpflb_net *bn, size_t offset);

static inline u64 bpflb_net_drops(const struct bpflb_net *bn, enum bpflb_drop_reason reason)
{
	return bpflb_net_sum(bn, offsetof(struct bpflb_net_counters, drops[reason]));
}

#endif
