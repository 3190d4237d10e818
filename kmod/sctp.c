// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's SCTP is a module that nobody needs to have loaded: only its header
 * files are used here.
 */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/math.h>
#include <linux/sctp.h>
#include <net/checksum.h>

#include "compat/crc32c.h"
#include "crc32c.h"
#include "sctp.h"

/* What opens or closes an association is the first chunk, or close behind it. */
#define CHUNKS_MAX 8

static u8 chunk_bit(u8 type)
{
	switch (type) {
	case SCTP_CID_INIT:
		return BPFLB_SCTP_INIT;
	case SCTP_CID_INIT_ACK:
		return BPFLB_SCTP_INIT_ACK;
	case SCTP_CID_ABORT:
		return BPFLB_SCTP_ABORT;
	case SCTP_CID_SHUTDOWN:
		return BPFLB_SCTP_SHUTDOWN;
	case SCTP_CID_SHUTDOWN_ACK:
		return BPFLB_SCTP_SHUTDOWN_ACK;
	case SCTP_CID_SHUTDOWN_COMPLETE:
		return BPFLB_SCTP_SHUTDOWN_COMPLETE;
	default:
		return 0;
	}
}

/**
 * bpflb_sctp_chunks() - which chunks an SCTP packet has
 * @skb: the packet
 * @thoff: offset of its SCTP header, bytes
 * @len: its length from there on, bytes
 *
 * Data is behind all else (RFC 9260, section 6.10): the list is read that far, or
 * until it makes no sense, or up to a bound.
 *
 * Context: any. Return: BPFLB_SCTP_*.
 */
u8 bpflb_sctp_chunks(const struct sk_buff *skb, u32 thoff, u32 len)
{
	u32 at = thoff + sizeof(struct sctphdr), end = thoff + len;
	u8 found = 0;
	int n;

	for (n = 0; n < CHUNKS_MAX && at + sizeof(struct sctp_chunkhdr) <= end; n++) {
		const struct sctp_chunkhdr *ch;
		struct sctp_chunkhdr buf;

		ch = skb_header_pointer(skb, at, sizeof(buf), &buf);
		if (!ch || ch->type == SCTP_CID_DATA || ntohs(ch->length) < sizeof(*ch))
			break;
		found |= chunk_bit(ch->type);
		at += round_up(ntohs(ch->length), 4);
	}
	return found;
}

static void change_ports(struct sk_buff *skb, const struct bpflb_packet *pkt, __be16 src,
			 __be16 dst)
{
	struct sctphdr *sh = (void *)skb->data + pkt->thoff;
	u32 len = pkt->len - (pkt->thoff - skb_network_offset(skb));
	__le32 *ports = (void *)sh;
	u32 before = le32_to_cpu(*ports);

	sh->source = src;
	sh->dest = dst;
	/* Else the device, or who cuts it in pieces, sums it up. */
	if (skb->ip_summed != CHECKSUM_PARTIAL)
		sh->checksum ^= cpu_to_le32(bpflb_crc32c_change(before ^ le32_to_cpu(*ports), len));
}

static void change_addrs4(struct iphdr *iph, const struct bpflb_tuple *to)
{
	csum_replace4(&iph->check, iph->saddr, to->src.addr.ip);
	csum_replace4(&iph->check, iph->daddr, to->dst.addr.ip);
	iph->saddr = to->src.addr.ip;
	iph->daddr = to->dst.addr.ip;
}

/**
 * bpflb_sctp_rewrite() - give an SCTP packet other endpoints
 * @skb: the packet, its headers writable
 * @pkt: what it is
 * @to: the endpoints
 *
 * The CRC is that of the SCTP packet alone: other addresses leave it as it is,
 * and so does the note of DSR.
 *
 * Context: any.
 */
void bpflb_sctp_rewrite(struct sk_buff *skb, const struct bpflb_packet *pkt,
			const struct bpflb_tuple *to)
{
	/* The ones' complement sum of it all, which no receiver of SCTP asks for. */
	if (skb->ip_summed == CHECKSUM_COMPLETE)
		skb->ip_summed = CHECKSUM_NONE;
	change_ports(skb, pkt, to->src.port, to->dst.port);
	if (pkt->tuple.family == NFPROTO_IPV6) {
		ipv6_hdr(skb)->saddr = to->src.addr.in6;
		ipv6_hdr(skb)->daddr = to->dst.addr.in6;
	} else {
		change_addrs4(ip_hdr(skb), to);
	}
}

/* Of an SCTP packet, its own field taken as 0 (RFC 9260, section 6.8). */
static bool packet_crc(const struct sk_buff *skb, u32 at, u32 len, __le32 *crc)
{
	u32 sum = ~0, done, piece;
	u8 buf[256];

	for (done = 0; done < len; done += piece) {
		piece = min_t(u32, len - done, sizeof(buf));
		if (skb_copy_bits(skb, at + done, buf, piece))
			return false;
		if (!done)
			memset(buf + offsetof(struct sctphdr, checksum), 0, sizeof(*crc));
		sum = bpflb_crc32c(sum, buf, piece);
	}
	*crc = cpu_to_le32(~sum);
	return true;
}

/**
 * bpflb_sctp_is_intact() - is the CRC32c of an SCTP packet right?
 * @skb: the packet
 * @pkt: what it is
 *
 * Context: any.
 */
bool bpflb_sctp_is_intact(const struct sk_buff *skb, const struct bpflb_packet *pkt)
{
	const struct sctphdr *sh;
	struct sctphdr buf;
	__le32 crc;

	if (skb_csum_unnecessary(skb) || skb->ip_summed == CHECKSUM_PARTIAL)
		return true;
	sh = skb_header_pointer(skb, pkt->thoff, sizeof(buf), &buf);
	return sh && packet_crc(skb, pkt->thoff,
				pkt->len - (pkt->thoff - skb_network_offset(skb)), &crc) &&
	       sh->checksum == crc;
}

/**
 * bpflb_sctp_end() - what answers a packet of an association that is no more
 * @end: the answer
 * @skb: the packet
 * @pkt: what it is
 *
 * RFC 9260, section 8.4: ABORT, but to SHUTDOWN ACK SHUTDOWN COMPLETE, with the
 * verification tag of the packet, which the T bit tells.
 *
 * Context: any. Return: false if it is to have no answer.
 */
bool bpflb_sctp_end(struct bpflb_sctp_end *end, const struct sk_buff *skb,
		    const struct bpflb_packet *pkt)
{
	bool shut = pkt->tcp_flags & BPFLB_SCTP_SHUTDOWN_ACK;
	const struct sctphdr *sh;
	struct sctphdr buf;

	sh = skb_header_pointer(skb, pkt->thoff, sizeof(buf), &buf);
	if (!sh || pkt->tcp_flags & (BPFLB_SCTP_ABORT | BPFLB_SCTP_SHUTDOWN_COMPLETE))
		return false;
	*end = (struct bpflb_sctp_end){
		.head = { .source = sh->dest, .dest = sh->source, .vtag = sh->vtag },
		.chunk = {
			.type = shut ? SCTP_CID_SHUTDOWN_COMPLETE : SCTP_CID_ABORT,
			.flags = SCTP_CHUNK_FLAG_T,
			.length = htons(sizeof(end->chunk)),
		},
	};
	end->head.checksum = cpu_to_le32(~bpflb_crc32c(~0, end, sizeof(*end)));
	return true;
}
