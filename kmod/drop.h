/* SPDX-License-Identifier: GPL-2.0-only */
/* The end of a packet that the module drops. */
#ifndef _BPFLB_DROP_H
#define _BPFLB_DROP_H

#include <linux/bpflb.h>
#include <linux/compiler.h>
#include <linux/netfilter.h>

struct sk_buff;

/* Why, in the bits of a verdict that NF_DROP has no use for; 0: not by us. */
#define BPFLB_VERDICT_SHIFT	8
#define BPFLB_VERDICT_REASON	0x7f00

/** bpflb_verdict() - of a packet that is to be dropped for @reason */
static inline unsigned int bpflb_verdict(enum bpflb_drop_reason reason)
{
	return NF_DROP | (reason + 1) << BPFLB_VERDICT_SHIFT;
}

void bpflb_drop_free(struct sk_buff *skb, enum bpflb_drop_reason reason);
unsigned int bpflb_drop_finish(struct sk_buff *skb, unsigned int verdict);

/**
 * bpflb_finish() - what a hook returns
 * @skb: the packet; it is freed if it was to be dropped
 * @verdict: of bpflb_drop(), or any other
 *
 * Context: any.
 */
static inline unsigned int bpflb_finish(struct sk_buff *skb, unsigned int verdict)
{
	return likely(!(verdict & BPFLB_VERDICT_REASON)) ? verdict :
							   bpflb_drop_finish(skb, verdict);
}

#endif
