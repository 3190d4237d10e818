/* SPDX-License-Identifier: GPL-2.0-only */
/* Finding a flow by a packet's addresses and ports: inline, for each packet does it. */
#ifndef _BPFLB_FLOW_FIND_H
#define _BPFLB_FLOW_FIND_H

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/prefetch.h>
#include <linux/siphash.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "flow_index.h"

extern hsiphash_key_t bpflb_flow_secret;

/**
 * bpflb_packet_key4() - read what a flow is known by, if the packet is ordinary
 * @skb: the packet, its IPv4 header checked by the stack
 * @ns: number of the namespace
 * @k: what to fill
 *
 * Context: softirq or process, RCU. Return: false if it is none of TCP or UDP, a
 * fragment, has IP options, or its headers are not all at hand in skb->data:
 * bpflb_packet_parse4() has a closer look at it.
 */
static __always_inline bool bpflb_packet_key4(const struct sk_buff *skb, u32 ns,
					      struct bpflb_key4 *k)
{
	const struct iphdr *iph = ip_hdr(skb);
	const u32 *ports = (const u32 *)(iph + 1);
	u32 need = sizeof(*iph);

	if (*(const u8 *)iph != 0x45 || ip_is_fragment(iph))
		return false;
	if (iph->protocol == IPPROTO_TCP)
		need += sizeof(struct tcphdr);
	else if (iph->protocol == IPPROTO_UDP)
		need += sizeof(struct udphdr);
	else
		return false;
	if (skb_headlen(skb) < need)
		return false;
	k->saddr = iph->saddr;
	k->daddr = iph->daddr;
	k->ports = *ports;
	k->ns_proto = bpflb_ns_proto(ns, false, iph->protocol);
	return true;
}

/**
 * bpflb_packet_key6() - read what a flow is known by, if the packet is ordinary
 * @skb: the packet, its IPv6 header checked by the stack
 * @ns: number of the namespace
 * @k: what to fill
 *
 * Context: softirq or process, RCU. Return: false if it is none of TCP or UDP, has
 * extension headers, or its headers are not all at hand in skb->data:
 * bpflb_packet_parse6() has a closer look at it.
 */
static __always_inline bool bpflb_packet_key6(const struct sk_buff *skb, u32 ns,
					      struct bpflb_key6 *k)
{
	const struct ipv6hdr *ip6h = ipv6_hdr(skb);
	u32 need = sizeof(*ip6h);

	if (ip6h->nexthdr == IPPROTO_TCP)
		need += sizeof(struct tcphdr);
	else if (ip6h->nexthdr == IPPROTO_UDP)
		need += sizeof(struct udphdr);
	else
		return false;
	if (skb_headlen(skb) < need)
		return false;
	k->saddr = ip6h->saddr;
	k->daddr = ip6h->daddr;
	k->ports = *(const u32 *)(ip6h + 1);
	k->ns_proto = bpflb_ns_proto(ns, true, ip6h->nexthdr);
	return true;
}

/**
 * bpflb_packet_of_key4() - all that the hooks need to know of an ordinary packet
 * @skb: the packet
 * @k: what bpflb_packet_key4() has read
 * @pkt: what to fill
 */
static inline void bpflb_packet_of_key4(const struct sk_buff *skb, const struct bpflb_key4 *k,
					struct bpflb_packet *pkt)
{
	const struct iphdr *iph = ip_hdr(skb);

	*pkt = (struct bpflb_packet){
		.tuple = {
			.family = NFPROTO_IPV4,
			.proto = k->ns_proto,
			.src = { .addr = { .ip = k->saddr }, .port = k->sport },
			.dst = { .addr = { .ip = k->daddr }, .port = k->dport },
		},
		.thoff = skb_network_offset(skb) + sizeof(*iph),
		.len = skb->len - skb_network_offset(skb),
		.tcp_flags = iph->protocol == IPPROTO_TCP ? ((const u8 *)(iph + 1))[13] : 0,
	};
}

static_assert(BPFLB_ADDR_SERVICE == BPFLB_ADDR_CLIENT + 1);
static_assert(BPFLB_ADDR_SNAT == BPFLB_ADDR_BACKEND + 1);

/**
 * bpflb_flow_matches4() - is a packet what a flow has in the table under a key?
 * @flow: the flow
 * @key: one of its keys
 * @k: the packet's addresses and ports
 * @role: if so, what it is to the flow
 *
 * Context: RCU.
 */
