// SPDX-License-Identifier: GPL-2.0-only
#include <linux/build_bug.h>
#include <linux/math64.h>
#include <linux/slab.h>

#include "backend.h"
#include "bypass.h"
#include "flow.h"
#include "flow_account.h"
#include "flow_index.h"
#include "foreign.h"
#include "netns.h"
#include "nl.h"
#include "sctp_state.h"
#include "settings.h"
#include "service.h"
#include "snat.h"
#include "stats.h"
#include "tcp_state.h"
#include "trace.h"

static struct kmem_cache *flow_cache, *flow6_cache;

static struct kmem_cache *cache_of(bool ipv6)
{
	return ipv6 ? flow6_cache : flow_cache;
}

/**
 * bpflb_flow_set_addr() - say one of a flow's addresses
 * @flow: the flow, its family set
 * @which: BPFLB_ADDR_*
 * @addr: the address
 */
void bpflb_flow_set_addr(struct bpflb_flow *flow, unsigned int which,
			 const union nf_inet_addr *addr)
{
	if (bpflb_flow_is_ipv6(flow))
		container_of(flow, struct bpflb_flow6, flow)->addr[which] = addr->in6;
	else
		flow->addr[which] = addr->ip;
}

/**
 * bpflb_state_proto() - of which protocol's flows is it a state?
 * @state: enum bpflb_flow_state
 */
u8 bpflb_state_proto(u8 state)
{
	if (state >= BPFLB_STATE_SCTP_INIT)
		return IPPROTO_SCTP;
	return state >= BPFLB_STATE_UDP_UNREPLIED ? IPPROTO_UDP : IPPROTO_TCP;
}

static u8 first_state(u8 proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return BPFLB_STATE_TCP_SYN_SENT;
	case IPPROTO_SCTP:
		return BPFLB_STATE_SCTP_INIT;
	default:
		return BPFLB_STATE_UDP_UNREPLIED;
	}
}

/**
 * bpflb_flow_set() - what a client's packet and its backend say of a flow
 * @flow: zeroed, and of the family's size
 * @bn: namespace
 * @be: backend
 * @pkt: the client's packet, its tuple still client -> service, and its hash
 * @kind: enum bpflb_flow_kind
 *
 * Context: RCU. No reference is taken: by itself that is a flow to look at.
 */
void bpflb_flow_set(struct bpflb_flow *flow, struct bpflb_net *bn, struct bpflb_backend *be,
		    const struct bpflb_packet *pkt, u8 kind)
{
	flow->be = be;
	flow->bn = bn;
	flow->ns_proto = bpflb_ns_proto(bn->id, pkt->tuple.family == NFPROTO_IPV6,
					pkt->tuple.proto);
	flow->hash[BPFLB_KEY_ORIG] = pkt->hash;
	flow->kind = kind;
	bpflb_flow_set_addr(flow, BPFLB_ADDR_CLIENT, &pkt->tuple.src.addr);
	bpflb_flow_set_addr(flow, BPFLB_ADDR_SERVICE, &pkt->tuple.dst.addr);
	bpflb_flow_set_addr(flow, BPFLB_ADDR_BACKEND, &be->key.at.addr);
	flow->cport = pkt->tuple.src.port;
	flow->mport = pkt->tuple.src.port;
	flow->vport = pkt->tuple.dst.port;
	flow->bport = be->key.at.port ?: pkt->tuple.dst.port;
	flow->seen = jiffies;
	flow->state = first_state(pkt->tuple.proto);
}

/**
 * bpflb_flow_alloc() - make a flow for a client's packet
 * @bn: namespace
 * @be: backend; a reference is taken
 * @pkt: the client's packet, its tuple still client -> service, and its hash
 * @kind: enum bpflb_flow_kind
 *
 * Context: RCU, bottom halves off. Return: the flow, not in the table; NULL if there
 * is no memory, or the backend is being freed.
 */
