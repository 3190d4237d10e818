/* SPDX-License-Identifier: GPL-2.0-only */
/* Which clients may ask a service. */
#ifndef _BPFLB_SOURCES_H
#define _BPFLB_SOURCES_H

#include <linux/refcount.h>

#include "prefix.h"

/**
 * struct bpflb_sources - the prefixes that a service allows, or denies; immutable
 * @ref: the service, and each version
 * @deny: these are denied; else all others are
 * @n: how many @prefix
 * @prefix: as the user has given them
 * @set: the same, of IPv4 and of IPv6
 * @span: of both
 */
struct bpflb_sources {
	refcount_t ref;
	bool deny;
	u32 n;
	struct bpflb_prefix *prefix;
	struct bpflb_prefix_set set[2];
	struct bpflb_span span[];
};

/* May a client of this address ask? */
static inline bool bpflb_sources_allow(const struct bpflb_sources *sources, u8 family,
				       const union nf_inet_addr *addr)
{
	return bpflb_prefix_set_has(&sources->set[family == NFPROTO_IPV6], family, addr) !=
	       sources->deny;
}

struct bpflb_sources *bpflb_sources_make(const struct bpflb_prefix *prefix, u32 n, bool deny);
struct bpflb_sources *bpflb_sources_get(struct bpflb_sources *sources);
void bpflb_sources_put(struct bpflb_sources *sources);
bool bpflb_sources_equal(const struct bpflb_sources *a, const struct bpflb_sources *b);

#endif
