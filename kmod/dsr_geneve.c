// SPDX-License-Identifier: GPL-2.0-only
/*
 * The DSR note as a Geneve option (RFC 8926), as Cilium has it (dispatch "geneve"). Behind
 * the outer UDP header, in network byte order:
 *
 *	offset	0	version 0; length of the options: 0, 3 or 6, in units of 4 bytes
 *		1	flags: 0, although the option is critical
 *		2	what is inside: 0x6558, an Ethernet frame
 *		4	VNI: 2; and 0
 *	the option, if there is a note:
 *		8	class: 0x014b
 *		10	type: 0x81, critical, number 1
 *		11	length of its data: 2 or 5, in units of 4 bytes
 *		12	address of the service
 *		16, 28	port of the service, and 0
 *	the frame: 14 bytes, and the packet
 *
 * Nobody looks at the frame's MAC addresses: they are the same two always.
 */
#include <linux/etherdevice.h>
#include <linux/skbuff.h>

#include "dsr_tunnel.h"

#define OPTION_CLASS	0x014b
#define OPTION_TYPE	0x81
#define OPTION_CRITICAL	0x80
#define OPTION_LEN_MASK	0x1f
/* Cilium's number for who is not of the cluster. */
#define VNI		2

static const u8 frame_dst[ETH_ALEN] = { 0x02, 0x62, 0x70, 0x66, 0x6c, 0x01 };
static const u8 frame_src[ETH_ALEN] = { 0x02, 0x62, 0x70, 0x66, 0x6c, 0x00 };

/** struct geneve_head - the header without options */
struct geneve_head {
	u8 version_len;
	u8 flags;
	__be16 proto;
	__be32 vni;
};

/** struct geneve_option - what each option begins with */
struct geneve_option {
	__be16 class;
	u8 type;
	u8 len;
};
static_assert(sizeof(struct geneve_head) + ETH_HLEN == BPFLB_GENEVE_LEN);

static u8 family_of(__be16 proto)
{
	if (proto == htons(ETH_P_IP))
		return NFPROTO_IPV4;
	return proto == htons(ETH_P_IPV6) ? NFPROTO_IPV6 : NFPROTO_UNSPEC;
}

/* @offset: of the option. Return: its length with its header, bytes; 0 if it can't be passed by. */
static u32 read_option(const struct sk_buff *skb, u32 offset, struct bpflb_geneve *geneve)
{
	struct {
		struct geneve_option head;
		u8 data[sizeof(struct in6_addr) + sizeof(__be16)];
	} buf;
	u32 addr_len = bpflb_addr_len(geneve->inner), len;
	const struct geneve_option *option;
	const u8 *data;

	option = skb_header_pointer(skb, offset, sizeof(*option), &buf.head);
	if (!option)
		return 0;
	len = 4 * ((option->len & OPTION_LEN_MASK) + 1u);
	if (option->class != htons(OPTION_CLASS) || option->type != OPTION_TYPE)
		return option->type & OPTION_CRITICAL ? 0 : len;
	data = skb_header_pointer(skb, offset + sizeof(*option),
				  addr_len + sizeof(geneve->note.port), buf.data);
	if (!data || len != bpflb_geneve_note_len(geneve->inner))
		return 0;
	memcpy(&geneve->note.addr, data, addr_len);
	memcpy(&geneve->note.port, data + addr_len, sizeof(geneve->note.port));
	geneve->noted = true;
	return len;
}

/**
 * bpflb_geneve_read() - read a Geneve header
 * @skb: the packet
 * @offset: of that header from skb->data
 * @geneve: what to fill
 *
 * Context: any. Return: false if it is none, has something else inside than a frame with an
 * IP packet, or has critical options that are not the note.
 */
bool bpflb_geneve_read(const struct sk_buff *skb, u32 offset, struct bpflb_geneve *geneve)
{
	const struct geneve_head *head;
	struct geneve_head buf;
	u32 at, end, len;
	__be16 type;

	*geneve = (struct bpflb_geneve){};
	head = skb_header_pointer(skb, offset, sizeof(*head), &buf);
	if (!head || head->version_len >> 6 || head->proto != htons(ETH_P_TEB))
		return false;
	at = offset + sizeof(*head);
	end = at + 4 * (head->version_len & 0x3f);
	geneve->len = end + ETH_HLEN - offset;
	if (skb_copy_bits(skb, end + offsetof(struct ethhdr, h_proto), &type, sizeof(type)))
		return false;
	geneve->inner = family_of(type);
	if (geneve->inner == NFPROTO_UNSPEC)
		return false;
	for (; at < end; at += len) {
		len = read_option(skb, at, geneve);
		if (!len || at + len > end)
			return false;
	}
	return true;
}

/**
 * bpflb_geneve_push_frame() - make a packet a frame
 * @skb: the packet, skb->data at its IP header, with headroom
 * @inner: its family
 */
void bpflb_geneve_push_frame(struct sk_buff *skb, u8 inner)
{
	struct ethhdr *eth = skb_push(skb, ETH_HLEN);

	ether_addr_copy(eth->h_dest, frame_dst);
	ether_addr_copy(eth->h_source, frame_src);
	eth->h_proto = inner == NFPROTO_IPV6 ? htons(ETH_P_IPV6) : htons(ETH_P_IP);
}

/**
 * bpflb_geneve_push() - put a Geneve header before a frame
 * @skb: the packet, skb->data at its frame header, with headroom
 * @t: the tunnel
 */
void bpflb_geneve_push(struct sk_buff *skb, const struct bpflb_tunnel *t)
{
	u32 len = t->noted ? bpflb_geneve_note_len(t->inner) : 0;
	u32 addr_len = bpflb_addr_len(t->inner);
	struct geneve_option *option;
	struct geneve_head *head;
	u8 *data;

	head = skb_push(skb, sizeof(*head) + len);
	*head = (struct geneve_head){
		.version_len = len / 4,
		.proto = htons(ETH_P_TEB),
		.vni = htonl(VNI << 8),
	};
	if (!t->noted)
		return;
	option = (struct geneve_option *)(head + 1);
	*option = (struct geneve_option){
		.class = htons(OPTION_CLASS),
		.type = OPTION_TYPE,
		.len = len / 4 - 1,
	};
	data = (u8 *)(option + 1);
	memcpy(data, &t->note.addr, addr_len);
	memcpy(data + addr_len, &t->note.port, sizeof(t->note.port));
	memset(data + addr_len + sizeof(t->note.port), 0, 2);
}
