/* SPDX-License-Identifier: GPL-2.0-only */
/* What would become of a packet, and why; for people, by what packets go by. */
#ifndef _BPFLB_EXPLAIN_H
#define _BPFLB_EXPLAIN_H

#include "course.h"
#include "flow.h"
#include "packet.h"
#include "pool.h"

struct bpflb_frontend;
struct bpflb_net;
struct bpflb_service;
struct bpflb_version;
struct net_device;

/**
 * struct bpflb_explain - a packet, and what becomes of it
 * @bn: namespace
 * @pkt: the packet, client -> service
 * @in: the device that it comes in by; NULL: it is of this node itself, or has no way here
 * @verdict: enum bpflb_verdict
 * @reason: why it is dropped
 * @m: the flow that it finds, if any
 * @ends: that flow is ended by it
 * @fe: where it asks; NULL: of no service, or it has a flow
 * @svc: the service; NULL where @fe is
 * @v: what it sees of that
 * @pool: whom it may be sent to
 * @scope: of @pool
 * @choice: enum bpflb_choice
 * @chosen: the backend; NULL: up to chance, or nobody
 */
struct bpflb_explain {
	struct bpflb_net *bn;
	struct bpflb_packet pkt;
	struct net_device *in;
	u8 verdict;
	enum bpflb_drop_reason reason;
	struct bpflb_match m;
	bool ends;
	struct bpflb_frontend *fe;
	struct bpflb_service *svc;
	const struct bpflb_version *v;
	const struct bpflb_pool *pool;
	u8 scope;
	u8 choice;
	const struct bpflb_slot *chosen;
};

/**
 * struct bpflb_explain_way - how the packet would get to a backend
 * @course: by what kind of flow
 * @reason: why it would be dropped, or BPFLB_NO_DROP
 * @no_route: the stack would not let it go there
 * @other_port: another flow has its tuple towards the backend
 * @out: the device it would leave by; NULL: none, it stays here
 * @gateway: the next hop, if that is not the backend, or the tunnel's end
 * @gateway_family: of that; 0: there is none
 * @mtu: of the route
 * @head: bytes that a note or a tunnel adds
 * @end: where the tunnel ends
 * @end_family: of that; 0: there is none
 * @source: of SNAT: what the backend sees
 */
struct bpflb_explain_way {
	struct bpflb_course course;
	enum bpflb_drop_reason reason;
	bool no_route;
	bool other_port;
	const struct net_device *out;
	union nf_inet_addr gateway;
	u8 gateway_family;
	u32 mtu;
	u32 head;
	union nf_inet_addr end;
	u8 end_family;
	struct bpflb_endpoint source;
};

void bpflb_explain(struct bpflb_explain *e);

/* explain_way.c */
struct net_device *bpflb_explain_device(struct bpflb_net *bn, u8 family,
					const union nf_inet_addr *client);
void bpflb_explain_way(const struct bpflb_explain *e, const struct bpflb_slot *slot,
		       struct bpflb_flow *flow, struct bpflb_explain_way *way);

#endif
