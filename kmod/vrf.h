/* SPDX-License-Identifier: GPL-2.0-only */
/* Virtual routers (VRF): devices whose ports have routes and addresses of their own. */
#ifndef _BPFLB_VRF_H
#define _BPFLB_VRF_H

#include <linux/ipv6.h>
#include <linux/netfilter.h>
#include <linux/skbuff.h>
#include <net/dst_metadata.h>
#include <net/ip.h>
#include <net/l3mdev.h>

struct bpflb_net;

/**
 * struct bpflb_vrfs - those of a namespace
 * @rcu: to free it
 * @n: how many
 * @ifindex: their numbers; one that has just gone may be among them
 */
struct bpflb_vrfs {
	struct rcu_head rcu;
	unsigned int n;
	int ifindex[];
};

/* Which one a packet is in, as routes are to be looked up with; 0: none. Context: RCU. */
static inline int bpflb_vrf_of(const struct sk_buff *skb)
{
	const struct net_device *dev = skb->dev;

	if (!dev && skb_valid_dst(skb))
		dev = skb_dst(skb)->dev;
	return l3mdev_master_ifindex_rcu(dev);
}

/* Has the packet, in PREROUTING, passed that already? It does for the device that it came in
 * by, and once more for that one's VRF.
 */
static inline bool bpflb_vrf_is_again(const struct sk_buff *skb, u8 family)
{
	return family == NFPROTO_IPV6 ? ipv6_l3mdev_skb(IP6CB(skb)->flags) :
					ipv4_l3mdev_skb(IPCB(skb)->flags);
}

/* The number of the device that a packet came in by, in POSTROUTING; not of that one's VRF. */
static inline int bpflb_vrf_port(const struct sk_buff *skb, u8 family)
{
	if (likely(!bpflb_vrf_is_again(skb, family)))
		return skb->skb_iif;
	return family == NFPROTO_IPV6 ? IP6CB(skb)->iif : IPCB(skb)->iif;
}

void bpflb_vrfs_update(struct bpflb_net *bn);
int bpflb_vrf_with_addr(struct net *net, u8 family, const union nf_inet_addr *addr);

#endif
