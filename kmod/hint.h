/* SPDX-License-Identifier: GPL-2.0-only */
/* What a packet's way in has found out, for its way out: mostly the same processor's. */
#ifndef _BPFLB_HINT_H
#define _BPFLB_HINT_H

#include <linux/jiffies.h>
#include <linux/percpu.h>

#include "tuple.h"

struct sk_buff;

/**
 * struct bpflb_hint - about the last packet that came in
 * @skb: the packet; only compared
 * @when: jiffies
 * @k: its addresses and ports when it went on, if it is of IPv4
 * @k6: the same, if it is of IPv6
 * @hash: of @k
 * @none: it has no flow
 * @ipv6: @k6 is meant
 *
 * A packet that was queued in between, or went to another processor, finds
 * another hint, or an old one: then it is looked up as if there were none. It is
 * never a flow itself that is handed on, since that might have ended by then.
 *
 * Where bottom halves may be preempted by others (PREEMPT_RT) there are none.
 */
struct bpflb_hint {
	const struct sk_buff *skb;
	unsigned long when;
	union {
		struct bpflb_key4 k;
		struct bpflb_key6 k6;
	};
	u32 hash;
	bool none;
	bool ipv6;
};

DECLARE_PER_CPU(struct bpflb_hint, bpflb_hint);

/* Context: bottom halves off. */
static inline void bpflb_hint_give(const struct sk_buff *skb, const struct bpflb_key4 *k,
				   u32 hash, bool none)
{
	struct bpflb_hint *hint = this_cpu_ptr(&bpflb_hint);

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		return;
	hint->skb = skb;
	hint->when = jiffies;
	hint->k = *k;
	hint->hash = hash;
	hint->none = none;
	hint->ipv6 = false;
}

static inline void bpflb_hint_give6(const struct sk_buff *skb, const struct bpflb_key6 *k,
				    u32 hash, bool none)
{
	struct bpflb_hint *hint = this_cpu_ptr(&bpflb_hint);

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		return;
	hint->skb = skb;
	hint->when = jiffies;
	hint->k6 = *k;
	hint->hash = hash;
	hint->none = none;
	hint->ipv6 = true;
}

/* Of a packet that has a flow. */
static inline void bpflb_hint_give_tuple(const struct sk_buff *skb, const struct bpflb_tuple *t,
					 u32 ns, u32 hash)
{
	if (t->family == NFPROTO_IPV6) {
		struct bpflb_key6 k = bpflb_key6_of_tuple(t, ns);

		bpflb_hint_give6(skb, &k, hash, false);
	} else {
		struct bpflb_key4 k = bpflb_key4_of_tuple(t, ns);

		bpflb_hint_give(skb, &k, hash, false);
	}
}

/* Context: bottom halves off. Return: NULL if there is none about this packet. */
static inline const struct bpflb_hint *bpflb_hint_get(const struct sk_buff *skb,
						      const struct bpflb_key4 *k)
{
	const struct bpflb_hint *hint = this_cpu_ptr(&bpflb_hint);

	if (IS_ENABLED(CONFIG_PREEMPT_RT) ||
	    hint->skb != skb || jiffies - hint->when || hint->ipv6 ||
	    hint->k.addrs != k->addrs || hint->k.ports != k->ports ||
	    hint->k.ns_proto != k->ns_proto)
		return NULL;
	return hint;
}

static inline const struct bpflb_hint *bpflb_hint_get6(const struct sk_buff *skb,
						       const struct bpflb_key6 *k)
{
	const struct bpflb_hint *hint = this_cpu_ptr(&bpflb_hint);

	if (IS_ENABLED(CONFIG_PREEMPT_RT) ||
	    hint->skb != skb || jiffies - hint->when || !hint->ipv6 ||
	    memcmp(&hint->k6, k, sizeof(*k)))
		return NULL;
	return hint;
}

#endif
