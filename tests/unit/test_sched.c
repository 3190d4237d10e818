// SPDX-License-Identifier: GPL-2.0-only
// SOURCES: ../../kmod/sched.c
// KERNEL
/* A place among the weights, against walking through them one by one; round robin. */
#include <stdarg.h>
#include <setjmp.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "sched.h"

#define SLOTS 100

static u32 naive(const u64 *weight, u32 n, u64 random)
{
	u64 all = 0, at;
	u32 i;

	for (i = 0; i < n; i++)
		all += weight[i];
	at = random % all;
	for (i = 0; at >= weight[i]; i++)
		at -= weight[i];
	return i;
}

static void chooses_like_the_naive_model(void **state)
{
	u64 weight[SLOTS], sum[SLOTS];
	int round;
	u32 i, n;

	(void)state;
	for (round = 0; round < 20000; round++) {
		u64 random = (u64)rand() << 33 ^ (u64)rand() << 11 ^ rand();

		n = 1 + rand() % SLOTS;
		for (i = 0; i < n; i++) {
			weight[i] = 1 + rand() % (round % 2 ? 65535 : 3);
			sum[i] = weight[i] + (i ? sum[i - 1] : 0);
		}
		assert_int_equal(bpflb_sched_at(sum, n, random), naive(weight, n, random));
	}
}

static void every_weight_gets_its_share(void **state)
{
	u64 sum[] = { 1, 3, 7, 7 + 65535 };
	const u64 weight[] = { 1, 2, 4, 65535 };
	u64 got[4] = {}, at;
	int i;

	(void)state;
	/* Every remainder once: exactly the weights come out. */
	for (at = 0; at < sum[3]; at++)
		got[bpflb_sched_at(sum, 4, at)]++;
	for (i = 0; i < 4; i++)
		assert_int_equal(got[i], weight[i]);
}

/* Some weights; every third time all of them 1. Return: how many. */
static u32 make_weights(u64 *weight, u64 *sum, int round)
{
	u32 n = 1 + rand() % (round % 2 ? SLOTS : 4), i;

	for (i = 0; i < n; i++) {
		weight[i] = round % 3 ? 1 + rand() % 10 : 1;
		sum[i] = weight[i] + (i ? sum[i - 1] : 0);
	}
	return n;
}

static void a_round_has_each_slot_by_its_weight(void **state)
{
	u64 sum[SLOTS], weight[SLOTS], got[SLOTS], turn;
	u16 choice[BPFLB_SCHED_ROUND_MAX];
	int round;
	u32 i, n;

	(void)state;
	for (round = 0; round < 300; round++) {
		s64 credit[SLOTS] = {};

		memset(got, 0, sizeof(got));
		n = make_weights(weight, sum, round);
		bpflb_sched_round(sum, n, credit, choice);
		for (turn = 0; turn < sum[n - 1]; turn++) {
			i = choice[turn];
			got[i]++;
			/* at most one turn away from its share */
			assert_in_range((got[i] + 1) * sum[n - 1], (turn + 1) * weight[i],
					(turn + 1) * weight[i] + 2 * sum[n - 1]);
		}
		for (i = 0; i < n; i++)
			assert_int_equal(got[i], weight[i]);
	}
}

static void equal_slots_come_one_after_the_other(void **state)
{
	const u64 sum[] = { 1, 2, 3, 4, 5 };
	s64 credit[5] = {};
	u16 choice[5];
	u32 i;

	(void)state;
	bpflb_sched_round(sum, 5, credit, choice);
	for (i = 0; i < 5; i++)
		assert_int_equal(choice[i], i);
}

static void steps_visit_each_slot_by_its_weight(void **state)
{
	u64 sum[SLOTS], weight[SLOTS], got[SLOTS], step, at, turn;
	int round;
	u32 i, n;

	(void)state;
	for (round = 0; round < 300; round++) {
		memset(got, 0, sizeof(got));
		n = make_weights(weight, sum, round);
		step = bpflb_sched_step(sum, n);
		at = rand();
		for (turn = 0; turn < sum[n - 1]; turn++, at += step)
			got[bpflb_sched_at(sum, n, at)]++;
		for (i = 0; i < n; i++)
			assert_int_equal(got[i], weight[i]);
	}
}

/* A slot of half of a long line is never chosen three times in a row. */
static void steps_spread_a_heavy_slot(void **state)
{
	u64 sum[SLOTS], turn, step;
	u32 n, row;

	(void)state;
	for (n = 512; n < 5000; n += 7) {
		sum[0] = n;
		sum[1] = 2 * n;
		step = bpflb_sched_step(sum, 2);
		for (turn = 0, row = 0; turn < 2 * sum[1]; turn++) {
			row = bpflb_sched_at(sum, 2, turn * step) ? 0 : row + 1;
			assert_in_range(row, 0, 2);
		}
	}
}

/* Wherever in a long round: each slot has had about what was due, w/W of each choice. */
static void steps_keep_to_what_is_due(void **state)
{
	u64 sum[SLOTS], got[SLOTS], step, at, turn;
	double worst = 0;
	int round;
	u32 i, n;

	(void)state;
	for (round = 0; round < 100; round++) {
		n = 2 + rand() % (round % 2 ? 5 : SLOTS - 2);
		for (i = 0; i < n; i++)
			sum[i] = 1 + rand() % 2000 + (i ? sum[i - 1] : 0);
		step = bpflb_sched_step(sum, n);
		memset(got, 0, sizeof(got));
		at = rand();
		for (turn = 0; turn < sum[n - 1]; turn++, at += step) {
			double off;

			i = bpflb_sched_at(sum, n, at);
			off = sum[i] - (i ? sum[i - 1] : 0);
			off = ++got[i] - off * (turn + 1) / sum[n - 1];
			worst = fabs(off) > worst ? fabs(off) : worst;
		}
	}
	if (worst >= 5)
		fail_msg("%f choices away from what was due", worst);
}

static void the_lighter_of_two(void **state)
{
	(void)state;
	assert_true(bpflb_sched_is_lighter(1, 1, 2, 1));
	assert_false(bpflb_sched_is_lighter(2, 1, 2, 1));
	/* 10 of weight 4 are fewer than 3 of weight 1 */
	assert_true(bpflb_sched_is_lighter(10, 4, 3, 1));
	assert_false(bpflb_sched_is_lighter(3, 1, 10, 4));
	/* where none has any, the heavier is the lighter one */
	assert_true(bpflb_sched_is_lighter(0, 2, 0, 1));
	assert_true(bpflb_sched_is_lighter(0xfffffffe, 65535, 0xffffffff, 65535));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chooses_like_the_naive_model),
		cmocka_unit_test(every_weight_gets_its_share),
		cmocka_unit_test(a_round_has_each_slot_by_its_weight),
		cmocka_unit_test(equal_slots_come_one_after_the_other),
		cmocka_unit_test(steps_visit_each_slot_by_its_weight),
		cmocka_unit_test(steps_spread_a_heavy_slot),
		cmocka_unit_test(steps_keep_to_what_is_due),
		cmocka_unit_test(the_lighter_of_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
