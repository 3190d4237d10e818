/* SPDX-License-Identifier: GPL-2.0-only */
/* What a packet's flow does to the packet. */
#ifndef _BPFLB_TRANSLATE_H
#define _BPFLB_TRANSLATE_H

#include "flow.h"

struct net_device;

bool bpflb_flow_serves(const struct bpflb_match *m, const struct bpflb_packet *pkt);
bool bpflb_flow_has_no_server(const struct bpflb_flow *flow, const struct bpflb_packet *pkt);
enum bpflb_flow_end bpflb_flow_end_for(const struct bpflb_match *m);
unsigned int bpflb_translate_dst(struct sk_buff *skb, struct bpflb_packet *pkt,
				 const struct bpflb_match *m);
unsigned int bpflb_translate_src(struct sk_buff *skb, struct bpflb_packet *pkt,
				 const struct bpflb_match *m, const struct net_device *out);

#endif
