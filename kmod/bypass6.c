// SPDX-License-Identifier: GPL-2.0-only
/* Bypass of IPv6 packets; see bypass.c. */
#include <linux/ipv6.h>
#include <net/addrconf.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/ndisc.h>
#include <net/neighbour.h>

#include "bypass_way.h"
#include "compat/ip6_stats.h"
#include "flow_find.h"
#include "rewrite.h"
#include "stats.h"

/* Is there anything about the packet that only the stack deals with? */
static bool is_ordinary(struct sk_buff *skb, const struct ipv6hdr *ip6h, bool tcp)
{
	return ip6h->hop_limit > 1 &&
	       !(tcp && ((const u8 *)(ip6h + 1))[13] & BPFLB_BYPASS_TCP_FLAGS) &&
	       /* to be fragmented again as it was */
	       !IP6CB(skb)->frag_max_size &&
	       /* decrypted (xfrm), bridged (br_netfilter) */
	       !skb_has_extensions(skb);
}

/* Other than in IPv4, the routes of a device stay when its MTU changes. */
static bool is_too_big(const struct sk_buff *skb, const struct dst_entry *dst,
		       const struct bpflb_flow *flow)
{
	u32 mtu = max_t(u32, ip6_dst_mtu_maybe_forward(dst, true), IPV6_MIN_MTU);

	return bpflb_is_too_big(skb, mtu - bpflb_bypass_head(flow));
}

static struct rt6_info *route_of(struct dst_entry *dst)
{
	return container_of(dst, struct rt6_info, dst);
}

/* Return: NULL where the stack had better look for it. */
static __always_inline struct neighbour *neighbour_of(const struct rt6_info *rt,
						      const struct in6_addr *daddr)
{
	struct neighbour *n;

	n = __ipv6_neigh_lookup_noref(rt->dst.dev, rt6_nexthop(rt, daddr));
	return n && READ_ONCE(n->nud_state) & NUD_VALID ? n : NULL;
}

/* What the packet is to look like when it leaves. */
static void target(const struct bpflb_flow *flow, bool reply, struct bpflb_ends6 *to)
{
	const struct in6_addr *addr = bpflb_flow_addr6(flow, 0);

	if (reply) {
		to->saddr = &addr[BPFLB_ADDR_SERVICE];
		to->daddr = &addr[BPFLB_ADDR_CLIENT];
		to->sport = flow->vport;
		to->dport = flow->cport;
		return;
	}
	to->daddr = &addr[BPFLB_ADDR_BACKEND];
	to->dport = flow->bport;
	if (flow->kind == BPFLB_FLOW_SNAT) {
		to->saddr = &addr[BPFLB_ADDR_SNAT];
		to->sport = flow->sport;
	} else {
		to->saddr = &addr[BPFLB_ADDR_CLIENT];
		to->sport = flow->mport;
	}
}

static noinline bool put_note(struct bpflb_net *bn, struct sk_buff *skb,
			      const struct bpflb_flow *flow)
{
	const struct bpflb_endpoint note = {
		.addr = bpflb_flow_addr(flow, BPFLB_ADDR_SERVICE),
		.port = flow->vport,
	};

	if (!bpflb_note_opt6_put(skb, &note))
		return false;
	this_cpu_inc(bn->counters->notes_sent);
	return true;
}

/* As ip6_forward() and ip6_output() do, and then to the neighbour. */
static __always_inline void transmit(struct net *net, struct sk_buff *skb, struct rt6_info *rt,
				     struct neighbour *n)
{
	struct inet6_dev *idev = ip6_dst_idev(&rt->dst);

	skb_forward_csum(skb);
	skb_clear_tstamp(skb);
	bpflb_ip6_count_forwarded(net, idev, skb->len);

	skb->dev = rt->dst.dev;
	skb_dst_drop(skb);
	skb_dst_set_noref(skb, &rt->dst);
	neigh_output(n, skb, false);
}

/* Of a flow that DSR dispatches otherwise than with an option. */
static noinline bool send_dispatched(struct bpflb_net *bn, struct sk_buff *skb, bool tcp,
				     struct bpflb_flow *flow, struct rt6_info *rt)
{
	const struct in6_addr *addr = bpflb_flow_addr6(flow, 0);
	bool tunnel = flow->dispatch != BPFLB_DISPATCH_L2;
	u32 len = skb->len, head = 0;
	struct bpflb_ends6 to;
	struct bpflb_tunnel t;
	struct neighbour *n;

