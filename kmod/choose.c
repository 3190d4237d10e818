// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpflb.h>
#include <linux/math64.h>
#include <linux/percpu.h>
#include <linux/prandom.h>

#include "backend.h"
#include "choose.h"
#include "maglev.h"
#include "sched.h"
#include "version.h"

/* Least connections looks at all of so many backends, else at some that it draws. */
#define LEAST_EXACT	32
#define LEAST_DRAWN	8

/* Good enough to spread load by; nothing is won by guessing it. */
static DEFINE_PER_CPU(struct rnd_state, random);

static u64 random64(void)
{
	struct rnd_state *state = this_cpu_ptr(&random);
	u64 high = prandom_u32_state(state);

	return high << 32 | prandom_u32_state(state);
}

/** bpflb_choose_init() - sow the random numbers, when the module begins */
void bpflb_choose_init(void)
{
	prandom_seed_full_state(&random);
}

static u32 at_random(const struct bpflb_pool *pool)
{
	return bpflb_sched_at(pool->sum, pool->n, random64());
}

static u32 round_robin(const struct bpflb_pool *pool)
{
	u64 turn;

	if (!pool->table)
		return bpflb_sched_at(pool->sum, pool->n,
				      atomic64_fetch_add(pool->step, pool->turn));
	div64_u64_rem(atomic64_inc_return(pool->turn), pool->table_size, &turn);
	return pool->table[turn];
}

static u64 weight_of(const struct bpflb_pool *pool, u32 i)
{
	return i ? pool->sum[i] - pool->sum[i - 1] : pool->sum[i];
}

/* The one that has the fewest flows for its weight. Of many backends the best of some
 * drawn at random comes close to that, at a cost that does not grow with them.
 */
static u32 least_connections(const struct bpflb_pool *pool)
{
	bool exact = pool->n <= LEAST_EXACT;
	u32 begin = at_random(pool), best = begin, i, j;

	for (j = 1; j < (exact ? pool->n : LEAST_DRAWN); j++) {
		i = exact ? (begin + j) % pool->n : at_random(pool);
		if (bpflb_sched_is_lighter(bpflb_backend_flows(pool->slot[i].be),
					   weight_of(pool, i),
					   bpflb_backend_flows(pool->slot[best].be),
					   weight_of(pool, best)))
			best = i;
	}
	return best;
}

static u32 by_tuple(const struct bpflb_pool *pool, const struct bpflb_tuple *t, bool any_port)
{
	return pool->table[bpflb_maglev_hash(t, any_port) % pool->table_size];
}

/**
 * bpflb_choose() - a backend for a new flow
 * @v: what the packet sees of the service
 * @pool: whom it may be sent to, at least one
 * @t: the packet's tuple, as the client has sent it
 *
 * Context: RCU, bottom halves off.
 */
const struct bpflb_slot *bpflb_choose(const struct bpflb_version *v,
				      const struct bpflb_pool *pool,
				      const struct bpflb_tuple *t)
{
	switch (v->scheduler) {
	case BPFLB_SCHEDULER_RR:
		return &pool->slot[round_robin(pool)];
	case BPFLB_SCHEDULER_LC:
		return &pool->slot[least_connections(pool)];
	case BPFLB_SCHEDULER_MAGLEV:
		return &pool->slot[by_tuple(pool, t, v->affinity)];
	default:
		return &pool->slot[at_random(pool)];
	}
}

/**
 * bpflb_with_room() - the backend that was chosen, or if it is full the next that is not
 * @pool: whom a packet may be sent to
 * @chosen: one of them
 *
 * Context: RCU. Return: NULL if all are full.
 */
const struct bpflb_slot *bpflb_with_room(const struct bpflb_pool *pool,
					 const struct bpflb_slot *chosen)
{
	const struct bpflb_slot *slot;
	u32 i;

	if (likely(!bpflb_backend_is_full(chosen->be)))
		return chosen;
	for (i = 1; i < pool->n; i++) {
		slot = &pool->slot[(chosen - pool->slot + i) % pool->n];
		if (!bpflb_backend_is_full(slot->be))
			return slot;
	}
	return NULL;
}
