// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is remembered are numbers, of services and backends, which are never given
 * twice: so nothing is to be done here when one goes. Whom a packet may be sent to its
 * pool says; a backend that is not in it is as good as forgotten.
 *
 * A client is in one of few places, by a keyed hash: when these are all taken the one
 * that was not seen for longest gives way. That is counted.
 */
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/siphash.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timekeeping.h>
#include <net/ipv6.h>

#include "affinity.h"
#include "backend.h"
#include "choose.h"
#include "netns.h"
#include "pool.h"
#include "service.h"
#include "stats.h"
#include "version.h"

/**
 * struct bpflb_affinity_sets - the clients of a namespace
 * @secret: of the hash
 * @set: by hash
 */
struct bpflb_affinity_sets {
	hsiphash_key_t secret;
	struct {
		spinlock_t lock;	/* of all of @at */
		struct bpflb_affinity at[BPFLB_AFFINITY_WAYS];
	} set[BPFLB_AFFINITY_SETS];
};

static void key_of(struct bpflb_affinity_key *key, const struct bpflb_service *svc,
		   const struct bpflb_tuple *t)
{
	struct in6_addr *client = (struct in6_addr *)key->client;

	key->service = svc->id;
	if (t->family == NFPROTO_IPV6)
		*client = t->src.addr.in6;
	else
		ipv6_addr_set_v4mapped(t->src.addr.ip, client);
}

/* @a: of a client, or NULL */
static const struct bpflb_slot *slot_had(const struct bpflb_affinity *a,
					 const struct bpflb_version *v,
					 const struct bpflb_pool *pool, u32 now)
{
	return a && bpflb_affinity_holds(a, v->affinity, now) ?
	       bpflb_pool_find(pool, a->backend) : NULL;
}

/* A place in a set, which is locked. */
static struct bpflb_affinity *room_for(struct bpflb_net *bn, u32 set, u32 now)
{
	struct bpflb_affinity *a = bpflb_affinity_room(bn->affinity->set[set].at, now);

	if (bpflb_affinity_holds(a, a->timeout, now))
		this_cpu_inc(bn->counters->affinity_evicted);
	return a;
}

/**
 * bpflb_affinity_choose() - a backend for a new flow, of a service with affinity
 * @bn: namespace
 * @svc: the service
 * @v: what the packet sees of it
 * @pool: whom it may be sent to, at least one
 * @t: the packet's tuple, as the client has sent it
 *
 * The one that the client's last flow had, if that is not too long ago and it may
 * still be had; else one by the scheduler, for this flow and those that follow.
 *
 * Context: RCU, bottom halves off. Return: NULL if all are full; then nothing is remembered.
 */
const struct bpflb_slot *bpflb_affinity_choose(struct bpflb_net *bn,
					       const struct bpflb_service *svc,
					       const struct bpflb_version *v,
					       const struct bpflb_pool *pool,
					       const struct bpflb_tuple *t)
{
	u32 now = ktime_get_seconds(), i;
	struct bpflb_affinity_key key;
	const struct bpflb_slot *slot;
	struct bpflb_affinity *a;

	/* @v was seen, and so is what there was before it: pairs with the release of it. */
	smp_rmb();
	key_of(&key, svc, t);
	i = hsiphash(&key, sizeof(key), &bn->affinity->secret) % BPFLB_AFFINITY_SETS;
	spin_lock(&bn->affinity->set[i].lock);
	a = bpflb_affinity_find(bn->affinity->set[i].at, &key);
	slot = slot_had(a, v, pool, now);
	if (!slot || bpflb_backend_is_full(slot->be))
		slot = bpflb_with_room(pool, bpflb_choose(v, pool, t));
	if (!slot) {
		spin_unlock(&bn->affinity->set[i].lock);
		return NULL;
	}
	if (!a)
		a = room_for(bn, i, now);
	*a = (struct bpflb_affinity){
		.key = key,
		.backend = slot->be->id,
		.seen = now,
		.timeout = v->affinity,
	};
	spin_unlock(&bn->affinity->set[i].lock);
	return slot;
}

/**
 * bpflb_affinity_tell() - the backend that a client has, without giving it one
 * @bn: namespace
 * @svc: a service with affinity
 * @v: what the packet sees of it
 * @pool: whom it may be sent to
 * @t: the tuple of a packet of the client's
 *
 * Context: RCU, bottom halves off. Return: NULL if none is remembered that it may have.
 */
