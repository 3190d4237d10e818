// SPDX-License-Identifier: GPL-2.0-only
#include <linux/jiffies.h>
#include <linux/slab.h>

#include "backend.h"
#include "flow_account.h"
#include "netns.h"
#include "settings.h"

static struct kmem_cache *account_cache;

/**
 * bpflb_flow_account_begin() - say what the packets of a new flow are counted by
 * @flow: the flow, its backend and namespace set
 *
 * Without memory for it a flow has no account.
 *
 * Context: RCU, bottom halves off.
 */
void bpflb_flow_account_begin(struct bpflb_flow *flow)
{
	struct bpflb_account *account;

	flow->counters = bpflb_counters_get(&flow->be->counters, flow->bn->foreign);
	if (!rcu_dereference(flow->bn->settings)->flow_accounting)
		return;
	account = kmem_cache_zalloc(account_cache, GFP_ATOMIC | __GFP_NOWARN);
	if (!account)
		return;
	account->flow = flow;
	account->begun = get_jiffies_64();
	account->last = account->begun;
	flow->account = account;
	flow->flags |= BPFLB_FLOW_ACCOUNTED;
	flow->counters = NULL;
}

/**
 * bpflb_flow_account_free() - free a flow's account, if it has one
 * @flow: the flow, which nobody has any more
 *
 * Context: any.
 */
void bpflb_flow_account_free(struct bpflb_flow *flow)
{
	if (flow->flags & BPFLB_FLOW_ACCOUNTED)
		kmem_cache_free(account_cache, flow->account);
}

/**
 * bpflb_flow_account_packet() - count a packet of a flow that has no counters at hand
 * @flow: the flow: it has an account, or its backend had no counters yet
 * @len: bytes from the IP header on
 * @from_backend: which way it goes
 *
 * Context: RCU, bottom halves off.
 */
void bpflb_flow_account_packet(struct bpflb_flow *flow, u32 len, bool from_backend)
{
	struct bpflb_account *account;

	bpflb_counters_packet(READ_ONCE(flow->be->counters), len, from_backend);
	if (!(flow->flags & BPFLB_FLOW_ACCOUNTED))
		return;
	account = flow->account;
	atomic64_inc(&account->packets[from_backend]);
	atomic64_add(len, &account->bytes[from_backend]);
	WRITE_ONCE(account->last, get_jiffies_64());
}

/**
 * bpflb_flow_account_duration() - from a flow's first packet to its last
 * @account: its account
 *
 * Context: RCU. Return: milliseconds, as exact as jiffies are.
 */
u64 bpflb_flow_account_duration(const struct bpflb_account *account)
{
	return jiffies64_to_msecs(READ_ONCE(account->last) - account->begun);
}

int bpflb_flow_account_init(void)
{
	account_cache = KMEM_CACHE(bpflb_account, 0);
	return account_cache ? 0 : -ENOMEM;
}

/* After the last RCU callback has run. */
void bpflb_flow_account_exit(void)
{
	kmem_cache_destroy(account_cache);
}
