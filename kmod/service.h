/* SPDX-License-Identifier: GPL-2.0-only */
/* Services, the addresses they have, and what a packet sees of them. */
#ifndef _BPFLB_SERVICE_H
#define _BPFLB_SERVICE_H

#include <linux/bits.h>
#include <linux/bpflb.h>
#include <linux/refcount.h>
#include <linux/rhashtable.h>

#include "sched.h"
#include "stats.h"
#include "tuple.h"

/* Of one namespace: some times what the largest clusters have. */
#define BPFLB_SERVICES_MAX	BIT(18)

struct bpflb_backend;
struct bpflb_net;
struct bpflb_service;
struct netlink_ext_ack;
struct nlattr;

/**
 * struct bpflb_frontend_key - what a client's packet is for
 * @at: address and port; the address 0: a node port
 * @proto: IPPROTO_TCP, IPPROTO_UDP or IPPROTO_SCTP
 * @family: NFPROTO_IPV4 or NFPROTO_IPV6; NFPROTO_UNSPEC: a node port, of both
 * @zero: no padding, it is hashed as bytes
 */
struct bpflb_frontend_key {
	struct bpflb_endpoint at;
	u8 proto;
	u8 family;
	u16 zero;
};

static inline bool bpflb_frontend_has_addr(const struct bpflb_frontend_key *key)
{
	return key->family != NFPROTO_UNSPEC;
}

/**
 * struct bpflb_frontend - one address of a service
 * @hash: in bpflb_net.frontends
 * @dirty: in bpflb_txn.frontends, if it changes in the open transaction
 * @rcu: to free it
 * @key: what it is found by
 * @service: whose it is; NULL: nobody's yet, or no more
 * @next: @service after the open transaction
 */
struct bpflb_frontend {
	struct rhash_head hash;
	struct list_head dirty;
	struct rcu_head rcu;
	struct bpflb_frontend_key key;
	struct bpflb_service __rcu *service;
	struct bpflb_service *next;
};

/** struct bpflb_frontends - the addresses of a service, in the user's order */
struct bpflb_frontends {
	u32 n;
	struct bpflb_frontend *fe[];
};

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
 * struct bpflb_version - what a packet sees of a service; immutable
 * @rcu: to free it
 * @policy: enum bpflb_policy
 * @scheduler: enum bpflb_scheduler
 * @sched: weights, the slots on this node first
 * @slot: backends of weight above 0
 */
struct bpflb_version {
	struct rcu_head rcu;
	u8 policy;
	u8 scheduler;
	struct bpflb_sched sched;
	struct bpflb_slot *slot;
};

/** struct bpflb_service_key - @name, padded with NULs, and @proto */
struct bpflb_service_key {
	char name[BPFLB_NAME_MAX];
	u8 proto;
};

/** struct bpflb_service_conf - what SERVICE_SET can change, but for frontends */
struct bpflb_service_conf {
	u8 policy;
	u8 scheduler;
	u8 bypass;
};

/**
 * struct bpflb_service - a service
 * @hash: in bpflb_net.services
 * @dirty: in bpflb_txn.services, if it changes in the open transaction
 * @rcu: to free it
 * @ref: the configuration, and each backend
 * @bn: namespace; only while @live or in a transaction
 * @id: number in bpflb_net.service_ids, never used twice
 * @key: name and protocol. A name has one live service; but a transaction may
 *	end the one of TCP and make one of UDP
 * @live: packets see it
 * @next_live: @live after the open transaction
 * @changed: the open transaction builds a new version
 * @cur: in force
 * @next: after the open transaction
 * @cur_fe: in force
 * @next_fe: after the open transaction; the same object if it leaves them
 * @backends: struct bpflb_backend.list, by number
 * @n_backends: live ones
 * @n_here: live ones on this node
 * @version: what packets see
 * @next_version: after the commit that is under way
 * @counters: drops
 * @gone: counters of backends that were removed
 *
 * All but @counters, @gone, @ref and, for readers, @version: bpflb_net.lock.
 */
struct bpflb_service {
	struct rhash_head hash;
	struct list_head dirty;
	struct rcu_head rcu;
	refcount_t ref;
	struct bpflb_net *bn;
	u32 id;
	struct bpflb_service_key key;
	bool live;
	bool next_live;
	bool changed;
	struct bpflb_service_conf cur;
	struct bpflb_service_conf next;
	struct bpflb_frontends *cur_fe;
	struct bpflb_frontends *next_fe;
	struct list_head backends;
	u32 n_backends;
	u32 n_here;
	struct bpflb_version __rcu *version;
	struct bpflb_version *next_version;
	struct bpflb_counters __percpu *counters;
	atomic64_t gone[BPFLB_COUNTS];
};

extern const struct rhashtable_params bpflb_service_params;
extern const struct rhashtable_params bpflb_frontend_params;

/* Which bits of bpflb_net.ports */
enum {
	BPFLB_PORTS_ADDRESS,
	BPFLB_PORTS_NODE,
};

/* The packet path */
struct bpflb_service *bpflb_service_for(struct bpflb_net *bn, const struct bpflb_tuple *t);
struct bpflb_service *bpflb_service_of_note(struct bpflb_net *bn, const struct bpflb_tuple *t);
void bpflb_service_put(struct bpflb_service *svc);

/* The control plane; all with bpflb_net.lock held */
struct bpflb_service *bpflb_service_find(struct bpflb_net *bn, const char *name, bool next);
struct bpflb_service *bpflb_service_make(struct bpflb_net *bn, const char *name, u8 proto);
int bpflb_service_set_frontends(struct bpflb_service *svc, const struct bpflb_frontend_key *key,
				u32 n, u32 *bad);
void bpflb_service_remove(struct bpflb_service *svc);
void bpflb_service_touch(struct bpflb_service *svc);
bool bpflb_service_differs(const struct bpflb_service *svc);
int bpflb_service_build(struct bpflb_service *svc);
void bpflb_service_switch(struct bpflb_service *svc);
void bpflb_service_settle(struct bpflb_service *svc, bool keep_next);
void bpflb_service_sum(const struct bpflb_service *svc, u64 sum[BPFLB_COUNTS]);
void bpflb_frontend_settle(struct bpflb_net *bn, struct bpflb_frontend *fe, bool keep_next);

#endif
