// SPDX-License-Identifier: GPL-2.0-only
/*
 * A SNAT flow gets its address and port here when its first packet leaves, for
 * only then it is known by which device.
 *
 * A port is unique for one (protocol, source address, backend): there is a pool
 * for each, a bit for each port. Finding a free one in a pool that is 95 % full
 * costs about what it costs in an empty one, since 64 ports are looked at in one
 * step, and fails only if there is none. A pool has memory only for those
 * 4096s of ports that flows use.
 */
#include <linux/bitmap.h>
#include <linux/jhash.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <net/inet_hashtables.h>
#include <net/ip.h>
#include <net/l3mdev.h>

#include "compat/sock_lookup.h"
#include "foreign.h"
#include "netns.h"
#include "nl.h"
#include "port_range.h"
#include "snat.h"
#include "snat_source.h"
#include "stats.h"

#define CHUNK_BITS	4096
#define CHUNKS		(65536 / CHUNK_BITS)
#define CHUNK_BYTES	((long)(CHUNK_BITS / BITS_PER_BYTE))

/**
 * struct snat_pool_key - whom ports must be unique for
 * @backend: address and port
 * @addr: this node's address
 * @proto: IPPROTO_TCP, IPPROTO_UDP or IPPROTO_SCTP
 * @family: of both addresses; as wide as to leave no padding
 */
struct snat_pool_key {
	struct bpflb_endpoint backend;
	union nf_inet_addr addr;
	u16 proto;
	u16 family;
};

/**
 * struct snat_pool - ports taken towards one backend from one address
 * @hash: in bpflb_net.snat_pools
 * @rcu: to free it
 * @key: what it is found by
 * @ref: flows that have a port of it, or are about to
 * @chunk: bits of 4096 ports each; NULL: none was ever taken
 */
struct snat_pool {
	struct rhash_head hash;
	struct rcu_head rcu;
	struct snat_pool_key key;
	refcount_t ref;
	unsigned long *chunk[CHUNKS];
};

/* Backends and this node's addresses are the administrator's: nobody else can
 * choose them so that they fall together.
 */
static u32 pool_hash(const void *data, u32 len, u32 seed)
{
	const struct snat_pool_key *key = data;
	const union nf_inet_addr *a = &key->backend.addr, *b = &key->addr;

	return jhash_3words(a->all[0] ^ a->all[1], a->all[2] ^ a->all[3] ^ key->proto,
			    b->all[0] ^ b->all[3] ^ (__force u16)key->backend.port << 16, seed);
}

static int pool_compare(struct rhashtable_compare_arg *arg, const void *obj)
{
	const struct snat_pool *pool = obj;
	const struct snat_pool_key *key = arg->key;

	return !(bpflb_endpoint_equal(&pool->key.backend, &key->backend) &&
		 bpflb_addr_equal(&pool->key.addr, &key->addr) && pool->key.proto == key->proto);
}

const struct rhashtable_params bpflb_snat_pool_params = {
	.head_offset = offsetof(struct snat_pool, hash),
	.key_offset = offsetof(struct snat_pool, key),
	.key_len = sizeof_field(struct snat_pool, key),
	.hashfn = pool_hash,
	.obj_cmpfn = pool_compare,
	.automatic_shrinking = true,
};

static void pool_free(struct snat_pool *pool)
{
	int i;

	for (i = 0; i < CHUNKS; i++)
		kfree(pool->chunk[i]);
	kfree(pool);
}

static void pool_free_rcu(struct rcu_head *rcu)
{
	pool_free(container_of(rcu, struct snat_pool, rcu));
}

static void pool_put(struct bpflb_net *bn, struct snat_pool *pool)
{
	int i;

	if (!refcount_dec_and_test(&pool->ref))
		return;
	for (i = 0; i < CHUNKS; i++)
		if (pool->chunk[i])
			bpflb_charge(bn->foreign, -CHUNK_BYTES);
	bpflb_charge(bn->foreign, -(long)sizeof(*pool));
	rhashtable_remove_fast(&bn->snat_pools, &pool->hash, bpflb_snat_pool_params);
	call_rcu(&pool->rcu, pool_free_rcu);
}

static struct snat_pool *pool_find(struct bpflb_net *bn, const struct snat_pool_key *key)
{
	return rhashtable_lookup(&bn->snat_pools, key, bpflb_snat_pool_params);
}

