// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whether files could become the configuration. What can be told without the
 * module is told without it; where it is there, it has the last word.
 */
#include <errno.h>

#include "args.h"
#include "objects.h"
#include "plan.h"

static int tell(struct context *context, const char *unasked, uint64_t generation)
{
	struct json json;
	int code;

	if (!context->options.json) {
		if (unasked)
			printf("the words are right; the module was not asked: %s\n", unasked);
		return LBADM_OK;
	}
	if (!unasked) {
		code = context_json_begin(context, &json, generation);
		if (code)
			return code;
	} else {
		json_init(&json, stdout, context->options.pretty);
		json_open(&json, NULL, '{');
		json_schema(&json, NULL);
	}
	json_open(&json, "check", '{');
	json_bool(&json, "asked", !unasked);
	if (unasked)
		json_string(&json, "why_not", unasked);
	else
		json_null(&json, "why_not");
	json_close(&json);
	json_close(&json);
	return LBADM_OK;
}

/* @unasked: why the module was not asked, NULL if it was */
static int ask(struct context *context, struct plan *plan, const char **unasked,
	       uint64_t *generation)
{
	int code;

	*unasked = "it is not loaded";
	if (conn_module_absent())
		return LBADM_OK;
	code = conn_open(&context->conn);
	if (code)
		return code;
	/* There is nothing to abort; but who may not write is told so before. */
	request_start(&context->request, BPFLB_CMD_TXN_ABORT, 0);
	*unasked = "that needs CAP_NET_ADMIN";
	if (conn_call(&context->conn, &context->request, NULL, NULL) == -EPERM)
		return LBADM_OK;
	*unasked = NULL;
	return plan_transact(context, plan, generation);
}

static int check_run(struct context *context)
{
	struct plan plan = { 0 };
	const char *unasked = NULL;
	uint64_t generation = 0;
	int code;

	code = plan_args_take(&context->line, &plan.args, false);
	plan.args.dry = true;
	if (!code)
		code = plan_make(&plan, &context->request);
	if (!code)
		code = plan_sense(&plan);
	if (!code)
		code = ask(context, &plan, &unasked, &generation);
	if (!code)
		code = tell(context, unasked, generation);
	plan_free(&plan);
	return code;
}

static const struct command check_commands[] = {
	{
		.args = "FILE|-... [--node NAME]",
		.summary = "say whether apply would take files; nothing changes",
		.help = "Words and what they mean together are checked without the module. Where it\n"
			"is loaded, and lbadm may write, it is asked to the end: in a transaction that is never\n"
			"committed. It says nothing if all is well. Files are those of apply.\n",
		.run = check_run,
	},
	{ 0 }
};

const struct object check_object = {
	.name = "check",
	.summary = "whether files could be the configuration",
	.commands = check_commands,
};
