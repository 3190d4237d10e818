// SPDX-License-Identifier: GPL-2.0-only
#include "ask.h"
#include "course.h"
#include "frontend.h"
#include "netns.h"
#include "node.h"
#include "packet.h"
#include "sources.h"
#include "stats.h"
#include "version.h"

/* A program of this node that asks at an address which the node has itself does so
 * from that very address; the node's own is meant.
 */
static bool node_may_ask(struct bpflb_net *bn, const struct bpflb_sources *sources,
			 const struct bpflb_tuple *t)
{
	const struct bpflb_node *node;

	list_for_each_entry_rcu(node, &bn->node_list, all)
		if (READ_ONCE(node->live) && READ_ONCE(node->self) &&
		    node->key.family == t->family &&
		    bpflb_sources_allow(sources, t->family, &node->key.addr))
			return true;
	return false;
}

/* BPFLB_FRONT_* of an address that a packet asks at. */
static u8 front_flags(const struct bpflb_version *v, const struct bpflb_frontend *fe)
{
	u32 i;

	for (i = 0; i < v->n_marked; i++)
		if (v->marked[i].fe == fe)
			return v->marked[i].flags;
	return 0;
}

/**
 * bpflb_may_ask() - may the client of a packet ask the service?
 * @bn: namespace
 * @v: what the packet sees of it
 * @fe: where it asks
 * @pkt: the packet, client -> service
 *
 * Context: RCU.
 */
bool bpflb_may_ask(struct bpflb_net *bn, const struct bpflb_version *v,
		   const struct bpflb_frontend *fe, const struct bpflb_packet *pkt)
{
	const struct bpflb_tuple *t = &pkt->tuple;

	if (!v->sources || bpflb_sources_allow(v->sources, t->family, &t->src.addr) ||
	    front_flags(v, fe) & BPFLB_FRONT_OPEN)
		return true;
	return pkt->local_out && bpflb_addr_equal(&t->src.addr, &t->dst.addr) &&
	       node_may_ask(bn, v->sources, t);
}

/** bpflb_policy_at() - the enum bpflb_policy that holds where a packet asks */
u8 bpflb_policy_at(const struct bpflb_version *v, const struct bpflb_frontend *fe)
{
	return front_flags(v, fe) & BPFLB_FRONT_INTERNAL ? v->internal_policy : v->policy;
}

/* Who asks at an external address from this node, itself or a pod, is inside already,
 * and gets all backends whatever the policy there is.
 */
static bool is_local_only(struct bpflb_net *bn, const struct bpflb_version *v,
			  const struct bpflb_frontend *fe, const struct bpflb_packet *pkt)
{
	if (!bpflb_version_has_local(v) || bpflb_policy_at(v, fe) != BPFLB_POLICY_LOCAL)
		return false;
	return front_flags(v, fe) & BPFLB_FRONT_INTERNAL ||
	       !(pkt->local_out || bpflb_is_pod_here(rcu_dereference(bn->settings), pkt));
}

/**
 * bpflb_pool_at() - whom a packet may be sent to
 * @bn: namespace
 * @v: what it sees of the service
 * @fe: where it asks
 * @pkt: the packet, client -> service
 *
 * Context: RCU. Return: the backends, which may be none.
 */
const struct bpflb_pool *bpflb_pool_at(struct bpflb_net *bn, const struct bpflb_version *v,
				       const struct bpflb_frontend *fe,
				       const struct bpflb_packet *pkt)
{
	return bpflb_version_pool(v, pkt->tuple.family, is_local_only(bn, v, fe, pkt) ?
				  BPFLB_SCOPE_NODE : BPFLB_SCOPE_CLUSTER);
}

/**
 * bpflb_ask() - may a packet that has no flow be served, and by whom?
 * @bn: namespace
 * @v: what it sees of the service
 * @fe: where it asks
 * @pkt: the packet, client -> service
 * @pool: whom it may be sent to, at least one, if it may be served
 *
 * Context: RCU. Return: BPFLB_NO_DROP, or why not.
 */
enum bpflb_drop_reason bpflb_ask(struct bpflb_net *bn, const struct bpflb_version *v,
				 const struct bpflb_frontend *fe, const struct bpflb_packet *pkt,
				 const struct bpflb_pool **pool)
{
	if (!bpflb_may_ask(bn, v, fe, pkt))
		return BPFLB_DROP_SOURCE;
	if (pkt->tcp_flags & BPFLB_TCP_RST)
		return BPFLB_DROP_NO_FLOW;
	if (!bpflb_version_pool(v, pkt->tuple.family, BPFLB_SCOPE_CLUSTER)->n)
		return BPFLB_DROP_NO_BACKEND;
	*pool = bpflb_pool_at(bn, v, fe, pkt);
	if (!(*pool)->n)
		return BPFLB_DROP_NO_LOCAL_BACKEND;
	if (bpflb_packet_is_in_mid_life(pkt) && !bpflb_version_is_deterministic(v, *pool))
		return BPFLB_DROP_NO_FLOW;
	return BPFLB_NO_DROP;
}
