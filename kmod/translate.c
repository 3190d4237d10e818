// SPDX-License-Identifier: GPL-2.0-only
/*
 * Destinations are rewritten when a packet comes in, sources when it leaves:
 * in between it is client -> backend, or backend -> client.
 *
 *	role		coming in		leaving
 *	ORIG		dst = backend		(is MID_ORIG by then)
 *	MID_ORIG	-			SNAT: src = this node; DSR: by its dispatch
 *	REPLY		dst = client		(is MID_REPLY by then)
 *	MID_REPLY	-			src = service
 */
#include "backend.h"
#include "dsr.h"
#include "hint.h"
#include "netns.h"
#include "reject.h"
#include "rewrite.h"
#include "snat.h"
#include "stats.h"
#include "translate.h"

static unsigned int rewrite(struct sk_buff *skb, struct bpflb_packet *pkt,
			    const struct bpflb_flow *flow, const struct bpflb_tuple *to)
{
	if (bpflb_rewrite(skb, pkt, to))
		return NF_ACCEPT;
	return bpflb_drop(flow->bn, flow->be->key.svc, skb, BPFLB_DROP_NO_MEMORY);
}

/**
 * bpflb_flow_serves() - may the packet go the way of the flow that was found?
 * @m: the flow, and what the packet is to it
 * @pkt: the packet
 *
 * Not if the flow has expired, if the packet opens a new connection and the
 * flow's is closing or its backend is down, or if it is UDP and the backend was
 * removed, has left this node or is down; nor, of a flow that came by DSR, if it is
 * a SYN without a note: then the client speaks to the backend itself now.
 *
 * Context: RCU.
 */
bool bpflb_flow_serves(const struct bpflb_match *m, const struct bpflb_packet *pkt)
{
	const struct bpflb_flow *flow = m->flow;
	const struct bpflb_backend *be = flow->be;

	if (bpflb_flow_is_expired(flow))
		return false;
	if (m->role == BPFLB_ROLE_MID_ORIG && flow->kind == BPFLB_FLOW_DSR_IN)
		return !bpflb_packet_is_syn(pkt);
	if (m->role != BPFLB_ROLE_ORIG)
		return true;
	if (pkt->tuple.proto == IPPROTO_UDP)
		return bpflb_backend_keeps(be, flow->kind) && !READ_ONCE(be->down);
	return !bpflb_packet_is_syn(pkt) ||
	       !(READ_ONCE(be->down) || bpflb_flow_is_closing(flow));
}

/**
 * bpflb_flow_has_no_server() - is a client's packet refused for its flow's backend is down?
 * @flow: the flow
 * @pkt: the packet
 *
 * What ends the connection anyway may pass: the server might be there after all.
 *
 * Context: RCU.
 */
bool bpflb_flow_has_no_server(const struct bpflb_flow *flow, const struct bpflb_packet *pkt)
{
	return READ_ONCE(flow->be->down) && !(pkt->tcp_flags & BPFLB_TCP_RST);
}

/**
 * bpflb_flow_end_for() - why a flow ends that does not serve
 * @m: the flow, and what the packet is to it that bpflb_flow_serves() said no to
 *
 * Context: RCU.
 */
enum bpflb_flow_end bpflb_flow_end_for(const struct bpflb_match *m)
{
	if (bpflb_flow_is_expired(m->flow) || bpflb_flow_is_closing(m->flow))
		return bpflb_flow_end_of_state(m->flow);
	return m->role == BPFLB_ROLE_ORIG ? BPFLB_FLOW_END_BACKEND : BPFLB_FLOW_END_REPLACED;
}

/* The packet, client -> backend or back by now, will be looked up when it leaves. */
static unsigned int give_hint(unsigned int verdict, const struct sk_buff *skb,
			      const struct bpflb_packet *pkt, const struct bpflb_flow *flow)
{
	if (verdict == NF_ACCEPT && READ_ONCE(flow->keys) & BIT(BPFLB_KEY_MID))
		bpflb_hint_give_tuple(skb, &pkt->tuple, flow->bn->id, flow->hash[BPFLB_KEY_MID]);
	return verdict;
}

static unsigned int to_backend(struct sk_buff *skb, struct bpflb_packet *pkt,
			       struct bpflb_flow *flow)
{
	struct bpflb_tuple to;

