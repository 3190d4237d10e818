// SPDX-License-Identifier: GPL-2.0-only
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/ipv6.h>
#include <net/icmp.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/route.h>

#include "backend.h"
#include "balance.h"
#include "compat/gso.h"
#include "dsr.h"
#include "frontend.h"
#include "netns.h"
#include "node.h"
#include "service.h"
#include "stats.h"
#include "translate.h"
#include "version.h"

/* No IPv4 link has to carry more in one piece (RFC 791). */
#define SURELY_FITS 576

/* The note is on the first packet of TCP and SCTP; UDP has no first packet. */
static bool needs_note(const struct bpflb_packet *pkt, const struct bpflb_flow *flow)
{
	return bpflb_dsr_notes_each(flow) || bpflb_packet_is_syn(pkt);
}

static struct dst_entry *route4(struct bpflb_net *bn, const struct sk_buff *skb, __be32 daddr)
{
	struct flowi4 fl4 = { .daddr = daddr, .flowi4_mark = skb->mark };
	struct rtable *rt = ip_route_output_key(bn->net, &fl4);

	return IS_ERR(rt) ? NULL : &rt->dst;
}

static struct dst_entry *route6(struct bpflb_net *bn, const struct sk_buff *skb,
				const struct in6_addr *daddr)
{
	struct flowi6 fl6 = { .daddr = *daddr, .flowi6_mark = skb->mark };
	struct dst_entry *dst = ip6_route_output(bn->net, NULL, &fl6);

	if (!dst->error)
		return dst;
	dst_release(dst);
	return NULL;
}

/* The route to the flow's backend, a reference; NULL if there is none. */
static struct dst_entry *route_to(struct bpflb_net *bn, const struct sk_buff *skb,
				  const struct bpflb_flow *flow)
{
	const union nf_inet_addr backend = bpflb_flow_addr(flow, BPFLB_ADDR_BACKEND);

	return bpflb_flow_is_ipv6(flow) ? route6(bn, skb, &backend.in6) :
					  route4(bn, skb, backend.ip);
}

static bool grows_too_big(const struct sk_buff *skb, const struct bpflb_packet *pkt, u32 room)
{
	bool ipv6 = pkt->tuple.family == NFPROTO_IPV6;
	u32 pieces = ipv6 ? IP6CB(skb)->frag_max_size : IPCB(skb)->frag_max_size;

	if (skb_is_gso(skb))
		return !skb_gso_validate_network_len(skb, room);
	if (!ipv6 && !(ip_hdr(skb)->frag_off & htons(IP_DF)))
		return false;
	/* Put together from fragments: it leaves in such, of that size, note included. */
	return pieces ? pieces > room + bpflb_note_len(pkt->tuple.family) : pkt->len > room;
}

/* Tell the sender of a packet what would fit. */
static void send_too_big(struct sk_buff *skb, struct dst_entry *dst, u8 family, u32 room)
{
	if (family == NFPROTO_IPV6) {
		icmpv6_send(skb, ICMPV6_PKT_TOOBIG, 0, max_t(u32, room, IPV6_MIN_MTU));
		return;
	}
	/* icmp_send() wants a route on the packet; PREROUTING has none yet. */
	skb_dst_drop(skb);
	skb_dst_set(skb, dst_clone(dst));
	icmp_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, htonl(room));
}

/* Would the packet outgrow its path? If so its sender is told what would not.
 * It is asked here, where the packet is still as the client has sent it: that
 * is what the ICMP error must quote.
 */
static bool outgrows_path(struct bpflb_net *bn, struct sk_buff *skb,
			  const struct bpflb_packet *pkt, const struct bpflb_flow *flow)
{
	u32 note = bpflb_note_len(pkt->tuple.family), room;
	struct dst_entry *dst;
	bool too_big;

	if (pkt->len + note <= (pkt->tuple.family == NFPROTO_IPV6 ? IPV6_MIN_MTU : SURELY_FITS))
		return false;
	dst = route_to(bn, skb, flow);
	if (!dst)
		return false;
	room = dst_mtu(dst) - note;
	too_big = grows_too_big(skb, pkt, room);
	if (too_big)
		send_too_big(skb, dst, pkt->tuple.family, room);
	dst_release(dst);
	return too_big;
}

