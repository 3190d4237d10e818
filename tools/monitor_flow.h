/* SPDX-License-Identifier: GPL-2.0-only */
/* How many events of flows a monitor did not get. */
#ifndef LBADM_MONITOR_FLOW_H
#define LBADM_MONITOR_FLOW_H

#include <time.h>

#include "objects.h"

/**
 * struct flow_watch - events of flows, on a socket of their own: a flood of them costs no other
 * @conn: the socket
 * @not_sent: how many the module had not sent when it was asked last
 * @not_taken: how many found no room in the socket by then
 * @asked: when that was
 */
struct flow_watch {
	struct conn conn;
	uint64_t not_sent;
	uint32_t not_taken;
	struct timespec asked;
};

int flow_watch_open(struct flow_watch *watch, struct context *context);
bool flow_watch_is_due(const struct flow_watch *watch);
int flow_watch_count(struct flow_watch *watch, struct context *context, uint64_t *lost);

#endif /* LBADM_MONITOR_FLOW_H */
