/* SPDX-License-Identifier: GPL-2.0-only */
/* Sets of addresses, given by prefixes. Pure. */
#ifndef _BPFLB_PREFIX_H
#define _BPFLB_PREFIX_H

#include <linux/netfilter.h>
#include <linux/types.h>

/**
 * struct bpflb_prefix - the addresses that begin with the same bits
 * @addr: the lowest of them; what the family doesn't use is 0
 * @family: NFPROTO_IPV4 or NFPROTO_IPV6
 * @len: how many bits
 * @zero: no padding, they are compared as bytes
 */
struct bpflb_prefix {
	union nf_inet_addr addr;
	u8 family;
	u8 len;
	u16 zero;
};

/** struct bpflb_addr_number - an address as one number of 128 bits */
struct bpflb_addr_number {
	u64 hi;
	u64 lo;
};

/** struct bpflb_span - addresses from @first to @last, both in it */
struct bpflb_span {
	struct bpflb_addr_number first;
	struct bpflb_addr_number last;
};

/**
 * struct bpflb_prefix_set - addresses of one family
 * @n: how many @span
 * @span: ascending, apart from each other
 */
struct bpflb_prefix_set {
	u32 n;
	struct bpflb_span *span;
};

bool bpflb_prefix_is_good(const struct bpflb_prefix *prefix);
bool bpflb_prefix_has(const struct bpflb_prefix *prefix, u8 family,
		      const union nf_inet_addr *addr);
void bpflb_prefix_set_make(struct bpflb_prefix_set *set, const struct bpflb_prefix *prefix, u32 n,
			   u8 family);
bool bpflb_prefix_set_has(const struct bpflb_prefix_set *set, u8 family,
			  const union nf_inet_addr *addr);

#endif
