// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a packet that does not exist would get to a backend. One that looks like it on the way is
 * made, so that the kernel can be asked for the route that it would take; it is never sent.
 */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/route.h>

#include "ask.h"
#include "backend.h"
#include "dsr.h"
#include "explain.h"
#include "netns.h"
#include "snat.h"
#include "stats.h"
#include "vrf.h"

/* More than any transport header that routes may be chosen by. */
#define TRANSPORT_LEN	20

/* @vrf: that whose routes are asked; 0: those of no VRF */
static struct dst_entry *route_from_here(struct net *net, const struct bpflb_tuple *t, int vrf)
{
	struct flowi4 fl4 = {
		.flowi4_oif = vrf,
		.saddr = t->src.addr.ip,
		.daddr = t->dst.addr.ip,
		.flowi4_proto = t->proto,
		.fl4_sport = t->src.port,
		.fl4_dport = t->dst.port,
		.flowi4_flags = FLOWI_FLAG_ANYSRC,
	};
	struct flowi6 fl6 = {
		.flowi6_oif = vrf,
		.saddr = t->src.addr.in6,
		.daddr = t->dst.addr.in6,
		.flowi6_proto = t->proto,
		.fl6_sport = t->src.port,
		.fl6_dport = t->dst.port,
		.flowi6_flags = FLOWI_FLAG_ANYSRC,
	};
	struct rtable *rt;

	if (t->family == NFPROTO_IPV6)
		return ip6_route_output(net, NULL, &fl6);
	rt = ip_route_output_key(net, &fl4);
	return IS_ERR(rt) ? NULL : &rt->dst;
}

/* What leads to an address; NULL: nothing does. */
static struct net_device *device_to(struct net *net, const struct bpflb_tuple *t, int vrf)
{
	struct dst_entry *dst = route_from_here(net, t, vrf);
	struct net_device *dev = NULL;

	if (!dst)
		return NULL;
	if (!dst->error)
		dev = dst->dev;
	dst_release(dst);
	return dev;
}

/**
 * bpflb_explain_device() - the device that a client's packets come in by, most likely
 * @bn: namespace
 * @family: of the address
 * @client: its address
 *
 * Routes of VRFs are asked where there is no other.
 *
 * Context: RCU; valid in that. Return: what leads to the client; NULL if nothing does.
 */
struct net_device *bpflb_explain_device(struct bpflb_net *bn, u8 family,
					const union nf_inet_addr *client)
{
	const struct bpflb_tuple t = { .dst.addr = *client, .family = family };
	const struct bpflb_vrfs *vrfs = rcu_dereference(bn->vrfs);
	struct net_device *dev = device_to(bn->net, &t, 0);
	unsigned int i;

	for (i = 0; !dev && vrfs && i < vrfs->n; i++)
		dev = device_to(bn->net, &t, vrfs->ifindex[i]);
	return dev;
}

static void put_header4(struct sk_buff *skb, const struct bpflb_tuple *t)
{
	struct iphdr *iph = skb_put_zero(skb, sizeof(*iph));

	skb->protocol = htons(ETH_P_IP);
	iph->version = 4;
	iph->ihl = sizeof(*iph) / 4;
	iph->ttl = 64;
	iph->protocol = t->proto;
	iph->tot_len = htons(sizeof(*iph) + TRANSPORT_LEN);
	iph->saddr = t->src.addr.ip;
	iph->daddr = t->dst.addr.ip;
}

static void put_header6(struct sk_buff *skb, const struct bpflb_tuple *t)
{
	struct ipv6hdr *ip6h = skb_put_zero(skb, sizeof(*ip6h));

	skb->protocol = htons(ETH_P_IPV6);
	ip6h->version = 6;
	ip6h->hop_limit = 64;
	ip6h->nexthdr = t->proto;
	ip6h->payload_len = htons(TRANSPORT_LEN);
	ip6h->saddr = t->src.addr.in6;
	ip6h->daddr = t->dst.addr.in6;
}

static struct sk_buff *packet_of(const struct bpflb_tuple *t, struct net_device *dev)
{
	struct sk_buff *skb = alloc_skb(LL_MAX_HEADER + sizeof(struct ipv6hdr) + TRANSPORT_LEN,
					GFP_ATOMIC | __GFP_NOWARN);
	__be16 *ports;

	if (!skb)
		return NULL;
	skb_reserve(skb, LL_MAX_HEADER);
	skb_reset_mac_header(skb);
	skb_reset_network_header(skb);
	if (t->family == NFPROTO_IPV6)
		put_header6(skb, t);
	else
		put_header4(skb, t);
	skb_set_transport_header(skb, skb->len);
	ports = skb_put_zero(skb, TRANSPORT_LEN);
	ports[0] = t->src.port;
	ports[1] = t->dst.port;
	skb->dev = dev;
	skb->skb_iif = dev ? dev->ifindex : 0;
	return skb;
}

static struct dst_entry *forward6(struct net *net, struct sk_buff *skb,
				  const struct bpflb_tuple *t)
{
	struct flowi6 fl6 = {
		.flowi6_iif = skb->dev->ifindex,
		.saddr = t->src.addr.in6,
		.daddr = t->dst.addr.in6,
		.flowi6_proto = t->proto,
	};

	return ip6_route_input_lookup(net, skb->dev, &fl6, skb, RT6_LOOKUP_F_HAS_SADDR);
}

