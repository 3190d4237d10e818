/* SPDX-License-Identifier: GPL-2.0-only */
/* Not siphash, but a function of the same arguments: enough to see which
 * arguments a tuple's hash is made of.
 */
#ifndef _SHIM_SIPHASH_H
#define _SHIM_SIPHASH_H

#include <stddef.h>
#include <linux/types.h>

typedef struct {
	u64 key[2];
} hsiphash_key_t;

static inline u64 shim_mix(u64 h, u64 v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15ULL;
	return h ^ h >> 29;
}

static inline u32 hsiphash_4u32(u32 a, u32 b, u32 c, u32 d, const hsiphash_key_t *key)
{
	u64 h = shim_mix(shim_mix(key->key[0], (u64)b << 32 | a), (u64)d << 32 | c);

	return shim_mix(h, key->key[1]);
}

static inline u32 hsiphash(const void *data, size_t len, const hsiphash_key_t *key)
{
	const u8 *byte = data;
	u64 h = key->key[0];

	while (len--)
		h = shim_mix(h, *byte++);
	return shim_mix(h, key->key[1]);
}

#endif
