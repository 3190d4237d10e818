/* SPDX-License-Identifier: GPL-2.0-only */
/* A few clients, and which backend each is to have again. Pure. */
#ifndef _BPFLB_AFFINITY_SET_H
#define _BPFLB_AFFINITY_SET_H

#include <linux/types.h>

#define BPFLB_AFFINITY_WAYS	8	/* clients of a set */

/**
 * struct bpflb_affinity_key - who asks for what; hashed as bytes
 * @client: address; one of IPv4 as an IPv6 address that is mapped to it
 * @service: number of the service; 0: nobody is here
 */
struct bpflb_affinity_key {
	__be32 client[4];
	u32 service;
};

/**
 * struct bpflb_affinity - a client of a service
 * @key: who it is
 * @backend: number of the backend that it had
 * @seen: second of its last new flow
 * @timeout: for how many seconds that held, by then
 */
struct bpflb_affinity {
	struct bpflb_affinity_key key;
	u32 backend;
	u32 seen;
	u32 timeout;
};

struct bpflb_affinity *bpflb_affinity_find(struct bpflb_affinity *set,
					   const struct bpflb_affinity_key *key);
struct bpflb_affinity *bpflb_affinity_room(struct bpflb_affinity *set, u32 now);

/* Does it still hold? A second has passed when the next one has: the timeout is never cut. */
static inline bool bpflb_affinity_holds(const struct bpflb_affinity *a, u32 timeout, u32 now)
{
	return a->key.service && now - a->seen <= timeout;
}

#endif
