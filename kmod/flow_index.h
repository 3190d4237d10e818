/* SPDX-License-Identifier: GPL-2.0-only */
/* Where flows are found by hash: cache lines of links, in an array that grows. */
#ifndef _BPFLB_FLOW_INDEX_H
#define _BPFLB_FLOW_INDEX_H

#include <linux/cache.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>

#include "flow.h"

#define BPFLB_LINE_LINKS 7

/* In the word next: the line's links are in the newer index. */
#define BPFLB_LINE_MOVED 1UL

/**
 * struct bpflb_line - a bucket: one cache line of links
 * @link: flows, 0 where there is none; see bpflb_link_make()
 * @next: one more line of this bucket, and BPFLB_LINE_MOVED
 *
 * Links never move within a line, so that a reader misses none of them.
 */
struct bpflb_line {
	unsigned long link[BPFLB_LINE_LINKS];
	unsigned long next;
} __aligned(64);

/**
 * struct bpflb_index - an array of lines
 * @line: the lines; number (hash & @mask) is where a hash belongs
 * @mask: how many lines there are, less 1; a power of 2, less 1
 * @newer: the index that this one's lines are being moved to, or NULL
 */
struct bpflb_index {
	struct bpflb_line *line;
	u32 mask;
	struct bpflb_index __rcu *newer;
};

extern struct bpflb_index __rcu *bpflb_index;

/*
 * A link is one word, read and written as a whole: what key of what flow, and
 * enough of the key's hash that a flow of another hash is hardly ever looked at.
 *
 *	63      48 47                2 1   0
 *	+---------+-------------------+-----+
 *	|  hash   | flow's place      | key |
 *	+---------+-------------------+-----+
 *
 * The place is counted from the start of the linear mapping, in steps of a
 * flow's alignment (64 bytes): 46 bits of it reach over the 52 bits that a
 * physical address has at most. Where a word has 32 bits there is no room for a hash.
 */
#if BITS_PER_LONG == 64
#define BPFLB_LINK_TAG_SHIFT	48
#define BPFLB_LINK_BASE		PAGE_OFFSET
#else
#define BPFLB_LINK_TAG_SHIFT	32
#define BPFLB_LINK_BASE		0UL
#endif

#define BPFLB_LINK_KEY_BITS	2
#define BPFLB_LINK_KEY_MASK	(BIT(BPFLB_LINK_KEY_BITS) - 1)
#define BPFLB_LINK_STEP_BITS	(BITS_PER_LONG == 64 ? 6 - BPFLB_LINK_KEY_BITS : 0)

/* What the links of a hash have in common. No tag is 0, as that of no link is. */
static inline u64 bpflb_link_tag(u32 hash)
{
	return BPFLB_LINK_TAG_SHIFT == 48 ? (u64)(hash >> 16 | 1) << 48 : 0;
}

static inline bool bpflb_link_has_tag(unsigned long link, u64 tag)
{
	return !((link ^ tag) >> BPFLB_LINK_TAG_SHIFT);
}

static inline unsigned long bpflb_link_make(const struct bpflb_flow *flow, enum bpflb_key key,
					    u32 hash)
{
	unsigned long at = ((unsigned long)flow - BPFLB_LINK_BASE) >> BPFLB_LINK_STEP_BITS;

	return bpflb_link_tag(hash) | at | key;
}

static inline struct bpflb_flow *bpflb_link_flow(unsigned long link)
{
	unsigned long at = link & (unsigned long)(BIT_ULL(BPFLB_LINK_TAG_SHIFT) - 1) &
			   ~BPFLB_LINK_KEY_MASK;

	return (struct bpflb_flow *)((at << BPFLB_LINK_STEP_BITS) + BPFLB_LINK_BASE);
}

static inline enum bpflb_key bpflb_link_key(unsigned long link)
{
	return link & BPFLB_LINK_KEY_MASK;
}

/**
 * bpflb_index_lookup() - look at the flows that may have a hash
 * @hash: the hash
 * @match: is it the one? It is also asked for few flows of other hashes
 * @arg: for @match
 *
 * An inline function, so that @match gets inlined too.
 *
 * Context: RCU. Return: what @match said yes to, or NULL.
 */
static __always_inline struct bpflb_flow *
bpflb_index_lookup(u32 hash, bool (*match)(struct bpflb_flow *flow, enum bpflb_key key, void *arg),
		   void *arg)
{
	const struct bpflb_index *index = rcu_dereference(bpflb_index);
	const struct bpflb_line *line = &index->line[hash & index->mask];
	const u64 tag = bpflb_link_tag(hash);
	const unsigned long *at;
	unsigned long next;

	for (;;) {
		for (at = line->link; at < &line->link[BPFLB_LINE_LINKS]; at++) {
			unsigned long link = READ_ONCE(*at);

			if (bpflb_link_has_tag(link, tag) && (BITS_PER_LONG == 64 || link) &&
			    match(bpflb_link_flow(link), bpflb_link_key(link), arg))
				return bpflb_link_flow(link);
		}
		/* Pairs with move_line(): links taken away are in the newer index. */
		smp_rmb();
		next = READ_ONCE(line->next);
		if (likely(!next))
			return NULL;
		if (next & BPFLB_LINE_MOVED) {
			index = rcu_dereference(index->newer);
			line = &index->line[hash & index->mask];
		} else {
			line = (const struct bpflb_line *)next;
		}
	}
}

/**
 * struct bpflb_index_locks - one for the links of all hashes that end alike
 * @lock: the locks
 * @mask: how many, less 1; a power of 2, less 1
 *
 * They stay as they are, of however many lines the index is.
 */
struct bpflb_index_locks {
	spinlock_t *lock;	/* the links of a hash, and a bucket's further lines */
	u32 mask;
};

extern struct bpflb_index_locks bpflb_index_locks;

/* Which of them? Those of several hashes are taken in ascending order. */
static inline spinlock_t *bpflb_index_lock(u32 hash)
{
	return &bpflb_index_locks.lock[hash & bpflb_index_locks.mask];
}

int bpflb_index_init(u32 lines);
void bpflb_index_exit(void);
u32 bpflb_index_lines(void);
void bpflb_index_fit(void);
unsigned long *bpflb_index_claim(const struct bpflb_flow *flow, enum bpflb_key key,
				 const unsigned long *not);
void bpflb_index_put(unsigned long *at, const struct bpflb_flow *flow, enum bpflb_key key);
void bpflb_index_remove(struct bpflb_flow *flow, enum bpflb_key key);
bool bpflb_index_scan(u32 *cursor, bool (*visit)(struct bpflb_flow *flow, void *arg), void *arg);

#endif
