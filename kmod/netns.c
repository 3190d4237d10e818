// SPDX-License-Identifier: GPL-2.0-only
#include <linux/idr.h>
#include <linux/inetdevice.h>
#include <linux/netlink.h>
#include <linux/slab.h>
#include <net/addrconf.h>
#include <net/if_inet6.h>
#include <net/neighbour.h>
#include <net/net_namespace.h>
#include <net/netevent.h>
#include <net/netns/generic.h>
#include <net/route.h>

#include "affinity.h"
#include "backend.h"
#include "frontend.h"
#include "gc.h"
#include "hooks.h"
#include "netns.h"
#include "node.h"
#include "service.h"
#include "snat.h"
#include "stats.h"
#include "version.h"
#include "vip.h"
#include "vrf.h"

static unsigned int net_id;
static DEFINE_IDA(net_ida);

/* An interface that goes down may be back in a moment, with its addresses. */
#define LOST_DELAY	(2 * HZ)

#define NET_ID_MAX (BIT(32 - BPFLB_NS_SHIFT) - 1)	/* what bpflb_ns_proto() has room for */

struct bpflb_net *bpflb_net(const struct net *net)
{
	return net_generic(net, net_id);
}

/**
 * bpflb_addr_is_own() - is it an address of this node?
 * @net: namespace
 * @family: of the address
 * @addr: the address
 *
 * Context: any.
 */
bool bpflb_addr_is_own(struct net *net, u8 family, const union nf_inet_addr *addr)
{
	/* Neither knows of those in a VRF. */
	if (family == NFPROTO_IPV6 ? ipv6_chk_addr(net, &addr->in6, NULL, 0) :
				     inet_addr_type(net, addr->ip) == RTN_LOCAL)
		return true;
	return bpflb_vrf_with_addr(net, family, addr);
}

/* Which nodes and backends are on this node depends on its addresses. */
static void readdress(struct work_struct *work)
{
	struct bpflb_net *bn = container_of(work, struct bpflb_net, readdress);
	struct bpflb_backend *be;
	struct bpflb_service *svc;
	struct bpflb_node *node;
	unsigned long id;
	bool moved;

	mutex_lock(&bn->lock);
	/* The transaction's end will call again. */
	bn->readdress_late = bn->txn.open;
	if (bn->txn.open || bn->dying)
		goto out;
	list_for_each_entry(node, &bn->node_list, all)
		node->self = bpflb_addr_is_own(bn->net, node->key.family, &node->key.addr);
	xa_for_each(&bn->service_ids, id, svc) {
		moved = false;
		list_for_each_entry(be, &svc->backends, list)
			moved |= bpflb_backend_is_here(be, &be->cur) != be->here;
		/* Without memory it stays as it was until the next change. */
		if (moved && !bpflb_version_build(svc, NULL))
			bpflb_version_switch(svc);
	}
out:
	mutex_unlock(&bn->lock);
}

static int tables_init(struct bpflb_net *bn)
{
	int err;

	err = rhashtable_init(&bn->frontends, &bpflb_frontend_params);
	if (err)
		return err;
	err = rhashtable_init(&bn->backends, &bpflb_backend_params);
	if (err)
		goto err_frontends;
	err = rhashtable_init(&bn->nodes, &bpflb_node_params);
	if (err)
		goto err_backends;
	err = rhashtable_init(&bn->services, &bpflb_service_params);
	if (err)
		goto err_nodes;
	err = rhashtable_init(&bn->snat_pools, &bpflb_snat_pool_params);
	if (err)
		goto err_services;
	err = rhashtable_init(&bn->vips, &bpflb_vip_params);
	if (err)
		goto err_snat_pools;
	err = bpflb_node_macs_init(bn);
	if (err)
		goto err_vips;
	return 0;

err_vips:
	rhashtable_destroy(&bn->vips);
err_snat_pools:
	rhashtable_destroy(&bn->snat_pools);
err_services:
	rhashtable_destroy(&bn->services);
err_nodes:
	rhashtable_destroy(&bn->nodes);
err_backends:
	rhashtable_destroy(&bn->backends);
err_frontends:
	rhashtable_destroy(&bn->frontends);
	return err;
}

static void tables_exit(struct bpflb_net *bn)
{
	bpflb_node_macs_free(bn);
	rhashtable_destroy(&bn->vips);
	bpflb_snat_pools_free(&bn->snat_pools);
	rhashtable_destroy(&bn->services);
	rhashtable_destroy(&bn->nodes);
	rhashtable_destroy(&bn->backends);
	rhashtable_destroy(&bn->frontends);
}

