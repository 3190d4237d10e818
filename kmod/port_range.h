/* SPDX-License-Identifier: GPL-2.0-only */
/* Ranges of ports less other ranges. Pure. */
#ifndef _BPFLB_PORT_RANGE_H
#define _BPFLB_PORT_RANGE_H

#include <linux/types.h>

/**
 * struct bpflb_range - ports from @first to @last, both in it, host byte order
 * @first: lowest
 * @last: highest; below @first: empty
 */
struct bpflb_range {
	u16 first;
	u16 last;
};

#define BPFLB_PORT_SET_MAX 3

/**
 * struct bpflb_port_set - ascending ranges that don't touch each other
 * @n: how many
 * @count: how many ports in all
 * @range: the ranges
 */
struct bpflb_port_set {
	unsigned int n;
	u32 count;
	struct bpflb_range range[BPFLB_PORT_SET_MAX];
};

void bpflb_port_set_make(struct bpflb_port_set *set, struct bpflb_range all,
			 struct bpflb_range not1, struct bpflb_range not2);
bool bpflb_port_set_has(const struct bpflb_port_set *set, u16 port);
u32 bpflb_port_next(const unsigned long *taken, const unsigned long *not, u32 from, u32 end);
u16 bpflb_port_set_nth(const struct bpflb_port_set *set, u32 n);

#endif
