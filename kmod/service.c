// SPDX-License-Identifier: GPL-2.0-only
#include <linux/jhash.h>
#include <linux/slab.h>
#include <net/ipv6.h>

#include "backend.h"
#include "netns.h"
#include "node.h"
#include "service.h"

const struct rhashtable_params bpflb_service_params = {
	.head_offset = offsetof(struct bpflb_service, hash),
	.key_offset = offsetof(struct bpflb_service, key),
	.key_len = sizeof_field(struct bpflb_service, key),
	.automatic_shrinking = true,
};

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
		 fe->key.family == key->family);
}

const struct rhashtable_params bpflb_frontend_params = {
	.head_offset = offsetof(struct bpflb_frontend, hash),
	.key_offset = offsetof(struct bpflb_frontend, key),
	.key_len = sizeof_field(struct bpflb_frontend, key),
	.hashfn = frontend_hash,
	.obj_cmpfn = frontend_compare,
	.automatic_shrinking = true,
};

static struct bpflb_service *service_at(struct bpflb_net *bn, const struct bpflb_endpoint *at,
					u8 family, u8 proto)
{
	struct bpflb_frontend_key key = { .at = *at, .family = family, .proto = proto };
	struct bpflb_frontend *fe;

	fe = rhashtable_lookup(&bn->frontends, &key, bpflb_frontend_params);
	return fe ? rcu_dereference(fe->service) : NULL;
}

/* A node port is of both families. */
static struct bpflb_service *service_at_node_port(struct bpflb_net *bn, __be16 port, u8 proto)
{
	struct bpflb_endpoint at = { .port = port };

	return service_at(bn, &at, NFPROTO_UNSPEC, proto);
}

/* 0.0.0.0 and :: are how node ports are found, and no address of a service. */
static bool can_be_asked(u8 family, const union nf_inet_addr *addr)
{
	if (family == NFPROTO_IPV6)
		return !ipv6_addr_any(&addr->in6) && !ipv6_addr_loopback(&addr->in6);
	return !ipv4_is_zeronet(addr->ip) && !ipv4_is_loopback(addr->ip);
}

/**
 * bpflb_service_for() - the service that a packet asks for
 * @bn: namespace
 * @t: the packet's tuple
 *
 * A service's own address goes before a node port. Node ports are never those
 * of 127.0.0.0/8, which a neighbour could reach where route_localnet is set
 * (CVE-2020-8558).
 *
 * Context: RCU. Return: NULL if none.
 */
struct bpflb_service *bpflb_service_for(struct bpflb_net *bn, const struct bpflb_tuple *t)
{
	struct bpflb_service *svc;

	if (!can_be_asked(t->family, &t->dst.addr))
		return NULL;
	if (test_bit(ntohs(t->dst.port), bn->ports[BPFLB_PORTS_ADDRESS])) {
		svc = service_at(bn, &t->dst, t->family, t->proto);
		if (svc)
			return svc;
	}
	if (!test_bit(ntohs(t->dst.port), bn->ports[BPFLB_PORTS_NODE]))
		return NULL;
	svc = service_at_node_port(bn, t->dst.port, t->proto);
	return svc && bpflb_addr_is_own(bn->net, t->family, &t->dst.addr) ? svc : NULL;
}

/**
 * bpflb_service_of_note() - the service that a DSR note is about
 * @bn: namespace
 * @t: the packet's tuple as the client has sent it, by its note
 *
 * A node port's address is one of the balancer's, so of a configured node.
 *
 * Context: RCU. Return: NULL if none.
 */
struct bpflb_service *bpflb_service_of_note(struct bpflb_net *bn, const struct bpflb_tuple *t)
{
	const struct bpflb_endpoint *at = &t->dst;
	struct bpflb_service *svc;

	if (!can_be_asked(t->family, &at->addr))
		return NULL;
	svc = service_at(bn, at, t->family, t->proto);
	if (svc)
		return svc;
	if (!bpflb_node_is_live(bn, t->family, &at->addr) &&
	    !bpflb_addr_is_own(bn->net, t->family, &at->addr))
		return NULL;
	return service_at_node_port(bn, at->port, t->proto);
}

