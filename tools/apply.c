// SPDX-License-Identifier: GPL-2.0-only
/*
 * A file becomes the configuration, whole or not at all. First all of it is
 * turned into messages, so that a mistake in it costs nothing; then they are
 * sent, many at a time, into a transaction that replaces everything.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "args.h"
#include "attrs.h"
#include "config_file.h"
#include "mem.h"
#include "objects.h"

#define BATCH_BYTES	(32 * 1024)	/* libnl makes room for twice as much to be sent */
#define FILES_MAX	16
#define BUSY_SECONDS	5
#define BUSY_STEP_NS	(50 * 1000 * 1000)

/**
 * struct origin_line - the line that a message comes from
 * @file: which file it is in
 * @where: where it begins there
 *
 * Which word made which attribute is not kept, but found out again by building
 * the one message that is refused a second time.
 */
struct origin_line {
	const struct config_file *file;
	struct config_cursor where;
};

/**
 * struct plan - what apply is about to do
 * @files: what it is told by
 * @file_count: of @files
 * @lines: of each message
 * @count: of @lines, and of the messages
 * @lines_room: of @lines
 * @messages: what will be sent
 * @partial: what the files are silent of stays as it is
 */
struct plan {
	struct config_file files[FILES_MAX];
	unsigned int file_count;
	struct origin_line *lines;
	size_t count;
	size_t lines_room;
	struct messages messages;
	bool partial;
};

static void plan_free(struct plan *plan)
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

/* The refused message's line, with a mark under the word it is about. */
static int plan_refused(const struct plan *plan, struct request *request,
			const struct refusal *why, uint32_t first)
{
	const struct origin_line *origin = &plan->lines[why->sequence - first];
	struct config_cursor cursor = origin->where;
	unsigned int word = NO_WORD;
	struct line line = { 0 };
	char room[REFUSAL_ROOM];

	config_file_line(origin->file, &cursor, &line);
	line_build(&line, request);
	if (why->has_offset)
		word = request_word(request, why->offset);
	report_at(LBADM_REFUSED, &line, word, "%s", refusal_sentence(why, room, sizeof(room)));
	line_free(&line);
	return LBADM_REFUSED;
}

static int plan_send(struct plan *plan, struct conn *conn, struct request *request)
{
	char *at = plan->messages.bytes, *end = at + plan->messages.used;
	uint32_t first = conn->sequence + 1;

	while (at < end) {
		char *batch = at;

		while (at < end) {
			struct nlmsghdr *nlh = (struct nlmsghdr *)at;
			size_t length = NLMSG_ALIGN(nlh->nlmsg_len);

			if (at > batch && at + length > batch + BATCH_BYTES)
				break;
			conn_stamp(conn, nlh);
			at += length;
		}
		if (!conn_send_batch(conn, batch, at - batch))
			continue;
		if (conn->refusal.sequence - first < plan->count)
			return plan_refused(plan, request, &conn->refusal, first);
		return report(LBADM_REFUSED, "%s", conn->refusal.message);
	}
	return LBADM_OK;
}

/**
 * struct apply - the command's arguments
 * @files: to read, "-" for standard input
 * @count: of @files
 * @node: the name that this node has in a cluster's file, or NULL
 * @generation: that must be in force
 * @generation_word: the word that said so, NO_WORD if none did
 */
struct apply {
	const char *files[FILES_MAX];
	unsigned int count;
	const char *node;
	uint64_t generation;
	unsigned int generation_word;
};

/* Another's transaction is short, as ours is: wait for it a moment. */
static int begin(struct context *context, const struct plan *plan, const struct apply *apply)
{
	struct timespec step = { .tv_nsec = BUSY_STEP_NS };
	struct request *request = &context->request;
	time_t deadline;
	int error;

	deadline = time(NULL) + BUSY_SECONDS;
	do {
		request_start(request, BPFLB_CMD_TXN_BEGIN, 0);
		request_u32(request, NO_WORD, BPFLB_TXN_A_FLAGS,
			    plan->partial ? 0 : BPFLB_TXN_F_REPLACE);
		if (apply->generation_word != NO_WORD)
			request_u64(request, apply->generation_word, BPFLB_TXN_A_GENERATION,
				    apply->generation);
		error = conn_call(&context->conn, request, NULL, NULL);
		if (error == -EBUSY)
			nanosleep(&step, NULL);
	} while (error == -EBUSY && time(NULL) <= deadline);
	if (error == -EBUSY)
		return report(LBADM_REFUSED, "another program has had a transaction open for "
			      "%d seconds; try again later", BUSY_SECONDS);
	return error ? context_refused(context, &context->conn.refusal) : LBADM_OK;
}

