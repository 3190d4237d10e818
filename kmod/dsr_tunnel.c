// SPDX-License-Identifier: GPL-2.0-only
/*
 * The outer headers of DSR's tunnels. What they carry:
 *
 *	geneve	(RFC 8926) client -> backend, to the backend's node; dsr_geneve.c
 *	ipip	(RFC 2003, RFC 2473) client -> service, to the backend
 *
 * They have a TTL of 64, the traffic class of what they carry (RFC 6040), and may not
 * be fragmented, unless that may and would not fit else. What varies by flow, for who
 * spreads packets by their headers: Geneve's source port, IPv6's flow label and, where a
 * prefix is set for it, the source address of ipip. Geneve has no UDP checksum (RFC 6935).
 */
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ip_tunnels.h>
#include <net/route.h>

#include "backend.h"
#include "dsr.h"
#include "dsr_tunnel.h"
#include "flow.h"
#include "gso.h"
#include "icmp.h"
#include "netns.h"
#include "node.h"
#include "vrf.h"

#define OUTER_TTL	64
/* The ports that are nobody's (RFC 6335). */
#define SPORT_MIN	49152

/* An address with @prefix that others of the flow's packets have too. */
static union nf_inet_addr address_in(const struct bpflb_prefix *prefix, u32 hash)
{
	union nf_inet_addr addr = prefix->addr;

	if (prefix->family == NFPROTO_IPV4) {
		if (prefix->len < 32)
			addr.ip |= htonl(hash & (U32_MAX >> prefix->len));
		return addr;
	}
	if (prefix->len < 96)
		addr.in6.s6_addr32[3] = htonl(hash);
	else if (prefix->len < 128)
		addr.in6.s6_addr32[3] |= htonl(hash & (U32_MAX >> (prefix->len - 96)));
	return addr;
}

/**
 * bpflb_tunnel_of() - the tunnel that a flow's packets go through
 * @flow: of kind DSR_OUT, dispatched by Geneve or ipip
 * @noted: the packet is to have a note
 * @t: what to fill. Its source is what the flow has had before, or all 0
 *
 * Context: RCU. Return: false if it is not known where the backend's node is.
 */
bool bpflb_tunnel_of(const struct bpflb_flow *flow, bool noted, struct bpflb_tunnel *t)
{
	const struct bpflb_settings *s = rcu_dereference(flow->bn->settings);
	u8 family = bpflb_flow_family(flow);
	const struct bpflb_prefix *prefix = &s->ipip_source[family == NFPROTO_IPV6];
	const struct bpflb_node *node;

	*t = (struct bpflb_tunnel){
		.dispatch = flow->dispatch,
		.family = family,
		.inner = family,
		.whole = true,
		.hash = flow->hash[BPFLB_KEY_ORIG],
	};
	if (flow->dispatch == BPFLB_DISPATCH_IPIP) {
		t->dst = bpflb_flow_addr(flow, BPFLB_ADDR_BACKEND);
		t->by_prefix = prefix->family;
		t->src = t->by_prefix ? address_in(prefix, t->hash) :
					bpflb_flow_addr(flow, BPFLB_ADDR_SNAT);
		return true;
	}
	node = rcu_dereference(flow->be->on);
	if (!node)
		return false;
	t->family = node->key.family;
	t->dst = node->key.addr;
	if (t->family == t->inner)
		t->src = bpflb_flow_addr(flow, BPFLB_ADDR_SNAT);
	t->noted = noted;
	if (noted) {
		t->note.addr = bpflb_flow_addr(flow, BPFLB_ADDR_SERVICE);
		t->note.port = flow->vport;
	}
	return true;
}

static int gso_type(const struct bpflb_tunnel *t)
{
	if (t->dispatch == BPFLB_DISPATCH_GENEVE)
		return SKB_GSO_UDP_TUNNEL;
	return t->family == NFPROTO_IPV6 ? SKB_GSO_IPXIP6 : SKB_GSO_IPXIP4;
}

/* One that is in a tunnel of somebody's already, its checksums left to the device: a
 * device can finish those of one tunnel, not of two.
 */
static bool finish_inside(struct sk_buff *skb)
{
	if (likely(!skb->encapsulation))
		return true;
	if (skb_is_gso(skb) || (skb->ip_summed == CHECKSUM_PARTIAL && skb_checksum_help(skb)))
		return false;
	skb->encapsulation = 0;
	return true;
}

static u8 traffic_class(const struct sk_buff *skb, u8 family)
{
	return family == NFPROTO_IPV6 ? ipv6_get_dsfield(ipv6_hdr(skb)) : ip_hdr(skb)->tos;
}

