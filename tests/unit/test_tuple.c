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

static struct bpflb_key6 some_key6(void)
{
	struct bpflb_tuple t = { .family = NFPROTO_IPV6, .proto = IPPROTO_TCP };
	int i;

	for (i = 0; i < 4; i++) {
		t.src.addr.ip6[i] = rand();
		/* They often differ in their last bits only. */
		t.dst.addr.ip6[i] = i < 3 && rand() % 2 ? t.src.addr.ip6[i] : (u32)rand();
	}
	t.src.port = rand();
	t.dst.port = rand();
	return bpflb_key6_of_tuple(&t, 0x123456);
}

static u32 hash6(const struct bpflb_key6 *k)
{
	return bpflb_key6_hash(k, &key);
}

static void is_the_same_from_both_sides6(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 1000; i++) {
		struct bpflb_key6 k = some_key6(), back = k;

		if (i % 4 == 0)		/* only the ports tell the sides apart */
			k.daddr = k.saddr;
		back.saddr = k.daddr;
		back.daddr = k.saddr;
		back.sport = k.dport;
		back.dport = k.sport;
		assert_int_equal(hash6(&k), hash6(&back));
	}
}

static void depends_on_each_part6(void **state)
{
	int i, bit;

	(void)state;
	for (i = 0; i < 100; i++) {
		struct bpflb_key6 k = some_key6();

		for (bit = 0; bit < (int)sizeof(k) * 8; bit++) {
			struct bpflb_key6 other = k;

			((u8 *)&other)[bit / 8] ^= 1 << bit % 8;
			assert_int_not_equal(hash6(&k), hash6(&other));
		}
	}
}

/* A packet of one family never has the flow of the other's, nor of another protocol's. */
static void namespace_family_and_protocol_are_apart(void **state)
{
	(void)state;
	assert_int_not_equal(bpflb_ns_proto(1, false, IPPROTO_TCP),
			     bpflb_ns_proto(1, true, IPPROTO_TCP));
	assert_int_not_equal(bpflb_ns_proto(1, true, 0), bpflb_ns_proto(2, false, 0));
	assert_int_equal((u8)bpflb_ns_proto(0x7fffff, true, IPPROTO_SCTP), IPPROTO_SCTP);
	assert_int_equal(bpflb_ns_proto(0x7fffff, true, 255), 0xffffffff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_the_same_from_both_sides),
		cmocka_unit_test(depends_on_each_part),
		cmocka_unit_test(is_the_same_from_both_sides6),
		cmocka_unit_test(depends_on_each_part6),
		cmocka_unit_test(namespace_family_and_protocol_are_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
