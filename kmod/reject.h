/* SPDX-License-Identifier: GPL-2.0-only */
/* What a client is told in the name of a service. */
#ifndef _BPFLB_REJECT_H
#define _BPFLB_REJECT_H

#include <linux/types.h>

#include "tuple.h"

struct bpflb_flow;
struct bpflb_net;
struct bpflb_packet;
struct bpflb_service;
struct sk_buff;

#define BPFLB_REJECT_SLOTS 256

/**
 * struct bpflb_reject_limit - how many ICMP errors clients may have
 * @full: until when, in jiffies, each slot's clients have used their share up
 *
 * A client's slot is chosen by a keyed hash of its address. Two processors may
 * write to one at a time: then one error more is sent.
 */
struct bpflb_reject_limit {
	u32 full[BPFLB_REJECT_SLOTS];
};

unsigned int bpflb_reject_unreachable(struct bpflb_net *bn, struct sk_buff *skb,
				      const struct bpflb_packet *pkt, unsigned int verdict);
unsigned int bpflb_reject_no_backend(struct bpflb_net *bn, struct bpflb_service *svc,
				     struct sk_buff *skb, const struct bpflb_packet *pkt);
unsigned int bpflb_reject_unknown_port(struct bpflb_net *bn, struct sk_buff *skb,
				       const struct bpflb_packet *pkt);
bool bpflb_answer_echo(struct bpflb_net *bn, struct sk_buff *skb, const struct bpflb_packet *pkt);
unsigned int bpflb_reject_down(struct bpflb_flow *flow, struct sk_buff *skb,
			       const struct bpflb_packet *pkt);
unsigned int bpflb_reject_lost(struct bpflb_net *bn, struct bpflb_service *svc,
			       struct sk_buff *skb, const struct bpflb_packet *pkt);

#endif