static int __net_init net_init(struct net *net)
{
	struct bpflb_net *bn = bpflb_net(net);
	struct bpflb_settings *settings;
	int err;

	bn->net = net;
	bn->foreign = net->user_ns != &init_user_ns;
	mutex_init(&bn->lock);
	xa_init(&bn->service_ids);
	INIT_LIST_HEAD(&bn->node_list);
	INIT_WORK(&bn->readdress, readdress);
	INIT_DELAYED_WORK(&bn->lost, bpflb_gc_lost);
	INIT_WORK(&bn->meet, bpflb_node_meet);
	INIT_DELAYED_WORK(&bn->resolve, bpflb_node_resolve);
	bn->resolved = jiffies - HZ;
	bpflb_txn_net_init(bn);

	err = ida_alloc_max(&net_ida, NET_ID_MAX, GFP_KERNEL);
	if (err < 0)
		return err;
	bn->id = err;
	err = -ENOMEM;
	settings = bpflb_settings_default();
	if (!settings)
		goto err_id;
	bpflb_settings_prepare(settings, net);
	RCU_INIT_POINTER(bn->settings, settings);
	bn->counters = alloc_percpu(struct bpflb_net_counters);
	if (!bn->counters)
		goto err_settings;
	err = percpu_counter_init(&bn->flows, 0, GFP_KERNEL);
	if (err)
		goto err_counters;
	err = tables_init(bn);
	if (err)
		goto err_flows;
	err = -ENOMEM;
	bn->ports[0] = kvzalloc(2 * BITS_TO_LONGS(65536) * sizeof(long), GFP_KERNEL_ACCOUNT);
	if (!bn->ports[0])
		goto err_tables;
	bn->ports[1] = bn->ports[0] + BITS_TO_LONGS(65536);
	return 0;

err_tables:
	tables_exit(bn);
err_flows:
	percpu_counter_destroy(&bn->flows);
err_counters:
	free_percpu(bn->counters);
err_settings:
	kfree(settings);
err_id:
	ida_free(&net_ida, bn->id);
	return err;
}

/* First no packets any more; the core waits for those that are in a hook. */
static void __net_exit net_pre_exit(struct net *net)
{
	struct bpflb_net *bn = bpflb_net(net);

	mutex_lock(&bn->lock);
	WRITE_ONCE(bn->dying, true);
	bpflb_hooks_unregister(bn);
	mutex_unlock(&bn->lock);
}

static void __net_exit net_empty(struct bpflb_net *bn)
{
	cancel_work_sync(&bn->readdress);
	bpflb_gc_flush(bn);
	mutex_lock(&bn->lock);
	bpflb_txn_net_exit(bn);
	mutex_unlock(&bn->lock);
	cancel_work_sync(&bn->readdress);
	cancel_delayed_work_sync(&bn->lost);
	cancel_work_sync(&bn->meet);
	cancel_delayed_work_sync(&bn->resolve);
}

static void __net_exit net_free(struct bpflb_net *bn)
{
	tables_exit(bn);
	bpflb_affinity_free(bn);
	kvfree(bn->ports[0]);
	percpu_counter_destroy(&bn->flows);
	free_percpu(bn->counters);
	kfree(rcu_access_pointer(bn->settings));
	kfree(rcu_access_pointer(bn->vrfs));
	xa_destroy(&bn->service_ids);
	ida_free(&net_ida, bn->id);
}

static void __net_exit net_exit_batch(struct list_head *list)
{
	struct net *net;

	list_for_each_entry(net, list, exit_list)
		net_empty(bpflb_net(net));
	/* The flow worker, or a flow's end, may still look at a namespace. */
	synchronize_rcu();
	list_for_each_entry(net, list, exit_list)
		net_free(bpflb_net(net));
}

static struct pernet_operations net_ops = {
	.init = net_init,
	.pre_exit = net_pre_exit,
	.exit_batch = net_exit_batch,
	.id = &net_id,
	.size = sizeof(struct bpflb_net),
};

static int own_addrs_changed(const struct net *net, unsigned long event)
{
	struct bpflb_net *bn = bpflb_net(net);

	if (READ_ONCE(bn->dying))
		return NOTIFY_DONE;
	schedule_work(&bn->readdress);
	if (event == NETDEV_DOWN)
		mod_delayed_work(system_wq, &bn->lost, LOST_DELAY);
	else
		bpflb_node_ask(bn);
	return NOTIFY_DONE;
}

