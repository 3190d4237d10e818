// SPDX-License-Identifier: GPL-2.0-only
// SOURCES: ../../kmod/sched.c
// KERNEL
/* The random scheduler, against walking through the weights one by one. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
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
		assert_int_equal(bpflb_sched_random(sum, n, random), naive(weight, n, random));
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
		got[bpflb_sched_random(sum, 4, at)]++;
	for (i = 0; i < 4; i++)
		assert_int_equal(got[i], weight[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chooses_like_the_naive_model),
		cmocka_unit_test(every_weight_gets_its_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
