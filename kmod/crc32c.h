/* SPDX-License-Identifier: GPL-2.0-only */
/* The CRC32c of SCTP, as far as it changes. Pure. */
#ifndef _BPFLB_CRC32C_H
#define _BPFLB_CRC32C_H

#include <linux/types.h>

u32 bpflb_crc32c_change(u32 bits, u16 len);

#endif
