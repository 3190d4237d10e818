/* SPDX-License-Identifier: GPL-2.0-only */
/* Packets of flows that the stack has let through go past it. */
#ifndef _BPFLB_BYPASS_H
#define _BPFLB_BYPASS_H

#include "flow.h"

struct net_device;

/**
 * struct bpflb_bypassed - what has become of a packet
 * @flow: its flow, if it was looked for and there is one
 * @hash: of the packet's addresses and ports, if it was looked for
 * @role: what the packet is to it
 * @looked: it was looked for
 * @sent: the packet was sent, and is the caller's no more
 *
 * Fits into two registers.
 */
struct bpflb_bypassed {
	struct bpflb_flow *flow;
	u32 hash;
	u8 role;
	bool looked;
	bool sent;
};

/* bypass.c, bypass6.c: sending */
struct bpflb_bypassed bpflb_bypass(struct bpflb_net *bn, struct sk_buff *skb);
struct bpflb_bypassed bpflb_bypass6(struct bpflb_net *bn, struct sk_buff *skb);

/* bypass_grant.c */
void bpflb_bypass_grant(const struct bpflb_match *m, struct sk_buff *skb, struct dst_entry *dst,
			const struct net_device *out);
void bpflb_bypass_end(struct bpflb_flow *flow);

#endif
