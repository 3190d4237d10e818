/* SPDX-License-Identifier: GPL-2.0-only */
/* A packet that no flow was found for: choose a backend, make the flow. */
#ifndef _BPFLB_BALANCE_H
#define _BPFLB_BALANCE_H

#include "packet.h"

struct bpflb_backend;
struct bpflb_match;
struct bpflb_net;
struct bpflb_frontend;

unsigned int bpflb_balance(struct bpflb_net *bn, struct bpflb_frontend *fe, struct sk_buff *skb,
			   struct bpflb_packet *pkt);
struct bpflb_backend *bpflb_balance_tell(struct bpflb_net *bn, const struct bpflb_packet *pkt);
unsigned int bpflb_balance_noted(struct bpflb_net *bn, struct sk_buff *skb,
				 struct bpflb_packet *asked, struct bpflb_backend *be,
				 struct bpflb_match *m);

#endif
