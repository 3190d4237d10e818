/* SPDX-License-Identifier: GPL-2.0-only */
/* Protocol, addresses and ports: what a flow is known by. Pure. */
#ifndef _BPFLB_TUPLE_H
#define _BPFLB_TUPLE_H

#include <linux/netfilter.h>
#include <linux/siphash.h>
#include <linux/string.h>
#include <linux/types.h>

/**
 * struct bpflb_endpoint - an address and a port
 * @addr: all of it is compared, so what the family doesn't use is 0
 * @port: TCP, UDP or SCTP port
 * @zero: keeps the compiler from padding what is hashed as bytes
 */
struct bpflb_endpoint {
	union nf_inet_addr addr;
	__be16 port;
	u16 zero;
};

/**
 * struct bpflb_tuple - a packet's endpoints
 * @src: where it says it comes from
 * @dst: where it goes
 * @family: NFPROTO_IPV4 or NFPROTO_IPV6
 * @proto: IPPROTO_TCP, IPPROTO_UDP or IPPROTO_SCTP
 */
struct bpflb_tuple {
	struct bpflb_endpoint src;
	struct bpflb_endpoint dst;
	u8 family;
	u8 proto;
};

/* Room for the family and the protocol below a namespace's number. */
#define BPFLB_NS_SHIFT	9

/* A namespace, whether it is IPv6, and the protocol, as one number. */
static inline u32 bpflb_ns_proto(u32 ns, bool ipv6, u8 proto)
{
	return ns << BPFLB_NS_SHIFT | (u32)ipv6 << 8 | proto;
}

/* Bytes of an address of @family. */
static inline int bpflb_addr_len(u8 family)
{
	return family == NFPROTO_IPV6 ? sizeof(struct in6_addr) : sizeof(struct in_addr);
}

static inline bool bpflb_addr_equal(const union nf_inet_addr *a, const union nf_inet_addr *b)
{
	return a->all[0] == b->all[0] && a->all[1] == b->all[1] &&
	       a->all[2] == b->all[2] && a->all[3] == b->all[3];
}

static inline bool bpflb_endpoint_equal(const struct bpflb_endpoint *a,
					const struct bpflb_endpoint *b)
{
	return a->port == b->port && bpflb_addr_equal(&a->addr, &b->addr);
}

static inline bool bpflb_tuple_equal(const struct bpflb_tuple *a, const struct bpflb_tuple *b)
{
	return a->family == b->family && a->proto == b->proto &&
	       bpflb_endpoint_equal(&a->src, &b->src) && bpflb_endpoint_equal(&a->dst, &b->dst);
}

/* That of a packet that answers. */
static inline struct bpflb_tuple bpflb_tuple_reverse(const struct bpflb_tuple *t)
{
	return (struct bpflb_tuple){
		.src = t->dst,
		.dst = t->src,
		.family = t->family,
		.proto = t->proto,
	};
}

/**
 * struct bpflb_key4 - what the flow of an IPv4 packet is known by
 * @saddr: source
 * @daddr: destination
 * @addrs: both, in the order of the IPv4 header
 * @sport: port of the source
 * @dport: port of the destination
 * @ports: both, in the order of a TCP or UDP header
 * @ns_proto: bpflb_ns_proto()
 */
struct bpflb_key4 {
	union {
		struct {
			__be32 saddr;
			__be32 daddr;
		};
		u64 addrs;
	};
	union {
		struct {
			__be16 sport;
			__be16 dport;
		};
		u32 ports;
	};
	u32 ns_proto;
};

static inline struct bpflb_key4 bpflb_key4_of_tuple(const struct bpflb_tuple *t, u32 ns)
{
	return (struct bpflb_key4){
		.saddr = t->src.addr.ip,
		.daddr = t->dst.addr.ip,
		.sport = t->src.port,
		.dport = t->dst.port,
		.ns_proto = bpflb_ns_proto(ns, false, t->proto),
	};
}

/* An endpoint as one number; any fixed order of its bits will do. */
static inline u64 bpflb_fold4(__be32 addr, __be16 port)
{
	return (u64)(__force u32)addr << 16 | (__force u16)port;
}

/**
 * bpflb_key4_hash() - where a flow is in the table
 * @k: one of its keys
 * @secret: the table's
 *
 * The same for a key and its reverse, so that one walk finds a flow from
 * either side. It is keyed since clients choose their addresses and ports; the
 * kernel's hsiphash (SipHash-1-3 on 64 bits) is what it has for hash tables.
 *
 * Context: any. Return: 32 bits, all of them good.
 */
static __always_inline u32 bpflb_key4_hash(const struct bpflb_key4 *k,
					   const hsiphash_key_t *secret)
{
	u64 a = bpflb_fold4(k->saddr, k->sport);
	u64 b = bpflb_fold4(k->daddr, k->dport);
	u64 lo = a < b ? a : b;
	u64 hi = a < b ? b : a;

	lo |= (u64)(k->ns_proto >> 16) << 48;
	hi |= (u64)(k->ns_proto & 0xffff) << 48;
	return hsiphash_4u32(lo, lo >> 32, hi, hi >> 32, secret);
}

/**
 * struct bpflb_key6 - what the flow of an IPv6 packet is known by
 * @saddr: source
 * @daddr: destination
 * @sport: port of the source
 * @dport: port of the destination
 * @ports: both, in the order of a TCP or UDP header
 * @ns_proto: bpflb_ns_proto()
 */
struct bpflb_key6 {
	struct in6_addr saddr;
	struct in6_addr daddr;
	union {
		struct {
			__be16 sport;
			__be16 dport;
		};
		u32 ports;
	};
	u32 ns_proto;
};

static inline struct bpflb_key6 bpflb_key6_of_tuple(const struct bpflb_tuple *t, u32 ns)
{
	return (struct bpflb_key6){
		.saddr = t->src.addr.in6,
		.daddr = t->dst.addr.in6,
		.sport = t->src.port,
		.dport = t->dst.port,
		.ns_proto = bpflb_ns_proto(ns, true, t->proto),
	};
}

/* As memcmp(), in some order: most differ in their first words. */
static inline int bpflb_addr6_compare(const struct in6_addr *a, const struct in6_addr *b)
{
	int i;

	for (i = 0; i < 4; i++)
		if (a->s6_addr32[i] != b->s6_addr32[i])
			return (__force u32)a->s6_addr32[i] > (__force u32)b->s6_addr32[i] ? 1 : -1;
	return 0;
}

/**
 * bpflb_key6_hash() - where a flow is in the table
 * @k: one of its keys
 * @secret: the table's
 *
 * As bpflb_key4_hash(): the same for a key and its reverse. Both sides go in whole,
 * for the addresses of one prefix are a client's to choose from.
 *
 * Context: any. Return: 32 bits, all of them good.
 */
static __always_inline u32 bpflb_key6_hash(const struct bpflb_key6 *k,
					   const hsiphash_key_t *secret)
{
	struct {
		struct in6_addr addr[2];
		u16 port[2];
		u32 ns_proto;
	} in;
	int order = bpflb_addr6_compare(&k->saddr, &k->daddr);
	bool swap = order ? order > 0 : (__force u16)k->sport > (__force u16)k->dport;

	in.addr[swap] = k->saddr;
	in.addr[!swap] = k->daddr;
	in.port[swap] = (__force u16)k->sport;
	in.port[!swap] = (__force u16)k->dport;
	in.ns_proto = k->ns_proto;
	return hsiphash(&in, sizeof(in), secret);
}

#endif