struct bpflb_flow *bpflb_flow_alloc(struct bpflb_net *bn, struct bpflb_backend *be,
				    const struct bpflb_packet *pkt, u8 kind)
{
	bool ipv6 = pkt->tuple.family == NFPROTO_IPV6;
	struct bpflb_flow *flow;

	if (!bpflb_backend_get(be))
		return NULL;
	flow = kmem_cache_zalloc(cache_of(ipv6), GFP_ATOMIC | __GFP_NOWARN);
	if (!flow) {
		bpflb_backend_put(be);
		return NULL;
	}
	bpflb_flow_set(flow, bn, be, pkt, kind);
	if (kind != BPFLB_FLOW_DSR_IN && READ_ONCE(be->key.svc->flows_max)) {
		flow->flags = BPFLB_FLOW_COUNTED;
		atomic_inc(&be->key.svc->flows);
	}
	bpflb_flow_account_begin(flow);
	return flow;
}

static long bytes_of(const struct bpflb_flow *flow)
{
	return (bpflb_flow_is_ipv6(flow) ? sizeof(struct bpflb_flow6) : sizeof(*flow)) +
	       (flow->flags & BPFLB_FLOW_ACCOUNTED ? sizeof(struct bpflb_account) : 0);
}

static void flow_free(struct bpflb_flow *flow)
{
	bpflb_flow_account_free(flow);
	bpflb_backend_put(flow->be);
	kmem_cache_free(cache_of(bpflb_flow_is_ipv6(flow)), flow);
}

/* It counts for its service no more. */
static void flow_discount(struct bpflb_flow *flow)
{
	if (flow->flags & BPFLB_FLOW_COUNTED)
		atomic_dec(&flow->be->key.svc->flows);
}

/**
 * bpflb_flow_free_unlinked() - give back a flow that never was in the table
 * @flow: the flow
 */
void bpflb_flow_free_unlinked(struct bpflb_flow *flow)
{
	flow_discount(flow);
	flow_free(flow);
}

/**
 * bpflb_flow_announce() - count and tell of a flow that is in the table now
 * @flow: the flow
 *
 * Context: RCU, bottom halves off.
 */
void bpflb_flow_announce(struct bpflb_flow *flow)
{
	percpu_counter_inc(&flow->bn->flows);
	bpflb_charge(flow->bn->foreign, bytes_of(flow));
	bpflb_counters_add(READ_ONCE(flow->be->counters), BPFLB_COUNT_FLOWS, 1);
	trace_bpflb_flow_new(flow->bn->net, flow);
	bpflb_nl_flow_event(flow, BPFLB_CMD_FLOW_ADD, 0);
}

static void flow_free_rcu(struct rcu_head *rcu)
{
	struct bpflb_flow *flow = container_of(rcu, struct bpflb_flow, rcu);

	bpflb_bypass_end(flow);
	flow_free(flow);
}

static void flow_free_accounted_rcu(struct rcu_head *rcu)
{
	struct bpflb_flow *flow = container_of(rcu, struct bpflb_account, rcu)->flow;

	bpflb_bypass_end(flow);
	flow_free(flow);
}

/**
 * bpflb_flow_end_of_state() - why a flow ends whose time is over, or whose client goes on
 * @flow: the flow
 *
 * Context: any.
 */
enum bpflb_flow_end bpflb_flow_end_of_state(const struct bpflb_flow *flow)
{
	switch (READ_ONCE(flow->state)) {
	case BPFLB_STATE_TCP_FIN:
	case BPFLB_STATE_TCP_TIME_WAIT:
	case BPFLB_STATE_SCTP_SHUTDOWN:
		return BPFLB_FLOW_END_FIN;
	case BPFLB_STATE_SCTP_CLOSED:
		return READ_ONCE(flow->closed) ? BPFLB_FLOW_END_FIN : BPFLB_FLOW_END_RST;
	case BPFLB_STATE_TCP_CLOSED:
		return BPFLB_FLOW_END_RST;
	default:
		return BPFLB_FLOW_END_TIMEOUT;
	}
}

/**
 * bpflb_flow_kill() - end a flow
 * @flow: the flow; may be gone already
 * @end: why
 *
 * Context: RCU, bottom halves off; takes bucket locks.
 */
