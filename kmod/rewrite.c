// SPDX-License-Identifier: GPL-2.0-only
#include <linux/skbuff.h>

#include "rewrite.h"

/**
 * bpflb_rewrite() - give a packet other endpoints
 * @skb: the packet, skb->data at its IPv4 header
 * @pkt: what it is; follows the change
 * @src: its new source
 * @dst: its new destination
 *
 * Pointers into the packet are not valid afterwards.
 *
 * Context: any. Return: false without memory; then nothing was written.
 */
bool bpflb_rewrite(struct sk_buff *skb, struct bpflb_packet *pkt,
		   const struct bpflb_endpoint *src, const struct bpflb_endpoint *dst)
{
	const struct bpflb_ends4 to = {
		.saddr = src->addr.ip,
		.daddr = dst->addr.ip,
		.sport = src->port,
		.dport = dst->port,
	};
	bool tcp = pkt->tuple.proto == IPPROTO_TCP;

	if (bpflb_endpoint_equal(src, &pkt->tuple.src) &&
	    bpflb_endpoint_equal(dst, &pkt->tuple.dst))
		return true;
	if (skb_ensure_writable(skb, pkt->thoff + (tcp ? sizeof(struct tcphdr) :
							 sizeof(struct udphdr))))
		return false;
	bpflb_rewrite4(skb, ip_hdr(skb), skb->data + pkt->thoff, tcp, false, &to);
	pkt->tuple.src = *src;
	pkt->tuple.dst = *dst;
	return true;
}
