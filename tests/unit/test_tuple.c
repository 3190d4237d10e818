// SPDX-License-Identifier: GPL-2.0-only
// SOURCES:
// KERNEL
/* The hash of a tuple: the same from both sides, and made of everything. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <arpa/inet.h>
#include <cmocka.h>

#include "tuple.h"

static const hsiphash_key_t key = { { 1, 2 } };

static struct bpflb_tuple some_tuple(void)
{
	struct bpflb_tuple t = { .family = NFPROTO_IPV4, .proto = IPPROTO_TCP };

	t.src.addr.ip = rand();
	t.dst.addr.ip = rand();
	t.src.port = rand();
	t.dst.port = rand();
	return t;
}

static void is_the_same_from_both_sides(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 1000; i++) {
		struct bpflb_tuple t = some_tuple(), back = t;

		back.src = t.dst;
		back.dst = t.src;
		assert_int_equal(bpflb_tuple_hash(&t, 7, &key), bpflb_tuple_hash(&back, 7, &key));
	}
}

static void depends_on_each_part(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 1000; i++) {
		struct bpflb_tuple t = some_tuple(), u;
		u32 h = bpflb_tuple_hash(&t, 0x123456, &key);
		int bit;

		for (bit = 0; bit < 32; bit++) {
			u = t;
			u.src.addr.ip ^= htonl(1U << bit);
			assert_int_not_equal(h, bpflb_tuple_hash(&u, 0x123456, &key));
			u = t;
			u.dst.addr.ip ^= htonl(1U << bit);
			assert_int_not_equal(h, bpflb_tuple_hash(&u, 0x123456, &key));
		}
		for (bit = 0; bit < 16; bit++) {
			u = t;
			u.src.port ^= htons(1 << bit);
			assert_int_not_equal(h, bpflb_tuple_hash(&u, 0x123456, &key));
			u = t;
			u.dst.port ^= htons(1 << bit);
			assert_int_not_equal(h, bpflb_tuple_hash(&u, 0x123456, &key));
		}
		for (bit = 0; bit < 24; bit++)
			assert_int_not_equal(h, bpflb_tuple_hash(&t, 0x123456 ^ 1U << bit, &key));
		u = t;
		u.proto = IPPROTO_UDP;
		assert_int_not_equal(h, bpflb_tuple_hash(&u, 0x123456, &key));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_the_same_from_both_sides),
		cmocka_unit_test(depends_on_each_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
