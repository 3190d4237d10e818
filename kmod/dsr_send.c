// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct server return, the sending side: how a client's packet, and the service's address,
 * gets to a backend elsewhere.
 *
 *	opt	the note is put on where the packet comes in; it leaves as any other
 *	geneve	it leaves for the backend's node in a tunnel, the note an option of that
 *	ipip	it leaves for the backend in a tunnel, as the client has sent it
 *	l2	it leaves for the backend's MAC, as the client has sent it
 *
 * Whichever it is: where it comes in it is asked whether the packet will outgrow its path,
 * for there it is still what an ICMP error must quote; and between our hooks it is client ->
 * backend.
 */
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/ipv6.h>
#include <net/icmp.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/route.h>

#include "backend.h"
#include "bypass.h"
#include "compat/ct_confirm.h"
#include "compat/gso.h"
#include "drop.h"
#include "dsr.h"
#include "dsr_tunnel.h"
#include "netns.h"
#include "rewrite.h"
#include "stats.h"
#include "vrf.h"

/* No IPv4 link has to carry more in one piece (RFC 791). */
#define SURELY_FITS 576

/** struct way_out - whereto, and by what kind of route */
struct way_out {
	u8 family;
	union nf_inet_addr addr;
	u8 proto;
	__be16 dport;	/* policies of xfrm may ask for it */
	u8 flags;	/* FLOWI_FLAG_* */
};

/* The note is on the first packet of TCP and SCTP; UDP has no first packet. */
static bool needs_note(const struct bpflb_packet *pkt, const struct bpflb_flow *flow)
{
	return bpflb_dsr_notes_each(flow) || bpflb_packet_is_syn(pkt);
}

static struct dst_entry *route4(struct bpflb_net *bn, const struct sk_buff *skb,
				const struct way_out *to, union nf_inet_addr *src)
{
	struct flowi4 fl4 = {
		.daddr = to->addr.ip,
		.flowi4_oif = bpflb_vrf_of(skb),
		.flowi4_mark = skb->mark,
		.flowi4_proto = to->proto,
		.fl4_dport = to->dport,
		.flowi4_flags = to->flags,
	};
	struct rtable *rt = ip_route_output_key(bn->net, &fl4);

	if (IS_ERR(rt))
		return NULL;
	src->ip = fl4.saddr;
	return &rt->dst;
}

static struct dst_entry *route6(struct bpflb_net *bn, const struct sk_buff *skb,
				const struct way_out *to, union nf_inet_addr *src)
{
	struct flowi6 fl6 = {
		.daddr = to->addr.in6,
		.flowi6_oif = bpflb_vrf_of(skb),
		.flowi6_mark = skb->mark,
		.flowi6_proto = to->proto,
		.fl6_dport = to->dport,
		.flowi6_flags = to->flags,
	};
	struct dst_entry *dst = ip6_dst_lookup_flow(bn->net, NULL, &fl6, NULL);

	if (IS_ERR(dst))
		return NULL;
	src->in6 = fl6.saddr;
	return dst;
}

/* Return: a reference, and in @src this node's address on it; NULL if there is none. */
static struct dst_entry *route(struct bpflb_net *bn, const struct sk_buff *skb,
			       const struct way_out *to, union nf_inet_addr *src)
{
	return to->family == NFPROTO_IPV6 ? route6(bn, skb, to, src) : route4(bn, skb, to, src);
}

static struct way_out way_to_backend(const struct bpflb_flow *flow, u8 flags)
{
	return (struct way_out){
		.family = bpflb_flow_family(flow),
		.addr = bpflb_flow_addr(flow, BPFLB_ADDR_BACKEND),
		.flags = flags,
	};
}

static struct way_out way_of_tunnel(const struct bpflb_tunnel *t)
{
	struct way_out to = {
		.family = t->family,
		.addr = t->dst,
		.proto = t->inner == NFPROTO_IPV6 ? IPPROTO_IPV6 : IPPROTO_IPIP,
	};

	if (t->dispatch == BPFLB_DISPATCH_GENEVE) {
		to.proto = IPPROTO_UDP;
		to.dport = htons(BPFLB_GENEVE_PORT);
	}
	return to;
}

/* Of what size the packet came that the stack has put together; 0: as it is */
static u32 pieces_of(const struct sk_buff *skb, bool ipv6)
{
	return ipv6 ? IP6CB(skb)->frag_max_size : IPCB(skb)->frag_max_size;
}

