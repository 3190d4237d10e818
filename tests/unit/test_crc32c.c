// SPDX-License-Identifier: GPL-2.0-only
// SOURCES: ../../kmod/crc32c.c
// KERNEL
/* What a CRC32c changes by is what it differs by when it is made bit by bit. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "crc32c.h"

/* RFC 9260, appendix A, one bit at a time. */
static u32 crc32c(const u8 *data, int len)
{
	u32 crc = ~0U;
	int i, bit;

	for (i = 0; i < len; i++) {
		crc ^= data[i];
		for (bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
	}
	return ~crc;
}

static u32 first_word(const u8 *data)
{
	return data[0] | data[1] << 8 | data[2] << 16 | (u32)data[3] << 24;
}

static void changes_as_the_whole(int len)
{
	static u8 message[65536];
	u32 before, crc;
	int i;

	for (i = 0; i < len; i++)
		message[i] = rand();
	before = first_word(message);
	crc = crc32c(message, len);
	for (i = 0; i < 4; i++)
		message[i] = rand();
	crc ^= bpflb_crc32c_change(before ^ first_word(message), len);
	assert_int_equal(crc, crc32c(message, len));
}

static void knows_the_check_value(void **state)
{
	(void)state;
	assert_int_equal(crc32c((const u8 *)"123456789", 9), 0xe3069283);
}

static void any_length(void **state)
{
	int len, n;

	(void)state;
	for (len = 4; len < 2000; len++)
		changes_as_the_whole(len);
	for (n = 0; n < 16; n++)
		if (1 << n >= 4)
			changes_as_the_whole(1 << n);
	changes_as_the_whole(65535);
}

static void nothing_changes_nothing(void **state)
{
	(void)state;
	assert_int_equal(bpflb_crc32c_change(0, 1234), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_the_check_value),
		cmocka_unit_test(any_length),
		cmocka_unit_test(nothing_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