/* A packet may still count its drop. */
static void service_free_rcu(struct rcu_head *rcu)
{
	struct bpflb_service *svc = container_of(rcu, struct bpflb_service, rcu);

	free_percpu(svc->counters);
	kfree(svc);
}

/**
 * bpflb_service_put() - give back a reference
 * @svc: the service
 *
 * Context: any.
 */
void bpflb_service_put(struct bpflb_service *svc)
{
	if (refcount_dec_and_test(&svc->ref))
		call_rcu(&svc->rcu, service_free_rcu);
}

/**
 * bpflb_service_find() - a service by name
 * @bn: namespace
 * @name: its name
 * @next: as the open transaction would leave it; else as it is in force
 *
 * Context: bpflb_net.lock. Return: NULL if none.
 */
struct bpflb_service *bpflb_service_find(struct bpflb_net *bn, const char *name, bool next)
{
	static const u8 proto[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };
	struct bpflb_service_key key = {};
	int i;

	strscpy(key.name, name, sizeof(key.name));
	for (i = 0; i < ARRAY_SIZE(proto); i++) {
		struct bpflb_service *svc;

		key.proto = proto[i];
		svc = rhashtable_lookup_fast(&bn->services, &key, bpflb_service_params);
		if (svc && (next ? svc->next_live : svc->live))
			return svc;
	}
	return NULL;
}

/**
 * bpflb_service_touch() - the open transaction will change it
 * @svc: the service
 */
void bpflb_service_touch(struct bpflb_service *svc)
{
	if (list_empty(&svc->dirty))
		list_add_tail(&svc->dirty, &svc->bn->txn.services);
}

static int service_enter(struct bpflb_net *bn, struct bpflb_service *svc)
{
	int err;

	svc->id = bn->last_service_id + 1;
	err = xa_insert(&bn->service_ids, svc->id, svc, GFP_KERNEL_ACCOUNT);
	if (err)
		return err;
	err = rhashtable_insert_fast(&bn->services, &svc->hash, bpflb_service_params);
	if (err)
		xa_erase(&bn->service_ids, svc->id);
	else
		bn->last_service_id++;
	return err;
}

/**
 * bpflb_service_make() - a service for the open transaction
 * @bn: namespace
 * @name: its name
 * @proto: IPPROTO_TCP, IPPROTO_UDP or IPPROTO_SCTP
 *
 * Context: process, bpflb_net.lock. Return: the service, with the default
 * configuration and no frontends, or ERR_PTR: -EEXIST, -ENOSPC, -ENOMEM.
 */
struct bpflb_service *bpflb_service_make(struct bpflb_net *bn, const char *name, u8 proto)
{
	static const struct bpflb_service_conf conf = { .bypass = 1 };
	struct bpflb_service_key key = { .proto = proto };
	struct bpflb_service *svc;
	int err;

	if (bpflb_service_find(bn, name, true))
		return ERR_PTR(-EEXIST);
	strscpy(key.name, name, sizeof(key.name));
	svc = rhashtable_lookup_fast(&bn->services, &key, bpflb_service_params);
	if (svc) {
		bpflb_service_touch(svc);
		svc->next_live = true;
		svc->next = conf;
		return svc;
	}

	if (atomic_read(&bn->services.nelems) >= BPFLB_SERVICES_MAX)
		return ERR_PTR(-ENOSPC);
	svc = kzalloc(sizeof(*svc), GFP_KERNEL_ACCOUNT);
	if (!svc)
		return ERR_PTR(-ENOMEM);
	refcount_set(&svc->ref, 1);
	svc->bn = bn;
	svc->key = key;
	INIT_LIST_HEAD(&svc->dirty);
	INIT_LIST_HEAD(&svc->backends);
	err = service_enter(bn, svc);
	if (err) {
		kfree(svc);
		return ERR_PTR(err);
	}
	bpflb_service_touch(svc);
	svc->next_live = true;
	svc->next = conf;
	return svc;
}

static void frontend_touch(struct bpflb_net *bn, struct bpflb_frontend *fe)
{
	if (list_empty(&fe->dirty))
		list_add_tail(&fe->dirty, &bn->txn.frontends);
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
	/* It stays set: a packet that is looked up in vain costs little. */
	set_bit(ntohs(key->at.port), bn->ports[bpflb_frontend_has_addr(key) ? BPFLB_PORTS_ADDRESS :
								       BPFLB_PORTS_NODE]);
	err = rhashtable_insert_fast(&bn->frontends, &fe->hash, bpflb_frontend_params);
	if (err) {
		kfree(fe);
		return ERR_PTR(err);
	}
	return fe;
}

