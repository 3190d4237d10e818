// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bypass: once a packet of a flow has passed routing and firewall, and leaves,
 * its route is kept in the flow; those that follow it by the same device go from
 * PREROUTING straight to the neighbour. The two directions are apart.
 *
 * What a packet is spared: the FIB lookup, every netfilter hook behind ours,
 * conntrack. What it gets from here instead: TTL, MTU, priority from the TOS,
 * the counts of forwarded packets. Anything out of the ordinary takes the
 * stack's way, in the same order: both ways end in the same neighbour's queue.
 */
#include <linux/ip.h>
#include <net/arp.h>
#include <net/ip.h>
#include <net/neighbour.h>
#include <net/route.h>

#include "bypass_way.h"
#include "flow_find.h"
#include "rewrite.h"
#include "stats.h"

static struct rtable *route_of(struct dst_entry *dst)
{
	return container_of(dst, struct rtable, dst);
}

/* Is there anything about the packet that only the stack deals with? */
static bool is_ordinary(struct sk_buff *skb, const struct iphdr *iph, bool tcp)
{
	return iph->ttl > 1 &&
	       !(tcp && ((const u8 *)(iph + 1))[13] & BPFLB_BYPASS_TCP_FLAGS) &&
	       /* to be fragmented again as it was */
	       !IPCB(skb)->frag_max_size &&
	       /* decrypted (xfrm), bridged (br_netfilter) */
	       !skb_has_extensions(skb);
}

/* Return: NULL where the stack had better look for it. */
static __always_inline struct neighbour *neighbour_of(const struct rtable *rt, __be32 daddr)
{
	struct neighbour *n;

	n = __ipv4_neigh_lookup_noref(rt->dst.dev, (__force u32)rt_nexthop(rt, daddr));
	return n && READ_ONCE(n->nud_state) & NUD_VALID ? n : NULL;
}

/* dst_check() would find out the same, by way of an indirect call. */
static bool is_current(const struct net *net, const struct rtable *rt)
{
	return READ_ONCE(rt->dst.obsolete) == DST_OBSOLETE_FORCE_CHK &&
	       rt->rt_genid == rt_genid_ipv4(net);
}

/* What the packet is to look like when it leaves. */
static __always_inline void target(const struct bpflb_flow *flow, bool reply,
				   struct bpflb_ends4 *to)
{
	if (reply) {
		to->saddr = flow->addr[BPFLB_ADDR_SERVICE];
		to->daddr = flow->addr[BPFLB_ADDR_CLIENT];
		to->sport = flow->vport;
		to->dport = flow->cport;
		return;
	}
	to->daddr = flow->addr[BPFLB_ADDR_BACKEND];
	to->dport = flow->bport;
	if (flow->kind == BPFLB_FLOW_SNAT) {
		to->saddr = flow->addr[BPFLB_ADDR_SNAT];
		to->sport = flow->sport;
	} else {
		to->saddr = flow->addr[BPFLB_ADDR_CLIENT];
		to->sport = flow->mport;
	}
}

static noinline bool put_note(struct bpflb_net *bn, struct sk_buff *skb,
			      const struct bpflb_flow *flow)
{
	const struct bpflb_endpoint note = {
		.addr = { .ip = flow->addr[BPFLB_ADDR_SERVICE] },
		.port = flow->vport,
	};

	if (!bpflb_note_opt4_put(skb, &note))
		return false;
	this_cpu_inc(bn->counters->notes_sent);
	return true;
}

/* As ip_forward() and ip_output() do, and then to the neighbour. */
static __always_inline void transmit(struct net *net, struct sk_buff *skb, u8 tos,
				     struct rtable *rt, struct neighbour *n)
{
	skb->priority = rt_tos2priority(tos);
	skb_forward_csum(skb);
	skb_clear_tstamp(skb);
	IP_INC_STATS(net, IPSTATS_MIB_OUTFORWDATAGRAMS);
	IP_UPD_PO_STATS(net, IPSTATS_MIB_OUT, skb->len);

	skb->dev = rt->dst.dev;
	skb_dst_drop(skb);
	skb_dst_set_noref(skb, &rt->dst);
	neigh_output(n, skb, false);
}

/* Of a flow that DSR dispatches otherwise than with an option. */
static noinline bool send_dispatched(struct bpflb_net *bn, struct sk_buff *skb, bool tcp,
				     struct bpflb_flow *flow, struct rtable *rt)
{
	bool tunnel = flow->dispatch != BPFLB_DISPATCH_L2;
	u32 len = skb->len, head = 0;
	struct bpflb_ends4 to;
	struct bpflb_tunnel t;
	struct neighbour *n;

