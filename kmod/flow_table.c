// SPDX-License-Identifier: GPL-2.0-only
/*
 * The flow table: one array of chains for all namespaces.
 *
 * A chain goes through the link[] words of the flows in it. A link word is the
 * address of the next link word, with that word's index in its flow (which
 * key it stands for) in the two lowest bits: so a flow is found from any of its
 * up to three chains without a word of its own for the way back.
 *
 * Readers walk under RCU. Writers hold the lock of each chain they touch, the
 * locks in ascending order; a lock serves the chains that have its low bits.
 */
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/siphash.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "flow.h"
#include "netns.h"

#define LINK_KEY_MASK 3UL

static unsigned int flow_buckets;
module_param(flow_buckets, uint, 0444);
MODULE_PARM_DESC(flow_buckets, "chains of the flow table, all namespaces (default: by memory size)");

/* lock[i] is for the chains whose number ends in i. */
static struct {
	unsigned long *chain;
	spinlock_t *lock;	/* writing to a chain */
	u32 mask;
	u32 lock_mask;
	siphash_key_t key;
} table __read_mostly;

/* The locks of up to three chains, in order. */
struct lock_set {
	u32 at[BPFLB_KEYS];
	unsigned int n;
};

static void lock_set_add(struct lock_set *set, u32 hash)
{
	u32 at = hash & table.lock_mask;
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
		spin_lock_nested(&table.lock[set->at[i]], i);
		__release(&table.lock[set->at[i]]);	/* sparse can't count in loops */
	}
}

static void lock_set_unlock(const struct lock_set *set)
{
	unsigned int i = set->n;

	while (i--) {
		__acquire(&table.lock[set->at[i]]);
		spin_unlock(&table.lock[set->at[i]]);
	}
	local_bh_enable();
}

static struct bpflb_flow *link_flow(unsigned long link)
{
	unsigned long key = link & LINK_KEY_MASK;
	unsigned long *word = (unsigned long *)(link & ~LINK_KEY_MASK);

	return container_of(word - key, struct bpflb_flow, link[0]);
}

static enum bpflb_key link_key(unsigned long link)
{
	return link & LINK_KEY_MASK;
}

static unsigned long link_next(const unsigned long *word)
{
	/* Pairs with the release in chain_push(): a flow seen is a flow filled in. */
	return smp_load_acquire(word);
}

/* Caller holds the chain's lock. */
static void chain_push(u32 hash, struct bpflb_flow *flow, enum bpflb_key key)
{
	unsigned long *head = &table.chain[hash & table.mask];

	WRITE_ONCE(flow->link[key], *head);
	/* Pairs with the acquire in link_next(). */
	smp_store_release(head, (unsigned long)&flow->link[key] | key);
}

/* Caller holds the chain's lock. Walkers on the flow still find their way on. */
static void chain_remove(u32 hash, struct bpflb_flow *flow, enum bpflb_key key)
{
	unsigned long self = (unsigned long)&flow->link[key] | key;
	unsigned long *word = &table.chain[hash & table.mask];

	while (*word != self) {
		if (WARN_ON_ONCE(!*word))
			return;
		word = (unsigned long *)(*word & ~LINK_KEY_MASK);
	}
	WRITE_ONCE(*word, flow->link[key]);
}

static bool ends_are(const struct bpflb_flow *flow, const struct bpflb_endpoint *a, int a_addr,
		     __be16 a_port, const struct bpflb_endpoint *b, int b_addr, __be16 b_port)
{
	return flow->addr[a_addr] == a->addr.ip && a_port == a->port &&
	       flow->addr[b_addr] == b->addr.ip && b_port == b->port;
}

/* Is @t the packet that @flow has in the table under @key? In which role? */
static bool flow_matches(const struct bpflb_flow *flow, enum bpflb_key key,
			 const struct bpflb_tuple *t, enum bpflb_role *role)
{
	switch (key) {
	case BPFLB_KEY_ORIG:
		*role = BPFLB_ROLE_ORIG;
		return ends_are(flow, &t->src, BPFLB_ADDR_CLIENT, flow->cport,
				&t->dst, BPFLB_ADDR_SERVICE, flow->vport);
	case BPFLB_KEY_MID:
		*role = BPFLB_ROLE_MID_ORIG;
		if (ends_are(flow, &t->src, BPFLB_ADDR_CLIENT, flow->mport,
			     &t->dst, BPFLB_ADDR_BACKEND, flow->bport))
			return true;
		*role = BPFLB_ROLE_MID_REPLY;
		return ends_are(flow, &t->src, BPFLB_ADDR_BACKEND, flow->bport,
				&t->dst, BPFLB_ADDR_CLIENT, flow->mport);
	case BPFLB_KEY_REPLY:
		*role = BPFLB_ROLE_REPLY;
		return ends_are(flow, &t->src, BPFLB_ADDR_BACKEND, flow->bport,
				&t->dst, BPFLB_ADDR_SNAT, flow->sport);
	default:
		return false;
	}
}

