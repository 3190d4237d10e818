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
 * @port: TCP or UDP port
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
 * @family: NFPROTO_IPV4
 * @proto: IPPROTO_TCP or IPPROTO_UDP
 */
struct bpflb_tuple {
	struct bpflb_endpoint src;
	struct bpflb_endpoint dst;
	u8 family;
	u8 proto;
};

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

/* An IPv4 endpoint as one number; any fixed order of its bits will do. */
static inline u64 bpflb_endpoint_fold4(const struct bpflb_endpoint *e)
{
	return (u64)(__force u32)e->addr.ip << 16 | (__force u16)e->port;
}

/**
 * bpflb_tuple_hash() - where a tuple's flow is in the table
 * @t: the tuple
 * @ns: number of the namespace, below 2^24
 * @key: the table's secret
 *
 * The same for a tuple and its reverse, so that one walk finds a flow from
 * either side. It is keyed since clients choose their addresses and ports; the
 * kernel's hsiphash (SipHash-1-3 on 64 bits) is what it has for hash tables.
 *
 * Context: any. Return: 32 bits, all of them good.
 */
static inline u32 bpflb_tuple_hash(const struct bpflb_tuple *t, u32 ns, const hsiphash_key_t *key)
{
	u64 a = bpflb_endpoint_fold4(&t->src);
	u64 b = bpflb_endpoint_fold4(&t->dst);
	u64 lo = a < b ? a : b;
	u64 hi = a < b ? b : a;

	lo |= (u64)(ns & 0xffff) << 48;
	hi |= (u64)(ns >> 16 << 8 | t->proto) << 48;
	return hsiphash_4u32(lo, lo >> 32, hi, hi >> 32, key);
}

#endif
