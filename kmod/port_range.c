// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bitops.h>
#include <linux/compiler.h>
#include <linux/minmax.h>

#include "port_range.h"

static void port_set_append(struct bpflb_port_set *set, u32 first, u32 last)
{
	if (first > last)
		return;
	set->range[set->n].first = first;
	set->range[set->n].last = last;
	set->n++;
	set->count += last - first + 1;
}

/**
 * bpflb_port_set_make() - @all less @not1 and @not2
 * @set: what to fill
 * @all: the ports to begin with
 * @not1: ports to leave out, or an empty range
 * @not2: the same
 *
 * Context: any.
 */
void bpflb_port_set_make(struct bpflb_port_set *set, struct bpflb_range all,
			 struct bpflb_range not1, struct bpflb_range not2)
{
	const struct bpflb_range *hole[2] = { &not1, &not2 };
	u32 from = all.first;
	int i;

	set->n = 0;
	set->count = 0;
	/* An empty hole may be anywhere; it only must not decide the order. */
	if (not1.first > not1.last) {
		hole[0] = &not2;
	} else if (not2.first <= not2.last && not2.first < not1.first) {
		hole[0] = &not2;
		hole[1] = &not1;
	}

	for (i = 0; i < 2; i++) {
		const struct bpflb_range *h = hole[i];

		if (h->first > h->last || h->last < from || h->first > all.last)
			continue;
		if (h->first > from)
			port_set_append(set, from, h->first - 1);
		from = (u32)h->last + 1;
	}
	port_set_append(set, from, all.last);
}

/**
 * bpflb_port_set_has() - is a port in the set?
 * @set: the set
 * @port: host byte order
 */
bool bpflb_port_set_has(const struct bpflb_port_set *set, u16 port)
{
	unsigned int i;

	for (i = 0; i < set->n; i++)
		if (port >= set->range[i].first && port <= set->range[i].last)
			return true;
	return false;
}

/**
 * bpflb_port_next() - the first port that is in neither of two sets
 * @taken: bits of 4096 ports or fewer; NULL: none is
 * @not: the same
 * @from: first bit to look at
 * @end: the one behind the last
 *
 * A word of either at a time, so what it costs hardly depends on how many are set.
 *
 * Context: any; others may set and clear bits meanwhile. Return: the bit, or @end.
 */
u32 bpflb_port_next(const unsigned long *taken, const unsigned long *not, u32 from, u32 end)
{
	while (from < end) {
		u32 word = from / BITS_PER_LONG, bit = from % BITS_PER_LONG;
		unsigned long full = (taken ? READ_ONCE(taken[word]) : 0) |
				     (not ? READ_ONCE(not[word]) : 0);
		unsigned long free = ~full >> bit;

		if (free)
			return min(from + (u32)__ffs(free), end);
		from += BITS_PER_LONG - bit;
	}
	return end;
}

/**
 * bpflb_port_set_nth() - the set's ports as one row
 * @set: the set
 * @n: below @set->count
 *
 * Return: the port, host byte order.
 */
u16 bpflb_port_set_nth(const struct bpflb_port_set *set, u32 n)
{
	unsigned int i;

	for (i = 0; i + 1 < set->n; i++) {
		u32 len = set->range[i].last - set->range[i].first + 1;

		if (n < len)
			break;
		n -= len;
	}
	return set->range[i].first + n;
}