static void push_udp(struct sk_buff *skb, const struct bpflb_tunnel *t)
{
	struct udphdr *uh = skb_push(skb, sizeof(*uh));

	*uh = (struct udphdr){
		.source = htons(SPORT_MIN | (t->hash & (U16_MAX - SPORT_MIN))),
		.dest = htons(BPFLB_GENEVE_PORT),
		.len = htons(skb->len),
	};
}

static void push_ip4(struct bpflb_net *bn, struct sk_buff *skb, const struct bpflb_tunnel *t,
		     u8 proto, u8 tos)
{
	struct iphdr *iph = skb_push(skb, sizeof(*iph));

	skb_reset_network_header(skb);
	*iph = (struct iphdr){
		.version = 4,
		.ihl = sizeof(*iph) / 4,
		.tos = tos,
		.tot_len = htons(skb->len),
		.frag_off = t->whole ? htons(IP_DF) : 0,
		.ttl = OUTER_TTL,
		.protocol = proto,
		.saddr = t->src.ip,
		.daddr = t->dst.ip,
	};
	if (!t->whole)
		__ip_select_ident(bn->net, iph, skb_shinfo(skb)->gso_segs ?: 1);
	ip_send_check(iph);
	skb->protocol = htons(ETH_P_IP);
	memset(IPCB(skb), 0, sizeof(*IPCB(skb)));
}

static void push_ip6(struct sk_buff *skb, const struct bpflb_tunnel *t, u8 proto, u8 class)
{
	u32 len = skb->len;
	struct ipv6hdr *ip6h = skb_push(skb, sizeof(*ip6h));

	skb_reset_network_header(skb);
	ip6_flow_hdr(ip6h, class, htonl(t->hash) & IPV6_FLOWLABEL_MASK);
	ip6h->payload_len = htons(len);
	ip6h->nexthdr = proto;
	ip6h->hop_limit = OUTER_TTL;
	ip6h->saddr = t->src.in6;
	ip6h->daddr = t->dst.in6;
	skb->protocol = htons(ETH_P_IPV6);
	memset(IP6CB(skb), 0, sizeof(*IP6CB(skb)));
	skb->ignore_df = !t->whole;
}

/**
 * bpflb_tunnel_put() - put a packet into a tunnel
 * @bn: namespace
 * @skb: the packet, skb->data at its IP header, its transport header known
 * @t: the tunnel
 * @out: the device that it is to leave by
 *
 * Context: any. Return: false if there is no memory, or a device could not finish the
 * packet then; nothing was written.
 */
bool bpflb_tunnel_put(struct bpflb_net *bn, struct sk_buff *skb, const struct bpflb_tunnel *t,
		      const struct net_device *out)
{
	u8 class = traffic_class(skb, t->inner);
	u8 proto = t->inner == NFPROTO_IPV6 ? IPPROTO_IPV6 : IPPROTO_IPIP;

	if (!finish_inside(skb) || !bpflb_gso_straighten(skb, t->inner) ||
	    skb_cow_head(skb, bpflb_tunnel_len(t) + LL_RESERVED_SPACE(out)))
		return false;
	class = INET_ECN_encapsulate(class, class);
	if (t->dispatch == BPFLB_DISPATCH_GENEVE)
		bpflb_geneve_push_frame(skb, t->inner);
	skb_reset_mac_header(skb);
	/* The header is this packet's own by now: it can't fail. */
	if (iptunnel_handle_offloads(skb, gso_type(t)))
		return false;
	if (t->dispatch == BPFLB_DISPATCH_GENEVE) {
		skb_set_inner_protocol(skb, htons(ETH_P_TEB));
		bpflb_geneve_push(skb, t);
		push_udp(skb, t);
		proto = IPPROTO_UDP;
	} else {
		skb_set_inner_ipproto(skb, proto);
	}
	skb_reset_transport_header(skb);
	if (t->family == NFPROTO_IPV6)
		push_ip6(skb, t, proto, class);
	else
		push_ip4(bn, skb, t, proto, class);
	return true;
}

/* Has this node sent the packet of a flow that the quoted one has in it? */
static bool is_of_ipip_flow(struct bpflb_net *bn, const struct sk_buff *skb, u32 offset, u8 family)
{
	struct bpflb_packet pkt = {};
	struct bpflb_match m;

	if (!bpflb_peek(skb, offset, family, &pkt.tuple))
		return false;
	m = bpflb_flow_find(bn, &pkt);
	return m.flow && m.role == BPFLB_ROLE_ORIG && m.flow->kind == BPFLB_FLOW_DSR_OUT &&
	       m.flow->dispatch == BPFLB_DISPATCH_IPIP;
}

