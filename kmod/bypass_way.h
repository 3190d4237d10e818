/* SPDX-License-Identifier: GPL-2.0-only */
/* What both families' bypass asks of a flow and of a packet; inline, for each packet does. */
#ifndef _BPFLB_BYPASS_WAY_H
#define _BPFLB_BYPASS_WAY_H

#include <linux/math64.h>
#include <net/dst.h>

#include "backend.h"
#include "bypass.h"
#include "compat/gso.h"
#include "drop.h"
#include "dsr.h"
#include "dsr_tunnel.h"
#include "flow_account.h"
#include "netns.h"

/* The other states are the stack's: it is to see a connection begin and end. */
#define BPFLB_BYPASS_STATES	(BIT(BPFLB_STATE_TCP_ESTABLISHED) | \
				 BIT(BPFLB_STATE_UDP_UNREPLIED) | BIT(BPFLB_STATE_UDP_REPLIED))

#define BPFLB_BYPASS_TCP_FLAGS	(BPFLB_TCP_FIN | BPFLB_TCP_SYN | BPFLB_TCP_RST)

/* The clock of bpflb_flow.refresh ticks every 4 seconds, and goes round in 3 days. */
#define BPFLB_REFRESH_TICK	(4 * HZ)
#define BPFLB_REFRESH_MAX	S16_MAX

static inline u16 bpflb_refresh_now(void)
{
	return div_u64(get_jiffies_64(), BPFLB_REFRESH_TICK);
}

static inline void bpflb_way_close(struct bpflb_way *way)
{
	struct dst_entry *dst = xchg(&way->dst, NULL);

	if (dst)
		dst_release(dst);
}

static inline bool bpflb_bypass_is_allowed(const struct bpflb_net *bn,
					   const struct bpflb_flow *flow)
{
	return READ_ONCE(flow->be->bypass) && rcu_dereference(bn->settings)->bypass;
}

static inline bool bpflb_is_too_big(const struct sk_buff *skb, u32 mtu)
{
	if (likely(skb->len <= mtu))
		return false;
	/* Without a type: merged by a device that should not (LRO). */
	return !skb_is_gso(skb) || !skb_shinfo(skb)->gso_type ||
	       !skb_gso_validate_network_len(skb, mtu);
}

/* What is due once a second: is the flow still good? */
static inline bool bpflb_bypass_is_good(struct bpflb_flow *flow)
{
	if (likely(bpflb_flow_idle(flow) < HZ))
		return true;
	if (bpflb_flow_is_expired(flow))
		return false;
	if (flow->refresh && (s16)(bpflb_refresh_now() - flow->refresh) >= 0) {
		bpflb_bypass_end(flow);
		return false;
	}
	WRITE_ONCE(flow->seen, (u32)jiffies);
	return true;
}

/* Does each packet of this flow get a note, that needs room? */
static inline bool bpflb_bypass_has_notes(const struct bpflb_flow *flow)
{
	return flow->kind == BPFLB_FLOW_DSR_OUT && bpflb_dsr_notes_each(flow);
}

/* What is put before the packets of a flow, or into their headers, bytes. */
static inline u32 bpflb_bypass_head(const struct bpflb_flow *flow)
{
	if (unlikely(flow->dispatch))
		return bpflb_dsr_head(flow);
	return bpflb_bypass_has_notes(flow) ? bpflb_note_len(bpflb_flow_family(flow)) : 0;
}

#endif
