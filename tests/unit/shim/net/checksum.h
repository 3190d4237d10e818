/* SPDX-License-Identifier: GPL-2.0-only */
/* Ones' complement sums, as plainly as they can be had. */
#ifndef _SHIM_CHECKSUM_H
#define _SHIM_CHECKSUM_H

#include <linux/types.h>

#define CSUM_MANGLED_0 ((__sum16)0xffff)

static inline __wsum csum_add(__wsum a, __wsum b)
{
	u64 sum = (u64)a + b;

	return (u32)sum + (u32)(sum >> 32);
}

static inline __wsum csum_sub(__wsum a, __wsum b)
{
	return csum_add(a, ~b);
}

static inline __sum16 csum_fold(__wsum sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static inline __wsum csum_unfold(__sum16 sum)
{
	return sum;
}

static inline void csum_replace_by_diff(__sum16 *sum, __wsum diff)
{
	*sum = csum_fold(csum_add(diff, ~csum_unfold(*sum)));
}

#endif
