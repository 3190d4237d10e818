/* SPDX-License-Identifier: GPL-2.0-only */
/* A namespace's settings: one immutable object, replaced as a whole. */
#ifndef _BPFLB_SETTINGS_H
#define _BPFLB_SETTINGS_H

#include <linux/bpflb.h>
#include <linux/if.h>
#include <linux/netfilter.h>
#include <linux/rcupdate.h>

#include "port_range.h"
#include "prefix.h"

/** struct bpflb_snat_addrs - source addresses of one family */
struct bpflb_snat_addrs {
	u32 n;
	union nf_inet_addr addr[BPFLB_SNAT_ADDRS_MAX];
};

/**
 * struct bpflb_settings - see enum bpflb_settings_attr
 * @rcu: to free it
 * @mode: enum bpflb_mode
 * @mode_origin: enum bpflb_mode_origin
 * @dsr_sender: enum bpflb_dsr_sender
 * @bypass: packets may go past the stack
 * @no_backend: enum bpflb_no_backend
 * @unknown_ports: enum bpflb_unknown_ports
 * @ping: service addresses answer to it
 * @n_dsr_device: how many @dsr_device
 * @n_nodeport_addr: how many @nodeport_addr; 0: all addresses
 * @n_pod: how many @pod
 * @masquerade: enum bpflb_masquerade
 * @refused_notes: enum bpflb_refused_notes
 * @dispatch: enum bpflb_dispatch
 * @flow_accounting: new flows count their packets
 * @flows_max: bound of the namespace's flows
 * @flow_events: bound of the events of flows in a second
 * @timeout: seconds, by enum bpflb_flow_state
 * @snat_ports: where SNAT ports are taken from
 * @nodeports: where they never are
 * @snat: source addresses, of IPv4 and of IPv6
 * @dsr_device: names of devices
 * @nodeport_addr: where node ports are, of the node's addresses
 * @pod: addresses of this node's pods
 * @ipip_source: of IPv4 and of IPv6; of family 0 if there is none
 * @ephemeral: net.ipv4.ip_local_port_range, when the settings were made
 * @usable: @snat_ports less @ephemeral and @nodeports
 */
struct bpflb_settings {
	struct rcu_head rcu;
	u8 mode;
	u8 mode_origin;
	u8 dsr_sender;
	u8 bypass;
	u8 no_backend;
	u8 unknown_ports;
	u8 ping;
	u8 n_dsr_device;
	u8 n_nodeport_addr;
	u8 n_pod;
	u8 masquerade;
	u8 refused_notes;
	u8 dispatch;
	u8 flow_accounting;
	u32 flows_max;
	u32 flow_events;
	u32 timeout[__BPFLB_STATE_MAX];
	struct bpflb_range snat_ports;
	struct bpflb_range nodeports;
	struct bpflb_snat_addrs snat[2];
	char dsr_device[BPFLB_DSR_DEVICES_MAX][IFNAMSIZ];
	struct bpflb_prefix nodeport_addr[BPFLB_NODEPORT_ADDRS_MAX];
	struct bpflb_prefix pod[BPFLB_PODS_MAX];
	struct bpflb_prefix ipip_source[2];
	struct bpflb_range ephemeral;
	struct bpflb_port_set usable;
};

struct net;

int bpflb_settings_init(void);
u32 bpflb_settings_flows_max(void);
struct bpflb_settings *bpflb_settings_default(void);
void bpflb_settings_prepare(struct bpflb_settings *s, struct net *net);
struct bpflb_settings *bpflb_settings_copy(const struct bpflb_settings *s);
bool bpflb_settings_node_port_at(const struct bpflb_settings *s, u8 family,
				 const union nf_inet_addr *addr);
bool bpflb_settings_has_pod(const struct bpflb_settings *s, u8 family,
			    const union nf_inet_addr *addr);
bool bpflb_settings_equal(const struct bpflb_settings *a, const struct bpflb_settings *b);

#endif
