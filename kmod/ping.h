/* SPDX-License-Identifier: GPL-2.0-only */
/* Services answer to ping, where that is set. */
#ifndef _BPFLB_PING_H
#define _BPFLB_PING_H

#include <linux/types.h>

struct bpflb_net;
struct sk_buff;

bool bpflb_ping(struct bpflb_net *bn, struct sk_buff *skb, u8 family, bool local_out);

#endif
