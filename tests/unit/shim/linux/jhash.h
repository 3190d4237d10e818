/* SPDX-License-Identifier: GPL-2.0-only */
/* Bob Jenkins' lookup3 (public domain), as far as the kernel's <linux/jhash.h> has it. */
#ifndef _SHIM_JHASH_H
#define _SHIM_JHASH_H

#include <linux/bitops.h>
#include <linux/types.h>

#define SHIM_STEP(x, y, z, n)	((x) -= (z), (x) ^= rol32(z, n), (z) += (y))
#define SHIM_LAST(x, y, n)	((x) = ((x) ^ (y)) - rol32(y, n))

#define __jhash_mix(a, b, c) do {						\
	SHIM_STEP(a, b, c, 4); SHIM_STEP(b, c, a, 6); SHIM_STEP(c, a, b, 8);	\
	SHIM_STEP(a, b, c, 16); SHIM_STEP(b, c, a, 19); SHIM_STEP(c, a, b, 4);	\
} while (0)

#define __jhash_final(a, b, c) do {						\
	SHIM_LAST(c, b, 14); SHIM_LAST(a, c, 11); SHIM_LAST(b, a, 25);		\
	SHIM_LAST(c, b, 16); SHIM_LAST(a, c, 4); SHIM_LAST(b, a, 14);		\
	SHIM_LAST(c, b, 24);							\
} while (0)

static inline u32 jhash_3words(u32 a, u32 b, u32 c, u32 seed)
{
	const u32 base = 0xdeadbeef + (3 << 2) + seed;

	a += base;
	b += base;
	c += base;
	__jhash_final(a, b, c);
	return c;
}

#endif
