/* SPDX-License-Identifier: GPL-2.0-only */
/* Choosing one of a service's backends. Pure. */
#ifndef _BPFLB_SCHED_H
#define _BPFLB_SCHED_H

#include <linux/types.h>

/**
 * struct bpflb_sched - weights to choose by
 * @n: how many slots
 * @n_here: how many of these, the first ones, are on this node
 * @sum: @sum[i] is the weight of the slots 0 to i together
 */
struct bpflb_sched {
	u32 n;
	u32 n_here;
	u64 *sum;
};

u32 bpflb_sched_random(const struct bpflb_sched *s, u32 n, u64 random);

#endif
