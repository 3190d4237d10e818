// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>

#include "snapshot.h"

#define SNAPSHOT_TRIES 10

static int gather(struct context *context, uint8_t command, struct messages *messages,
		  bool *changed)
{
	request_start(&context->request, command, 0);
	switch (conn_gather(&context->conn, &context->request, messages)) {
	case 0:
		return LBADM_OK;
	case -EAGAIN:
		*changed = true;
		return LBADM_OK;
	default:
		return context_refused(context, &context->conn.refusal);
	}
}

/**
 * snapshot_try - ask for all that is configured, once
 * @context: with its socket open
 * @snapshot: zeroed, or tried before; the answer
 * @changed: whether something changed meanwhile, so that it is of no one moment
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int snapshot_try(struct context *context, struct snapshot *snapshot, bool *changed)
{
	int code;

	*changed = false;
	code = settings_get(context, &snapshot->settings);
	if (!code)
		code = gather(context, BPFLB_CMD_NODE_GET, &snapshot->nodes, changed);
	if (!code)
		code = gather(context, BPFLB_CMD_SERVICE_GET, &snapshot->services, changed);
	if (!code)
		code = gather(context, BPFLB_CMD_BACKEND_GET, &snapshot->backends, changed);
	if (!code)
		code = status_get(context, &snapshot->status);
	if (code)
		return code;
	snapshot->generation = snapshot->status.generation;
	*changed |= snapshot->settings.generation != snapshot->generation;
	return LBADM_OK;
}

/**
 * snapshot_take - ask for all that is configured
 * @context: with its socket open
 * @snapshot: zeroed; the answer
 *
 * Four questions, one answer: nothing may have changed from the first to the last.
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int snapshot_take(struct context *context, struct snapshot *snapshot)
{
	bool changed = true;
	int tries, code;

	for (tries = 0; changed && tries < SNAPSHOT_TRIES; tries++) {
		code = snapshot_try(context, snapshot, &changed);
		if (code)
			return code;
	}
	if (changed)
		return report(LBADM_REFUSED,
			      "the configuration changed each of %d times that it was read",
			      SNAPSHOT_TRIES);
	return LBADM_OK;
}

/**
 * snapshot_free - give its memory back
 * @snapshot: zeroed, or taken
 */
void snapshot_free(struct snapshot *snapshot)
{
	messages_free(&snapshot->nodes);
	messages_free(&snapshot->services);
	messages_free(&snapshot->backends);
}
