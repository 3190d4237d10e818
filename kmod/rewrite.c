// SPDX-License-Identifier: GPL-2.0-only
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/checksum.h>
#include <net/ip.h>

#include "rewrite.h"

static __wsum difference(__be32 old, __be32 new)
{
	return csum_sub((__force __wsum)new, (__force __wsum)old);
}

/* Both ports at once: a sum doesn't mind where its 16 bit words are. */
static __wsum ports_difference(const __be16 *old, __be16 sport, __be16 dport)
{
	return csum_add(csum_sub((__force __wsum)sport, (__force __wsum)old[0]),
			csum_sub((__force __wsum)dport, (__force __wsum)old[1]));
}

/* @check: of a TCP or UDP header. @addrs: what the addresses add to the sum of
 * the pseudo-header, @ports: what the ports add to the sum of the packet.
 */
static void checksum_adjust(struct sk_buff *skb, __sum16 *check, __wsum addrs, __wsum ports)
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
 * @to: the endpoints
 *
 * Checksums are updated by difference (RFC 1624), whether they are finished or
 * left to the device. UDP without a checksum (RFC 768) stays without.
 *
 * Context: any.
 */
void bpflb_rewrite4(struct sk_buff *skb, struct iphdr *iph, void *th,
		    const struct bpflb_ends4 *to)
{
	__wsum addrs = csum_add(difference(iph->saddr, to->saddr),
				difference(iph->daddr, to->daddr));
	__be16 *port = th;
	__wsum ports = ports_difference(port, to->sport, to->dport);

	if (iph->protocol == IPPROTO_TCP) {
		checksum_adjust(skb, &((struct tcphdr *)th)->check, addrs, ports);
	} else {
		__sum16 *check = &((struct udphdr *)th)->check;

		if (*check || skb->ip_summed == CHECKSUM_PARTIAL) {
			checksum_adjust(skb, check, addrs, ports);
			if (!*check)
				*check = CSUM_MANGLED_0;
		}
	}
	csum_replace_by_diff(&iph->check, addrs);
	iph->saddr = to->saddr;
	iph->daddr = to->daddr;
	port[0] = to->sport;
	port[1] = to->dport;
}

/**
 * bpflb_rewrite() - give a packet other endpoints
 * @skb: the packet, skb->data at its IPv4 header
 * @pkt: what it is; follows the change
 * @src: its new source
 * @dst: its new destination
 *
 * Pointers into the packet are not valid afterwards.
 *
 * Context: any. Return: false without memory; then nothing was written.
 */
bool bpflb_rewrite(struct sk_buff *skb, struct bpflb_packet *pkt,
		   const struct bpflb_endpoint *src, const struct bpflb_endpoint *dst)
{
	const struct bpflb_ends4 to = { src->addr.ip, dst->addr.ip, src->port, dst->port };
	bool tcp = pkt->tuple.proto == IPPROTO_TCP;

	if (bpflb_endpoint_equal(src, &pkt->tuple.src) &&
	    bpflb_endpoint_equal(dst, &pkt->tuple.dst))
		return true;
	if (skb_ensure_writable(skb, pkt->thoff + (tcp ? sizeof(struct tcphdr) :
							 sizeof(struct udphdr))))
		return false;
	bpflb_rewrite4(skb, ip_hdr(skb), skb->data + pkt->thoff, &to);
	pkt->tuple.src = *src;
	pkt->tuple.dst = *dst;
	return true;
}
