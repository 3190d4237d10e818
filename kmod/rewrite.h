/* SPDX-License-Identifier: GPL-2.0-only */
/* Addresses, ports and checksums of a packet. */
#ifndef _BPFLB_REWRITE_H
#define _BPFLB_REWRITE_H

#include <linux/ip.h>
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

static inline __wsum bpflb_difference(__be32 old, __be32 new)
{
	return csum_sub((__force __wsum)new, (__force __wsum)old);
}

/* @check: of a TCP or UDP header. @addrs: what the addresses add to the sum of
 * the pseudo-header, @ports: what the ports add to the sum of the packet.
 */
static inline void bpflb_checksum_adjust(struct sk_buff *skb, __sum16 *check, __wsum addrs,
					 __wsum ports)
{
	if (skb->ip_summed == CHECKSUM_PARTIAL) {
		/* It is the pseudo-header's so far; the device sums up the rest. */
		*check = ~csum_fold(csum_add(addrs, csum_unfold(*check)));
		return;
	}
	csum_replace_by_diff(check, csum_add(addrs, ports));
	if (skb->ip_summed == CHECKSUM_COMPLETE)
		skb->csum = csum_sub(skb->csum, addrs);
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
	/* Both as one number: a sum doesn't mind where its 16 bit words are. */
	__be32 *port = th;
	__wsum ports = bpflb_difference(*port, to->ports);

	if (tcp) {
		bpflb_checksum_adjust(skb, &((struct tcphdr *)th)->check, addrs, ports);
	} else {
		__sum16 *check = &((struct udphdr *)th)->check;

		if (*check || skb->ip_summed == CHECKSUM_PARTIAL) {
			bpflb_checksum_adjust(skb, check, addrs, ports);
			if (!*check)
				*check = CSUM_MANGLED_0;
		}
	}
	if (hop) {
		/* The TTL is the upper byte of its word. */
		iph->ttl--;
		addrs = csum_sub(addrs, (__force __wsum)htons(0x0100));
	}
	csum_replace_by_diff(&iph->check, addrs);
	iph->saddr = to->saddr;
	iph->daddr = to->daddr;
	*port = to->ports;
}

bool bpflb_rewrite(struct sk_buff *skb, struct bpflb_packet *pkt, const struct bpflb_ends4 *to);

#endif
