// SPDX-License-Identifier: GPL-2.0-only
#include <linux/mm.h>
#include <linux/slab.h>

#include "backend.h"
#include "frontend.h"
#include "netns.h"
#include "service.h"
#include "sources.h"
#include "version.h"

static enum bpflb_where backend_where(const struct bpflb_backend *be)
{
	if (be->next_here)
		return BPFLB_WHERE_HERE;
	return be->next.node ? BPFLB_WHERE_NODE : BPFLB_WHERE_PLAIN;
}

static bool may_be_chosen(const struct bpflb_backend *be, u8 family, enum bpflb_scope scope,
			  u8 state)
{
	return be->next_live && be->next.weight && be->next.state == state &&
	       be->key.family == family && (scope == BPFLB_SCOPE_CLUSTER || be->next_here);
}

static u32 pool_count(const struct bpflb_service *svc, u8 family, enum bpflb_scope scope,
		      u8 state)
{
	const struct bpflb_backend *be;
	u32 n = 0;

	list_for_each_entry(be, &svc->backends, list)
		n += may_be_chosen(be, family, scope, state);
	return n;
}

/* Those that are about to end are still better than nobody. */
static int pool_fill(struct bpflb_pool *pool, const struct bpflb_service *svc, u8 family,
		     enum bpflb_scope scope)
{
	u8 state = BPFLB_BACKEND_ACTIVE;
	struct bpflb_backend *be;
	u64 sum = 0;
	u32 n;

	n = pool_count(svc, family, scope, state);
	if (!n) {
		state = BPFLB_BACKEND_TERMINATING;
		n = pool_count(svc, family, scope, state);
	}
	if (!n)
		return 0;
	pool->slot = kvmalloc_array(n, sizeof(*pool->slot) + sizeof(*pool->sum),
				    GFP_KERNEL_ACCOUNT);
	if (!pool->slot)
		return -ENOMEM;
	pool->sum = (u64 *)(pool->slot + n);
	list_for_each_entry(be, &svc->backends, list) {
		if (!may_be_chosen(be, family, scope, state))
			continue;
		sum += be->next.weight;
		pool->slot[pool->n] = (struct bpflb_slot){ be, backend_where(be) };
		pool->sum[pool->n++] = sum;
	}
	return 0;
}

/* Who may ask, and where the rest may too. */
static int sources_fill(struct bpflb_version *v, const struct bpflb_service *svc)
{
	u32 i, n = svc->next_fe ? svc->next_fe->n : 0;

	if (!svc->next_sources)
		return 0;
	v->open = kcalloc(n, sizeof(*v->open), GFP_KERNEL_ACCOUNT);
	if (!v->open)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		if (svc->next_fe->front[i].open)
			v->open[v->n_open++] = svc->next_fe->front[i].fe;
	v->sources = bpflb_sources_get(svc->next_sources);
	return 0;
}

static void version_free(struct bpflb_version *v)
{
	int ipv6, scope;

	if (!v)
		return;
	for (ipv6 = 0; ipv6 < 2; ipv6++)
		for (scope = 0; scope < BPFLB_SCOPES; scope++)
			kvfree(v->pool[ipv6][scope].slot);
	bpflb_sources_put(v->sources);
	kfree(v->open);
	kfree(v);
}

static void version_free_rcu(struct rcu_head *rcu)
{
	version_free(container_of(rcu, struct bpflb_version, rcu));
}

/**
 * bpflb_version_build() - make what packets will see after the commit
 * @svc: a service that will be live
 *
 * Context: process, bpflb_net.lock. Return: 0 or -ENOMEM.
 */
int bpflb_version_build(struct bpflb_service *svc)
{
	struct bpflb_version *v;
	struct bpflb_backend *be;
	int ipv6, scope;

	list_for_each_entry(be, &svc->backends, list)
		be->next_here = be->next_live && bpflb_backend_is_here(be, &be->next);
	v = kzalloc(sizeof(*v), GFP_KERNEL_ACCOUNT);
	if (!v)
		return -ENOMEM;
	v->policy = svc->next.policy;
	v->scheduler = svc->next.scheduler;
	if (sources_fill(v, svc))
		goto err;
	for (ipv6 = 0; ipv6 < 2; ipv6++)
		for (scope = 0; scope < BPFLB_SCOPES; scope++)
			if (pool_fill(&v->pool[ipv6][scope], svc,
				      ipv6 ? NFPROTO_IPV6 : NFPROTO_IPV4, scope))
				goto err;
	svc->next_version = v;
	return 0;
err:
	version_free(v);
	return -ENOMEM;
}

static void version_replace(struct bpflb_service *svc, struct bpflb_version *new)
{
	struct bpflb_version *old;

	old = rcu_replace_pointer(svc->version, new, lockdep_is_held(&svc->bn->lock));
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
	svc->n_here = 0;
	list_for_each_entry(be, &svc->backends, list) {
		WRITE_ONCE(be->here, be->next_here);
		WRITE_ONCE(be->down, be->next.state == BPFLB_BACKEND_DOWN);
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
