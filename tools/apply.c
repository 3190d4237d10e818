// SPDX-License-Identifier: GPL-2.0-only
/* Files become the configuration, whole or not at all. */
#include "objects.h"
#include "plan.h"

static int apply_run(struct context *context)
{
	struct plan plan = { 0 };
	uint64_t generation = 0;
	struct json json;
	int code;

	code = plan_args_take(&context->line, &plan.args, true);
	if (!code)
		code = plan_make(&plan, &context->request);
	if (!code)
		code = conn_open(&context->conn);
	if (!code)
		code = plan_transact(context, &plan, &generation);
	if (!code && context->options.json) {
		code = context_json_begin(context, &json, generation);
		if (!code)
			context_json_end(&json);
	}
	plan_free(&plan);
	return code;
}

static const struct command apply_commands[] = {
	{
		.args = "FILE|-... [--node NAME] [--generation N] [--dry-run]",
		.summary = "make the configuration what files say, whole or not at all",
		.help = "The file has 'set', 'node add', 'service add' and 'backend add' commands, one\n"
			"a line, without 'lbadm'; '#' begins a comment. What it does not mention is\n"
			"removed, or set to its default. What is there already stays, with its flows\n"
			"and counters. Nobody ever sees half of it, and if a line is refused nothing\n"
			"changes.\n"
			"A file may also be Kubernetes': what 'kubectl get services,endpointslices,nodes\n"
			"-A -o yaml' prints (or json), of which --node NAME takes what the node of that\n"
			"name needs. Several files are one configuration: the settings in one, say, and a\n"
			"cluster in another. A ModuleConfig alone only sets the mode.\n"
			"With --generation only if N is still in force, as 'lbadm' shows it.\n"
			"With --dry-run the module is asked to the end whether it would do that, and\n"
			"nothing changes.\n",
		.run = apply_run,
	},
	{ 0 }
};

const struct object apply_object = {
	.name = "apply",
	.summary = "replace the whole configuration by that of a file",
	.commands = apply_commands,
};
