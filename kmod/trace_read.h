/* SPDX-License-Identifier: GPL-2.0-only */
/* What tracepoints tell of flows and packets, where that takes more than to read a member. */
#ifndef _BPFLB_TRACE_READ_H
#define _BPFLB_TRACE_READ_H

#include <linux/types.h>

struct bpflb_flow;
struct sk_buff;

/* Room for a reason's name, with the byte behind it. */
#define BPFLB_TRACE_NAME	24

/**
 * struct bpflb_trace_account - what a flow has carried
 * @there: it has an account; else all is 0
 * @packets: from the client, and from the backend
 * @bytes: of these
 * @duration: ms
 */
struct bpflb_trace_account {
	bool there;
	u64 packets[2];
	u64 bytes[2];
	u64 duration;
};

/**
 * struct bpflb_trace_packet - the headers of a packet as they are now
 * @family: AF_INET or AF_INET6; 0: neither
 * @proto: above IP and its extension headers
 * @saddr: as of bpflb_trace_addr()
 * @daddr: as of bpflb_trace_addr()
 * @sport: of TCP, UDP, SCTP; 0 of others, and of a fragment that is not the first
 * @dport: the same
 */
struct bpflb_trace_packet {
	u8 family;
	u8 proto;
	u8 saddr[16];
	u8 daddr[16];
	u16 sport;
	u16 dport;
};

u8 bpflb_trace_family(bool ipv6);
void bpflb_trace_addr(u8 to[16], const struct bpflb_flow *flow, unsigned int which);
void bpflb_trace_read_account(const struct bpflb_flow *flow, struct bpflb_trace_account *account);
void bpflb_trace_read_packet(const struct sk_buff *skb, struct bpflb_trace_packet *packet);

#endif