static int inetaddr_event(struct notifier_block *nb, unsigned long event, void *ptr)
{
	const struct in_ifaddr *ifa = ptr;

	return own_addrs_changed(dev_net(ifa->ifa_dev->dev), event);
}

static struct notifier_block inetaddr_nb = {
	.notifier_call = inetaddr_event,
};

/* Called in atomic context. */
static int inet6addr_event(struct notifier_block *nb, unsigned long event, void *ptr)
{
	const struct inet6_ifaddr *ifa = ptr;

	return own_addrs_changed(dev_net(ifa->idev->dev), event);
}

static struct notifier_block inet6addr_nb = {
	.notifier_call = inet6addr_event,
};

static bool is_vrf_change(const struct net_device *dev, unsigned long event)
{
	return (event == NETDEV_REGISTER || event == NETDEV_UNREGISTER) && netif_is_l3_master(dev);
}

/* A link that was down has forgotten its neighbours: also those whose notes are believed. */
static int netdev_event(struct notifier_block *nb, unsigned long event, void *ptr)
{
	const struct net_device *dev = netdev_notifier_info_to_dev(ptr);
	struct bpflb_net *bn = bpflb_net(dev_net(dev));

	if (is_vrf_change(dev, event))
		bpflb_vrfs_update(bn);
	if ((event == NETDEV_UP || event == NETDEV_CHANGE) && netif_running(dev) &&
	    netif_carrier_ok(dev) && READ_ONCE(bn->n_nodes))
		bpflb_node_ask(bn);
	return NOTIFY_DONE;
}

static struct notifier_block netdev_nb = {
	.notifier_call = netdev_event,
};

/* Called in atomic context. A namespace that ends is waited for before its nodes go. */
static int neigh_event(struct notifier_block *nb, unsigned long event, void *ptr)
{
	struct neighbour *n = ptr;
	struct bpflb_net *bn;

	if (event != NETEVENT_NEIGH_UPDATE)
		return NOTIFY_DONE;
	bn = bpflb_net(dev_net(n->dev));
	if (!READ_ONCE(bn->dying))
		bpflb_node_saw(bn, n);
	return NOTIFY_DONE;
}

static struct notifier_block neigh_nb = {
	.notifier_call = neigh_event,
};

static int netlink_event(struct notifier_block *nb, unsigned long event, void *ptr)
{
	const struct netlink_notify *n = ptr;
	struct bpflb_net *bn;

	if (event != NETLINK_URELEASE || n->protocol != NETLINK_GENERIC)
		return NOTIFY_DONE;
	bn = bpflb_net(n->net);
	mutex_lock(&bn->lock);
	bpflb_txn_owner_gone(bn, n->portid);
	mutex_unlock(&bn->lock);
	return NOTIFY_DONE;
}

static struct notifier_block netlink_nb = {
	.notifier_call = netlink_event,
};

/**
 * bpflb_net_init() - begin in all namespaces
 *
 * Return: 0 or an error of the kernel's.
 */
int bpflb_net_init(void)
{
	int err = register_pernet_subsys(&net_ops);

	if (err)
		return err;
	err = register_inetaddr_notifier(&inetaddr_nb);
	if (err)
		goto err_pernet;
	err = register_inet6addr_notifier(&inet6addr_nb);
	if (err)
		goto err_inetaddr;
	err = register_netdevice_notifier(&netdev_nb);
	if (err)
		goto err_inet6addr;
	err = register_netevent_notifier(&neigh_nb);
	if (err)
		goto err_netdev;
	err = netlink_register_notifier(&netlink_nb);
	if (err)
		goto err_neigh;
	return 0;

err_neigh:
	unregister_netevent_notifier(&neigh_nb);
err_netdev:
	unregister_netdevice_notifier(&netdev_nb);
err_inet6addr:
	unregister_inet6addr_notifier(&inet6addr_nb);
err_inetaddr:
	unregister_inetaddr_notifier(&inetaddr_nb);
err_pernet:
	unregister_pernet_subsys(&net_ops);
	return err;
}

/** bpflb_net_exit() - end in all namespaces */
void bpflb_net_exit(void)
{
	netlink_unregister_notifier(&netlink_nb);
	unregister_netevent_notifier(&neigh_nb);
	unregister_netdevice_notifier(&netdev_nb);
	unregister_inet6addr_notifier(&inet6addr_nb);
	unregister_inetaddr_notifier(&inetaddr_nb);
	unregister_pernet_subsys(&net_ops);
}
