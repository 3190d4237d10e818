// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_file.h"
#include "kube.h"
#include "mem.h"
#include "report.h"

#define READ_BYTES	(64 * 1024)

static int read_all(struct config_file *file, FILE *from)
{
	size_t got;

	do {
		file->text = mem_grow(file->text, &file->room, file->length + READ_BYTES, 1);
		got = fread(file->text + file->length, 1, READ_BYTES, from);
		file->length += got;
	} while (got);
	return ferror(from) ? -errno : 0;
}

static int convert(struct config_file *file, const char *node)
{
	struct kube_lines lines;
	int code;

	code = kube_convert(file->name, file->text, file->length, node, &lines);
	free(file->text);
	file->text = lines.text;
	file->length = lines.length;
	file->room = lines.length;
	file->numbers = lines.numbers;
	file->count = lines.count;
	file->partial = lines.partial;
	return code;
}

/**
 * config_file_load - read a file as it is
 * @file: zeroed; to be freed in any case
 * @name: of the file, "-" for standard input; must live as long as @file
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int config_file_load(struct config_file *file, const char *name)
{
	bool standard = !strcmp(name, "-");
	FILE *from = standard ? stdin : fopen(name, "re");
	int error;

	file->name = standard ? "(stdin)" : name;
	error = from ? read_all(file, from) : -errno;
	if (from && !standard)
		fclose(from);
	if (error)
		return report(LBADM_USAGE, "can't read %s: %s", file->name, strerror(-error));
	return LBADM_OK;
}

/**
 * config_file_read - read a file, and make lbadm's grammar of Kubernetes'
 * @file: zeroed; to be freed in any case
 * @name: of the file, "-" for standard input; must live as long as @file
 * @node: of a cluster's file: the name of the node that is to be configured; NULL: not told
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int config_file_read(struct config_file *file, const char *name, const char *node)
{
	int code = config_file_load(file, name);

	if (code || !kube_is(file->text, file->length))
		return code;
	return convert(file, node);
}

/**
 * config_file_line - the next line
 * @file: what was read
 * @cursor: zeroed at first; where it begins, moved behind it
 * @line: zeroed at first; the line, split into words
 *
 * Return: 1; 0 if there was none; -EILSEQ at a control character, which is in the last word.
 */
int config_file_line(const struct config_file *file, struct config_cursor *cursor,
		     struct line *line)
{
	const char *text = file->text + cursor->at, *newline;
	size_t rest = file->length - cursor->at, length;
	unsigned int place = cursor->lines;

	if (!rest)
		return 0;
	newline = memchr(text, '\n', rest);
	length = newline ? (size_t)(newline - text) : rest;
	cursor->at += length + !!newline;
	cursor->lines++;
	line->source = file->name;
	line->number = file->numbers ? file->numbers[place] : cursor->lines;
	line->made = file->numbers;
	return line_split(line, text, length) ?: 1;
}

/**
 * config_file_free - give a file's memory back
 * @file: zeroed, or read
 */
void config_file_free(struct config_file *file)
{
	free(file->text);
	free(file->numbers);
}
