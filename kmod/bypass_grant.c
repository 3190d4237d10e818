// SPDX-License-Identifier: GPL-2.0-only
/* Whether the packets that follow one may bypass the stack, and by which route. */
#if IS_ENABLED(CONFIG_NF_CONNTRACK)
#include <net/netfilter/nf_conntrack.h>
#endif
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/route.h>

#include "bypass_way.h"
#include "flow_index.h"
#include "vrf.h"

/**
 * bpflb_bypass_end() - let the packets of a flow take the stack's way
 * @flow: the flow
 *
 * Context: RCU; or nobody has the flow any more.
 */
void bpflb_bypass_end(struct bpflb_flow *flow)
{
	bpflb_way_close(&flow->way[0]);
	bpflb_way_close(&flow->way[1]);
}

static bool leads_out(const struct dst_entry *dst, const struct net_device *out)
{
	return dst->dev == out && netif_running(out) && !(out->flags & IFF_LOOPBACK) &&
	       dst->obsolete == DST_OBSOLETE_FORCE_CHK && !dst_xfrm(dst) && !dst->lwtstate;
}

static bool is_ordinary4(const struct rtable *rt)
{
	return rt->rt_type == RTN_UNICAST && rt->rt_gw_family != AF_INET6;
}

static bool is_ordinary6(const struct rt6_info *rt)
{
	return !(rt->rt6i_flags & (RTF_LOCAL | RTF_ANYCAST | RTF_REJECT));
}

/* Can a packet be sent on from PREROUTING by the route that this one takes? */
static bool is_ordinary_route(const struct dst_entry *dst, bool ipv6, const struct net_device *out)
{
	return dst && leads_out(dst, out) &&
	       (ipv6 ? is_ordinary6(container_of(dst, const struct rt6_info, dst)) :
		       is_ordinary4(container_of(dst, const struct rtable, dst)));
}

/* One of this node's own has come in by no device. */
static bool was_forwarded(const struct sk_buff *skb, bool ipv6)
{
	return ipv6 ? skb->skb_iif && !skb->sk : IPCB(skb)->flags & IPSKB_FORWARDED;
}

static u32 mtu_of(const struct dst_entry *dst, bool ipv6)
{
	return ipv6 ? max_t(u32, ip6_dst_mtu_maybe_forward(dst, true), IPV6_MIN_MTU) :
		      ip_dst_mtu_maybe_forward(dst, true);
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
	unsigned long half;
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
	half = nf_ct_expires(ct) / 2 / BPFLB_REFRESH_TICK;
	refresh = bpflb_refresh_now() + min_t(unsigned long, half, BPFLB_REFRESH_MAX);
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
static void way_open(struct bpflb_flow *flow, bool reply, struct dst_entry *dst, int iif, u32 mtu)
{
	struct bpflb_way *way = &flow->way[reply];

	if (!dst_hold_safe(dst))
		return;
	bpflb_way_close(way);
	/* Who reads what follows finds no route, or another one. */
	smp_wmb();
	WRITE_ONCE(way->iif, iif);
	WRITE_ONCE(way->mtu, min_t(u32, mtu, U16_MAX));
	if (bpflb_flow_is_ipv6(flow))
		WRITE_ONCE(flow->cookie[reply],
			   rt6_get_cookie(container_of(dst, struct rt6_info, dst)));
	/* Pairs with the acquires where packets are sent. */
	smp_store_release(&way->dst, dst);
}

static bool has_way(const struct bpflb_way *way, int iif, const struct dst_entry *dst)
{
	return READ_ONCE(way->dst) == dst && READ_ONCE(way->iif) == iif;
}

/**
 * bpflb_bypass_grant() - the packets that follow this one may bypass the stack
 * @m: its flow, found by MID
 * @skb: the packet, which leaves: in POSTROUTING
 * @dst: the route that it leaves by, of its own family; of a tunnel that of the outer packet
 * @out: the device of that
 *
 * If nothing speaks against it.
 *
 * Context: RCU, bottom halves off; takes a bucket lock.
 */
void bpflb_bypass_grant(const struct bpflb_match *m, struct sk_buff *skb, struct dst_entry *dst,
			const struct net_device *out)
{
	bool reply = bpflb_role_is_reply(m->role);
	struct bpflb_flow *flow = m->flow;
	bool ipv6 = bpflb_flow_is_ipv6(flow);
	int iif = bpflb_vrf_port(skb, bpflb_flow_family(flow));
	spinlock_t *lock;	/* the flow's ways */
	u32 mtu;

	if (!(BIT(READ_ONCE(flow->state)) & BPFLB_BYPASS_STATES) ||
	    !bpflb_bypass_is_allowed(flow->bn, flow) || !was_forwarded(skb, ipv6) ||
	    skb_has_extensions(skb) || has_way(&flow->way[reply], iif, dst) ||
	    !is_ordinary_route(dst, ipv6, out) || !conntrack_agrees(flow, skb))
		return;
	mtu = mtu_of(dst, ipv6) - bpflb_bypass_head(flow);
	lock = bpflb_index_lock(flow->hash[BPFLB_KEY_MID]);
	spin_lock(lock);
	if (!(flow->flags & BPFLB_FLOW_DEAD))
		way_open(flow, reply, dst, iif, mtu);
	spin_unlock(lock);
}
