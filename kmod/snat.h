/* SPDX-License-Identifier: GPL-2.0-only */
/* The source address and port of a flow that returns through this node. */
#ifndef _BPFLB_SNAT_H
#define _BPFLB_SNAT_H

#include <linux/rhashtable.h>

#include "flow.h"
#include "port_range.h"

extern const struct rhashtable_params bpflb_snat_pool_params;

struct net_device;
struct sk_buff;

bool bpflb_snat_is_complete(const struct bpflb_flow *flow);
enum bpflb_drop_reason bpflb_snat_complete(struct bpflb_flow *flow, const struct sk_buff *skb,
					   const struct net_device *out);
enum bpflb_drop_reason bpflb_snat_tell(const struct bpflb_flow *flow, const struct sk_buff *skb,
				       const struct net_device *out,
				       struct bpflb_endpoint *source);
const struct bpflb_port_set *bpflb_snat_ports(struct bpflb_net *bn, struct bpflb_port_set *room);
int bpflb_snat_restore(struct bpflb_flow *flow, const union nf_inet_addr *addr, __be16 port);
bool bpflb_snat_has_lost_address(const struct bpflb_flow *flow);
void bpflb_snat_release(struct bpflb_flow *flow);
void bpflb_snat_pools_free(struct rhashtable *pools);

#endif