	if (bpflb_flow_has_no_server(flow, pkt))
		return bpflb_reject_down(flow, skb, pkt);
	bpflb_flow_saw(flow, pkt, false);
	if (flow->kind == BPFLB_FLOW_DSR_OUT) {
		unsigned int verdict = bpflb_dsr_send(flow->bn, skb, pkt, flow);

		if (verdict != NF_ACCEPT)
			return verdict;
	}
	bpflb_flow_tuple(flow, BPFLB_KEY_MID, &to);
	return give_hint(rewrite(skb, pkt, flow, &to), skb, pkt, flow);
}

static unsigned int to_client(struct sk_buff *skb, struct bpflb_packet *pkt,
			      struct bpflb_flow *flow)
{
	struct bpflb_tuple to;

	bpflb_flow_saw(flow, pkt, true);
	bpflb_flow_tuple(flow, BPFLB_KEY_MID, &to);
	to = bpflb_tuple_reverse(&to);
	return give_hint(rewrite(skb, pkt, flow, &to), skb, pkt, flow);
}

/**
 * bpflb_translate_dst() - a packet of a flow comes in
 * @skb: the packet, in PREROUTING or LOCAL_OUT
 * @pkt: what it is; follows the change
 * @m: its flow
 *
 * Context: RCU, bottom halves off. Return: NF_ACCEPT, or NF_DROP and counted.
 */
unsigned int bpflb_translate_dst(struct sk_buff *skb, struct bpflb_packet *pkt,
				 const struct bpflb_match *m)
{
	switch (m->role) {
	case BPFLB_ROLE_ORIG:
		return to_backend(skb, pkt, m->flow);
	case BPFLB_ROLE_REPLY:
		return to_client(skb, pkt, m->flow);
	case BPFLB_ROLE_MID_ORIG:
		/* Others were seen on their way in; it came back over lo. */
		if (m->flow->kind == BPFLB_FLOW_DSR_IN)
			bpflb_flow_saw(m->flow, pkt, false);
		return give_hint(NF_ACCEPT, skb, pkt, m->flow);
	case BPFLB_ROLE_MID_REPLY:
		bpflb_flow_saw(m->flow, pkt, true);
		return give_hint(NF_ACCEPT, skb, pkt, m->flow);
	}
	return NF_ACCEPT;
}

static unsigned int from_snat(struct sk_buff *skb, struct bpflb_packet *pkt,
			      struct bpflb_flow *flow, const struct net_device *out)
{
	struct bpflb_tuple to;

	if (!bpflb_snat_is_complete(flow)) {
		enum bpflb_drop_reason reason = bpflb_snat_complete(flow, skb, out);

		if (reason != BPFLB_NO_DROP) {
			/* It must not stay half made: the next packet tries again. */
			bpflb_flow_kill(flow, BPFLB_FLOW_END_SOURCE);
			return bpflb_drop(flow->bn, flow->be->key.svc, skb, reason);
		}
	}
	bpflb_flow_tuple(flow, BPFLB_KEY_REPLY, &to);
	to = bpflb_tuple_reverse(&to);
	return rewrite(skb, pkt, flow, &to);
}

static unsigned int from_service(struct sk_buff *skb, struct bpflb_packet *pkt,
				 struct bpflb_flow *flow)
{
	struct bpflb_tuple to;

	bpflb_flow_tuple(flow, BPFLB_KEY_ORIG, &to);
	to = bpflb_tuple_reverse(&to);
	return rewrite(skb, pkt, flow, &to);
}

/**
 * bpflb_translate_src() - a packet of a flow leaves
 * @skb: the packet, in POSTROUTING or LOCAL_IN
 * @pkt: what it is; follows the change
 * @m: its flow, found by MID
 * @out: the device it leaves by; NULL in LOCAL_IN
 *
 * Context: RCU, bottom halves off. Return: NF_ACCEPT; NF_STOLEN, and it is on its way; or
 * NF_DROP and counted.
 */
unsigned int bpflb_translate_src(struct sk_buff *skb, struct bpflb_packet *pkt,
				 const struct bpflb_match *m, const struct net_device *out)
{
	if (m->role == BPFLB_ROLE_MID_REPLY)
		return from_service(skb, pkt, m->flow);
	if (m->flow->kind == BPFLB_FLOW_SNAT && out)
		return from_snat(skb, pkt, m->flow, out);
	if (m->flow->dispatch != BPFLB_DISPATCH_OPT && out)
		return bpflb_dsr_leave(m->flow->bn, skb, pkt, m);
	return NF_ACCEPT;
}