static void flow_key_tuple(const struct bpflb_flow *flow, enum bpflb_key key,
			   struct bpflb_tuple *t)
{
	memset(t, 0, sizeof(*t));
	t->family = NFPROTO_IPV4;
	t->proto = flow->proto;
	switch (key) {
	case BPFLB_KEY_ORIG:
		t->src.addr.ip = flow->addr[BPFLB_ADDR_CLIENT];
		t->src.port = flow->cport;
		t->dst.addr.ip = flow->addr[BPFLB_ADDR_SERVICE];
		t->dst.port = flow->vport;
		break;
	case BPFLB_KEY_MID:
		t->src.addr.ip = flow->addr[BPFLB_ADDR_CLIENT];
		t->src.port = flow->mport;
		t->dst.addr.ip = flow->addr[BPFLB_ADDR_BACKEND];
		t->dst.port = flow->bport;
		break;
	default:
		t->src.addr.ip = flow->addr[BPFLB_ADDR_BACKEND];
		t->src.port = flow->bport;
		t->dst.addr.ip = flow->addr[BPFLB_ADDR_SNAT];
		t->dst.port = flow->sport;
		break;
	}
}

static u32 flow_key_hash(const struct bpflb_flow *flow, enum bpflb_key key)
{
	struct bpflb_tuple t;

	flow_key_tuple(flow, key, &t);
	return bpflb_tuple_hash(&t, flow->ns, &table.key);
}

static bool is_mid(enum bpflb_role role)
{
	return role == BPFLB_ROLE_MID_ORIG || role == BPFLB_ROLE_MID_REPLY;
}

static struct bpflb_match chain_find(u32 hash, u32 ns, const struct bpflb_tuple *t, bool only_mid)
{
	struct bpflb_match mid = {};
	unsigned long link;

	for (link = link_next(&table.chain[hash & table.mask]); link;
	     link = link_next((unsigned long *)(link & ~LINK_KEY_MASK))) {
		struct bpflb_flow *flow = link_flow(link);
		enum bpflb_role role;

		if (flow->ns != ns || flow->proto != t->proto ||
		    !flow_matches(flow, link_key(link), t, &role))
			continue;
		if (is_mid(role))
			mid = (struct bpflb_match){ flow, role };
		else if (!only_mid)
			return (struct bpflb_match){ flow, role };
	}
	return mid;
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
	return chain_find(bpflb_tuple_hash(t, bn->id, &table.key), bn->id, t, false);
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
	return chain_find(bpflb_tuple_hash(t, bn->id, &table.key), bn->id, t, true);
}

/* Caller holds the chain's lock. Is another flow in the table under the same key? */
static bool key_is_taken(const struct bpflb_flow *flow, enum bpflb_key key, u32 hash)
{
	struct bpflb_tuple t;
	unsigned long link;

	flow_key_tuple(flow, key, &t);
	for (link = table.chain[hash & table.mask]; link;
	     link = *(unsigned long *)(link & ~LINK_KEY_MASK)) {
		const struct bpflb_flow *other = link_flow(link);
		enum bpflb_role role;

		if (link_key(link) == key && other->ns == flow->ns &&
		    other->proto == flow->proto && flow_matches(other, key, &t, &role))
			return true;
	}
	return false;
}

/**
 * bpflb_flow_link() - put a new flow into the table
 * @flow: filled in but for REPLY, and in no chain
 * @keys: bits of enum bpflb_key
 * @clash: which key was taken, if one was
 *
 * Context: RCU; takes bucket locks. Return: 0, or -EEXIST and nothing is linked.
 */
