/* SPDX-License-Identifier: GPL-2.0-only */
/* The servers of a service. */
#ifndef _BPFLB_BACKEND_H
#define _BPFLB_BACKEND_H

#include <linux/bits.h>
#include <linux/bpflb.h>
#include <linux/refcount.h>
#include <linux/rhashtable.h>

#include "stats.h"
#include "tuple.h"

/* Of one namespace: some times what the largest clusters have. */
#define BPFLB_BACKENDS_MAX	BIT(21)

struct bpflb_net;
struct bpflb_node;
struct bpflb_service;

/**
 * struct bpflb_backend_conf - what BACKEND_SET can change
 * @weight: 0: no new flows
 * @state: enum bpflb_backend_state
 * @flows_max: no more flows than these; 0: any
 * @local: said to be on this node
 * @node: the node it is on, or NULL
 */
struct bpflb_backend_conf {
	u32 weight;
	u8 state;
	u32 flows_max;
	bool local;
	struct bpflb_node *node;
};

/**
 * struct bpflb_backend_key - a service's backends are known by address and port
 * @svc: service
 * @at: address and port
 * @family: of the address; as wide as to leave no padding, it is hashed as bytes
 */
struct bpflb_backend_key {
	struct bpflb_service *svc;
	struct bpflb_endpoint at;
	u32 family;
};

/**
 * struct bpflb_backend - a server of one service
 * @hash: in bpflb_net.backends
 * @list: in bpflb_service.backends; once it is removed, in its leaving
 * @dirty: in bpflb_txn.backends, if it changes in the open transaction
 * @rcu: to free it
 * @ref: the configuration, and each flow
 * @key: its service, a reference, and its address and port
 * @counters: what went to it and came from it
 * @id: number, unique in the namespace, rising along @list
 * @on: the node that its packets go to in a tunnel, a reference; read by packets
 * @live: new flows may come; read by packets
 * @here: on this node; read by packets
 * @bypass: its service's, unless it is down; read by packets
 * @down: its flows have no server; read by packets
 * @flows_max: no more flows than these, 0: any; read by packets
 * @next_live: @live after the open transaction
 * @next_here: @here after the commit that is under way
 * @cur: in force
 * @next: after the open transaction
 *
 * All but @counters and @ref, and for packets @on, @live, @here, @bypass,
 * @down and @flows_max: bpflb_net.lock. What each packet reads is in a cache line of its own,
 * away from @ref, which each new flow writes.
 */
struct bpflb_backend {
	struct rhash_head hash;
	struct list_head list;
	struct list_head dirty;
	struct rcu_head rcu;
	refcount_t ref;

	struct bpflb_backend_key key __aligned(64);
	struct bpflb_counters __percpu *counters;
	struct bpflb_node __rcu *on;
	u32 id;
	bool live;
	bool here;
	bool bypass;
	bool down;
	u32 flows_max;
	bool next_live;
	bool next_here;

	struct bpflb_backend_conf cur;
	struct bpflb_backend_conf next;
};

extern const struct rhashtable_params bpflb_backend_params;

static inline bool bpflb_backend_get(struct bpflb_backend *be)
{
	return refcount_inc_not_zero(&be->ref);
}

/* How many flows it has. Those that are closing count until they expire. */
static inline u32 bpflb_backend_flows(const struct bpflb_backend *be)
{
	return refcount_read(&be->ref) - READ_ONCE(be->live);
}

/* Has it all the flows that it may have? */
static inline bool bpflb_backend_is_full(const struct bpflb_backend *be)
{
	u32 max = READ_ONCE(be->flows_max);

	return unlikely(max) && bpflb_backend_flows(be) >= max;
}

/* May datagrams go on to it in a flow of this enum bpflb_flow_kind? Not if it was removed,
 * nor if it has left this node: only a flow of another kind gets there and back.
 */
static inline bool bpflb_backend_keeps(const struct bpflb_backend *be, u8 kind)
{
	return READ_ONCE(be->live) && (kind != BPFLB_FLOW_LOCAL || READ_ONCE(be->here));
}

void bpflb_backend_put(struct bpflb_backend *be);
void bpflb_backend_set_on(struct bpflb_backend *be, struct bpflb_node *node);
struct bpflb_backend *bpflb_backend_find(struct bpflb_net *bn, struct bpflb_service *svc,
					 u8 family, const struct bpflb_endpoint *at);
struct bpflb_backend *bpflb_backend_of_note(struct bpflb_net *bn, struct bpflb_service *svc,
					    u8 family, const struct bpflb_endpoint *at,
					    __be16 asked);

/* The control plane; all with bpflb_net.lock held */
struct bpflb_backend *bpflb_backend_make(struct bpflb_service *svc, u8 family,
					 const struct bpflb_endpoint *at);
void bpflb_backend_remove(struct bpflb_backend *be);
void bpflb_backend_touch(struct bpflb_backend *be);
bool bpflb_backend_differs(const struct bpflb_backend *be);
bool bpflb_backend_is_here(const struct bpflb_backend *be, const struct bpflb_backend_conf *conf);
void bpflb_backend_settle(struct bpflb_backend *be, bool keep_next);

#endif
