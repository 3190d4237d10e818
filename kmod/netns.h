/* SPDX-License-Identifier: GPL-2.0-only */
/* What bpflb keeps for each network namespace. */
#ifndef _BPFLB_NETNS_H
#define _BPFLB_NETNS_H

#include <linux/mutex.h>
#include <linux/percpu_counter.h>
#include <linux/rhashtable.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "reject.h"
#include "settings.h"
#include "txn.h"

struct bpflb_affinity_sets;
struct bpflb_hooks;
struct bpflb_net_counters;
struct bpflb_vrfs;

/**
 * struct bpflb_net - a namespace
 * @net: the kernel's side of it
 * @id: number, as in the flow table's hash; below 2^24
 * @settings: what packets go by
 * @frontends: struct bpflb_frontend, by address
 * @vips: struct bpflb_vip, by address
 * @ports: bits of the ports that frontends have, or had: those with an address,
 *	and node ports
 * @ranges: how many frontends have more than one port
 * @backends: struct bpflb_backend, by service and address
 * @nodes: struct bpflb_node, by address
 * @macs: what the nodes were seen by, see node_mac.c
 * @macs_lock: for changes of @macs; taken last
 * @snat_pools: struct bpflb_snat_pool, by backend and source address
 * @counters: drops and notes
 * @reject_limit: of ICMP errors
 * @affinity: which clients are to have a backend again; NULL until a service has that
 * @vrfs: its virtual routers; NULL: none. Changed under RTNL
 * @flows: how many there are
 * @foreign: another user namespace than the machine's owns it
 * @flow_events_second: the one that @flow_events is of, in jiffies / HZ
 * @flow_events: how many there were in it
 * @snat_told: jiffies of the last event of exhausted ports; 0: none yet
 * @lock: for all that follows, and every change of the above but @vrfs, @flows,
 *	@flow_events, its second, @macs and @snat_told
 * @services: struct bpflb_service, by name and protocol
 * @service_ids: the same, by number
 * @node_list: the same as @nodes; packets walk it under RCU
 * @last_service_id: the newest number
 * @last_backend_id: the newest number
 * @last_node_id: the newest number
 * @n_services: live ones
 * @n_backends: live ones
 * @n_nodes: live ones
 * @table_bytes: of the tables of all pools
 * @generation: of the configuration
 * @hooks: the netfilter hooks, where they are registered
 * @dying: the namespace ends
 * @readdress_late: an address has changed while a transaction was open
 * @txn: the open transaction
 * @readdress: looks again which addresses are this node's own
 * @lost: ends the flows from an address that this node has lost
 * @meet: asks for the MACs of nodes that are new
 * @resolve: asks for those of all
 * @resolved: when it did, in jiffies
 */
struct bpflb_net {
	struct net *net;
	u32 id;
	struct bpflb_settings __rcu *settings;
	struct rhashtable frontends;
	struct rhashtable vips;
	unsigned long *ports[2];
	u32 ranges;
	struct rhashtable backends;
	struct rhashtable nodes;
	struct rhltable macs;
	spinlock_t macs_lock;	/* changes of @macs */
	struct rhashtable snat_pools;
	struct bpflb_net_counters __percpu *counters;
	struct bpflb_reject_limit reject_limit;
	struct bpflb_affinity_sets *affinity;
	struct bpflb_vrfs __rcu *vrfs;
	struct percpu_counter flows;
	bool foreign;
	u32 flow_events_second;
	atomic_t flow_events;
	u32 snat_told;

	struct mutex lock;	/* the configuration */
	struct rhashtable services;
	struct xarray service_ids;
	struct list_head node_list;
	u32 last_service_id;
	u32 last_backend_id;
	u32 last_node_id;
	u32 n_services;
	u32 n_backends;
	u32 n_nodes;
	unsigned long table_bytes;
	u64 generation;
	struct bpflb_hooks *hooks;
	bool dying;
	bool readdress_late;
	struct bpflb_txn txn;
	struct work_struct readdress;
	struct delayed_work lost;
	struct work_struct meet;
	struct delayed_work resolve;
	unsigned long resolved;
};

extern unsigned int bpflb_net_id;

struct bpflb_net *bpflb_net(const struct net *net);
bool bpflb_addr_is_own(struct net *net, u8 family, const union nf_inet_addr *addr);
int bpflb_net_init(void);
void bpflb_net_exit(void);

#endif
