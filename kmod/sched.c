// SPDX-License-Identifier: GPL-2.0-only
#include <linux/gcd.h>
#include <linux/math64.h>

#include "sched.h"

/**
 * bpflb_sched_at() - the slot at a place on the line of all weights
 * @sum: the weights of the slots, each above 0: @sum[i] is that of 0 to i together
 * @n: how many slots, above 0
 * @at: any number; what counts is its remainder by the sum of all weights
 *
 * For a weighted random choice @at is 64 random bits: of these the remainder by
 * a sum below 2^49 is even enough.
 *
 * Context: any. Return: number of the slot.
 */
u32 bpflb_sched_at(const u64 *sum, u32 n, u64 at)
{
	u32 lo = 0, hi = n - 1;

	div64_u64_rem(at, sum[hi], &at);
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

static u64 weight(const u64 *sum, u32 i)
{
	return i ? sum[i] - sum[i - 1] : sum[i];
}

/**
 * bpflb_sched_round() - one round of round robin, by weight
 * @sum: as of bpflb_sched_at(), at most BPFLB_SCHED_ROUND_MAX in all
 * @n: how many slots, above 0
 * @credit: room for @n numbers, all 0
 * @round: room for as many slots as @sum adds up to; the result
 *
 * Each slot comes as often as its weight says, and as evenly spread as can be: at each
 * turn all earn their weight, and who has the most pays for all.
 *
 * Context: any.
 */
void bpflb_sched_round(const u64 *sum, u32 n, s64 *credit, u16 *round)
{
	u64 turn;
	u32 i;

	for (turn = 0; turn < sum[n - 1]; turn++) {
		u32 best = 0;

		for (i = 0; i < n; i++) {
			credit[i] += weight(sum, i);
			if (credit[i] > credit[best])
				best = i;
		}
		credit[best] -= sum[n - 1];
		round[turn] = best;
	}
}

/**
 * bpflb_sched_step() - how far round robin goes on the line of all weights
 * @sum: as of bpflb_sched_at()
 * @n: how many slots, above 0
 *
 * For weights whose round is too long to be written down. Whoever goes on by the
 * step each time comes to every place once before the first one again, so that in
 * a round each slot is chosen as often as its weight says. It is about the golden
 * section of the line, which spreads the choices of a slot over the round.
 *
 * Context: any.
 */
u64 bpflb_sched_step(const u64 *sum, u32 n)
{
	u64 all = sum[n - 1], step = div_u64(all * 618, 1000) ?: 1;

	while (gcd(step, all) != 1)
		step++;
	return step;
}