/* Find or make. An old pool may be on its way out: whoever meets it removes it, and waits for
 * nobody, who might be a task of less priority on this processor (PREEMPT_RT).
 */
static struct snat_pool *pool_get(struct bpflb_net *bn, const struct snat_pool_key *key)
{
	struct snat_pool *pool, *old;

	for (;;) {
		pool = pool_find(bn, key);
		if (pool && refcount_inc_not_zero(&pool->ref))
			return pool;
		if (!pool)
			break;
		rhashtable_remove_fast(&bn->snat_pools, &pool->hash, bpflb_snat_pool_params);
	}
	pool = kzalloc(sizeof(*pool), GFP_ATOMIC | __GFP_NOWARN);
	if (!pool)
		return NULL;
	pool->key = *key;
	refcount_set(&pool->ref, 1);
	old = rhashtable_lookup_get_insert_fast(&bn->snat_pools, &pool->hash,
						bpflb_snat_pool_params);
	if (!old) {
		bpflb_charge(bn->foreign, sizeof(*pool));
		return pool;
	}
	kfree(pool);
	if (!IS_ERR(old) && refcount_inc_not_zero(&old->ref))
		return old;
	return NULL;
}

static unsigned long *pool_chunk(const struct bpflb_net *bn, struct snat_pool *pool, u16 port)
{
	unsigned long **at = &pool->chunk[port / CHUNK_BITS], *new, *old;

	if (READ_ONCE(*at))
		return *at;
	new = bitmap_zalloc(CHUNK_BITS, GFP_ATOMIC | __GFP_NOWARN);
	if (!new)
		return NULL;
	old = cmpxchg(at, NULL, new);
	if (old) {
		kfree(new);
		return old;
	}
	bpflb_charge(bn->foreign, CHUNK_BYTES);
	return new;
}

static void pool_key_init(struct snat_pool_key *key, const struct bpflb_flow *flow,
			  const union nf_inet_addr *addr)
{
	memset(key, 0, sizeof(*key));
	key->backend.addr = bpflb_flow_addr(flow, BPFLB_ADDR_BACKEND);
	key->backend.port = flow->bport;
	key->addr = *addr;
	key->proto = bpflb_flow_proto(flow);
	key->family = bpflb_flow_family(flow);
}

/* A socket of this node that has the port could lose its packets to the flow. Of
 * TCP any that has it at all, for one that is only bound may connect later; of UDP
 * one that would get the backend's packets. Those of SCTP are known to the kernel's
 * SCTP only, which need not be there: the range that ports are from keeps clear of them.
 */
static bool host_has_socket(struct net *net, const struct snat_pool *pool, u16 port,
			    const struct net_device *out)
{
	const struct snat_pool_key *key = &pool->key;
	int vrf = l3mdev_master_ifindex_rcu(out), own = out ? out->ifindex : 0;
	int dif = vrf ?: own, sdif = vrf ? own : 0;

	if (key->proto == IPPROTO_TCP)
		return bpflb_tcp_port_is_bound(net, port);
	if (key->proto == IPPROTO_SCTP || !bpflb_udp_port_may_be_bound(net, port))
		return false;
	if (key->family == NFPROTO_IPV6)
		return bpflb_udp6_lookup(net, &key->backend.addr.in6, key->backend.port,
					 &key->addr.in6, htons(port), dif, sdif);
	return bpflb_udp_lookup(net, key->backend.addr.ip, key->backend.port, key->addr.ip,
				htons(port), dif, sdif);
}

/**
 * struct port_hunt - somebody wants a port
 * @net: namespace
 * @pool: those taken; where one is only looked for it may be one that nobody has
 * @out: the device that packets leave by, or NULL
 * @look: it is not taken
 */
struct port_hunt {
	struct net *net;
	struct snat_pool *pool;
	const struct net_device *out;
	bool look;
};

/* In the order of what it costs to find out. @chunk: of the port; NULL: none is taken */
static bool is_free(const struct port_hunt *h, const unsigned long *chunk, u16 port)
{
	return !(chunk && test_bit(port % CHUNK_BITS, chunk)) &&
	       !inet_is_local_reserved_port(h->net, port) &&
	       !host_has_socket(h->net, h->pool, port, h->out);
}

static bool take_port(const struct port_hunt *h, u16 port)
{
	unsigned long *chunk;

	if (h->look)
		return is_free(h, READ_ONCE(h->pool->chunk[port / CHUNK_BITS]), port);
	chunk = pool_chunk(bpflb_net(h->net), h->pool, port);
	return chunk && is_free(h, chunk, port) && !test_and_set_bit(port % CHUNK_BITS, chunk);
}

