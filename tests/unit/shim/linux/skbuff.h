/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_SKBUFF_H
#define _SHIM_SKBUFF_H

#include <linux/types.h>

struct sk_buff;

#endif
