// SPDX-License-Identifier: GPL-2.0-only
#include "backend.h"
#include "compat/genl.h"
#include "flow.h"
#include "flow_account.h"
#include "flow_index.h"
#include "netns.h"
#include "nl.h"
#include "service.h"
#include "snat.h"

const struct nla_policy bpflb_nl_flow_policy[BPFLB_FLOW_A_MAX + 1] = {
	[BPFLB_FLOW_A_SERVICE] = { .type = NLA_NUL_STRING, .len = BPFLB_NAME_MAX - 1 },
	[BPFLB_FLOW_A_PROTO] = { .type = NLA_U8 },
	[BPFLB_FLOW_A_KIND] = NLA_POLICY_MAX(NLA_U8, __BPFLB_FLOW_KIND_MAX - 1),
	[BPFLB_FLOW_A_STATE] = NLA_POLICY_MAX(NLA_U8, __BPFLB_STATE_MAX - 1),
	[BPFLB_FLOW_A_CLIENT_ADDR] = BPFLB_NL_ADDR,
	[BPFLB_FLOW_A_CLIENT_PORT] = { .type = NLA_U16 },
	[BPFLB_FLOW_A_BACKEND_ADDR] = BPFLB_NL_ADDR,
	[BPFLB_FLOW_A_BACKEND_PORT] = { .type = NLA_U16 },
};

static bool is_addr(const struct nlattr *attr, const struct bpflb_flow *flow, unsigned int which)
{
	union nf_inet_addr addr = bpflb_flow_addr(flow, which);

	return !attr || (nla_len(attr) == bpflb_addr_len(bpflb_flow_family(flow)) &&
			 !memcmp(nla_data(attr), &addr, nla_len(attr)));
}

static bool is_port(const struct nlattr *attr, __be16 port)
{
	return !attr || nla_get_be16(attr) == port;
}

static bool is_u8(const struct nlattr *attr, u8 v)
{
	return !attr || nla_get_u8(attr) == v;
}

static bool flow_passes(const struct bpflb_flow *flow, struct nlattr **a)
{
	const struct nlattr *service = a[BPFLB_FLOW_A_SERVICE];

	return is_u8(a[BPFLB_FLOW_A_PROTO], bpflb_flow_proto(flow)) &&
	       is_u8(a[BPFLB_FLOW_A_KIND], flow->kind) &&
	       is_u8(a[BPFLB_FLOW_A_STATE], READ_ONCE(flow->state)) &&
	       is_addr(a[BPFLB_FLOW_A_CLIENT_ADDR], flow, BPFLB_ADDR_CLIENT) &&
	       is_port(a[BPFLB_FLOW_A_CLIENT_PORT], flow->cport) &&
	       is_addr(a[BPFLB_FLOW_A_BACKEND_ADDR], flow, BPFLB_ADDR_BACKEND) &&
	       is_port(a[BPFLB_FLOW_A_BACKEND_PORT], flow->bport) &&
	       (!service || !strcmp(nla_data(service), flow->be->key.svc->key.name));
}

static int put_endpoint(struct sk_buff *msg, const struct bpflb_flow *flow, int addr_attr,
			unsigned int which, int port_attr, __be16 port)
{
	union nf_inet_addr addr = bpflb_flow_addr(flow, which);

	return nla_put(msg, addr_attr, bpflb_addr_len(bpflb_flow_family(flow)), &addr) ?:
	       nla_put_be16(msg, port_attr, port);
}

static int put_source(struct sk_buff *msg, const struct bpflb_flow *flow)
{
	if (flow->kind == BPFLB_FLOW_DSR_OUT &&
	    nla_put_u8(msg, BPFLB_FLOW_A_DISPATCH, flow->dispatch))
		return -EMSGSIZE;
	if (flow->kind != BPFLB_FLOW_SNAT)
		return nla_put_be16(msg, BPFLB_FLOW_A_SNAT_PORT, flow->mport);
	if (flow->mport != flow->cport &&
	    nla_put_be16(msg, BPFLB_FLOW_A_MID_PORT, flow->mport))
		return -EMSGSIZE;
	if (!bpflb_snat_is_complete(flow))
		return 0;
	return put_endpoint(msg, flow, BPFLB_FLOW_A_SNAT_ADDR, BPFLB_ADDR_SNAT,
			    BPFLB_FLOW_A_SNAT_PORT, flow->sport);
}