static void take_generation(const struct nlmsghdr *nlh, void *arg)
{
	struct nlattr *attrs[BPFLB_TXN_A_MAX + 1];
	uint64_t *generation = arg;

	attrs_parse(nlh, attrs, BPFLB_TXN_A_MAX);
	*generation = attr_u64(attrs[BPFLB_TXN_A_GENERATION]);
}

static int commit(struct context *context, uint64_t *generation)
{
	char room[REFUSAL_ROOM];

	request_start(&context->request, BPFLB_CMD_TXN_COMMIT, 0);
	if (!conn_call(&context->conn, &context->request, take_generation, generation))
		return LBADM_OK;
	return report(LBADM_REFUSED, "nothing has changed: %s",
		      refusal_sentence(&context->conn.refusal, room, sizeof(room)));
}

static int transact(struct context *context, struct plan *plan, const struct apply *apply)
{
	uint64_t generation = 0;
	struct json json;
	int code;

	code = begin(context, plan, apply);
	if (code)
		return code;
	code = plan_send(plan, &context->conn, &context->request);
	if (!code)
		code = commit(context, &generation);
	if (code) {
		/* Closing the socket would do; but it is told when it has been done. */
		request_start(&context->request, BPFLB_CMD_TXN_ABORT, 0);
		conn_call(&context->conn, &context->request, NULL, NULL);
	} else if (context->options.json) {
		code = context_json_begin(context, &json, generation);
		if (!code)
			context_json_end(&json);
	}
	return code;
}

static int take_file(struct line *line, struct apply *apply)
{
	if (apply->count == FILES_MAX) {
		line->next++;
		return report_last(line, "at most %d files", FILES_MAX);
	}
	apply->files[apply->count++] = line_take(line);
	return LBADM_OK;
}

static int take_args(struct line *line, struct apply *apply)
{
	int code = LBADM_OK;

	while (!code && line_peek(line)) {
		if (line_take_word(line, "--generation")) {
			code = args_number(line, "--generation", 0, UINT64_MAX,
					   &apply->generation);
			apply->generation_word = line->next - 1;
		} else if (line_take_word(line, "--node")) {
			apply->node = line_take(line);
			if (!apply->node)
				code = report_end(line, "which node? Its name is missing");
		} else if (line_peek(line)[0] != '-' || !strcmp(line_peek(line), "-")) {
			code = take_file(line, apply);
		} else {
			return args_unknown(line, apply->count ? "FILE, --generation, --node" :
					    "FILE, -, --generation, --node");
		}
	}
	if (!code && !apply->count)
		code = report_end(line, "the name of the file is missing; - is standard input");
	return code;
}

/* All files together are the configuration. */
static int plan_make(struct plan *plan, const struct apply *apply, struct request *request)
{
	int code = LBADM_OK;

	plan->partial = true;
	while (!code && plan->file_count < apply->count) {
		struct config_file *file = &plan->files[plan->file_count];

		code = config_file_read(file, apply->files[plan->file_count++], apply->node);
		if (!code)
			code = plan_add_file(plan, file, request);
		plan->partial &= file->partial;
	}
	return code;
}

static int apply_run(struct context *context)
{
	struct apply apply = { .generation_word = NO_WORD };
	struct plan plan = { 0 };
	int code;

	code = take_args(&context->line, &apply);
	if (!code)
		code = plan_make(&plan, &apply, &context->request);
	if (!code)
		code = conn_open(&context->conn);
	if (!code)
		code = transact(context, &plan, &apply);
	plan_free(&plan);
	return code;
}

static const struct command apply_commands[] = {
	{
		.args = "FILE|-... [--node NAME] [--generation N]",
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
			"With --generation only if N is still in force, as 'lbadm' shows it.\n",
		.run = apply_run,
	},
	{ 0 }
};

const struct object apply_object = {
	.name = "apply",
	.summary = "replace the whole configuration by that of a file",
	.commands = apply_commands,
};
