// SPDX-License-Identifier: GPL-2.0-only
#include <linux/limits.h>
#include <linux/math64.h>
#include <linux/minmax.h>

#include "sched.h"

#define STEP_TRIES 64

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

/* How unevenly steps of @step are spread on a line of @all at worst: the largest
 * partial quotient of @all / @step but for the first; U64_MAX if they share a divisor.
 */
static u64 unevenness(u64 all, u64 step)
{
	u64 largest = 0, quotient, rest;

	div64_u64_rem(all, step, &rest);
	while (rest) {
		all = step;
		step = rest;
		quotient = div64_u64_rem(all, step, &rest);
		largest = max(largest, quotient);
	}
	return step == 1 ? largest : U64_MAX;
}

/**
 * bpflb_sched_step() - how far round robin goes on the line of all weights
 * @sum: as of bpflb_sched_at()
 * @n: how many slots, above 0
 *
 * For weights whose round is too long to be written down. Whoever goes on by the
 * step each time comes to every place once before the first one again, so that in
 * a round each slot is chosen as often as its weight says. It is the best of some near
 * the golden section of the line, so that the choices of a slot are spread over the round.
 *
 * Context: any.
 */
u64 bpflb_sched_step(const u64 *sum, u32 n)
{
	u64 all = sum[n - 1], step = div_u64(all * 618, 1000) ?: 1, best = 1, least = U64_MAX, of;
	u32 tries;

	for (tries = 0; step < all && (tries < STEP_TRIES || least == U64_MAX); tries++, step++) {
		of = unevenness(all, step);
		if (of < least) {
			least = of;
			best = step;
		}
	}
	return best;
}