/* net.ipv4.ip_local_reserved_ports, from port @base on; NULL if there are none. */
static const unsigned long *reserved_from(const struct net *net, u32 base)
{
#ifdef CONFIG_SYSCTL
	const unsigned long *all = net->ipv4.sysctl_local_reserved_ports;

	return all ? all + base / BITS_PER_LONG : NULL;
#else
	return NULL;
#endif
}

/* The first free port from @first to @last, host byte order; 0 if there is none. */
static u16 take_port_between(const struct port_hunt *h, u32 first, u32 last)
{
	u32 port = first;

	while (port <= last) {
		u32 base = round_down(port, CHUNK_BITS);
		u32 end = min(last + 1 - base, (u32)CHUNK_BITS);
		const unsigned long *chunk = READ_ONCE(h->pool->chunk[base / CHUNK_BITS]);
		u32 bit = bpflb_port_next(chunk, reserved_from(h->net, base), port - base, end);

		port = base + bit;
		if (bit == end)
			continue;
		if (take_port(h, port))
			return port;
		port++;
	}
	return 0;
}

/* From @start round all ranges, so that only a full pool has no answer. */
static u16 take_any_port(const struct port_hunt *h, const struct bpflb_port_set *set, u16 start)
{
	unsigned int i, first = 0;
	u16 port;

	while (first + 1 < set->n && start > set->range[first].last)
		first++;
	port = take_port_between(h, start, set->range[first].last);
	for (i = 1; !port && i <= set->n; i++) {
		const struct bpflb_range *r = &set->range[(first + i) % set->n];

		port = take_port_between(h, r->first, r->last);
	}
	return port;
}

/* They are known unless ip_local_port_range was changed since: then @room is filled. */
static const struct bpflb_port_set *usable_ports(struct net *net, const struct bpflb_settings *s,
						 struct bpflb_port_set *room)
{
	struct bpflb_range ephemeral;
	int first, last;

	inet_get_local_port_range(net, &first, &last);
	if (likely(first == s->ephemeral.first && last == s->ephemeral.last))
		return &s->usable;
	ephemeral = (struct bpflb_range){ first, last };
	bpflb_port_set_make(room, s->snat_ports, ephemeral, s->nodeports);
	return room;
}

/* The client's own port if that can be had, else one from a place that the flow's
 * hash tells: an attacker, who doesn't know its secret, must not guess it
 * (RFC 6056, algorithm 3).
 */
static u16 choose_port(const struct bpflb_flow *flow, const struct port_hunt *h)
{
	const struct bpflb_settings *s = rcu_dereference(flow->bn->settings);
	const struct bpflb_port_set *set;
	struct bpflb_port_set room;
	u16 port = ntohs(flow->cport);
	u32 nth;

	set = usable_ports(h->net, s, &room);
	if (!set->count)
		return 0;
	if (bpflb_port_set_has(set, port) && take_port(h, port))
		return port;
	nth = reciprocal_scale(flow->hash[BPFLB_KEY_ORIG], set->count);
	return take_any_port(h, set, bpflb_port_set_nth(set, nth));
}

static void give_port_back(struct bpflb_net *bn, struct snat_pool *pool, u16 port)
{
	clear_bit(port % CHUNK_BITS, pool->chunk[port / CHUNK_BITS]);
	pool_put(bn, pool);
}

/* Give the flow a port of @addr. */
static enum bpflb_drop_reason complete_with(struct bpflb_flow *flow,
					    const union nf_inet_addr *addr,
					    const struct net_device *out)
{
	struct bpflb_net *bn = flow->bn;
	struct snat_pool_key key;
	struct snat_pool *pool;
	struct port_hunt hunt;
	u16 port;
	int err;

	pool_key_init(&key, flow, addr);
	pool = pool_get(bn, &key);
	if (!pool)
		return BPFLB_DROP_NO_MEMORY;
	hunt = (struct port_hunt){ bn->net, pool, out };
	port = choose_port(flow, &hunt);
	if (!port) {
		pool_put(bn, pool);
		return BPFLB_DROP_NO_SNAT_PORT;
	}
	err = bpflb_flow_link_reply(flow, addr, htons(port));
	if (err)
		give_port_back(bn, pool, port);
	switch (err) {
	case 0:
		bpflb_nl_flow_event(flow, BPFLB_CMD_FLOW_SET, 0);
		return BPFLB_NO_DROP;
	case -EALREADY:	/* another processor's choice is as good */
		return BPFLB_NO_DROP;
	case -ENOMEM:
		return BPFLB_DROP_NO_MEMORY;
	case -ENOSPC:
		return BPFLB_DROP_TABLE_FULL;
	default:
		return BPFLB_DROP_TUPLE_CLASH;
	}
}

