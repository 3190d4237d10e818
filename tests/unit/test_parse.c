// SPDX-License-Identifier: GPL-2.0-only
// SOURCES: ../../tools/parse.c
/* Words to values and back. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <linux/bpflb.h>
#include <string.h>
#include <cmocka.h>

#include "parse.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define ROUNDS 20000

static void numbers(void **state)
{
	static const char *const bad[] = {
		"", " 1", "1 ", "+1", "-1", "0x10", "1e3", "1.0", "18446744073709551616",
		"99999999999999999999999", "one"
	};
	uint64_t value;
	size_t i;

	for (i = 0; i < COUNT(bad); i++)
		assert_false(parse_number(bad[i], 0, UINT64_MAX, &value));
	assert_true(parse_number("18446744073709551615", 0, UINT64_MAX, &value));
	assert_true(value == UINT64_MAX);
	/* No octal. */
	assert_true(parse_number("010", 0, 10, &value));
	assert_int_equal(value, 10);
	assert_true(parse_number("5", 5, 5, &value));
	assert_false(parse_number("4", 5, 9, &value));
	assert_false(parse_number("10", 5, 9, &value));
}

static void addresses(void **state)
{
	static const char *const bad[] = {
		"", "10.0.0", "10.0.0.0.1", "10.0.0.256", "10.0.0.1/24", " 10.0.0.1", "localhost",
		"[2001:db8::1]", "2001:db8:::1", "fe80::1%eth0", "1:2:3:4:5:6:7", "10.0.0.1 "
	};
	static const uint8_t four[] = { 192, 0, 2, 10 };
	static const uint8_t six[] = { 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 };
	struct address address;
	size_t i;

	for (i = 0; i < COUNT(bad); i++)
		assert_false(parse_address(bad[i], &address));
	assert_true(parse_address("192.0.2.10", &address));
	assert_int_equal(address.length, sizeof(four));
	assert_memory_equal(address.bytes, four, sizeof(four));
	assert_true(parse_address("2001:db8::1", &address));
	assert_int_equal(address.length, sizeof(six));
	assert_memory_equal(address.bytes, six, sizeof(six));
}

static void endpoints(void **state)
{
	static const char *const bad[] = {
		"", ":", ":80", "10.0.0.1", "10.0.0.1:", "10.0.0.1:0", "10.0.0.1:65536",
		"10.0.0.1:-1", "10.0.0.1:http", "10.0.0.1:80:80", "2001:db8::1:443",
		"[2001:db8::1]", "[2001:db8::1]443", "[2001:db8::1]:", "[10.0.0.1]:80", "[]:80",
		"[:80", "]:80", "nodeport:80",
		"[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff:1111:2222:3333:4444]:80"
	};
	struct endpoint endpoint;
	size_t i;

	for (i = 0; i < COUNT(bad); i++)
		assert_false(parse_endpoint(bad[i], &endpoint));
	assert_true(parse_endpoint("10.0.0.1:65535", &endpoint));
	assert_int_equal(endpoint.port, 65535);
	assert_int_equal(endpoint.address.length, 4);
	assert_true(parse_endpoint("[::1]:1", &endpoint));
	assert_int_equal(endpoint.port, 1);
	assert_int_equal(endpoint.address.length, 16);
}

