// SPDX-License-Identifier: GPL-2.0-only
/*
 * The keys that flows are found by: finding, linking, unlinking.
 *
 * All keys of a flow go into one index (flow_index.c), under the locks of their
 * hashes, taken in ascending order.
 */
#include <linux/jhash.h>
#include <linux/module.h>
#include <linux/random.h>

#include "backend.h"
#include "flow.h"
#include "flow_find.h"
#include "flow_index.h"
#include "netns.h"

static unsigned int flow_buckets;
module_param(flow_buckets, uint, 0444);
MODULE_PARM_DESC(flow_buckets, "buckets that the flow table begins with (default: by processors)");

hsiphash_key_t bpflb_flow_secret __read_mostly;

/* The locks of up to three keys, in order, each once. */
struct lock_set {
	spinlock_t *lock[BPFLB_KEYS];	/* of the index */
	unsigned int n;
};

/* Inlined: a new flow's sets are of two, and known to be. */
static __always_inline void lock_set_add(struct lock_set *set, u32 hash)
{
	spinlock_t *lock = bpflb_index_lock(hash);
	unsigned int i, j;

	for (i = 0; i < set->n && set->lock[i] < lock; i++)
		;
	if (i < set->n && set->lock[i] == lock)
		return;
	for (j = set->n++; j > i; j--)
		set->lock[j] = set->lock[j - 1];
	set->lock[i] = lock;
}

static void lock_set_lock(const struct lock_set *set)
{
	unsigned int i;

	for (i = 0; i < set->n; i++) {
		spin_lock_nested(set->lock[i], i);
		__release(set->lock[i]);	/* sparse can't count in loops */
	}
}

static void lock_set_unlock(const struct lock_set *set)
{
	unsigned int i = set->n;

	while (i--) {
		__acquire(set->lock[i]);
		spin_unlock(set->lock[i]);
	}
}

/**
 * bpflb_flow_tuple() - what a flow is found by
 * @flow: the flow
 * @key: one of its keys
 * @t: the tuple of the packets that have it, in the direction that the key's
 *	description says
 */
void bpflb_flow_tuple(const struct bpflb_flow *flow, enum bpflb_key key, struct bpflb_tuple *t)
{
	unsigned int src = key == BPFLB_KEY_REPLY ? BPFLB_ADDR_BACKEND : BPFLB_ADDR_CLIENT;
	unsigned int dst = key == BPFLB_KEY_ORIG ? BPFLB_ADDR_SERVICE :
			   key == BPFLB_KEY_MID ? BPFLB_ADDR_BACKEND : BPFLB_ADDR_SNAT;

	memset(t, 0, sizeof(*t));
	t->family = bpflb_flow_family(flow);
	t->proto = bpflb_flow_proto(flow);
	if (t->family == NFPROTO_IPV6) {
		t->src.addr.in6 = *bpflb_flow_addr6(flow, src);
		t->dst.addr.in6 = *bpflb_flow_addr6(flow, dst);
	} else {
		t->src.addr.ip = flow->addr[src];
		t->dst.addr.ip = flow->addr[dst];
	}
	switch (key) {
	case BPFLB_KEY_ORIG:
		t->src.port = flow->cport;
		t->dst.port = flow->vport;
		break;
	case BPFLB_KEY_MID:
		t->src.port = flow->mport;
		t->dst.port = flow->bport;
		break;
	default:
		t->src.port = flow->bport;
		t->dst.port = flow->sport;
	}
}

/**
 * bpflb_flow_clashes() - would a packet be of either flow?
 * @flow: a flow that is to be linked
 * @other: one that is
 * @key: by which key of both
 *
 * Of MID also if one's packets are the other's replies.
 */
bool bpflb_flow_clashes(const struct bpflb_flow *flow, const struct bpflb_flow *other,
			enum bpflb_key key)
{
	struct bpflb_tuple a, b;

	if (flow->ns_proto != other->ns_proto)
		return false;
	bpflb_flow_tuple(flow, key, &a);
	bpflb_flow_tuple(other, key, &b);
	if (bpflb_tuple_equal(&a, &b))
		return true;
	b = bpflb_tuple_reverse(&b);
	return key == BPFLB_KEY_MID && bpflb_tuple_equal(&a, &b);
}