/* The packet gets its route, as it would by forwarding, or on its way out of this node. */
static bool route_packet(struct bpflb_net *bn, struct sk_buff *skb, const struct bpflb_tuple *t,
			 bool local_out)
{
	struct dst_entry *dst = NULL;

	if (local_out)
		dst = route_from_here(bn->net, t, bpflb_vrf_with_addr(bn->net, t->family,
								      &t->src.addr));
	else if (skb->dev && t->family == NFPROTO_IPV6)
		dst = forward6(bn->net, skb, t);
	else if (skb->dev && ip_route_input_noref(skb, t->dst.addr.ip, t->src.addr.ip, 0, skb->dev))
		return false;
	if (dst)
		skb_dst_set(skb, dst);
	dst = skb_dst(skb);
	return dst && !dst->error;
}

static void read_route(struct bpflb_explain_way *way, const struct dst_entry *dst, u8 family)
{
	const struct rtable *rt;
	const struct rt6_info *rt6;

	way->gateway_family = 0;
	way->out = dst->dev;
	way->mtu = dst_mtu(dst);
	if (family == NFPROTO_IPV6) {
		rt6 = container_of(dst, const struct rt6_info, dst);
		if (!(rt6->rt6i_flags & RTF_GATEWAY))
			return;
		way->gateway_family = NFPROTO_IPV6;
		way->gateway.in6 = rt6->rt6i_gateway;
		return;
	}
	rt = container_of(dst, const struct rtable, dst);
	if (!rt->rt_uses_gateway)
		return;
	way->gateway_family = rt->rt_gw_family == AF_INET6 ? NFPROTO_IPV6 : NFPROTO_IPV4;
	if (rt->rt_gw_family == AF_INET6)
		way->gateway.in6 = rt->rt_gw6;
	else
		way->gateway.ip = rt->rt_gw4;
}

static void by_dsr(const struct bpflb_explain *e, const struct sk_buff *skb,
		   const struct bpflb_flow *flow, struct bpflb_explain_way *way)
{
	struct bpflb_dsr_path path;

	way->reason = bpflb_dsr_tell(flow, skb, &e->pkt, &path);
	way->head = path.head;
	way->end = path.end;
	way->end_family = path.family;
	if (!path.dst)
		return;
	/* A packet by opt leaves by its own route; it is only its size that this one is for. */
	if (flow->dispatch == BPFLB_DISPATCH_OPT)
		way->mtu = dst_mtu(path.dst);
	else
		read_route(way, path.dst, path.family ?: e->pkt.tuple.family);
	dst_release(path.dst);
}

static bool is_taken(const struct bpflb_net *bn, const struct bpflb_flow *flow)
{
	struct bpflb_tuple mid;

	bpflb_flow_tuple(flow, BPFLB_KEY_MID, &mid);
	return bpflb_flow_find_mid(bn, &mid).flow;
}

/**
 * bpflb_explain_way() - how the packet would get to a backend
 * @e: the packet, and what becomes of it
 * @slot: one that it may be sent to
 * @flow: room for a flow of its family, zeroed
 * @way: the result
 *
 * Context: RCU, bottom halves off; @way is valid in that.
 */
void bpflb_explain_way(const struct bpflb_explain *e, const struct bpflb_slot *slot,
		       struct bpflb_flow *flow, struct bpflb_explain_way *way)
{
	struct bpflb_tuple mid;
	struct sk_buff *skb;

	*way = (struct bpflb_explain_way){
		.course = bpflb_course_of(e->bn, e->v, slot, &e->pkt,
					  bpflb_policy_at(e->v, e->fe)),
		.reason = BPFLB_NO_DROP,
	};
	bpflb_flow_set(flow, e->bn, slot->be, &e->pkt, way->course.kind);
	flow->dispatch = way->course.dispatch;
	if (way->course.kind == BPFLB_FLOW_DSR_OUT && bpflb_packet_is_in_mid_life(&e->pkt))
		flow->flags |= BPFLB_FLOW_NOTE_ALWAYS;
	way->other_port = is_taken(e->bn, flow);
	bpflb_flow_tuple(flow, BPFLB_KEY_MID, &mid);
	skb = packet_of(&mid, e->in);
	if (!skb)
		return;
	if (!route_packet(e->bn, skb, &mid, e->pkt.local_out)) {
		way->no_route = true;
		if (e->pkt.local_out)
			way->reason = BPFLB_DROP_REROUTE;
	} else {
		read_route(way, skb_dst(skb), mid.family);
		if (way->course.kind == BPFLB_FLOW_SNAT)
			way->reason = bpflb_snat_tell(flow, skb, way->out, &way->source);
		else if (way->course.kind == BPFLB_FLOW_DSR_OUT)
			by_dsr(e, skb, flow, way);
	}
	/* Some routes are not counted: they go before RCU lets them. */
	skb_dst_drop(skb);
	kfree_skb(skb);
}