static bool fits(const struct sk_buff *skb, u32 len, u32 room)
{
	return skb_is_gso(skb) ? skb_gso_validate_network_len(skb, room) : len <= room;
}

/* May it go on in pieces? What came in such may, and IPv4 without DF. */
static bool may_be_cut(const struct sk_buff *skb, bool ipv6)
{
	return pieces_of(skb, ipv6) || (!ipv6 && !(ip_hdr(skb)->frag_off & htons(IP_DF)));
}

static bool grows_too_big(const struct sk_buff *skb, const struct bpflb_packet *pkt,
			  const struct bpflb_flow *flow, u32 room)
{
	bool ipv6 = pkt->tuple.family == NFPROTO_IPV6;
	u32 pieces = pieces_of(skb, ipv6);

	if (skb_is_gso(skb) || !may_be_cut(skb, ipv6))
		return !fits(skb, pkt->len, room);
	/* Put together from fragments: it leaves in such, of that size, note included. A
	 * tunnel can be cut whatever the packet in it was, as can IPv4 without DF.
	 */
	return pieces && flow->dispatch == BPFLB_DISPATCH_OPT &&
	       (ipv6 || ip_hdr(skb)->frag_off & htons(IP_DF)) &&
	       pieces > room + bpflb_note_len(pkt->tuple.family);
}

/* Tell the sender of a packet what would fit. */
static void send_too_big(struct bpflb_net *bn, struct sk_buff *skb, const struct bpflb_flow *flow,
			 u8 family, u32 room)
{
	const struct way_out to = way_to_backend(flow, 0);
	union nf_inet_addr src;
	struct dst_entry *dst;

	if (family == NFPROTO_IPV6) {
		icmpv6_send(skb, ICMPV6_PKT_TOOBIG, 0, max_t(u32, room, IPV6_MIN_MTU));
		return;
	}
	/* icmp_send() wants a route on the packet; PREROUTING has none yet. */
	dst = route(bn, skb, &to, &src);
	if (!dst)
		return;
	skb_dst_drop(skb);
	skb_dst_set(skb, dst);
	icmp_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, htonl(room));
}

/* Would the packet outgrow its path? If so its sender is told what would not. */
static bool outgrows_path(struct bpflb_net *bn, struct sk_buff *skb,
			  const struct bpflb_packet *pkt, const struct bpflb_flow *flow,
			  const struct way_out *to, u32 head)
{
	union nf_inet_addr src;
	struct dst_entry *dst;
	bool too_big;
	u32 room;

	if (pkt->len + head <= (pkt->tuple.family == NFPROTO_IPV6 ? IPV6_MIN_MTU : SURELY_FITS))
		return false;
	dst = route(bn, skb, to, &src);
	if (!dst)
		return false;
	room = dst_mtu(dst) - head;
	dst_release(dst);
	too_big = grows_too_big(skb, pkt, flow, room);
	if (too_big)
		send_too_big(bn, skb, flow, pkt->tuple.family, room);
	return too_big;
}

static bool note_fits(const struct sk_buff *skb, u8 family)
{
	return family == NFPROTO_IPV6 ? bpflb_note_opt6_fits(skb) : bpflb_note_opt4_fits(skb);
}

static bool note_put(struct sk_buff *skb, u8 family, const struct bpflb_endpoint *note)
{
	return family == NFPROTO_IPV6 ? bpflb_note_opt6_put(skb, note) :
					bpflb_note_opt4_put(skb, note);
}

/**
 * bpflb_dsr_put_option() - put a note on a packet
 * @skb: the packet, skb->data at its IP header
 * @family: its
 * @note: address and port of the service
 *
 * Context: any. Return: false if it has no room, or without memory; nothing was written.
 */
bool bpflb_dsr_put_option(struct sk_buff *skb, u8 family, const struct bpflb_endpoint *note)
{
	return note_fits(skb, family) && note_put(skb, family, note);
}

