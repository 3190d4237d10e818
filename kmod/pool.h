/* SPDX-License-Identifier: GPL-2.0-only */
/* The backends that a packet may be sent to. */
#ifndef _BPFLB_POOL_H
#define _BPFLB_POOL_H

#include <linux/atomic.h>
#include <linux/bpflb.h>
#include <linux/types.h>

struct bpflb_backend;
struct bpflb_service;
struct netlink_ext_ack;

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
 * @slot: backends of weight above 0, by number: active ones; where there is none,
 *	terminating ones
 * @sum: @sum[i] is the weight of the slots 0 to i together; weights are
 *	divided by what they have in common
 * @step: bpflb_sched_step()
 * @turn: where round robin is
 * @table: maglev's, or a round of round robin, if that is short: of each entry the slot
 * @table_size: its number of entries
 * @borrowed: all of it is another pool's
 */
struct bpflb_pool {
	u32 n;
	struct bpflb_slot *slot;
	u64 *sum;
	u64 step;
	atomic64_t *turn;
	u16 *table;
	u32 table_size;
	bool borrowed;
};

/** enum bpflb_scope - which backends a policy allows */
enum bpflb_scope {
	BPFLB_SCOPE_CLUSTER,	/* all */
	BPFLB_SCOPE_NODE,	/* those on this node */
	BPFLB_SCOPES,
};

/* The packet path */
const struct bpflb_slot *bpflb_pool_find(const struct bpflb_pool *pool, u32 id);

/* The control plane; all with bpflb_net.lock held */
unsigned long bpflb_pool_tables_max(void);
int bpflb_pool_build(struct bpflb_pool *pool, const struct bpflb_service *svc, u8 family,
		     enum bpflb_scope scope, struct netlink_ext_ack *extack);
enum bpflb_unfit bpflb_pool_unfit(const struct bpflb_pool *pool, const struct bpflb_backend *be,
				  u8 family, enum bpflb_scope scope);
bool bpflb_pool_is_here(const struct bpflb_pool *pool);
size_t bpflb_pool_table_bytes(const struct bpflb_pool *pool);
void bpflb_pool_free(struct bpflb_pool *pool);

#endif
