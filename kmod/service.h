/* SPDX-License-Identifier: GPL-2.0-only */
/* Services. */
#ifndef _BPFLB_SERVICE_H
#define _BPFLB_SERVICE_H

#include <linux/bits.h>
#include <linux/bpflb.h>
#include <linux/refcount.h>
#include <linux/rhashtable.h>

#include "stats.h"

/* Of one namespace: some times what the largest clusters have. */
#define BPFLB_SERVICES_MAX	BIT(18)

struct bpflb_frontends;
struct bpflb_net;
struct bpflb_sources;
struct bpflb_version;

/** struct bpflb_service_key - @name, padded with NULs, and @proto */
struct bpflb_service_key {
	char name[BPFLB_NAME_MAX];
	u8 proto;
};

/** struct bpflb_service_conf - what SERVICE_SET can change, but for frontends */
struct bpflb_service_conf {
	u8 policy;
	u8 internal_policy;
	u8 scheduler;
	u8 bypass;
	u8 one_packet;
	u8 mode;
	u8 dispatch;
	u32 table_size;
	u32 affinity;
	u32 flows_max;
};

/**
 * struct bpflb_service - a service
 * @hash: in bpflb_net.services
 * @dirty: in bpflb_txn.services, if it changes in the open transaction
 * @rcu: to free it
 * @ref: the configuration, and each backend
 * @bn: namespace; only while @live or in a transaction
 * @foreign: that of @bn, which may be gone before the last of it
 * @id: number in bpflb_net.service_ids, never used twice
 * @key: name and protocol. A name has one live service; but a transaction may
 *	end the one of TCP and make one of UDP
 * @live: packets see it
 * @next_live: @live after the open transaction
 * @changed: the open transaction builds a new version
 * @seq: nlmsg_seq of the message that added or set it last, in the open transaction
 * @cur: in force
 * @next: after the open transaction
 * @cur_fe: in force
 * @next_fe: after the open transaction; the same object if it leaves them
 * @cur_sources: who may ask, in force; NULL: everybody
 * @next_sources: after the open transaction
 * @backends: struct bpflb_backend.list, by number
 * @n_backends: live ones
 * @n_here: live ones on this node
 * @flows_max: read by packets; 0: any
 * @flows: those that were made while there was a @flows_max; packets
 * @version: what packets see
 * @next_version: after the commit that is under way
 * @counters: drops
 * @leaving: backends that were removed and still have flows, by struct bpflb_backend.list
 * @gone: counters of those that have none any more
 * @gone_lock: for both
 *
 * All but @flows, @counters, @leaving, @gone, @ref and, for readers, @version: bpflb_net.lock.
 */
struct bpflb_service {
	struct rhash_head hash;
	struct list_head dirty;
	struct rcu_head rcu;
	refcount_t ref;
	struct bpflb_net *bn;
	bool foreign;
	u32 id;
	struct bpflb_service_key key;
	bool live;
	bool next_live;
	bool changed;
	u32 seq;
	struct bpflb_service_conf cur;
	struct bpflb_service_conf next;
	struct bpflb_frontends *cur_fe;
	struct bpflb_frontends *next_fe;
	struct bpflb_sources *cur_sources;
	struct bpflb_sources *next_sources;
	struct list_head backends;
	u32 n_backends;
	u32 n_here;
	u32 flows_max;
	atomic_t flows;
	struct bpflb_version __rcu *version;
	struct bpflb_version *next_version;
	struct bpflb_counters __percpu *counters;
	struct list_head leaving;
	u64 gone[BPFLB_COUNTS];
	spinlock_t gone_lock;	/* leaving and gone: a backend counts in one of them */
};

extern const struct rhashtable_params bpflb_service_params;

/* Has it all the flows that it may have? */
static inline bool bpflb_service_is_full(const struct bpflb_service *svc)
{
	u32 max = READ_ONCE(svc->flows_max);

	return unlikely(max) && atomic_read(&svc->flows) >= max;
}

void bpflb_service_put(struct bpflb_service *svc);

/* The control plane; all with bpflb_net.lock held */
struct bpflb_service *bpflb_service_find(struct bpflb_net *bn, const char *name, bool next);
struct bpflb_service *bpflb_service_make(struct bpflb_net *bn, const char *name, u8 proto);
void bpflb_service_remove(struct bpflb_service *svc);
void bpflb_service_touch(struct bpflb_service *svc);
void bpflb_service_set_sources(struct bpflb_service *svc, struct bpflb_sources *sources);
bool bpflb_service_differs(const struct bpflb_service *svc);
void bpflb_service_settle(struct bpflb_service *svc, bool keep_next);
void bpflb_service_sum(const struct bpflb_service *svc, u64 sum[BPFLB_COUNTS]);

#endif
