// SPDX-License-Identifier: GPL-2.0-only
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/ip.h>

#include "packet.h"

/**
 * bpflb_packet_parse4() - read what matters of an IPv4 packet
 * @skb: the packet, its IPv4 header checked by the stack
 * @pkt: what to fill
 *
 * Fragments are reassembled before us (netns.c asks for that), so one that is
 * seen here is none of ours. Nothing is written to @skb, and no pointer into it
 * is kept.
 *
 * Context: softirq or process, RCU. Return: false if the packet is none that
 * bpflb looks at: another protocol, a fragment, too short for its headers.
 */
bool bpflb_packet_parse4(const struct sk_buff *skb, struct bpflb_packet *pkt)
{
	const struct iphdr *iph = ip_hdr(skb);
	struct {
		__be16 src;
		__be16 dst;
		u8 rest[16];
	} buf;
	const typeof(buf) *th;
	u32 need;

	if (iph->protocol == IPPROTO_TCP)
		need = sizeof(struct tcphdr);
	else if (iph->protocol == IPPROTO_UDP)
		need = sizeof(struct udphdr);
	else
		return false;
	if (ip_is_fragment(iph))
		return false;

	pkt->thoff = skb_network_offset(skb) + iph->ihl * 4;
	th = skb_header_pointer(skb, pkt->thoff, need, &buf);
	if (!th)
		return false;

	pkt->tuple = (struct bpflb_tuple){
		.family = NFPROTO_IPV4,
		.proto = iph->protocol,
		.src = { .addr = { .ip = iph->saddr }, .port = th->src },
		.dst = { .addr = { .ip = iph->daddr }, .port = th->dst },
	};
	pkt->len = skb->len - skb_network_offset(skb);
	pkt->tcp_flags = need == sizeof(struct tcphdr) ? ((const u8 *)th)[13] : 0;
	pkt->local_out = false;
	return true;
}