	if (tunnel) {
		if (!bpflb_tunnel_of(flow, bpflb_dsr_notes_each(flow), &t) || t.family != t.inner)
			return false;
		head = bpflb_tunnel_len(&t);
	}
	if (len + head > U16_MAX || skb->encapsulation)
		return false;
	n = neighbour_of(rt, tunnel ? t.dst.ip : flow->addr[BPFLB_ADDR_BACKEND]);
	if (!n || skb_cow(skb, LL_RESERVED_SPACE(rt->dst.dev) + head))
		return false;
	to.saddr = flow->addr[BPFLB_ADDR_CLIENT];
	to.daddr = flow->addr[BPFLB_ADDR_SERVICE];
	to.sport = flow->cport;
	to.dport = flow->vport;
	if (flow->dispatch == BPFLB_DISPATCH_GENEVE) {
		to.daddr = flow->addr[BPFLB_ADDR_BACKEND];
		to.dport = flow->bport;
	}
	bpflb_rewrite4(skb, ip_hdr(skb), ip_hdr(skb) + 1, tcp, true, &to);
	bpflb_flow_count(flow, len, false);
	if (tunnel && !bpflb_tunnel_put(bn, skb, &t, rt->dst.dev)) {
		bpflb_drop(bn, flow->be->key.svc, skb, BPFLB_DROP_NO_MEMORY);
		bpflb_drop_free(skb, BPFLB_DROP_NO_MEMORY);
		return true;
	}
	if (tunnel && t.noted)
		this_cpu_inc(bn->counters->notes_sent);
	this_cpu_inc(bn->counters->bypassed);
	transmit(bn->net, skb, ip_hdr(skb)->tos, rt, n);
	return true;
}

/* Send the packet on, if its flow has a way for it. Else it is as it was. */
static __always_inline bool send(struct bpflb_net *bn, struct sk_buff *skb, bool tcp,
				 struct bpflb_flow *flow, bool reply)
{
	struct bpflb_way *way = &flow->way[reply];
	/* Pairs with the release in way_open() (bypass_grant.c). */
	struct dst_entry *dst = smp_load_acquire(&way->dst);
	u32 len = skb->len, note = 0;
	struct bpflb_ends4 to;
	struct neighbour *n;
	struct iphdr *iph;

	if (!dst || skb->skb_iif != READ_ONCE(way->iif) ||
	    bpflb_is_too_big(skb, READ_ONCE(way->mtu)) || !is_ordinary(skb, ip_hdr(skb), tcp) ||
	    !(BIT(READ_ONCE(flow->state)) & BPFLB_BYPASS_STATES) ||
	    !bpflb_bypass_is_allowed(bn, flow) || !bpflb_bypass_is_good(flow))
		return false;
	/* UDP goes to another backend when its own is removed, or moves. */
	if (!tcp && !bpflb_backend_keeps(flow->be, flow->kind))
		return false;
	/* Pairs with way_open(): device and MTU were this route's. */
	smp_rmb();
	if (READ_ONCE(way->dst) != dst)
		return false;
	if (!is_current(bn->net, route_of(dst))) {
		bpflb_way_close(way);
		return false;
	}
	if (unlikely(flow->dispatch))
		return send_dispatched(bn, skb, tcp, flow, route_of(dst));
	target(flow, reply, &to);
	n = neighbour_of(route_of(dst), to.daddr);
	if (!n || skb_cow(skb, LL_RESERVED_SPACE(dst->dev) + BPFLB_NOTE_OPT4_LEN))
		return false;
	if (unlikely(bpflb_bypass_has_notes(flow))) {
		if (!put_note(bn, skb, flow))
			return false;
		note = BPFLB_NOTE_OPT4_LEN;
	}

	iph = ip_hdr(skb);
	bpflb_rewrite4(skb, iph, (u8 *)(iph + 1) + note, tcp, true, &to);
	bpflb_flow_count(flow, len, reply);
	this_cpu_inc(bn->counters->bypassed);
	transmit(bn->net, skb, iph->tos, route_of(dst), n);
	return true;
}

/**
 * bpflb_bypass() - look up the flow of a packet, and send the packet on if it may
 * @bn: namespace
 * @skb: the packet, in PREROUTING
 *
 * Context: RCU, bottom halves off. Return: whether it was sent. If not it is as
 * it was, for the stack.
 */
struct bpflb_bypassed bpflb_bypass(struct bpflb_net *bn, struct sk_buff *skb)
{
	struct bpflb_bypassed done = {};
	struct bpflb_key4 k;
	struct bpflb_match m;

	if (!bpflb_packet_key4(skb, bn->id, &k))
		return done;
	done.hash = bpflb_key4_hash(&k, &bpflb_flow_secret);
	m = bpflb_flow_find4(&k, done.hash, false);
	done.flow = m.flow;
	done.role = m.role;
	done.looked = true;
	done.sent = m.flow && send(bn, skb, (u8)k.ns_proto == IPPROTO_TCP, m.flow,
				   bpflb_role_is_reply(m.role));
	return done;
}
