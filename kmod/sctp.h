/* SPDX-License-Identifier: GPL-2.0-only */
/* SCTP packets: what is in them, and other ports for them. */
#ifndef _BPFLB_SCTP_H
#define _BPFLB_SCTP_H

#include <linux/sctp.h>

#include "packet.h"

/* An SCTP packet that ends an association: one chunk, which is nothing but its header. */
struct bpflb_sctp_end {
	struct sctphdr head;
	struct sctp_chunkhdr chunk;
};

u8 bpflb_sctp_chunks(const struct sk_buff *skb, u32 thoff, u32 len);
void bpflb_sctp_rewrite(struct sk_buff *skb, const struct bpflb_packet *pkt,
			const struct bpflb_tuple *to);

bool bpflb_sctp_is_intact(const struct sk_buff *skb, const struct bpflb_packet *pkt);
bool bpflb_sctp_end(struct bpflb_sctp_end *end, const struct sk_buff *skb,
		    const struct bpflb_packet *pkt);

#endif
