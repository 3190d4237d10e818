// SPDX-License-Identifier: GPL-2.0-only
#include "flow.h"
#include "flow_index.h"
#include "gc.h"
#include "main.h"
#include "netns.h"
#include "nl.h"
#include "service.h"
#include "stats.h"

static u64 all_drops(const struct bpflb_net *bn)
{
	u64 sum = 0;
	int i;

	for (i = 0; i < __BPFLB_DROP_MAX; i++)
		sum += bpflb_net_drops(bn, i);
	return sum;
}

/* @counter: a member of struct bpflb_net_counters; both nouns have the same A_PAD */
#define put_sum(msg, attr, bn, counter)						\
	nla_put_u64_64bit(msg, attr,						\
			  bpflb_net_sum(bn, offsetof(struct bpflb_net_counters, counter)), \
			  BPFLB_STATS_A_PAD)

static_assert((int)BPFLB_STATUS_A_PAD == (int)BPFLB_STATS_A_PAD);

static int status_fill(struct sk_buff *msg, const struct bpflb_nl_head *head,
		       struct bpflb_net *bn, const void *object)
{
	const struct bpflb_settings *s = object;
	void *hdr = bpflb_nl_begin(msg, head);

	if (!hdr)
		return -EMSGSIZE;
	if (nla_put_string(msg, BPFLB_STATUS_A_VERSION, BPFLB_VERSION) ||
	    nla_put_u64_64bit(msg, BPFLB_STATUS_A_GENERATION, bn->generation,
			      BPFLB_STATUS_A_PAD) ||
	    nla_put_u8(msg, BPFLB_STATUS_A_MODE, s->mode) ||
	    nla_put_u8(msg, BPFLB_STATUS_A_MODE_ORIGIN, s->mode_origin) ||
	    nla_put_u32(msg, BPFLB_STATUS_A_SERVICES, bn->n_services) ||
	    nla_put_u32(msg, BPFLB_STATUS_A_BACKENDS, bn->n_backends) ||
	    nla_put_u32(msg, BPFLB_STATUS_A_NODES, bn->n_nodes) ||
	    nla_put_u32(msg, BPFLB_STATUS_A_FLOWS, percpu_counter_sum_positive(&bn->flows)) ||
	    nla_put_u32(msg, BPFLB_STATUS_A_FLOWS_MAX, s->flows_max) ||
	    nla_put_u32(msg, BPFLB_STATUS_A_FLOW_BUCKETS, bpflb_index_lines()) ||
	    nla_put_u64_64bit(msg, BPFLB_STATUS_A_DROPS, all_drops(bn), BPFLB_STATUS_A_PAD) ||
	    (bn->hooks && nla_put_flag(msg, BPFLB_STATUS_A_ACTIVE)) ||
	    nla_put_u32(msg, BPFLB_STATUS_A_NAMESPACES, bpflb_gc_namespaces()) ||
	    put_sum(msg, BPFLB_STATUS_A_FLOW_EVENTS_LOST, bn, flow_events_lost)) {
		genlmsg_cancel(msg, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(msg, hdr);
	return 0;
}

int bpflb_nl_status_get(struct sk_buff *skb, struct genl_info *info)
{
	struct bpflb_net *bn = bpflb_net(genl_info_net(info));
	int err;

	mutex_lock(&bn->lock);
	err = bpflb_nl_reply(info, status_fill, bn,
			     rcu_dereference_protected(bn->settings, lockdep_is_held(&bn->lock)));
	mutex_unlock(&bn->lock);
	return err;
}

static int put_drops(struct sk_buff *msg, const struct bpflb_net *bn)
{
	int i;

	for (i = 0; i < __BPFLB_DROP_MAX; i++) {
		struct nlattr *nest = nla_nest_start(msg, BPFLB_STATS_A_DROP);

		if (!nest || nla_put_u8(msg, BPFLB_DROP_A_REASON, i) ||
		    nla_put_string(msg, BPFLB_DROP_A_NAME, bpflb_drop_name(i)) ||
		    nla_put_u64_64bit(msg, BPFLB_DROP_A_PACKETS, bpflb_net_drops(bn, i),
				      BPFLB_DROP_A_PAD))
			return -EMSGSIZE;
		nla_nest_end(msg, nest);
	}
	return 0;
}

static void sum_services(struct bpflb_net *bn, u64 total[BPFLB_COUNTS])
{
	struct bpflb_service *svc;
	unsigned long id;
	int i;

	xa_for_each(&bn->service_ids, id, svc) {
		u64 sum[BPFLB_COUNTS];

		bpflb_service_sum(svc, sum);
		for (i = 0; i < BPFLB_COUNTS; i++)
			total[i] += sum[i];
	}
}

static int stats_fill(struct sk_buff *msg, const struct bpflb_nl_head *head,
		      struct bpflb_net *bn, const void *object)
{
	const u64 *sum = object;
	void *hdr = bpflb_nl_begin(msg, head);

	if (!hdr)
		return -EMSGSIZE;
	if (nla_put_u64_64bit(msg, BPFLB_STATS_A_GENERATION, bn->generation,
			      BPFLB_STATS_A_PAD) ||
	    nla_put_u32(msg, BPFLB_STATS_A_FLOWS, percpu_counter_sum_positive(&bn->flows)) ||
	    bpflb_nl_put_counters(msg, BPFLB_STATS_A_COUNTERS, sum, false) ||
	    put_drops(msg, bn) ||
	    put_sum(msg, BPFLB_STATS_A_NOTES_SENT, bn, notes_sent) ||
	    put_sum(msg, BPFLB_STATS_A_NOTES_TAKEN, bn, notes_taken) ||
	    put_sum(msg, BPFLB_STATS_A_NOTES_REMOVED, bn, notes_removed) ||
	    put_sum(msg, BPFLB_STATS_A_ANSWERS, bn, answers) ||
	    put_sum(msg, BPFLB_STATS_A_AFFINITY_EVICTED, bn, affinity_evicted) ||
	    put_sum(msg, BPFLB_STATS_A_BYPASSED, bn, bypassed) ||
	    put_sum(msg, BPFLB_STATS_A_FLOW_EVENTS_LOST, bn, flow_events_lost)) {
		genlmsg_cancel(msg, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(msg, hdr);
	return 0;
}

int bpflb_nl_stats_get(struct sk_buff *skb, struct genl_info *info)
{
	struct bpflb_net *bn = bpflb_net(genl_info_net(info));
	u64 sum[BPFLB_COUNTS] = {};
	int err;

	mutex_lock(&bn->lock);
	sum_services(bn, sum);
	err = bpflb_nl_reply(info, stats_fill, bn, sum);
	mutex_unlock(&bn->lock);
	return err;
}
