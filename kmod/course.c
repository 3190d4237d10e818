// SPDX-License-Identifier: GPL-2.0-only
#include "backend.h"
#include "course.h"
#include "netns.h"
#include "packet.h"
#include "pool.h"
#include "settings.h"
#include "version.h"

/* A backend's node can't answer this node with this node's own address as the
 * source: the kernel takes that for a forgery.
 */
static bool can_be_answered(struct bpflb_net *bn, const struct bpflb_packet *pkt)
{
	return !pkt->local_out || !bpflb_addr_is_own(bn->net, pkt->tuple.family,
							&pkt->tuple.dst.addr);
}

/* A pod, or another node, reaches itself through a service. It would take a packet
 * from its own address for a forgery, and its answer would never leave it.
 */
static bool is_hairpin(const struct bpflb_backend *be, const struct bpflb_packet *pkt)
{
	return !pkt->local_out && bpflb_addr_equal(&pkt->tuple.src.addr, &be->key.at.addr);
}

static bool is_dsr(const struct bpflb_settings *s, const struct bpflb_version *v, u8 proto)
{
	u8 mode = v->mode == BPFLB_SERVICE_MODE_DEFAULT ? s->mode : v->mode;

	return mode == BPFLB_MODE_DSR || (mode == BPFLB_MODE_HYBRID && proto == IPPROTO_TCP);
}

/**
 * bpflb_is_pod_here() - has a pod of this node sent it?
 * @s: settings
 * @pkt: a packet, client -> service
 *
 * Context: any.
 */
bool bpflb_is_pod_here(const struct bpflb_settings *s, const struct bpflb_packet *pkt)
{
	return !pkt->local_out &&
	       bpflb_settings_has_pod(s, pkt->tuple.family, &pkt->tuple.src.addr);
}

static struct bpflb_course snat_for(u8 why)
{
	return (struct bpflb_course){ BPFLB_FLOW_SNAT, 0, why };
}

/* @masquerade: not for a server in this node's own network: what never leaves has no other
 * source than its client's.
 */
static struct bpflb_course course_here(struct bpflb_net *bn, const struct bpflb_backend *be,
				       bool masquerade)
{
	if (masquerade && !bpflb_addr_is_own(bn->net, be->key.family, &be->key.at.addr))
		return snat_for(BPFLB_WHY_MASQUERADE);
	return (struct bpflb_course){ BPFLB_FLOW_LOCAL, 0, BPFLB_WHY_HERE };
}

/* How DSR gets to a backend elsewhere. */
static u8 dispatch_to(const struct bpflb_settings *s, const struct bpflb_version *v,
		      const struct bpflb_slot *slot)
{
	u8 dispatch = v->dispatch == BPFLB_SERVICE_DISPATCH_DEFAULT ? s->dispatch : v->dispatch;

	/* A node with bpflb would balance again what comes for the service. */
	if (slot->where == BPFLB_WHERE_NODE && dispatch == BPFLB_DISPATCH_L2)
		return BPFLB_DISPATCH_OPT;
	return dispatch;
}

/* Does a machine without bpflb understand it? It hears the service's own address and port. */
static bool is_for_plain(u8 dispatch, const struct bpflb_backend *be,
			 const struct bpflb_packet *pkt)
{
	return (dispatch == BPFLB_DISPATCH_IPIP || dispatch == BPFLB_DISPATCH_L2) &&
	       (!be->key.at.port || be->key.at.port == pkt->tuple.dst.port);
}

/**
 * bpflb_course_of() - how a new flow gets to a backend
 * @bn: namespace
 * @v: what the packet sees of the service
 * @slot: the backend
 * @pkt: the flow's first packet, client -> service
 * @policy: enum bpflb_policy, where it asks
 *
 * Context: RCU.
 */
struct bpflb_course bpflb_course_of(struct bpflb_net *bn, const struct bpflb_version *v,
				    const struct bpflb_slot *slot,
				    const struct bpflb_packet *pkt, u8 policy)
{
	const struct bpflb_settings *s = rcu_dereference(bn->settings);
	bool all = s->masquerade == BPFLB_MASQUERADE_ALL && policy == BPFLB_POLICY_CLUSTER;
	bool dsr = is_dsr(s, v, pkt->tuple.proto), pod = bpflb_is_pod_here(s, pkt);
	u8 dispatch = dispatch_to(s, v, slot);

	if (is_hairpin(slot->be, pkt))
		return snat_for(BPFLB_WHY_HAIRPIN);
	if (slot->where == BPFLB_WHERE_HERE)
		return course_here(bn, slot->be, all && !dsr);
	if (slot->where == BPFLB_WHERE_PLAIN && (pod || !is_for_plain(dispatch, slot->be, pkt)))
		return snat_for(BPFLB_WHY_PLAIN);
	/* What answers a pod comes by here, whoever it is from. */
	if (!all && pod)
		return (struct bpflb_course){ BPFLB_FLOW_DIRECT, 0, BPFLB_WHY_POD };
	if (!dsr)
		return snat_for(BPFLB_WHY_MODE);
	if (!can_be_answered(bn, pkt))
		return snat_for(BPFLB_WHY_OWN);
	return (struct bpflb_course){ BPFLB_FLOW_DSR_OUT, dispatch, BPFLB_WHY_MODE };
}