void bpflb_flow_kill(struct bpflb_flow *flow, enum bpflb_flow_end end)
{
	if (!bpflb_flow_unlink(flow))
		return;
	if (flow->keys & BIT(BPFLB_KEY_REPLY))
		bpflb_snat_release(flow);
	flow_discount(flow);
	percpu_counter_dec(&flow->bn->flows);
	bpflb_charge(flow->bn->foreign, -bytes_of(flow));
	bpflb_counters_add(READ_ONCE(flow->be->counters), BPFLB_COUNT_FLOWS_ENDED, 1);
	trace_bpflb_flow_gone(flow->bn->net, flow, end);
	bpflb_nl_flow_event(flow, BPFLB_CMD_FLOW_DEL, end);
	if (flow->flags & BPFLB_FLOW_ACCOUNTED)
		call_rcu(&flow->account->rcu, flow_free_accounted_rcu);
	else
		call_rcu(&flow->rcu, flow_free_rcu);
}

/**
 * bpflb_flow_timeout() - how long a flow may be idle
 * @flow: the flow
 *
 * Context: RCU. Return: jiffies.
 */
u32 bpflb_flow_timeout(const struct bpflb_flow *flow)
{
	return rcu_dereference(flow->bn->settings)->timeout[READ_ONCE(flow->state)] * HZ;
}

bool bpflb_flow_is_expired(const struct bpflb_flow *flow)
{
	return bpflb_flow_idle(flow) > bpflb_flow_timeout(flow);
}

/**
 * bpflb_flow_is_closing() - may the same client port begin a new connection?
 * @flow: the flow
 *
 * Context: RCU.
 */
bool bpflb_flow_is_closing(const struct bpflb_flow *flow)
{
	u8 state = READ_ONCE(flow->state);

	return bpflb_tcp_is_closing(state) || bpflb_sctp_is_closing(state);
}

static void saw_sctp(struct bpflb_flow *flow, const struct bpflb_packet *pkt, bool from_backend)
{
	u8 now = READ_ONCE(flow->state);
	u8 next = bpflb_sctp_next(now, pkt->tcp_flags, from_backend,
				  flow->kind == BPFLB_FLOW_DSR_OUT);

	if (next == now)
		return;
	if (next == BPFLB_STATE_SCTP_SHUTDOWN)
		WRITE_ONCE(flow->closed, from_backend ? BPFLB_CLOSED_BACKEND : BPFLB_CLOSED_CLIENT);
	WRITE_ONCE(flow->state, next);
}

/**
 * bpflb_flow_saw() - a packet of the flow went by
 * @flow: the flow
 * @pkt: the packet
 * @from_backend: who sent it
 *
 * Writes to the flow only what has changed, and the time at most once a
 * second: its cache line stays shared while the flow is in one state.
 *
 * Context: RCU, bottom halves off.
 */
void bpflb_flow_saw(struct bpflb_flow *flow, const struct bpflb_packet *pkt, bool from_backend)
{
	if (bpflb_flow_proto(flow) == IPPROTO_TCP) {
		struct bpflb_tcp now = { READ_ONCE(flow->state), READ_ONCE(flow->closed) };
		struct bpflb_tcp next = bpflb_tcp_next(now, pkt->tcp_flags, from_backend,
						       flow->kind == BPFLB_FLOW_DSR_OUT);

		if (next.closed != now.closed)
			WRITE_ONCE(flow->closed, next.closed);
		if (next.state != now.state) {
			WRITE_ONCE(flow->state, next.state);
			if (now.state == BPFLB_STATE_TCP_ESTABLISHED)
				bpflb_bypass_end(flow);
		}
	} else if (bpflb_flow_proto(flow) == IPPROTO_SCTP) {
		saw_sctp(flow, pkt, from_backend);
	} else if (from_backend && READ_ONCE(flow->state) == BPFLB_STATE_UDP_UNREPLIED) {
		WRITE_ONCE(flow->state, BPFLB_STATE_UDP_REPLIED);
	}
	if (bpflb_flow_idle(flow) >= HZ)
		WRITE_ONCE(flow->seen, (u32)jiffies);
	bpflb_flow_count(flow, pkt->len, from_backend);
}

struct room {
	struct bpflb_net *bn;
	struct bpflb_flow *unreplied;
};

