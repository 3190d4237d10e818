// SPDX-License-Identifier: GPL-2.0-only
#include <linux/math64.h>

#include "sched.h"

/**
 * bpflb_sched_random() - a random slot, by weight
 * @sum: the weights of the slots, each above 0: @sum[i] is that of 0 to i together
 * @n: how many slots, above 0
 * @random: 64 random bits
 *
 * Of 64 random bits the remainder by a sum below 2^49 is even enough.
 *
 * Context: any. Return: number of the slot.
 */
u32 bpflb_sched_random(const u64 *sum, u32 n, u64 random)
{
	u32 lo = 0, hi = n - 1;
	u64 at;

	div64_u64_rem(random, sum[hi], &at);
	/* The first slot whose sum is above @at. */
	while (lo < hi) {
		u32 middle = lo + (hi - lo) / 2;

		if (sum[middle] > at)
			hi = middle;
		else
			lo = middle + 1;
	}
	return lo;
}