static u8 bypass_of(const struct bpflb_flow *flow)
{
	return (READ_ONCE(flow->way[0].dst) ? BPFLB_FLOW_BYPASS_CLIENT : 0) |
	       (READ_ONCE(flow->way[1].dst) ? BPFLB_FLOW_BYPASS_BACKEND : 0);
}

static u8 marks_of(const struct bpflb_flow *flow)
{
	return (flow->flags & BPFLB_FLOW_NOTE_ALWAYS ? BPFLB_FLOW_MARK_NOTED : 0) |
	       (READ_ONCE(flow->keys) & BIT(BPFLB_KEY_MID) ? 0 : BPFLB_FLOW_MARK_NOT_MID) |
	       (bpflb_flow_is_one_packet(flow) ? BPFLB_FLOW_MARK_ONE_PACKET : 0);
}

/* What is seldom there. */
static int put_rest(struct sk_buff *msg, const struct bpflb_flow *flow)
{
	u8 marks = marks_of(flow), closed = READ_ONCE(flow->closed);

	if (marks && nla_put_u8(msg, BPFLB_FLOW_A_MARKS, marks))
		return -EMSGSIZE;
	return closed && bpflb_flow_proto(flow) == IPPROTO_TCP ?
	       nla_put_u8(msg, BPFLB_FLOW_A_CLOSED, closed) : 0;
}

static int put_u64(struct sk_buff *msg, int attr, u64 value)
{
	return nla_put_u64_64bit(msg, attr, value, BPFLB_FLOW_A_PAD);
}

static int put_account(struct sk_buff *msg, const struct bpflb_flow *flow)
{
	const struct bpflb_account *account = flow->account;

	if (!(READ_ONCE(flow->flags) & BPFLB_FLOW_ACCOUNTED))
		return 0;
	return put_u64(msg, BPFLB_FLOW_A_PACKETS_IN, atomic64_read(&account->packets[0])) ?:
	       put_u64(msg, BPFLB_FLOW_A_BYTES_IN, atomic64_read(&account->bytes[0])) ?:
	       put_u64(msg, BPFLB_FLOW_A_PACKETS_OUT, atomic64_read(&account->packets[1])) ?:
	       put_u64(msg, BPFLB_FLOW_A_BYTES_OUT, atomic64_read(&account->bytes[1])) ?:
	       put_u64(msg, BPFLB_FLOW_A_DURATION, bpflb_flow_account_duration(account));
}

/**
 * bpflb_nl_put_flow() - write what is told of a flow
 * @msg: the message
 * @flow: the flow
 *
 * Context: RCU. Return: 0 or -EMSGSIZE.
 */