static bool room_visit(struct bpflb_flow *flow, void *arg)
{
	struct room *room = arg;

	if (flow->bn != room->bn)
		return true;
	if (bpflb_flow_is_expired(flow)) {
		bpflb_flow_kill(flow, bpflb_flow_end_of_state(flow));
		return false;
	}
	if (bpflb_flow_is_unreplied(flow) &&
	    (!room->unreplied || bpflb_flow_idle(flow) > bpflb_flow_idle(room->unreplied)))
		room->unreplied = flow;
	return true;
}

#define ROOM_BUCKETS_MAX 1024U

/* How many buckets to look at for something to evict: so many that some eight of the namespace's
 * flows are met, unless these are few among many of others. It is done for a packet, and a
 * namespace sets its flows_max as it likes.
 */
static u32 room_buckets(u32 flows_max)
{
	u32 buckets = bpflb_index_lines();
	u64 wanted = div_u64(8ULL * buckets, flows_max);

	return clamp_t(u64, wanted, min(64U, buckets), min(ROOM_BUCKETS_MAX, buckets));
}

/**
 * bpflb_flow_is_crowded() - has the namespace all the flows that it may have?
 * @bn: namespace
 *
 * Then a new one takes another one's place, if it can. Namespaces that
 * are not the machine's have a bound together, too (foreign.h).
 *
 * Context: RCU.
 */
bool bpflb_flow_is_crowded(struct bpflb_net *bn)
{
	if (bn->foreign && bpflb_foreign_is_full())
		return true;
	return percpu_counter_compare(&bn->flows, rcu_dereference(bn->settings)->flows_max) >= 0;
}

/**
 * bpflb_flow_make_room() - may the namespace have one more flow?
 * @bn: namespace
 *
 * Where flows_max is reached, an expired flow in some buckets is ended,
 * else the one of them that has waited longest for its first answer.
 *
 * Context: RCU, bottom halves off. Return: false if the table is full.
 */
bool bpflb_flow_make_room(struct bpflb_net *bn)
{
	struct room room = { .bn = bn };
	u32 max = rcu_dereference(bn->settings)->flows_max;
	u32 cursor, n;

	if (!bpflb_flow_is_crowded(bn))
		return true;
	cursor = get_random_u32();
	for (n = room_buckets(max); n; n--)
		if (!bpflb_index_scan(&cursor, room_visit, &room))
			return true;
	if (!room.unreplied)
		return false;
	bpflb_flow_kill(room.unreplied, BPFLB_FLOW_END_EVICTED);
	return true;
}

int bpflb_flow_init(void)
{
	int err = -ENOMEM;

	BUILD_BUG_ON(sizeof(struct bpflb_flow) > 128);
	BUILD_BUG_ON(sizeof(struct bpflb_flow6) > 192);
	/* What a lookup compares is in the first line. */
	BUILD_BUG_ON(offsetofend(struct bpflb_flow, dispatch) > 64);
	/* Both lines of a flow are one pair: processors fetch such together. */
	flow_cache = kmem_cache_create("bpflb_flow", sizeof(struct bpflb_flow),
				       sizeof(struct bpflb_flow), 0, NULL);
	if (!flow_cache)
		return -ENOMEM;
	flow6_cache = KMEM_CACHE(bpflb_flow6, 0);
	if (!flow6_cache)
		goto err_flow;
	err = bpflb_foreign_init();
	if (err)
		goto err_flow6;
	err = bpflb_flow_account_init();
	if (err)
		goto err_foreign;
	err = bpflb_flow_table_init();
	if (err)
		goto err_account;
	return 0;

err_account:
	bpflb_flow_account_exit();
err_foreign:
	bpflb_foreign_exit();
err_flow6:
	kmem_cache_destroy(flow6_cache);
err_flow:
	kmem_cache_destroy(flow_cache);
	return err;
}

/* After the last RCU callback has run. */
void bpflb_flow_exit(void)
{
	bpflb_index_exit();
	bpflb_flow_account_exit();
	bpflb_foreign_exit();
	kmem_cache_destroy(flow6_cache);
	kmem_cache_destroy(flow_cache);
}
