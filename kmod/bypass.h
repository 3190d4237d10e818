/* SPDX-License-Identifier: GPL-2.0-only */
/* Packets of flows that the stack has let through go past it. */
#ifndef _BPFLB_BYPASS_H
#define _BPFLB_BYPASS_H

#include "flow.h"

struct net_device;

bool bpflb_bypass(struct bpflb_net *bn, struct sk_buff *skb, struct bpflb_packet *pkt,
		  const struct bpflb_match *m);
void bpflb_bypass_grant(const struct bpflb_match *m, struct sk_buff *skb,
			const struct net_device *out);
void bpflb_bypass_end(struct bpflb_flow *flow);

#endif
