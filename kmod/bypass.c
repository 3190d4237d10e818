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
#include <linux/math64.h>
#include <net/arp.h>
#include <net/ip.h>
#include <net/neighbour.h>
#include <net/route.h>
#if IS_ENABLED(CONFIG_NF_CONNTRACK)
#include <net/netfilter/nf_conntrack.h>
#endif

#include "backend.h"
#include "bypass.h"
#include "compat/gso.h"
#include "dsr.h"
#include "flow_find.h"
#include "flow_index.h"
#include "netns.h"
#include "rewrite.h"
#include "stats.h"

/* The other states are the stack's: it is to see a connection begin and end. */
#define STATES	(BIT(BPFLB_STATE_TCP_ESTABLISHED) | BIT(BPFLB_STATE_UDP_UNREPLIED) | \
		 BIT(BPFLB_STATE_UDP_REPLIED))

#define TCP_FLAGS	(BPFLB_TCP_FIN | BPFLB_TCP_SYN | BPFLB_TCP_RST)

/* The clock of bpflb_flow.refresh ticks every 4 seconds, and goes round in 3 days. */
#define REFRESH_TICK	(4 * HZ)
#define REFRESH_MAX	S16_MAX

static u16 refresh_now(void)
{
	return div_u64(get_jiffies_64(), REFRESH_TICK);
}

static struct rtable *route_of(struct dst_entry *dst)
{
	return container_of(dst, struct rtable, dst);
}

static void way_close(struct bpflb_way *way)
{
	struct dst_entry *dst = xchg(&way->dst, NULL);

	if (dst)
		dst_release(dst);
}

/**
 * bpflb_bypass_end() - let the packets of a flow take the stack's way
 * @flow: the flow
 *
 * Context: RCU; or nobody has the flow any more.
 */
void bpflb_bypass_end(struct bpflb_flow *flow)
{
	way_close(&flow->way[0]);
	way_close(&flow->way[1]);
}

static bool is_allowed(const struct bpflb_net *bn, const struct bpflb_flow *flow)
{
	return READ_ONCE(flow->be->bypass) && rcu_dereference(bn->settings)->bypass;
}

/* Is there anything about the packet that only the stack deals with? */
static bool is_ordinary(struct sk_buff *skb, const struct iphdr *iph, bool tcp)
{
	return iph->ttl > 1 &&
	       !(tcp && ((const u8 *)(iph + 1))[13] & TCP_FLAGS) &&
	       /* to be fragmented again as it was */
	       !IPCB(skb)->frag_max_size &&
	       /* decrypted (xfrm), bridged (br_netfilter) */
	       !skb_has_extensions(skb);
}

static bool is_too_big(const struct sk_buff *skb, u32 mtu)
{
	if (likely(skb->len <= mtu))
		return false;
	/* Without a type: merged by a device that should not (LRO). */
	return !skb_is_gso(skb) || !skb_shinfo(skb)->gso_type ||
	       !skb_gso_validate_network_len(skb, mtu);
}

/* What is due once a second: is the flow still good? */
static bool is_good(struct bpflb_flow *flow)
{
	if (likely(bpflb_flow_idle(flow) < HZ))
		return true;
	if (bpflb_flow_is_expired(flow))
		return false;
	if (flow->refresh && (s16)(refresh_now() - flow->refresh) >= 0) {
		bpflb_bypass_end(flow);
		return false;
	}
	WRITE_ONCE(flow->seen, (u32)jiffies);
	return true;
}

/* Return: NULL where the stack had better look for it. */
static struct neighbour *neighbour_of(const struct rtable *rt, __be32 daddr)
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

