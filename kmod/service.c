// SPDX-License-Identifier: GPL-2.0-only
#include <linux/slab.h>

#include "backend.h"
#include "frontend.h"
#include "maglev.h"
#include "netns.h"
#include "service.h"
#include "sources.h"
#include "version.h"

const struct rhashtable_params bpflb_service_params = {
	.head_offset = offsetof(struct bpflb_service, hash),
	.key_offset = offsetof(struct bpflb_service, key),
	.key_len = sizeof_field(struct bpflb_service, key),
	.automatic_shrinking = true,
};

/* A packet may still count its drop. */
static void service_free_rcu(struct rcu_head *rcu)
{
	struct bpflb_service *svc = container_of(rcu, struct bpflb_service, rcu);

	bpflb_counters_free(svc->counters, svc->foreign);
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

/**
 * bpflb_service_set_sources() - in the open transaction, other clients may ask
 * @svc: the service, touched
 * @sources: who, a reference that it takes over; NULL: everybody
 */
void bpflb_service_set_sources(struct bpflb_service *svc, struct bpflb_sources *sources)
{
	if (svc->next_sources != svc->cur_sources)
		bpflb_sources_put(svc->next_sources);
	svc->next_sources = sources;
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
	static const struct bpflb_service_conf conf = {
		.bypass = 1,
		.mode = BPFLB_SERVICE_MODE_DEFAULT,
		.dispatch = BPFLB_SERVICE_DISPATCH_DEFAULT,
		.table_size = BPFLB_MAGLEV_SIZE,
	};
	struct bpflb_service_key key = { .proto = proto };
	struct bpflb_service *svc;
	int err;

	if (bpflb_service_find(bn, name, true))
		return ERR_PTR(-EEXIST);
	strscpy(key.name, name, sizeof(key.name));
	svc = rhashtable_lookup_fast(&bn->services, &key, bpflb_service_params);
	if (svc) {
		bpflb_service_touch(svc);
		bpflb_service_set_sources(svc, NULL);
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
	svc->foreign = bn->foreign;
	svc->key = key;
	INIT_LIST_HEAD(&svc->dirty);
	INIT_LIST_HEAD(&svc->backends);
	INIT_LIST_HEAD(&svc->leaving);
	spin_lock_init(&svc->gone_lock);
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
	bpflb_frontends_disown(svc);
	list_for_each_entry(be, &svc->backends, list)
		bpflb_backend_remove(be);
}

/**
 * bpflb_service_differs() - does the open transaction change it itself?
 * @svc: the service; its backends are not looked at
 */
bool bpflb_service_differs(const struct bpflb_service *svc)
{
	return svc->live != svc->next_live ||
	       (svc->live && (memcmp(&svc->cur, &svc->next, sizeof(svc->cur)) ||
			      !bpflb_sources_equal(svc->cur_sources, svc->next_sources) ||
			      !bpflb_frontends_equal(svc->cur_fe, svc->next_fe)));
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

	list_del_init(&svc->dirty);
	svc->changed = false;
	svc->seq = 0;
	bpflb_version_forget(svc);
	if (svc->next_fe != svc->cur_fe)
		kfree(keep_next ? svc->cur_fe : svc->next_fe);
	if (svc->next_sources != svc->cur_sources)
		bpflb_sources_put(keep_next ? svc->cur_sources : svc->next_sources);
	if (keep_next) {
		bn->n_services += svc->next_live - svc->live;
		svc->live = svc->next_live;
		svc->cur = svc->next;
		svc->cur_fe = svc->next_fe;
		svc->cur_sources = svc->next_sources;
	} else {
		svc->next_live = svc->live;
		svc->next = svc->cur;
		svc->next_fe = svc->cur_fe;
		svc->next_sources = svc->cur_sources;
	}
	if (svc->live)
		return;

	rhashtable_remove_fast(&bn->services, &svc->hash, bpflb_service_params);
	xa_erase(&bn->service_ids, svc->id);
	kfree(svc->cur_fe);
	svc->cur_fe = NULL;
	bpflb_sources_put(svc->cur_sources);
	svc->cur_sources = NULL;
	bpflb_version_end(svc);
	bpflb_service_put(svc);
}

/**
 * bpflb_service_sum() - all that was counted for a service
 * @svc: the service
 * @sum: by enum bpflb_count
 *
 * It never gets less: a backend that was removed counts on, with flows or without.
 *
 * Context: process, bpflb_net.lock.
 */
void bpflb_service_sum(const struct bpflb_service *svc, u64 sum[BPFLB_COUNTS])
{
	spinlock_t *lock = (spinlock_t *)&svc->gone_lock;	/* nothing that is told changes */
	const struct bpflb_backend *be;
	int i;

	memset(sum, 0, sizeof(u64) * BPFLB_COUNTS);
	bpflb_counters_sum(svc->counters, sum);
	list_for_each_entry(be, &svc->backends, list)
		bpflb_counters_sum(be->counters, sum);
	spin_lock_bh(lock);
	list_for_each_entry(be, &svc->leaving, list)
		bpflb_counters_sum(be->counters, sum);
	for (i = 0; i < BPFLB_COUNTS; i++)
		sum[i] += svc->gone[i];
	spin_unlock_bh(lock);
}