static bool note_read(const struct sk_buff *skb, u8 family, struct bpflb_endpoint *note)
{
	return family == NFPROTO_IPV6 ? bpflb_note_opt6_read(skb, note) :
					bpflb_note_opt4_read(skb, note);
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

static bool note_strip(struct sk_buff *skb, u8 family)
{
	return family == NFPROTO_IPV6 ? bpflb_note_opt6_strip(skb) : bpflb_note_opt4_strip(skb);
}

/**
 * bpflb_dsr_send() - put the note of its service on a client's packet
 * @bn: namespace
 * @skb: the packet, its destination still the service
 * @pkt: what it is; follows the change
 * @flow: its flow, of kind DSR_OUT
 *
 * Context: RCU, bottom halves off. Return: NF_ACCEPT, or NF_DROP and it is
 * counted.
 */
unsigned int bpflb_dsr_send(struct bpflb_net *bn, struct sk_buff *skb, struct bpflb_packet *pkt,
			    const struct bpflb_flow *flow)
{
	struct bpflb_service *svc = flow->be->key.svc;
	const struct bpflb_endpoint note = {
		.addr = bpflb_flow_addr(flow, BPFLB_ADDR_SERVICE),
		.port = flow->vport,
	};
	u8 family = pkt->tuple.family;

	if (!needs_note(pkt, flow))
		return NF_ACCEPT;
	if (!note_fits(skb, family))
		return bpflb_drop(bn, svc, skb, BPFLB_DROP_NOTE_NO_ROOM);
	if (outgrows_path(bn, skb, pkt, flow))
		return bpflb_drop(bn, svc, skb, BPFLB_DROP_NOTE_TOO_BIG);
	if (!note_put(skb, family, &note))
		return bpflb_drop(bn, svc, skb, BPFLB_DROP_NO_MEMORY);
	pkt->thoff += bpflb_note_len(family);
	pkt->len += bpflb_note_len(family);
	this_cpu_inc(bn->counters->notes_sent);
	return NF_ACCEPT;
}

static bool device_is_trusted(const struct bpflb_settings *s, const struct net_device *dev)
{
	int i;

	for (i = 0; i < s->n_dsr_device; i++)
		if (!strncmp(s->dsr_device[i], dev->name, IFNAMSIZ))
			return true;
	return false;
}

static bool sender_is_trusted(struct bpflb_net *bn, const struct sk_buff *skb)
{
	const struct bpflb_settings *s = rcu_dereference(bn->settings);

	switch (s->dsr_sender) {
	case BPFLB_DSR_SENDER_ANY:
		return true;
	case BPFLB_DSR_SENDER_DEVICE:
		return device_is_trusted(s, skb->dev);
	default:
		return bpflb_node_sent_frame(bn, skb);
	}
}

/* @count: of struct bpflb_net_counters */
static unsigned int strip(struct bpflb_net *bn, struct sk_buff *skb, struct bpflb_packet *pkt,
			  struct bpflb_service *svc, unsigned long __percpu *count)
{
	if (!note_strip(skb, pkt->tuple.family))
		return bpflb_drop(bn, svc, skb, BPFLB_DROP_NO_MEMORY);
	pkt->thoff -= bpflb_note_len(pkt->tuple.family);
	pkt->len -= bpflb_note_len(pkt->tuple.family);
	this_cpu_inc(*count);
	return NF_ACCEPT;
}

static unsigned int take_note(struct bpflb_net *bn, struct sk_buff *skb, struct bpflb_packet *pkt,
			      struct bpflb_service *svc)
{
	return strip(bn, skb, pkt, svc, &bn->counters->notes_taken);
}

/* The note is not believed. What is said of a service to that itself is none: no balancer
 * sends it, and it goes whatever is set.
 */
static unsigned int refuse_note(struct bpflb_net *bn, struct sk_buff *skb,
				struct bpflb_packet *pkt, struct bpflb_service *svc,
				enum bpflb_drop_reason reason)
{
	if (rcu_dereference(bn->settings)->refused_notes == BPFLB_REFUSED_NOTES_STRIP ||
	    bpflb_frontend_for(bn, &pkt->tuple))
		return strip(bn, skb, pkt, svc, &bn->counters->notes_removed);
	return bpflb_drop(bn, svc, skb, reason);
}

/* Has the packet a flow already, with the backend that it is for? Then its note
 * is no news, and nobody has to be believed.
 */
static bool is_known(const struct bpflb_match *m, const struct bpflb_packet *asked,
		     const struct bpflb_backend *be)
{
	return m->flow && m->role == BPFLB_ROLE_ORIG && m->flow->be == be &&
	       (m->flow->kind == BPFLB_FLOW_DSR_IN || m->flow->kind == BPFLB_FLOW_LOCAL) &&
	       bpflb_flow_serves(m, asked);
}

/* The flow that a note is about, under whichever hash: the service may have been switched to
 * one-packet, or from it, since the flow was made. Where there is none @asked has the hash
 * that a new one is to have.
 */
static bool find_known(struct bpflb_net *bn, struct bpflb_packet *asked,
		       const struct bpflb_backend *be, struct bpflb_match *m)
{
	struct bpflb_match with;
	u32 hash;

	*m = bpflb_flow_find(bn, asked);
	if (is_known(m, asked, be))
		return true;
	if (asked->tuple.proto != IPPROTO_UDP)
		return false;
	hash = asked->hash;
	with = bpflb_flow_find_with(bn, asked, be);
	if (bpflb_service_is_one_packet(be->key.svc) || is_known(&with, asked, be))
		*m = with;
	else
		asked->hash = hash;
	return is_known(m, asked, be);
}

/* The packet, its destination what the client had spoken to, is for @be here. */
static unsigned int receive_for(struct bpflb_net *bn, struct sk_buff *skb,
				struct bpflb_packet *pkt, struct bpflb_packet *asked,
				struct bpflb_backend *be, struct bpflb_match *m)
{
	unsigned int verdict;

	if (find_known(bn, asked, be, m))
		return take_note(bn, skb, pkt, be->key.svc);
	if (!sender_is_trusted(bn, skb)) {
		m->flow = NULL;
		return refuse_note(bn, skb, pkt, be->key.svc, BPFLB_DROP_NOTE_SENDER);
	}
	if (m->flow && m->role == BPFLB_ROLE_ORIG)
		bpflb_flow_kill(m->flow);
	m->flow = NULL;
	verdict = take_note(bn, skb, pkt, be->key.svc);
	/* A RST makes no flow, but it is the server's to see. */
	if (verdict != NF_ACCEPT || pkt->tcp_flags & BPFLB_TCP_RST)
		return verdict;
	return bpflb_balance_noted(bn, skb, asked, be, m);
}

/**
 * bpflb_dsr_receive() - take the note off a packet that may have one
 * @bn: namespace
 * @skb: the packet, in PREROUTING
 * @pkt: what it is; follows the change
 * @m: the flow that the note gives it; NULL if it has none
 *
 * A note is believed if it names a service of this namespace that has the
 * packet's destination as a backend on this node, and if its sender is trusted.
 * Then the packet has a flow that turns the backend's answers back to the
 * service's address. For a backend on another node the packet only passes by. A note that
 * is not believed may be taken off: then the packet goes on as any other.
 *
 * Context: RCU, bottom halves off. Return: NF_ACCEPT and the packet goes on, or
 * NF_DROP and it is counted.
 */
unsigned int bpflb_dsr_receive(struct bpflb_net *bn, struct sk_buff *skb,
			       struct bpflb_packet *pkt, struct bpflb_match *m)
{
	struct bpflb_packet asked = *pkt;
	struct bpflb_service *svc;
	struct bpflb_backend *be;

	if (!note_read(skb, pkt->tuple.family, &asked.tuple.dst))
		return NF_ACCEPT;
	svc = bpflb_service_of_note(bn, &asked.tuple);
	be = svc ? bpflb_backend_of_note(bn, svc, pkt->tuple.family, &pkt->tuple.dst,
					 asked.tuple.dst.port) : NULL;
	if (!be || !READ_ONCE(be->live))
		return refuse_note(bn, skb, pkt, svc, BPFLB_DROP_NOTE_SERVICE);
	if (!READ_ONCE(be->here))
		return NF_ACCEPT;
	return receive_for(bn, skb, pkt, &asked, be, m);
}
