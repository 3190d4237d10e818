/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory that packets take for network namespaces which another user namespace than the machine's
 * owns. It is charged to no control group, for it is taken in softirq; so all of them together
 * have a bound.
 */
#ifndef _BPFLB_FOREIGN_H
#define _BPFLB_FOREIGN_H

#include <linux/compiler.h>
#include <linux/types.h>

void bpflb_foreign_charge(long bytes);
bool bpflb_foreign_is_full(void);

int bpflb_foreign_init(void);
void bpflb_foreign_exit(void);

/* @foreign: bpflb_net.foreign; @bytes: negative when they are given back. Context: any. */
static inline void bpflb_charge(bool foreign, long bytes)
{
	if (unlikely(foreign))
		bpflb_foreign_charge(bytes);
}

#endif
