// SPDX-License-Identifier: GPL-2.0-only
#include <linux/random.h>

#include "affinity.h"
#include "ask.h"
#include "backend.h"
#include "balance.h"
#include "choose.h"
#include "course.h"
#include "flow.h"
#include "frontend.h"
#include "netns.h"
#include "reject.h"
#include "service.h"
#include "stats.h"
#include "translate.h"
#include "version.h"

/* Ports tried for a flow whose MID tuple is taken. */
#define MPORT_TRIES 32

/* A port of the client's that it is unlikely to use itself at this moment. */
static __be16 other_port(void)
{
	return htons(1024 + get_random_u32_below(65536 - 1024));
}

/* End the flow that has this one's MID tuple, if it is closing anyway. */
static bool end_closing(struct bpflb_net *bn, const struct bpflb_flow *flow)
{
	struct bpflb_tuple mid;
	struct bpflb_match m;

	bpflb_flow_tuple(flow, BPFLB_KEY_MID, &mid);
	m = bpflb_flow_find_mid(bn, &mid);
	if (!m.flow || bpflb_flow_proto(flow) == IPPROTO_UDP ||
	    !(bpflb_flow_is_closing(m.flow) || bpflb_flow_is_expired(m.flow)))
		return false;
	bpflb_flow_kill(m.flow, bpflb_flow_end_of_state(m.flow));
	return true;
}

/* From a port to itself, and so what comes back could not be told from what goes there. */
static bool is_its_own_reverse(const struct bpflb_flow *flow)
{
	const union nf_inet_addr client = bpflb_flow_addr(flow, BPFLB_ADDR_CLIENT);
	const union nf_inet_addr backend = bpflb_flow_addr(flow, BPFLB_ADDR_BACKEND);

	return flow->mport == flow->bport && bpflb_addr_equal(&client, &backend);
}

/* Put a flow into the table. If its MID tuple is taken, by the same client port's
 * flow to another service:
 *	DSR_OUT by "opt" has none; each packet gets its note, to be told from the other's;
 *	DSR_IN: if the other is closing it ends: this client has gone on;
 *	else the client gets another port towards the backend. So does one that asks
 *	itself from the very port that it serves at. By another dispatch of DSR_OUT it
 *	has that only as long as it takes to pass the stack.
 * Return: 0; -EEXIST if another packet of the connection was faster;
 * -EADDRINUSE if no tuple between client and backend is free; -ENOMEM; -ENOSPC.
 */
static int link_flow(struct bpflb_net *bn, struct bpflb_flow *flow)
{
	enum bpflb_key clash;
	unsigned int tries;
	bool mid = true;

	for (tries = 0; tries < MPORT_TRIES; tries++) {
		int err;

		while (is_its_own_reverse(flow))
			flow->mport = other_port();
		err = bpflb_flow_link(flow, mid, &clash);
		if (err != -EEXIST || clash == BPFLB_KEY_ORIG)
			return err;
		if (flow->kind == BPFLB_FLOW_DSR_OUT)
			flow->flags |= BPFLB_FLOW_NOTE_ALWAYS;
		if (flow->kind == BPFLB_FLOW_DSR_OUT && flow->dispatch == BPFLB_DISPATCH_OPT)
			mid = false;
		else if (flow->kind != BPFLB_FLOW_DSR_IN || !end_closing(bn, flow))
			flow->mport = other_port();
	}
	return -EADDRINUSE;
}

/* Make a flow for a packet to a service, or find the one that another processor
 * has just made. Return: why there is none.
 */
static enum bpflb_drop_reason make_flow(struct bpflb_net *bn, struct bpflb_backend *be,
					struct bpflb_packet *pkt,
					struct bpflb_course course, struct bpflb_match *m)
{
	struct bpflb_flow *flow;
	int err;

	if (!bpflb_flow_make_room(bn))
		return BPFLB_DROP_TABLE_FULL;
	flow = bpflb_flow_alloc(bn, be, pkt, course.kind);
	if (!flow)
		return BPFLB_DROP_NO_MEMORY;
	flow->dispatch = course.dispatch;
	/* Met in mid-life: its backend may know nothing of it and must be able
	 * to answer with an RST or ABORT that the client believes.
	 */
	if (course.kind == BPFLB_FLOW_DSR_OUT && bpflb_packet_is_in_mid_life(pkt))
		flow->flags |= BPFLB_FLOW_NOTE_ALWAYS;

	err = link_flow(bn, flow);
	if (!err) {
		bpflb_flow_announce(flow);
		*m = (struct bpflb_match){ flow, BPFLB_ROLE_ORIG };
		return BPFLB_NO_DROP;
	}
	bpflb_flow_free_unlinked(flow);
	if (err == -ENOMEM)
		return BPFLB_DROP_NO_MEMORY;
	if (err == -ENOSPC)
		return BPFLB_DROP_TABLE_FULL;
	if (err == -EEXIST)
		*m = bpflb_flow_find_again(bn, pkt);
	return m->flow ? BPFLB_NO_DROP : BPFLB_DROP_TUPLE_CLASH;
}

