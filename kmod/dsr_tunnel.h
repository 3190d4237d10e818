/* SPDX-License-Identifier: GPL-2.0-only */
/* The tunnels of direct server return: packets within packets. */
#ifndef _BPFLB_DSR_TUNNEL_H
#define _BPFLB_DSR_TUNNEL_H

#include <linux/bpflb.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include "tuple.h"

struct bpflb_flow;
struct bpflb_net;
struct bpflb_packet;
struct sk_buff;

/**
 * struct bpflb_tunnel - what goes around a packet
 * @dispatch: BPFLB_DISPATCH_GENEVE or BPFLB_DISPATCH_IPIP
 * @family: of the outer header
 * @inner: of the packet
 * @whole: the outer packet may not be fragmented
 * @by_prefix: ipip: @src is one of many, and not this node's
 * @src: of the outer header
 * @dst: of the outer header
 * @hash: the same for all packets of a flow: what the outer header is to vary by
 * @noted: Geneve: with an option that has @note
 * @note: address and port of the service
 */
struct bpflb_tunnel {
	u8 dispatch;
	u8 family;
	u8 inner;
	bool whole;
	bool by_prefix;
	union nf_inet_addr src;
	union nf_inet_addr dst;
	u32 hash;
	bool noted;
	struct bpflb_endpoint note;
};

/* dsr_geneve.c: the Geneve header, its option, and the frame's header in it */
#define BPFLB_GENEVE_PORT	6081
#define BPFLB_GENEVE_LEN	(8 + ETH_HLEN)

/**
 * struct bpflb_geneve - what a Geneve header tells
 * @len: bytes of it, with options and the inner frame's header
 * @inner: NFPROTO_IPV4 or NFPROTO_IPV6
 * @noted: it has a note
 * @note: that
 */
struct bpflb_geneve {
	u32 len;
	u8 inner;
	bool noted;
	struct bpflb_endpoint note;
};

/* What the option adds to a packet of @inner, bytes. */
static inline u32 bpflb_geneve_note_len(u8 inner)
{
	return inner == NFPROTO_IPV6 ? 24 : 12;
}

bool bpflb_geneve_read(const struct sk_buff *skb, u32 offset, struct bpflb_geneve *geneve);
void bpflb_geneve_push_frame(struct sk_buff *skb, u8 inner);
void bpflb_geneve_push(struct sk_buff *skb, const struct bpflb_tunnel *t);

/* dsr_tunnel.c: the whole of it */

/* What a tunnel adds to a packet, bytes. */
static inline u32 bpflb_tunnel_len(const struct bpflb_tunnel *t)
{
	u32 len = t->family == NFPROTO_IPV6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);

	if (t->dispatch == BPFLB_DISPATCH_GENEVE)
		len += sizeof(struct udphdr) + BPFLB_GENEVE_LEN +
		       (t->noted ? bpflb_geneve_note_len(t->inner) : 0);
	return len;
}

bool bpflb_tunnel_of(const struct bpflb_flow *flow, bool noted, struct bpflb_tunnel *t);
bool bpflb_tunnel_put(struct bpflb_net *bn, struct sk_buff *skb, const struct bpflb_tunnel *t,
		      const struct net_device *out);
void bpflb_tunnel_learn_mtu(struct bpflb_net *bn, struct sk_buff *skb, u8 family);

/* dsr_open.c: the receiving side */

/** enum bpflb_opened - what became of a packet that may have come in a tunnel */
enum bpflb_opened {
	BPFLB_OPENED_NOT,	/* it is none of ours, and as it was */
	BPFLB_OPENED_DONE,	/* it was dropped, or goes another way: see verdict */
	BPFLB_OPENED_FLOW,	/* it is out of the tunnel, and its flow is known */
	BPFLB_OPENED_PLAIN,	/* it is out of the tunnel, and goes on as any other */
};

struct bpflb_match;

bool bpflb_peek(const struct sk_buff *skb, u32 offset, u8 family, struct bpflb_tuple *t);
enum bpflb_opened bpflb_open_geneve(struct bpflb_net *bn, struct sk_buff *skb, u8 family,
				    u32 udp, struct bpflb_packet *pkt, struct bpflb_match *m,
				    unsigned int *verdict);
enum bpflb_opened bpflb_open_ipip(struct bpflb_net *bn, struct sk_buff *skb, u8 family,
				  struct bpflb_packet *pkt, struct bpflb_match *m,
				  unsigned int *verdict);

#endif
