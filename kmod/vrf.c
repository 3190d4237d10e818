// SPDX-License-Identifier: GPL-2.0-only
#include <linux/inetdevice.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <net/addrconf.h>

#include "netns.h"
#include "vrf.h"

static unsigned int count(struct net *net)
{
	struct net_device *dev;
	unsigned int n = 0;

	for_each_netdev(net, dev)
		n += netif_is_l3_master(dev);
	return n;
}

/**
 * bpflb_vrfs_update() - one has come or gone
 * @bn: namespace
 *
 * Without memory the former ones stay known.
 *
 * Context: process, RTNL.
 */
void bpflb_vrfs_update(struct bpflb_net *bn)
{
	struct bpflb_vrfs *old = rtnl_dereference(bn->vrfs), *new = NULL;
	unsigned int n = count(bn->net);
	struct net_device *dev;

	if (n) {
		new = kmalloc(struct_size(new, ifindex, n), GFP_KERNEL_ACCOUNT);
		if (!new)
			return;
		new->n = n;
		n = 0;
		for_each_netdev(bn->net, dev)
			if (netif_is_l3_master(dev))
				new->ifindex[n++] = dev->ifindex;
	}
	rcu_assign_pointer(bn->vrfs, new);
	if (old)
		kfree_rcu(old, rcu);
}

static bool has_addr4(struct net *net, __be32 addr)
{
	const struct net_device *dev = __ip_dev_find(net, addr, false);

	return dev && dev->flags & IFF_UP;
}

static bool has_addr6(struct net *net, const struct bpflb_vrfs *vrfs, const struct in6_addr *addr)
{
	const struct net_device *vrf;
	unsigned int i;

	for (i = 0; i < vrfs->n; i++) {
		vrf = dev_get_by_index_rcu(net, vrfs->ifindex[i]);
		if (vrf && ipv6_chk_addr(net, addr, vrf, 0))
			return true;
	}
	return false;
}

/**
 * bpflb_vrf_has_addr() - is it an address of this node in one of its VRFs?
 * @net: namespace
 * @family: of the address
 * @addr: the address
 *
 * In whichever: services are of the namespace, and so is what they are found by.
 *
 * Context: any.
 */
bool bpflb_vrf_has_addr(struct net *net, u8 family, const union nf_inet_addr *addr)
{
	const struct bpflb_vrfs *vrfs;
	bool has = false;

	rcu_read_lock();
	vrfs = rcu_dereference(bpflb_net(net)->vrfs);
	if (vrfs)
		has = family == NFPROTO_IPV6 ? has_addr6(net, vrfs, &addr->in6) :
					       has_addr4(net, addr->ip);
	rcu_read_unlock();
	return has;
}