static bool is_to_node(struct bpflb_net *bn, const struct udphdr *uh, u8 family,
		       const union nf_inet_addr *dst)
{
	return uh->dest == htons(BPFLB_GENEVE_PORT) && bpflb_node_is_live(bn, family, dst);
}

/* Where the packet that is quoted begins, if the error says what would have fitted. */
static u32 quote_of(const struct sk_buff *skb, bool ipv6, u32 *mtu)
{
	int offset = bpflb_icmp_offset(skb, ipv6);
	const struct icmphdr *icmph;
	struct icmphdr buf;

	icmph = offset < 0 ? NULL : skb_header_pointer(skb, offset, sizeof(buf), &buf);
	if (!icmph)
		return 0;
	/* The MTU is at the end of the header in both families. */
	if (ipv6 && icmph->type == ICMPV6_PKT_TOOBIG)
		*mtu = ntohl(icmph->un.gateway);
	else if (!ipv6 && icmph->type == ICMP_DEST_UNREACH && icmph->code == ICMP_FRAG_NEEDED)
		*mtu = ntohs(icmph->un.frag.mtu);
	else
		return 0;
	return offset + sizeof(*icmph);
}

static void learn4(struct bpflb_net *bn, struct sk_buff *skb, u32 quote, u32 mtu)
{
	const struct iphdr *iph = (const struct iphdr *)(skb->data + quote);
	const union nf_inet_addr src = { .ip = iph->saddr }, dst = { .ip = iph->daddr };

	if (iph->version != 4 || iph->ihl != 5 ||
	    !bpflb_addr_is_own(bn->net, NFPROTO_IPV4, &src))
		return;
	if (iph->protocol == IPPROTO_UDP ?
	    !is_to_node(bn, (const struct udphdr *)(iph + 1), NFPROTO_IPV4, &dst) :
	    iph->protocol != IPPROTO_IPIP ||
	    !is_of_ipip_flow(bn, skb, quote + sizeof(*iph), NFPROTO_IPV4))
		return;
	__skb_pull(skb, quote);
	ipv4_update_pmtu(skb, bn->net, mtu, bpflb_vrf_of(skb), iph->protocol);
	__skb_push(skb, quote);
}

static void learn6(struct bpflb_net *bn, struct sk_buff *skb, u32 quote, u32 mtu)
{
	const struct ipv6hdr *ip6h = (const struct ipv6hdr *)(skb->data + quote);
	const union nf_inet_addr src = { .in6 = ip6h->saddr }, dst = { .in6 = ip6h->daddr };

	if (ip6h->version != 6 || !bpflb_addr_is_own(bn->net, NFPROTO_IPV6, &src))
		return;
	if (ip6h->nexthdr == IPPROTO_UDP ?
	    !is_to_node(bn, (const struct udphdr *)(ip6h + 1), NFPROTO_IPV6, &dst) :
	    ip6h->nexthdr != IPPROTO_IPV6 ||
	    !is_of_ipip_flow(bn, skb, quote + sizeof(*ip6h), NFPROTO_IPV6))
		return;
	__skb_pull(skb, quote);
	ip6_update_pmtu(skb, bn->net, htonl(mtu), bpflb_vrf_of(skb), skb->mark, GLOBAL_ROOT_UID);
	__skb_push(skb, quote);
}

/**
 * bpflb_tunnel_learn_mtu() - is a path narrower than this node's tunnels?
 * @bn: namespace
 * @skb: a packet in PREROUTING, neither TCP nor UDP
 * @family: its
 *
 * An ICMP error that tells so is about no socket of this node, so the stack would learn
 * nothing from it. It learns for the route; then clients whose packets do not fit are told.
 *
 * Context: RCU, bottom halves off. The packet may be copied, but is not changed.
 */
void bpflb_tunnel_learn_mtu(struct bpflb_net *bn, struct sk_buff *skb, u8 family)
{
	bool ipv6 = family == NFPROTO_IPV6;
	u32 mtu, quote = quote_of(skb, ipv6, &mtu);
	u32 need = (ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)) + sizeof(struct udphdr);

	if (!quote || !pskb_may_pull(skb, quote + need))
		return;
	if (ipv6)
		learn6(bn, skb, quote, mtu);
	else
		learn4(bn, skb, quote, mtu);
}