static u32 tuple_hash(const struct bpflb_tuple *t, u32 ns)
{
	struct bpflb_key4 k4;
	struct bpflb_key6 k6;

	if (t->family == NFPROTO_IPV6) {
		k6 = bpflb_key6_of_tuple(t, ns);
		return bpflb_key6_hash(&k6, &bpflb_flow_secret);
	}
	k4 = bpflb_key4_of_tuple(t, ns);
	return bpflb_key4_hash(&k4, &bpflb_flow_secret);
}

/* Each new flow is hashed up to three times: of IPv4 without a tuple in between. */
static u32 hash4(const struct bpflb_flow *flow, __be32 saddr, __be32 daddr, __be16 sport,
		 __be16 dport)
{
	const struct bpflb_key4 k = {
		.saddr = saddr,
		.daddr = daddr,
		.sport = sport,
		.dport = dport,
		.ns_proto = flow->ns_proto,
	};

	return bpflb_key4_hash(&k, &bpflb_flow_secret);
}

static u32 orig_hash(const struct bpflb_flow *flow)
{
	struct bpflb_tuple t;

	bpflb_flow_tuple(flow, BPFLB_KEY_ORIG, &t);
	return tuple_hash(&t, flow->bn->id);
}

static u32 mid_hash(const struct bpflb_flow *flow)
{
	struct bpflb_tuple t;

	if (!bpflb_flow_is_ipv6(flow))
		return hash4(flow, flow->addr[BPFLB_ADDR_CLIENT], flow->addr[BPFLB_ADDR_BACKEND],
			     flow->mport, flow->bport);
	bpflb_flow_tuple(flow, BPFLB_KEY_MID, &t);
	return tuple_hash(&t, flow->bn->id);
}

static u32 reply_hash(const struct bpflb_flow *flow, const union nf_inet_addr *addr, __be16 port)
{
	struct bpflb_tuple t;

	if (!bpflb_flow_is_ipv6(flow))
		return hash4(flow, flow->addr[BPFLB_ADDR_BACKEND], addr->ip, flow->bport, port);
	bpflb_flow_tuple(flow, BPFLB_KEY_REPLY, &t);
	t.dst = (struct bpflb_endpoint){ *addr, port };
	return tuple_hash(&t, flow->bn->id);
}

static struct bpflb_match find(const struct bpflb_tuple *t, u32 ns, u32 hash, bool only_mid)
{
	struct bpflb_key4 k4;
	struct bpflb_key6 k6;

	if (t->family == NFPROTO_IPV6) {
		k6 = bpflb_key6_of_tuple(t, ns);
		return bpflb_flow_find6(&k6, hash, only_mid);
	}
	k4 = bpflb_key4_of_tuple(t, ns);
	return bpflb_flow_find4(&k4, hash, only_mid);
}

/**
 * bpflb_flow_find() - the flow of a packet that comes in
 * @bn: namespace
 * @pkt: the packet; its hash is set
 *
 * See bpflb_flow_find4().
 *
 * Context: RCU; the flow is valid until it ends. Return: flow NULL if none.
 */
struct bpflb_match bpflb_flow_find(const struct bpflb_net *bn, struct bpflb_packet *pkt)
{
	pkt->hash = tuple_hash(&pkt->tuple, bn->id);
	return bpflb_flow_find_again(bn, pkt);
}

/**
 * bpflb_flow_find_again() - the same, of a packet whose hash is set already
 * @bn: namespace
 * @pkt: the packet
 *
 * Context: RCU; the flow is valid until it ends. Return: flow NULL if none.
 */
struct bpflb_match bpflb_flow_find_again(const struct bpflb_net *bn,
					 const struct bpflb_packet *pkt)
{
	return find(&pkt->tuple, bn->id, pkt->hash, false);
}

/**
 * bpflb_flow_find_with() - the flow of a datagram with one backend of several
 * @bn: namespace
 * @pkt: the datagram, its hash set; afterwards that has the backend in it
 * @be: the backend
 *
 * A client of a one-packet service has a flow with each backend. They differ in ORIG's
 * hash, which no packet has by itself: so nothing is found before a backend is chosen.
 *
 * Context: RCU; the flow is valid until it ends. Return: flow NULL if none.
 */
struct bpflb_match bpflb_flow_find_with(const struct bpflb_net *bn, struct bpflb_packet *pkt,
					const struct bpflb_backend *be)
{
	struct bpflb_match m;

	pkt->hash = jhash_2words(pkt->hash, be->id, 0);
	m = bpflb_flow_find_again(bn, pkt);
	if (m.flow && (m.role != BPFLB_ROLE_ORIG || m.flow->be != be))
		m.flow = NULL;
	return m;
}

