// SPDX-License-Identifier: GPL-2.0-only
// SOURCES:
// KERNEL
/* The hash of a key: the same from both sides, and made of everything. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <arpa/inet.h>
#include <cmocka.h>

#include "tuple.h"

static const hsiphash_key_t key = { { 1, 2 } };

static struct bpflb_key4 some_key(void)
{
	struct bpflb_tuple t = { .family = NFPROTO_IPV4, .proto = IPPROTO_TCP };

	t.src.addr.ip = rand();
	t.dst.addr.ip = rand();
	t.src.port = rand();
	t.dst.port = rand();
	return bpflb_key4_of_tuple(&t, 0x123456);
}

static u32 hash(const struct bpflb_key4 *k)
{
	return bpflb_key4_hash(k, &key);
}

static void is_the_same_from_both_sides(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 1000; i++) {
		struct bpflb_key4 k = some_key(), back = k;

		back.saddr = k.daddr;
		back.daddr = k.saddr;
		back.sport = k.dport;
		back.dport = k.sport;
		assert_int_equal(hash(&k), hash(&back));
	}
}

static void depends_on_each_part(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 1000; i++) {
		struct bpflb_key4 k = some_key(), other;
		int bit;

		for (bit = 0; bit < 32; bit++) {
			other = k;
			other.saddr ^= htonl(1U << bit);
			assert_int_not_equal(hash(&k), hash(&other));
			other = k;
			other.daddr ^= htonl(1U << bit);
			assert_int_not_equal(hash(&k), hash(&other));
			/* namespace and protocol */
			other = k;
			other.ns_proto ^= 1U << bit;
			assert_int_not_equal(hash(&k), hash(&other));
		}
		for (bit = 0; bit < 16; bit++) {
			other = k;
			other.sport ^= htons(1 << bit);
			assert_int_not_equal(hash(&k), hash(&other));
			other = k;
			other.dport ^= htons(1 << bit);
			assert_int_not_equal(hash(&k), hash(&other));
		}
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
