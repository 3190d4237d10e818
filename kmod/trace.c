// SPDX-License-Identifier: GPL-2.0-only
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/socket.h>
#include <linux/string.h>
#include <net/ip.h>
#include <net/ipv6.h>

#define CREATE_TRACE_POINTS
#include "trace.h"

u8 bpflb_trace_family(bool ipv6)
{
	return ipv6 ? AF_INET6 : AF_INET;
}

/**
 * bpflb_trace_addr() - an address of a flow, for a trace
 * @to: 16 bytes for either family: an IPv4 address as IPv6 has it, ::ffff:192.0.2.1
 * @flow: the flow
 * @which: BPFLB_ADDR_*
 */
void bpflb_trace_addr(u8 to[16], const struct bpflb_flow *flow, unsigned int which)
{
	union nf_inet_addr addr = bpflb_flow_addr(flow, which);
	struct in6_addr mapped;

	ipv6_addr_set_v4mapped(addr.ip, &mapped);
	memcpy(to, bpflb_flow_is_ipv6(flow) ? &addr.in6 : &mapped, sizeof(mapped));
}

/**
 * bpflb_trace_read_account() - what a flow has carried
 * @flow: the flow
 * @account: the result
 *
 * Context: RCU.
 */
void bpflb_trace_read_account(const struct bpflb_flow *flow, struct bpflb_trace_account *account)
{
	int way;

	memset(account, 0, sizeof(*account));
	account->there = READ_ONCE(flow->flags) & BPFLB_FLOW_ACCOUNTED;
	if (!account->there)
		return;
	for (way = 0; way < 2; way++) {
		account->packets[way] = atomic64_read(&flow->account->packets[way]);
		account->bytes[way] = atomic64_read(&flow->account->bytes[way]);
	}
	account->duration = bpflb_flow_account_duration(flow->account);
}

/* Return: where the header is that is above IP's, from skb->data on; below 0: nowhere. */
static int read4(const struct sk_buff *skb, struct bpflb_trace_packet *packet)
{
	int at = skb_network_offset(skb);
	const struct iphdr *iph;
	struct in6_addr mapped;
	struct iphdr room;

	iph = skb_header_pointer(skb, at, sizeof(room), &room);
	if (!iph)
		return -1;
	packet->family = AF_INET;
	packet->proto = iph->protocol;
	ipv6_addr_set_v4mapped(iph->saddr, &mapped);
	memcpy(packet->saddr, &mapped, sizeof(mapped));
	ipv6_addr_set_v4mapped(iph->daddr, &mapped);
	memcpy(packet->daddr, &mapped, sizeof(mapped));
	return iph->frag_off & htons(IP_OFFSET) ? -1 : at + iph->ihl * 4;
}

static int read6(const struct sk_buff *skb, struct bpflb_trace_packet *packet)
{
	int at = skb_network_offset(skb);
	const struct ipv6hdr *ip6h;
	struct ipv6hdr room;
	__be16 fragment = 0;

	ip6h = skb_header_pointer(skb, at, sizeof(room), &room);
	if (!ip6h)
		return -1;
	packet->family = AF_INET6;
	packet->proto = ip6h->nexthdr;
	memcpy(packet->saddr, &ip6h->saddr, sizeof(ip6h->saddr));
	memcpy(packet->daddr, &ip6h->daddr, sizeof(ip6h->daddr));
	at = ipv6_skip_exthdr(skb, at + sizeof(room), &packet->proto, &fragment);
	return fragment & htons(IP6_OFFSET) ? -1 : at;
}

/**
 * bpflb_trace_read_packet() - the headers of a packet as they are now
 * @skb: the packet
 * @packet: the result
 *
 * Context: any.
 */
void bpflb_trace_read_packet(const struct sk_buff *skb, struct bpflb_trace_packet *packet)
{
	const __be16 *ports;
	__be16 room[2];
	int at = -1;

	memset(packet, 0, sizeof(*packet));
	if (skb->protocol == htons(ETH_P_IP))
		at = read4(skb, packet);
	else if (skb->protocol == htons(ETH_P_IPV6))
		at = read6(skb, packet);
	if (at < 0 || (packet->proto != IPPROTO_TCP && packet->proto != IPPROTO_UDP &&
		       packet->proto != IPPROTO_SCTP))
		return;
	ports = skb_header_pointer(skb, at, sizeof(room), room);
	if (!ports)
		return;
	packet->sport = ntohs(ports[0]);
	packet->dport = ntohs(ports[1]);
}
