/* SPDX-License-Identifier: GPL-2.0-only */
/* Not siphash, but a function of the same arguments: enough to see which
 * arguments a tuple's hash is made of.
 */
#ifndef _SHIM_SIPHASH_H
#define _SHIM_SIPHASH_H

#include <linux/types.h>

typedef struct {
	u64 key[2];
} siphash_key_t;

static inline u64 shim_mix(u64 h, u64 v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15ULL;
	return h ^ h >> 29;
}

static inline u64 siphash_2u64(u64 a, u64 b, const siphash_key_t *key)
{
	return shim_mix(shim_mix(shim_mix(key->key[0], a), b), key->key[1]);
}

#endif
