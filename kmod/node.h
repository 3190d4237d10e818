/* SPDX-License-Identifier: GPL-2.0-only */
/* The other machines that run bpflb. */
#ifndef _BPFLB_NODE_H
#define _BPFLB_NODE_H

#include <linux/bits.h>
#include <linux/netfilter.h>
#include <linux/refcount.h>
#include <linux/rhashtable.h>
#include <linux/workqueue.h>

/* Of one namespace: some times what the largest clusters have. */
#define BPFLB_NODES_MAX		BIT(16)

struct bpflb_net;
struct neighbour;
struct sk_buff;

/** struct bpflb_node_key - @addr and its @family, as wide as to leave no padding */
struct bpflb_node_key {
	union nf_inet_addr addr;
	u32 family;
};

/**
 * struct bpflb_node - a node that notes are sent to and believed from
 * @hash: in bpflb_net.nodes
 * @all: in bpflb_net.node_list
 * @dirty: in bpflb_txn.nodes, if it changes in the open transaction
 * @rcu: to free it
 * @ref: the configuration, and each backend whose packets go to it
 * @id: number, rising along bpflb_net.node_list
 * @key: its address
 * @self: it is an address of this node
 * @live: packets see it
 * @next_live: @live after the open transaction
 * @asked: its MAC was looked for
 * @backends: live backends that name it
 * @seen: what it was seen by as a neighbour, see node_mac.c
 * @gone: it is not to be seen any more
 *
 * @seen and @gone: bpflb_net.macs_lock.
 */
struct bpflb_node {
	struct rhash_head hash;
	struct list_head all;
	struct list_head dirty;
	struct rcu_head rcu;
	refcount_t ref;
	u32 id;
	struct bpflb_node_key key;
	bool self;
	bool live;
	bool next_live;
	bool asked;
	u32 backends;
	struct list_head seen;
	bool gone;
};

extern const struct rhashtable_params bpflb_node_params;

/* The packet path */
bool bpflb_node_is_live(struct bpflb_net *bn, u8 family, const union nf_inet_addr *addr);
void bpflb_node_put(struct bpflb_node *node);

/* The control plane; all with bpflb_net.lock held */
struct bpflb_node *bpflb_node_find(struct bpflb_net *bn, u8 family,
				   const union nf_inet_addr *addr);
struct bpflb_node *bpflb_node_make(struct bpflb_net *bn, u8 family,
				   const union nf_inet_addr *addr);
void bpflb_node_meet(struct work_struct *work);
void bpflb_node_resolve(struct work_struct *work);
void bpflb_node_ask(struct bpflb_net *bn);
int bpflb_node_remove(struct bpflb_net *bn, struct bpflb_node *node);
void bpflb_node_touch(struct bpflb_net *bn, struct bpflb_node *node);
void bpflb_node_settle(struct bpflb_net *bn, struct bpflb_node *node, bool keep_next);

/* node_mac.c */
int bpflb_node_macs_init(struct bpflb_net *bn);
void bpflb_node_macs_free(struct bpflb_net *bn);
void bpflb_node_forget_macs(struct bpflb_net *bn, struct bpflb_node *node);
void bpflb_node_saw(struct bpflb_net *bn, struct neighbour *n);
void bpflb_node_learn(struct bpflb_net *bn);
bool bpflb_node_sent_frame(struct bpflb_net *bn, const struct sk_buff *skb);

#endif
