// SPDX-License-Identifier: GPL-2.0-only
/*
 * One worker goes round the flow table, a part of it at a time. A flow that has
 * expired is no longer used from that moment on (bpflb_flow_serves()), so when
 * the worker comes by only decides when its memory and its port are free again.
 */
#include <linux/ktime.h>
#include <linux/mutex.h>
#include <linux/workqueue.h>

#include "flow.h"
#include "flow_index.h"
#include "gc.h"
#include "netns.h"
#include "snat.h"

#define GC_INTERVAL	(HZ / 10)
#define GC_PARTS	16		/* intervals for one round */
#define GC_BUDGET_NS	(2 * NSEC_PER_MSEC)

static void gc_work(struct work_struct *work);
static DECLARE_DELAYED_WORK(gc_dwork, gc_work);
static DEFINE_MUTEX(gc_lock);
static unsigned int gc_users;	/* namespaces with hooks; gc_lock */
static u32 gc_at;		/* cursor; the worker's own */

static bool gc_visit(struct bpflb_flow *flow, void *arg)
{
	if (bpflb_flow_is_expired(flow))
		bpflb_flow_kill(flow, bpflb_flow_end_of_state(flow));
	return true;
}

static void scan(u32 *cursor, bool (*visit)(struct bpflb_flow *flow, void *arg), void *arg)
{
	local_bh_disable();
	rcu_read_lock();
	bpflb_index_scan(cursor, visit, arg);
	rcu_read_unlock();
	local_bh_enable();
}

static void gc_work(struct work_struct *work)
{
	u64 until = ktime_get_ns() + GC_BUDGET_NS;
	u32 n = max(bpflb_index_lines() / GC_PARTS, 64U);

	while (n--) {
		scan(&gc_at, gc_visit, NULL);
		if (!gc_at)
			bpflb_index_fit();
		if (n % 64)
			continue;
		cond_resched();
		if (ktime_get_ns() > until)
			break;
	}
	queue_delayed_work(system_power_efficient_wq, &gc_dwork, GC_INTERVAL);
}

/**
 * bpflb_gc_start() - one more namespace has flows
 *
 * Context: process.
 */
void bpflb_gc_start(void)
{
	mutex_lock(&gc_lock);
	WRITE_ONCE(gc_users, gc_users + 1);
	if (gc_users == 1)
		queue_delayed_work(system_power_efficient_wq, &gc_dwork, GC_INTERVAL);
	mutex_unlock(&gc_lock);
}

/**
 * bpflb_gc_stop() - one namespace less has flows
 *
 * Context: process.
 */
void bpflb_gc_stop(void)
{
	mutex_lock(&gc_lock);
	WRITE_ONCE(gc_users, gc_users - 1);
	if (!gc_users)
		cancel_delayed_work_sync(&gc_dwork);
	mutex_unlock(&gc_lock);
}

/** bpflb_gc_namespaces() - how many namespaces have flows, or may have some */
unsigned int bpflb_gc_namespaces(void)
{
	return READ_ONCE(gc_users);
}

static void scan_all(bool (*visit)(struct bpflb_flow *flow, void *arg), void *arg)
{
	u32 cursor = 0;

	do {
		scan(&cursor, visit, arg);
		cond_resched();
	} while (cursor);
}

static bool flush_visit(struct bpflb_flow *flow, void *bn)
{
	if (flow->bn == bn)
		bpflb_flow_kill(flow, BPFLB_FLOW_END_NAMESPACE);
	return true;
}

/**
 * bpflb_gc_flush() - end all flows of a namespace
 * @bn: namespace, no packet of which is in a hook any more
 *
 * Context: process.
 */
void bpflb_gc_flush(struct bpflb_net *bn)
{
	scan_all(flush_visit, bn);
}

static bool lost_visit(struct bpflb_flow *flow, void *bn)
{
	if (flow->bn == bn && bpflb_snat_has_lost_address(flow))
		bpflb_flow_kill(flow, BPFLB_FLOW_END_SOURCE);
	return true;
}

/**
 * bpflb_gc_lost() - end the flows whose SNAT address this node has no more
 * @work: bpflb_net.lost
 *
 * Their answers come here no more. A datagram that follows has a new flow, from
 * another address; a connection is met in mid-life, and its client learns that.
 *
 * Context: process.
 */
void bpflb_gc_lost(struct work_struct *work)
{
	scan_all(lost_visit, container_of(work, struct bpflb_net, lost.work));
}
