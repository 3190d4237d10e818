// SPDX-License-Identifier: GPL-2.0-only
#include <linux/slab.h>
#include <net/ip6_route.h>
#include <net/neighbour.h>
#include <net/route.h>

#include "backend.h"
#include "netns.h"
#include "node.h"
#include "service.h"
#include "vrf.h"

const struct rhashtable_params bpflb_node_params = {
	.head_offset = offsetof(struct bpflb_node, hash),
	.key_offset = offsetof(struct bpflb_node, key),
	.key_len = sizeof_field(struct bpflb_node, key),
	.automatic_shrinking = true,
};

/**
 * bpflb_node_find() - a node that is in force or in the open transaction
 * @bn: namespace
 * @family: of the address
 * @addr: its address
 *
 * Context: bpflb_net.lock, or RCU; the caller looks at live or next_live.
 */
struct bpflb_node *bpflb_node_find(struct bpflb_net *bn, u8 family,
				   const union nf_inet_addr *addr)
{
	const struct bpflb_node_key key = { *addr, family };

	return rhashtable_lookup_fast(&bn->nodes, &key, bpflb_node_params);
}

/**
 * bpflb_node_is_live() - is it the address of a configured node?
 * @bn: namespace
 * @family: of the address
 * @addr: the address
 *
 * Context: RCU.
 */
bool bpflb_node_is_live(struct bpflb_net *bn, u8 family, const union nf_inet_addr *addr)
{
	const struct bpflb_node_key key = { *addr, family };
	const struct bpflb_node *node = rhashtable_lookup(&bn->nodes, &key, bpflb_node_params);

	return node && READ_ONCE(node->live);
}

/**
 * bpflb_node_put() - give back a reference
 * @node: the node, or NULL
 *
 * Context: any.
 */
void bpflb_node_put(struct bpflb_node *node)
{
	if (node && refcount_dec_and_test(&node->ref))
		kfree_rcu(node, rcu);
}

/* The route to a node, a reference; NULL if it is not on a link of this one.
 * @vrf: number of the VRF that is asked, or 0
 */
static struct dst_entry *route_on_link(struct net *net, const struct bpflb_node_key *key, int vrf)
{
	struct dst_entry *dst;
	bool near;

	if (key->family == NFPROTO_IPV6) {
		struct flowi6 fl6 = { .daddr = key->addr.in6, .flowi6_oif = vrf };

		dst = ip6_route_output(net, NULL, &fl6);
		near = !dst->error &&
		       !(container_of(dst, struct rt6_info, dst)->rt6i_flags & RTF_GATEWAY);
	} else {
		struct flowi4 fl4 = { .daddr = key->addr.ip, .flowi4_oif = vrf };
		struct rtable *rt = ip_route_output_key(net, &fl4);

		if (IS_ERR(rt))
			return NULL;
		dst = &rt->dst;
		near = !rt->rt_gw_family;
	}
	if (near && !(dst->dev->flags & IFF_LOOPBACK))
		return dst;
	dst_release(dst);
	return NULL;
}

static void resolve_in(struct bpflb_net *bn, const struct bpflb_node *node, int vrf)
{
	struct dst_entry *dst = route_on_link(bn->net, &node->key, vrf);
	struct neighbour *n;

	if (!dst)
		return;
	n = dst_neigh_lookup(dst, &node->key.addr);
	if (n && READ_ONCE(n->nud_state) & NUD_VALID)
		bpflb_node_saw(bn, n);
	else if (n)
		neigh_event_send(n, NULL);
	if (n)
		neigh_release(n);
	dst_release(dst);
}

/* It may be on a link of any VRF. */
static void resolve(struct bpflb_net *bn, struct bpflb_node *node)
{
	const struct bpflb_vrfs *vrfs = rcu_dereference(bn->vrfs);
	unsigned int i;

	if (!READ_ONCE(node->live) || READ_ONCE(node->self))
		return;
	WRITE_ONCE(node->asked, true);
	resolve_in(bn, node, 0);
	for (i = 0; vrfs && i < vrfs->n; i++)
		resolve_in(bn, node, vrfs->ifindex[i]);
}

/**
 * bpflb_node_meet() - get to know the MACs of nodes that are new
 * @work: bpflb_net.meet
 *
 * Context: process.
 */
void bpflb_node_meet(struct work_struct *work)
{
	struct bpflb_net *bn = container_of(work, struct bpflb_net, meet);
	struct bpflb_node *node;

	rcu_read_lock();
	list_for_each_entry_rcu(node, &bn->node_list, all)
		if (!READ_ONCE(node->asked))
			resolve(bn, node);
	rcu_read_unlock();
}