/* Does each packet of this flow get a note, that needs room? */
static bool has_notes(const struct bpflb_flow *flow)
{
	return flow->kind == BPFLB_FLOW_DSR_OUT && bpflb_dsr_notes_each(flow);
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

/* Send the packet on, if its flow has a way for it. Else it is as it was. */
static __always_inline bool send(struct bpflb_net *bn, struct sk_buff *skb, bool tcp,
				 struct bpflb_flow *flow, bool reply)
{
	struct bpflb_way *way = &flow->way[reply];
	/* Pairs with the release in way_open(). */
	struct dst_entry *dst = smp_load_acquire(&way->dst);
	u32 len = skb->len, note = 0;
	struct bpflb_ends4 to;
	struct neighbour *n;
	struct iphdr *iph;

	if (!dst || skb->skb_iif != READ_ONCE(way->iif) ||
	    is_too_big(skb, READ_ONCE(way->mtu)) || !is_ordinary(skb, ip_hdr(skb), tcp) ||
	    !(BIT(READ_ONCE(flow->state)) & STATES) || !is_allowed(bn, flow) || !is_good(flow))
		return false;
	/* UDP goes to another backend when its own is removed. */
	if (!tcp && !READ_ONCE(flow->be->live))
		return false;
	/* Pairs with way_open(): device and MTU were this route's. */
	smp_rmb();
	if (READ_ONCE(way->dst) != dst)
		return false;
	if (!is_current(bn->net, route_of(dst))) {
		way_close(way);
		return false;
	}
	target(flow, reply, &to);
	n = neighbour_of(route_of(dst), to.daddr);
	if (!n || skb_cow(skb, LL_RESERVED_SPACE(dst->dev) + BPFLB_NOTE_OPT4_LEN))
		return false;
	if (unlikely(has_notes(flow))) {
		if (!put_note(bn, skb, flow))
			return false;
		note = BPFLB_NOTE_OPT4_LEN;
	}

	iph = ip_hdr(skb);
	bpflb_rewrite4(skb, iph, (u8 *)(iph + 1) + note, tcp, true, &to);
	bpflb_counters_packet(flow->counters, len, reply);
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

/* Is the route one that a packet can be sent on by from PREROUTING? */
static bool is_ordinary_route(const struct rtable *rt, const struct net_device *out)
{
	return rt->rt_type == RTN_UNICAST && rt->dst.dev == out && netif_running(out) &&
	       !(out->flags & IFF_LOOPBACK) && rt->rt_gw_family != AF_INET6 &&
	       rt->dst.obsolete == DST_OBSOLETE_FORCE_CHK && !dst_xfrm(&rt->dst) &&
	       !rt->dst.lwtstate;
}

#if IS_ENABLED(CONFIG_NF_CONNTRACK)
/* Conntrack will see no more of the connection for a while. It must not call
 * what it sees then invalid, nor have forgotten the connection: so it sees a
 * packet when half of its timeout is over.
 */
static bool conntrack_agrees(struct bpflb_flow *flow, const struct sk_buff *skb)
{
	enum ip_conntrack_info info;
	struct nf_conn *ct = nf_ct_get(skb, &info);
	u16 refresh;

	if (!ct)
		return true;
	/* Helpers, and whoever else rewrites it, are to see each packet. */
	if (!nf_ct_is_confirmed(ct) ||
	    READ_ONCE(ct->status) & (IPS_HELPER | IPS_SEQ_ADJUST | IPS_NAT_MASK))
		return false;
	if (bpflb_flow_proto(flow) == IPPROTO_TCP) {
		bool established;

		spin_lock_bh(&ct->lock);
		established = ct->proto.tcp.state == TCP_CONNTRACK_ESTABLISHED;
		if (established) {
			ct->proto.tcp.seen[0].flags |= IP_CT_TCP_FLAG_BE_LIBERAL;
			ct->proto.tcp.seen[1].flags |= IP_CT_TCP_FLAG_BE_LIBERAL;
		}
		spin_unlock_bh(&ct->lock);
		if (!established)
			return false;
	}
	refresh = refresh_now() + min_t(unsigned long, nf_ct_expires(ct) / 2 / REFRESH_TICK,
					REFRESH_MAX);
	WRITE_ONCE(flow->refresh, refresh ?: 1);
	return true;
}
#else
static bool conntrack_agrees(struct bpflb_flow *flow, const struct sk_buff *skb)
{
	return true;
}
#endif

/* Caller holds the lock of the flow's MID. */
static void way_open(struct bpflb_way *way, struct dst_entry *dst, int iif, u32 mtu)
{
	if (!dst_hold_safe(dst))
		return;
	way_close(way);
	/* Who reads what follows finds no route, or another one. */
	smp_wmb();
	WRITE_ONCE(way->iif, iif);
	WRITE_ONCE(way->mtu, min_t(u32, mtu, U16_MAX));
	/* Pairs with the acquire in bpflb_bypass(). */
	smp_store_release(&way->dst, dst);
}

static bool has_way(const struct bpflb_way *way, const struct sk_buff *skb)
{
	return READ_ONCE(way->dst) == skb_dst(skb) && READ_ONCE(way->iif) == skb->skb_iif;
}

/**
 * bpflb_bypass_grant() - the packets that follow this one may bypass the stack
 * @m: its flow, found by MID
 * @skb: the packet, which leaves: in POSTROUTING
 * @out: the device that it leaves by
 *
 * If nothing speaks against it.
 *
 * Context: RCU, bottom halves off; takes a bucket lock.
 */
void bpflb_bypass_grant(const struct bpflb_match *m, struct sk_buff *skb,
			const struct net_device *out)
{
	struct bpflb_flow *flow = m->flow;
	struct bpflb_way *way = &flow->way[bpflb_role_is_reply(m->role)];
	struct rtable *rt = skb_rtable(skb);
	spinlock_t *lock;	/* the flow's ways */
	u32 mtu;

	if (bpflb_flow_is_ipv6(flow) || !(BIT(READ_ONCE(flow->state)) & STATES) || !is_allowed(flow->bn, flow) ||
	    !(IPCB(skb)->flags & IPSKB_FORWARDED) || skb_has_extensions(skb) || !rt ||
	    has_way(way, skb) || !is_ordinary_route(rt, out) || !conntrack_agrees(flow, skb))
		return;
	mtu = ip_dst_mtu_maybe_forward(&rt->dst, true);
	if (has_notes(flow))
		mtu -= BPFLB_NOTE_OPT4_LEN;
	lock = bpflb_index_lock(flow->hash[BPFLB_KEY_MID]);
	spin_lock(lock);
	if (!(flow->flags & BPFLB_FLOW_DEAD))
		way_open(way, &rt->dst, skb->skb_iif, mtu);
	spin_unlock(lock);
}
