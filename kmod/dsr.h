/* SPDX-License-Identifier: GPL-2.0-only */
/* Direct server return: the note of the service address, sent and received. */
#ifndef _BPFLB_DSR_H
#define _BPFLB_DSR_H

#include "flow.h"
#include "packet.h"

struct bpflb_net;

/**
 * struct bpflb_dsr_path - what a packet of a flow finds on its way to the backend
 * @head: bytes that its note, or its tunnel, adds
 * @family: of the tunnel; 0: there is none
 * @end: where the tunnel ends
 * @dst: the route, a reference; NULL if there is none
 */
struct bpflb_dsr_path {
	u32 head;
	u8 family;
	union nf_inet_addr end;
	struct dst_entry *dst;
};

/* dsr_send.c */
enum bpflb_drop_reason bpflb_dsr_tell(const struct bpflb_flow *flow, const struct sk_buff *skb,
				      const struct bpflb_packet *pkt,
				      struct bpflb_dsr_path *path);
u32 bpflb_dsr_head(const struct bpflb_flow *flow);
unsigned int bpflb_dsr_send(struct bpflb_net *bn, struct sk_buff *skb, struct bpflb_packet *pkt,
			    const struct bpflb_flow *flow);
unsigned int bpflb_dsr_leave(struct bpflb_net *bn, struct sk_buff *skb, struct bpflb_packet *pkt,
			     const struct bpflb_match *m);
unsigned int bpflb_dsr_leave_error(struct bpflb_net *bn, struct sk_buff *skb,
				   const struct bpflb_flow *flow);

bool bpflb_dsr_put_option(struct sk_buff *skb, u8 family, const struct bpflb_endpoint *note);

/* dsr.c */
bool bpflb_dsr_find_known(struct bpflb_net *bn, struct bpflb_packet *asked,
			  const struct bpflb_backend *be, struct bpflb_match *m);
unsigned int bpflb_dsr_begin(struct bpflb_net *bn, struct sk_buff *skb,
			     struct bpflb_packet *asked, struct bpflb_backend *be,
			     struct bpflb_match *m);
/**
 * bpflb_dsr_notes_each() - is there a note on each packet, and not only the first?
 * @flow: a flow of kind DSR_OUT
 */
static inline bool bpflb_dsr_notes_each(const struct bpflb_flow *flow)
{
	return bpflb_flow_proto(flow) == IPPROTO_UDP || flow->flags & BPFLB_FLOW_NOTE_ALWAYS;
}

unsigned int bpflb_dsr_receive(struct bpflb_net *bn, struct sk_buff *skb,
			       struct bpflb_packet *pkt, struct bpflb_match *m);

/* dsr_opt4.c: the note as an IPv4 option */
#define BPFLB_NOTE_OPT4_LEN 8

bool bpflb_note_opt4_read(const struct sk_buff *skb, struct bpflb_endpoint *note);
bool bpflb_note_opt4_quoted(const struct sk_buff *skb, u32 offset, struct bpflb_endpoint *note);
bool bpflb_note_opt4_fits(const struct sk_buff *skb);
bool bpflb_note_opt4_put(struct sk_buff *skb, const struct bpflb_endpoint *note);
bool bpflb_note_opt4_strip(struct sk_buff *skb);
void bpflb_move_mac_header(struct sk_buff *skb, int by);

/* dsr_opt6.c: the note as an IPv6 destination option */
#define BPFLB_NOTE_OPT6_LEN 24

bool bpflb_note_opt6_read(const struct sk_buff *skb, struct bpflb_endpoint *note);
bool bpflb_note_opt6_quoted(const struct sk_buff *skb, u32 offset, struct bpflb_endpoint *note);
bool bpflb_note_opt6_fits(const struct sk_buff *skb);
bool bpflb_note_opt6_put(struct sk_buff *skb, const struct bpflb_endpoint *note);
bool bpflb_note_opt6_strip(struct sk_buff *skb);

/* Has a packet a note that is an option? */
static inline bool bpflb_dsr_is_noted(const struct sk_buff *skb, u8 family)
{
	struct bpflb_endpoint note;

	return family == NFPROTO_IPV6 ? bpflb_note_opt6_read(skb, &note) :
					bpflb_note_opt4_read(skb, &note);
}

/* Do packets of a flow leave with such? */
static inline bool bpflb_dsr_has_option(const struct bpflb_flow *flow)
{
	return flow->kind == BPFLB_FLOW_DSR_OUT && flow->dispatch == BPFLB_DISPATCH_OPT;
}

/* What a note adds to a packet of @family, bytes. */
static inline u32 bpflb_note_len(u8 family)
{
	return family == NFPROTO_IPV6 ? BPFLB_NOTE_OPT6_LEN : BPFLB_NOTE_OPT4_LEN;
}

#endif
