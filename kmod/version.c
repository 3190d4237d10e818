// SPDX-License-Identifier: GPL-2.0-only
#include <linux/slab.h>

#include "affinity.h"
#include "backend.h"
#include "frontend.h"
#include "netns.h"
#include "pool.h"
#include "service.h"
#include "sources.h"
#include "version.h"

/* The addresses that are not as all are, where that makes a difference. */
static int marked_fill(struct bpflb_version *v, const struct bpflb_service *svc)
{
	u32 i, n = svc->next_fe ? svc->next_fe->n : 0;

	if (!v->sources && !bpflb_version_has_local(v))
		return 0;
	v->marked = kcalloc(n, sizeof(*v->marked), GFP_KERNEL_ACCOUNT);
	if (!v->marked)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		if (svc->next_fe->front[i].flags)
			v->marked[v->n_marked++] = svc->next_fe->front[i];
	return 0;
}

static void version_free(struct bpflb_version *v)
{
	int ipv6, scope;

	if (!v)
		return;
	for (ipv6 = 0; ipv6 < 2; ipv6++)
		for (scope = 0; scope < BPFLB_SCOPES; scope++)
			bpflb_pool_free(&v->pool[ipv6][scope]);
	bpflb_sources_put(v->sources);
	kfree(v->marked);
	kfree(v);
}

static void version_free_rcu(struct rcu_head *rcu)
{
	version_free(container_of(rcu, struct bpflb_version, rcu));
}

/* No packet is going to see it: what its tables take is free for others. */
static void version_give_back(struct bpflb_net *bn, const struct bpflb_version *v)
{
	int ipv6, scope;

	for (ipv6 = 0; v && ipv6 < 2; ipv6++)
		for (scope = 0; scope < BPFLB_SCOPES; scope++)
			bn->table_bytes -= bpflb_pool_table_bytes(&v->pool[ipv6][scope]);
}

static int build_family(struct bpflb_version *v, struct bpflb_service *svc, bool ipv6,
			struct netlink_ext_ack *extack)
{
	struct bpflb_pool *all = &v->pool[ipv6][BPFLB_SCOPE_CLUSTER];
	struct bpflb_pool *here = &v->pool[ipv6][BPFLB_SCOPE_NODE];
	u8 family = ipv6 ? NFPROTO_IPV6 : NFPROTO_IPV4;
	int err;

	err = bpflb_pool_build(all, svc, family, BPFLB_SCOPE_CLUSTER, extack);
	if (err || !bpflb_version_has_local(v))
		return err;
	if (!bpflb_pool_is_here(all))
		return bpflb_pool_build(here, svc, family, BPFLB_SCOPE_NODE, extack);
	*here = *all;
	here->borrowed = true;
	return 0;
}

/**
 * bpflb_version_build() - make what packets will see after the commit
 * @svc: a service that will be live
 * @extack: for a sentence, or NULL
 *
 * Context: process, bpflb_net.lock. Return: 0; -ENOMEM; -ENOSPC or -E2BIG if
 * there is no room for a table.
 */
int bpflb_version_build(struct bpflb_service *svc, struct netlink_ext_ack *extack)
{
	struct bpflb_version *v;
	struct bpflb_backend *be;
	int err = 0;

	list_for_each_entry(be, &svc->backends, list)
		be->next_here = be->next_live && bpflb_backend_is_here(be, &be->next);
	v = kzalloc(sizeof(*v), GFP_KERNEL_ACCOUNT);
	if (!v)
		return -ENOMEM;
	v->policy = svc->next.policy;
	v->internal_policy = svc->next.internal_policy;
	v->scheduler = svc->next.scheduler;
	v->sources = bpflb_sources_get(svc->next_sources);
	v->affinity = svc->next.affinity;
	v->one_packet = svc->next.one_packet;
	v->mode = svc->next.mode;
	v->dispatch = svc->next.dispatch;
	svc->next_version = v;
	if (v->affinity)
		err = bpflb_affinity_prepare(svc->bn);
	err = err ?: marked_fill(v, svc) ?: build_family(v, svc, false, extack) ?:
	      build_family(v, svc, true, extack);
	if (err)
		bpflb_version_forget(svc);
	return err;
}

static void version_replace(struct bpflb_service *svc, struct bpflb_version *new)
{
	struct bpflb_version *old;

	old = rcu_replace_pointer(svc->version, new, lockdep_is_held(&svc->bn->lock));
	version_give_back(svc->bn, old);
	if (old)
		call_rcu(&old->rcu, version_free_rcu);
}

/**
 * bpflb_version_switch() - let packets see the version that was built
 * @svc: the service; nothing happens if none was
 *
 * Context: process, bpflb_net.lock.
 */
void bpflb_version_switch(struct bpflb_service *svc)
{
	struct bpflb_backend *be;

	if (!svc->next_version)
		return;
	WRITE_ONCE(svc->flows_max, svc->next.flows_max);
	svc->n_here = 0;
	list_for_each_entry(be, &svc->backends, list) {
		WRITE_ONCE(be->here, be->next_here);
		if (be->next_live)
			bpflb_backend_set_on(be, be->next.node);
		WRITE_ONCE(be->down, be->next.state == BPFLB_BACKEND_DOWN);
		WRITE_ONCE(be->flows_max, be->next.flows_max);
		/* What bypasses must not miss that its backend is down. */
		WRITE_ONCE(be->bypass, svc->next.bypass && !be->down);
		svc->n_here += be->next_here;
	}
	version_replace(svc, svc->next_version);
	svc->next_version = NULL;
}

/**
 * bpflb_version_forget() - the commit that a version was built for did not come
 * @svc: the service; nothing happens if none was built
 *
 * Context: process, bpflb_net.lock.
 */
void bpflb_version_forget(struct bpflb_service *svc)
{
	version_give_back(svc->bn, svc->next_version);
	version_free(svc->next_version);
	svc->next_version = NULL;
}

/**
 * bpflb_version_end() - the service is no more
 * @svc: the service
 *
 * Context: process, bpflb_net.lock.
 */
void bpflb_version_end(struct bpflb_service *svc)
{
	version_replace(svc, NULL);
}

/**
 * bpflb_service_is_one_packet() - is each datagram for itself?
 * @svc: service
 *
 * Context: RCU.
 */
bool bpflb_service_is_one_packet(const struct bpflb_service *svc)
{
	const struct bpflb_version *v = rcu_dereference(svc->version);

	return v && v->one_packet;
}
