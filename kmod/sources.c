// SPDX-License-Identifier: GPL-2.0-only
#include <linux/mm.h>
#include <linux/slab.h>

#include "sources.h"

/**
 * bpflb_sources_make() - clients that are allowed, or denied
 * @prefix: good ones
 * @n: how many
 * @deny: they are denied; else all others are
 *
 * Context: process. Return: with one reference, or NULL without memory.
 */
struct bpflb_sources *bpflb_sources_make(const struct bpflb_prefix *prefix, u32 n, bool deny)
{
	struct bpflb_sources *sources;

	sources = kvzalloc(struct_size(sources, span, n) + n * sizeof(*prefix),
			   GFP_KERNEL_ACCOUNT);
	if (!sources)
		return NULL;
	refcount_set(&sources->ref, 1);
	sources->deny = deny;
	sources->n = n;
	sources->prefix = memcpy(&sources->span[n], prefix, n * sizeof(*prefix));
	/* What is of one family is not of the other: there is room for both. */
	sources->set[0].span = sources->span;
	bpflb_prefix_set_make(&sources->set[0], prefix, n, NFPROTO_IPV4);
	sources->set[1].span = sources->span + sources->set[0].n;
	bpflb_prefix_set_make(&sources->set[1], prefix, n, NFPROTO_IPV6);
	return sources;
}

/* Any may be NULL. */
struct bpflb_sources *bpflb_sources_get(struct bpflb_sources *sources)
{
	if (sources)
		refcount_inc(&sources->ref);
	return sources;
}

/**
 * bpflb_sources_put() - give back a reference
 * @sources: any, or NULL
 *
 * Context: any.
 */
void bpflb_sources_put(struct bpflb_sources *sources)
{
	if (sources && refcount_dec_and_test(&sources->ref))
		kvfree(sources);
}

/** bpflb_sources_equal() - are they the same, in the same order? Any may be NULL */
bool bpflb_sources_equal(const struct bpflb_sources *a, const struct bpflb_sources *b)
{
	if (a == b)
		return true;
	return a && b && a->deny == b->deny && a->n == b->n &&
	       !memcmp(a->prefix, b->prefix, a->n * sizeof(a->prefix[0]));
}
