/* SPDX-License-Identifier: GPL-2.0-only */
/* What counts a flow's packets: its backend's counters, with "flow-accounting" its own too. */
#ifndef _BPFLB_FLOW_ACCOUNT_H
#define _BPFLB_FLOW_ACCOUNT_H

#include <linux/atomic.h>
#include <linux/rcupdate.h>

#include "flow.h"
#include "stats.h"

/**
 * struct bpflb_account - what one flow has carried
 * @rcu: to free both, for it is where the flow has its own
 * @flow: whose it is
 * @begun: when it was made, in jiffies
 * @last: when its last packet went by, in jiffies
 * @packets: from the client, and from the backend
 * @bytes: of these, from the IP header on, as they came in
 */
struct bpflb_account {
	struct rcu_head rcu;
	struct bpflb_flow *flow;
	u64 begun;
	u64 last;
	atomic64_t packets[2];
	atomic64_t bytes[2];
};

int bpflb_flow_account_init(void);
void bpflb_flow_account_exit(void);
void bpflb_flow_account_begin(struct bpflb_flow *flow);
void bpflb_flow_account_free(struct bpflb_flow *flow);
void bpflb_flow_account_packet(struct bpflb_flow *flow, u32 len, bool from_backend);
u64 bpflb_flow_account_duration(const struct bpflb_account *account);

/**
 * bpflb_flow_count() - count a packet of a flow, and its bytes
 * @flow: the flow
 * @len: bytes from the IP header on
 * @from_backend: which way it goes
 *
 * That the pointer to counters may be NULL had to be asked anyway: so whether flows have
 * accounts is no question to those that have none.
 *
 * Context: RCU, bottom halves off.
 */
static inline void bpflb_flow_count(struct bpflb_flow *flow, u32 len, bool from_backend)
{
	struct bpflb_counters __percpu *counters = flow->counters;

	if (likely(counters))
		bpflb_counters_packet(counters, len, from_backend);
	else
		bpflb_flow_account_packet(flow, len, from_backend);
}

#endif
