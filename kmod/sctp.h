/* SPDX-License-Identifier: GPL-2.0-only */
/* SCTP packets: what is in them, and other ports for them. */
#ifndef _BPFLB_SCTP_H
#define _BPFLB_SCTP_H

#include "packet.h"

u8 bpflb_sctp_chunks(const struct sk_buff *skb, u32 thoff, u32 len);
void bpflb_sctp_rewrite(struct sk_buff *skb, const struct bpflb_packet *pkt,
			const struct bpflb_tuple *to);

#endif