const struct bpflb_slot *bpflb_affinity_tell(struct bpflb_net *bn,
					     const struct bpflb_service *svc,
					     const struct bpflb_version *v,
					     const struct bpflb_pool *pool,
					     const struct bpflb_tuple *t)
{
	u32 now = ktime_get_seconds(), i;
	struct bpflb_affinity_key key;
	const struct bpflb_slot *slot;
	struct bpflb_affinity *a;

	/* As in bpflb_affinity_choose(). */
	smp_rmb();
	key_of(&key, svc, t);
	i = hsiphash(&key, sizeof(key), &bn->affinity->secret) % BPFLB_AFFINITY_SETS;
	spin_lock(&bn->affinity->set[i].lock);
	a = bpflb_affinity_find(bn->affinity->set[i].at, &key);
	slot = slot_had(a, v, pool, now);
	spin_unlock(&bn->affinity->set[i].lock);
	return slot;
}

/**
 * bpflb_affinity_add() - remember a client that was known before the module was loaded
 * @bn: namespace, of which a service has affinity
 * @new: the client
 *
 * Context: process, bpflb_net.lock. Return: false if the service knows it already.
 */
bool bpflb_affinity_add(struct bpflb_net *bn, const struct bpflb_affinity *new)
{
	u32 now = ktime_get_seconds();
	u32 i = hsiphash(&new->key, sizeof(new->key), &bn->affinity->secret) % BPFLB_AFFINITY_SETS;
	struct bpflb_affinity *at = bn->affinity->set[i].at, *a;
	bool free;

	spin_lock_bh(&bn->affinity->set[i].lock);
	a = bpflb_affinity_find(at, &new->key);
	free = !a || !bpflb_affinity_holds(a, a->timeout, now);
	if (free)
		*(a ?: room_for(bn, i, now)) = *new;
	spin_unlock_bh(&bn->affinity->set[i].lock);
	return free;
}

/**
 * bpflb_affinity_read() - the clients of a set
 * @bn: namespace, of which a service has affinity
 * @set: which
 * @at: room for BPFLB_AFFINITY_WAYS
 *
 * Context: process.
 */
void bpflb_affinity_read(struct bpflb_net *bn, u32 set, struct bpflb_affinity *at)
{
	spin_lock_bh(&bn->affinity->set[set].lock);
	memcpy(at, bn->affinity->set[set].at, sizeof(bn->affinity->set[set].at));
	spin_unlock_bh(&bn->affinity->set[set].lock);
}

/**
 * bpflb_affinity_backend() - whom a client is to have
 * @svc: its service, live
 * @a: the client
 *
 * Context: process, bpflb_net.lock. Return: NULL if it may not have that backend now.
 */
struct bpflb_backend *bpflb_affinity_backend(const struct bpflb_service *svc,
					     const struct bpflb_affinity *a)
{
	const struct in6_addr *client = (const struct in6_addr *)a->key.client;
	u8 family = ipv6_addr_v4mapped(client) ? NFPROTO_IPV4 : NFPROTO_IPV6;
	const struct bpflb_version *v = rcu_dereference_protected(svc->version,
								  lockdep_is_held(&svc->bn->lock));
	const struct bpflb_slot *slot = NULL;

	if (v)
		slot = bpflb_pool_find(bpflb_version_pool(v, family, BPFLB_SCOPE_CLUSTER),
				       a->backend);
	return slot ? slot->be : NULL;
}

/**
 * bpflb_affinity_prepare() - room for clients, before a service is the first to need it
 * @bn: namespace
 *
 * Context: process, bpflb_net.lock. Return: 0 or -ENOMEM.
 */
int bpflb_affinity_prepare(struct bpflb_net *bn)
{
	struct bpflb_affinity_sets *sets;
	u32 i;

	if (bn->affinity)
		return 0;
	sets = kvzalloc(sizeof(*sets), GFP_KERNEL_ACCOUNT);
	if (!sets)
		return -ENOMEM;
	get_random_bytes(&sets->secret, sizeof(sets->secret));
	for (i = 0; i < BPFLB_AFFINITY_SETS; i++)
		spin_lock_init(&sets->set[i].lock);
	bn->affinity = sets;
	return 0;
}

/**
 * bpflb_affinity_free() - the namespace ends
 * @bn: namespace, of which there are no packets any more
 */
void bpflb_affinity_free(struct bpflb_net *bn)
{
	kvfree(bn->affinity);
}
