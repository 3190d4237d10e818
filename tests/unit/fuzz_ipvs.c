// SPDX-License-Identifier: GPL-2.0-only
// PACKAGES: libnl-genl-3.0 yaml-0.1
// SOURCES: LBADM
/*
 * Any text: a line of it is refused, or what is written of it is what apply understands, line
 * for line, but for comments.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipvs.h"
#include "objects.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool read_all(struct ipvs *ipvs, const char *text, size_t size)
{
	static struct line line = { .source = "fuzz" };
	bool good = true;

	for (line.number = 1; size && good; line.number++) {
		const char *newline = memchr(text, '\n', size);
		size_t length = newline ? (size_t)(newline - text) : size;

		good = !line_split(&line, text, length) && !ipvs_read(ipvs, &line);
		text += length + !!newline;
		size -= length + !!newline;
	}
	return good;
}

static void check_line(const char *text, size_t length)
{
	static struct line line = { .source = "written", .number = 1 };
	static struct request request;
	const struct command *command;

	if (line_split(&line, text, length))
		abort();
	if (!line.count)
		return;
	command = command_find(&line);
	if (!command || !command->in_file || command->build(&request, &line))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ipvs ipvs = { 0 };
	size_t length = 0, at;
	char *text = NULL;
	FILE *file;

	if (read_all(&ipvs, (const char *)data, size)) {
		file = open_memstream(&text, &length);
		ipvs_write(file, &ipvs, "file");
		fclose(file);
		for (at = 0; at < length; at += strcspn(text + at, "\n") + 1)
			check_line(text + at, strcspn(text + at, "\n"));
		free(text);
	}
	ipvs_free(&ipvs);
	return 0;
}
