/* SPDX-License-Identifier: GPL-2.0-only */
/* What a packet sees of a service: who may be chosen. */
#ifndef _BPFLB_VERSION_H
#define _BPFLB_VERSION_H

#include <linux/netfilter.h>
#include <linux/types.h>

struct bpflb_backend;
struct bpflb_frontend;
struct bpflb_service;
struct bpflb_sources;

/** enum bpflb_where - where a backend runs, as seen from this node */
enum bpflb_where {
	BPFLB_WHERE_HERE,
	BPFLB_WHERE_NODE,	/* another node with bpflb */
	BPFLB_WHERE_PLAIN,	/* a machine without */
};

/**
 * struct bpflb_slot - a backend among those to choose from
 * @be: the backend
 * @where: enum bpflb_where
 */
struct bpflb_slot {
	struct bpflb_backend *be;
	u8 where;
};

/**
 * struct bpflb_pool - the backends that a packet may be sent to
 * @n: how many
 * @slot: backends of weight above 0, by number: the active ones, or if there are none
 *	the terminating
 * @sum: @sum[i] is the weight of the slots 0 to i together
 */
struct bpflb_pool {
	u32 n;
	struct bpflb_slot *slot;
	u64 *sum;
};

/** enum bpflb_scope - which backends a policy allows */
enum bpflb_scope {
	BPFLB_SCOPE_CLUSTER,	/* all */
	BPFLB_SCOPE_NODE,	/* those on this node */
	BPFLB_SCOPES,
};

/**
 * struct bpflb_version - what a packet sees of a service; immutable
 * @rcu: to free it
 * @policy: enum bpflb_policy
 * @scheduler: enum bpflb_scheduler
 * @n_open: how many @open
 * @sources: who may ask, a reference; NULL: everybody
 * @open: where everybody may, if there are @sources
 * @pool: of IPv4 and of IPv6, by enum bpflb_scope
 */
struct bpflb_version {
	struct rcu_head rcu;
	u8 policy;
	u8 scheduler;
	u16 n_open;
	struct bpflb_sources *sources;
	const struct bpflb_frontend **open;
	struct bpflb_pool pool[2][BPFLB_SCOPES];
};

/* A packet is sent to a backend of its own family. */
static inline const struct bpflb_pool *bpflb_version_pool(const struct bpflb_version *v, u8 family,
							  enum bpflb_scope scope)
{
	return &v->pool[family == NFPROTO_IPV6][scope];
}

/* The control plane; all with bpflb_net.lock held */
int bpflb_version_build(struct bpflb_service *svc);
void bpflb_version_switch(struct bpflb_service *svc);
void bpflb_version_forget(struct bpflb_service *svc);
void bpflb_version_end(struct bpflb_service *svc);

#endif
