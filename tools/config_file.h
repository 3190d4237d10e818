/* SPDX-License-Identifier: GPL-2.0-only */
/* What a file says that the configuration shall be, in lbadm's own grammar or in Kubernetes'. */
#ifndef LBADM_CONFIG_FILE_H
#define LBADM_CONFIG_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "lex.h"

/**
 * struct config_file - a file that has been read
 * @name: as errors name it
 * @text: its lines, which may be made of what it says
 * @length: of @text
 * @room: of @text, in bytes
 * @numbers: of each line, where in the file it comes from; NULL: it is as it was read
 * @count: of @numbers
 * @partial: it does not say all that shall be: what it is silent of stays
 */
struct config_file {
	const char *name;
	char *text;
	size_t length;
	size_t room;
	unsigned int *numbers;
	size_t count;
	bool partial;
};

/**
 * struct config_cursor - how far a file has been read
 * @at: where the next line begins, in bytes
 * @lines: read so far
 */
struct config_cursor {
	size_t at;
	unsigned int lines;
};

int config_file_load(struct config_file *file, const char *name);
int config_file_read(struct config_file *file, const char *name, const char *node);
int config_file_line(const struct config_file *file, struct config_cursor *cursor,
		     struct line *line);
void config_file_free(struct config_file *file);

#endif /* LBADM_CONFIG_FILE_H */
