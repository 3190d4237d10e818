// SPDX-License-Identifier: GPL-2.0-only
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "icmp.h"
#include "netns.h"
#include "packet.h"
#include "ping.h"
#include "reject.h"
#include "vip.h"

/* Read an echo request as far as it takes to answer it. */
static bool parse_echo(const struct sk_buff *skb, u8 family, struct bpflb_packet *pkt)
{
	bool ipv6 = family == NFPROTO_IPV6;
	int icmp = bpflb_icmp_offset(skb, ipv6);
	const u8 *type;
	u8 buf;

	if (icmp < 0)
		return false;
	type = skb_header_pointer(skb, icmp, sizeof(buf), &buf);
	if (!type || *type != (ipv6 ? ICMPV6_ECHO_REQUEST : ICMP_ECHO) ||
	    skb->len - icmp < sizeof(struct icmphdr))
		return false;
	*pkt = (struct bpflb_packet){
		.tuple = {
			.family = family,
			.proto = ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
		},
		.thoff = icmp,
		.len = skb->len - skb_network_offset(skb),
	};
	if (ipv6) {
		pkt->tuple.src.addr.in6 = ipv6_hdr(skb)->saddr;
		pkt->tuple.dst.addr.in6 = ipv6_hdr(skb)->daddr;
	} else {
		pkt->tuple.src.addr.ip = ip_hdr(skb)->saddr;
		pkt->tuple.dst.addr.ip = ip_hdr(skb)->daddr;
	}
	return true;
}

/**
 * bpflb_ping() - answer an echo request to a service's address
 * @bn: namespace
 * @skb: a packet that is neither TCP, UDP nor SCTP, in PREROUTING or LOCAL_OUT
 * @family: NFPROTO_IPV4 or NFPROTO_IPV6
 * @local_out: it is from this node itself
 *
 * The node's own addresses are left to the kernel, which answers at them.
 *
 * Context: RCU, bottom halves off. Return: whether it was answered; if not, it goes
 * on as if bpflb were not there.
 */
bool bpflb_ping(struct bpflb_net *bn, struct sk_buff *skb, u8 family, bool local_out)
{
	struct bpflb_packet pkt;

	if (!rcu_dereference(bn->settings)->ping || !parse_echo(skb, family, &pkt) ||
	    !bpflb_vip_is_foreign(bn, family, &pkt.tuple.dst.addr))
		return false;
	pkt.local_out = local_out;
	return bpflb_answer_echo(bn, skb, &pkt);
}
