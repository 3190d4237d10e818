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

static int with_addr4(struct net *net, __be32 addr)
{
	struct net_device *dev = __ip_dev_find(net, addr, false);

	return dev && dev->flags & IFF_UP ? l3mdev_master_ifindex_rcu(dev) : 0;
}

static int with_addr6(struct net *net, const struct bpflb_vrfs *vrfs, const struct in6_addr *addr)
{
	const struct net_device *vrf;
	unsigned int i;

	for (i = 0; i < vrfs->n; i++) {
		vrf = dev_get_by_index_rcu(net, vrfs->ifindex[i]);
		if (vrf && ipv6_chk_addr(net, addr, vrf, 0))
			return vrf->ifindex;
	}
	return 0;
}

/**
 * bpflb_vrf_with_addr() - which VRF has an address of this node?
 * @net: namespace
 * @family: of the address
 * @addr: the address
 *
 * The first: services are of the namespace, and so is what they are found by.
 *
 * Context: any. Return: the VRF's number; 0 if none has it.
 */
int bpflb_vrf_with_addr(struct net *net, u8 family, const union nf_inet_addr *addr)
{
	const struct bpflb_vrfs *vrfs;
	int vrf = 0;

	rcu_read_lock();
	vrfs = rcu_dereference(bpflb_net(net)->vrfs);
	if (vrfs)
		vrf = family == NFPROTO_IPV6 ? with_addr6(net, vrfs, &addr->in6) :
					       with_addr4(net, addr->ip);
	rcu_read_unlock();
	return vrf;
}
