// SPDX-License-Identifier: GPL-2.0-only
/*
 * The index that flows are found in: one for all namespaces, an array of cache
 * lines with seven links each. A lookup reads one line, and then the flow.
 *
 * Readers walk under RCU. Writers hold the lock of each hash they touch; a lock
 * serves the hashes that have its low bits, in an index of any size.
 *
 * It grows, and shrinks, while packets use it: a worker makes an array of the
 * right size and moves the links over, line by line, each under its lock. Until
 * the last one is moved readers and writers begin at the old array, and find in
 * a line that was moved that they have to go on to the newer one.
 */
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include "flow_find.h"
#include "flow_index.h"

/* Links to a line, in the mean: above the one it grows, below the other it
 * shrinks. With 5 in the mean one line in eight has more than its seven.
 */
#define LINKS_HIGH	5
#define LINKS_LOW	1

/* Lines of one bucket. With a keyed hash, only an index that could not grow for
 * want of memory, or of a processor for the worker, gets there.
 */
#define BUCKET_LINES_MAX 64

#define LINES_MAX	BIT(28)

struct bpflb_index __rcu *bpflb_index __read_mostly;

struct bpflb_index_locks bpflb_index_locks __read_mostly;

static u32 lines_min __read_mostly;
static DEFINE_PER_CPU(long, links);	/* made here, less those removed here */

static void resize(struct work_struct *work);
static DECLARE_WORK(resize_work, resize);

/* A further line of a bucket. */
struct more {
	struct bpflb_line line;
	struct rcu_head rcu;
};

/* Some to have at hand while a lock is held: what a bucket that shrinks into
 * another may need at most.
 */
struct spare {
	struct more *more[BUCKET_LINES_MAX + 1];
	unsigned int n;
};

static struct bpflb_line *line_next(const struct bpflb_line *line)
{
	return (struct bpflb_line *)(READ_ONCE(line->next) & ~BPFLB_LINE_MOVED);
}

static bool line_is_moved(const struct bpflb_line *line)
{
	return READ_ONCE(line->next) & BPFLB_LINE_MOVED;
}

/* Caller holds the lock: the line where links of @hash are now. */
static struct bpflb_line *bucket_of(u32 hash)
{
	struct bpflb_index *index = rcu_dereference(bpflb_index);
	struct bpflb_line *line = &index->line[hash & index->mask];

	if (!line_is_moved(line))
		return line;
	index = rcu_dereference(index->newer);
	return &index->line[hash & index->mask];
}

static unsigned long *line_find(struct bpflb_line *line, unsigned long link)
{
	int i;

	for (i = 0; i < BPFLB_LINE_LINKS; i++)
		if (line->link[i] == link)
			return &line->link[i];
	return NULL;
}

static bool line_is_empty(const struct bpflb_line *line)
{
	return !memchr_inv(line->link, 0, sizeof(line->link));
}

static struct more *more_alloc(struct spare *spare)
{
	if (spare)
		return spare->more[--spare->n];
	queue_work(system_power_efficient_wq, &resize_work);
	return kzalloc(sizeof(struct more), GFP_ATOMIC | __GFP_NOWARN);
}

/* Caller holds the lock of the bucket that ends in @last, with @n lines so far. */
static struct bpflb_line *bucket_extend(struct bpflb_line *last, unsigned int n,
					struct spare *spare)
{
	struct more *more;

	if (n >= BUCKET_LINES_MAX && !spare)
		return ERR_PTR(-ENOSPC);
	more = more_alloc(spare);
	if (!more)
		return ERR_PTR(-ENOMEM);
	/* Readers come by here; its links are 0. */
	smp_store_release(&last->next, (unsigned long)&more->line);
	return &more->line;
}

/**
 * bpflb_index_claim() - a place for a flow under one of its keys
 * @flow: the flow, filled in as far as @key goes
 * @key: the key
 * @not: a place that is claimed already, or NULL
 *
 * Nothing is written: who has claimed places for all keys puts the links there,
 * or leaves it.
 *
 * Context: RCU, the key's lock. Return: the place; ERR_PTR: -EEXIST if another
 * flow has this key, -ENOMEM, -ENOSPC if too many flows share the place of this
 * hash.
 */
unsigned long *bpflb_index_claim(const struct bpflb_flow *flow, enum bpflb_key key,
				 const unsigned long *not)
{
	struct bpflb_line *line = bucket_of(flow->hash[key]), *last;
	u64 tag = bpflb_link_tag(flow->hash[key]);
	unsigned long *at, *found = NULL;
	unsigned int n = 0;

	do {
		for (at = line->link; at < &line->link[BPFLB_LINE_LINKS]; at++) {
			if (!*at) {
				if (!found && at != not)
					found = at;
			} else if (bpflb_link_has_tag(*at, tag) && bpflb_link_key(*at) == key &&
				   bpflb_flow_clashes(flow, bpflb_link_flow(*at), key)) {
				return ERR_PTR(-EEXIST);
			}
		}
		last = line;
		line = line_next(line);
		n++;
	} while (line);
	if (found)
		return found;
	line = bucket_extend(last, n, NULL);
	return IS_ERR(line) ? ERR_CAST(line) : &line->link[0];
}

