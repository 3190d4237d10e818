// SPDX-License-Identifier: GPL-2.0-only
/*
 * The DSR note as an IPv4 option, as Cilium has it (dispatch "opt"):
 *
 *	offset	0	type: 0x9a, copied into fragments, class 0, number 26
 *		1	length: 8
 *		2	port of the service
 *		4	address of the service
 *
 * It is the first option. Port and address are little-endian: Cilium swaps what
 * is in network order already, and its nodes are little-endian machines.
 */
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/skbuff.h>
#include <net/ip.h>

#include "dsr.h"
#include "gso.h"

#define NOTE_TYPE	0x9a
#define NOTE_WORDS	(BPFLB_NOTE_OPT4_LEN / 4)
#define IHL_MIN		5
#define IHL_MAX		15

static bool note_parse(const u8 *opt, struct bpflb_endpoint *note)
{
	if (opt[0] != NOTE_TYPE || opt[1] != BPFLB_NOTE_OPT4_LEN)
		return false;
	memset(note, 0, sizeof(*note));
	note->port = htons(opt[3] << 8 | opt[2]);
	note->addr.ip = htonl((u32)opt[7] << 24 | opt[6] << 16 | opt[5] << 8 | opt[4]);
	return true;
}

/**
 * bpflb_note_opt4_read() - read a packet's note
 * @skb: the packet, its IPv4 header checked by the stack
 * @note: what to fill
 *
 * Context: any. Return: false if it has none.
 */
bool bpflb_note_opt4_read(const struct sk_buff *skb, struct bpflb_endpoint *note)
{
	u8 buf[BPFLB_NOTE_OPT4_LEN];
	const u8 *opt;

	if (ip_hdr(skb)->ihl < IHL_MIN + NOTE_WORDS)
		return false;
	opt = skb_header_pointer(skb, skb_network_offset(skb) + sizeof(struct iphdr),
				 sizeof(buf), buf);
	return opt && note_parse(opt, note);
}

/**
 * bpflb_note_opt4_quoted() - read a quoted packet's note
 * @skb: the packet that quotes it
 * @offset: of the quoted IPv4 header, whose version and length were checked
 * @note: what to fill
 *
 * Context: any. Return: false if it has none.
 */
bool bpflb_note_opt4_quoted(const struct sk_buff *skb, u32 offset, struct bpflb_endpoint *note)
{
	u8 buf[sizeof(struct iphdr) + BPFLB_NOTE_OPT4_LEN];
	const u8 *iph = skb_header_pointer(skb, offset, sizeof(buf), buf);

	return iph && (iph[0] & 15) >= IHL_MIN + NOTE_WORDS &&
	       note_parse(iph + sizeof(struct iphdr), note);
}

/**
 * bpflb_note_opt4_fits() - can the packet get a note?
 * @skb: the packet
 *
 * Not if there is no room among its options, or if it is nearly the largest that
 * there can be. What a device is to split up has lengths of its own then.
 */
bool bpflb_note_opt4_fits(const struct sk_buff *skb)
{
	const struct iphdr *iph = ip_hdr(skb);

	return iph->ihl + NOTE_WORDS <= IHL_MAX &&
	       (ntohs(iph->tot_len) + BPFLB_NOTE_OPT4_LEN <= U16_MAX || skb_is_gso(skb));
}

/* The link layer's header, where there is one (bpflb_mac_len()), stays right in front of the IP
 * header when that moves by @by bytes; skb->data is there already.
 */
void bpflb_move_mac_header(struct sk_buff *skb, int by)
{
	unsigned char *mac;
	ptrdiff_t len;

	if (!skb_mac_header_was_set(skb) || skb_mac_header(skb) > skb->data - by)
		return;
	mac = skb_mac_header(skb);
	len = skb->data - by - mac;
	/* Most: without a call */
	if (likely(len == ETH_HLEN)) {
		const struct ethhdr eth = *(struct ethhdr *)mac;

		*(struct ethhdr *)(mac + by) = eth;
	} else {
		memmove(mac + by, mac, len);
	}
	skb_set_mac_header(skb, mac + by - skb->data);
}

/* What the stack has trimmed to its length; 0 if that is more than there is room for (BIG TCP). */
static __be16 tot_len(const struct sk_buff *skb)
{
	return htons(skb->len > U16_MAX ? 0 : skb->len);
}

/**
 * bpflb_note_opt4_put() - put a note on a packet
 * @skb: the packet, skb->data at its IPv4 header, with room among its options
 * @note: address and port of the service
 *
 * A checksum of the whole packet that the device has given (CHECKSUM_COMPLETE)
 * stays right: an IPv4 header sums up to 0 before and after.
 *
 * Context: any. Return: false without memory; then nothing was written.
 */
bool bpflb_note_opt4_put(struct sk_buff *skb, const struct bpflb_endpoint *note)
{
	unsigned int mac_len = bpflb_mac_len(skb);
	struct iphdr *iph, fixed;
	__le32 addr;
	__le16 port;
	u8 *opt;

	if (!bpflb_gso_straighten(skb, NFPROTO_IPV4) ||
	    skb_ensure_writable(skb, ip_hdrlen(skb)) ||
	    skb_cow_head(skb, mac_len + BPFLB_NOTE_OPT4_LEN))
		return false;
	skb_push(skb, BPFLB_NOTE_OPT4_LEN);
	bpflb_move_mac_header(skb, -BPFLB_NOTE_OPT4_LEN);
	fixed = *(struct iphdr *)(skb->data + BPFLB_NOTE_OPT4_LEN);
	*(struct iphdr *)skb->data = fixed;
	skb_reset_network_header(skb);

	opt = skb->data + sizeof(*iph);
	opt[0] = NOTE_TYPE;
	opt[1] = BPFLB_NOTE_OPT4_LEN;
	port = cpu_to_le16(ntohs(note->port));
	memcpy(opt + 2, &port, sizeof(port));
	addr = cpu_to_le32(ntohl(note->addr.ip));
	memcpy(opt + 4, &addr, sizeof(addr));

	iph = ip_hdr(skb);
	iph->ihl += NOTE_WORDS;
	iph->tot_len = tot_len(skb);
	ip_send_check(iph);
	return true;
}

/**
 * bpflb_note_opt4_strip() - take a packet's note off
 * @skb: the packet, skb->data at its IPv4 header, with a note
 *
 * Context: any. Return: false without memory; then nothing was written.
 */
bool bpflb_note_opt4_strip(struct sk_buff *skb)
{
	struct iphdr *iph;

	if (skb_ensure_writable(skb, ip_hdrlen(skb)))
		return false;
	memmove(skb->data + BPFLB_NOTE_OPT4_LEN, skb->data, sizeof(*iph));
	__skb_pull(skb, BPFLB_NOTE_OPT4_LEN);
	bpflb_move_mac_header(skb, BPFLB_NOTE_OPT4_LEN);
	skb_reset_network_header(skb);

	iph = ip_hdr(skb);
	iph->ihl -= NOTE_WORDS;
	iph->tot_len = tot_len(skb);
	ip_send_check(iph);
	return true;
}
