// SPDX-License-Identifier: GPL-2.0-only
#include <linux/slab.h>

#include "backend.h"
#include "netns.h"
#include "node.h"
#include "service.h"

const struct rhashtable_params bpflb_backend_params = {
	.head_offset = offsetof(struct bpflb_backend, hash),
	.key_offset = offsetof(struct bpflb_backend, key),
	.key_len = sizeof_field(struct bpflb_backend, key),
	.automatic_shrinking = true,
};

/**
 * bpflb_backend_put() - give back a reference
 * @be: the backend
 *
 * What it counted stays with its service.
 *
 * Context: any.
 */
void bpflb_backend_put(struct bpflb_backend *be)
{
	struct bpflb_service *svc = be->key.svc;

	if (!refcount_dec_and_test(&be->ref))
		return;
	spin_lock_bh(&svc->gone_lock);
	bpflb_counters_sum(be->counters, svc->gone);
	list_del(&be->list);
	spin_unlock_bh(&svc->gone_lock);
	bpflb_node_put(rcu_dereference_protected(be->on, true));
	bpflb_counters_free(be->counters, svc->foreign);
	kfree_rcu(be, rcu);
	bpflb_service_put(svc);
}

/**
 * bpflb_backend_set_on() - say which node a backend's packets go to
 * @be: the backend
 * @node: the node; NULL leaves it at the last one, which flows may still be with
 *
 * Context: process, bpflb_net.lock.
 */
void bpflb_backend_set_on(struct bpflb_backend *be, struct bpflb_node *node)
{
	struct bpflb_node *old = rcu_dereference_protected(be->on, true);

	if (!node || node == old)
		return;
	refcount_inc(&node->ref);
	rcu_assign_pointer(be->on, node);
	bpflb_node_put(old);
}

/**
 * bpflb_backend_find() - a backend that is in force or in the open transaction
 * @bn: namespace
 * @svc: service
 * @family: of the address
 * @at: address and port
 *
 * Context: bpflb_net.lock, or RCU; the caller looks at live or next_live.
 */
struct bpflb_backend *bpflb_backend_find(struct bpflb_net *bn, struct bpflb_service *svc,
					 u8 family, const struct bpflb_endpoint *at)
{
	struct bpflb_backend_key key = { .svc = svc, .at = *at, .family = family };

	return rhashtable_lookup_fast(&bn->backends, &key, bpflb_backend_params);
}

/**
 * bpflb_backend_of_note() - whom a packet with a DSR note is for
 * @bn: namespace
 * @svc: the service that the note names
 * @family: of the packet
 * @at: the packet's destination
 * @asked: the port that the note names
 *
 * Context: RCU. Return: a backend with that port; else one with whichever port the client
 * has asked at; else NULL.
 */
struct bpflb_backend *bpflb_backend_of_note(struct bpflb_net *bn, struct bpflb_service *svc,
					    u8 family, const struct bpflb_endpoint *at,
					    __be16 asked)
{
	struct bpflb_backend *be = bpflb_backend_find(bn, svc, family, at);
	const struct bpflb_endpoint any_port = { .addr = at->addr };

	if ((be && READ_ONCE(be->live)) || at->port != asked)
		return be;
	return bpflb_backend_find(bn, svc, family, &any_port);
}

/**
 * bpflb_backend_touch() - the open transaction will change it
 * @be: the backend
 */
void bpflb_backend_touch(struct bpflb_backend *be)
{
	bpflb_service_touch(be->key.svc);
	if (list_empty(&be->dirty))
		list_add_tail(&be->dirty, &be->key.svc->bn->txn.backends);
}

/**
 * bpflb_backend_make() - a backend for the open transaction
 * @svc: service
 * @family: of the address
 * @at: address and port
 *
 * Context: process, bpflb_net.lock. Return: the backend, with the default
 * configuration, or ERR_PTR: -EEXIST, -ENOSPC, -ENOMEM.
 */
