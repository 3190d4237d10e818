// SPDX-License-Identifier: GPL-2.0-only
#include <linux/slab.h>

#include "ask.h"
#include "backend.h"
#include "choose.h"
#include "compat/genl.h"
#include "explain.h"
#include "frontend.h"
#include "netns.h"
#include "nl.h"
#include "node.h"
#include "service.h"
#include "snat.h"
#include "sources.h"
#include "version.h"
#include "vip.h"

const struct nla_policy bpflb_nl_explain_policy[BPFLB_EXPLAIN_A_MAX + 1] = {
	[BPFLB_EXPLAIN_A_PROTO] = { .type = NLA_U8 },
	[BPFLB_EXPLAIN_A_CLIENT_ADDR] = BPFLB_NL_ADDR,
	[BPFLB_EXPLAIN_A_CLIENT_PORT] = { .type = NLA_U16 },
	[BPFLB_EXPLAIN_A_SERVICE_ADDR] = BPFLB_NL_ADDR,
	[BPFLB_EXPLAIN_A_SERVICE_PORT] = { .type = NLA_U16 },
	[BPFLB_EXPLAIN_A_DEVICE] = { .type = NLA_NUL_STRING, .len = IFNAMSIZ - 1 },
	[BPFLB_EXPLAIN_A_MID_LIFE] = { .type = NLA_FLAG },
};

/** struct explain_cursor - where the answer goes on */
struct explain_cursor {
	u32 after;	/* number of the last backend that was told */
	bool begun;
};
static_assert(sizeof(struct explain_cursor) <= sizeof_field(struct netlink_callback, ctx));

static int refuse(struct netlink_callback *cb, const struct nlattr *attr, int err,
		  const char *sentence)
{
	NL_SET_BAD_ATTR(cb->extack, attr);
	cb->extack->_msg = sentence;
	return err;
}

static int read_packet(struct netlink_callback *cb, struct nlattr **a, struct bpflb_packet *pkt)
{
	const struct nlattr *client = a[BPFLB_EXPLAIN_A_CLIENT_ADDR];
	const struct nlattr *service = a[BPFLB_EXPLAIN_A_SERVICE_ADDR];
	struct bpflb_tuple *t = &pkt->tuple;

	if (!a[BPFLB_EXPLAIN_A_PROTO] || !client || !a[BPFLB_EXPLAIN_A_CLIENT_PORT] || !service ||
	    !a[BPFLB_EXPLAIN_A_SERVICE_PORT])
		return refuse(cb, NULL, -EINVAL,
			      "a packet has a protocol, and two addresses with ports");
	t->proto = nla_get_u8(a[BPFLB_EXPLAIN_A_PROTO]);
	if (t->proto != IPPROTO_TCP && t->proto != IPPROTO_UDP && t->proto != IPPROTO_SCTP)
		return refuse(cb, a[BPFLB_EXPLAIN_A_PROTO], -EINVAL, "TCP, UDP or SCTP");
	t->family = bpflb_nl_family(client);
	if (bpflb_nl_family(service) != t->family)
		return refuse(cb, service, -EINVAL, "a packet's addresses are of one family");
	memcpy(&t->src.addr, nla_data(client), nla_len(client));
	memcpy(&t->dst.addr, nla_data(service), nla_len(service));
	t->src.port = nla_get_be16(a[BPFLB_EXPLAIN_A_CLIENT_PORT]);
	t->dst.port = nla_get_be16(a[BPFLB_EXPLAIN_A_SERVICE_PORT]);
	/* Of SCTP INIT is where TCP has its SYN; without either it is in mid-life. */
	if (t->proto != IPPROTO_UDP && !a[BPFLB_EXPLAIN_A_MID_LIFE])
		pkt->tcp_flags = BPFLB_TCP_SYN;
	else if (t->proto == IPPROTO_TCP)
		pkt->tcp_flags = BPFLB_TCP_ACK;
	return 0;
}

/* Where does it come in? */
static int read_device(struct netlink_callback *cb, const struct nlattr *name,
		       struct bpflb_explain *e)
{
	const struct bpflb_tuple *t = &e->pkt.tuple;

	if (name) {
		e->in = dev_get_by_name_rcu(e->bn->net, nla_data(name));
		return e->in ? 0 : refuse(cb, name, -ENODEV, "there is no such device");
	}
	e->pkt.local_out = bpflb_addr_is_own(e->bn->net, t->family, &t->src.addr);
	if (!e->pkt.local_out)
		e->in = bpflb_explain_device(e->bn, t->family, &t->src.addr);
	return 0;
}

