// SPDX-License-Identifier: GPL-2.0-only
#include <linux/string.h>

#include "affinity_set.h"

/**
 * bpflb_affinity_find() - a client that may be in a set
 * @set: BPFLB_AFFINITY_WAYS clients
 * @key: who
 *
 * Context: any. Return: NULL if it is not there.
 */
struct bpflb_affinity *bpflb_affinity_find(struct bpflb_affinity *set,
					   const struct bpflb_affinity_key *key)
{
	int i;

	for (i = 0; i < BPFLB_AFFINITY_WAYS; i++)
		if (!memcmp(&set[i].key, key, sizeof(*key)))
			return &set[i];
	return NULL;
}

/**
 * bpflb_affinity_room() - where a new client is entered
 * @set: BPFLB_AFFINITY_WAYS clients
 * @now: second
 *
 * Context: any. Return: a place that nobody has, or whose client is not held any
 * more; else that of the client which was not seen for longest.
 */
struct bpflb_affinity *bpflb_affinity_room(struct bpflb_affinity *set, u32 now)
{
	struct bpflb_affinity *oldest = set;
	int i;

	for (i = 0; i < BPFLB_AFFINITY_WAYS; i++) {
		if (!bpflb_affinity_holds(&set[i], set[i].timeout, now))
			return &set[i];
		if (now - set[i].seen > now - oldest->seen)
			oldest = &set[i];
	}
	return oldest;
}
