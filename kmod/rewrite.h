/* SPDX-License-Identifier: GPL-2.0-only */
/* Addresses, ports and checksums of a packet. */
#ifndef _BPFLB_REWRITE_H
#define _BPFLB_REWRITE_H

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/checksum.h>

#include "packet.h"

/** struct bpflb_ends4 - what the endpoints of an IPv4 packet shall be */
struct bpflb_ends4 {
	__be32 saddr;
	__be32 daddr;
	union {
		struct {
			__be16 sport;
			__be16 dport;
		};
		__be32 ports;
	};
};

/** struct bpflb_ends6 - the same of an IPv6 packet */
struct bpflb_ends6 {
	const struct in6_addr *saddr;
	const struct in6_addr *daddr;
	union {
		struct {
			__be16 sport;
			__be16 dport;
		};
		__be32 ports;
	};
};

static inline __wsum bpflb_difference(__be32 old, __be32 new)
{
	return csum_sub((__force __wsum)new, (__force __wsum)old);
}

/* @check: of a TCP or UDP header. @addrs: what the addresses add to the sum of
 * the pseudo-header, @ports: what the ports add to the sum of the packet.
 */
static inline void bpflb_checksum_adjust(struct sk_buff *skb, __sum16 *check, __wsum addrs,
					 __wsum ports, bool ipv6)
{
	if (skb->ip_summed == CHECKSUM_PARTIAL) {
		/* It is the pseudo-header's so far; the device sums up the rest. */
		*check = ~csum_fold(csum_add(addrs, csum_unfold(*check)));
		return;
	}
	csum_replace_by_diff(check, csum_add(addrs, ports));
	/* The sum of the whole packet: an IPv4 header sums up to 0 before and after.
	 * In IPv6, what the addresses add to the header, the checksum here takes away.
	 */
	if (skb->ip_summed == CHECKSUM_COMPLETE && !ipv6)
		skb->csum = csum_sub(skb->csum, addrs);
}

/* Give a TCP or UDP header other ports, and a checksum that follows these and the
 * addresses, whose sum changes by @addrs.
 */
static __always_inline void bpflb_rewrite_transport(struct sk_buff *skb, void *th, bool tcp,
						    __wsum addrs, __be32 to, bool ipv6)
{
	/* Both as one number: a sum doesn't mind where its 16 bit words are. */
	__be32 *port = th;
	__wsum ports = bpflb_difference(*port, to);

	if (tcp) {
		bpflb_checksum_adjust(skb, &((struct tcphdr *)th)->check, addrs, ports, ipv6);
	} else {
		__sum16 *check = &((struct udphdr *)th)->check;

		if (*check || skb->ip_summed == CHECKSUM_PARTIAL) {
			bpflb_checksum_adjust(skb, check, addrs, ports, ipv6);
			if (!*check)
				*check = CSUM_MANGLED_0;
		} else if (skb->ip_summed == CHECKSUM_COMPLETE) {
			/* No checksum here takes away what is new. */
			skb->csum = csum_add(skb->csum, ipv6 ? csum_add(addrs, ports) : ports);
		}
	}
	*port = to;
}

/**
 * bpflb_rewrite4() - give an IPv4 packet other endpoints
 * @skb: the packet, its headers writable
 * @iph: its IPv4 header
 * @th: its TCP or UDP header
 * @tcp: which of them
 * @hop: one hop further too: TTL - 1
 * @to: the endpoints
 *
 * Checksums are updated by difference (RFC 1624), whether they are finished or
 * left to the device. UDP without a checksum (RFC 768) stays without.
 *
 * Context: any.
 */
static __always_inline void bpflb_rewrite4(struct sk_buff *skb, struct iphdr *iph, void *th,
					   bool tcp, bool hop, const struct bpflb_ends4 *to)
{
	__wsum addrs = csum_add(bpflb_difference(iph->saddr, to->saddr),
				bpflb_difference(iph->daddr, to->daddr));

	bpflb_rewrite_transport(skb, th, tcp, addrs, to->ports, false);
	if (hop) {
		/* The TTL is the upper byte of its word. */
		iph->ttl--;
		addrs = csum_sub(addrs, (__force __wsum)htons(0x0100));
	}
	csum_replace_by_diff(&iph->check, addrs);
	iph->saddr = to->saddr;
	iph->daddr = to->daddr;
}

static inline __wsum bpflb_difference6(const struct in6_addr *old, const struct in6_addr *new)
{
	__wsum sum = bpflb_difference(old->s6_addr32[0], new->s6_addr32[0]);
	int i;

	for (i = 1; i < 4; i++)
		sum = csum_add(sum, bpflb_difference(old->s6_addr32[i], new->s6_addr32[i]));
	return sum;
}

/**
 * bpflb_rewrite6() - give an IPv6 packet other endpoints
 * @skb: the packet, its headers writable
 * @ip6h: its IPv6 header
 * @th: its TCP or UDP header
 * @tcp: which of them
 * @hop: one hop further too: hop limit - 1
 * @to: the endpoints
 *
 * As bpflb_rewrite4(). UDP without a checksum is what tunnels may send (RFC 6935).
 *
 * Context: any.
 */
static __always_inline void bpflb_rewrite6(struct sk_buff *skb, struct ipv6hdr *ip6h, void *th,
					   bool tcp, bool hop, const struct bpflb_ends6 *to)
{
	__wsum addrs = csum_add(bpflb_difference6(&ip6h->saddr, to->saddr),
				bpflb_difference6(&ip6h->daddr, to->daddr));

	bpflb_rewrite_transport(skb, th, tcp, addrs, to->ports, true);
	if (hop)
		ip6h->hop_limit--;	/* what is forwarded has no sum of a device any more */
	ip6h->saddr = *to->saddr;
	ip6h->daddr = *to->daddr;
}

bool bpflb_rewrite(struct sk_buff *skb, struct bpflb_packet *pkt, const struct bpflb_tuple *to);

#endif
