// SPDX-License-Identifier: GPL-2.0-only
#include <linux/gcd.h>
#include <linux/mm.h>
#include <linux/netfilter.h>
#include <linux/netlink.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "backend.h"
#include "maglev.h"
#include "netns.h"
#include "pool.h"
#include "sched.h"
#include "service.h"

static enum bpflb_where backend_where(const struct bpflb_backend *be)
{
	if (be->next_here)
		return BPFLB_WHERE_HERE;
	return be->next.node ? BPFLB_WHERE_NODE : BPFLB_WHERE_PLAIN;
}

/* @state: of those that may be chosen; @here: is it on this node? */
static enum bpflb_unfit unfit(const struct bpflb_backend *be, const struct bpflb_backend_conf *conf,
			      bool here, u8 family, enum bpflb_scope scope, u8 state)
{
	if (be->key.family != family)
		return BPFLB_UNFIT_FAMILY;
	if (conf->state != state)
		return BPFLB_UNFIT_STATE;
	if (!conf->weight)
		return BPFLB_UNFIT_WEIGHT;
	return scope == BPFLB_SCOPE_NODE && !here ? BPFLB_UNFIT_ELSEWHERE : BPFLB_FIT;
}

static bool may_be_chosen(const struct bpflb_backend *be, u8 family, enum bpflb_scope scope,
			  u8 state)
{
	return be->next_live &&
	       unfit(be, &be->next, be->next_here, family, scope, state) == BPFLB_FIT;
}

/* How many, and what divides all of their weights. */
static u32 pool_count(const struct bpflb_service *svc, u8 family, enum bpflb_scope scope,
		      u8 state, u32 *divisor)
{
	const struct bpflb_backend *be;
	u32 n = 0;

	*divisor = 0;
	list_for_each_entry(be, &svc->backends, list) {
		if (!may_be_chosen(be, family, scope, state))
			continue;
		*divisor = gcd(*divisor, be->next.weight);
		n++;
	}
	return n;
}

/* One piece of memory: turn, slots, sums. */
static int pool_alloc(struct bpflb_pool *pool, u32 n)
{
	pool->turn = kvmalloc(sizeof(*pool->turn) +
			      (size_t)n * (sizeof(*pool->slot) + sizeof(*pool->sum)),
			      GFP_KERNEL_ACCOUNT);
	if (!pool->turn)
		return -ENOMEM;
	/* Not where it began before: else the first would have more than the
	 * others of a service that changes often.
	 */
	atomic64_set(pool->turn, get_random_u32());
	pool->slot = (struct bpflb_slot *)(pool->turn + 1);
	pool->sum = (u64 *)(pool->slot + n);
	return 0;
}

/**
 * bpflb_pool_tables_max() - how many bytes the tables of a namespace may have
 *
 * While a service changes its old table counts as well as the new one.
 */
unsigned long bpflb_pool_tables_max(void)
{
	return max(64UL << 20, (totalram_pages() << PAGE_SHIFT) / 16);
}

static int table_alloc(struct bpflb_pool *pool, struct bpflb_net *bn, u32 size,
		       struct netlink_ext_ack *extack)
{
	if (bn->table_bytes + size * sizeof(*pool->table) > bpflb_pool_tables_max()) {
		NL_SET_ERR_MSG(extack, "the tables of all services would take too much memory");
		return -ENOSPC;
	}
	pool->table = kvmalloc_array(size, sizeof(*pool->table), GFP_KERNEL_ACCOUNT);
	if (!pool->table)
		return -ENOMEM;
	pool->table_size = size;
	bn->table_bytes += size * sizeof(*pool->table);
	return 0;
}

/* Write the round down, if that is short. */
static int make_round(struct bpflb_pool *pool, struct bpflb_net *bn, struct netlink_ext_ack *extack)
{
	u64 length = pool->sum[pool->n - 1];
	s64 *credit;
	int err;

	if (length > BPFLB_SCHED_ROUND_MAX) {
		pool->step = bpflb_sched_step(pool->sum, pool->n);
		return 0;
	}
	credit = kcalloc(pool->n, sizeof(*credit), GFP_KERNEL);
	if (!credit)
		return -ENOMEM;
	err = table_alloc(pool, bn, length, extack);
	if (!err)
		bpflb_sched_round(pool->sum, pool->n, credit, pool->table);
	kfree(credit);
	return err;
}

/* As Cilium has it; it has "i" for services inside of a cluster, which nobody
 * here tells apart, and a backend's state, which is that of all in a table.
 */
static void set_name(struct bpflb_maglev_member *m, const struct bpflb_backend *be)
{
	static const char proto[][5] = {
		[IPPROTO_TCP] = "TCP", [IPPROTO_UDP] = "UDP", [IPPROTO_SCTP] = "SCTP",
	};
	const struct bpflb_endpoint *at = &be->key.at;

	snprintf(m->name, sizeof(m->name), be->key.family == NFPROTO_IPV6 ?
		 "[[%pI6c]:%u/%s,State:active]" : "[%pI4:%u/%s,State:active]",
		 &at->addr, ntohs(at->port), proto[be->key.svc->key.proto]);
}

