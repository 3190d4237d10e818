/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_SKBUFF_H
#define _SHIM_SKBUFF_H

#include <linux/types.h>

#define CHECKSUM_NONE		0
#define CHECKSUM_UNNECESSARY	1
#define CHECKSUM_COMPLETE	2
#define CHECKSUM_PARTIAL	3

struct sk_buff {
	u8 ip_summed;
	__wsum csum;
};

#endif
