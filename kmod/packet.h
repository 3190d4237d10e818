/* SPDX-License-Identifier: GPL-2.0-only */
/* What a packet is: its tuple, where its headers are, what its TCP flags say. */
#ifndef _BPFLB_PACKET_H
#define _BPFLB_PACKET_H

#include <linux/skbuff.h>

#include "tuple.h"

/**
 * struct bpflb_packet - what the hooks need to know of a packet
 * @tuple: addresses and ports as they are in the packet now
 * @hash: of the tuple as it was when the flow was looked for
 * @thoff: offset of the transport header from skb->data, bytes
 * @len: of the packet from its network header on, bytes
 * @tcp_flags: byte 13 of a TCP header; BPFLB_SCTP_* of SCTP; 0 for UDP
 * @local_out: it comes from this node itself
 */
struct bpflb_packet {
	struct bpflb_tuple tuple;
	u32 hash;
	u32 thoff;
	u32 len;
	u8 tcp_flags;
	bool local_out;
};

/* Byte 13 of the TCP header, RFC 9293 section 3.1. */
#define BPFLB_TCP_FIN	0x01
#define BPFLB_TCP_SYN	0x02
#define BPFLB_TCP_RST	0x04
#define BPFLB_TCP_ACK	0x10

/* Chunks of an SCTP packet, RFC 9260 section 3.2: what begins a connection and what
 * breaks it off is where TCP has it, so that both are asked for alike.
 */
#define BPFLB_SCTP_SHUTDOWN		0x01
#define BPFLB_SCTP_INIT			BPFLB_TCP_SYN
#define BPFLB_SCTP_ABORT		BPFLB_TCP_RST
#define BPFLB_SCTP_SHUTDOWN_ACK		0x08
#define BPFLB_SCTP_INIT_ACK		BPFLB_TCP_ACK
#define BPFLB_SCTP_SHUTDOWN_COMPLETE	0x20

/**
 * bpflb_packet_is_syn() - is it the first packet of a TCP or SCTP connection?
 * @pkt: the packet
 *
 * A SYN-ACK or INIT ACK is not: a flow begins with the client's packet.
 */
static inline bool bpflb_packet_is_syn(const struct bpflb_packet *pkt)
{
	return (pkt->tcp_flags & (BPFLB_TCP_SYN | BPFLB_TCP_ACK | BPFLB_TCP_RST)) == BPFLB_TCP_SYN;
}

/**
 * bpflb_packet_is_in_mid_life() - is it none that begins a connection?
 * @pkt: the packet, of no flow
 *
 * That was made by another node, or before this module was loaded: only where any node
 * chooses the same backend at any time it may be going on.
 */
static inline bool bpflb_packet_is_in_mid_life(const struct bpflb_packet *pkt)
{
	return pkt->tuple.proto != IPPROTO_UDP && !bpflb_packet_is_syn(pkt);
}

bool bpflb_packet_parse4(const struct sk_buff *skb, struct bpflb_packet *pkt);
bool bpflb_packet_parse6(const struct sk_buff *skb, struct bpflb_packet *pkt);

#endif
