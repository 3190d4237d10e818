// SPDX-License-Identifier: GPL-2.0-only
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/checksum.h>
#include <net/ip.h>

#include "rewrite.h"

/* A TCP or UDP checksum that is to follow; NULL: UDP without one (RFC 768). */
static __sum16 *checksum_at(struct sk_buff *skb, const struct bpflb_packet *pkt)
{
	void *th = skb->data + pkt->thoff;
	struct udphdr *uh = th;

	if (pkt->tuple.proto == IPPROTO_TCP)
		return &((struct tcphdr *)th)->check;
	return uh->check || skb->ip_summed == CHECKSUM_PARTIAL ? &uh->check : NULL;
}

static void rewrite_addr(struct sk_buff *skb, __be32 *addr, __be32 to, __sum16 *check)
{
	if (*addr == to)
		return;
	csum_replace4(&ip_hdr(skb)->check, *addr, to);
	if (check)
		inet_proto_csum_replace4(check, skb, *addr, to, true);
	*addr = to;
}

static void rewrite_port(struct sk_buff *skb, __be16 *port, __be16 to, __sum16 *check)
{
	if (*port == to)
		return;
	if (check)
		inet_proto_csum_replace2(check, skb, *port, to, false);
	*port = to;
}

/**
 * bpflb_rewrite() - give a packet other endpoints
 * @skb: the packet, skb->data at its IPv4 header
 * @pkt: what it is; follows the change
 * @src: its new source
 * @dst: its new destination
 *
 * Checksums are updated by difference (RFC 1624), whether they are finished or
 * left to the device. Pointers into the packet are not valid afterwards.
 *
 * Context: any. Return: false without memory; then nothing was written.
 */
bool bpflb_rewrite(struct sk_buff *skb, struct bpflb_packet *pkt,
		   const struct bpflb_endpoint *src, const struct bpflb_endpoint *dst)
{
	bool tcp = pkt->tuple.proto == IPPROTO_TCP;
	struct iphdr *iph;
	__sum16 *check;
	__be16 *ports;

	if (skb_ensure_writable(skb, pkt->thoff + (tcp ? sizeof(struct tcphdr) :
							 sizeof(struct udphdr))))
		return false;
	iph = ip_hdr(skb);
	ports = (__be16 *)(skb->data + pkt->thoff);
	check = checksum_at(skb, pkt);
	rewrite_addr(skb, &iph->saddr, src->addr.ip, check);
	rewrite_addr(skb, &iph->daddr, dst->addr.ip, check);
	rewrite_port(skb, &ports[0], src->port, check);
	rewrite_port(skb, &ports[1], dst->port, check);
	if (!tcp && check && !*check)
		*check = CSUM_MANGLED_0;
	pkt->tuple.src = *src;
	pkt->tuple.dst = *dst;
	return true;
}