/* What would be given; nothing is taken. @port: 0 if none is free */
static enum bpflb_drop_reason look_at(const struct bpflb_flow *flow,
				      const union nf_inet_addr *addr,
				      const struct net_device *out, u16 *port)
{
	struct snat_pool nobodys = {};
	struct port_hunt hunt = { flow->bn->net, NULL, out, true };

	pool_key_init(&nobodys.key, flow, addr);
	hunt.pool = pool_find(flow->bn, &nobodys.key) ?: &nobodys;
	*port = choose_port(flow, &hunt);
	return *port ? BPFLB_NO_DROP : BPFLB_DROP_NO_SNAT_PORT;
}

static enum bpflb_drop_reason complete_with_any(struct bpflb_flow *flow,
						const struct bpflb_snat_addrs *set,
						const struct net_device *out)
{
	enum bpflb_drop_reason reason = BPFLB_DROP_NO_SNAT_PORT;
	u32 i;

	for (i = 0; i < set->n && reason == BPFLB_DROP_NO_SNAT_PORT; i++)
		reason = complete_with(flow, bpflb_source_nth(flow, set, i), out);
	return reason;
}

/* Once a second at most: a full pool has a failure for each new flow. */
static void tell_exhausted(struct bpflb_flow *flow)
{
	u32 now = jiffies, told = READ_ONCE(flow->bn->snat_told);

	if (told && now - told < HZ)
		return;
	if (cmpxchg(&flow->bn->snat_told, told, now ?: 1) == told)
		bpflb_nl_snat_full_event(flow);
}

/**
 * bpflb_snat_is_complete() - has the flow its address and port?
 * @flow: a SNAT flow
 *
 * Context: RCU. Return: if true, addr[SNAT] and sport can be read.
 */
bool bpflb_snat_is_complete(const struct bpflb_flow *flow)
{
	/* Pairs with the release in bpflb_flow_link_reply(). */
	return smp_load_acquire(&flow->keys) & BIT(BPFLB_KEY_REPLY);
}

/**
 * bpflb_snat_complete() - give a flow its address and port
 * @flow: a SNAT flow without
 * @skb: its first packet, routed
 * @out: the device it leaves by
 *
 * Context: RCU, bottom halves off. Return: BPFLB_NO_DROP, or why
 * the packet has to be dropped.
 */
enum bpflb_drop_reason bpflb_snat_complete(struct bpflb_flow *flow, const struct sk_buff *skb,
					   const struct net_device *out)
{
	const struct bpflb_settings *s = rcu_dereference(flow->bn->settings);
	const struct bpflb_snat_addrs *set = &s->snat[bpflb_flow_is_ipv6(flow)];
	enum bpflb_drop_reason reason = BPFLB_DROP_NO_SNAT_ADDRESS;
	union nf_inet_addr addr;

	if (set->n)
		reason = complete_with_any(flow, set, out);
	else if (bpflb_source_of_device(flow->bn, flow, skb, out, &addr))
		reason = complete_with(flow, &addr, out);
	if (reason == BPFLB_DROP_NO_SNAT_PORT)
		tell_exhausted(flow);
	return reason;
}

/**
 * bpflb_snat_tell() - the address and port that a flow would be given now
 * @flow: a SNAT flow without, which need not be in the table
 * @skb: its first packet, routed
 * @out: the device that it would leave by
 * @source: the result: an address, and a port if one is free; all 0 if there is no address
 *
 * Nothing is taken, and nobody is told. Another flow may be faster.
 *
 * Context: RCU, bottom halves off. Return: BPFLB_NO_DROP, or why the packet would be dropped.
 */
enum bpflb_drop_reason bpflb_snat_tell(const struct bpflb_flow *flow, const struct sk_buff *skb,
				       const struct net_device *out,
				       struct bpflb_endpoint *source)
{
	const struct bpflb_settings *s = rcu_dereference(flow->bn->settings);
	const struct bpflb_snat_addrs *set = &s->snat[bpflb_flow_is_ipv6(flow)];
	enum bpflb_drop_reason reason = BPFLB_DROP_NO_SNAT_ADDRESS;
	u16 port = 0;
	u32 i;

