// SPDX-License-Identifier: GPL-2.0-only
/*
 * The keys that flows are found by: finding, linking, unlinking.
 *
 * All keys of a flow go into one index (flow_index.c), under the locks of their
 * hashes, taken in ascending order.
 */
#include <linux/module.h>
#include <linux/random.h>

#include "flow.h"
#include "flow_find.h"
#include "flow_index.h"
#include "netns.h"

static unsigned int flow_buckets;
module_param(flow_buckets, uint, 0444);
MODULE_PARM_DESC(flow_buckets, "buckets that the flow table begins with (default: by processors)");

hsiphash_key_t bpflb_flow_secret __read_mostly;

/* The locks of up to three keys, in order. */
struct lock_set {
	u32 at[BPFLB_KEYS];
	unsigned int n;
};

static void lock_set_add(struct lock_set *set, u32 hash)
{
	u32 at = bpflb_index_lock_of(hash);
	unsigned int i, j;

	for (i = 0; i < set->n && set->at[i] < at; i++)
		;
	if (i < set->n && set->at[i] == at)
		return;
	for (j = set->n++; j > i; j--)
		set->at[j] = set->at[j - 1];
	set->at[i] = at;
}

static void lock_set_lock(const struct lock_set *set)
{
	unsigned int i;

	local_bh_disable();
	for (i = 0; i < set->n; i++) {
		spin_lock_nested(bpflb_index_lock(set->at[i]), i);
		__release(bpflb_index_lock(set->at[i]));	/* sparse can't count in loops */
	}
}

static void lock_set_unlock(const struct lock_set *set)
{
	unsigned int i = set->n;

	while (i--) {
		__acquire(bpflb_index_lock(set->at[i]));
		spin_unlock(bpflb_index_lock(set->at[i]));
	}
	local_bh_enable();
}

static struct bpflb_key4 flow_key4(const struct bpflb_flow *flow, enum bpflb_key key)
{
	struct bpflb_key4 k = { .ns_proto = flow->ns_proto };

	switch (key) {
	case BPFLB_KEY_ORIG:
		k.saddr = flow->addr[BPFLB_ADDR_CLIENT];
		k.sport = flow->cport;
		k.daddr = flow->addr[BPFLB_ADDR_SERVICE];
		k.dport = flow->vport;
		break;
	case BPFLB_KEY_MID:
		k.saddr = flow->addr[BPFLB_ADDR_CLIENT];
		k.sport = flow->mport;
		k.daddr = flow->addr[BPFLB_ADDR_BACKEND];
		k.dport = flow->bport;
		break;
	default:
		k.saddr = flow->addr[BPFLB_ADDR_BACKEND];
		k.sport = flow->bport;
		k.daddr = flow->addr[BPFLB_ADDR_SNAT];
		k.dport = flow->sport;
		break;
	}
	return k;
}

static void flow_set_hash(struct bpflb_flow *flow, enum bpflb_key key)
{
	struct bpflb_key4 k = flow_key4(flow, key);

	flow->hash[key] = bpflb_key4_hash(&k, &bpflb_flow_secret);
}

/**
 * bpflb_flow_find() - the flow of a packet that comes in
 * @bn: namespace
 * @t: the packet's tuple
 *
 * Where two flows match (a service address that is another service's backend),
 * the one that the packet is still to be translated for wins.
 *
 * Context: RCU; the flow is valid until it ends. Return: flow NULL if none.
 */
struct bpflb_match bpflb_flow_find(const struct bpflb_net *bn, const struct bpflb_tuple *t)
{
	struct bpflb_key4 k = bpflb_key4_of_tuple(t, bn->id);

	return bpflb_flow_find4(&k, bpflb_key4_hash(&k, &bpflb_flow_secret), false);
}

/**
 * bpflb_flow_find_mid() - the flow of a packet that is on its way through
 * @bn: namespace
 * @t: the packet's tuple: client -> backend, or backend -> client
 *
 * Context: RCU; the flow is valid until it ends. Return: flow NULL if none.
 */
struct bpflb_match bpflb_flow_find_mid(const struct bpflb_net *bn, const struct bpflb_tuple *t)
{
	struct bpflb_key4 k = bpflb_key4_of_tuple(t, bn->id);

	return bpflb_flow_find4(&k, bpflb_key4_hash(&k, &bpflb_flow_secret), true);
}

/* Another flow under the same key. */
struct rival {
	struct bpflb_key4 k;
	enum bpflb_key key;
};

static bool rival_match(struct bpflb_flow *other, enum bpflb_key key, void *arg)
{
	const struct rival *r = arg;
	enum bpflb_role role;

	return key == r->key && bpflb_flow_matches4(other, key, &r->k, &role);
}

/* Caller holds the key's lock. */
static bool key_is_taken(const struct bpflb_flow *flow, enum bpflb_key key)
{
	struct rival r = { .k = flow_key4(flow, key), .key = key };

	return bpflb_index_lookup(flow->hash[key], rival_match, &r);
}