/**
 * bpflb_flow_is_one_packet() - is the backend in the hash of its ORIG?
 * @flow: the flow
 *
 * The service may have been switched to one-packet, or from it, since it was made.
 *
 * Context: any.
 */
bool bpflb_flow_is_one_packet(const struct bpflb_flow *flow)
{
	return bpflb_flow_proto(flow) == IPPROTO_UDP &&
	       flow->hash[BPFLB_KEY_ORIG] != orig_hash(flow);
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
	return find(t, bn->id, tuple_hash(t, bn->id), true);
}

/**
 * bpflb_flow_link() - put a new flow into the table
 * @flow: filled in but for REPLY, with the hash of ORIG, and not in the table
 * @mid: under MID too, not only under ORIG
 * @clash: which key was taken, if one was
 *
 * Context: RCU, bottom halves off; takes bucket locks. Return: 0; or nothing is
 * linked: -EEXIST, -ENOMEM, -ENOSPC if too many flows have such a hash.
 */
int bpflb_flow_link(struct bpflb_flow *flow, bool mid, enum bpflb_key *clash)
{
	unsigned long *at_orig, *at_mid = NULL;
	struct lock_set locks = {};

	lock_set_add(&locks, flow->hash[BPFLB_KEY_ORIG]);
	if (mid) {
		flow->hash[BPFLB_KEY_MID] = mid_hash(flow);
		lock_set_add(&locks, flow->hash[BPFLB_KEY_MID]);
	}

	lock_set_lock(&locks);
	*clash = BPFLB_KEY_ORIG;
	at_orig = bpflb_index_claim(flow, BPFLB_KEY_ORIG, NULL);
	if (mid && !IS_ERR(at_orig)) {
		*clash = BPFLB_KEY_MID;
		at_mid = bpflb_index_claim(flow, BPFLB_KEY_MID, at_orig);
	}
	if (!IS_ERR(at_orig) && !IS_ERR(at_mid)) {
		flow->keys = BIT(BPFLB_KEY_ORIG) | (mid ? BIT(BPFLB_KEY_MID) : 0);
		/* MID first: who finds the flow by ORIG will look for MID next. */
		if (mid)
			bpflb_index_put(at_mid, flow, BPFLB_KEY_MID);
		bpflb_index_put(at_orig, flow, BPFLB_KEY_ORIG);
	}
	lock_set_unlock(&locks);
	return IS_ERR(at_orig) ? PTR_ERR(at_orig) : PTR_ERR_OR_ZERO(at_mid);
}

/**
 * bpflb_flow_link_reply() - give a SNAT flow its address and port here
 * @flow: in the table under MID
 * @addr: this node's address towards the backend
 * @port: this node's port
 *
 * Context: RCU, bottom halves off; takes bucket locks. Return: 0; -EALREADY if another processor
 * has done it first; -EEXIST if another flow has this port; -ENOENT if the flow
 * is out of the table by now; -ENOMEM; -ENOSPC.
 */
int bpflb_flow_link_reply(struct bpflb_flow *flow, const union nf_inet_addr *addr, __be16 port)
{
	u32 hash = reply_hash(flow, addr, port);
	struct lock_set locks = {};
	unsigned long *at;
	int err = 0;

	lock_set_add(&locks, flow->hash[BPFLB_KEY_MID]);
	lock_set_add(&locks, hash);
	lock_set_lock(&locks);
	if (flow->flags & BPFLB_FLOW_DEAD) {
		err = -ENOENT;
		goto out;
	}
	if (flow->keys & BIT(BPFLB_KEY_REPLY)) {
		err = -EALREADY;
		goto out;
	}
	flow->hash[BPFLB_KEY_REPLY] = hash;
	bpflb_flow_set_addr(flow, BPFLB_ADDR_SNAT, addr);
	flow->sport = port;
	at = bpflb_index_claim(flow, BPFLB_KEY_REPLY, NULL);
	if (IS_ERR(at)) {
		err = PTR_ERR(at);
		goto out;
	}
	bpflb_index_put(at, flow, BPFLB_KEY_REPLY);
	/* The bit says that all are there: readers acquire it. */
	smp_store_release(&flow->keys, flow->keys | BIT(BPFLB_KEY_REPLY));
out:
	lock_set_unlock(&locks);
	return err;
}

/**
 * bpflb_flow_unlink() - take a flow out of the table
 * @flow: the flow; readers may still be on it
 *
 * Context: RCU, bottom halves off; takes bucket locks. Return: false if it was out already, so
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