int bpflb_nl_put_flow(struct sk_buff *msg, const struct bpflb_flow *flow)
{
	u32 timeout = bpflb_flow_timeout(flow), idle = bpflb_flow_idle(flow);

	if (nla_put_string(msg, BPFLB_FLOW_A_SERVICE, flow->be->key.svc->key.name) ||
	    nla_put_u8(msg, BPFLB_FLOW_A_PROTO, bpflb_flow_proto(flow)) ||
	    nla_put_u8(msg, BPFLB_FLOW_A_KIND, flow->kind) ||
	    nla_put_u8(msg, BPFLB_FLOW_A_STATE, READ_ONCE(flow->state)) ||
	    put_endpoint(msg, flow, BPFLB_FLOW_A_CLIENT_ADDR, BPFLB_ADDR_CLIENT,
			 BPFLB_FLOW_A_CLIENT_PORT, flow->cport) ||
	    put_endpoint(msg, flow, BPFLB_FLOW_A_SERVICE_ADDR, BPFLB_ADDR_SERVICE,
			 BPFLB_FLOW_A_SERVICE_PORT, flow->vport) ||
	    put_endpoint(msg, flow, BPFLB_FLOW_A_BACKEND_ADDR, BPFLB_ADDR_BACKEND,
			 BPFLB_FLOW_A_BACKEND_PORT, flow->bport) ||
	    put_source(msg, flow) ||
	    put_rest(msg, flow) ||
	    put_account(msg, flow) ||
	    nla_put_u8(msg, BPFLB_FLOW_A_BYPASS, bypass_of(flow)) ||
	    nla_put_u32(msg, BPFLB_FLOW_A_IDLE, idle / HZ) ||
	    nla_put_u32(msg, BPFLB_FLOW_A_EXPIRES, idle < timeout ? (timeout - idle) / HZ : 0))
		return -EMSGSIZE;
	return 0;
}

