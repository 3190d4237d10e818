// SPDX-License-Identifier: GPL-2.0-only
/*
 * A packet that does not exist goes the way of one that has come in (hooks.c, balance.c), by the
 * same functions, but for those that leave a trace. Of these there is one beside each that tells
 * what it would do.
 */
#include "affinity.h"
#include "ask.h"
#include "backend.h"
#include "choose.h"
#include "explain.h"
#include "frontend.h"
#include "netns.h"
#include "service.h"
#include "stats.h"
#include "translate.h"
#include "version.h"
#include "vip.h"

static void drop(struct bpflb_explain *e, enum bpflb_drop_reason reason)
{
	e->verdict = BPFLB_VERDICT_DROP;
	e->reason = reason;
}

/* The packet has a flow. */
static void goes_on(struct bpflb_explain *e)
{
	e->verdict = BPFLB_VERDICT_FLOW;
	if (e->m.role == BPFLB_ROLE_ORIG && bpflb_flow_has_no_server(e->m.flow, &e->pkt))
		drop(e, BPFLB_DROP_BACKEND_DOWN);
}

static bool has_flow_with(struct bpflb_explain *e, const struct bpflb_slot *slot)
{
	struct bpflb_packet pkt = e->pkt;
	struct bpflb_match m = bpflb_flow_find_with(e->bn, &pkt, slot->be);

	if (!m.flow || !bpflb_flow_serves(&m, &e->pkt))
		return false;
	e->m = m;
	goes_on(e);
	return true;
}

/* Whom the scheduler has for it, or affinity, full or not. */
static const struct bpflb_slot *first_choice(struct bpflb_explain *e)
{
	const struct bpflb_slot *slot;

	if (e->v->affinity) {
		slot = bpflb_affinity_tell(e->bn, e->svc, e->v, e->pool, &e->pkt.tuple);
		if (slot && !bpflb_backend_is_full(slot->be)) {
			e->choice = BPFLB_CHOICE_AFFINITY;
			return slot;
		}
	}
	e->choice = e->pool->n == 1 ? BPFLB_CHOICE_SINGLE : BPFLB_CHOICE_SCHEDULER;
	return bpflb_choose_tell(e->v, e->pool, &e->pkt.tuple);
}

static void choose(struct bpflb_explain *e)
{
	const struct bpflb_slot *first = first_choice(e);
	bool room;

	e->verdict = BPFLB_VERDICT_BALANCE;
	if (first && e->v->one_packet && has_flow_with(e, first))
		return;
	if (first)
		e->chosen = bpflb_give_way(e->v, e->pool, first, &e->pkt);
	if (e->chosen && e->chosen != first && e->v->one_packet && has_flow_with(e, e->chosen))
		return;
	room = first ? !!e->chosen : !!bpflb_with_room(e->pool, e->pool->slot);
	if (room && !bpflb_service_is_full(e->svc))
		return;
	e->chosen = NULL;
	drop(e, BPFLB_DROP_FLOWS_MAX);
}

static void ask_service(struct bpflb_explain *e)
{
	enum bpflb_drop_reason reason;

	e->svc = rcu_dereference(e->fe->service);
	e->v = e->svc ? rcu_dereference(e->svc->version) : NULL;
	if (!e->v) {
		e->svc = NULL;
		return;
	}
	e->pool = bpflb_pool_at(e->bn, e->v, e->fe, &e->pkt);
	e->scope = e->pool == bpflb_version_pool(e->v, e->pkt.tuple.family, BPFLB_SCOPE_NODE) ?
		   BPFLB_SCOPE_NODE : BPFLB_SCOPE_CLUSTER;
	reason = bpflb_ask(e->bn, e->v, e->fe, &e->pkt, &e->pool);
	if (reason == BPFLB_NO_DROP)
		choose(e);
	else
		drop(e, reason);
}

/**
 * bpflb_explain() - what would become of a packet
 * @e: has the namespace, the packet, and how it comes in; the rest, zeroed, is the result
 *
 * Context: RCU, bottom halves off; what is found is valid in that.
 */
void bpflb_explain(struct bpflb_explain *e)
{
	e->verdict = BPFLB_VERDICT_PASS;
	e->reason = BPFLB_NO_DROP;
	e->m = bpflb_flow_find(e->bn, &e->pkt);
	if (e->m.flow && bpflb_flow_serves(&e->m, &e->pkt)) {
		goes_on(e);
		return;
	}
	e->ends = e->m.flow;
	e->fe = bpflb_frontend_for(e->bn, &e->pkt.tuple);
	if (e->fe)
		ask_service(e);
	else if (bpflb_vip_is_closed(e->bn, &e->pkt.tuple))
		drop(e, BPFLB_DROP_UNKNOWN_PORT);
}
