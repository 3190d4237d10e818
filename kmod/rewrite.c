// SPDX-License-Identifier: GPL-2.0-only
#include <linux/sctp.h>
#include <linux/skbuff.h>

#include "rewrite.h"
#include "sctp.h"

static void rewrite4(struct sk_buff *skb, const struct bpflb_packet *pkt, bool tcp,
		     const struct bpflb_tuple *to)
{
	const struct bpflb_ends4 ends = {
		.saddr = to->src.addr.ip,
		.daddr = to->dst.addr.ip,
		.sport = to->src.port,
		.dport = to->dst.port,
	};

	bpflb_rewrite4(skb, ip_hdr(skb), skb->data + pkt->thoff, tcp, false, &ends);
}

static void rewrite6(struct sk_buff *skb, const struct bpflb_packet *pkt, bool tcp,
		     const struct bpflb_tuple *to)
{
	const struct bpflb_ends6 ends = {
		.saddr = &to->src.addr.in6,
		.daddr = &to->dst.addr.in6,
		.sport = to->src.port,
		.dport = to->dst.port,
	};

	bpflb_rewrite6(skb, ipv6_hdr(skb), skb->data + pkt->thoff, tcp, false, &ends);
}

static u32 header_len(u8 proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return sizeof(struct tcphdr);
	case IPPROTO_SCTP:
		return sizeof(struct sctphdr);
	default:
		return sizeof(struct udphdr);
	}
}

/**
 * bpflb_rewrite() - give a packet other endpoints
 * @skb: the packet, skb->data at its IPv4 or IPv6 header
 * @pkt: what it is; follows the change
 * @to: the endpoints, of the packet's family and protocol
 *
 * Pointers into the packet are not valid afterwards.
 *
 * Context: any. Return: false without memory; then nothing was written.
 */
bool bpflb_rewrite(struct sk_buff *skb, struct bpflb_packet *pkt, const struct bpflb_tuple *to)
{
	bool tcp = pkt->tuple.proto == IPPROTO_TCP;

	if (bpflb_tuple_equal(&pkt->tuple, to))
		return true;
	if (skb_ensure_writable(skb, pkt->thoff + header_len(pkt->tuple.proto)))
		return false;
	if (pkt->tuple.proto == IPPROTO_SCTP)
		bpflb_sctp_rewrite(skb, pkt, to);
	else if (pkt->tuple.family == NFPROTO_IPV6)
		rewrite6(skb, pkt, tcp, to);
	else
		rewrite4(skb, pkt, tcp, to);
	pkt->tuple = *to;
	return true;
}
