/* SPDX-License-Identifier: GPL-2.0-only */
/* Addresses, ports and checksums of a packet. */
#ifndef _BPFLB_REWRITE_H
#define _BPFLB_REWRITE_H

#include "packet.h"

struct iphdr;

/** struct bpflb_ends4 - what the endpoints of an IPv4 packet shall be */
struct bpflb_ends4 {
	__be32 saddr;
	__be32 daddr;
	__be16 sport;
	__be16 dport;
};

void bpflb_rewrite4(struct sk_buff *skb, struct iphdr *iph, void *th,
		    const struct bpflb_ends4 *to);
bool bpflb_rewrite(struct sk_buff *skb, struct bpflb_packet *pkt,
		   const struct bpflb_endpoint *src, const struct bpflb_endpoint *dst);

#endif