struct bpflb_backend *bpflb_backend_make(struct bpflb_service *svc, u8 family,
					 const struct bpflb_endpoint *at)
{
	static const struct bpflb_backend_conf conf = { .weight = 1 };
	struct bpflb_net *bn = svc->bn;
	struct bpflb_backend *be = bpflb_backend_find(bn, svc, family, at);
	int err;

	if (be) {
		if (be->next_live)
			return ERR_PTR(-EEXIST);
		bpflb_backend_touch(be);
		be->next_live = true;
		be->next = conf;
		return be;
	}

	if (atomic_read(&bn->backends.nelems) >= BPFLB_BACKENDS_MAX)
		return ERR_PTR(-ENOSPC);
	be = kzalloc(sizeof(*be), GFP_KERNEL_ACCOUNT);
	if (!be)
		return ERR_PTR(-ENOMEM);
	refcount_set(&be->ref, 1);
	be->key.svc = svc;
	be->key.at = *at;
	be->key.family = family;
	be->id = ++bn->last_backend_id;
	be->next = conf;
	be->next_live = true;
	INIT_LIST_HEAD(&be->dirty);
	err = rhashtable_insert_fast(&bn->backends, &be->hash, bpflb_backend_params);
	if (err) {
		kfree(be);
		return ERR_PTR(err);
	}
	refcount_inc(&svc->ref);
	list_add_tail(&be->list, &svc->backends);
	bpflb_backend_touch(be);
	return be;
}

/**
 * bpflb_backend_remove() - in the open transaction, a backend goes
 * @be: the backend
 *
 * Context: process, bpflb_net.lock.
 */
void bpflb_backend_remove(struct bpflb_backend *be)
{
	bpflb_backend_touch(be);
	be->next_live = false;
}

static bool conf_equal(const struct bpflb_backend_conf *a, const struct bpflb_backend_conf *b)
{
	return a->weight == b->weight && a->state == b->state && a->local == b->local &&
	       a->node == b->node && a->flows_max == b->flows_max;
}

/**
 * bpflb_backend_differs() - does the open transaction change it?
 * @be: the backend
 */
bool bpflb_backend_differs(const struct bpflb_backend *be)
{
	return be->live != be->next_live || (be->live && !conf_equal(&be->cur, &be->next));
}

/**
 * bpflb_backend_is_here() - does it run on this node?
 * @be: the backend
 * @conf: by which configuration
 *
 * Context: process.
 */
bool bpflb_backend_is_here(const struct bpflb_backend *be, const struct bpflb_backend_conf *conf)
{
	struct net *net = be->key.svc->bn->net;

	return conf->local || (conf->node && conf->node->self) ||
	       bpflb_addr_is_own(net, be->key.family, &be->key.at.addr);
}

/* The counts of live backends follow what becomes of this one. */
static void backend_count(struct bpflb_backend *be, const struct bpflb_backend_conf *conf, int by)
{
	struct bpflb_service *svc = be->key.svc;

	svc->n_backends += by;
	svc->bn->n_backends += by;
	if (conf->node)
		conf->node->backends += by;
}

/**
 * bpflb_backend_settle() - the transaction ends
 * @be: a backend that it touched
 * @keep_next: what it did becomes true; else it is forgotten
 *
 * Context: process, bpflb_net.lock.
 */
void bpflb_backend_settle(struct bpflb_backend *be, bool keep_next)
{
	struct bpflb_service *svc = be->key.svc;
	struct bpflb_net *bn = svc->bn;

	list_del_init(&be->dirty);
	if (keep_next) {
		if (be->live)
			backend_count(be, &be->cur, -1);
		if (be->next_live)
			backend_count(be, &be->next, 1);
		WRITE_ONCE(be->live, be->next_live);
		be->cur = be->next;
	} else {
		be->next_live = be->live;
		be->next = be->cur;
	}
	if (be->live)
		return;
	rhashtable_remove_fast(&bn->backends, &be->hash, bpflb_backend_params);
	spin_lock_bh(&svc->gone_lock);
	list_move(&be->list, &svc->leaving);
	spin_unlock_bh(&svc->gone_lock);
	bpflb_backend_put(be);
}