/* Caller holds the locks. All of the keys or none. */
static int insert_keys(struct bpflb_flow *flow, unsigned int keys)
{
	unsigned int key;
	int err;

	/* MID before ORIG: who finds the flow by ORIG will look for MID next. */
	for (key = BPFLB_KEYS; key--;) {
		if (!(keys & BIT(key)))
			continue;
		err = bpflb_index_insert(flow, key);
		if (err)
			goto undo;
	}
	return 0;

undo:
	while (++key < BPFLB_KEYS)
		if (keys & BIT(key))
			bpflb_index_remove(flow, key);
	return err;
}

/**
 * bpflb_flow_link() - put a new flow into the table
 * @flow: filled in but for REPLY, and not in the table
 * @keys: bits of enum bpflb_key
 * @clash: which key was taken, if one was
 *
 * Context: RCU; takes bucket locks. Return: 0; or nothing is linked: -EEXIST,
 * -ENOMEM, -ENOSPC if too many flows have such a hash.
 */
int bpflb_flow_link(struct bpflb_flow *flow, unsigned int keys, enum bpflb_key *clash)
{
	struct lock_set locks = {};
	unsigned int key;
	int err;

	for (key = 0; key < BPFLB_KEYS; key++) {
		if (!(keys & BIT(key)))
			continue;
		flow_set_hash(flow, key);
		lock_set_add(&locks, flow->hash[key]);
	}

	lock_set_lock(&locks);
	for (key = 0; key < BPFLB_KEYS; key++) {
		if (keys & BIT(key) && key_is_taken(flow, key)) {
			*clash = key;
			err = -EEXIST;
			goto out;
		}
	}
	flow->keys = keys;
	err = insert_keys(flow, keys);
out:
	lock_set_unlock(&locks);
	return err;
}

/**
 * bpflb_flow_link_reply() - give a SNAT flow its address and port here
 * @flow: in the table under MID
 * @addr: this node's address towards the backend
 * @port: this node's port
 *
 * Context: RCU; takes bucket locks. Return: 0; -EALREADY if another processor
 * has done it first; -EEXIST if another flow has this port; -ENOENT if the flow
 * is out of the table by now; -ENOMEM; -ENOSPC.
 */
int bpflb_flow_link_reply(struct bpflb_flow *flow, __be32 addr, __be16 port)
{
	struct lock_set locks = {};
	struct bpflb_key4 k = {
		.saddr = flow->addr[BPFLB_ADDR_BACKEND],
		.sport = flow->bport,
		.daddr = addr,
		.dport = port,
		.ns_proto = flow->ns_proto,
	};
	u32 hash = bpflb_key4_hash(&k, &bpflb_flow_secret);
	struct bpflb_match taken;
	int err;

	lock_set_add(&locks, flow->hash[BPFLB_KEY_MID]);
	lock_set_add(&locks, hash);
	lock_set_lock(&locks);
	taken = bpflb_flow_find4(&k, hash, false);
	if (flow->flags & BPFLB_FLOW_DEAD) {
		err = -ENOENT;
	} else if (flow->keys & BIT(BPFLB_KEY_REPLY)) {
		err = -EALREADY;
	} else if (taken.flow && taken.role == BPFLB_ROLE_REPLY) {
		err = -EEXIST;
	} else {
		flow->addr[BPFLB_ADDR_SNAT] = addr;
		flow->sport = port;
		flow->hash[BPFLB_KEY_REPLY] = hash;
		err = bpflb_index_insert(flow, BPFLB_KEY_REPLY);
		/* The bit says that all are there: readers acquire it. */
		if (!err)
			smp_store_release(&flow->keys, flow->keys | BIT(BPFLB_KEY_REPLY));
	}
	lock_set_unlock(&locks);
	return err;
}

/**
 * bpflb_flow_unlink() - take a flow out of the table
 * @flow: the flow; readers may still be on it
 *
 * Context: RCU; takes bucket locks. Return: false if it was out already, so
 * that one caller only does what comes with its end.
 */
bool bpflb_flow_unlink(struct bpflb_flow *flow)
{
	struct lock_set locks;
	unsigned int key;
	bool mine;
	u8 keys;

again:
	/* Pairs with the release in bpflb_flow_link_reply(). */
	keys = smp_load_acquire(&flow->keys);
	locks.n = 0;
	for (key = 0; key < BPFLB_KEYS; key++)
		if (keys & BIT(key))
			lock_set_add(&locks, flow->hash[key]);
	lock_set_lock(&locks);
	if (keys != flow->keys) {
		/* It got its REPLY key since we looked. */
		lock_set_unlock(&locks);
		goto again;
	}
	mine = !(flow->flags & BPFLB_FLOW_DEAD);
	if (mine) {
		WRITE_ONCE(flow->flags, flow->flags | BPFLB_FLOW_DEAD);
		for (key = 0; key < BPFLB_KEYS; key++)
			if (keys & BIT(key))
				bpflb_index_remove(flow, key);
	}
	lock_set_unlock(&locks);
	return mine;
}

/**
 * bpflb_flow_table_init() - begin, with an empty table
 *
 * Return: 0, -EINVAL, -ENOMEM.
 */
int bpflb_flow_table_init(void)
{
	int err = bpflb_index_init(flow_buckets);

	if (err == -EINVAL)
		pr_err("flow_buckets=%u is too many\n", flow_buckets);
	if (!err)
		get_random_bytes(&bpflb_flow_secret, sizeof(bpflb_flow_secret));
	return err;
}
