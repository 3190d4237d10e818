// SPDX-License-Identifier: GPL-2.0-only
/* Configurations of other balancers as lines that apply reads. The module need not be there. */
#include <string.h>

#include "args.h"
#include "config_file.h"
#include "ipvs.h"
#include "lbadm.h"

static int read_lines(struct ipvs *ipvs, const struct config_file *file)
{
	struct config_cursor cursor = { 0 };
	struct line line = { 0 };
	int code = LBADM_OK, got;

	while (!code && (got = config_file_line(file, &cursor, &line))) {
		if (got < 0)
			code = report_at(LBADM_USAGE, &line, line.count - 1,
					 "a control character in the text");
		else
			code = ipvs_read(ipvs, &line);
	}
	line_free(&line);
	return code;
}

static void write_all(const struct ipvs *ipvs, const char *name)
{
	unsigned int notes;

	printf("# what ipvsadm -Sn had saved: %zu services, %zu servers\n", ipvs->service_count,
	       ipvs->server_count);
	notes = ipvs_write(stdout, ipvs, name);
	printf("# %u comment%s above say%s what is not as it was\n", notes, notes == 1 ? "" : "s",
	       notes == 1 ? "s" : "");
}

static int import_run_ipvs(struct context *context)
{
	const char *name = line_take(&context->line);
	struct config_file file = { 0 };
	struct ipvs ipvs = { 0 };
	int code;

	code = args_end(&context->line);
	if (!code && context->options.json)
		code = report(LBADM_USAGE, "what import writes is for apply: it is no JSON");
	if (!code)
		code = config_file_load(&file, name ? name : "-");
	if (!code)
		code = read_lines(&ipvs, &file);
	if (!code)
		write_all(&ipvs, file.name);
	ipvs_free(&ipvs);
	config_file_free(&file);
	return code;
}

static const struct command import_commands[] = {
	{
		.verb = "ipvs",
		.args = "[FILE|-]",
		.summary = "print what 'ipvsadm -Sn' has saved as apply reads it",
		.help = "Services of addresses, with their schedulers, persistence (as affinity) and one-packet\n"
			"scheduling, and servers with their weights and thresholds (as flows-max). Forwarding\n"
			"by -m becomes mode snat, by -g dispatch l2, by -i dispatch ipip. What is not the same\n"
			"here is said in a comment that names the line it is about, and what can't be had is\n"
			"left out, with such a comment. Nothing is changed: the output is for apply.\n",
		.run = import_run_ipvs,
	},
	{ 0 }
};

const struct object import_object = {
	.name = "import",
	.summary = "configurations of other balancers, as apply reads them",
	.commands = import_commands,
};