static void frontends_and_hosts(void **state)
{
	static const char *const bad_ranges[] = {
		"10.0.0.1:80-80", "10.0.0.1:90-80", "10.0.0.1:0-80", "10.0.0.1:80-65536", "10.0.0.1:-80",
		"10.0.0.1:80-", "10.0.0.1:**", "*:80", "nodeport:30000-30010", "nodeport:*", "10.0.0.1:80-*",
	};
	char text[FRONTEND_ROOM];
	struct frontend frontend;
	struct endpoint endpoint;
	size_t i;

	assert_true(parse_frontend("nodeport:30022", &frontend));
	assert_int_equal(frontend.at.address.length, 0);
	assert_int_equal(frontend.at.port, 30022);
	assert_false(frontend.open);
	assert_true(parse_frontend("10.0.0.1:80", &frontend));
	assert_int_equal(frontend.at.address.length, 4);
	assert_true(parse_frontend("open:[2001:db8::1]:80", &frontend));
	assert_int_equal(frontend.at.address.length, 16);
	assert_true(frontend.open);
	assert_false(frontend.internal);
	assert_true(parse_frontend("internal:10.0.0.1:80", &frontend));
	assert_true(frontend.internal);
	assert_false(frontend.open);
	assert_true(parse_frontend("open:internal:[2001:db8::1]:80", &frontend));
	assert_true(frontend.internal);
	assert_true(frontend.open);
	assert_false(parse_frontend("internal:nodeport:30022", &frontend));
	assert_false(parse_frontend("internal:10.0.0.1", &frontend));
	assert_false(parse_frontend("nodeport:", &frontend));
	assert_false(parse_frontend("nodeport:0", &frontend));
	assert_false(parse_frontend("nodeport", &frontend));
	assert_false(parse_frontend("10.0.0.1", &frontend));
	assert_false(parse_frontend("open:open:10.0.0.1:80", &frontend));
	assert_false(parse_frontend("nodeport:open:30022", &frontend));
	assert_int_equal(frontend.last_port, 0);
	assert_true(parse_frontend("internal:10.0.0.1:8000-8999", &frontend));
	assert_int_equal(frontend.at.port, 8000);
	assert_int_equal(frontend.last_port, 8999);
	assert_true(parse_frontend("[2001:db8::1]:*", &frontend));
	assert_int_equal(frontend.at.port, 1);
	assert_int_equal(frontend.last_port, 65535);
	assert_string_equal(format_frontend(&frontend, text), "[2001:db8::1]:*");
	assert_true(parse_frontend("10.0.0.1:80", &frontend));
	assert_int_equal(frontend.last_port, 0);
	for (i = 0; i < COUNT(bad_ranges); i++)
		assert_false(parse_frontend(bad_ranges[i], &frontend));

	assert_true(parse_backend("10.0.0.1:*", &endpoint));
	assert_int_equal(endpoint.port, 0);
	assert_string_equal(format_endpoint(&endpoint, text), "10.0.0.1:*");
	assert_true(parse_backend("[2001:db8::1]:80", &endpoint));
	assert_int_equal(endpoint.port, 80);
	assert_false(parse_backend("10.0.0.1:0", &endpoint));
	assert_false(parse_backend("10.0.0.1:80-90", &endpoint));
	assert_false(parse_backend("10.0.0.1", &endpoint));
	assert_false(parse_endpoint("10.0.0.1:*", &endpoint));

	assert_true(parse_host("10.0.0.1", &endpoint));
	assert_int_equal(endpoint.port, 0);
	assert_true(parse_host("10.0.0.1:80", &endpoint));
	assert_int_equal(endpoint.port, 80);
	/* All of it is the address. */
	assert_true(parse_host("2001:db8::1:443", &endpoint));
	assert_int_equal(endpoint.port, 0);
	assert_int_equal(endpoint.address.length, 16);
	assert_false(parse_host("nodeport:80", &endpoint));
}

static bool prefix(const char *word, struct prefix *p)
{
	return parse_prefix(word, strlen(word), p);
}

static void prefixes(void **state)
{
	static const char *const bad[] = {
		"", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/-1", "10.0.0.0/8/8",
		"2001:db8::/129", "10.0.0.0/ 8", "10.0.0.0/08x", "x", "10.0.0.0/8,",
	};
	char text[PREFIX_ROOM];
	struct prefix p;
	size_t i;

	assert_true(prefix("10.0.0.0/8", &p));
	assert_int_equal(p.bits, 8);
	assert_true(prefix_is_good(&p));
	assert_true(prefix("10.0.0.0/6", &p));
	assert_false(prefix_is_good(&p));
	assert_true(prefix("0.0.0.0/0", &p));
	assert_true(prefix_is_good(&p));
	assert_true(prefix("10.0.0.1", &p));
	assert_string_equal(format_prefix(&p, text), "10.0.0.1/32");
	assert_true(prefix("2001:db8::/32", &p));
	assert_true(prefix_is_good(&p));
	assert_true(prefix("2001:db8::1/127", &p));
	assert_false(prefix_is_good(&p));
	assert_string_equal(format_prefix(&p, text), "2001:db8::1/127");
	/* Only so much of the word is looked at. */
	assert_true(parse_prefix("10.0.0.0/8,x", 10, &p));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(prefix(bad[i], &p));
}

/* What is written is read as the same, for any address there can be. */
static void round_trips(void **state)
{
	char text[FRONTEND_ROOM];
	struct frontend in, out;
	int i, b;

	srand(1);
	for (i = 0; i < ROUNDS; i++) {
		memset(&in, 0, sizeof(in));
		memset(&out, 0, sizeof(out));
		in.at.address.length = (uint8_t[]) { 0, 4, 16 }[rand() % 3];
		/* Half of the bytes 0, so that IPv6 is shortened in all places. */
		for (b = 0; b < in.at.address.length; b++)
			in.at.address.bytes[b] = rand() % 2 ? rand() : 0;
		in.at.port = 1 + rand() % 65535;
		if (in.at.address.length && in.at.port < 65535 && rand() % 2)
			in.last_port = in.at.port + 1 + rand() % (65535 - in.at.port);
		in.open = rand() % 2;
		assert_true(parse_frontend(format_frontend(&in, text), &out));
		assert_memory_equal(&in, &out, sizeof(in));
	}
}

static void durations(void **state)
{
	static const char *const bad[] = {
		"", "0", "0s", "0d", "s", "-5", "5x", "5 s", "1h30m", "1.5h", "4294967296",
		"49711d", "99999999999999999999d", "18446744073709551615d", "ms"
	};
	static const struct {
		const char *word;
		uint32_t seconds;
	} good[] = {
		{ "1", 1 }, { "10", 10 }, { "10s", 10 }, { "5m", 300 }, { "2h", 7200 },
		{ "1d", 86400 }, { "4294967295", UINT32_MAX }, { "49710d", 4294944000u },
	};
	uint32_t seconds;
	size_t i;

	for (i = 0; i < COUNT(bad); i++)
		assert_false(parse_duration(bad[i], &seconds));
	for (i = 0; i < COUNT(good); i++) {
		assert_true(parse_duration(good[i].word, &seconds));
		assert_int_equal(seconds, good[i].seconds);
	}
}

