/* SPDX-License-Identifier: GPL-2.0-only */
/* A line of text as words that know where they stand in it. */
#ifndef LBADM_LEX_H
#define LBADM_LEX_H

#include <stdbool.h>
#include <stddef.h>

/**
 * struct word - one word of a line
 * @text: the word, ended by NUL
 * @column: where it begins in the line's text, in bytes
 * @length: of the word, in bytes
 */
struct word {
	const char *text;
	size_t column;
	size_t length;
};

/**
 * struct line - a line and its words
 * @source: name of the file, NULL for the command line
 * @number: of the line in the file, from 1
 * @made: @text is not in the file, but was made from what is at that line
 * @text: the line as it was written, not ended by NUL
 * @length: of @text
 * @words: the words
 * @count: how many
 * @next: the first word that no parser has taken yet
 * @room: how many words there is memory for
 * @copy: what the words' texts point into
 * @copy_room: its size
 */
struct line {
	const char *source;
	unsigned int number;
	bool made;
	const char *text;
	size_t length;
	struct word *words;
	unsigned int count;
	unsigned int next;
	size_t room;
	char *copy;
	size_t copy_room;
};

int line_split(struct line *line, const char *text, size_t length);
void line_from_args(struct line *line, int count, char *const *args);
void line_free(struct line *line);

const char *line_peek(const struct line *line);
const char *line_take(struct line *line);
bool line_take_word(struct line *line, const char *word);

#endif /* LBADM_LEX_H */