/**
 * bpflb_node_resolve() - get to know the MACs of all nodes that are on a link
 * @work: bpflb_net.resolve
 *
 * Context: process.
 */
void bpflb_node_resolve(struct work_struct *work)
{
	struct bpflb_net *bn = container_of(work, struct bpflb_net, resolve.work);
	struct bpflb_node *node;

	bpflb_node_learn(bn);
	rcu_read_lock();
	list_for_each_entry_rcu(node, &bn->node_list, all)
		resolve(bn, node);
	rcu_read_unlock();
	bn->resolved = jiffies;
}

/**
 * bpflb_node_ask() - have the MACs of all nodes looked for, at most once a second
 * @bn: namespace
 *
 * Context: any.
 */
void bpflb_node_ask(struct bpflb_net *bn)
{
	unsigned long next = READ_ONCE(bn->resolved) + HZ;

	if (!READ_ONCE(bn->dying))
		schedule_delayed_work(&bn->resolve,
				      time_before(jiffies, next) ? next - jiffies : 0);
}

/**
 * bpflb_node_touch() - the open transaction will change it
 * @bn: namespace
 * @node: the node
 */
void bpflb_node_touch(struct bpflb_net *bn, struct bpflb_node *node)
{
	if (list_empty(&node->dirty))
		list_add_tail(&node->dirty, &bn->txn.nodes);
}

/**
 * bpflb_node_make() - a node for the open transaction
 * @bn: namespace
 * @family: of the address
 * @addr: its address
 *
 * Context: process, bpflb_net.lock. Return: the node, or ERR_PTR: -EEXIST,
 * -ENOSPC, -ENOMEM.
 */
struct bpflb_node *bpflb_node_make(struct bpflb_net *bn, u8 family,
				   const union nf_inet_addr *addr)
{
	struct bpflb_node *node = bpflb_node_find(bn, family, addr);
	int err;

	if (node) {
		if (node->next_live)
			return ERR_PTR(-EEXIST);
		bpflb_node_touch(bn, node);
		node->next_live = true;
		return node;
	}

	if (atomic_read(&bn->nodes.nelems) >= BPFLB_NODES_MAX)
		return ERR_PTR(-ENOSPC);
	node = kzalloc(sizeof(*node), GFP_KERNEL_ACCOUNT);
	if (!node)
		return ERR_PTR(-ENOMEM);
	node->key = (struct bpflb_node_key){ *addr, family };
	refcount_set(&node->ref, 1);
	node->id = ++bn->last_node_id;
	node->self = bpflb_addr_is_own(bn->net, family, addr);
	INIT_LIST_HEAD(&node->dirty);
	INIT_LIST_HEAD(&node->seen);
	err = rhashtable_insert_fast(&bn->nodes, &node->hash, bpflb_node_params);
	if (err) {
		kfree(node);
		return ERR_PTR(err);
	}
	list_add_tail_rcu(&node->all, &bn->node_list);
	bpflb_node_touch(bn, node);
	node->next_live = true;
	return node;
}

/**
 * bpflb_node_remove() - in the open transaction, a node goes
 * @bn: namespace
 * @node: the node
 *
 * Context: process, bpflb_net.lock. Return: 0, or -EBUSY if a backend names it.
 */
int bpflb_node_remove(struct bpflb_net *bn, struct bpflb_node *node)
{
	const struct bpflb_backend *be;
	struct bpflb_service *svc;
	unsigned long id;

	xa_for_each(&bn->service_ids, id, svc)
		list_for_each_entry(be, &svc->backends, list)
			if (be->next_live && be->next.node == node)
				return -EBUSY;
	bpflb_node_touch(bn, node);
	node->next_live = false;
	return 0;
}

/**
 * bpflb_node_settle() - the transaction ends
 * @bn: namespace
 * @node: a node that it touched
 * @keep_next: what it did becomes true; else it is forgotten
 *
 * Context: process, bpflb_net.lock.
 */
void bpflb_node_settle(struct bpflb_net *bn, struct bpflb_node *node, bool keep_next)
{
	list_del_init(&node->dirty);
	if (keep_next) {
		bn->n_nodes += node->next_live - node->live;
		WRITE_ONCE(node->live, node->next_live);
		if (node->live) {
			schedule_work(&bn->meet);
			bpflb_node_ask(bn);
		}
	} else {
		node->next_live = node->live;
	}
	if (node->live)
		return;
	rhashtable_remove_fast(&bn->nodes, &node->hash, bpflb_node_params);
	list_del_rcu(&node->all);
	bpflb_node_forget_macs(bn, node);
	bpflb_node_put(node);
}