static int put_packet(struct sk_buff *msg, const struct bpflb_explain *e)
{
	const struct bpflb_tuple *t = &e->pkt.tuple;

	if (nla_put_u64_64bit(msg, BPFLB_EXPLAIN_A_GENERATION, e->bn->generation,
			      BPFLB_EXPLAIN_A_PAD) ||
	    nla_put_u8(msg, BPFLB_EXPLAIN_A_PROTO, t->proto) ||
	    bpflb_nl_put_addr(msg, BPFLB_EXPLAIN_A_CLIENT_ADDR, t->family, &t->src.addr) ||
	    nla_put_be16(msg, BPFLB_EXPLAIN_A_CLIENT_PORT, t->src.port) ||
	    bpflb_nl_put_addr(msg, BPFLB_EXPLAIN_A_SERVICE_ADDR, t->family, &t->dst.addr) ||
	    nla_put_be16(msg, BPFLB_EXPLAIN_A_SERVICE_PORT, t->dst.port) ||
	    (e->in && nla_put_string(msg, BPFLB_EXPLAIN_A_DEVICE, e->in->name)) ||
	    (e->pkt.local_out && nla_put_flag(msg, BPFLB_EXPLAIN_A_LOCAL_OUT)) ||
	    (bpflb_is_pod_here(rcu_dereference(e->bn->settings), &e->pkt) &&
	     nla_put_flag(msg, BPFLB_EXPLAIN_A_POD)) ||
	    (bpflb_vip_find(e->bn, t->family, &t->dst.addr) &&
	     nla_put_flag(msg, BPFLB_EXPLAIN_A_ADDRESS)) ||
	    nla_put_u8(msg, BPFLB_EXPLAIN_A_VERDICT, e->verdict))
		return -EMSGSIZE;
	return e->reason == BPFLB_NO_DROP ? 0 :
	       nla_put_string(msg, BPFLB_EXPLAIN_A_REASON, bpflb_drop_name(e->reason));
}

static int put_match(struct sk_buff *msg, const struct bpflb_explain *e)
{
	struct nlattr *nest;

	if (!e->m.flow)
		return 0;
	nest = nla_nest_start(msg, BPFLB_EXPLAIN_A_FLOW);
	if (!nest || bpflb_nl_put_flow(msg, e->m.flow))
		return -EMSGSIZE;
	nla_nest_end(msg, nest);
	return e->ends ? nla_put_flag(msg, BPFLB_EXPLAIN_A_FLOW_ENDS) : 0;
}

static u8 flags_of(const struct bpflb_service *svc, const struct bpflb_frontend *fe)
{
	u32 i;

	for (i = 0; svc->cur_fe && i < svc->cur_fe->n; i++)
		if (svc->cur_fe->front[i].fe == fe)
			return svc->cur_fe->front[i].flags;
	return 0;
}

static u8 rule_of(const struct bpflb_sources *sources)
{
	if (!sources)
		return BPFLB_SOURCES_ANY;
	return sources->deny ? BPFLB_SOURCES_DENY : BPFLB_SOURCES_ALLOW;
}

static int put_service(struct sk_buff *msg, const struct bpflb_explain *e)
{
	if (!e->svc)
		return 0;
	if (nla_put_string(msg, BPFLB_EXPLAIN_A_SERVICE, e->svc->key.name) ||
	    bpflb_nl_put_frontend(msg, BPFLB_EXPLAIN_A_FRONTEND, &e->fe->key,
				  flags_of(e->svc, e->fe)) ||
	    nla_put_u8(msg, BPFLB_EXPLAIN_A_SOURCES, rule_of(e->v->sources)) ||
	    nla_put_u8(msg, BPFLB_EXPLAIN_A_POLICY, bpflb_policy_at(e->v, e->fe)) ||
	    (e->scope == BPFLB_SCOPE_NODE && nla_put_flag(msg, BPFLB_EXPLAIN_A_ONLY_HERE)) ||
	    nla_put_u8(msg, BPFLB_EXPLAIN_A_SCHEDULER, e->v->scheduler) ||
	    nla_put_u32(msg, BPFLB_EXPLAIN_A_AFFINITY, e->v->affinity) ||
	    nla_put_u8(msg, BPFLB_EXPLAIN_A_ONE_PACKET, e->v->one_packet) ||
	    (bpflb_flow_is_crowded(e->bn) && nla_put_flag(msg, BPFLB_EXPLAIN_A_CROWDED)))
		return -EMSGSIZE;
	return e->verdict != BPFLB_VERDICT_BALANCE ? 0 :
	       nla_put_u8(msg, BPFLB_EXPLAIN_A_CHOICE, e->choice);
}

