// SPDX-License-Identifier: GPL-2.0-only
/*
 * All flows as a file of commands, and back. What is in it is made one by one: a flow that can't
 * be there any more costs that flow alone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "flow.h"
#include "mem.h"

static void save_flow(const struct nlmsghdr *nlh, void *arg)
{
	unsigned int *unknown = arg;
	struct flow flow;

	flow_decode(nlh, &flow);
	if (!flow_is_known(&flow)) {
		(*unknown)++;
		return;
	}
	fputs("flow add ", stdout);
	flow_write(stdout, &flow);
}

static void save_affinity(const struct nlmsghdr *nlh, void *arg)
{
	(void)arg;
	fputs("affinity add ", stdout);
	affinity_write(stdout, nlh);
}

/**
 * flow_run_save - print all flows, and which clients have which backend
 * @context: of the command
 */
int flow_run_save(struct context *context)
{
	unsigned int unknown = 0;
	int code;

	code = args_end(&context->line);
	if (!code)
		code = conn_open(&context->conn);
	if (code)
		return code;
	request_start(&context->request, BPFLB_CMD_FLOW_GET, 0);
	if (conn_dump(&context->conn, &context->request, save_flow, &unknown))
		return context_refused(context, &context->conn.refusal);
	request_start(&context->request, BPFLB_CMD_AFFINITY_GET, 0);
	/* A module that does not tell of them is older than this lbadm. */
	if (conn_dump(&context->conn, &context->request, save_affinity, NULL) &&
	    context->conn.refusal.error != EOPNOTSUPP)
		return context_refused(context, &context->conn.refusal);
	if (unknown)
		return report(LBADM_REFUSED, "left out %u flows of a kind that this lbadm has no "
			      "word for: it is older than the module", unknown);
	return LBADM_OK;
}

/**
 * struct restore - flows that are to be made
 * @name: of the file
 * @messages: what will be sent
 * @lines: of each message, its number in the file
 * @count: of @lines, and of the messages
 * @room: of @lines
 * @first: number of the first message
 * @there: those that were there already
 * @expired: those whose time was over
 * @refused: those that could not be for another reason
 * @why: of the first of them
 */
struct restore {
	const char *name;
	struct messages messages;
	unsigned int *lines;
	size_t count;
	size_t room;
	uint32_t first;
	unsigned int there;
	unsigned int expired;
	unsigned int refused;
	struct refusal why;
};

static int build_line(struct line *line, struct request *request)
{
	if (line_take_word(line, "flow") && line_take_word(line, "add"))
		return flow_build_add(request, line);
	line->next = 0;
	if (line_take_word(line, "affinity") && line_take_word(line, "add"))
		return affinity_build_add(request, line);
	return args_unknown(line, "flow add, affinity add");
}

static int add_line(struct restore *restore, struct line *line, struct request *request)
{
	int code;

	if (!line->count)
		return LBADM_OK;
	code = build_line(line, request);
	if (code)
		return code;
	restore->lines = mem_grow(restore->lines, &restore->room, restore->count + 1,
				  sizeof(*restore->lines));
	restore->lines[restore->count++] = line->number;
	messages_add(nlmsg_hdr(request->msg), &restore->messages);
	return LBADM_OK;
}

static int read_lines(struct restore *restore, FILE *file, struct request *request)
{
	struct line line = { .source = restore->name };
	char *text = NULL;
	size_t room = 0;
	ssize_t length;
	int code = 0;

	while (!code && (length = getline(&text, &room, file)) > 0) {
		line.number++;
		if (text[length - 1] == '\n')
			length--;
		if (line_split(&line, text, length))
			code = report_at(LBADM_USAGE, &line, line.count - 1,
					 "a control character in this word");
		else
			code = add_line(restore, &line, request);
	}
	if (!code && ferror(file))
		code = report(LBADM_USAGE, "can't read %s: %s", restore->name, strerror(errno));
	line_free(&line);
	free(text);
	return code;
}

static int read_file(struct restore *restore, const char *name, struct request *request)
{
	bool standard = !strcmp(name, "-");
	FILE *file = standard ? stdin : fopen(name, "re");
	int code;

	restore->name = standard ? "(stdin)" : name;
	if (!file)
		return report(LBADM_USAGE, "can't read %s: %s", name, strerror(errno));
	code = read_lines(restore, file, request);
	if (!standard)
		fclose(file);
	return code;
}

static void take_refusal(const struct refusal *why, void *arg)
{
	struct restore *restore = arg;

	switch (why->error) {
	case EEXIST:
		restore->there++;
		break;
	case ETIME:
		restore->expired++;
		break;
	default:
		if (!restore->refused++)
			restore->why = *why;
	}
}

static int send_all(struct restore *restore, struct conn *conn)
{
	char *at = restore->messages.bytes, *end = at + restore->messages.used;

	restore->first = conn->sequence + 1;
	while (at < end) {
		size_t length = conn_stamp_batch(conn, at, end);

		if (conn_send_each(conn, at, length, take_refusal, restore))
			return report(LBADM_REFUSED, "%s", conn->refusal.message);
		at += length;
	}
	return LBADM_OK;
}

static int tell(const struct restore *restore)
{
	size_t made = restore->count - restore->there - restore->expired - restore->refused;
	char room[REFUSAL_ROOM];
	size_t first = restore->why.sequence - restore->first;

	printf("%zu restored", made);
	if (restore->there)
		printf(", %u were there", restore->there);
	if (restore->expired)
		printf(", %u expired", restore->expired);
	if (restore->refused)
		printf(", %u refused", restore->refused);
	putchar('\n');
	if (!restore->refused)
		return LBADM_OK;
	return report(LBADM_REFUSED, "%s:%u: %s", restore->name,
		      first < restore->count ? restore->lines[first] : 0,
		      refusal_sentence(&restore->why, room, sizeof(room)));
}

/**
 * flow_run_restore - make the flows of a file
 * @context: of the command
 */
int flow_run_restore(struct context *context)
{
	const char *name = line_take(&context->line);
	struct restore restore = { 0 };
	int code;

	if (!name)
		return report_end(&context->line,
				  "the name of the file is missing; - is standard input");
	code = args_end(&context->line);
	if (!code)
		code = read_file(&restore, name, &context->request);
	if (!code)
		code = conn_open(&context->conn);
	if (!code)
		code = send_all(&restore, &context->conn);
	if (!code)
		code = tell(&restore);
	messages_free(&restore.messages);
	free(restore.lines);
	return code;
}

const char flow_save_help[] =
	"One command a line, also for the clients of services with affinity. Flows go on\n"
	"meanwhile: of one moment it is only where no packets come in.\n";

const char flow_restore_help[] =
	"The file is one of 'flow save'. Services and backends have to be there already. Flows\n"
	"that exist stay as they are, those that have expired are left out, and one that is\n"
	"refused keeps none of the others from being made.\n";
