// SPDX-License-Identifier: GPL-2.0-only
// SOURCES: ../../kmod/maglev.c
// KERNEL
/* Maglev's tables: Cilium's, fair, and changing hardly more than they must. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "maglev.h"

#define MEMBERS 100
#define SIZE	16381

/* Backends 10.244.N.10N:8080 for N from @first, @n of them, but not @without. */
static u32 make(struct bpflb_maglev_member *m, u32 first, u32 n, u32 without)
{
	u32 i, made = 0;

	memset(m, 0, MEMBERS * sizeof(*m));
	for (i = first; i < first + n; i++) {
		if (i == without)
			continue;
		snprintf(m[made].name, sizeof(m[made].name), "[10.244.%u.%u0:8080/TCP,State:active]",
			 i, i);
		m[made].slot = i;
		m[made++].weight = 1;
	}
	return made;
}

static void count(const u16 *table, u32 size, u32 *got)
{
	u32 i;

	memset(got, 0, MEMBERS * sizeof(*got));
	for (i = 0; i < size; i++) {
		assert_in_range(table[i], 0, MEMBERS - 1);
		got[table[i]]++;
	}
}

/* Computed with Cilium's own code, for its default seed. */
static void the_table_is_ciliums(void **state)
{
	static const u16 want[] = { 3, 1, 1, 1, 1, 3, 1, 2, 3, 2, 1, 3, 3, 2, 2, 3 };
	struct bpflb_maglev_member m[MEMBERS];
	u16 table[251];
	u32 i;

	(void)state;
	make(m, 1, 3, 0);
	bpflb_maglev_fill(table, 251, m, 3);
	for (i = 0; i < 16; i++)
		assert_int_equal(table[i], want[i]);
}

static void any_order_gives_the_same_table(void **state)
{
	static u16 table[SIZE], other[SIZE];
	struct bpflb_maglev_member m[MEMBERS], swap;
	u32 i, j, n;

	(void)state;
	n = make(m, 1, 20, 0);
	bpflb_maglev_fill(table, SIZE, m, n);
	make(m, 1, 20, 0);
	for (i = 0; i < n; i++) {
		j = rand() % n;
		swap = m[i];
		m[i] = m[j];
		m[j] = swap;
	}
	bpflb_maglev_fill(other, SIZE, m, n);
	assert_memory_equal(table, other, sizeof(table));
}

static void entries_follow_weights(void **state)
{
	static u16 table[SIZE];
	struct bpflb_maglev_member m[MEMBERS];
	u32 got[MEMBERS], n, i, round, all;

	(void)state;
	for (round = 0; round < 30; round++) {
		n = make(m, 0, 2 + rand() % 20, MEMBERS);
		for (i = 0, all = 0; i < n; i++)
			all += m[i].weight = round ? 1 + rand() % (round < 15 ? 3 : 500) : 1;
		u32 weight[MEMBERS];

		for (i = 0; i < n; i++)
			weight[m[i].slot] = m[i].weight;
		bpflb_maglev_fill(table, SIZE, m, n);
		count(table, SIZE, got);
		for (i = 0; i < n; i++) {
			u32 share = (u64)SIZE * weight[i] / all;

			assert_in_range(got[i] + n, share, share + 2 * n);
		}
	}
}

/* One of many goes: nearly all entries of the others stay. */
static void little_else_changes(void **state)
{
	static u16 table[SIZE], after[SIZE];
	struct bpflb_maglev_member m[MEMBERS];
	u32 n, i, moved = 0, got[MEMBERS];

	(void)state;
	n = make(m, 0, 50, MEMBERS);
	bpflb_maglev_fill(table, SIZE, m, n);
	n = make(m, 0, 50, 17);
	bpflb_maglev_fill(after, SIZE, m, n);
	for (i = 0; i < SIZE; i++)
		moved += table[i] != 17 && table[i] != after[i];
	count(after, SIZE, got);
	assert_int_equal(got[17], 0);
	/* The paper's measurements: about 1 % of entries, with tables this much larger. */
	assert_in_range(moved, 0, SIZE / 50);
}

static void one_backend_has_all(void **state)
{
	struct bpflb_maglev_member m[MEMBERS];
	u16 table[251];
	u32 i;

	(void)state;
	make(m, 7, 1, 0);
	bpflb_maglev_fill(table, 251, m, 1);
	for (i = 0; i < 251; i++)
		assert_int_equal(table[i], 7);
}

static void only_these_sizes(void **state)
{
	u32 size, good = 0;

	(void)state;
	for (size = 0; size < 200000; size++)
		good += bpflb_maglev_size_is_good(size);
	assert_int_equal(good, 10);
	assert_true(bpflb_maglev_size_is_good(BPFLB_MAGLEV_SIZE));
	assert_true(bpflb_maglev_size_is_good(BPFLB_MAGLEV_SIZE_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_is_ciliums),
		cmocka_unit_test(any_order_gives_the_same_table),
		cmocka_unit_test(entries_follow_weights),
		cmocka_unit_test(little_else_changes),
		cmocka_unit_test(one_backend_has_all),
		cmocka_unit_test(only_these_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