/* Dispatch "opt" */
static unsigned int send_note(struct bpflb_net *bn, struct sk_buff *skb, struct bpflb_packet *pkt,
			      const struct bpflb_flow *flow)
{
	const struct way_out to = way_to_backend(flow, 0);
	struct bpflb_service *svc = flow->be->key.svc;
	const struct bpflb_endpoint note = {
		.addr = bpflb_flow_addr(flow, BPFLB_ADDR_SERVICE),
		.port = flow->vport,
	};
	u8 family = pkt->tuple.family;
	u32 len = bpflb_note_len(family);

	if (!needs_note(pkt, flow))
		return NF_ACCEPT;
	if (!note_fits(skb, family))
		return bpflb_drop(bn, svc, skb, BPFLB_DROP_NOTE_NO_ROOM);
	if (outgrows_path(bn, skb, pkt, flow, &to, len))
		return bpflb_drop(bn, svc, skb, BPFLB_DROP_NOTE_TOO_BIG);
	if (!note_put(skb, family, &note))
		return bpflb_drop(bn, svc, skb, BPFLB_DROP_NO_MEMORY);
	pkt->thoff += len;
	pkt->len += len;
	this_cpu_inc(bn->counters->notes_sent);
	return NF_ACCEPT;
}

/**
 * bpflb_dsr_send() - a client's packet is for a backend elsewhere
 * @bn: namespace
 * @skb: the packet, its destination still the service
 * @pkt: what it is; follows the change
 * @flow: its flow, of kind DSR_OUT
 *
 * It gets the note that tells of its service, if it is to have one by now, and has to fit.
 *
 * Context: RCU, bottom halves off. Return: NF_ACCEPT, or NF_DROP and it is
 * counted.
 */
unsigned int bpflb_dsr_send(struct bpflb_net *bn, struct sk_buff *skb, struct bpflb_packet *pkt,
			    const struct bpflb_flow *flow)
{
	struct bpflb_tunnel t;
	struct way_out to;

	if (flow->dispatch == BPFLB_DISPATCH_OPT)
		return send_note(bn, skb, pkt, flow);
	if (flow->dispatch == BPFLB_DISPATCH_L2)
		return NF_ACCEPT;
	if (!bpflb_tunnel_of(flow, needs_note(pkt, flow), &t))
		return bpflb_drop(bn, flow->be->key.svc, skb, BPFLB_DROP_DISPATCH_ROUTE);
	to = way_of_tunnel(&t);
	if (outgrows_path(bn, skb, pkt, flow, &to, bpflb_tunnel_len(&t)))
		return bpflb_drop(bn, flow->be->key.svc, skb, BPFLB_DROP_NOTE_TOO_BIG);
	return NF_ACCEPT;
}

/**
 * bpflb_dsr_head() - what is put before each packet of a flow, or into its headers
 * @flow: of kind DSR_OUT, not dispatched by "opt"
 *
 * Context: RCU. Return: bytes; of a packet that is not the first.
 */
u32 bpflb_dsr_head(const struct bpflb_flow *flow)
{
	struct bpflb_tunnel t;

	return flow->dispatch != BPFLB_DISPATCH_L2 &&
	       bpflb_tunnel_of(flow, bpflb_dsr_notes_each(flow), &t) ? bpflb_tunnel_len(&t) : 0;
}

/* What the packet is to look like when it leaves, within a tunnel or by itself. */
static void target(const struct bpflb_flow *flow, struct bpflb_tuple *to)
{
	bool mid = flow->dispatch == BPFLB_DISPATCH_GENEVE;

	bpflb_flow_tuple(flow, mid ? BPFLB_KEY_MID : BPFLB_KEY_ORIG, to);
	to->src.port = flow->cport;
}

/* Is the next hop of a route whom it leads to? */
static bool is_on_link(const struct dst_entry *dst, u8 family)
{
	if (family == NFPROTO_IPV6)
		return !(container_of(dst, const struct rt6_info, dst)->rt6i_flags & RTF_GATEWAY);
	return !container_of(dst, const struct rtable, dst)->rt_uses_gateway;
}

/* The route of dispatch "l2", by the one that leads to the backend: a reference, or NULL. */
static struct dst_entry *route_l2(struct bpflb_net *bn, const struct sk_buff *skb,
				  const struct bpflb_flow *flow)
{
	const struct way_out to = way_to_backend(flow, FLOWI_FLAG_KNOWN_NH);
	union nf_inet_addr src;

	return is_on_link(skb_dst(skb), to.family) ? route(bn, skb, &to, &src) : NULL;
}

/* Dispatch "l2": by the route to the backend, which it has come by so far, but as one that
 * has the backend for a gateway, since the packet is for the service by now. Such a route is
 * for one packet; bypass keeps the other one. @m: NULL for an ICMP error
 */
