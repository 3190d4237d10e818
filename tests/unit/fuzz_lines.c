// SPDX-License-Identifier: GPL-2.0-only
// PACKAGES: libnl-genl-3.0
// SOURCES: ../../tools/apply.c ../../tools/args.c ../../tools/attrs.c ../../tools/backend.c
// SOURCES: ../../tools/commands.c ../../tools/context.c ../../tools/flow.c ../../tools/help.c
// SOURCES: ../../tools/doctor.c ../../tools/doctor_address.c ../../tools/doctor_flow.c ../../tools/doctor_look.c
// SOURCES: ../../tools/doctor_rules.c ../../tools/doctor_ipvs.c ../../tools/program.c
// SOURCES: ../../tools/doctor_nat.c ../../tools/doctor_node.c ../../tools/doctor_path.c ../../tools/doctor_port.c ../../tools/rt.c
// SOURCES: ../../tools/lex.c ../../tools/mem.c ../../tools/monitor.c ../../tools/names.c
// SOURCES: ../../tools/nl.c ../../tools/node.c ../../tools/out.c ../../tools/parse.c
// SOURCES: ../../tools/report.c ../../tools/request.c ../../tools/save.c ../../tools/service.c ../../tools/service_show.c ../../tools/snapshot.c
// SOURCES: ../../tools/settings.c ../../tools/settings_show.c ../../tools/stats.c
// SOURCES: ../../tools/status.c
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
