/* SPDX-License-Identifier: GPL-2.0-only */
/* Choosing one of a service's backends. Pure. */
#ifndef _BPFLB_SCHED_H
#define _BPFLB_SCHED_H

#include <linux/types.h>

/* Weights that add up to more have no round, but a step. */
#define BPFLB_SCHED_ROUND_MAX	1024

u32 bpflb_sched_at(const u64 *sum, u32 n, u64 at);
u64 bpflb_sched_step(const u64 *sum, u32 n);
void bpflb_sched_round(const u64 *sum, u32 n, s64 *credit, u16 *round);

/* Has a backend fewer flows for its weight than another one, when it gets one more? */
static inline bool bpflb_sched_is_lighter(u32 flows, u64 weight, u32 than_flows, u64 than_weight)
{
	return (flows + 1ULL) * than_weight < (than_flows + 1ULL) * weight;
}

#endif