static int make_maglev(struct bpflb_pool *pool, struct bpflb_net *bn, u32 size,
		       struct netlink_ext_ack *extack)
{
	struct bpflb_maglev_member *member;
	int err;
	u32 i;

	if (pool->n >= U16_MAX) {
		NL_SET_ERR_MSG(extack, "too many backends for maglev: 65534 at most");
		return -E2BIG;
	}
	member = kvcalloc(pool->n, sizeof(*member), GFP_KERNEL);
	if (!member)
		return -ENOMEM;
	for (i = 0; i < pool->n; i++) {
		set_name(&member[i], pool->slot[i].be);
		member[i].slot = i;
		member[i].weight = pool->slot[i].be->next.weight;
	}
	err = table_alloc(pool, bn, size, extack);
	if (!err)
		bpflb_maglev_fill(pool->table, size, member, pool->n);
	kvfree(member);
	return err;
}

/**
 * bpflb_pool_build() - gather a service's backends, as they will be after the commit
 * @pool: empty
 * @svc: service
 * @family: of the backends
 * @scope: which of them
 * @extack: for a sentence, or NULL
 *
 * Context: process, bpflb_net.lock. Return: 0; -ENOMEM; -ENOSPC or -E2BIG if there is no
 * room for a table. After an error the pool can only be freed.
 */
int bpflb_pool_build(struct bpflb_pool *pool, const struct bpflb_service *svc, u8 family,
		     enum bpflb_scope scope, struct netlink_ext_ack *extack)
{
	u8 state = BPFLB_BACKEND_ACTIVE;
	struct bpflb_backend *be;
	u32 n, divisor;
	u64 sum = 0;

	n = pool_count(svc, family, scope, state, &divisor);
	/* Those that are about to end are still better than nobody. */
	if (!n) {
		state = BPFLB_BACKEND_TERMINATING;
		n = pool_count(svc, family, scope, state, &divisor);
	}
	if (!n)
		return 0;
	if (pool_alloc(pool, n))
		return -ENOMEM;
	list_for_each_entry(be, &svc->backends, list) {
		if (!may_be_chosen(be, family, scope, state))
			continue;
		sum += be->next.weight / divisor;
		pool->slot[pool->n] = (struct bpflb_slot){ be, backend_where(be) };
		pool->sum[pool->n++] = sum;
	}
	if (svc->next.scheduler == BPFLB_SCHEDULER_RR)
		return make_round(pool, svc->bn, extack);
	if (svc->next.scheduler == BPFLB_SCHEDULER_MAGLEV)
		return make_maglev(pool, svc->bn, svc->next.table_size, extack);
	return 0;
}

/**
 * bpflb_pool_unfit() - why a backend is none of those to choose from
 * @pool: those
 * @be: a live backend of the pool's service
 * @family: of the pool
 * @scope: of the pool
 *
 * Context: process, bpflb_net.lock. Return: BPFLB_FIT if it is one; it may be full.
 */
enum bpflb_unfit bpflb_pool_unfit(const struct bpflb_pool *pool, const struct bpflb_backend *be,
				  u8 family, enum bpflb_scope scope)
{
	u8 state = pool->n ? pool->slot[0].be->cur.state : BPFLB_BACKEND_ACTIVE;

	return unfit(be, &be->cur, be->here, family, scope, state);
}

/**
 * bpflb_pool_find() - the slot of a backend
 * @pool: backends
 * @id: the backend's number
 *
 * Context: RCU. Return: NULL if it is not among them.
 */
const struct bpflb_slot *bpflb_pool_find(const struct bpflb_pool *pool, u32 id)
{
	u32 lo = 0, hi = pool->n;

	while (lo < hi) {
		u32 middle = lo + (hi - lo) / 2;

		if (pool->slot[middle].be->id < id)
			lo = middle + 1;
		else
			hi = middle;
	}
	return lo < pool->n && pool->slot[lo].be->id == id ? &pool->slot[lo] : NULL;
}

/** bpflb_pool_is_here() - are all of a pool's backends on this node? */
bool bpflb_pool_is_here(const struct bpflb_pool *pool)
{
	u32 i;

	for (i = 0; i < pool->n; i++)
		if (pool->slot[i].where != BPFLB_WHERE_HERE)
			return false;
	return true;
}

/** bpflb_pool_table_bytes() - what a pool's table takes of the namespace's room */
size_t bpflb_pool_table_bytes(const struct bpflb_pool *pool)
{
	return pool->borrowed ? 0 : pool->table_size * sizeof(*pool->table);
}

/**
 * bpflb_pool_free() - give back a pool's memory
 * @pool: that no packet sees
 *
 * Context: any that may call kvfree(). Its table's room is for the caller to give back.
 */
void bpflb_pool_free(struct bpflb_pool *pool)
{
	if (pool->borrowed)
		return;
	kvfree(pool->table);
	kvfree(pool->turn);
}
