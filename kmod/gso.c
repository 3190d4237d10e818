// SPDX-License-Identifier: GPL-2.0-only
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>

#include "compat/gso.h"
#include "gso.h"
#include "packet.h"

static __sum16 pseudo_sum(const struct sk_buff *skb, const struct bpflb_packet *pkt)
{
	const struct bpflb_tuple *t = &pkt->tuple;
	u32 len = skb->len - pkt->thoff;

	if (t->family == NFPROTO_IPV6)
		return ~csum_ipv6_magic(&t->src.addr.in6, &t->dst.addr.in6, len, t->proto, 0);
	return ~csum_tcpudp_magic(t->src.addr.ip, t->dst.addr.ip, len, t->proto, 0);
}

/* The checksum was the first one's; whoever cuts the packet up again makes one for each. */
static void leave_sum_to_device(struct sk_buff *skb, const struct bpflb_packet *pkt)
{
	u32 at = pkt->tuple.proto == IPPROTO_TCP ? offsetof(struct tcphdr, check) :
						   offsetof(struct udphdr, check);

	*(__sum16 *)(skb->data + pkt->thoff + at) = pseudo_sum(skb, pkt);
	skb->csum_start = skb_headroom(skb) + pkt->thoff;
	skb->csum_offset = at;
	skb->ip_summed = CHECKSUM_PARTIAL;
}

/* See bpflb_gso_straighten(). */
bool bpflb_gso_straighten_list(struct sk_buff *skb, u8 family)
{
	struct bpflb_packet pkt;

	if (!(family == NFPROTO_IPV6 ? bpflb_packet_parse6(skb, &pkt) :
				       bpflb_packet_parse4(skb, &pkt)) ||
	    skb_linearize(skb))
		return false;
	skb_shinfo(skb)->gso_type &= ~SKB_GSO_FRAGLIST;
	leave_sum_to_device(skb, &pkt);
	return true;
}

/**
 * bpflb_gso_come_apart() - have the datagrams of a packet come in one by one
 * @skb: the packet, in PREROUTING, bpflb_gso_has_tunnels()
 *
 * Context: bottom halves off. Return: false without memory; else it is gone.
 */
bool bpflb_gso_come_apart(struct sk_buff *skb)
{
	unsigned int mac_len = bpflb_mac_len(skb);
	struct sk_buff *segs, *next;

	/* Each with the frame's header, which others will see. */
	skb_push(skb, mac_len);
	segs = skb_gso_segment(skb, 0);
	if (IS_ERR_OR_NULL(segs)) {
		skb_pull(skb, mac_len);
		return false;
	}
	consume_skb(skb);
	skb_list_walk_safe(segs, skb, next) {
		skb_mark_not_on_list(skb);
		__skb_pull(skb, mac_len);
		netif_rx(skb);
	}
	return true;
}
