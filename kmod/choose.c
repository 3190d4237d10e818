// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpflb.h>
#include <linux/math64.h>
#include <linux/percpu.h>
#include <linux/prandom.h>

#include "backend.h"
#include "choose.h"
#include "maglev.h"
#include "packet.h"
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

/* Whose turn it is: that of a place on the line of all weights, or in a round. */
static u32 whose_turn(const struct bpflb_pool *pool, u64 turn)
{
	if (!pool->table)
		return bpflb_sched_at(pool->sum, pool->n, turn);
	div64_u64_rem(turn, pool->table_size, &turn);
	return pool->table[turn];
}

static u32 round_robin(const struct bpflb_pool *pool)
{
	return whose_turn(pool, pool->table ? atomic64_inc_return(pool->turn) :
					      atomic64_fetch_add(pool->step, pool->turn));
}

/* As the next round_robin(), if nobody is faster. */
static u32 next_in_turn(const struct bpflb_pool *pool)
{
	return whose_turn(pool, atomic64_read(pool->turn) + !!pool->table);
}

static u64 weight_of(const struct bpflb_pool *pool, u32 i)
{
	return i ? pool->sum[i] - pool->sum[i - 1] : pool->sum[i];
}

static bool is_exact(const struct bpflb_pool *pool)
{
	return pool->n <= LEAST_EXACT;
}

/* The one that has the fewest flows for its weight, the first of several from @begin on. Of
 * many backends the best of some drawn at random comes close to that, at a cost that does not
 * grow with them.
 */
static u32 least_connections(const struct bpflb_pool *pool, u32 begin)
{
	bool exact = is_exact(pool);
	u32 best = begin, i, j;

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
		return &pool->slot[least_connections(pool, at_random(pool))];
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

/**
 * bpflb_give_way() - whom a packet is sent to, if who was chosen for it may be full
 * @v: what it sees of the service
 * @pool: whom it may be sent to
 * @chosen: one of them
 * @pkt: the packet
 *
 * What is met in mid-life has one backend and no other, but where affinity remembers it.
 *
 * Context: RCU. Return: NULL if all are full.
 */
const struct bpflb_slot *bpflb_give_way(const struct bpflb_version *v,
					const struct bpflb_pool *pool,
					const struct bpflb_slot *chosen,
					const struct bpflb_packet *pkt)
{
	if (v->affinity || !bpflb_packet_is_in_mid_life(pkt))
		return bpflb_with_room(pool, chosen);
	return bpflb_backend_is_full(chosen->be) ? NULL : chosen;
}

/* How much of the line of all weights leads to a slot, where what is full gives way to the
 * next.
 */
static u64 share_by_weight(const struct bpflb_pool *pool, u32 slot)
{
	u64 share = weight_of(pool, slot);
	u32 i, j;

	for (j = 1; j < pool->n; j++) {
		i = (slot + pool->n - j) % pool->n;
		if (!bpflb_backend_is_full(pool->slot[i].be))
			break;
		share += weight_of(pool, i);
	}
	return share;
}

static u64 share_of_least(const struct bpflb_pool *pool, u32 slot)
{
	const struct bpflb_slot *got;
	u64 share = 0;
	u32 begin;

	for (begin = 0; begin < pool->n; begin++) {
		got = bpflb_with_room(pool, &pool->slot[least_connections(pool, begin)]);
		if (got == &pool->slot[slot])
			share += weight_of(pool, begin);
	}
	return share;
}

/**
 * bpflb_choose_share() - of all new flows, how many a backend would get
 * @v: what a packet sees of the service
 * @pool: whom it may be sent to, at least one
 * @slot: one of them
 *
 * Of random and round robin that is its weight's part, and with it what those have that
 * are full and come right before it. Of least connections it is for the very next flow,
 * but where there are so many that some are drawn: then by weight.
 *
 * Context: RCU. Return: millionths.
 */
u32 bpflb_choose_share(const struct bpflb_version *v, const struct bpflb_pool *pool,
		       const struct bpflb_slot *slot)
{
	u32 i = slot - pool->slot;
	u64 share;

	if (bpflb_backend_is_full(slot->be))
		return 0;
	share = v->scheduler == BPFLB_SCHEDULER_LC && is_exact(pool) ? share_of_least(pool, i) :
								       share_by_weight(pool, i);
	return div64_u64(share * 1000000, pool->sum[pool->n - 1]);
}

/**
 * bpflb_choose_tell() - the backend that bpflb_choose() would return now
 * @v: what the packet sees of the service
 * @pool: whom it may be sent to, at least one
 * @t: the packet's tuple, as the client has sent it
 *
 * Context: RCU. Return: NULL where that is up to chance.
 */
const struct bpflb_slot *bpflb_choose_tell(const struct bpflb_version *v,
					   const struct bpflb_pool *pool,
					   const struct bpflb_tuple *t)
{
	if (pool->n == 1)
		return pool->slot;
	if (v->scheduler == BPFLB_SCHEDULER_MAGLEV)
		return bpflb_choose(v, pool, t);
	return v->scheduler == BPFLB_SCHEDULER_RR ? &pool->slot[next_in_turn(pool)] : NULL;
}
