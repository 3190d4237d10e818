// SPDX-License-Identifier: GPL-2.0-only
// SOURCES: ../../kmod/prefix.c
// KERNEL
/* Sets of prefixes, against a look at each of them, bit by bit. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "prefix.h"

#define MAX 200

static int bits(u8 family)
{
	return family == NFPROTO_IPV6 ? 128 : 32;
}

static bool bit(const union nf_inet_addr *addr, int n)
{
	return ((const u8 *)addr)[n / 8] >> (7 - n % 8) & 1;
}

static void put_bit(union nf_inet_addr *addr, int n, bool to)
{
	u8 mask = 0x80 >> n % 8, *byte = (u8 *)addr + n / 8;

	*byte = to ? *byte | mask : *byte & ~mask;
}

static bool model_has(const struct bpflb_prefix *prefix, u32 n, u8 family,
		      const union nf_inet_addr *addr)
{
	u32 i;
	int b;

	for (i = 0; i < n; i++) {
		for (b = 0; b < prefix[i].len && bit(addr, b) == bit(&prefix[i].addr, b); b++)
			;
		if (prefix[i].family == family && b == prefix[i].len)
			return true;
	}
	return false;
}

/* Few different bits, so that prefixes often meet, and some of any. */
static union nf_inet_addr some_address(u8 family)
{
	union nf_inet_addr addr = { };
	int i, few = rand() % 4, all = bits(family);

	if (!few)
		for (i = 0; i < all / 8; i++)
			((u8 *)&addr)[i] = rand();
	for (i = 0; i < 6; i++)
		put_bit(&addr, rand() % 3 ? rand() % 4 : all - 1 - rand() % 4, rand() % 2);
	if (few == 1)
		put_bit(&addr, rand() % all, true);
	return addr;
}

static struct bpflb_prefix some_prefix(u8 family)
{
	static const u8 four[] = { 0, 1, 2, 3, 4, 8, 24, 29, 30, 31, 32 };
	static const u8 six[] = { 1, 2, 3, 4, 62, 63, 64, 65, 66, 124, 126, 127, 128 };
	struct bpflb_prefix p = { .addr = some_address(family), .family = family };
	int b;

	p.len = family == NFPROTO_IPV6 ? six[rand() % sizeof(six)] : four[rand() % sizeof(four)];
	if (p.len == 0 && rand() % 10)
		p.len = 32;
	for (b = p.len; b < bits(family); b++)
		put_bit(&p.addr, b, false);
	return p;
}

static void add_one(union nf_inet_addr *addr, u8 family, int by)
{
	int i;

	for (i = bits(family) / 8 - 1; i >= 0; i--) {
		u8 *byte = (u8 *)addr + i, before = *byte;

		*byte += by;
		if (by > 0 ? *byte > before : *byte < before)
			return;
	}
}

static void check(const struct bpflb_prefix_set *set, const struct bpflb_prefix *prefix, u32 n,
		  u8 family, union nf_inet_addr addr)
{
	assert_int_equal(bpflb_prefix_set_has(set, family, &addr),
			 model_has(prefix, n, family, &addr));
	if (n)
		assert_int_equal(bpflb_prefix_has(&prefix[n / 2], family, &addr),
				 model_has(&prefix[n / 2], 1, family, &addr));
}

/* Everything at the ends of each prefix, and addresses from anywhere. */
static void check_all(const struct bpflb_prefix *prefix, u32 n, u8 family)
{
	static struct bpflb_span span[MAX];
	struct bpflb_prefix_set set = { .span = span };
	u32 i;
	int b;

	bpflb_prefix_set_make(&set, prefix, n, family);
	assert_true(set.n <= n);
	for (i = 0; i < n; i++) {
		union nf_inet_addr addr = prefix[i].addr;

		if (prefix[i].family != family)
			continue;
		check(&set, prefix, n, family, addr);
		add_one(&addr, family, -1);
		check(&set, prefix, n, family, addr);
		addr = prefix[i].addr;
		for (b = prefix[i].len; b < bits(family); b++)
			put_bit(&addr, b, true);
		check(&set, prefix, n, family, addr);
		add_one(&addr, family, 1);
		check(&set, prefix, n, family, addr);
	}
	for (i = 0; i < 50; i++)
		check(&set, prefix, n, family, some_address(family));
}

static void random_sets(void **state)
{
	static struct bpflb_prefix prefix[MAX];
	int round;
	u32 i, n;

	(void)state;
	for (round = 0; round < 2000; round++) {
		n = rand() % (round % 10 ? 12 : MAX + 1);
		for (i = 0; i < n; i++) {
			prefix[i] = some_prefix(rand() % 2 ? NFPROTO_IPV6 : NFPROTO_IPV4);
			assert_true(bpflb_prefix_is_good(&prefix[i]));
		}
		check_all(prefix, n, NFPROTO_IPV4);
		check_all(prefix, n, NFPROTO_IPV6);
	}
}

static void bits_beyond_the_length_are_found(void **state)
{
	int round;

	(void)state;
	for (round = 0; round < 20000; round++) {
		u8 family = rand() % 2 ? NFPROTO_IPV6 : NFPROTO_IPV4;
		struct bpflb_prefix p = some_prefix(family);
		int b = rand() % bits(family);

		put_bit(&p.addr, b, true);
		assert_int_equal(bpflb_prefix_is_good(&p), b < p.len);
		p.len = bits(family) + 1;
		assert_false(bpflb_prefix_is_good(&p));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_sets),
		cmocka_unit_test(bits_beyond_the_length_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
