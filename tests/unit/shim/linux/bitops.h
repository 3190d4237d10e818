/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_BITOPS_H
#define _SHIM_BITOPS_H

#define BITS_PER_LONG	(8 * (unsigned int)sizeof(long))
#define __ffs(word)	((unsigned long)__builtin_ctzl(word))

#endif
