// SPDX-License-Identifier: GPL-2.0-only
// SOURCES: ../../tools/lex.c ../../tools/mem.c
/* Lines to words, against a lexer that looks at one character at a time. */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lex.h"

#define ROUNDS 50000

static void words_and_columns(void **state)
{
	static const char text[] = "  service\tadd web#1 #tcp";
	struct line line = { 0 };

	assert_int_equal(line_split(&line, text, strlen(text)), 0);
	assert_int_equal(line.count, 3);
	assert_string_equal(line.words[0].text, "service");
	assert_int_equal(line.words[0].column, 2);
	assert_int_equal(line.words[0].length, 7);
	assert_string_equal(line.words[1].text, "add");
	assert_int_equal(line.words[1].column, 10);
	/* A '#' within a word is part of it. */
	assert_string_equal(line.words[2].text, "web#1");
	assert_int_equal(line.words[2].column, 14);
	line_free(&line);
}

static void lines_without_words(void **state)
{
	static const char *const texts[] = { "", " ", "\t \r", "#", "# a comment", "  #x" };
	struct line line = { 0 };
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		assert_int_equal(line_split(&line, texts[i], strlen(texts[i])), 0);
		assert_int_equal(line.count, 0);
		assert_null(line_peek(&line));
		assert_null(line_take(&line));
	}
	line_free(&line);
}

static void control_characters(void **state)
{
	struct line line = { 0 };

	assert_int_equal(line_split(&line, "set mo\0de", 9), -EILSEQ);
	assert_int_equal(line.count, 2);
	assert_int_equal(line.words[1].column, 4);
	assert_int_equal(line_split(&line, "\x1b[31m", 5), -EILSEQ);
	assert_int_equal(line.count, 1);
	assert_int_equal(line.words[0].column, 0);
	/* A comment may have any. */
	assert_int_equal(line_split(&line, "set # \x1b\0", 8), 0);
	line_free(&line);
}

static void taking_words(void **state)
{
	static const char text[] = "one two three";
	struct line line = { 0 };

	line_split(&line, text, strlen(text));
	assert_false(line_take_word(&line, "two"));
	assert_true(line_take_word(&line, "one"));
	assert_string_equal(line_peek(&line), "two");
	assert_string_equal(line_take(&line), "two");
	assert_string_equal(line_take(&line), "three");
	assert_false(line_take_word(&line, "three"));
	assert_null(line_take(&line));
	assert_int_equal(line.next, 3);
	line_free(&line);
}

static void arguments(void **state)
{
	static char *const args[] = { "/usr/sbin/lbadm", "a b", "", "#c", NULL };
	static const char text[] = "lbadm a b  #c";
	struct line line = { 0 };
	unsigned int i;

	line_from_args(&line, 4, args);
	assert_int_equal(line.length, strlen(text));
	assert_memory_equal(line.text, text, strlen(text));
	/* As they were given: blanks and '#' in them mean nothing. */
	assert_int_equal(line.count, 3);
	for (i = 0; i < 3; i++)
		assert_string_equal(line.words[i].text, args[i + 1]);
	assert_int_equal(line.words[0].column, 6);
	assert_int_equal(line.words[1].column, 10);
	assert_int_equal(line.words[2].column, 11);
	line_free(&line);
	line_from_args(&line, 0, args);
	assert_int_equal(line.count, 0);
	line_free(&line);
}

/* The naive lexer: whether a word begins here, and whether the text ends here. */
static bool blank_at(const char *text, size_t at)
{
	return strchr(" \t\r", text[at]) && text[at];
}

static size_t naive_words(const char *text, size_t length, size_t *columns)
{
	size_t at, count = 0;

	for (at = 0; at < length; at++) {
		bool begins = !blank_at(text, at) && (!at || blank_at(text, at - 1));

		if (begins && text[at] == '#')
			break;
		if (begins)
			columns[count++] = at;
	}
	return count;
}

static void random_lines(void **state)
{
	struct line line = { 0 };
	size_t columns[64];
	char text[64];
	int i;

	srand(1);
	for (i = 0; i < ROUNDS; i++) {
		size_t length = rand() % sizeof(text), c, count;
		char *exact;

		for (c = 0; c < length; c++)
			text[c] = " \t\r#ab\xc3\xa9"[rand() % 8];
		/* Of just this size, so that a sanitizer sees any look beyond it. */
		exact = malloc(length ? length : 1);
		memcpy(exact, text, length);
		assert_int_equal(line_split(&line, exact, length), 0);
		count = naive_words(exact, length, columns);
		assert_int_equal(line.count, count);
		for (c = 0; c < count; c++) {
			const struct word *word = &line.words[c];

			assert_int_equal(word->column, columns[c]);
			assert_int_equal(strlen(word->text), word->length);
			assert_memory_equal(word->text, exact + word->column, word->length);
			assert_true(word->column + word->length == length ||
				    blank_at(exact, word->column + word->length));
		}
		free(exact);
	}
	line_free(&line);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_and_columns),
		cmocka_unit_test(lines_without_words),
		cmocka_unit_test(control_characters),
		cmocka_unit_test(taking_words),
		cmocka_unit_test(arguments),
		cmocka_unit_test(random_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