static void ranges(void **state)
{
	static const char *const bad[] = {
		"", "-", "1-", "-1", "80", "2-1", "0-1", "1-65536", "65536-65537", "1-2-3", "1 -2",
		"a-b"
	};
	uint16_t first, last;
	size_t i;

	for (i = 0; i < COUNT(bad); i++)
		assert_false(parse_range(bad[i], &first, &last));
	assert_true(parse_range("1-65535", &first, &last));
	assert_int_equal(first, 1);
	assert_int_equal(last, 65535);
	assert_true(parse_range("80-80", &first, &last));
}

static void service_names(void **state)
{
	char name[BPFLB_NAME_MAX + 1];

	assert_true(parse_service_name("web"));
	assert_true(parse_service_name("0"));
	assert_true(parse_service_name("default/web:https.v1_2-3"));
	assert_false(parse_service_name(""));
	assert_false(parse_service_name("-web"));
	assert_false(parse_service_name("/web"));
	assert_false(parse_service_name("we b"));
	assert_false(parse_service_name("wéb"));
	assert_false(parse_service_name("help"));
	memset(name, 'a', sizeof(name));
	name[BPFLB_NAME_MAX - 1] = '\0';
	assert_true(parse_service_name(name));
	name[BPFLB_NAME_MAX - 1] = 'a';
	name[BPFLB_NAME_MAX] = '\0';
	assert_false(parse_service_name(name));
}

static void choices(void **state)
{
	static const char *const names[] = { "one", "two", NULL };
	unsigned int value;

	assert_true(parse_choice("two", names, &value));
	assert_int_equal(value, 1);
	assert_false(parse_choice("", names, &value));
	assert_false(parse_choice("tw", names, &value));
	assert_false(parse_choice("twofold", names, &value));
}

static void orders_of_addresses(void **state)
{
	static const char *const sorted[] = {
		"9.0.0.1", "10.0.0.1", "10.0.0.2", "255.0.0.0", "::1", "2001:db8::"
	};
	struct address a, b;
	size_t i, j;

	for (i = 0; i < COUNT(sorted); i++) {
		for (j = 0; j < COUNT(sorted); j++) {
			int order;

			parse_address(sorted[i], &a);
			parse_address(sorted[j], &b);
			order = address_compare(&a, &b);
			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
		}
	}
}

static void quantities(void **state)
{
	char text[QUANTITY_ROOM];

	assert_string_equal(format_count(0, text), "0");
	assert_string_equal(format_count(9999, text), "9999");
	assert_string_equal(format_count(10000, text), "10.0K");
	assert_string_equal(format_count(999999, text), "999.9K");
	assert_string_equal(format_count(1000000, text), "1.0M");
	assert_string_equal(format_count(UINT64_MAX, text), "18.4E");
	assert_string_equal(format_bytes(0, text), "0 B");
	assert_string_equal(format_bytes(1023, text), "1023 B");
	assert_string_equal(format_bytes(1024, text), "1.0 KiB");
	assert_string_equal(format_bytes(1536, text), "1.5 KiB");
	assert_string_equal(format_bytes(1048575, text), "1023.9 KiB");
	assert_string_equal(format_bytes(1048576, text), "1.0 MiB");
	assert_string_equal(format_bytes(UINT64_MAX, text), "15.9 EiB");
	assert_string_equal(format_duration(0, text), "0s");
	assert_string_equal(format_duration(59, text), "59s");
	assert_string_equal(format_duration(60, text), "1m0s");
	assert_string_equal(format_duration(7999, text), "2h13m");
	assert_string_equal(format_duration(86400, text), "1d0h");
}

/* What a scaled number shows is never more than it is, and less by a tenth at most. */
static void scaling_cuts(void **state)
{
	char text[QUANTITY_ROOM];
	double shown, unit;
	uint64_t value;
	int i;

	srand(2);
	for (i = 0; i < ROUNDS; i++) {
		value = 1024 + (((uint64_t)rand() << 20 ^ rand()) >> rand() % 40);
		format_bytes(value, text);
		shown = strtod(text, NULL);
		unit = 1;
		for (const char *u = "KMGTPE"; strchr(text, 'i')[-1] != *u; u++)
			unit *= 1024;
		unit *= 1024;
		assert_true(shown * unit <= value);
		assert_true((shown + 0.1001) * unit > value);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(addresses),
		cmocka_unit_test(endpoints),
		cmocka_unit_test(frontends_and_hosts),
		cmocka_unit_test(prefixes),
		cmocka_unit_test(round_trips),
		cmocka_unit_test(durations),
		cmocka_unit_test(ranges),
		cmocka_unit_test(service_names),
		cmocka_unit_test(choices),
		cmocka_unit_test(orders_of_addresses),
		cmocka_unit_test(quantities),
		cmocka_unit_test(scaling_cuts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