/**
 * bpflb_index_put() - let a flow be found by one of its keys
 * @at: the place that was claimed for it
 * @flow: the flow, filled in
 * @key: the key
 *
 * Context: RCU, the key's lock.
 */
void bpflb_index_put(unsigned long *at, const struct bpflb_flow *flow, enum bpflb_key key)
{
	/* A flow that readers find is filled in. */
	smp_store_release(at, bpflb_link_make(flow, key, flow->hash[key]));
	this_cpu_inc(links);
}

/**
 * bpflb_index_remove() - let a flow be found no more by one of its keys
 * @flow: the flow
 * @key: a key that it is in the index by
 *
 * Context: RCU, the key's lock.
 */
void bpflb_index_remove(struct bpflb_flow *flow, enum bpflb_key key)
{
	unsigned long link = bpflb_link_make(flow, key, flow->hash[key]);
	struct bpflb_line *line, *before = NULL;
	unsigned long *at;

	for (line = bucket_of(flow->hash[key]); line; line = line_next(line)) {
		at = line_find(line, link);
		if (at)
			break;
		before = line;
	}
	if (WARN_ON_ONCE(!line))
		return;
	WRITE_ONCE(*at, 0);
	this_cpu_dec(links);
	if (!before || !line_is_empty(line))
		return;
	/* Readers on it find their way on. */
	WRITE_ONCE(before->next, line->next);
	kfree_rcu(container_of(line, struct more, line), rcu);
}

static bool bucket_scan(const struct bpflb_line *line,
			bool (*visit)(struct bpflb_flow *flow, void *arg), void *arg)
{
	int i;

	for (; line; line = line_next(line)) {
		for (i = 0; i < BPFLB_LINE_LINKS; i++) {
			unsigned long link = READ_ONCE(line->link[i]);

			/* Each flow has this key. */
			if (link && bpflb_link_key(link) == BPFLB_KEY_ORIG &&
			    !visit(bpflb_link_flow(link), arg))
				return false;
		}
		if (line_is_moved(line))
			break;
	}
	return true;
}

/* Count with the highest bit of @mask as the lowest: then the buckets that one
 * bucket is split into when the index grows follow each other, and those before
 * it stay before it.
 */
static u32 cursor_next(u32 cursor, u32 mask)
{
	u32 bit = (mask >> 1) + 1;

	for (cursor &= mask; cursor & bit; bit >>= 1)
		cursor &= ~bit;
	return cursor | bit;
}

/**
 * bpflb_index_scan() - visit the flows of one bucket, by their key ORIG
 * @cursor: 0 to begin with; follows, and is 0 again after the last bucket
 * @visit: may take the flow out; returns false to end the scan
 * @arg: for @visit
 *
 * From 0 to 0 each flow that is there all the time is visited, be the index
 * resized meanwhile or not; in the first case some twice.
 *
 * Context: RCU. Return: false if @visit ended it; @cursor stays.
 */
bool bpflb_index_scan(u32 *cursor, bool (*visit)(struct bpflb_flow *flow, void *arg), void *arg)
{
	const struct bpflb_index *index = rcu_dereference(bpflb_index), *newer;
	u32 at = *cursor & index->mask, more, i = 0;

	if (!bucket_scan(&index->line[at], visit, arg))
		return false;
	/* Read after the line: what was moved out of it before is in there. */
	smp_rmb();
	newer = rcu_dereference(index->newer);
	if (newer) {
		/* All its buckets for hashes that end in @at; one if it is smaller. */
		more = newer->mask & ~index->mask;
		do {
			if (!bucket_scan(&newer->line[(at & newer->mask) | i], visit, arg))
				return false;
			i = (i - more) & more;
		} while (i);
	}
	*cursor = cursor_next(at, index->mask);
	return true;
}

static struct bpflb_index *index_alloc(u32 lines)
{
	struct bpflb_index *index = kzalloc(sizeof(*index), GFP_KERNEL);

	if (!index)
		return NULL;
	index->mask = lines - 1;
	index->line = kvcalloc(lines, sizeof(*index->line), GFP_KERNEL | __GFP_NOWARN);
	if (!index->line) {
		kfree(index);
		return NULL;
	}
	return index;
}

/* With the further lines of its buckets; nobody reads it any more. */
static void index_free(struct bpflb_index *index)
{
	struct bpflb_line *line, *next;
	u32 i;

	for (i = 0; i <= index->mask; i++) {
		for (line = line_next(&index->line[i]); line; line = next) {
			next = line_next(line);
			kfree(container_of(line, struct more, line));
		}
		if (!(i % 4096))
			cond_resched();
	}
	kvfree(index->line);
	kfree(index);
}

static bool spare_fill(struct spare *spare)
{
	while (spare->n < ARRAY_SIZE(spare->more)) {
		struct more *more = kzalloc(sizeof(*more), GFP_KERNEL);

		if (!more)
			return false;
		spare->more[spare->n++] = more;
	}
	return true;
}

