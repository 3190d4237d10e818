// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "lbadm.h"

#define MESSAGE_ROOM 1024

static void (*before_report)(void);
static bool as_json;
static bool as_pretty;

/**
 * report_as_json - from now on write errors as JSON
 * @pretty: indented
 */
void report_as_json(bool pretty)
{
	as_json = true;
	as_pretty = pretty;
}

/**
 * report_before - from now on, before an error is written, have something else done
 * @prepare: which makes that somebody sees it
 */
void report_before(void (*prepare)(void))
{
	before_report = prepare;
}

/* UTF-8 characters in the first bytes of a text. */
static unsigned int characters(const char *text, size_t bytes)
{
	unsigned int count = 0;
	size_t i;

	for (i = 0; i < bytes; i++)
		count += ((unsigned char)text[i] & 0xc0) != 0x80;
	return count;
}

/* What an editor calls the column; a missing word's is beyond the end of the text. */
static unsigned int display_column(const struct line *line, size_t column)
{
	size_t inside = column < line->length ? column : line->length;

	return characters(line->text, inside) + (column - inside) + 1;
}

static struct word place(const struct line *line, unsigned int word)
{
	struct word end = { .text = "", .column = line->length + 1, .length = 1 };

	if (word < line->count)
		return line->words[word];
	/* Something is missing: after the last word, before a comment. */
	if (line->count) {
		const struct word *last = &line->words[line->count - 1];

		end.column = last->column + last->length + 1;
	}
	return end;
}

static void print_line(const struct line *line)
{
	size_t i;

	fputs("  ", stderr);
	for (i = 0; i < line->length; i++) {
		unsigned char c = line->text[i];

		/* A terminal must not obey what a file says. */
		putc((c < 0x20 && c != '\t') || c == 0x7f ? '?' : c, stderr);
	}
	putc('\n', stderr);
}

static void print_caret(const struct line *line, const struct word *word)
{
	unsigned int marks = characters(word->text, word->length);
	size_t i;

	fputs("  ", stderr);
	for (i = 0; i < word->column; i++) {
		unsigned char c = i < line->length ? line->text[i] : ' ';

		if (c == '\t' || (c & 0xc0) != 0x80)
			putc(c == '\t' ? '\t' : ' ', stderr);
	}
	putc('^', stderr);
	for (i = 1; i < marks; i++)
		putc('~', stderr);
	putc('\n', stderr);
}

static void print_text(const struct line *line, unsigned int word, const char *message)
{
	bool color = out_color(STDERR_FILENO);
	const char *error = color ? "\033[1;31merror:\033[0m" : "error:";
	struct word at = { 0 };

	if (line && word != NO_WORD)
		at = place(line, word);
	if (!line || !line->source)
		fprintf(stderr, "lbadm: %s %s\n", error, message);
	else if (word == NO_WORD || line->made)
		fprintf(stderr, "%s:%u: %s %s\n", line->source, line->number, error, message);
	else
		fprintf(stderr, "%s:%u:%u: %s %s\n", line->source, line->number,
			display_column(line, at.column), error, message);
	if (!line)
		return;
	print_line(line);
	if (word != NO_WORD)
		print_caret(line, &at);
}

static const char *kind(enum lbadm_exit code)
{
	switch (code) {
	case LBADM_USAGE:
		return "usage";
	case LBADM_ABSENT:
		return "absent";
	default:
		return "refused";
	}
}

static void print_json(enum lbadm_exit code, const struct line *line, unsigned int word,
		       const char *message)
{
	struct json json;
	struct word at;

	json_init(&json, stderr, as_pretty);
	json_open(&json, NULL, '{');
	json_schema(&json, NULL);
	json_open(&json, "error", '{');
	json_string(&json, "kind", kind(code));
	json_string(&json, "message", message);
	if (line) {
		if (line->source) {
			json_string(&json, "file", line->source);
			json_u64(&json, "line", line->number);
		}
		if (word != NO_WORD) {
			at = place(line, word);
			if (!line->made)
				json_u64(&json, "column", display_column(line, at.column));
			json_string(&json, "word", at.text);
		}
		json_string_of(&json, "text", line->text, line->length);
	}
	json_close(&json);
	json_close(&json);
}

static int report_list(enum lbadm_exit code, const struct line *line, unsigned int word,
		       const char *format, va_list list)
{
	char message[MESSAGE_ROOM];

	vsnprintf(message, sizeof(message), format, list);
	if (before_report)
		before_report();
	/* What was written before the error comes before it. */
	fflush(stdout);
	if (as_json)
		print_json(code, line, word, message);
	else
		print_text(line, word, message);
	return code;
}

/**
 * report - an error that no word is to blame for
 * @code: what lbadm shall exit with
 * @format: the sentence, as printf()
 *
 * Return: @code
 */
int report(enum lbadm_exit code, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	report_list(code, NULL, NO_WORD, format, list);
	va_end(list);
	return code;
}

/**
 * report_at - an error about a word
 * @code: what lbadm shall exit with
 * @line: the line
 * @word: the number of the word; the count of words if one is missing at the
 *	end; NO_WORD if it is the whole line
 * @format: the sentence, as printf()
 *
 * Return: @code
 */
int report_at(enum lbadm_exit code, const struct line *line, unsigned int word,
	      const char *format, ...)
{
	va_list list;

	va_start(list, format);
	report_list(code, line, word, format, list);
	va_end(list);
	return code;
}

/**
 * report_last - the word that was taken last is wrong
 * @line: the line
 * @format: the sentence, as printf()
 *
 * Return: LBADM_USAGE
 */
int report_last(const struct line *line, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	report_list(LBADM_USAGE, line, line->next - 1, format, list);
	va_end(list);
	return LBADM_USAGE;
}

/**
 * report_end - a word is missing at the end
 * @line: the line
 * @format: the sentence, as printf()
 *
 * Return: LBADM_USAGE
 */
int report_end(const struct line *line, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	report_list(LBADM_USAGE, line, line->count, format, list);
	va_end(list);
	return LBADM_USAGE;
}
