/* SPDX-License-Identifier: GPL-2.0-only */
/* What conntrack does with a packet when it leaves. */
#ifndef _BPFLB_COMPAT_CT_CONFIRM_H
#define _BPFLB_COMPAT_CT_CONFIRM_H

#include <linux/netfilter.h>
#include <linux/skbuff.h>
#if IS_ENABLED(CONFIG_NF_CONNTRACK)
#include <net/netfilter/nf_conntrack.h>
#endif

/**
 * bpflb_ct_confirm() - do with a packet what conntrack would in POSTROUTING
 * @skb: a packet that does not get that far
 *
 * Without a module's symbol, so that conntrack need not be there. Where the kernel has no
 * such call the connection stays a new one for conntrack.
 *
 * Context: RCU, bottom halves off. Return: NF_ACCEPT, or NF_DROP, which conntrack counts.
 */
static inline int bpflb_ct_confirm(struct sk_buff *skb)
{
#if IS_ENABLED(CONFIG_NF_CONNTRACK) && defined(BPFLB_HAVE_CT_CONFIRM)
	const struct nf_ct_hook *hook = rcu_dereference(nf_ct_hook);
	const struct nf_conn *ct = (const struct nf_conn *)skb_nfct(skb);

	if (hook && ct && !nf_ct_is_confirmed(ct))
		return hook->confirm(skb);
#endif
	return NF_ACCEPT;
}

#endif
