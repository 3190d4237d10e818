/* SPDX-License-Identifier: GPL-2.0-only */
/* What a packet sees of a service: who may be chosen. */
#ifndef _BPFLB_VERSION_H
#define _BPFLB_VERSION_H

#include <linux/bpflb.h>
#include <linux/netfilter.h>
#include <linux/types.h>

#include "pool.h"

struct bpflb_front;
struct bpflb_service;
struct bpflb_sources;
struct netlink_ext_ack;

/**
 * struct bpflb_version - what a packet sees of a service; immutable but for @turn
 * @rcu: to free it
 * @policy: enum bpflb_policy
 * @internal_policy: the same, at internal addresses
 * @scheduler: enum bpflb_scheduler
 * @one_packet: each datagram is for itself
 * @mode: enum bpflb_mode, or BPFLB_SERVICE_MODE_DEFAULT
 * @dispatch: enum bpflb_dispatch, or BPFLB_SERVICE_DISPATCH_DEFAULT
 * @affinity: for how many seconds a client has the backend it had; 0: none
 * @n_marked: how many @marked
 * @sources: who may ask, a reference; NULL: everybody
 * @marked: addresses that have flags, if these matter here
 * @pool: of IPv4 and of IPv6, by enum bpflb_scope
 */
struct bpflb_version {
	struct rcu_head rcu;
	u8 policy;
	u8 internal_policy;
	u8 scheduler;
	bool one_packet;
	u8 mode;
	u8 dispatch;
	u32 affinity;
	u16 n_marked;
	struct bpflb_sources *sources;
	struct bpflb_front *marked;
	struct bpflb_pool pool[2][BPFLB_SCOPES];
};

/* Is there an address where only backends on this node answer? */
static inline bool bpflb_version_has_local(const struct bpflb_version *v)
{
	return v->policy == BPFLB_POLICY_LOCAL || v->internal_policy == BPFLB_POLICY_LOCAL;
}

/* A packet is sent to a backend of its own family. */
static inline const struct bpflb_pool *bpflb_version_pool(const struct bpflb_version *v, u8 family,
							  enum bpflb_scope scope)
{
	return &v->pool[family == NFPROTO_IPV6][scope];
}

/* Would any node send a packet to the same backend, at any time? */
static inline bool bpflb_version_is_deterministic(const struct bpflb_version *v,
						  const struct bpflb_pool *pool)
{
	return v->scheduler == BPFLB_SCHEDULER_MAGLEV || pool->n == 1;
}

/* The packet path */
bool bpflb_service_is_one_packet(const struct bpflb_service *svc);

/* The control plane; all with bpflb_net.lock held */
int bpflb_version_build(struct bpflb_service *svc, struct netlink_ext_ack *extack);
void bpflb_version_switch(struct bpflb_service *svc);
void bpflb_version_forget(struct bpflb_service *svc);
void bpflb_version_end(struct bpflb_service *svc);

#endif
