// SPDX-License-Identifier: GPL-2.0-only
// PACKAGES: libnl-genl-3.0 yaml-0.1
// SOURCES: LBADM
/*
 * Any YAML: it is refused, or it becomes lines, for each of which a line of
 * the file is known.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kube.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *at;
	unsigned int newlines = 0, file_lines = 1;
	struct kube_lines lines;
	size_t i;

	if (!freopen("/dev/null", "w", stderr))
		abort();
	for (i = 0; i < size; i++)
		file_lines += text[i] == '\n' || text[i] == '\r';
	kube_is(text, size);
	if (!kube_convert("file", text, size, "n1", &lines)) {
		for (at = lines.text; at < lines.text + lines.length; at++)
			newlines += *at == '\n';
		if (newlines != lines.count)
			abort();
		for (i = 0; i < lines.count; i++) {
			if (!lines.numbers[i] || lines.numbers[i] > file_lines)
				abort();
		}
	}
	kube_lines_free(&lines);
	return 0;
}