static int put_ports(struct sk_buff *msg, const struct bpflb_explain *e)
{
	const struct bpflb_port_set *set;
	struct bpflb_port_set room;
	unsigned int i;
	int err = 0;

	set = bpflb_snat_ports(e->bn, &room);
	for (i = 0; i < set->n && e->svc && !err; i++)
		err = nla_put_u32(msg, BPFLB_EXPLAIN_A_SNAT_PORTS,
				  (u32)set->range[i].first << 16 | set->range[i].last);
	return err;
}

static int put_verdict(struct sk_buff *msg, const struct bpflb_explain *e)
{
	return put_packet(msg, e) ?: put_match(msg, e) ?: put_service(msg, e) ?: put_ports(msg, e);
}

static int put_backend(struct sk_buff *msg, const struct bpflb_backend *be, u8 unfit)
{
	const struct bpflb_backend_conf *conf = &be->cur;

	if (bpflb_nl_put_addr(msg, BPFLB_CANDIDATE_A_ADDR, be->key.family, &be->key.at.addr) ||
	    nla_put_be16(msg, BPFLB_CANDIDATE_A_PORT, be->key.at.port) ||
	    nla_put_u8(msg, BPFLB_CANDIDATE_A_STATE, conf->state) ||
	    nla_put_u32(msg, BPFLB_CANDIDATE_A_WEIGHT, conf->weight) ||
	    nla_put_u32(msg, BPFLB_CANDIDATE_A_FLOWS, bpflb_backend_flows(be)) ||
	    nla_put_u32(msg, BPFLB_CANDIDATE_A_FLOWS_MAX, conf->flows_max) ||
	    (be->here && nla_put_flag(msg, BPFLB_CANDIDATE_A_HERE)) ||
	    (conf->node && bpflb_nl_put_addr(msg, BPFLB_CANDIDATE_A_NODE, conf->node->key.family,
					     &conf->node->key.addr)))
		return -EMSGSIZE;
	return nla_put_u8(msg, BPFLB_CANDIDATE_A_UNFIT, unfit);
}

/* Only what a new flow would do. */
static int put_way(struct sk_buff *msg, const struct bpflb_explain_way *w, u8 family)
{
	const struct bpflb_course *c = &w->course;

	if (nla_put_u8(msg, BPFLB_CANDIDATE_A_KIND, c->kind) ||
	    nla_put_u8(msg, BPFLB_CANDIDATE_A_WHY, c->why) ||
	    (c->kind == BPFLB_FLOW_DSR_OUT &&
	     nla_put_u8(msg, BPFLB_CANDIDATE_A_DISPATCH, c->dispatch)) ||
	    (w->reason != BPFLB_NO_DROP &&
	     nla_put_string(msg, BPFLB_CANDIDATE_A_REASON, bpflb_drop_name(w->reason))) ||
	    (w->no_route && nla_put_flag(msg, BPFLB_CANDIDATE_A_NO_ROUTE)) ||
	    (w->other_port && nla_put_flag(msg, BPFLB_CANDIDATE_A_OTHER_PORT)) ||
	    (w->out && (nla_put_string(msg, BPFLB_CANDIDATE_A_DEVICE, w->out->name) ||
			nla_put_u32(msg, BPFLB_CANDIDATE_A_MTU, w->mtu))) ||
	    (w->gateway_family && bpflb_nl_put_addr(msg, BPFLB_CANDIDATE_A_GATEWAY,
						    w->gateway_family, &w->gateway)) ||
	    (w->head && nla_put_u32(msg, BPFLB_CANDIDATE_A_HEAD, w->head)) ||
	    (w->end_family && bpflb_nl_put_addr(msg, BPFLB_CANDIDATE_A_TUNNEL, w->end_family,
						&w->end)))
		return -EMSGSIZE;
	if (c->kind != BPFLB_FLOW_SNAT || !memchr_inv(&w->source.addr, 0, sizeof(w->source.addr)))
		return 0;
	if (bpflb_nl_put_addr(msg, BPFLB_CANDIDATE_A_SNAT_ADDR, family, &w->source.addr))
		return -EMSGSIZE;
	return w->source.port ?
	       nla_put_be16(msg, BPFLB_CANDIDATE_A_SNAT_PORT, w->source.port) : 0;
}