static __always_inline bool bpflb_flow_matches4(const struct bpflb_flow *flow, enum bpflb_key key,
						const struct bpflb_key4 *k, enum bpflb_role *role)
{
	if (flow->ns_proto != k->ns_proto)
		return false;
	if (key == BPFLB_KEY_ORIG) {
		*role = BPFLB_ROLE_ORIG;
		return flow->orig_addrs == k->addrs && flow->orig_ports == k->ports;
	}
	if (key == BPFLB_KEY_REPLY) {
		*role = BPFLB_ROLE_REPLY;
		return flow->reply_addrs == k->addrs && flow->reply_ports == k->ports;
	}
	if (flow->addr[BPFLB_ADDR_CLIENT] == k->saddr &&
	    flow->addr[BPFLB_ADDR_BACKEND] == k->daddr &&
	    flow->mport == k->sport && flow->bport == k->dport) {
		*role = BPFLB_ROLE_MID_ORIG;
		return true;
	}
	*role = BPFLB_ROLE_MID_REPLY;
	return flow->addr[BPFLB_ADDR_BACKEND] == k->saddr &&
	       flow->addr[BPFLB_ADDR_CLIENT] == k->daddr &&
	       flow->bport == k->sport && flow->mport == k->dport;
}

/**
 * bpflb_flow_matches6() - the same of an IPv6 packet
 * @flow: the flow
 * @key: one of its keys
 * @k: the packet's addresses and ports
 * @role: if so, what it is to the flow
 *
 * Context: RCU.
 */
static __always_inline bool bpflb_flow_matches6(const struct bpflb_flow *flow, enum bpflb_key key,
						const struct bpflb_key6 *k, enum bpflb_role *role)
{
	const struct in6_addr *addr = bpflb_flow_addr6(flow, 0);

	if (flow->ns_proto != k->ns_proto)
		return false;
	if (key == BPFLB_KEY_ORIG) {
		*role = BPFLB_ROLE_ORIG;
		return flow->orig_ports == k->ports &&
		       ipv6_addr_equal(&addr[BPFLB_ADDR_CLIENT], &k->saddr) &&
		       ipv6_addr_equal(&addr[BPFLB_ADDR_SERVICE], &k->daddr);
	}
	if (key == BPFLB_KEY_REPLY) {
		*role = BPFLB_ROLE_REPLY;
		return flow->reply_ports == k->ports &&
		       ipv6_addr_equal(&addr[BPFLB_ADDR_BACKEND], &k->saddr) &&
		       ipv6_addr_equal(&addr[BPFLB_ADDR_SNAT], &k->daddr);
	}
	if (flow->mport == k->sport && flow->bport == k->dport &&
	    ipv6_addr_equal(&addr[BPFLB_ADDR_CLIENT], &k->saddr) &&
	    ipv6_addr_equal(&addr[BPFLB_ADDR_BACKEND], &k->daddr)) {
		*role = BPFLB_ROLE_MID_ORIG;
		return true;
	}
	*role = BPFLB_ROLE_MID_REPLY;
	return flow->bport == k->sport && flow->mport == k->dport &&
	       ipv6_addr_equal(&addr[BPFLB_ADDR_BACKEND], &k->saddr) &&
	       ipv6_addr_equal(&addr[BPFLB_ADDR_CLIENT], &k->daddr);
}

/* What a lookup is for, and what it has found so far. */
struct bpflb_search {
	const struct bpflb_key4 *k4;
	const struct bpflb_key6 *k6;
	bool only_mid;
	struct bpflb_match found;
};

static __always_inline bool bpflb_search_match(struct bpflb_flow *flow, enum bpflb_key key,
					       void *arg)
{
	struct bpflb_search *s = arg;
	enum bpflb_role role;
	bool is_mid = key == BPFLB_KEY_MID;

	/* Its other line is wanted next; so both come together. */
	prefetch(&flow->be);
	if (is_mid < s->only_mid || !(s->k4 ? bpflb_flow_matches4(flow, key, s->k4, &role) :
					      bpflb_flow_matches6(flow, key, s->k6, &role)))
		return false;
	s->found = (struct bpflb_match){ flow, role };
	return !is_mid || s->only_mid;
}

/**
 * bpflb_flow_find4() - the flow of an IPv4 packet
 * @k: the packet's addresses and ports
 * @hash: bpflb_key4_hash()
 * @only_mid: on its way through; else as it comes in, or maybe out again
 *
 * Where two flows match (a service address that is another service's backend),
 * the one that the packet is still to be translated for wins, unless @only_mid.
 *
 * Context: RCU; the flow is valid until it ends. Return: flow NULL if none.
 */
static __always_inline struct bpflb_match bpflb_flow_find4(const struct bpflb_key4 *k, u32 hash,
							   bool only_mid)
{
	struct bpflb_search s = { .k4 = k, .only_mid = only_mid };

	bpflb_index_lookup(hash, bpflb_search_match, &s);
	return s.found;
}

/** bpflb_flow_find6() - the flow of an IPv6 packet; see bpflb_flow_find4() */
static __always_inline struct bpflb_match bpflb_flow_find6(const struct bpflb_key6 *k, u32 hash,
							   bool only_mid)
{
	struct bpflb_search s = { .k6 = k, .only_mid = only_mid };

	bpflb_index_lookup(hash, bpflb_search_match, &s);
	return s.found;
}

#endif
