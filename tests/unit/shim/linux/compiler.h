/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_COMPILER_H
#define _SHIM_COMPILER_H

#define READ_ONCE(x)	(*(const volatile __typeof__(x) *)&(x))

#endif
