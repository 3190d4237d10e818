// SPDX-License-Identifier: GPL-2.0-only
#include <linux/jhash.h>
#include <linux/slab.h>
#include <net/ipv6.h>

#include "frontend.h"
#include "netns.h"
#include "node.h"
#include "service.h"
#include "vip.h"

/* What a packet asks for is looked up in what the administrator has chosen. */
static u32 frontend_hash(const void *data, u32 len, u32 seed)
{
	const struct bpflb_frontend_key *key = data;
	const union nf_inet_addr *a = &key->at.addr;

	return jhash_3words(a->all[0] ^ a->all[1], a->all[2] ^ a->all[3],
			    (__force u16)key->at.port << 16 | key->proto << 8 | key->family, seed);
}

static int frontend_compare(struct rhashtable_compare_arg *arg, const void *obj)
{
	const struct bpflb_frontend *fe = obj;
	const struct bpflb_frontend_key *key = arg->key;

	return !(bpflb_endpoint_equal(&fe->key.at, &key->at) && fe->key.proto == key->proto &&
		 fe->key.family == key->family && fe->key.last == key->last);
}

const struct rhashtable_params bpflb_frontend_params = {
	.head_offset = offsetof(struct bpflb_frontend, hash),
	.key_offset = offsetof(struct bpflb_frontend, key),
	.key_len = sizeof_field(struct bpflb_frontend, key),
	.hashfn = frontend_hash,
	.obj_cmpfn = frontend_compare,
	.automatic_shrinking = true,
};

static struct bpflb_frontend *frontend_at(struct bpflb_net *bn, const struct bpflb_endpoint *at,
					  u8 family, u8 proto)
{
	struct bpflb_frontend_key key = { .at = *at, .family = family, .proto = proto };
	struct bpflb_frontend *fe;

	fe = rhashtable_lookup(&bn->frontends, &key, bpflb_frontend_params);
	return fe && rcu_access_pointer(fe->service) ? fe : NULL;
}

static bool is_all_ports(const struct bpflb_frontend_key *key)
{
	return key->at.port == htons(1) && key->last == htons(U16_MAX);
}

/* A range of ports: one that is not all goes before one that is. */
static struct bpflb_frontend *range_at(struct bpflb_net *bn, const struct bpflb_endpoint *at,
				       u8 family, u8 proto)
{
	const struct bpflb_vip *vip;
	struct bpflb_frontend *fe;
	u16 port = ntohs(at->port);

	if (likely(!READ_ONCE(bn->ranges)))
		return NULL;
	vip = bpflb_vip_find(bn, family, &at->addr);
	if (!vip)
		return NULL;
	list_for_each_entry_rcu(fe, &vip->ranges, range)
		if (fe->key.proto == proto && port >= ntohs(fe->key.at.port) &&
		    port <= ntohs(fe->key.last) && rcu_access_pointer(fe->service))
			return fe;
	return NULL;
}

/* At an address of services: the port itself goes before a range that has it. */
static struct bpflb_frontend *address_at(struct bpflb_net *bn, const struct bpflb_endpoint *at,
					 u8 family, u8 proto)
{
	struct bpflb_frontend *fe = NULL;

	if (test_bit(ntohs(at->port), bn->ports[BPFLB_PORTS_ADDRESS]))
		fe = frontend_at(bn, at, family, proto);
	return fe ?: range_at(bn, at, family, proto);
}

/* A node port is of both families. */
static struct bpflb_frontend *node_port_at(struct bpflb_net *bn, __be16 port, u8 proto)
{
	struct bpflb_endpoint at = { .port = port };

	return frontend_at(bn, &at, NFPROTO_UNSPEC, proto);
}

/* 0.0.0.0 and :: are how node ports are found, and no address of a service. */
static bool can_be_asked(u8 family, const union nf_inet_addr *addr)
{
	if (family == NFPROTO_IPV6)
		return !ipv6_addr_any(&addr->in6) && !ipv6_addr_loopback(&addr->in6);
	return !ipv4_is_zeronet(addr->ip) && !ipv4_is_loopback(addr->ip);
}

/**
 * bpflb_frontend_for() - the address and port of a service that a packet asks for
 * @bn: namespace
 * @t: the packet's tuple
 *
 * A service's own address goes before a node port. Node ports are never those
 * of 127.0.0.0/8, which a neighbour could reach where route_localnet is set
 * (CVE-2020-8558).
 *
 * Context: RCU. Return: NULL if none.
 */