/* Which share of new flows a backend gets, all of them where the choice is certain. */
static u32 share_of(const struct bpflb_explain *e, const struct bpflb_slot *slot)
{
	if (e->verdict != BPFLB_VERDICT_BALANCE)
		return 0;
	if (e->choice != BPFLB_CHOICE_SCHEDULER || e->v->scheduler == BPFLB_SCHEDULER_MAGLEV)
		return slot == e->chosen ? 1000000 : 0;
	return bpflb_choose_share(e->v, e->pool, slot);
}

static int put_candidate(struct sk_buff *msg, const struct bpflb_explain *e,
			 const struct bpflb_backend *be)
{
	u8 family = e->pkt.tuple.family;
	u8 unfit = bpflb_pool_unfit(e->pool, be, family, e->scope);
	const struct bpflb_slot *slot = bpflb_pool_find(e->pool, be->id);
	struct nlattr *nest = nla_nest_start(msg, BPFLB_EXPLAIN_A_CANDIDATE);
	struct bpflb_explain_way way;
	struct bpflb_flow6 flow = {};

	if (slot)
		unfit = bpflb_backend_is_full(be) ? BPFLB_UNFIT_FULL : BPFLB_FIT;
	if (!nest || put_backend(msg, be, unfit))
		return -EMSGSIZE;
	if (slot) {
		bpflb_explain_way(e, slot, &flow.flow, &way);
		if (nla_put_u32(msg, BPFLB_CANDIDATE_A_SHARE, share_of(e, slot)) ||
		    (slot == e->chosen && nla_put_flag(msg, BPFLB_CANDIDATE_A_CHOSEN)) ||
		    put_way(msg, &way, family))
			return -EMSGSIZE;
	}
	nla_nest_end(msg, nest);
	return 0;
}

/* One message. @be: the candidate that it is about; NULL: the packet */
static int explain_fill(struct sk_buff *msg, const struct bpflb_nl_head *head,
			const struct bpflb_explain *e, const struct bpflb_backend *be)
{
	void *hdr = bpflb_nl_begin(msg, head);

	if (!hdr)
		return -EMSGSIZE;
	if (be ? put_candidate(msg, e, be) : put_verdict(msg, e)) {
		genlmsg_cancel(msg, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(msg, hdr);
	return 0;
}

/* Return: 0 when all was told. */
static int tell(struct sk_buff *msg, const struct bpflb_nl_head *head,
		const struct bpflb_explain *e, struct explain_cursor *at)
{
	struct bpflb_backend *be;

	if (!at->begun) {
		if (explain_fill(msg, head, e, NULL))
			return -EMSGSIZE;
		at->begun = true;
	}
	if (!e->svc)
		return 0;
	list_for_each_entry(be, &e->svc->backends, list) {
		if (!be->live || be->id <= at->after)
			continue;
		if (explain_fill(msg, head, e, be))
			return -EMSGSIZE;
		at->after = be->id;
	}
	return 0;
}

int bpflb_nl_explain(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct bpflb_nl_head head = bpflb_nl_dump_head(cb, BPFLB_CMD_EXPLAIN);
	struct explain_cursor *at = (void *)cb->ctx;
	struct nlattr **a = bpflb_dump_attrs(cb);
	struct bpflb_explain e = { .bn = bpflb_net(sock_net(cb->skb->sk)) };
	int err;

	err = read_packet(cb, a, &e.pkt);
	if (err)
		return err;
	mutex_lock(&e.bn->lock);
	cb->seq = e.bn->generation;
	local_bh_disable();
	rcu_read_lock();
	err = read_device(cb, a[BPFLB_EXPLAIN_A_DEVICE], &e);
	if (!err) {
		bpflb_explain(&e);
		err = tell(skb, &head, &e, at);
	}
	rcu_read_unlock();
	local_bh_enable();
	mutex_unlock(&e.bn->lock);
	return skb->len ?: err;
}
