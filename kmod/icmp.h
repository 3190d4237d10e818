/* SPDX-License-Identifier: GPL-2.0-only */
/* ICMP and ICMPv6 errors about packets of flows. */
#ifndef _BPFLB_ICMP_H
#define _BPFLB_ICMP_H

#include <linux/types.h>

struct bpflb_net;
struct net_device;
struct sk_buff;

int bpflb_icmp_offset(const struct sk_buff *skb, bool ipv6);
unsigned int bpflb_icmp_come_in(struct bpflb_net *bn, struct sk_buff *skb, u8 family);
unsigned int bpflb_icmp_leave(struct bpflb_net *bn, struct sk_buff *skb, u8 family,
			      const struct net_device *out);

#endif
