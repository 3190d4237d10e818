// SPDX-License-Identifier: GPL-2.0-only
// PACKAGES: libnl-genl-3.0 yaml-0.1
// SOURCES: LBADM
/*
 * Any line of a file: it is refused, or it becomes a message of which every
 * attribute comes from a word of the line.
 */
#include <stdint.h>
#include <stdlib.h>

#include "attrs.h"
#include "objects.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_origins(const struct line *line, const struct request *request)
{
	const struct nlmsghdr *nlh = nlmsg_hdr(request->msg);
	struct nlattr *attr;
	int left;

	attrs_for_each(attr, nlh, left) {
		if (request_word(request, (char *)attr - (char *)nlh) >= line->count)
			abort();
	}
	if (left)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct line line = { .source = "fuzz", .number = 1 };
	static struct request request;
	const struct command *command;

	if (line_split(&line, (const char *)data, size)) {
		report_at(LBADM_USAGE, &line, line.count - 1, "control character");
		return 0;
	}
	if (!line.count)
		return 0;
	command = command_find(&line);
	if (command && command->build && !command->build(&request, &line))
		check_origins(&line, &request);
	return 0;
}
