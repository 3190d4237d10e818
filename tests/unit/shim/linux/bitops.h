/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_BITOPS_H
#define _SHIM_BITOPS_H

#include <linux/types.h>

#define BITS_PER_LONG	(8 * (unsigned int)sizeof(long))
#define __ffs(word)	((unsigned long)__builtin_ctzl(word))

static inline u32 rol32(u32 word, unsigned int n)
{
	return word << n | word >> (32 - n);
}

static inline u64 rol64(u64 word, unsigned int n)
{
	return word << n | word >> (64 - n);
}

#endif