static unsigned int leave_by_l2(struct bpflb_net *bn, struct sk_buff *skb,
				const struct bpflb_flow *flow, const struct bpflb_match *m)
{
	struct dst_entry *dst = route_l2(bn, skb, flow), *mid = skb_dst(skb);

	if (!dst)
		return bpflb_drop(bn, flow->be->key.svc, skb, BPFLB_DROP_DISPATCH_ROUTE);
	if (m)
		bpflb_bypass_grant(m, skb, mid, mid->dev);
	skb_dst_drop(skb);
	skb_dst_set(skb, dst);
	skb->dev = dst->dev;
	return NF_ACCEPT;
}

/* Its route goes with it. */
static void send_out(struct bpflb_net *bn, struct sk_buff *skb, const struct bpflb_tunnel *t,
		     struct dst_entry *dst)
{
	skb_dst_set(skb, dst_clone(dst));
	if (t->family == NFPROTO_IPV6)
		ip6_local_out(bn->net, skb->sk, skb);
	else
		ip_local_out(bn->net, skb->sk, skb);
}

/* As what this node sends of its own. */
static unsigned int send_in_tunnel(struct bpflb_net *bn, struct sk_buff *skb,
				   const struct bpflb_tunnel *t, struct dst_entry *dst)
{
	struct sk_buff *segs, *next;

	/* With its outer headers it would have no length any more. */
	if (skb_is_gso(skb) && skb->len + bpflb_tunnel_len(t) > U16_MAX) {
		segs = skb_gso_segment(skb, 0);
		if (IS_ERR_OR_NULL(segs))
			return bpflb_drop(bn, NULL, skb, BPFLB_DROP_NO_MEMORY);
		consume_skb(skb);
	} else {
		segs = skb;
	}
	skb_list_walk_safe(segs, skb, next) {
		skb_mark_not_on_list(skb);
		skb_scrub_packet(skb, false);
		if (bpflb_tunnel_put(bn, skb, t, dst->dev)) {
			send_out(bn, skb, t, dst);
		} else {
			bpflb_drop(bn, NULL, skb, BPFLB_DROP_NO_MEMORY);
			bpflb_drop_free(skb, BPFLB_DROP_NO_MEMORY);
		}
	}
	return NF_STOLEN;
}

static bool must_be_whole(const struct sk_buff *skb, const struct bpflb_tunnel *t,
			  const struct dst_entry *dst)
{
	return !may_be_cut(skb, t->inner == NFPROTO_IPV6) ||
	       fits(skb, skb->len, dst_mtu(dst) - bpflb_tunnel_len(t));
}

/* What bypass is to have as the source of the outer header. It may have had another one:
 * then it is not in use while that changes.
 */
static void keep_source(struct bpflb_flow *flow, const struct bpflb_tunnel *t)
{
	union nf_inet_addr old = bpflb_flow_addr(flow, BPFLB_ADDR_SNAT);

	if (t->family != t->inner || bpflb_addr_equal(&old, &t->src))
		return;
	bpflb_bypass_end(flow);
	bpflb_flow_set_addr(flow, BPFLB_ADDR_SNAT, &t->src);
}

/* Dispatches "geneve" and "ipip". @m: NULL for an ICMP error about a packet of the flow */
static unsigned int leave_by_tunnel(struct bpflb_net *bn, struct sk_buff *skb,
				    const struct bpflb_packet *pkt,
				    const struct bpflb_flow *flow, const struct bpflb_match *m)
{
	bool noted = pkt && needs_note(pkt, flow);
	union nf_inet_addr src;
	struct bpflb_tunnel t;
	struct dst_entry *dst;
	struct way_out to;
	unsigned int verdict;

	if (!bpflb_tunnel_of(flow, noted, &t))
		return bpflb_drop(bn, flow->be->key.svc, skb, BPFLB_DROP_DISPATCH_ROUTE);
	to = way_of_tunnel(&t);
	dst = route(bn, skb, &to, &src);
	if (!dst)
		return bpflb_drop(bn, flow->be->key.svc, skb, BPFLB_DROP_DISPATCH_ROUTE);
	if (!t.by_prefix)
		t.src = src;
	t.whole = must_be_whole(skb, &t, dst);
	if (m && t.family == t.inner) {
		keep_source(m->flow, &t);
		bpflb_bypass_grant(m, skb, dst, dst->dev);
	}
	verdict = bpflb_ct_confirm(skb);
	if (verdict == NF_ACCEPT) {
		if (t.noted)
			this_cpu_inc(bn->counters->notes_sent);
		verdict = send_in_tunnel(bn, skb, &t, dst);
	}
	dst_release(dst);
	return verdict;
}

