// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packets are freed in a function that is named after the reason, for that is where
 * skb:kfree_skb tells that it was. The kernel's numbers for reasons are its own and those of a
 * few subsystems that it lists: a module from elsewhere has none, and whoever registered names
 * under another one's number would have that one's drops called by them. So the number is the
 * kernel's own that comes closest.
 */
#include <linux/build_bug.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/skbuff.h>

#include "compat/nf_drop.h"
#include "drop.h"

/* Behind the call is something, and something else in each: so it is no jump, which
 * would leave no location here, and no two are made one.
 */
#define DROP(name, number)						\
static noinline void bpflb_drop_##name(struct sk_buff *skb)		\
{									\
	kfree_skb_reason(skb, SKB_DROP_REASON_##number);		\
	asm volatile("# " #name);					\
}

DROP(no_backend, NETFILTER_DROP)
DROP(no_local_backend, NETFILTER_DROP)
DROP(table_full, NETFILTER_DROP)
DROP(no_memory, NOMEM)
DROP(no_flow, NETFILTER_DROP)
DROP(no_snat_port, NETFILTER_DROP)
DROP(no_snat_address, NETFILTER_DROP)
DROP(tuple_clash, NETFILTER_DROP)
DROP(note_no_room, NETFILTER_DROP)
DROP(note_too_big, PKT_TOO_BIG)
DROP(note_sender, NETFILTER_DROP)
DROP(note_service, NETFILTER_DROP)
DROP(reroute, IP_OUTNOROUTES)
DROP(backend_down, NETFILTER_DROP)
DROP(unknown_port, NETFILTER_DROP)
DROP(source_range, NETFILTER_DROP)
DROP(flows_max, NETFILTER_DROP)
DROP(dispatch_route, IP_OUTNOROUTES)
DROP(tunnel_packet, NETFILTER_DROP)

static void (* const free_for[])(struct sk_buff *skb) = {
	[BPFLB_DROP_NO_BACKEND]		= bpflb_drop_no_backend,
	[BPFLB_DROP_NO_LOCAL_BACKEND]	= bpflb_drop_no_local_backend,
	[BPFLB_DROP_TABLE_FULL]		= bpflb_drop_table_full,
	[BPFLB_DROP_NO_MEMORY]		= bpflb_drop_no_memory,
	[BPFLB_DROP_NO_FLOW]		= bpflb_drop_no_flow,
	[BPFLB_DROP_NO_SNAT_PORT]	= bpflb_drop_no_snat_port,
	[BPFLB_DROP_NO_SNAT_ADDRESS]	= bpflb_drop_no_snat_address,
	[BPFLB_DROP_TUPLE_CLASH]	= bpflb_drop_tuple_clash,
	[BPFLB_DROP_NOTE_NO_ROOM]	= bpflb_drop_note_no_room,
	[BPFLB_DROP_NOTE_TOO_BIG]	= bpflb_drop_note_too_big,
	[BPFLB_DROP_NOTE_SENDER]	= bpflb_drop_note_sender,
	[BPFLB_DROP_NOTE_SERVICE]	= bpflb_drop_note_service,
	[BPFLB_DROP_REROUTE]		= bpflb_drop_reroute,
	[BPFLB_DROP_BACKEND_DOWN]	= bpflb_drop_backend_down,
	[BPFLB_DROP_UNKNOWN_PORT]	= bpflb_drop_unknown_port,
	[BPFLB_DROP_SOURCE]		= bpflb_drop_source_range,
	[BPFLB_DROP_FLOWS_MAX]		= bpflb_drop_flows_max,
	[BPFLB_DROP_DISPATCH_ROUTE]	= bpflb_drop_dispatch_route,
	[BPFLB_DROP_TUNNEL_PACKET]	= bpflb_drop_tunnel_packet,
};
static_assert(ARRAY_SIZE(free_for) == __BPFLB_DROP_MAX);

/**
 * bpflb_drop_free() - free a packet that bpflb_drop() has counted
 * @skb: the packet
 * @reason: the same as it was counted by
 *
 * Context: any.
 */
void bpflb_drop_free(struct sk_buff *skb, enum bpflb_drop_reason reason)
{
	free_for[reason](skb);
}

/**
 * bpflb_drop_finish() - free the packet of a hook that drops it
 * @skb: the packet
 * @verdict: of bpflb_drop(); in its upper half may be the error that its sender gets
 *
 * Context: any. Return: what the hook is to return, so that a program of this node that
 * has sent the packet is told: EPERM, unless @verdict has another one.
 */
unsigned int bpflb_drop_finish(struct sk_buff *skb, unsigned int verdict)
{
	unsigned int reason = (verdict & BPFLB_VERDICT_REASON) >> BPFLB_VERDICT_SHIFT;
	unsigned int error = verdict >> NF_VERDICT_QBITS;

	/* Who else would tell? */
	if (!BPFLB_STOLEN_HAS_ERROR && skb->sk)
		return verdict & ~BPFLB_VERDICT_REASON;
	bpflb_drop_free(skb, reason - 1);
	return BPFLB_STOLEN_HAS_ERROR ? NF_STOLEN | (error ?: EPERM) << NF_VERDICT_QBITS :
					NF_STOLEN;
}