	if (tunnel) {
		if (!bpflb_tunnel_of(flow, bpflb_dsr_notes_each(flow), &t) || t.family != t.inner)
			return false;
		head = bpflb_tunnel_len(&t);
	}
	if (len + head > U16_MAX || skb->encapsulation)
		return false;
	n = neighbour_of(rt, tunnel ? &t.dst.in6 : &addr[BPFLB_ADDR_BACKEND]);
	if (!n || skb_cow(skb, LL_RESERVED_SPACE(rt->dst.dev) + head))
		return false;
	to.saddr = &addr[BPFLB_ADDR_CLIENT];
	to.daddr = &addr[BPFLB_ADDR_SERVICE];
	to.sport = flow->cport;
	to.dport = flow->vport;
	if (flow->dispatch == BPFLB_DISPATCH_GENEVE) {
		to.daddr = &addr[BPFLB_ADDR_BACKEND];
		to.dport = flow->bport;
	}
	bpflb_rewrite6(skb, ipv6_hdr(skb), ipv6_hdr(skb) + 1, tcp, true, &to);
	bpflb_flow_count(flow, len, false);
	if (tunnel && !bpflb_tunnel_put(bn, skb, &t, rt->dst.dev)) {
		bpflb_drop(bn, flow->be->key.svc, skb, BPFLB_DROP_NO_MEMORY);
		bpflb_drop_free(skb, BPFLB_DROP_NO_MEMORY);
		return true;
	}
	if (tunnel && t.noted)
		this_cpu_inc(bn->counters->notes_sent);
	this_cpu_inc(bn->counters->bypassed);
	transmit(bn->net, skb, rt, n);
	return true;
}

/* Send the packet on, if its flow has a way for it. Else it is as it was. */
static bool send(struct bpflb_net *bn, struct sk_buff *skb, bool tcp, struct bpflb_flow *flow,
		 bool reply)
{
	struct bpflb_way *way = &flow->way[reply];
	/* Pairs with the release in way_open(). */
	struct dst_entry *dst = smp_load_acquire(&way->dst);
	u32 len = skb->len, note = 0, cookie;
	struct bpflb_ends6 to;
	struct ipv6hdr *ip6h;
	struct neighbour *n;

	if (!dst || skb->skb_iif != READ_ONCE(way->iif) ||
	    !is_ordinary(skb, ipv6_hdr(skb), tcp) ||
	    !(BIT(READ_ONCE(flow->state)) & BPFLB_BYPASS_STATES) ||
	    !bpflb_bypass_is_allowed(bn, flow) || !bpflb_bypass_is_good(flow) ||
	    !READ_ONCE(bn->net->ipv6.devconf_all->forwarding))
		return false;
	/* UDP goes to another backend when its own is removed, or moves. */
	if (!tcp && !bpflb_backend_keeps(flow->be, flow->kind))
		return false;
	cookie = READ_ONCE(flow->cookie[reply]);
	/* Pairs with way_open(): device, MTU and cookie were this route's. */
	smp_rmb();
	if (READ_ONCE(way->dst) != dst)
		return false;
	if (!dst_check(dst, cookie)) {
		bpflb_way_close(way);
		return false;
	}
	if (is_too_big(skb, dst, flow))
		return false;
	if (unlikely(flow->dispatch))
		return send_dispatched(bn, skb, tcp, flow, route_of(dst));
	target(flow, reply, &to);
	n = neighbour_of(route_of(dst), to.daddr);
	if (!n || skb_cow(skb, LL_RESERVED_SPACE(dst->dev) + BPFLB_NOTE_OPT6_LEN))
		return false;
	if (unlikely(bpflb_bypass_has_notes(flow))) {
		if (!bpflb_note_opt6_fits(skb) || !put_note(bn, skb, flow))
			return false;
		note = BPFLB_NOTE_OPT6_LEN;
	}

	ip6h = ipv6_hdr(skb);
	bpflb_rewrite6(skb, ip6h, (u8 *)(ip6h + 1) + note, tcp, true, &to);
	bpflb_flow_count(flow, len, reply);
	this_cpu_inc(bn->counters->bypassed);
	transmit(bn->net, skb, route_of(dst), n);
	return true;
}

/**
 * bpflb_bypass6() - look up the flow of a packet, and send the packet on if it may
 * @bn: namespace
 * @skb: the packet, in PREROUTING
 *
 * Context: RCU, bottom halves off. Return: whether it was sent. If not it is as
 * it was, for the stack.
 */
struct bpflb_bypassed bpflb_bypass6(struct bpflb_net *bn, struct sk_buff *skb)
{
	struct bpflb_bypassed done = {};
	struct bpflb_key6 k;
	struct bpflb_match m;

	if (!bpflb_packet_key6(skb, bn->id, &k))
		return done;
	done.hash = bpflb_key6_hash(&k, &bpflb_flow_secret);
	m = bpflb_flow_find6(&k, done.hash, false);
	done.flow = m.flow;
	done.role = m.role;
	done.looked = true;
	done.sent = m.flow && send(bn, skb, (u8)k.ns_proto == IPPROTO_TCP, m.flow,
				   bpflb_role_is_reply(m.role));
	return done;
}
