/* SPDX-License-Identifier: GPL-2.0-only */
/* What kernel sources that are pure logic need of the kernel, in user space. */
#ifndef _SHIM_TYPES_H
#define _SHIM_TYPES_H

#include_next <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;

#define U64_MAX	UINT64_MAX

#define __force
#define U16_MAX UINT16_MAX
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
