/* SPDX-License-Identifier: GPL-2.0-only */
/* Packets that GRO has made of several, where they can't be treated as one. */
#ifndef _BPFLB_GSO_H
#define _BPFLB_GSO_H

#include <linux/skbuff.h>

bool bpflb_gso_straighten_list(struct sk_buff *skb, u8 family);
bool bpflb_gso_come_apart(struct sk_buff *skb);

/**
 * bpflb_gso_straighten() - make one packet of a list of packets
 * @skb: the packet, skb->data at its IP header
 * @family: its
 *
 * A device with rx-gro-list makes a list of the packets of a flow, whose further ones keep
 * their headers: what is put before the first, or into its header, they would not have. So
 * they get in one piece what is in them, with one header, as of segmentation offload.
 *
 * Context: any. Return: false without memory; then nothing was written.
 */
static inline bool bpflb_gso_straighten(struct sk_buff *skb, u8 family)
{
	if (likely(!skb_is_nonlinear(skb) ||
		   !(skb_shinfo(skb)->gso_type & SKB_GSO_FRAGLIST)))
		return true;
	return bpflb_gso_straighten_list(skb, family);
}

/* Has a device made one packet of several datagrams, which are packets in a tunnel? */
static inline bool bpflb_gso_has_tunnels(const struct sk_buff *skb)
{
	return skb_is_gso(skb) && skb_shinfo(skb)->gso_type & SKB_GSO_UDP_L4 &&
	       !(skb_shinfo(skb)->gso_type & (SKB_GSO_UDP_TUNNEL | SKB_GSO_UDP_TUNNEL_CSUM));
}

/* Bytes of the frame's header right in front of the packet. What this node has just put in a tunnel
 * has that of the frame inside, behind its beginning: none.
 */
static inline unsigned int bpflb_mac_len(const struct sk_buff *skb)
{
	return skb_mac_header_was_set(skb) && skb_mac_header(skb) <= skb->data ?
		skb->data - skb_mac_header(skb) : 0;
}

#endif
