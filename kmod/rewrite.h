/* SPDX-License-Identifier: GPL-2.0-only */
/* Addresses, ports and checksums of a packet. */
#ifndef _BPFLB_REWRITE_H
#define _BPFLB_REWRITE_H

#include "packet.h"

bool bpflb_rewrite(struct sk_buff *skb, struct bpflb_packet *pkt,
		   const struct bpflb_endpoint *src, const struct bpflb_endpoint *dst);

#endif
