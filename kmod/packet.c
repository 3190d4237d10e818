// SPDX-License-Identifier: GPL-2.0-only
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/sctp.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "packet.h"
#include "sctp.h"

/* More extension headers than that are nobody's ordinary packet. */
#define EXTENSIONS_MAX 8

/* Fill in what the transport header at @pkt->thoff says. */
static bool parse_transport(const struct sk_buff *skb, struct bpflb_packet *pkt, u8 proto)
{
	struct {
		__be16 src;
		__be16 dst;
		u8 rest[16];
	} buf;
	const typeof(buf) *th;
	u32 need;

	if (proto == IPPROTO_TCP)
		need = sizeof(struct tcphdr);
	else if (proto == IPPROTO_UDP)
		need = sizeof(struct udphdr);
	else if (proto == IPPROTO_SCTP)
		need = sizeof(struct sctphdr);
	else
		return false;
	th = skb_header_pointer(skb, pkt->thoff, need, &buf);
	if (!th)
		return false;
	pkt->tuple.proto = proto;
	pkt->tuple.src.port = th->src;
	pkt->tuple.dst.port = th->dst;
	pkt->len = skb->len - skb_network_offset(skb);
	if (proto == IPPROTO_SCTP)
		pkt->tcp_flags = bpflb_sctp_chunks(skb, pkt->thoff, skb->len - pkt->thoff);
	else
		pkt->tcp_flags = proto == IPPROTO_TCP ? ((const u8 *)th)[13] : 0;
	pkt->local_out = false;
	return true;
}

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

	if (ip_is_fragment(iph))
		return false;
	pkt->tuple = (struct bpflb_tuple){
		.family = NFPROTO_IPV4,
		.src = { .addr = { .ip = iph->saddr } },
		.dst = { .addr = { .ip = iph->daddr } },
	};
	pkt->thoff = skb_network_offset(skb) + iph->ihl * 4;
	return parse_transport(skb, pkt, iph->protocol);
}

/* One that bpflb steps over on its way to the transport header. */
static bool is_extension(u8 nexthdr)
{
	return nexthdr == NEXTHDR_HOP || nexthdr == NEXTHDR_DEST || nexthdr == NEXTHDR_ROUTING;
}

/* Step over one extension header (RFC 8200, section 4). A packet whose destination
 * will be another one (a routing header), a fragment, and what is behind an
 * authentication header are not for us to rewrite.
 */
static bool skip_extension(const struct sk_buff *skb, u32 *offset, u8 *nexthdr)
{
	const struct ipv6_rt_hdr *hdr;
	struct ipv6_rt_hdr buf;

	hdr = skb_header_pointer(skb, *offset, sizeof(buf), &buf);
	if (!hdr || (*nexthdr == NEXTHDR_ROUTING && hdr->segments_left))
		return false;
	*nexthdr = hdr->nexthdr;
	*offset += (hdr->hdrlen + 1) * 8;
	return true;
}

/**
 * bpflb_packet_parse6() - read what matters of an IPv6 packet
 * @skb: the packet, its IPv6 header checked by the stack
 * @pkt: what to fill
 *
 * As bpflb_packet_parse4().
 */
bool bpflb_packet_parse6(const struct sk_buff *skb, struct bpflb_packet *pkt)
{
	const struct ipv6hdr *ip6h = ipv6_hdr(skb);
	u8 nexthdr = ip6h->nexthdr;
	unsigned int n;

	pkt->tuple = (struct bpflb_tuple){
		.family = NFPROTO_IPV6,
		.src = { .addr = { .in6 = ip6h->saddr } },
		.dst = { .addr = { .in6 = ip6h->daddr } },
	};
	pkt->thoff = skb_network_offset(skb) + sizeof(*ip6h);
	for (n = 0; is_extension(nexthdr); n++)
		if (n == EXTENSIONS_MAX || !skip_extension(skb, &pkt->thoff, &nexthdr))
			return false;
	return parse_transport(skb, pkt, nexthdr);
}