static void spare_free(struct spare *spare)
{
	while (spare->n)
		kfree(spare->more[--spare->n]);
}

/* Caller holds the lock, and has spare lines enough: this can't fail. */
static void bucket_add(struct bpflb_line *line, unsigned long link, struct spare *spare)
{
	unsigned long *at;

	while (!(at = line_find(line, 0)))
		line = line_next(line) ?: bucket_extend(line, 0, spare);
	/* A flow that readers find is filled in. */
	smp_store_release(at, link);
}

/* Caller holds the lock of the bucket @first, and has spare lines enough. */
static void move_bucket(struct bpflb_line *first, const struct bpflb_index *to,
			struct spare *spare)
{
	const struct bpflb_line *line;
	int i;

	for (line = first; line; line = line_next(line)) {
		for (i = 0; i < BPFLB_LINE_LINKS; i++) {
			unsigned long link = line->link[i];
			u32 hash;

			if (!link)
				continue;
			hash = bpflb_link_flow(link)->hash[bpflb_link_key(link)];
			bucket_add(&to->line[hash & to->mask], link, spare);
		}
	}
	/* Who finds the mark finds the links in the newer index. */
	smp_store_release(&first->next, first->next | BPFLB_LINE_MOVED);
	/* Who finds a link gone finds the mark. Pairs with bpflb_index_lookup().
	 * None may be left: its flow may end, and later readers come by here.
	 */
	smp_wmb();
	for (i = 0; i < BPFLB_LINE_LINKS; i++)
		WRITE_ONCE(first->link[i], 0);
}

static void move_all(const struct bpflb_index *from, const struct bpflb_index *to)
{
	struct spare spare = {};
	u32 i;

	for (i = 0; i <= from->mask; i++) {
		while (!spare_fill(&spare))
			cond_resched();
		spin_lock_bh(bpflb_index_lock(i));
		move_bucket(&from->line[i], to, &spare);
		spin_unlock_bh(bpflb_index_lock(i));
		cond_resched();
	}
	spare_free(&spare);
}

/* How many lines would be right? */
static u32 lines_wanted(u32 lines)
{
	long n = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		n += READ_ONCE(*per_cpu_ptr(&links, cpu));
	while (n > (long)lines * LINKS_HIGH && lines < LINES_MAX)
		lines *= 2;
	while (n < (long)lines * LINKS_LOW && lines > lines_min)
		lines /= 2;
	return lines;
}

static void resize(struct work_struct *work)
{
	struct bpflb_index *old, *new;
	u32 lines;

	for (;;) {
		old = rcu_dereference_protected(bpflb_index, true);
		lines = lines_wanted(old->mask + 1);
		if (lines == old->mask + 1)
			return;
		/* Without memory, the next bucket that is full asks again. */
		new = index_alloc(lines);
		if (!new)
			return;
		rcu_assign_pointer(old->newer, new);
		move_all(old, new);
		rcu_assign_pointer(bpflb_index, new);
		synchronize_rcu();
		index_free(old);
	}
}

/**
 * bpflb_index_fit() - see whether there are more lines than are of use
 *
 * That there are too few is noticed when a bucket is full.
 *
 * Context: any.
 */
void bpflb_index_fit(void)
{
	u32 lines = bpflb_index_lines();

	if (lines_wanted(lines) != lines)
		queue_work(system_power_efficient_wq, &resize_work);
}

u32 bpflb_index_lines(void)
{
	u32 lines;

	rcu_read_lock();
	lines = rcu_dereference(bpflb_index)->mask + 1;
	rcu_read_unlock();
	return lines;
}

/**
 * bpflb_index_init() - begin, with an empty index
 * @lines: how many it has at least; 0: enough for the processors
 *
 * Return: 0, -EINVAL, -ENOMEM.
 */
int bpflb_index_init(u32 lines)
{
	/* So many locks that processors seldom want the same one. */
	u32 locks = roundup_pow_of_two(clamp(64 * num_possible_cpus(), 1024U, 65536U)), i;
	struct bpflb_index *index;
	spinlock_t *lock;	/* all of them */

	if (lines > LINES_MAX)
		return -EINVAL;
	lines = lines ? roundup_pow_of_two(max(lines, 16U)) : locks;
	locks = min(locks, lines);
	index = index_alloc(lines);
	lock = kvmalloc_array(locks, sizeof(*lock), GFP_KERNEL);
	if (!index || !lock) {
		if (index)
			index_free(index);
		kvfree(lock);
		return -ENOMEM;
	}
	for (i = 0; i < locks; i++)
		spin_lock_init(&lock[i]);
	bpflb_index_locks = (struct bpflb_index_locks){ lock, locks - 1 };
	lines_min = lines;
	RCU_INIT_POINTER(bpflb_index, index);
	return 0;
}

/* After the last flow. */
void bpflb_index_exit(void)
{
	cancel_work_sync(&resize_work);
	index_free(rcu_dereference_protected(bpflb_index, true));
	kvfree(bpflb_index_locks.lock);
}