/* Has the client of a one-packet service a flow with this backend? */
static bool find_flow_with(struct bpflb_net *bn, const struct bpflb_backend *be,
			   struct bpflb_packet *pkt, struct bpflb_match *m)
{
	*m = bpflb_flow_find_with(bn, pkt, be);
	if (!m->flow)
		return false;
	if (bpflb_flow_serves(m, pkt))
		return true;
	bpflb_flow_kill(m->flow, bpflb_flow_end_for(m));
	m->flow = NULL;
	return false;
}

/* Return: NULL if all are full. */
static const struct bpflb_slot *choose(struct bpflb_net *bn, struct bpflb_service *svc,
				       const struct bpflb_version *v,
				       const struct bpflb_pool *pool,
				       const struct bpflb_packet *pkt)
{
	if (v->affinity)
		return bpflb_affinity_choose(bn, svc, v, pool, &pkt->tuple);
	return bpflb_give_way(v, pool, bpflb_choose(v, pool, &pkt->tuple), pkt);
}

/* May the packet be sent without a flow, where there is no room for one? If whatever comes of its
 * connection gets the same backend at whichever node, and needs nothing when it leaves: tunnels and
 * MAC addresses are a flow's.
 */
static bool needs_no_flow(const struct bpflb_version *v, struct bpflb_course course,
			  enum bpflb_drop_reason reason)
{
	return (reason == BPFLB_DROP_TABLE_FULL || reason == BPFLB_DROP_NO_MEMORY) &&
	       v->scheduler == BPFLB_SCHEDULER_MAGLEV && !v->affinity &&
	       course.kind == BPFLB_FLOW_DSR_OUT && course.dispatch == BPFLB_DISPATCH_OPT;
}

/* By what a flow would be, with a note: nobody remembers who had one. */
static unsigned int send_without_flow(struct bpflb_net *bn, struct bpflb_backend *be,
				      struct sk_buff *skb, struct bpflb_packet *pkt)
{
	struct bpflb_flow6 flow = {};
	const struct bpflb_match m = { &flow.flow, BPFLB_ROLE_ORIG };

	bpflb_flow_set(&flow.flow, bn, be, pkt, BPFLB_FLOW_DSR_OUT);
	flow.flow.dispatch = BPFLB_DISPATCH_OPT;
	flow.flow.flags = BPFLB_FLOW_NOTE_ALWAYS;
	return bpflb_translate_dst(skb, pkt, &m);
}

/* @policy: where the packet asks */
static unsigned int begin_flow(struct bpflb_net *bn, const struct bpflb_version *v,
			       const struct bpflb_slot *slot, struct sk_buff *skb,
			       struct bpflb_packet *pkt, u8 policy)
{
	struct bpflb_course course = bpflb_course_of(bn, v, slot, pkt, policy);
	struct bpflb_match m = {};
	enum bpflb_drop_reason reason = make_flow(bn, slot->be, pkt, course, &m);

	if (reason == BPFLB_NO_DROP)
		return bpflb_translate_dst(skb, pkt, &m);
	if (needs_no_flow(v, course, reason))
		return send_without_flow(bn, slot->be, skb, pkt);
	return bpflb_drop(bn, slot->be->key.svc, skb, reason);
}

/* Of a one-packet service. Limits are for new flows: where the client has one with the backend
 * that was chosen, it goes on.
 */
static unsigned int balance_datagram(struct bpflb_net *bn, struct bpflb_service *svc,
				     const struct bpflb_version *v,
				     const struct bpflb_pool *pool, struct sk_buff *skb,
				     struct bpflb_packet *pkt, u8 policy)
{
	const struct bpflb_slot *chosen = bpflb_choose(v, pool, &pkt->tuple), *slot;
	struct bpflb_match m = {};
	u32 hash = pkt->hash;

	if (find_flow_with(bn, chosen->be, pkt, &m))
		return bpflb_translate_dst(skb, pkt, &m);
	slot = bpflb_with_room(pool, chosen);
	if (slot && slot != chosen) {
		pkt->hash = hash;
		if (find_flow_with(bn, slot->be, pkt, &m))
			return bpflb_translate_dst(skb, pkt, &m);
	}
	if (!slot || bpflb_service_is_full(svc))
		return bpflb_drop(bn, svc, skb, BPFLB_DROP_FLOWS_MAX);
	return begin_flow(bn, v, slot, skb, pkt, policy);
}

