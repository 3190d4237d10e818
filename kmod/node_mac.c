// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which MACs are nodes', on which device: what a packet with a note is asked for.
 *
 * The kernel's neighbour tables know, by address; here is the other way round. It follows
 * those tables, and may lag behind, so what is found is looked up there once more.
 */
#include <linux/etherdevice.h>
#include <linux/if_arp.h>
#include <linux/ipv6.h>
#include <linux/slab.h>
#include <net/arp.h>
#include <net/ndisc.h>
#include <net/neighbour.h>

#include "netns.h"
#include "node.h"

/* Devices that a node is remembered on: what is no longer true is not told from the rest. */
#define SEEN_MAX 8

/** struct mac_key - @mac on the device numbered @ifindex; no padding, it is hashed as bytes */
struct mac_key {
	u32 ifindex;
	u8 mac[ETH_ALEN];
	u16 zero;
};

/**
 * struct seen - a node that has been seen as a neighbour
 * @hash: in bpflb_net.macs; several nodes, or addresses of one, may have a MAC
 * @list: in bpflb_node.seen, the newest last
 * @rcu: to free it
 * @key: by what
 * @node: which; it goes after this
 */
struct seen {
	struct rhlist_head hash;
	struct list_head list;
	struct rcu_head rcu;
	struct mac_key key;
	struct bpflb_node *node;
};

static const struct rhashtable_params mac_params = {
	.head_offset = offsetof(struct seen, hash),
	.key_offset = offsetof(struct seen, key),
	.key_len = sizeof_field(struct seen, key),
	.automatic_shrinking = true,
};

/**
 * bpflb_node_macs_init() - a namespace begins
 * @bn: namespace
 *
 * Return: 0 or -ENOMEM.
 */
int bpflb_node_macs_init(struct bpflb_net *bn)
{
	spin_lock_init(&bn->macs_lock);
	return rhltable_init(&bn->macs, &mac_params);
}

/**
 * bpflb_node_macs_free() - a namespace ends
 * @bn: namespace, which has no nodes any more
 */
void bpflb_node_macs_free(struct bpflb_net *bn)
{
	rhltable_destroy(&bn->macs);
}

static void forget(struct bpflb_net *bn, struct seen *seen)
{
	rhltable_remove(&bn->macs, &seen->hash, mac_params);
	list_del(&seen->list);
	kfree_rcu(seen, rcu);
}

/**
 * bpflb_node_forget_macs() - a node goes
 * @bn: namespace
 * @node: the node, which nobody finds any more
 *
 * Context: process.
 */
void bpflb_node_forget_macs(struct bpflb_net *bn, struct bpflb_node *node)
{
	struct seen *seen, *tmp;

	spin_lock_bh(&bn->macs_lock);
	node->gone = true;
	list_for_each_entry_safe(seen, tmp, &node->seen, list)
		forget(bn, seen);
	spin_unlock_bh(&bn->macs_lock);
}

/* Make room for one more device; what is known of that very one is outdated. */
static void forget_some(struct bpflb_net *bn, struct bpflb_node *node, u32 ifindex)
{
	struct seen *seen, *tmp;
	unsigned int n = 0;

	list_for_each_entry_safe(seen, tmp, &node->seen, list) {
		if (seen->key.ifindex == ifindex)
			forget(bn, seen);
		else
			n++;
	}
	if (n >= SEEN_MAX)
		forget(bn, list_first_entry(&node->seen, struct seen, list));
}

static bool is_seen(const struct bpflb_node *node, const struct mac_key *key)
{
	const struct seen *seen;

	list_for_each_entry(seen, &node->seen, list)
		if (!memcmp(&seen->key, key, sizeof(*key)))
			return true;
	return false;
}

static void remember(struct bpflb_net *bn, struct bpflb_node *node, const struct mac_key *key)
{
	struct seen *seen;

	if (node->gone || is_seen(node, key))
		return;
	forget_some(bn, node, key->ifindex);
	seen = kzalloc(sizeof(*seen), GFP_ATOMIC | __GFP_NOWARN);
	if (!seen)
		return;
	seen->key = *key;
	seen->node = node;
	if (rhltable_insert(&bn->macs, &seen->hash, mac_params))
		kfree(seen);
	else
		list_add_tail(&seen->list, &node->seen);
}

