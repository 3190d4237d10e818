// SPDX-License-Identifier: GPL-2.0-only
#include <linux/skbuff.h>

#include "rewrite.h"

/**
 * bpflb_rewrite() - give an IPv4 packet other endpoints
 * @skb: the packet, skb->data at its IPv4 header
 * @pkt: what it is; follows the change
 * @to: the endpoints
 *
 * Pointers into the packet are not valid afterwards.
 *
 * Context: any. Return: false without memory; then nothing was written.
 */
bool bpflb_rewrite(struct sk_buff *skb, struct bpflb_packet *pkt, const struct bpflb_ends4 *to)
{
	struct bpflb_endpoint *src = &pkt->tuple.src, *dst = &pkt->tuple.dst;
	bool tcp = pkt->tuple.proto == IPPROTO_TCP;

	if (src->addr.ip == to->saddr && dst->addr.ip == to->daddr &&
	    src->port == to->sport && dst->port == to->dport)
		return true;
	if (skb_ensure_writable(skb, pkt->thoff + (tcp ? sizeof(struct tcphdr) :
							 sizeof(struct udphdr))))
		return false;
	bpflb_rewrite4(skb, ip_hdr(skb), skb->data + pkt->thoff, tcp, false, to);
	src->addr.ip = to->saddr;
	src->port = to->sport;
	dst->addr.ip = to->daddr;
	dst->port = to->dport;
	return true;
}