/**
 * bpflb_dsr_leave() - a client's packet leaves for a backend elsewhere
 * @bn: namespace
 * @skb: the packet, in POSTROUTING, client -> backend
 * @pkt: what it is
 * @m: its flow, of kind DSR_OUT, not dispatched by "opt"
 *
 * Context: RCU, bottom halves off; takes a bucket lock. Return: NF_ACCEPT; NF_STOLEN and it
 * is on its way; or NF_DROP and it is counted.
 */
unsigned int bpflb_dsr_leave(struct bpflb_net *bn, struct sk_buff *skb, struct bpflb_packet *pkt,
			     const struct bpflb_match *m)
{
	struct bpflb_tuple to;

	target(m->flow, &to);
	if (!bpflb_rewrite(skb, pkt, &to))
		return bpflb_drop(bn, m->flow->be->key.svc, skb, BPFLB_DROP_NO_MEMORY);
	if (m->flow->dispatch == BPFLB_DISPATCH_L2)
		return leave_by_l2(bn, skb, m->flow, m);
	return leave_by_tunnel(bn, skb, pkt, m->flow, m);
}

/**
 * bpflb_dsr_leave_error() - an ICMP error for a backend that knows no address but the service's
 * @bn: namespace
 * @skb: the error, in POSTROUTING, as it is to get there
 * @flow: what it is about, of kind DSR_OUT, dispatched by ipip or l2
 *
 * Context: as bpflb_dsr_leave(). Return: the same.
 */
unsigned int bpflb_dsr_leave_error(struct bpflb_net *bn, struct sk_buff *skb,
				   const struct bpflb_flow *flow)
{
	if (flow->dispatch == BPFLB_DISPATCH_L2)
		return leave_by_l2(bn, skb, flow, NULL);
	return leave_by_tunnel(bn, skb, NULL, flow, NULL);
}

static enum bpflb_drop_reason tell_tunnel(const struct bpflb_flow *flow, const struct sk_buff *skb,
					  bool noted, struct bpflb_dsr_path *path)
{
	union nf_inet_addr src;
	struct bpflb_tunnel t;
	struct way_out to;

	if (!bpflb_tunnel_of(flow, noted, &t))
		return BPFLB_DROP_DISPATCH_ROUTE;
	to = way_of_tunnel(&t);
	path->head = bpflb_tunnel_len(&t);
	path->family = t.family;
	path->end = t.dst;
	path->dst = route(flow->bn, skb, &to, &src);
	return path->dst ? BPFLB_NO_DROP : BPFLB_DROP_DISPATCH_ROUTE;
}

/**
 * bpflb_dsr_tell() - what a packet of a flow would find on its way
 * @flow: of kind DSR_OUT, which need not be in the table
 * @skb: the packet, client -> backend, routed
 * @pkt: what it is
 * @path: the result; its route is to be given back
 *
 * Nothing is sent. Whether the packet would be too large is for the caller to see.
 *
 * Context: RCU, bottom halves off. Return: BPFLB_NO_DROP, or why it would be dropped.
 */
enum bpflb_drop_reason bpflb_dsr_tell(const struct bpflb_flow *flow, const struct sk_buff *skb,
				      const struct bpflb_packet *pkt,
				      struct bpflb_dsr_path *path)
{
	const struct way_out to = way_to_backend(flow, 0);
	bool noted = needs_note(pkt, flow);
	union nf_inet_addr src;

	*path = (struct bpflb_dsr_path){};
	switch (flow->dispatch) {
	case BPFLB_DISPATCH_OPT:
		path->head = noted ? bpflb_note_len(pkt->tuple.family) : 0;
		path->dst = route(flow->bn, skb, &to, &src);
		return BPFLB_NO_DROP;
	case BPFLB_DISPATCH_L2:
		path->dst = route_l2(flow->bn, skb, flow);
		return path->dst ? BPFLB_NO_DROP : BPFLB_DROP_DISPATCH_ROUTE;
	default:
		return tell_tunnel(flow, skb, noted, path);
	}
}
