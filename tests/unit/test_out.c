// SPDX-License-Identifier: GPL-2.0-only
// SOURCES: ../../tools/out.c ../../tools/mem.c
/* JSON and tables, byte for byte. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "out.h"

#define ROUNDS 20000

struct output {
	char *text;
	size_t size;
	FILE *file;
};

static void output_begin(struct output *output)
{
	output->file = open_memstream(&output->text, &output->size);
	assert_non_null(output->file);
}

static void output_is(struct output *output, const char *want)
{
	fclose(output->file);
	assert_string_equal(output->text, want);
	free(output->text);
}

static void write_sample(FILE *file, bool pretty)
{
	struct json json;

	json_init(&json, file, pretty);
	json_open(&json, NULL, '{');
	json_u64(&json, "number", UINT64_MAX);
	json_open(&json, "empty", '[');
	json_close(&json);
	json_open(&json, "list", '[');
	json_string(&json, "ignored", "a");
	json_open(&json, NULL, '{');
	json_close(&json);
	json_bool(&json, NULL, true);
	json_close(&json);
	json_null(&json, "nothing");
	json_close(&json);
}

static void compact(void **state)
{
	struct output output;

	output_begin(&output);
	write_sample(output.file, false);
	output_is(&output, "{\"number\":18446744073709551615,\"empty\":[],"
			   "\"list\":[\"a\",{},true],\"nothing\":null}\n");
}

static void pretty(void **state)
{
	struct output output;

	output_begin(&output);
	write_sample(output.file, true);
	output_is(&output,
		  "{\n"
		  "  \"number\": 18446744073709551615,\n"
		  "  \"empty\": [],\n"
		  "  \"list\": [\n"
		  "    \"a\",\n"
		  "    {},\n"
		  "    true\n"
		  "  ],\n"
		  "  \"nothing\": null\n"
		  "}\n");
}

static void string_is(const char *value, size_t length, const char *want)
{
	struct output output;
	struct json json;

	output_begin(&output);
	json_init(&json, output.file, false);
	json_open(&json, NULL, '[');
	json_string_of(&json, NULL, value, length);
	json_close(&json);
	output_is(&output, want);
}

static void strings(void **state)
{
	string_is("", 0, "[\"\"]\n");
	string_is("a\"\\b", 4, "[\"a\\\"\\\\b\"]\n");
	string_is("\n\t\0\x1b\x7f", 5, "[\"\\u000a\\u0009\\u0000\\u001b\\u007f\"]\n");
	string_is("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9,
		  "[\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"]\n");
	/* No UTF-8: a byte alone, one that is cut off, too long a form, a surrogate. */
	string_is("\xff", 1, "[\"\\ufffd\"]\n");
	string_is("\xe2\x82", 2, "[\"\\ufffd\\ufffd\"]\n");
	string_is("\xc0\xaf", 2, "[\"\\ufffd\\ufffd\"]\n");
	string_is("\xe0\x80\xaf", 3, "[\"\\ufffd\\ufffd\\ufffd\"]\n");
	string_is("\xed\xa0\x80", 3, "[\"\\ufffd\\ufffd\\ufffd\"]\n");
	string_is("\xf4\x90\x80\x80", 4, "[\"\\ufffd\\ufffd\\ufffd\\ufffd\"]\n");
}

/* Whatever the bytes, the text between the quotes ends where it should. */
static void random_strings(void **state)
{
	struct output output;
	struct json json;
	int i;

	srand(1);
	for (i = 0; i < ROUNDS; i++) {
		size_t length = rand() % 16, b;
		char *bytes = malloc(length ? length : 1);
		const char *c;

		for (b = 0; b < length; b++)
			bytes[b] = rand() % 2 ? rand() : "\"\\\n\xc3\xe2\x82\xf0"[rand() % 7];
		output_begin(&output);
		json_init(&json, output.file, false);
		json_open(&json, NULL, '[');
		json_string_of(&json, NULL, bytes, length);
		json_close(&json);
		fclose(output.file);
		assert_memory_equal(output.text, "[\"", 2);
		for (c = output.text + 2; *c != '"'; c++) {
			assert_true((unsigned char)*c >= 0x20);
			if (*c == '\\')
				assert_non_null(strchr("\"\\u", *++c));
		}
		assert_string_equal(c, "\"]\n");
		free(output.text);
		free(bytes);
	}
}

static void table(void **state)
{
	static const char *const headers[] = { "NAME", ">N", "LAST", NULL };
	struct output output;
	struct table table;

	table_init(&table, headers);
	table_cell(&table, "%s", "a");
	table_cell(&table, "%u", 1000);
	table_cell(&table, "%s", "x");
	table_cell(&table, "%s", "longer");
	table_cell(&table, "%u", 7);
	table_cell(&table, "%s", "");
	output_begin(&output);
	table_print(&table, output.file, false);
	output_is(&output,
		  "NAME       N  LAST\n"
		  "a       1000  x\n"
		  "longer     7  \n");
}

static void table_counts_characters(void **state)
{
	static const char *const headers[] = { "A", "B", NULL };
	struct output output;
	struct table table;

	table_init(&table, headers);
	table_cell(&table, "%s", "\xc3\xa9\xc3\xa9");	/* two of them, four bytes */
	table_cell(&table, "%s", "x");
	/* Nor may what a name says reach the terminal. */
	table_cell(&table, "%s", "\x1b[");
	table_cell(&table, "%s", "y");
	output_begin(&output);
	table_print(&table, output.file, true);
	output_is(&output,
		  "\033[1mA   B\033[0m\n"
		  "\xc3\xa9\xc3\xa9  x\n"
		  "?[  y\n");
}

static void table_grows(void **state)
{
	static const char *const headers[] = { "A", ">B", NULL };
	struct output output;
	struct table table;
	const char *line;
	int i;

	table_init(&table, headers);
	for (i = 0; i < ROUNDS; i++) {
		table_cell(&table, "row");
		table_cell(&table, "%d", i);
	}
	output_begin(&output);
	table_print(&table, output.file, false);
	fclose(output.file);
	line = strchr(output.text, '\n') + 1;
	for (i = 0; i < ROUNDS; i++) {
		char want[32];

		snprintf(want, sizeof(want), "row  %5d\n", i);
		assert_memory_equal(line, want, strlen(want));
		line += strlen(want);
	}
	assert_string_equal(line, "");
	free(output.text);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(compact),
		cmocka_unit_test(pretty),
		cmocka_unit_test(strings),
		cmocka_unit_test(random_strings),
		cmocka_unit_test(table),
		cmocka_unit_test(table_counts_characters),
		cmocka_unit_test(table_grows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
