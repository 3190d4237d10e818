// SPDX-License-Identifier: GPL-2.0-only
/* The messages of a plan, many at a time, in a transaction: all of it or nothing. */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "attrs.h"
#include "objects.h"
#include "plan.h"

#define BUSY_SECONDS	5
#define BUSY_STEP_NS	(50 * 1000 * 1000)

/* The refused message's line, with a mark under the word it is about. */
static int message_refused(const struct plan *plan, struct request *request,
			   const struct refusal *why)
{
	unsigned int word = NO_WORD;
	struct line line = { 0 };
	char room[REFUSAL_ROOM];

	plan_line(plan, why->sequence - plan->first, &line, request);
	if (why->has_offset)
		word = request_word(request, why->offset);
	report_at(LBADM_REFUSED, &line, word, "%s", refusal_sentence(why, room, sizeof(room)));
	line_free(&line);
	return LBADM_REFUSED;
}

static int send_all(struct plan *plan, struct conn *conn, struct request *request)
{
	char *at = plan->messages.bytes, *end = at + plan->messages.used;

	plan->first = conn->sequence + 1;
	while (at < end) {
		size_t length = conn_stamp_batch(conn, at, end);

		if (!conn_send_batch(conn, at, length)) {
			at += length;
			continue;
		}
		if (conn->refusal.sequence - plan->first < plan->count)
			return message_refused(plan, request, &conn->refusal);
		return report(LBADM_REFUSED, "%s", conn->refusal.message);
	}
	return LBADM_OK;
}

/* Another's transaction is short, as ours is: wait for it a moment. */
static int begin_with(struct context *context, const struct plan *plan, uint32_t flags)
{
	struct timespec step = { .tv_nsec = BUSY_STEP_NS };
	const struct plan_args *args = &plan->args;
	struct request *request = &context->request;
	time_t deadline;
	int error;

	deadline = time(NULL) + BUSY_SECONDS;
	do {
		request_start(request, BPFLB_CMD_TXN_BEGIN, 0);
		request_u32(request, NO_WORD, BPFLB_TXN_A_FLAGS, flags);
		if (args->generation_word != NO_WORD)
			request_u64(request, args->generation_word, BPFLB_TXN_A_GENERATION,
				    args->generation);
		error = conn_call(&context->conn, request, NULL, NULL);
		if (error == -EBUSY)
			nanosleep(&step, NULL);
	} while (error == -EBUSY && time(NULL) <= deadline);
	return error;
}

/* Return: whether an older module has refused the flag that asks for a check. */
static bool check_is_unknown(const struct refusal *why, uint32_t flags)
{
	/* Behind the headers stands the first attribute, which has the flags. */
	return flags & BPFLB_TXN_F_CHECK && why->error == EINVAL && why->has_offset &&
	       why->offset == NLMSG_HDRLEN + GENL_HDRLEN;
}

/* @check: nothing shall change; false after it if the module can't see a transaction to its end */
static int begin(struct context *context, const struct plan *plan, bool *check)
{
	uint32_t flags = plan->partial ? 0 : BPFLB_TXN_F_REPLACE;
	int error;

	if (*check)
		flags |= BPFLB_TXN_F_CHECK;
	error = begin_with(context, plan, flags);
	if (error && check_is_unknown(&context->conn.refusal, flags)) {
		*check = false;
		error = begin_with(context, plan, flags & ~BPFLB_TXN_F_CHECK);
	}
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

/* What only shows when all is there: for one service, or for no line in particular. */
static int commit_refused(const struct plan *plan, const struct refusal *why)
{
	char room[REFUSAL_ROOM];
	const char *sentence = refusal_sentence(why, room, sizeof(room));

	if (why->cookie && why->cookie - plan->first < plan->count)
		return plan_blame(plan, why->cookie - plan->first, LBADM_REFUSED,
				  BPFLB_SERVICE_A_NAME, 0, "%s", sentence);
	return report(LBADM_REFUSED, "nothing has changed: %s", sentence);
}

static int commit(struct context *context, const struct plan *plan, uint64_t *generation)
{
	request_start(&context->request, BPFLB_CMD_TXN_COMMIT, 0);
	if (!conn_call(&context->conn, &context->request, take_generation, generation))
		return LBADM_OK;
	return commit_refused(plan, &context->conn.refusal);
}

/**
 * plan_transact - make a plan true, or see whether it could be
 * @context: with its socket open
 * @plan: made; its arguments say which of the two
 * @generation: that is in force afterwards
 *
 * A module that is too old to check the end of a transaction checks all before it.
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int plan_transact(struct context *context, struct plan *plan, uint64_t *generation)
{
	bool dry = plan->args.dry, check = dry;
	int code;

	code = begin(context, plan, &check);
	if (code)
		return code;
	code = send_all(plan, &context->conn, &context->request);
	if (!code && check == dry) {
		code = commit(context, plan, generation);
		if (!code)
			return LBADM_OK;
	}
	/* Closing the socket would do; but it is told when it has been done. */
	request_start(&context->request, BPFLB_CMD_TXN_ABORT, 0);
	conn_call(&context->conn, &context->request, NULL, NULL);
	return code;
}
