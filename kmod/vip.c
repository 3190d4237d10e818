// SPDX-License-Identifier: GPL-2.0-only
#include <linux/slab.h>

#include "node.h"
#include "vip.h"

const struct rhashtable_params bpflb_vip_params = {
	.head_offset = offsetof(struct bpflb_vip, hash),
	.key_offset = offsetof(struct bpflb_vip, key),
	.key_len = sizeof_field(struct bpflb_vip, key),
	.automatic_shrinking = true,
};

/**
 * bpflb_vip_find() - an address that services have
 * @bn: namespace
 * @family: of the address
 * @addr: the address
 *
 * Context: RCU. Return: NULL if none has it, nor is to have it.
 */
struct bpflb_vip *bpflb_vip_find(struct bpflb_net *bn, u8 family, const union nf_inet_addr *addr)
{
	const struct bpflb_vip_key key = { *addr, family };

	return rhashtable_lookup(&bn->vips, &key, bpflb_vip_params);
}

/**
 * bpflb_vip_is_foreign() - is it a service's address, and nobody else's?
 * @bn: namespace
 * @family: of the address
 * @addr: the address
 *
 * One that this node has itself, or a configured node, is not: programs there may
 * listen at it, and the node is reached by it.
 *
 * Context: RCU.
 */
bool bpflb_vip_is_foreign(struct bpflb_net *bn, u8 family, const union nf_inet_addr *addr)
{
	const struct bpflb_vip *vip = bpflb_vip_find(bn, family, addr);

	return vip && READ_ONCE(vip->live) && !bpflb_addr_is_own(bn->net, family, addr) &&
	       !bpflb_node_is_live(bn, family, addr);
}

/**
 * bpflb_vip_get() - an address, for one more frontend
 * @bn: namespace
 * @family: of the address
 * @addr: the address
 *
 * Context: process, bpflb_net.lock. Return: the address, to be given back by
 * bpflb_vip_put(), or ERR_PTR.
 */
struct bpflb_vip *bpflb_vip_get(struct bpflb_net *bn, u8 family, const union nf_inet_addr *addr)
{
	const struct bpflb_vip_key key = { *addr, family };
	struct bpflb_vip *vip;
	int err;

	vip = rhashtable_lookup_fast(&bn->vips, &key, bpflb_vip_params);
	if (vip) {
		vip->frontends++;
		return vip;
	}
	vip = kzalloc(sizeof(*vip), GFP_KERNEL_ACCOUNT);
	if (!vip)
		return ERR_PTR(-ENOMEM);
	vip->key = key;
	vip->frontends = 1;
	INIT_LIST_HEAD(&vip->ranges);
	err = rhashtable_insert_fast(&bn->vips, &vip->hash, bpflb_vip_params);
	if (err) {
		kfree(vip);
		return ERR_PTR(err);
	}
	return vip;
}

/**
 * bpflb_vip_put() - a frontend is gone
 * @bn: namespace
 * @vip: its address
 *
 * Context: process, bpflb_net.lock.
 */
void bpflb_vip_put(struct bpflb_net *bn, struct bpflb_vip *vip)
{
	if (--vip->frontends)
		return;
	rhashtable_remove_fast(&bn->vips, &vip->hash, bpflb_vip_params);
	kfree_rcu(vip, rcu);
}