struct bpflb_frontend *bpflb_frontend_for(struct bpflb_net *bn, const struct bpflb_tuple *t)
{
	struct bpflb_frontend *fe;

	if (!can_be_asked(t->family, &t->dst.addr))
		return NULL;
	fe = address_at(bn, &t->dst, t->family, t->proto);
	if (fe)
		return fe;
	if (!test_bit(ntohs(t->dst.port), bn->ports[BPFLB_PORTS_NODE]))
		return NULL;
	fe = node_port_at(bn, t->dst.port, t->proto);
	if (!fe || !bpflb_settings_node_port_at(rcu_dereference(bn->settings), t->family,
						&t->dst.addr))
		return NULL;
	return bpflb_addr_is_own(bn->net, t->family, &t->dst.addr) ? fe : NULL;
}

/**
 * bpflb_service_of_note() - the service that a DSR note is about
 * @bn: namespace
 * @t: the packet's tuple as the client has sent it, by its note
 *
 * A node port's address is one of the balancer's, so of a configured node. Which of its
 * addresses have node ports the balancer knows.
 *
 * Context: RCU. Return: NULL if none.
 */
struct bpflb_service *bpflb_service_of_note(struct bpflb_net *bn, const struct bpflb_tuple *t)
{
	const struct bpflb_endpoint *at = &t->dst;
	struct bpflb_frontend *fe;

	if (!can_be_asked(t->family, &at->addr))
		return NULL;
	fe = address_at(bn, at, t->family, t->proto);
	if (!fe && (bpflb_node_is_live(bn, t->family, &at->addr) ||
		    bpflb_addr_is_own(bn->net, t->family, &at->addr)))
		fe = node_port_at(bn, at->port, t->proto);
	return fe ? rcu_dereference(fe->service) : NULL;
}

static void frontend_touch(struct bpflb_net *bn, struct bpflb_frontend *fe)
{
	if (list_empty(&fe->dirty))
		list_add_tail(&fe->dirty, &bn->txn.frontends);
}

/* It can be found from now on, in the way of its kind. */
static void frontend_enlist(struct bpflb_net *bn, struct bpflb_frontend *fe)
{
	if (!fe->key.last) {
		/* It stays set: a packet that is looked up in vain costs little. */
		set_bit(ntohs(fe->key.at.port),
			bn->ports[fe->vip ? BPFLB_PORTS_ADDRESS : BPFLB_PORTS_NODE]);
		return;
	}
	if (is_all_ports(&fe->key))
		list_add_tail_rcu(&fe->range, &fe->vip->ranges);
	else
		list_add_rcu(&fe->range, &fe->vip->ranges);
	WRITE_ONCE(bn->ranges, bn->ranges + 1);
}

static void frontend_delist(struct bpflb_net *bn, struct bpflb_frontend *fe)
{
	if (!fe->key.last)
		return;
	list_del_rcu(&fe->range);
	WRITE_ONCE(bn->ranges, bn->ranges - 1);
}

/* Will it have ports that are another range's after the open transaction? All ports may. */
static bool frontend_overlaps(const struct bpflb_frontend *fe)
{
	u16 first = ntohs(fe->key.at.port), last = ntohs(fe->key.last);
	const struct bpflb_frontend *other;

	if (!last || is_all_ports(&fe->key))
		return false;
	list_for_each_entry(other, &fe->vip->ranges, range)
		if (other != fe && other->next && other->key.proto == fe->key.proto &&
		    !is_all_ports(&other->key) && first <= ntohs(other->key.last) &&
		    ntohs(other->key.at.port) <= last)
			return true;
	return false;
}

/* How many an address will have after the open transaction, so far. */
static u32 count_ranges(const struct bpflb_vip *vip)
{
	const struct bpflb_frontend *fe;
	u32 n = 0;

	list_for_each_entry(fe, &vip->ranges, range)
		n += !!fe->next;
	return n;
}

