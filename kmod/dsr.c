// SPDX-License-Identifier: GPL-2.0-only
#include <linux/icmp.h>
#include <net/icmp.h>
#include <net/ip.h>
#include <net/route.h>

#include "backend.h"
#include "balance.h"
#include "compat/gso.h"
#include "dsr.h"
#include "netns.h"
#include "node.h"
#include "service.h"
#include "stats.h"
#include "translate.h"

/* No IPv4 link has to carry more in one piece (RFC 791). */
#define SURELY_FITS 576

/* The note is on a TCP flow's first packet; UDP has no first packet. */
static bool needs_note(const struct bpflb_packet *pkt, const struct bpflb_flow *flow)
{
	return bpflb_dsr_notes_each(flow) || bpflb_packet_is_syn(pkt);
}

/* How long an IPv4 packet may be on the way to the backend, 0 if nobody knows. */
static u32 path_mtu(struct bpflb_net *bn, struct sk_buff *skb, const struct bpflb_flow *flow,
		    struct rtable **rt)
{
	struct flowi4 fl4 = {
		.daddr = flow->addr[BPFLB_ADDR_BACKEND],
		.flowi4_mark = skb->mark,
	};

	*rt = ip_route_output_key(bn->net, &fl4);
	if (IS_ERR(*rt)) {
		*rt = NULL;
		return 0;
	}
	return dst_mtu(&(*rt)->dst);
}

static bool grows_too_big(const struct sk_buff *skb, const struct bpflb_packet *pkt, u32 mtu)
{
	if (skb_is_gso(skb))
		return !skb_gso_validate_network_len(skb, mtu - BPFLB_NOTE_OPT_LEN);
	return pkt->len + BPFLB_NOTE_OPT_LEN > mtu && ip_hdr(skb)->frag_off & htons(IP_DF);
}

/* Would the packet outgrow its path? If so its sender is told what would not.
 * It is asked here, where the packet is still as the client has sent it: that
 * is what the ICMP error must quote.
 */
static bool outgrows_path(struct bpflb_net *bn, struct sk_buff *skb,
			  const struct bpflb_packet *pkt, const struct bpflb_flow *flow)
{
	struct rtable *rt;
	bool too_big;
	u32 mtu;

	if (pkt->len + BPFLB_NOTE_OPT_LEN <= SURELY_FITS)
		return false;
	mtu = path_mtu(bn, skb, flow, &rt);
	too_big = mtu && grows_too_big(skb, pkt, mtu);
	if (too_big) {
		/* icmp_send() wants a route on the packet; PREROUTING has none yet. */
		skb_dst_drop(skb);
		skb_dst_set(skb, dst_clone(&rt->dst));
		icmp_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED,
			  htonl(mtu - BPFLB_NOTE_OPT_LEN));
	}
	if (rt)
		ip_rt_put(rt);
	return too_big;
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
		.addr = { .ip = flow->addr[BPFLB_ADDR_SERVICE] },
		.port = flow->vport,
	};

	if (!needs_note(pkt, flow))
		return NF_ACCEPT;
	if (!bpflb_note_opt_fits(skb))
		return bpflb_drop(bn, svc, skb, BPFLB_DROP_NOTE_NO_ROOM);
	if (outgrows_path(bn, skb, pkt, flow))
		return bpflb_drop(bn, svc, skb, BPFLB_DROP_NOTE_TOO_BIG);
	if (!bpflb_note_opt_put(skb, &note))
		return bpflb_drop(bn, svc, skb, BPFLB_DROP_NO_MEMORY);
	pkt->thoff += BPFLB_NOTE_OPT_LEN;
	pkt->len += BPFLB_NOTE_OPT_LEN;
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

static unsigned int take_note(struct bpflb_net *bn, struct sk_buff *skb, struct bpflb_packet *pkt,
			      struct bpflb_service *svc)
{
	if (!bpflb_note_opt_strip(skb))
		return bpflb_drop(bn, svc, skb, BPFLB_DROP_NO_MEMORY);
	pkt->thoff -= BPFLB_NOTE_OPT_LEN;
	pkt->len -= BPFLB_NOTE_OPT_LEN;
	this_cpu_inc(bn->counters->notes_taken);
	return NF_ACCEPT;
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

/* The packet, its destination what the client had spoken to, is for @be here. */
static unsigned int receive_for(struct bpflb_net *bn, struct sk_buff *skb,
				struct bpflb_packet *pkt, struct bpflb_packet *asked,
				struct bpflb_backend *be, struct bpflb_match *m)
{
	unsigned int verdict;

	*m = bpflb_flow_find(bn, asked);
	if (is_known(m, asked, be))
		return take_note(bn, skb, pkt, be->key.svc);
	if (!sender_is_trusted(bn, skb)) {
		m->flow = NULL;
		return bpflb_drop(bn, be->key.svc, skb, BPFLB_DROP_NOTE_SENDER);
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
 * service's address. For a backend on another node the packet only passes by.
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

	if (!bpflb_note_opt_read(skb, &asked.tuple.dst))
		return NF_ACCEPT;
	svc = bpflb_service_of_note(bn, pkt->tuple.proto, &asked.tuple.dst);
	be = svc ? bpflb_backend_find(bn, svc, &pkt->tuple.dst) : NULL;
	if (!be || !READ_ONCE(be->live))
		return bpflb_drop(bn, svc, skb, BPFLB_DROP_NOTE_SERVICE);
	if (!READ_ONCE(be->here))
		return NF_ACCEPT;
	return receive_for(bn, skb, pkt, &asked, be, m);
}
