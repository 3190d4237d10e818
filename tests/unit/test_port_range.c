// SPDX-License-Identifier: GPL-2.0-only
// SOURCES: ../../kmod/port_range.c
// KERNEL
/* Sets of ports, against a bitmap of all 65536. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "port_range.h"

static void mark(bool *model, struct bpflb_range r, bool to)
{
	unsigned int p;

	for (p = r.first; p <= r.last; p++)
		model[p] = to;
}

static void check(struct bpflb_range all, struct bpflb_range not1, struct bpflb_range not2)
{
	static bool model[65536];
	struct bpflb_port_set set;
	unsigned int p, n = 0;

	memset(model, 0, sizeof(model));
	mark(model, all, true);
	mark(model, not1, false);
	mark(model, not2, false);
	bpflb_port_set_make(&set, all, not1, not2);
	assert_true(set.n <= BPFLB_PORT_SET_MAX);
	for (p = 0; p < 65536; p++) {
		assert_int_equal(bpflb_port_set_has(&set, p), model[p]);
		if (model[p])
			assert_int_equal(bpflb_port_set_nth(&set, n++), p);
	}
	assert_int_equal(set.count, n);
}

static struct bpflb_range some_range(void)
{
	/* Few distinct ends, so that ranges often touch, overlap and coincide. */
	static const u16 end[] = { 0, 1, 1023, 1024, 30000, 32767, 32768, 60999, 61000, 65534, 65535 };
	const int n = sizeof(end) / sizeof(end[0]);

	return (struct bpflb_range){ end[rand() % n], end[rand() % n] };
}

static void random_ranges(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 3000; i++) {
		struct bpflb_range all = some_range();

		if (all.first <= all.last)
			check(all, some_range(), some_range());
	}
}

static void defaults_leave_ephemeral_and_node_ports_out(void **state)
{
	struct bpflb_port_set set;

	(void)state;
	bpflb_port_set_make(&set, (struct bpflb_range){ 1024, 65535 },
			    (struct bpflb_range){ 32768, 60999 },
			    (struct bpflb_range){ 30000, 32767 });
	assert_int_equal(set.n, 2);
	assert_int_equal(set.range[0].first, 1024);
	assert_int_equal(set.range[0].last, 29999);
	assert_int_equal(set.range[1].first, 61000);
	assert_int_equal(set.range[1].last, 65535);
}

static bool has(const unsigned long *bits, u32 bit)
{
	return bits && bits[bit / (8 * sizeof(long))] >> bit % (8 * sizeof(long)) & 1;
}

/* Few words, from empty to full, so that whole words of ones and ends amid one occur. */
static void next_is_the_first_in_neither(void **state)
{
	static unsigned long taken[4], not[4];
	const u32 bits = 8 * sizeof(taken);
	int round;

	(void)state;
	for (round = 0; round < 20000; round++) {
		const unsigned long *a = rand() % 8 ? taken : NULL, *b = rand() % 8 ? not : NULL;
		u32 from = rand() % bits, end = rand() % (bits + 1), model = from, i;
		int fill = rand() % 101;

		memset(taken, 0, sizeof(taken));
		memset(not, 0, sizeof(not));
		for (i = 0; i < bits; i++) {
			unsigned long bit = 1UL << i % (8 * sizeof(long));

			if (rand() % 100 < fill)
				(rand() % 2 ? taken : not)[i / (8 * sizeof(long))] |= bit;
		}
		while (model < end && (has(a, model) || has(b, model)))
			model++;
		if (model > end)
			model = end;
		assert_int_equal(bpflb_port_next(a, b, from, end), from < end ? model : end);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_ranges),
		cmocka_unit_test(next_is_the_first_in_neither),
		cmocka_unit_test(defaults_leave_ephemeral_and_node_ports_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
