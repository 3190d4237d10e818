// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files become messages, all of them before the first is sent: so a mistake in
 * them costs nothing, and is found without the module.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "mem.h"
#include "plan.h"

#define SENTENCE_ROOM	512

/**
 * plan_free - give its memory back
 * @plan: zeroed, or made
 */
void plan_free(struct plan *plan)
{
	while (plan->file_count)
		config_file_free(&plan->files[--plan->file_count]);
	free(plan->lines);
	messages_free(&plan->messages);
}

static int line_build(struct line *line, struct request *request)
{
	const struct command *command = command_find(line);

	if (!command)
		return LBADM_USAGE;
	if (!command->in_file) {
		line->next = 1;
		return report_last(line, "a file has only set, node add, service add and "
				   "backend add: what there shall be");
	}
	return command->build(request, line);
}

static int plan_add_line(struct plan *plan, const struct origin_line *origin, struct line *line,
			 struct request *request)
{
	int code;

	if (!line->count)
		return LBADM_OK;
	code = line_build(line, request);
	if (code)
		return code;
	plan->lines = mem_grow(plan->lines, &plan->lines_room, plan->count + 1,
			       sizeof(*plan->lines));
	plan->lines[plan->count++] = *origin;
	messages_add(nlmsg_hdr(request->msg), &plan->messages);
	return LBADM_OK;
}

static int plan_add_file(struct plan *plan, const struct config_file *file,
			 struct request *request)
{
	struct config_cursor cursor = { 0 };
	struct line line = { 0 };
	int code = LBADM_OK, got;

	while (!code) {
		struct origin_line origin = { .file = file, .where = cursor };

		got = config_file_line(file, &cursor, &line);
		if (!got)
			break;
		if (got < 0)
			code = report_at(LBADM_USAGE, &line, line.count - 1,
					 "a control character in this word");
		else
			code = plan_add_line(plan, &origin, &line, request);
	}
	line_free(&line);
	return code;
}

/**
 * plan_line - the line that a message comes from, and that message again
 * @plan: made
 * @place: of the message among all
 * @line: zeroed; the line, to be freed
 * @request: the message is built in it, and which word made which attribute
 */
void plan_line(const struct plan *plan, size_t place, struct line *line, struct request *request)
{
	const struct origin_line *origin = &plan->lines[place];
	struct config_cursor cursor = origin->where;

	config_file_line(origin->file, &cursor, line);
	line_build(line, request);
}

/**
 * plan_blame - report that an object can't be as its line says
 * @plan: made
 * @place: of its message among all
 * @code: what lbadm shall exit with
 * @attr: the attribute whose word is wrong
 * @nth: which of several of the type, from 0
 * @format: the sentence, as printf()
 *
 * Return: @code
 */
int plan_blame(const struct plan *plan, size_t place, enum lbadm_exit code, int attr,
	       unsigned int nth, const char *format, ...)
{
	struct request request = { 0 };
	char sentence[SENTENCE_ROOM];
	struct line line = { 0 };
	va_list list;

	va_start(list, format);
	vsnprintf(sentence, sizeof(sentence), format, list);
	va_end(list);
	plan_line(plan, place, &line, &request);
	report_at(code, &line, request_word_of(&request, attr, nth), "%s", sentence);
	line_free(&line);
	request_free(&request);
	return code;
}

static int take_file(struct line *line, struct plan_args *args)
{
	if (args->count == PLAN_FILES_MAX) {
		line->next++;
		return report_last(line, "at most %d files", PLAN_FILES_MAX);
	}
	args->files[args->count++] = line_take(line);
	return LBADM_OK;
}

static int take_unknown(struct line *line, const struct plan_args *args, bool writes)
{
	char valid[64];

	snprintf(valid, sizeof(valid), "FILE, %s--node%s", args->count ? "" : "-, ",
		 writes ? ", --generation, --dry-run" : "");
	return args_unknown(line, valid);
}

/**
 * plan_args_take - which files; the rest of the line
 * @line: the line
 * @args: the result
 * @writes: it may be on a condition, or only be tried
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int plan_args_take(struct line *line, struct plan_args *args, bool writes)
{
	int code = LBADM_OK;

	args->generation_word = NO_WORD;
	while (!code && line_peek(line)) {
		if (writes && line_take_word(line, "--generation")) {
			code = args_number(line, "--generation", 0, UINT64_MAX,
					   &args->generation);
			args->generation_word = line->next - 1;
		} else if (writes && line_take_word(line, "--dry-run")) {
			args->dry = true;
		} else if (line_take_word(line, "--node")) {
			args->node = line_take(line);
			if (!args->node)
				code = report_end(line, "which node? Its name is missing");
		} else if (line_peek(line)[0] != '-' || !strcmp(line_peek(line), "-")) {
			code = take_file(line, args);
		} else {
			return take_unknown(line, args, writes);
		}
	}
	if (!code && !args->count)
		code = report_end(line, "the name of the file is missing; - is standard input");
	return code;
}

/**
 * plan_make - read the files; all of them together are the configuration
 * @plan: with its arguments, else zeroed
 * @request: is used up
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int plan_make(struct plan *plan, struct request *request)
{
	const struct plan_args *args = &plan->args;
	int code = LBADM_OK;

	plan->partial = true;
	while (!code && plan->file_count < args->count) {
		struct config_file *file = &plan->files[plan->file_count];

		code = config_file_read(file, args->files[plan->file_count++], args->node);
		if (!code)
			code = plan_add_file(plan, file, request);
		plan->partial &= file->partial;
	}
	return code;
}
