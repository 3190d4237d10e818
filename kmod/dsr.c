// SPDX-License-Identifier: GPL-2.0-only
#include <linux/ipv6.h>

#include "backend.h"
#include "balance.h"
#include "dsr.h"
#include "frontend.h"
#include "netns.h"
#include "node.h"
#include "service.h"
#include "stats.h"
#include "translate.h"
#include "version.h"

/* That are taken off; in IPv4 there is no room for more than 5. */
#define NOTES_MAX	8

static bool note_read(const struct sk_buff *skb, u8 family, struct bpflb_endpoint *note)
{
	return family == NFPROTO_IPV6 ? bpflb_note_opt6_read(skb, note) :
					bpflb_note_opt4_read(skb, note);
}

static bool note_strip(struct sk_buff *skb, u8 family)
{
	return family == NFPROTO_IPV6 ? bpflb_note_opt6_strip(skb) : bpflb_note_opt4_strip(skb);
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

/* A node puts one note on a packet. If there are more they are a client's: none may be left, for
 * it would leave this node, and be taken for this node's own.
 * @count: of struct bpflb_net_counters, for the first
 */
static unsigned int strip(struct bpflb_net *bn, struct sk_buff *skb, struct bpflb_packet *pkt,
			  struct bpflb_service *svc, unsigned long __percpu *count)
{
	u8 family = pkt->tuple.family;
	struct bpflb_endpoint note;
	int n;

	for (n = 0; n < NOTES_MAX; n++) {
		if (!note_strip(skb, family))
			return bpflb_drop(bn, svc, skb, BPFLB_DROP_NO_MEMORY);
		pkt->thoff -= bpflb_note_len(family);
		pkt->len -= bpflb_note_len(family);
		this_cpu_inc(*count);
		if (!note_read(skb, family, &note))
			return NF_ACCEPT;
		count = &bn->counters->notes_removed;
	}
	return bpflb_drop(bn, svc, skb, BPFLB_DROP_NOTE_SERVICE);
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

/**
 * bpflb_dsr_find_known() - the flow of a packet that another node has balanced to this one
 * @bn: namespace
 * @asked: the packet, its destination what the client had spoken to; gets its hash
 * @be: the backend on this node that it is for
 * @m: what is found
 *
 * Under whichever hash: the service may have been switched to one-packet, or from it, since
 * the flow was made. Where there is none @asked has the hash that a new one is to have.
 *
 * Context: RCU. Return: false if there is none, or none that serves.
 */
bool bpflb_dsr_find_known(struct bpflb_net *bn, struct bpflb_packet *asked,
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

/**
 * bpflb_dsr_begin() - make a flow for a packet that another node has balanced to this one
 * @bn: namespace
 * @skb: the packet
 * @asked: the same, after bpflb_dsr_find_known()
 * @be: the backend on this node that it is for
 * @m: what was found; its flow then, if there is one
 *
 * Context: RCU, bottom halves off. Return: NF_ACCEPT, or NF_DROP and counted.
 */
unsigned int bpflb_dsr_begin(struct bpflb_net *bn, struct sk_buff *skb,
			     struct bpflb_packet *asked, struct bpflb_backend *be,
			     struct bpflb_match *m)
{
	if (m->flow && m->role == BPFLB_ROLE_ORIG)
		bpflb_flow_kill(m->flow, m->flow->be == be ? bpflb_flow_end_for(m) :
							     BPFLB_FLOW_END_REPLACED);
	m->flow = NULL;
	/* A RST makes no flow, but it is the server's to see. */
	if (asked->tcp_flags & BPFLB_TCP_RST)
		return NF_ACCEPT;
	return bpflb_balance_noted(bn, skb, asked, be, m);
}

/* The packet, its destination what the client had spoken to, is for @be here. */
static unsigned int receive_for(struct bpflb_net *bn, struct sk_buff *skb,
				struct bpflb_packet *pkt, struct bpflb_packet *asked,
				struct bpflb_backend *be, struct bpflb_match *m)
{
	unsigned int verdict;

	if (bpflb_dsr_find_known(bn, asked, be, m))
		return take_note(bn, skb, pkt, be->key.svc);
	if (!sender_is_trusted(bn, skb)) {
		m->flow = NULL;
		return refuse_note(bn, skb, pkt, be->key.svc, BPFLB_DROP_NOTE_SENDER);
	}
	verdict = take_note(bn, skb, pkt, be->key.svc);
	return verdict == NF_ACCEPT ? bpflb_dsr_begin(bn, skb, asked, be, m) : verdict;
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
