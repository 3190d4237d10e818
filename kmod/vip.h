/* SPDX-License-Identifier: GPL-2.0-only */
/* The addresses that services have, whatever their ports. */
#ifndef _BPFLB_VIP_H
#define _BPFLB_VIP_H

#include <linux/netfilter.h>
#include <linux/rhashtable.h>

#include "netns.h"
#include "tuple.h"

/** struct bpflb_vip_key - @addr and its @family, as wide as to leave no padding */
struct bpflb_vip_key {
	union nf_inet_addr addr;
	u32 family;
};

/**
 * struct bpflb_vip - an address of services
 * @hash: in bpflb_net.vips
 * @rcu: to free it
 * @key: the address
 * @frontends: how many are at it, those of the open transaction too; bpflb_net.lock
 * @live: how many packets see; written with bpflb_net.lock
 * @ranges: those of @frontends that have more than one port; packets walk it under
 *	RCU. That of all ports is the last; no others of a protocol overlap
 */
struct bpflb_vip {
	struct rhash_head hash;
	struct rcu_head rcu;
	struct bpflb_vip_key key;
	u32 frontends;
	u32 live;
	struct list_head ranges;
};

extern const struct rhashtable_params bpflb_vip_params;

/* The packet path */
struct bpflb_vip *bpflb_vip_find(struct bpflb_net *bn, u8 family, const union nf_inet_addr *addr);
bool bpflb_vip_is_foreign(struct bpflb_net *bn, u8 family, const union nf_inet_addr *addr);

/* Does a packet that no service has asked for go no further? Nothing is looked up
 * where all such packets pass.
 */
static inline bool bpflb_vip_is_closed(struct bpflb_net *bn, const struct bpflb_tuple *t)
{
	return rcu_dereference(bn->settings)->unknown_ports != BPFLB_UNKNOWN_PORTS_PASS &&
	       bpflb_vip_is_foreign(bn, t->family, &t->dst.addr);
}

/* The control plane; all with bpflb_net.lock held */
struct bpflb_vip *bpflb_vip_get(struct bpflb_net *bn, u8 family, const union nf_inet_addr *addr);
void bpflb_vip_put(struct bpflb_net *bn, struct bpflb_vip *vip);

#endif
