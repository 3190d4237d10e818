/* SPDX-License-Identifier: GPL-2.0-only */
/* The maglev scheduler: packets of a tuple go to the same backend from every node. Pure. */
#ifndef _BPFLB_MAGLEV_H
#define _BPFLB_MAGLEV_H

#include <linux/types.h>

/* Primes; Cilium's. */
#define BPFLB_MAGLEV_SIZE		16381
#define BPFLB_MAGLEV_SIZE_MAX		131071

/* "[[2001:db8:1111:2222:3333:4444:5555:6666]:65535/SCTP,State:active]" */
#define BPFLB_MAGLEV_NAME_MAX		72

/**
 * struct bpflb_maglev_member - a backend on its way into a table
 * @name: what decides over its places: nodes that give a backend the same name
 *	give it the same places
 * @slot: what the table says for it
 * @weight: above 0
 * @place: the next place that it would like to have
 * @skip: how far it is from that to the one after it
 * @turns: how many it has had, as weights see it
 */
struct bpflb_maglev_member {
	char name[BPFLB_MAGLEV_NAME_MAX];
	u16 slot;
	u32 weight;
	u32 place;
	u32 skip;
	u64 turns;
};

struct bpflb_tuple;

bool bpflb_maglev_size_is_good(u32 size);
void bpflb_maglev_fill(u16 *table, u32 size, struct bpflb_maglev_member *member, u32 n);
u32 bpflb_maglev_hash(const struct bpflb_tuple *t, bool any_port);

#endif
