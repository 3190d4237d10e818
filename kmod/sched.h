/* SPDX-License-Identifier: GPL-2.0-only */
/* Choosing one of a service's backends. Pure. */
#ifndef _BPFLB_SCHED_H
#define _BPFLB_SCHED_H

#include <linux/types.h>

u32 bpflb_sched_random(const u64 *sum, u32 n, u64 random);

#endif
