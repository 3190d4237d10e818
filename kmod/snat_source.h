/* SPDX-License-Identifier: GPL-2.0-only */
/* Which of this node's addresses a SNAT flow has towards its backend. */
#ifndef _BPFLB_SNAT_SOURCE_H
#define _BPFLB_SNAT_SOURCE_H

#include "flow.h"
#include "settings.h"

struct net_device;
struct sk_buff;

bool bpflb_source_of_device(struct bpflb_net *bn, const struct bpflb_flow *flow,
			    const struct sk_buff *skb, const struct net_device *out,
			    union nf_inet_addr *addr);
const union nf_inet_addr *bpflb_source_nth(const struct bpflb_flow *flow,
					   const struct bpflb_snat_addrs *set, u32 i);
bool bpflb_source_may_be(struct bpflb_net *bn, u8 family, const union nf_inet_addr *addr);
int bpflb_source_init(void);
void bpflb_source_exit(void);

#endif
