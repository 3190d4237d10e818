// SPDX-License-Identifier: GPL-2.0-only
/*
 * The DSR note as an IPv6 destination option (RFC 8200, section 4.6), as Cilium has
 * it: a header of 24 bytes right behind the fixed one, in network byte order:
 *
 *	offset	0	next header
 *		1	length of this one: 2, in units of 8 bytes, less one
 *		2	type of the option: 0x1b, to be skipped by who doesn't know it
 *		3	length of the option: 20
 *		4	address of the service
 *		20	port of the service
 *		22	0
 */
#include <linux/ipv6.h>
#include <linux/skbuff.h>
#include <net/ipv6.h>

#include "dsr.h"

#define NOTE_TYPE	0x1b
#define NOTE_LEN	20

/** struct note6 - the header that is a note */
struct note6 {
	u8 nexthdr;
	u8 hdrlen;
	u8 type;
	u8 len;
	struct in6_addr addr;
	__be16 port;
	__be16 zero;
};
static_assert(sizeof(struct note6) == BPFLB_NOTE_OPT6_LEN);

static bool note_parse(const struct note6 *hdr, struct bpflb_endpoint *note)
{
	if (hdr->hdrlen != sizeof(*hdr) / 8 - 1 || hdr->type != NOTE_TYPE || hdr->len != NOTE_LEN)
		return false;
	*note = (struct bpflb_endpoint){ .addr = { .in6 = hdr->addr }, .port = hdr->port };
	return true;
}

/**
 * bpflb_note_opt6_read() - read a packet's note
 * @skb: the packet, its IPv6 header checked by the stack
 * @note: what to fill
 *
 * Context: any. Return: false if it has none.
 */
bool bpflb_note_opt6_read(const struct sk_buff *skb, struct bpflb_endpoint *note)
{
	const struct note6 *hdr;
	struct note6 buf;

	if (ipv6_hdr(skb)->nexthdr != NEXTHDR_DEST)
		return false;
	hdr = skb_header_pointer(skb, skb_network_offset(skb) + sizeof(struct ipv6hdr),
				 sizeof(buf), &buf);
	return hdr && note_parse(hdr, note);
}

/**
 * bpflb_note_opt6_quoted() - read a quoted packet's note
 * @skb: the packet that quotes it
 * @offset: of the quoted IPv6 header
 * @note: what to fill
 *
 * Context: any. Return: false if it has none.
 */
bool bpflb_note_opt6_quoted(const struct sk_buff *skb, u32 offset, struct bpflb_endpoint *note)
{
	struct {
		struct ipv6hdr ip6h;
		struct note6 note;
	} buf;
	const typeof(buf) *q = skb_header_pointer(skb, offset, sizeof(buf), &buf);

	return q && q->ip6h.nexthdr == NEXTHDR_DEST && note_parse(&q->note, note);
}

/**
 * bpflb_note_opt6_fits() - can the packet get a note?
 * @skb: the packet
 *
 * Not if its length says nothing (a jumbogram) or is the largest; nor if it has
 * hop-by-hop options, which nothing may come before.
 */
bool bpflb_note_opt6_fits(const struct sk_buff *skb)
{
	u32 len = ntohs(ipv6_hdr(skb)->payload_len);

	return len && len + sizeof(struct note6) <= U16_MAX &&
	       ipv6_hdr(skb)->nexthdr != NEXTHDR_HOP;
}

static void header_moved(struct sk_buff *skb, int by)
{
	bpflb_move_mac_header(skb, by);
	skb_reset_network_header(skb);
	ipv6_hdr(skb)->payload_len = htons(ntohs(ipv6_hdr(skb)->payload_len) - by);
	/* A sum that the device has given was of other bytes. */
	if (skb->ip_summed == CHECKSUM_COMPLETE)
		skb->ip_summed = CHECKSUM_NONE;
}

/**
 * bpflb_note_opt6_put() - put a note on a packet
 * @skb: the packet, skb->data at its IPv6 header, with room in its length
 * @note: address and port of the service
 *
 * Context: any. Return: false without memory; then nothing was written.
 */
bool bpflb_note_opt6_put(struct sk_buff *skb, const struct bpflb_endpoint *note)
{
	int mac_len = skb_mac_header_was_set(skb) ? skb->data - skb_mac_header(skb) : 0;
	struct note6 *hdr;

	if (skb_ensure_writable(skb, sizeof(struct ipv6hdr)) ||
	    skb_cow_head(skb, mac_len + sizeof(*hdr)))
		return false;
	skb_push(skb, sizeof(*hdr));
	memmove(skb->data, skb->data + sizeof(*hdr), sizeof(struct ipv6hdr));
	header_moved(skb, -(int)sizeof(*hdr));
	hdr = (struct note6 *)(ipv6_hdr(skb) + 1);
	*hdr = (struct note6){
		.nexthdr = ipv6_hdr(skb)->nexthdr,
		.hdrlen = sizeof(*hdr) / 8 - 1,
		.type = NOTE_TYPE,
		.len = NOTE_LEN,
		.addr = note->addr.in6,
		.port = note->port,
	};
	ipv6_hdr(skb)->nexthdr = NEXTHDR_DEST;
	return true;
}

/**
 * bpflb_note_opt6_strip() - take a packet's note off
 * @skb: the packet, skb->data at its IPv6 header, with a note
 *
 * Context: any. Return: false without memory; then nothing was written.
 */
bool bpflb_note_opt6_strip(struct sk_buff *skb)
{
	const u32 len = sizeof(struct note6);

	if (skb_ensure_writable(skb, sizeof(struct ipv6hdr) + len))
		return false;
	ipv6_hdr(skb)->nexthdr = ((struct note6 *)(ipv6_hdr(skb) + 1))->nexthdr;
	memmove(skb->data + len, skb->data, sizeof(struct ipv6hdr));
	__skb_pull(skb, len);
	header_moved(skb, len);
	/* Local delivery goes on from here. */
	skb_set_transport_header(skb, sizeof(struct ipv6hdr));
	return true;
}