/**
 * bpflb_node_saw() - a neighbour is known, or another than before
 * @bn: namespace of its device
 * @n: the neighbour, which may be a node
 *
 * Context: RCU. Without memory nothing is remembered, until a miss has it tried again.
 */
void bpflb_node_saw(struct bpflb_net *bn, struct neighbour *n)
{
	struct bpflb_node_key at = { .family = n->tbl->family };
	struct mac_key key = { .ifindex = n->dev->ifindex };
	struct bpflb_node *node;
	u8 ha[MAX_ADDR_LEN];

	if ((at.family != NFPROTO_IPV4 && at.family != NFPROTO_IPV6) ||
	    n->dev->type != ARPHRD_ETHER || !(READ_ONCE(n->nud_state) & NUD_VALID))
		return;
	memcpy(&at.addr, n->primary_key, n->tbl->key_len);
	node = rhashtable_lookup(&bn->nodes, &at, bpflb_node_params);
	if (!node)
		return;
	neigh_ha_snapshot(ha, n, n->dev);
	ether_addr_copy(key.mac, ha);
	spin_lock_bh(&bn->macs_lock);
	remember(bn, node, &key);
	spin_unlock_bh(&bn->macs_lock);
}

static void look_at(struct neighbour *n, void *data)
{
	struct bpflb_net *bn = data;

	if (net_eq(dev_net(n->dev), bn->net))
		bpflb_node_saw(bn, n);
}

/**
 * bpflb_node_learn() - see which neighbours are nodes
 * @bn: namespace
 *
 * Context: process.
 */
void bpflb_node_learn(struct bpflb_net *bn)
{
	neigh_for_each(&arp_tbl, look_at, bn);
	if (ipv6_mod_enabled())
		neigh_for_each(&nd_tbl, look_at, bn);
}

/* What the device knows the node as; no reference. */
static struct neighbour *neighbour_of(struct net_device *dev, const struct bpflb_node *node)
{
	if (node->key.family == NFPROTO_IPV6)
		return __ipv6_neigh_lookup_noref(dev, &node->key.addr.in6);
	return __ipv4_neigh_lookup_noref(dev, (__force u32)node->key.addr.ip);
}

static bool neigh_has_mac(struct net_device *dev, const struct bpflb_node *node, const u8 *mac)
{
	struct neighbour *n = neighbour_of(dev, node);
	u8 ha[MAX_ADDR_LEN];

	if (!n || !(READ_ONCE(n->nud_state) & NUD_VALID))
		return false;
	neigh_ha_snapshot(ha, n, dev);
	return ether_addr_equal_unaligned(ha, mac);
}

/**
 * bpflb_node_sent_frame() - did a configured node send this frame?
 * @bn: namespace
 * @skb: the packet, in PREROUTING
 *
 * By the source MAC: that of a node in the neighbour table of the device the
 * frame came in by. A node that is not on that link is not recognised. One that
 * this node has not spoken with may not be known yet: then all nodes are asked
 * for, so that what its sender repeats is recognised.
 *
 * Context: RCU, bottom halves off.
 */
bool bpflb_node_sent_frame(struct bpflb_net *bn, const struct sk_buff *skb)
{
	struct mac_key key = { .ifindex = skb->dev->ifindex };
	struct rhlist_head *found, *tmp;
	const struct seen *seen;

	if (skb->dev->type != ARPHRD_ETHER || !skb_mac_header_was_set(skb) ||
	    skb_mac_header_len(skb) < ETH_HLEN)
		return false;
	memcpy(key.mac, eth_hdr(skb)->h_source, ETH_ALEN);
	found = rhltable_lookup(&bn->macs, &key, mac_params);
	rhl_for_each_entry_rcu(seen, tmp, found, hash)
		if (READ_ONCE(seen->node->live) && neigh_has_mac(skb->dev, seen->node, key.mac))
			return true;
	bpflb_node_ask(bn);
	return false;
}
