// SPDX-License-Identifier: GPL-2.0-only
/*
 * The grammar's lexer: words stand between blanks, a '#' where a word could
 * begin makes the rest of the line a comment, nothing is quoted.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lex.h"
#include "mem.h"

static bool is_blank(unsigned char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool is_control(unsigned char c)
{
	return c < 0x20 || c == 0x7f;
}

static void add_word(struct line *line, const char *text, size_t column, size_t length)
{
	line->words = mem_grow(line->words, &line->room, line->count + 1,
			       sizeof(*line->words));
	line->words[line->count++] = (struct word) {
		.text = text,
		.column = column,
		.length = length,
	};
}

/**
 * line_split - find the words of a line of a file
 * @line: has its words replaced; zeroed before its first use
 * @text: the line without its newline; must live as long as @line shows it
 * @length: of @text
 *
 * Return: 0, or -EILSEQ at a control character, which is then part of the
 * last word.
 */
int line_split(struct line *line, const char *text, size_t length)
{
	size_t start, at = 0;
	char *out;

	/* A word and its NUL are never longer than the word and its blank. */
	line->copy = mem_grow(line->copy, &line->copy_room, length + 2, 1);
	line->text = text;
	line->length = length;
	line->count = 0;
	line->next = 0;
	out = line->copy;

	for (;;) {
		while (at < length && is_blank(text[at]))
			at++;
		if (at == length || text[at] == '#')
			return 0;
		start = at;
		while (at < length && !is_blank(text[at]) && !is_control(text[at]))
			at++;
		memcpy(out, text + start, at - start);
		out[at - start] = '\0';
		add_word(line, out, start, at - start);
		if (at < length && is_control(text[at]) && !is_blank(text[at]))
			return -EILSEQ;
		out += at - start + 1;
	}
}

/**
 * line_from_args - make a line of a command's arguments
 * @line: zeroed
 * @count: of @args
 * @args: argv, with the program's name; need not live on
 *
 * The program's name is in the text but is no word.
 */
void line_from_args(struct line *line, int count, char *const *args)
{
	size_t size = sizeof("lbadm"), column = strlen("lbadm");
	char *text, *copy;
	int i;

	for (i = 1; i < count; i++)
		size += strlen(args[i]) + 1;
	/* One half is the text as it is shown, the other holds the words. */
	line->copy = mem_grow(line->copy, &line->copy_room, 2 * size, 1);
	text = line->copy;
	copy = line->copy + size;
	memcpy(text, "lbadm", column);

	for (i = 1; i < count; i++) {
		size_t length = strlen(args[i]);

		text[column++] = ' ';
		memcpy(text + column, args[i], length);
		memcpy(copy, args[i], length + 1);
		add_word(line, copy, column, length);
		column += length;
		copy += length + 1;
	}
	line->text = text;
	line->length = column;
}

/**
 * line_free - give a line's memory back
 * @line: what line_split() or line_from_args() has filled
 */
void line_free(struct line *line)
{
	free(line->words);
	free(line->copy);
	memset(line, 0, sizeof(*line));
}

/**
 * line_peek - look at the next word
 * @line: the line
 *
 * Return: the word, NULL at the end.
 */
const char *line_peek(const struct line *line)
{
	return line->next < line->count ? line->words[line->next].text : NULL;
}

/**
 * line_take - take the next word
 * @line: the line
 *
 * Return: the word, NULL at the end.
 */
const char *line_take(struct line *line)
{
	const char *word = line_peek(line);

	if (word)
		line->next++;
	return word;
}

/**
 * line_take_word - take the next word if it is a certain one
 * @line: the line
 * @word: which
 *
 * Return: whether it was.
 */
bool line_take_word(struct line *line, const char *word)
{
	const char *next = line_peek(line);

	if (!next || strcmp(next, word))
		return false;
	line->next++;
	return true;
}
