// SPDX-License-Identifier: GPL-2.0-only
#include <linux/sort.h>

#include "prefix.h"

#define BITS4	32
#define BITS6	128

static struct bpflb_addr_number number(u8 family, const union nf_inet_addr *addr)
{
	struct bpflb_addr_number n = { .lo = ntohl((__force __be32)addr->all[0]) };

	if (family != NFPROTO_IPV6)
		return n;
	n.hi = n.lo << 32 | ntohl((__force __be32)addr->all[1]);
	n.lo = (u64)ntohl((__force __be32)addr->all[2]) << 32 |
	       ntohl((__force __be32)addr->all[3]);
	return n;
}

static int compare(const struct bpflb_addr_number *a, const struct bpflb_addr_number *b)
{
	if (a->hi != b->hi)
		return a->hi < b->hi ? -1 : 1;
	return a->lo < b->lo ? -1 : a->lo > b->lo;
}

/* The lowest @n bits. */
static struct bpflb_addr_number low_bits(unsigned int n)
{
	return (struct bpflb_addr_number){
		.hi = n <= 64 ? 0 : ~0ULL >> (BITS6 - n),
		.lo = n >= 64 ? ~0ULL : (1ULL << n) - 1,
	};
}

static struct bpflb_addr_number host_bits(const struct bpflb_prefix *prefix)
{
	return low_bits((prefix->family == NFPROTO_IPV6 ? BITS6 : BITS4) - prefix->len);
}

/**
 * bpflb_prefix_is_good() - has it no more bits than its length says?
 * @prefix: the prefix, its length not checked either
 *
 * Context: any.
 */
bool bpflb_prefix_is_good(const struct bpflb_prefix *prefix)
{
	struct bpflb_addr_number n = number(prefix->family, &prefix->addr), host;

	if (prefix->len > (prefix->family == NFPROTO_IPV6 ? BITS6 : BITS4))
		return false;
	host = host_bits(prefix);
	return !(n.hi & host.hi) && !(n.lo & host.lo);
}

/**
 * bpflb_prefix_has() - does an address begin with it?
 * @prefix: a good one
 * @family: of the address
 * @addr: the address
 *
 * Context: any.
 */
bool bpflb_prefix_has(const struct bpflb_prefix *prefix, u8 family,
		      const union nf_inet_addr *addr)
{
	struct bpflb_addr_number first, n, host;

	if (prefix->family != family)
		return false;
	first = number(family, &prefix->addr);
	n = number(family, addr);
	host = host_bits(prefix);
	return (n.hi & ~host.hi) == first.hi && (n.lo & ~host.lo) == first.lo;
}

/* The larger one first where both begin alike. */
static int compare_spans(const void *left, const void *right)
{
	const struct bpflb_span *a = left, *b = right;

	return compare(&a->first, &b->first) ?: compare(&b->last, &a->last);
}

/**
 * bpflb_prefix_set_make() - the addresses of all prefixes of one family
 * @set: what to fill; @set->span has room for @n
 * @prefix: prefixes of any family, good ones
 * @n: how many
 * @family: NFPROTO_IPV4 or NFPROTO_IPV6
 *
 * Two prefixes are either apart or one is in the other. So of those that begin
 * in what is already there all is there.
 *
 * Context: process.
 */
void bpflb_prefix_set_make(struct bpflb_prefix_set *set, const struct bpflb_prefix *prefix, u32 n,
			   u8 family)
{
	u32 i, all = 0;

	for (i = 0; i < n; i++) {
		struct bpflb_span *span = &set->span[all];
		struct bpflb_addr_number host;

		if (prefix[i].family != family)
			continue;
		host = host_bits(&prefix[i]);
		span->first = number(family, &prefix[i].addr);
		span->last.hi = span->first.hi | host.hi;
		span->last.lo = span->first.lo | host.lo;
		all++;
	}
	sort(set->span, all, sizeof(*set->span), compare_spans, NULL);
	set->n = 0;
	for (i = 0; i < all; i++)
		if (!set->n ||
		    compare(&set->span[i].first, &set->span[set->n - 1].last) > 0)
			set->span[set->n++] = set->span[i];
}

/**
 * bpflb_prefix_set_has() - is an address in the set?
 * @set: the set
 * @family: of the set and of the address
 * @addr: the address
 *
 * As many steps as the number of spans has bits.
 *
 * Context: any.
 */
bool bpflb_prefix_set_has(const struct bpflb_prefix_set *set, u8 family,
			  const union nf_inet_addr *addr)
{
	const struct bpflb_addr_number n = number(family, addr);
	u32 from = 0, end = set->n;

	/* The last span that does not begin behind it is before @end. */
	while (from < end) {
		u32 mid = from + (end - from) / 2;

		if (compare(&set->span[mid].first, &n) <= 0)
			from = mid + 1;
		else
			end = mid;
	}
	return from && compare(&n, &set->span[from - 1].last) <= 0;
}
