// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <linux/sock_diag.h>
#include <sys/socket.h>

#include "args.h"
#include "monitor_flow.h"

#ifndef SO_MEMINFO
#define SO_MEMINFO 55
#endif

/* What the kernel had for this socket and could not put into its queue. */
static uint32_t not_taken(const struct conn *conn)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t size = sizeof(info);

	getsockopt(nl_socket_get_fd(conn->sk), SOL_SOCKET, SO_MEMINFO, info, &size);
	return info[SK_MEMINFO_DROPS];
}

/**
 * flow_watch_open - listen to events of flows
 * @watch: zeroed
 * @context: its socket is open, to ask the module
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int flow_watch_open(struct flow_watch *watch, struct context *context)
{
	uint64_t lost;
	int code;

	code = conn_open(&watch->conn);
	if (!code)
		code = conn_listen(&watch->conn, BPFLB_MCGRP_FLOW);
	return code ? code : flow_watch_count(watch, context, &lost);
}

/**
 * flow_watch_is_due - is it time to count?
 * @watch: open
 *
 * Once a second, for it takes a question to the module.
 */
bool flow_watch_is_due(const struct flow_watch *watch)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - watch->asked.tv_sec > (now.tv_nsec < watch->asked.tv_nsec);
}

/**
 * flow_watch_count - how many events did not come since this was asked last?
 * @watch: open
 * @context: its socket is open
 * @lost: the answer
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int flow_watch_count(struct flow_watch *watch, struct context *context, uint64_t *lost)
{
	uint32_t taken = not_taken(&watch->conn);
	struct status status;
	int code = status_get(context, &status);

	if (code)
		return code;
	*lost = status.flow_events_lost - watch->not_sent + (uint32_t)(taken - watch->not_taken);
	watch->not_sent = status.flow_events_lost;
	watch->not_taken = taken;
	clock_gettime(CLOCK_MONOTONIC, &watch->asked);
	return LBADM_OK;
}
