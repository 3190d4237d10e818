// SPDX-License-Identifier: GPL-2.0-only
/*
 * The DSR note as an IPv6 destination option (RFC 8200, section 4.6), as Cilium has
 * it: a header of 24 bytes, in network byte order, right behind the fixed one, or behind
 * hop-by-hop options, which nothing may come before:
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
#include "gso.h"

#define NOTE_TYPE	0x1b
#define NOTE_LEN	20
/* As packet.c steps over. */
#define HEADERS_MAX	8

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

/* One that may be before a note. */
static bool is_stepped_over(u8 nexthdr)
{
	return nexthdr == NEXTHDR_HOP || nexthdr == NEXTHDR_DEST || nexthdr == NEXTHDR_ROUTING;
}

/* Where the note is, from the fixed header on; 0 if there is none. @link: where the byte is that
 * says that it follows
 */
static u32 note_find(const struct sk_buff *skb, struct bpflb_endpoint *note, u32 *link)
{
	u32 base = skb_network_offset(skb), at = sizeof(struct ipv6hdr);
	u8 nexthdr = ipv6_hdr(skb)->nexthdr;
	const struct note6 *hdr;
	struct note6 buf;
	unsigned int n;

	*link = offsetof(struct ipv6hdr, nexthdr);
	for (n = 0; n < HEADERS_MAX && is_stepped_over(nexthdr); n++) {
		hdr = skb_header_pointer(skb, base + at, 8, &buf);
		if (hdr && nexthdr == NEXTHDR_DEST && hdr->hdrlen == sizeof(*hdr) / 8 - 1)
			hdr = skb_header_pointer(skb, base + at, sizeof(buf), &buf);
		if (!hdr)
			return 0;
		if (nexthdr == NEXTHDR_DEST && note_parse(hdr, note))
			return at;
		*link = at;
		nexthdr = hdr->nexthdr;
		at += (hdr->hdrlen + 1) * 8;
	}
	return 0;
}

/**
 * bpflb_note_opt6_read() - read a packet's note
 * @skb: the packet, its IPv6 header checked by the stack
 * @note: what to fill
 *
 * It may have other headers before it, as many as a packet may have at all.
 *
 * Context: any. Return: false if it has none.
 */
bool bpflb_note_opt6_read(const struct sk_buff *skb, struct bpflb_endpoint *note)
{
	u32 link;

	return note_find(skb, note, &link);
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

/* Apart, so that other packets don't pay for its buffer's stack protector. */
static noinline u32 behind_hop_by_hop(const struct sk_buff *skb)
{
	u32 at = sizeof(struct ipv6hdr);
	const u8 *hop;
	u8 buf[2];

	hop = skb_header_pointer(skb, skb_network_offset(skb) + at, sizeof(buf), buf);
	return hop ? at + (hop[1] + 1) * 8 : 0;
}

/* Behind which headers a note of ours is put: none may come before hop-by-hop options. */
static u32 note_place(const struct sk_buff *skb)
{
	return likely(ipv6_hdr(skb)->nexthdr != NEXTHDR_HOP) ? sizeof(struct ipv6hdr) :
							       behind_hop_by_hop(skb);
}

/**
 * bpflb_note_opt6_fits() - can the packet get a note?
 * @skb: the packet
 *
 * Not if its length says nothing (a jumbogram) or is nearly the largest.
 */
bool bpflb_note_opt6_fits(const struct sk_buff *skb)
{
	u32 len = ntohs(ipv6_hdr(skb)->payload_len);

	return len && len + sizeof(struct note6) <= U16_MAX && note_place(skb);
}

/* The frame's header has moved already. */
static void header_moved(struct sk_buff *skb, int by)
{
	skb_reset_network_header(skb);
	ipv6_hdr(skb)->payload_len = htons(ntohs(ipv6_hdr(skb)->payload_len) - by);
	/* A sum that the device has given was of other bytes. */
	if (skb->ip_summed == CHECKSUM_COMPLETE)
		skb->ip_summed = CHECKSUM_NONE;
}

/* @at: where the note is put, from the fixed header on; @link: where what it follows says so. Most
 * packets have both where the compiler knows, which costs them less.
 */
static __always_inline bool put_at(struct sk_buff *skb, const struct bpflb_endpoint *note,
				   u32 at, u32 link)
{
	unsigned int mac_len = bpflb_mac_len(skb);
	struct ipv6hdr fixed;
	struct note6 *hdr;

	if (!bpflb_gso_straighten(skb, NFPROTO_IPV6) || skb_ensure_writable(skb, at) ||
	    skb_cow_head(skb, mac_len + sizeof(*hdr)))
		return false;
	skb_push(skb, sizeof(*hdr));
	/* First, for it is where the other one goes. */
	bpflb_move_mac_header(skb, -(int)sizeof(*hdr));
	if (at == sizeof(fixed)) {
		fixed = *(struct ipv6hdr *)(skb->data + sizeof(*hdr));
		*(struct ipv6hdr *)skb->data = fixed;
	} else {
		memmove(skb->data, skb->data + sizeof(*hdr), at);
	}
	header_moved(skb, -(int)sizeof(*hdr));
	hdr = (struct note6 *)(skb->data + at);
	*hdr = (struct note6){
		.nexthdr = skb->data[link],
		.hdrlen = sizeof(*hdr) / 8 - 1,
		.type = NOTE_TYPE,
		.len = NOTE_LEN,
		.addr = note->addr.in6,
		.port = note->port,
	};
	skb->data[link] = NEXTHDR_DEST;
	return true;
}

/**
 * bpflb_note_opt6_put() - put a note on a packet
 * @skb: the packet, skb->data at its IPv6 header; bpflb_note_opt6_fits()
 * @note: address and port of the service
 *
 * Context: any. Return: false without memory; then nothing was written.
 */
bool bpflb_note_opt6_put(struct sk_buff *skb, const struct bpflb_endpoint *note)
{
	if (likely(ipv6_hdr(skb)->nexthdr != NEXTHDR_HOP))
		return put_at(skb, note, sizeof(struct ipv6hdr),
			      offsetof(struct ipv6hdr, nexthdr));
	return put_at(skb, note, behind_hop_by_hop(skb), sizeof(struct ipv6hdr));
}

/**
 * bpflb_note_opt6_strip() - take a packet's note off
 * @skb: the packet, skb->data at its IPv6 header, with a note
 *
 * Context: any. Return: false without memory; then nothing was written.
 */
bool bpflb_note_opt6_strip(struct sk_buff *skb)
{
	int transport = skb_transport_offset(skb) - skb_network_offset(skb);
	const u32 len = sizeof(struct note6);
	struct bpflb_endpoint note;
	u32 link, at;

	if (!bpflb_gso_straighten(skb, NFPROTO_IPV6))
		return false;
	at = note_find(skb, &note, &link);
	if (!at || skb_ensure_writable(skb, at + len))
		return false;
	skb->data[link] = ((struct note6 *)(skb->data + at))->nexthdr;
	memmove(skb->data + len, skb->data, at);
	__skb_pull(skb, len);
	bpflb_move_mac_header(skb, len);
	header_moved(skb, len);
	/* Local delivery goes on where it was: behind the headers that the stack has read. */
	skb_set_transport_header(skb, transport);
	return true;
}
