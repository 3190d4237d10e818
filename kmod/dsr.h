/* SPDX-License-Identifier: GPL-2.0-only */
/* Direct server return: the note of the service address, sent and received. */
#ifndef _BPFLB_DSR_H
#define _BPFLB_DSR_H

#include "flow.h"
#include "packet.h"

struct bpflb_net;

/* dsr.c */
/**
 * bpflb_dsr_notes_each() - is there a note on each packet, and not only the first?
 * @flow: a flow of kind DSR_OUT
 */
static inline bool bpflb_dsr_notes_each(const struct bpflb_flow *flow)
{
	return bpflb_flow_proto(flow) != IPPROTO_TCP || flow->flags & BPFLB_FLOW_NOTE_ALWAYS;
}

unsigned int bpflb_dsr_send(struct bpflb_net *bn, struct sk_buff *skb, struct bpflb_packet *pkt,
			    const struct bpflb_flow *flow);
unsigned int bpflb_dsr_receive(struct bpflb_net *bn, struct sk_buff *skb,
			       struct bpflb_packet *pkt, struct bpflb_match *m);

/* dsr_opt.c: the note as an IPv4 option */
#define BPFLB_NOTE_OPT_LEN 8

bool bpflb_note_opt_read(const struct sk_buff *skb, struct bpflb_endpoint *note);
bool bpflb_note_opt_fits(const struct sk_buff *skb);
bool bpflb_note_opt_put(struct sk_buff *skb, const struct bpflb_endpoint *note);
bool bpflb_note_opt_strip(struct sk_buff *skb);

#endif