/* Some are told. */
static unsigned int refuse(struct bpflb_net *bn, struct bpflb_service *svc, struct sk_buff *skb,
			   struct bpflb_packet *pkt, enum bpflb_drop_reason reason)
{
	switch (reason) {
	case BPFLB_DROP_NO_FLOW:
		return bpflb_reject_lost(bn, svc, skb, pkt);
	case BPFLB_DROP_NO_BACKEND:
		return bpflb_reject_no_backend(bn, svc, skb, pkt);
	default:
		return bpflb_drop(bn, svc, skb, reason);
	}
}

/**
 * bpflb_balance() - a packet for a service, that has no flow
 * @bn: namespace
 * @fe: where it asks for the service
 * @skb: the packet, in PREROUTING or LOCAL_OUT
 * @pkt: what it is; follows the change
 *
 * Context: RCU, bottom halves off. Return: NF_ACCEPT, and it is on its way to a
 * backend now; or NF_DROP, and it is counted.
 */
unsigned int bpflb_balance(struct bpflb_net *bn, struct bpflb_frontend *fe, struct sk_buff *skb,
			   struct bpflb_packet *pkt)
{
	struct bpflb_service *svc = rcu_dereference(fe->service);
	const struct bpflb_version *v = svc ? rcu_dereference(svc->version) : NULL;
	enum bpflb_drop_reason reason;
	const struct bpflb_slot *slot;
	const struct bpflb_pool *pool;

	if (!v)
		return NF_ACCEPT;
	reason = bpflb_ask(bn, v, fe, pkt, &pool);
	if (reason != BPFLB_NO_DROP)
		return refuse(bn, svc, skb, pkt, reason);
	if (v->one_packet)
		return balance_datagram(bn, svc, v, pool, skb, pkt, bpflb_policy_at(v, fe));
	slot = bpflb_service_is_full(svc) ? NULL : choose(bn, svc, v, pool, pkt);
	if (!slot)
		return bpflb_drop(bn, svc, skb, BPFLB_DROP_FLOWS_MAX);
	return begin_flow(bn, v, slot, skb, pkt, bpflb_policy_at(v, fe));
}

/* Whom a client of the service has, by a packet of its that no flow tells of: what any node
 * would choose, or what was remembered. Return: NULL if nobody can know.
 */
static const struct bpflb_slot *tell(struct bpflb_net *bn, const struct bpflb_service *svc,
				     const struct bpflb_version *v, const struct bpflb_pool *pool,
				     const struct bpflb_tuple *t)
{
	const struct bpflb_slot *slot = v->affinity ?
					bpflb_affinity_tell(bn, svc, v, pool, t) : NULL;

	if (slot || !pool->n || !bpflb_version_is_deterministic(v, pool))
		return slot;
	return pool->n == 1 ? &pool->slot[0] : bpflb_choose(v, pool, t);
}

/**
 * bpflb_balance_tell() - where would the packets of a client go?
 * @bn: namespace
 * @pkt: one of them, client -> service, of which there is no flow here
 *
 * Nothing is made of it, nor remembered. It is as on any other node: so a backend that is
 * reached by SNAT is none, for its flows are those of one node, which is not this one; nor is
 * one without bpflb, that knows itself by the service's address alone.
 *
 * Context: RCU, bottom halves off. Return: the backend, or NULL if that is not known.
 */
struct bpflb_backend *bpflb_balance_tell(struct bpflb_net *bn, const struct bpflb_packet *pkt)
{
	struct bpflb_frontend *fe = bpflb_frontend_for(bn, &pkt->tuple);
	struct bpflb_service *svc = fe ? rcu_dereference(fe->service) : NULL;
	const struct bpflb_version *v = svc ? rcu_dereference(svc->version) : NULL;
	const struct bpflb_slot *slot;

	if (!v || !bpflb_may_ask(bn, v, fe, pkt))
		return NULL;
	slot = tell(bn, svc, v, bpflb_pool_at(bn, v, fe, pkt), &pkt->tuple);
	if (!slot || slot->where == BPFLB_WHERE_PLAIN ||
	    bpflb_course_of(bn, v, slot, pkt, bpflb_policy_at(v, fe)).kind == BPFLB_FLOW_SNAT)
		return NULL;
	return slot->be;
}

/**
 * bpflb_balance_noted() - a packet that another node has balanced to this one
 * @bn: namespace
 * @skb: the packet, its note taken off
 * @asked: what it is, its destination what the note names
 * @be: the backend on this node that it is for
 * @m: its flow, if there is one now
 *
 * Context: RCU, bottom halves off. Return: NF_ACCEPT, or NF_DROP and counted.
 */
unsigned int bpflb_balance_noted(struct bpflb_net *bn, struct sk_buff *skb,
				 struct bpflb_packet *asked, struct bpflb_backend *be,
				 struct bpflb_match *m)
{
	const struct bpflb_course course = { BPFLB_FLOW_DSR_IN };
	enum bpflb_drop_reason reason = make_flow(bn, be, asked, course, m);

	return reason == BPFLB_NO_DROP ? NF_ACCEPT : bpflb_drop(bn, be->key.svc, skb, reason);
}
