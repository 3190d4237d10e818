// SPDX-License-Identifier: GPL-2.0-only
// SOURCES: ../../tools/grammar.c
/* Usage lines: what may follow which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "grammar.h"

static void take(const char *what, size_t length, void *arg)
{
	char *text = arg;

	snprintf(text + strlen(text), 1000 - strlen(text), "%.*s ", (int)length, what);
}

/* What may come after @words (with blanks between) of @usage; "!" if they can't stand there. */
static const char *after(const char *usage, const char *words)
{
	static char text[1000];
	static struct grammar grammar;
	char copy[200], *word, *rest = copy;
	size_t length;
	const char *as;

	text[0] = '\0';
	assert_true(grammar_begin(&grammar, usage));
	snprintf(copy, sizeof(copy), "%s", words);
	while ((word = strsep(&rest, " "))) {
		if (*word && !grammar_step(&grammar, word, &as, &length))
			return "!";
	}
	grammar_next(&grammar, take, text);
	return text;
}

static void in_order(void **state)
{
	const char *usage = "NAME tcp|udp ADDRESS";

	assert_string_equal(after(usage, ""), "NAME ");
	assert_string_equal(after(usage, "web"), "tcp udp ");
	assert_string_equal(after(usage, "web udp"), "ADDRESS ");
	assert_string_equal(after(usage, "web udp x"), "");
	assert_string_equal(after(usage, "web icmp"), "!");
	assert_string_equal(after(usage, "web udp x y"), "!");
	assert_string_equal(after("", ""), "");
}

static void options_in_any_order(void **state)
{
	const char *usage = "X [weight N] [state up|down]\n    [quiet]";

	assert_string_equal(after(usage, "x"), "weight state quiet ");
	assert_string_equal(after(usage, "x weight"), "N ");
	assert_string_equal(after(usage, "x weight 3"), "state quiet ");
	assert_string_equal(after(usage, "x quiet state up"), "weight ");
	assert_string_equal(after(usage, "x state quiet"), "!");
	/* A value may be a word that is an option's, too. */
	assert_string_equal(after(usage, "x weight state"), "state quiet ");
}

static void alternatives(void **state)
{
	const char *usage = "[local | node ADDRESS | plain] [allow|deny PREFIX,...]";

	assert_string_equal(after(usage, ""), "local node plain allow deny ");
	assert_string_equal(after(usage, "node"), "ADDRESS ");
	assert_string_equal(after(usage, "deny"), "PREFIX ");
	assert_string_equal(after(usage, "deny 10.0.0.0/8"), "local node plain ");
	usage = "[FILE] [--force] | --resume";
	assert_string_equal(after(usage, ""), "FILE --force --resume ");
	assert_string_equal(after(usage, "--resume"), "");
	assert_string_equal(after(usage, "x"), "--force ");
	assert_string_equal(after(usage, "--force"), "");
}

static void again_and_again(void **state)
{
	const char *usage = "FILE|-... [--node NAME]";

	assert_string_equal(after(usage, ""), "FILE - ");
	assert_string_equal(after(usage, "a - b"), "FILE - --node ");
	assert_string_equal(after(usage, "a --node n"), "");
	usage = "[timeout [a TIME] [b TIME]] [names none|NAME...]";
	assert_string_equal(after(usage, "timeout b 5s"), "a names ");
	assert_string_equal(after(usage, "names x y"), "timeout none NAME ");
	assert_string_equal(after(usage, "names x timeout a"), "TIME ");
}

static void inside_of_each_other(void **state)
{
	const char *usage = "[service NAME [node A] [state up|down]] [--watch [TIME]]";

	assert_string_equal(after(usage, ""), "service --watch ");
	assert_string_equal(after(usage, "service x"), "node state --watch ");
	assert_string_equal(after(usage, "service x state up --watch"), "TIME ");
	assert_string_equal(after("[address ADDRESS[:PORT]] [x]", "address 1"), "x ");
	assert_string_equal(after("[address ADDRESS[:PORT]] [x]", "address"), "ADDRESS[:PORT] ");
}

/* Nonsense must not be followed anywhere but to its end. */
static void nonsense(void **state)
{
	static const char *const bits[] = {
		"[", "]", "|", "...", "a", "B", " ", "\n", "a|b", "[a B...]", ",...", "[[", "A[:B]",
	};
	static struct grammar grammar;
	char usage[200], text[1000];
	size_t length;
	const char *as;
	int i, n;

	srand(1);
	for (i = 0; i < 20000; i++) {
		usage[0] = '\0';
		for (n = rand() % 20; n; n--)
			strcat(usage, bits[rand() % (sizeof(bits) / sizeof(*bits))]);
		if (!grammar_begin(&grammar, usage))
			continue;
		for (n = 0; n < 4; n++) {
			text[0] = '\0';
			grammar_next(&grammar, take, text);
			grammar_step(&grammar, n & 1 ? "a" : "x", &as, &length);
		}
	}
}

static void too_long(void **state)
{
	static struct grammar grammar;
	char usage[10000] = "";
	int i;

	for (i = 0; i < 900; i++)
		strcat(usage, "[a B] ");
	assert_false(grammar_begin(&grammar, usage));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_order),
		cmocka_unit_test(options_in_any_order),
		cmocka_unit_test(alternatives),
		cmocka_unit_test(again_and_again),
		cmocka_unit_test(inside_of_each_other),
		cmocka_unit_test(nonsense),
		cmocka_unit_test(too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