static struct bpflb_frontend *frontend_get(struct bpflb_net *bn,
					   const struct bpflb_frontend_key *key)
{
	struct bpflb_frontend *fe;
	int err;

	fe = rhashtable_lookup_fast(&bn->frontends, key, bpflb_frontend_params);
	if (fe)
		return fe;
	fe = kzalloc(sizeof(*fe), GFP_KERNEL_ACCOUNT);
	if (!fe)
		return ERR_PTR(-ENOMEM);
	fe->key = *key;
	INIT_LIST_HEAD(&fe->dirty);
	if (bpflb_frontend_has_addr(key)) {
		fe->vip = bpflb_vip_get(bn, key->family, &key->at.addr);
		if (IS_ERR(fe->vip)) {
			err = PTR_ERR(fe->vip);
			goto err_fe;
		}
	}
	err = rhashtable_insert_fast(&bn->frontends, &fe->hash, bpflb_frontend_params);
	if (err)
		goto err_vip;
	frontend_enlist(bn, fe);
	return fe;

err_vip:
	if (fe->vip)
		bpflb_vip_put(bn, fe->vip);
err_fe:
	kfree(fe);
	return ERR_PTR(err);
}

/**
 * bpflb_frontends_disown() - in the open transaction, a service loses its addresses
 * @svc: service, touched
 *
 * Context: process, bpflb_net.lock.
 */
void bpflb_frontends_disown(struct bpflb_service *svc)
{
	u32 i;

	for (i = 0; svc->next_fe && i < svc->next_fe->n; i++) {
		frontend_touch(svc->bn, svc->next_fe->front[i].fe);
		svc->next_fe->front[i].fe->next = NULL;
	}
	if (svc->next_fe != svc->cur_fe)
		kfree(svc->next_fe);
	svc->next_fe = NULL;
}

/**
 * bpflb_frontends_set() - in the open transaction, new addresses
 * @svc: service, touched
 * @key: the addresses, instead of those it had
 * @flags: BPFLB_FRONT_* of each
 * @n: how many
 * @bad: which one another service has, in whole or in part, or is given twice
 *
 * Context: process, bpflb_net.lock. Return: 0, -EEXIST, -ENOMEM, -ENOSPC where @bad is one
 * range too many; after an error
 * the transaction can only be given up.
 */
int bpflb_frontends_set(struct bpflb_service *svc, const struct bpflb_frontend_key *key,
			const u8 *flags, u32 n, u32 *bad)
{
	struct bpflb_frontends *new;
	u32 i;

	new = kzalloc(struct_size(new, front, n), GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;
	bpflb_frontends_disown(svc);
	svc->next_fe = new;
	for (i = 0; i < n; i++) {
		struct bpflb_frontend *fe = frontend_get(svc->bn, &key[i]);

		*bad = i;
		if (IS_ERR(fe))
			return PTR_ERR(fe);
		if (fe->next)
			return -EEXIST;
		/* From here on the end of the transaction frees it, should nobody have it. */
		frontend_touch(svc->bn, fe);
		if (frontend_overlaps(fe))
			return -EEXIST;
		if (key[i].last && count_ranges(fe->vip) >= BPFLB_RANGES_MAX)
			return -ENOSPC;
		fe->next = svc;
		new->front[i] = (struct bpflb_front){ fe, flags[i] };
		new->n = i + 1;
	}
	return 0;
}

/** bpflb_frontends_equal() - are they the same, in the same order? Any may be NULL */
bool bpflb_frontends_equal(const struct bpflb_frontends *a, const struct bpflb_frontends *b)
{
	u32 i;

	if (!a || !b)
		return a == b;
	for (i = 0; i < a->n && i < b->n; i++)
		if (a->front[i].fe != b->front[i].fe || a->front[i].flags != b->front[i].flags)
			return false;
	return a->n == b->n;
}

/**
 * bpflb_frontend_settle() - the transaction ends
 * @bn: namespace
 * @fe: an address that it touched
 * @keep_next: what it did becomes true; else it is forgotten
 *
 * Context: process, bpflb_net.lock.
 */
void bpflb_frontend_settle(struct bpflb_net *bn, struct bpflb_frontend *fe, bool keep_next)
{
	struct bpflb_service *cur = rcu_dereference_protected(fe->service,
							      lockdep_is_held(&bn->lock));

	list_del_init(&fe->dirty);
	if (!keep_next)
		fe->next = cur;
	else if (fe->next != cur)
		rcu_assign_pointer(fe->service, fe->next);
	if (fe->vip)
		WRITE_ONCE(fe->vip->live, fe->vip->live + !!fe->next - !!cur);
	if (fe->next)
		return;
	rhashtable_remove_fast(&bn->frontends, &fe->hash, bpflb_frontend_params);
	frontend_delist(bn, fe);
	if (fe->vip)
		bpflb_vip_put(bn, fe->vip);
	kfree_rcu(fe, rcu);
}