static int flow_fill(struct sk_buff *msg, const struct bpflb_nl_head *head, struct bpflb_net *bn,
		     const void *object)
{
	void *hdr = bpflb_nl_begin(msg, head);

	if (!hdr)
		return -EMSGSIZE;
	if (bpflb_nl_put_flow(msg, object)) {
		genlmsg_cancel(msg, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(msg, hdr);
	return 0;
}

/** struct flow_cursor - where a dump of flows goes on */
struct flow_cursor {
	u32 bucket;
	u32 skip;	/* flows of this bucket that were sent */
	bool done;
};
static_assert(sizeof(struct flow_cursor) <= sizeof_field(struct netlink_callback, ctx));

/** struct flow_dump - a dump under way */
struct flow_dump {
	struct bpflb_nl_head head;
	struct bpflb_net *bn;
	struct sk_buff *skb;
	struct nlattr **attrs;
	u32 skip;
	u32 sent;
};

static bool dump_visit(struct bpflb_flow *flow, void *arg)
{
	struct flow_dump *d = arg;

	if (flow->bn != d->bn || !flow_passes(flow, d->attrs) || bpflb_flow_is_expired(flow))
		return true;
	if (d->sent >= d->skip && flow_fill(d->skb, &d->head, d->bn, flow))
		return false;
	d->sent++;
	return true;
}

int bpflb_nl_flow_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct flow_dump d = {
		.head = bpflb_nl_dump_head(cb, BPFLB_CMD_FLOW_GET),
		.bn = bpflb_net(sock_net(cb->skb->sk)),
		.skb = skb,
		.attrs = bpflb_dump_attrs(cb),
	};
	struct flow_cursor *at = (void *)cb->ctx;
	bool more = true;

	/* Flows come and go: a dump of them is never of one moment. */
	d.head.cb = NULL;
	while (more && !at->done) {
		u32 before = skb->len;

		d.skip = at->skip;
		d.sent = 0;
		rcu_read_lock();
		more = bpflb_index_scan(&at->bucket, dump_visit, &d);
		rcu_read_unlock();
		/* A bucket goes into one message, for by the next one it may be
		 * another. Only if it alone is too much, the rest follows.
		 */
		if (!more && before) {
			skb_trim(skb, before);
			break;
		}
		at->skip = more ? 0 : d.sent;
		at->done = more && !at->bucket;
		cond_resched();
	}
	return skb->len;
}

/** struct flow_flush - which flows to end, and how many were */
struct flow_flush {
	struct bpflb_net *bn;
	struct nlattr **attrs;
	u32 count;
};

static bool flush_visit(struct bpflb_flow *flow, void *arg)
{
	struct flow_flush *f = arg;

	if (flow->bn != f->bn || !flow_passes(flow, f->attrs))
		return true;
	bpflb_flow_kill(flow, BPFLB_FLOW_END_FLUSHED);
	f->count++;
	return true;
}

static int count_fill(struct sk_buff *msg, const struct bpflb_nl_head *head, struct bpflb_net *bn,
		      const void *object)
{
	void *hdr = bpflb_nl_begin(msg, head);
	const u32 *count = object;

	if (!hdr || nla_put_u32(msg, BPFLB_FLOW_A_COUNT, *count))
		return -EMSGSIZE;
	genlmsg_end(msg, hdr);
	return 0;
}

int bpflb_nl_flow_del(struct sk_buff *skb, struct genl_info *info)
{
	struct flow_flush f = {
		.bn = bpflb_net(genl_info_net(info)),
		.attrs = info->attrs,
	};
	u32 cursor = 0;

	do {
		local_bh_disable();
		rcu_read_lock();
		bpflb_index_scan(&cursor, flush_visit, &f);
		rcu_read_unlock();
		local_bh_enable();
		cond_resched();
	} while (cursor);
	return bpflb_nl_reply(info, count_fill, f.bn, &f.count);
}

/** struct ended - what there is to tell of a flow's end */
struct ended {
	const struct bpflb_flow *flow;
	u8 end;
};

static int ended_fill(struct sk_buff *msg, const struct bpflb_nl_head *head, struct bpflb_net *bn,
		      const void *object)
{
	const struct ended *ended = object;
	void *hdr = bpflb_nl_begin(msg, head);

	if (!hdr)
		return -EMSGSIZE;
	if (bpflb_nl_put_flow(msg, ended->flow) || nla_put_u8(msg, BPFLB_FLOW_A_END, ended->end)) {
		genlmsg_cancel(msg, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(msg, hdr);
	return 0;
}

/* Who listens is not to cost the others their packets: there is a bound for each second. */
static bool may_tell(struct bpflb_net *bn)
{
	u32 second = jiffies / HZ, of = READ_ONCE(bn->flow_events_second);

	if (of != second && cmpxchg(&bn->flow_events_second, of, second) == of)
		atomic_set(&bn->flow_events, 0);
	return (u32)atomic_inc_return(&bn->flow_events) <=
	       rcu_dereference(bn->settings)->flow_events;
}

/* Kept out of the way of the many who make a flow while nobody listens. */
static noinline void tell(const struct bpflb_flow *flow, u8 cmd, enum bpflb_flow_end end)
{
	const struct ended ended = { flow, end };
	struct bpflb_net *bn = flow->bn;
	bool told;

	if (!may_tell(bn))
		told = false;
	else if (cmd == BPFLB_CMD_FLOW_DEL)
		told = bpflb_nl_event(bn, BPFLB_NL_FLOW, cmd, ended_fill, &ended, GFP_ATOMIC);
	else
		told = bpflb_nl_event(bn, BPFLB_NL_FLOW, cmd, flow_fill, flow, GFP_ATOMIC);
	if (!told)
		this_cpu_inc(bn->counters->flow_events_lost);
}

/**
 * bpflb_nl_flow_event() - tell those who listen of a flow
 * @flow: the flow
 * @cmd: BPFLB_CMD_FLOW_ADD: it has begun; SET: it has got its source; DEL: it has ended
 * @end: of DEL: why
 *
 * Context: RCU, bottom halves off.
 */
void bpflb_nl_flow_event(const struct bpflb_flow *flow, u8 cmd, enum bpflb_flow_end end)
{
	if (bpflb_nl_listeners(flow->bn, BPFLB_NL_FLOW))
		tell(flow, cmd, end);
}

/**
 * bpflb_nl_snat_full_event() - a new flow finds no SNAT port
 * @flow: the flow, which ends
 *
 * To those who watch the configuration, for that is what must change.
 *
 * Context: RCU, bottom halves off.
 */
void bpflb_nl_snat_full_event(const struct bpflb_flow *flow)
{
	bpflb_nl_event(flow->bn, BPFLB_NL_CONFIG, BPFLB_CMD_SNAT_FULL, flow_fill, flow, GFP_ATOMIC);
}