	memset(source, 0, sizeof(*source));
	if (!set->n && bpflb_source_of_device(flow->bn, flow, skb, out, &source->addr))
		reason = look_at(flow, &source->addr, out, &port);
	for (i = 0; i < set->n && reason != BPFLB_NO_DROP; i++) {
		source->addr = *bpflb_source_nth(flow, set, i);
		reason = look_at(flow, &source->addr, out, &port);
	}
	source->port = htons(port);
	return reason;
}

/**
 * bpflb_snat_ports() - the ports that SNAT takes from
 * @bn: namespace
 * @room: for a set
 *
 * Context: RCU. Return: a set, which may be @room.
 */
const struct bpflb_port_set *bpflb_snat_ports(struct bpflb_net *bn, struct bpflb_port_set *room)
{
	return usable_ports(bn->net, rcu_dereference(bn->settings), room);
}

/**
 * bpflb_snat_restore() - give a flow the address and port that it had
 * @flow: a SNAT flow without, in the table
 * @addr: the address
 * @port: the port; of whichever range, for that may have been set since
 *
 * Context: RCU, bottom halves off. Return: 0; -EADDRNOTAVAIL if the address is not this
 * node's; -EADDRINUSE if another flow or a socket has the port; or as bpflb_flow_link_reply().
 */
int bpflb_snat_restore(struct bpflb_flow *flow, const union nf_inet_addr *addr, __be16 port)
{
	struct bpflb_net *bn = flow->bn;
	struct snat_pool_key key;
	struct snat_pool *pool;
	unsigned long *chunk;
	int err;

	if (!bpflb_source_may_be(bn, bpflb_flow_family(flow), addr))
		return -EADDRNOTAVAIL;
	pool_key_init(&key, flow, addr);
	pool = pool_get(bn, &key);
	if (!pool)
		return -ENOMEM;
	chunk = pool_chunk(bn, pool, ntohs(port));
	err = chunk ? -EADDRINUSE : -ENOMEM;
	if (!chunk || host_has_socket(bn->net, pool, ntohs(port), NULL) ||
	    test_and_set_bit(ntohs(port) % CHUNK_BITS, chunk)) {
		pool_put(bn, pool);
		return err;
	}
	err = bpflb_flow_link_reply(flow, addr, port);
	if (err)
		give_port_back(bn, pool, ntohs(port));
	else
		bpflb_nl_flow_event(flow, BPFLB_CMD_FLOW_SET, 0);
	return err;
}

/**
 * bpflb_snat_has_lost_address() - is the flow's address neither this node's nor set?
 * @flow: a flow of any kind
 *
 * Context: RCU.
 */
bool bpflb_snat_has_lost_address(const struct bpflb_flow *flow)
{
	union nf_inet_addr addr;

	if (flow->kind != BPFLB_FLOW_SNAT || !bpflb_snat_is_complete(flow))
		return false;
	addr = bpflb_flow_addr(flow, BPFLB_ADDR_SNAT);
	return !bpflb_source_may_be(flow->bn, bpflb_flow_family(flow), &addr);
}

/**
 * bpflb_snat_release() - give a flow's port back
 * @flow: a SNAT flow that was complete, out of the table
 *
 * Context: RCU, bottom halves off.
 */
void bpflb_snat_release(struct bpflb_flow *flow)
{
	const union nf_inet_addr addr = bpflb_flow_addr(flow, BPFLB_ADDR_SNAT);
	struct snat_pool_key key;
	struct snat_pool *pool;

	pool_key_init(&key, flow, &addr);
	pool = pool_find(flow->bn, &key);
	if (!WARN_ON_ONCE(!pool))
		give_port_back(flow->bn, pool, ntohs(flow->sport));
}

static void pool_free_last(void *pool, void *arg)
{
	pool_free(pool);
}

/**
 * bpflb_snat_pools_free() - at a namespace's end
 * @pools: bpflb_net.snat_pools; empty, unless flows leaked
 */
void bpflb_snat_pools_free(struct rhashtable *pools)
{
	WARN_ON_ONCE(atomic_read(&pools->nelems));
	rhashtable_free_and_destroy(pools, pool_free_last, NULL);
}