static void frontends_disown(struct bpflb_service *svc)
{
	u32 i;

	for (i = 0; svc->next_fe && i < svc->next_fe->n; i++) {
		frontend_touch(svc->bn, svc->next_fe->fe[i]);
		svc->next_fe->fe[i]->next = NULL;
	}
	if (svc->next_fe != svc->cur_fe)
		kfree(svc->next_fe);
	svc->next_fe = NULL;
}

/**
 * bpflb_service_set_frontends() - in the open transaction, new addresses
 * @svc: service, touched
 * @key: the addresses, instead of those it had
 * @n: how many
 * @bad: which one another service has, or is given twice
 *
 * Context: process, bpflb_net.lock. Return: 0, -EEXIST, -ENOMEM; after an error
 * the transaction can only be given up.
 */
int bpflb_service_set_frontends(struct bpflb_service *svc, const struct bpflb_frontend_key *key,
				u32 n, u32 *bad)
{
	struct bpflb_frontends *new;
	u32 i;

	new = kzalloc(struct_size(new, fe, n), GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;
	frontends_disown(svc);
	svc->next_fe = new;
	for (i = 0; i < n; i++) {
		struct bpflb_frontend *fe = frontend_get(svc->bn, &key[i]);

		*bad = i;
		if (IS_ERR(fe))
			return PTR_ERR(fe);
		if (fe->next)
			return -EEXIST;
		frontend_touch(svc->bn, fe);
		fe->next = svc;
		new->fe[i] = fe;
		new->n = i + 1;
	}
	return 0;
}

/**
 * bpflb_service_remove() - in the open transaction, a service goes
 * @svc: the service
 *
 * Its backends go with it.
 *
 * Context: process, bpflb_net.lock.
 */
void bpflb_service_remove(struct bpflb_service *svc)
{
	struct bpflb_backend *be;

	bpflb_service_touch(svc);
	svc->next_live = false;
	frontends_disown(svc);
	list_for_each_entry(be, &svc->backends, list)
		bpflb_backend_remove(be);
}

static bool frontends_equal(const struct bpflb_frontends *a, const struct bpflb_frontends *b)
{
	if (a == b)
		return true;
	return a && b && a->n == b->n && !memcmp(a->fe, b->fe, a->n * sizeof(a->fe[0]));
}

/**
 * bpflb_service_differs() - does the open transaction change it itself?
 * @svc: the service; its backends are not looked at
 */
bool bpflb_service_differs(const struct bpflb_service *svc)
{
	return svc->live != svc->next_live ||
	       (svc->live && (memcmp(&svc->cur, &svc->next, sizeof(svc->cur)) ||
			      !frontends_equal(svc->cur_fe, svc->next_fe)));
}

static enum bpflb_where backend_where(const struct bpflb_backend *be)
{
	if (be->next_here)
		return BPFLB_WHERE_HERE;
	return be->next.node ? BPFLB_WHERE_NODE : BPFLB_WHERE_PLAIN;
}

/* One pass fills the slots of this node, another one those of the others. */
static void version_fill(struct bpflb_version *v, const struct bpflb_service *svc, bool here)
{
	const struct bpflb_backend *be;

	list_for_each_entry(be, &svc->backends, list) {
		u32 i = v->sched.n;

		if (!be->next_live || !be->next.weight || be->next_here != here ||
		    be->next.state != BPFLB_BACKEND_ACTIVE)
			continue;
		v->slot[i].be = (struct bpflb_backend *)be;
		v->slot[i].where = backend_where(be);
		v->sched.sum[i] = be->next.weight + (i ? v->sched.sum[i - 1] : 0);
		v->sched.n++;
	}
	if (here)
		v->sched.n_here = v->sched.n;
}

static void version_free_rcu(struct rcu_head *rcu)
{
	struct bpflb_version *v = container_of(rcu, struct bpflb_version, rcu);

	kvfree(v);
}

/**
 * bpflb_service_build() - make what packets will see after the commit
 * @svc: a service that will be live
 *
 * Context: process, bpflb_net.lock. Return: 0 or -ENOMEM.
 */
int bpflb_service_build(struct bpflb_service *svc)
{
	struct bpflb_version *v;
	struct bpflb_backend *be;
	size_t n = 0;

	list_for_each_entry(be, &svc->backends, list) {
		be->next_here = be->next_live && bpflb_backend_is_here(be, &be->next);
		n += be->next_live;
	}
	v = kvzalloc(sizeof(*v) + n * (sizeof(*v->slot) + sizeof(*v->sched.sum)),
		     GFP_KERNEL_ACCOUNT);
	if (!v)
		return -ENOMEM;
	v->policy = svc->next.policy;
	v->scheduler = svc->next.scheduler;
	v->slot = (void *)(v + 1);
	v->sched.sum = (void *)(v->slot + n);
	version_fill(v, svc, true);
	version_fill(v, svc, false);
	svc->next_version = v;
	return 0;
}

/**
 * bpflb_service_switch() - let packets see the version that was built
 * @svc: the service; nothing happens if none was
 *
 * Context: process, bpflb_net.lock.
 */
void bpflb_service_switch(struct bpflb_service *svc)
{
	struct bpflb_version *old;
	struct bpflb_backend *be;

	if (!svc->next_version)
		return;
	svc->n_here = 0;
	list_for_each_entry(be, &svc->backends, list) {
		WRITE_ONCE(be->here, be->next_here);
		WRITE_ONCE(be->down, be->next.state == BPFLB_BACKEND_DOWN);
		/* What bypasses must not miss that its backend is down. */
		WRITE_ONCE(be->bypass, svc->next.bypass && !be->down);
		svc->n_here += be->next_here;
	}
	old = rcu_replace_pointer(svc->version, svc->next_version,
				  lockdep_is_held(&svc->bn->lock));
	svc->next_version = NULL;
	if (old)
		call_rcu(&old->rcu, version_free_rcu);
}

/**
 * bpflb_service_settle() - the transaction ends
 * @svc: a service that it touched, its backends settled
 * @keep_next: what it did becomes true; else it is forgotten
 *
 * Context: process, bpflb_net.lock.
 */
void bpflb_service_settle(struct bpflb_service *svc, bool keep_next)
{
	struct bpflb_net *bn = svc->bn;
	struct bpflb_version *old;

	list_del_init(&svc->dirty);
	svc->changed = false;
	kvfree(svc->next_version);
	svc->next_version = NULL;
	if (svc->next_fe != svc->cur_fe)
		kfree(keep_next ? svc->cur_fe : svc->next_fe);
	if (keep_next) {
		bn->n_services += svc->next_live - svc->live;
		svc->live = svc->next_live;
		svc->cur = svc->next;
		svc->cur_fe = svc->next_fe;
	} else {
		svc->next_live = svc->live;
		svc->next = svc->cur;
		svc->next_fe = svc->cur_fe;
	}
	if (svc->live)
		return;

	rhashtable_remove_fast(&bn->services, &svc->hash, bpflb_service_params);
	xa_erase(&bn->service_ids, svc->id);
	kfree(svc->cur_fe);
	svc->cur_fe = NULL;
	old = rcu_replace_pointer(svc->version, NULL, lockdep_is_held(&bn->lock));
	if (old)
		call_rcu(&old->rcu, version_free_rcu);
	bpflb_service_put(svc);
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
	if (fe->next)
		return;
	rhashtable_remove_fast(&bn->frontends, &fe->hash, bpflb_frontend_params);
	kfree_rcu(fe, rcu);
}

/**
 * bpflb_service_sum() - all that was counted for a service
 * @svc: the service
 * @sum: by enum bpflb_count
 *
 * Context: process, bpflb_net.lock.
 */
void bpflb_service_sum(const struct bpflb_service *svc, u64 sum[BPFLB_COUNTS])
{
	const struct bpflb_backend *be;
	int i;

	memset(sum, 0, sizeof(u64) * BPFLB_COUNTS);
	bpflb_counters_sum(svc->counters, sum);
	list_for_each_entry(be, &svc->backends, list)
		bpflb_counters_sum(be->counters, sum);
	for (i = 0; i < BPFLB_COUNTS; i++)
		sum[i] += atomic64_read(&svc->gone[i]);
}