int bpflb_flow_link(struct bpflb_flow *flow, unsigned int keys, enum bpflb_key *clash)
{
	struct lock_set locks = {};
	u32 hash[BPFLB_KEYS] = {};
	unsigned int key;
	int err = 0;

	for (key = 0; key < BPFLB_KEYS; key++) {
		if (!(keys & BIT(key)))
			continue;
		hash[key] = flow_key_hash(flow, key);
		lock_set_add(&locks, hash[key]);
	}

	lock_set_lock(&locks);
	for (key = 0; key < BPFLB_KEYS; key++) {
		if (keys & BIT(key) && key_is_taken(flow, key, hash[key])) {
			*clash = key;
			err = -EEXIST;
			goto out;
		}
	}
	flow->keys = keys;
	/* MID before ORIG: who finds the flow by ORIG will look for MID next. */
	for (key = BPFLB_KEYS; key--;)
		if (keys & BIT(key))
			chain_push(hash[key], flow, key);
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
 * is out of the table by now.
 */
int bpflb_flow_link_reply(struct bpflb_flow *flow, __be32 addr, __be16 port)
{
	u32 mid = flow_key_hash(flow, BPFLB_KEY_MID), hash;
	struct lock_set locks = {};
	struct bpflb_tuple t = {
		.family = NFPROTO_IPV4,
		.proto = flow->proto,
		.src = { { .ip = flow->addr[BPFLB_ADDR_BACKEND] }, flow->bport },
		.dst = { { .ip = addr }, port },
	};
	struct bpflb_match taken;
	int err = 0;

	hash = bpflb_tuple_hash(&t, flow->ns, &table.key);
	lock_set_add(&locks, mid);
	lock_set_add(&locks, hash);
	lock_set_lock(&locks);
	taken = chain_find(hash, flow->ns, &t, false);
	if (flow->flags & BPFLB_FLOW_DEAD) {
		err = -ENOENT;
	} else if (flow->keys & BIT(BPFLB_KEY_REPLY)) {
		err = -EALREADY;
	} else if (taken.flow && taken.role == BPFLB_ROLE_REPLY) {
		err = -EEXIST;
	} else {
		flow->addr[BPFLB_ADDR_SNAT] = addr;
		flow->sport = port;
		chain_push(hash, flow, BPFLB_KEY_REPLY);
		/* The bit says that both are there: readers acquire it. */
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
	u32 hash[BPFLB_KEYS];
	unsigned int key;
	bool mine;
	u8 keys;

again:
	/* Pairs with the release in bpflb_flow_link_reply(). */
	keys = smp_load_acquire(&flow->keys);
	locks.n = 0;
	for (key = 0; key < BPFLB_KEYS; key++) {
		if (!(keys & BIT(key)))
			continue;
		hash[key] = flow_key_hash(flow, key);
		lock_set_add(&locks, hash[key]);
	}
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
				chain_remove(hash[key], flow, key);
	}
	lock_set_unlock(&locks);
	return mine;
}

/**
 * bpflb_flow_walk() - visit the flows of one bucket; each is in one of them
 * @bucket: below bpflb_flow_table_buckets()
 * @visit: called for each flow whose ORIG key is in this bucket; may unlink
 *	it; returns false to end the walk
 * @arg: for @visit
 *
 * Context: RCU. Return: false if @visit ended it.
 */
bool bpflb_flow_walk(u32 bucket, bool (*visit)(struct bpflb_flow *flow, void *arg), void *arg)
{
	unsigned long link;

	for (link = link_next(&table.chain[bucket]); link;
	     link = link_next((unsigned long *)(link & ~LINK_KEY_MASK))) {
		struct bpflb_flow *flow = link_flow(link);

		/* Each flow has this key. */
		if (link_key(link) != BPFLB_KEY_ORIG)
			continue;
		if (!visit(flow, arg))
			return false;
	}
	return true;
}

u32 bpflb_flow_table_buckets(void)
{
	return table.mask + 1;
}

/* A chain for each 16 KiB of memory: 64 k of them on a machine of 1 GiB. */
static u32 default_buckets(void)
{
	u64 bytes = (u64)totalram_pages() << PAGE_SHIFT;

	return clamp_t(u64, bytes >> 14, 1024, 1U << 22);
}

int bpflb_flow_table_init(void)
{
	u32 buckets = flow_buckets ?: default_buckets();
	u32 locks, i;

	if (buckets > 1U << 28) {
		pr_err("flow_buckets=%u is more than %u\n", buckets, 1U << 28);
		return -EINVAL;
	}
	buckets = roundup_pow_of_two(max(buckets, 16U));
	locks = min_t(u32, buckets, 4096);
	table.chain = kvcalloc(buckets, sizeof(*table.chain), GFP_KERNEL);
	table.lock = kvmalloc_array(locks, sizeof(*table.lock), GFP_KERNEL);
	if (!table.chain || !table.lock) {
		bpflb_flow_table_exit();
		return -ENOMEM;
	}
	for (i = 0; i < locks; i++)
		spin_lock_init(&table.lock[i]);
	table.mask = buckets - 1;
	table.lock_mask = locks - 1;
	flow_buckets = buckets;
	get_random_bytes(&table.key, sizeof(table.key));
	return 0;
}

void bpflb_flow_table_exit(void)
{
	kvfree(table.chain);
	kvfree(table.lock);
}
