/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /dev/bpflb_inject: packets of many flows for the IP stack, and how long it takes.
 *
 * write() gives an open file its flows, in place of those that it had. The ioctl
 * INJECT_RUN injects a packet of each in turn. read() gives what the last run has
 * learned. tests/bench/inject.py knows the layouts too.
 */
#ifndef _BPFLB_INJECT_H
#define _BPFLB_INJECT_H

#include <linux/if.h>
#include <linux/in6.h>
#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * struct inject_flow - one direction of a flow
 * @saddr: of IPv4 the first four bytes
 * @daddr: the same
 * @sport: network byte order
 * @dport: network byte order
 * @proto: IPPROTO_TCP or IPPROTO_UDP
 * @ipv6: 0 or 1
 * @pad: 0
 */
struct inject_flow {
	union {
		__be32 saddr;
		struct in6_addr saddr6;
	};
	union {
		__be32 daddr;
		struct in6_addr daddr6;
	};
	__be16 sport;
	__be16 dport;
	__u8 proto;
	__u8 ipv6;
	__u8 pad[2];
};

/**
 * struct inject_run - a run, and when it was
 * @in: device that the packets come in by
 * @learn: device whose leaving packets tell the flows that answer them, or ""
 * @count: how many packets
 * @begin: reply: when the first was made, in ns of the monotonic clock
 * @end: reply: when the last had been dealt with
 * @seq: of TCP, host byte order
 * @ack: of TCP, host byte order
 * @tcp_flags: byte 13 of the TCP header
 * @option_len: bytes of @option that each packet has, a multiple of 4; of 8 in IPv6
 * @option: IPv4 options, or an IPv6 header of destination options; of what comes next the
 *	injector knows better
 */
struct inject_run {
	char in[IFNAMSIZ];
	char learn[IFNAMSIZ];
	__u64 count;
	__u64 begin;
	__u64 end;
	__u32 seq;
	__u32 ack;
	__u8 tcp_flags;
	__u8 option_len;
	__u8 option[38];
};

#define INJECT_RUN	_IOWR('b', 1, struct inject_run)

#endif
