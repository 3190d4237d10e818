/* SPDX-License-Identifier: GPL-2.0-only */
/* The function that is in every kernel, and needs no module, has changed its name. */
#ifndef _BPFLB_COMPAT_CRC32C_H
#define _BPFLB_COMPAT_CRC32C_H

#include <linux/crc32.h>

static inline u32 bpflb_crc32c(u32 crc, const void *data, size_t len)
{
#ifdef BPFLB_HAVE_CRC32C
	return crc32c(crc, data, len);
#else
	return __crc32c_le(crc, data, len);
#endif
}

#endif
