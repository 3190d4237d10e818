/* SPDX-License-Identifier: GPL-2.0-only */
/* The backend of a new flow, by the service's scheduler. */
#ifndef _BPFLB_CHOOSE_H
#define _BPFLB_CHOOSE_H

#include <linux/types.h>

struct bpflb_packet;
struct bpflb_pool;
struct bpflb_slot;
struct bpflb_tuple;
struct bpflb_version;

void bpflb_choose_init(void);
const struct bpflb_slot *bpflb_choose(const struct bpflb_version *v,
				      const struct bpflb_pool *pool,
				      const struct bpflb_tuple *t);
const struct bpflb_slot *bpflb_with_room(const struct bpflb_pool *pool,
					 const struct bpflb_slot *chosen);
const struct bpflb_slot *bpflb_give_way(const struct bpflb_version *v,
					const struct bpflb_pool *pool,
					const struct bpflb_slot *chosen,
					const struct bpflb_packet *pkt);
u32 bpflb_choose_share(const struct bpflb_version *v, const struct bpflb_pool *pool,
		       const struct bpflb_slot *slot);
const struct bpflb_slot *bpflb_choose_tell(const struct bpflb_version *v,
					   const struct bpflb_pool *pool,
					   const struct bpflb_tuple *t);

#endif
