// SPDX-License-Identifier: GPL-2.0-only
/*
 * A flow that there was before the module was loaded. What is asked for has to be a flow that
 * packets could have made here: nothing behind this looks at it again.
 */
#include <net/ipv6.h>

#include "backend.h"
#include "flow.h"
#include "netns.h"
#include "nl.h"
#include "service.h"
#include "snat.h"

#define MARKS_ALL	(BPFLB_FLOW_MARK_NOTED | BPFLB_FLOW_MARK_NOT_MID | \
			 BPFLB_FLOW_MARK_ONE_PACKET)
#define CLOSED_ALL	(BPFLB_FLOW_CLOSED_CLIENT | BPFLB_FLOW_CLOSED_BACKEND)

const struct nla_policy bpflb_nl_flow_add_policy[BPFLB_FLOW_A_MAX + 1] = {
	[BPFLB_FLOW_A_SERVICE] = { .type = NLA_NUL_STRING, .len = BPFLB_NAME_MAX - 1 },
	[BPFLB_FLOW_A_PROTO] = { .type = NLA_U8 },
	[BPFLB_FLOW_A_KIND] = NLA_POLICY_MAX(NLA_U8, __BPFLB_FLOW_KIND_MAX - 1),
	[BPFLB_FLOW_A_STATE] = NLA_POLICY_MAX(NLA_U8, __BPFLB_STATE_MAX - 1),
	[BPFLB_FLOW_A_CLIENT_ADDR] = BPFLB_NL_ADDR,
	[BPFLB_FLOW_A_CLIENT_PORT] = { .type = NLA_U16 },
	[BPFLB_FLOW_A_SERVICE_ADDR] = BPFLB_NL_ADDR,
	[BPFLB_FLOW_A_SERVICE_PORT] = { .type = NLA_U16 },
	[BPFLB_FLOW_A_BACKEND_ADDR] = BPFLB_NL_ADDR,
	[BPFLB_FLOW_A_BACKEND_PORT] = { .type = NLA_U16 },
	[BPFLB_FLOW_A_SNAT_ADDR] = BPFLB_NL_ADDR,
	[BPFLB_FLOW_A_SNAT_PORT] = { .type = NLA_U16 },
	[BPFLB_FLOW_A_MID_PORT] = { .type = NLA_U16 },
	[BPFLB_FLOW_A_IDLE] = { .type = NLA_U32 },
	[BPFLB_FLOW_A_DISPATCH] = NLA_POLICY_MAX(NLA_U8, BPFLB_DISPATCH_MAX),
	[BPFLB_FLOW_A_CLOSED] = NLA_POLICY_MASK(NLA_U8, CLOSED_ALL),
	[BPFLB_FLOW_A_MARKS] = NLA_POLICY_MASK(NLA_U8, MARKS_ALL),
};

/**
 * struct flow_wish - a flow to be made
 * @be: its backend
 * @family: of all addresses
 * @client: as the client has it
 * @service: as the client knows it
 * @backend: as it is asked
 * @snat: this node's side towards the backend; port 0: not known yet
 * @mport: the client's port on the way through
 * @proto: IPPROTO_TCP, IPPROTO_UDP or IPPROTO_SCTP
 * @kind: enum bpflb_flow_kind
 * @state: enum bpflb_flow_state
 * @dispatch: enum bpflb_dispatch
 * @closed: enum bpflb_flow_closed
 * @marks: enum bpflb_flow_marks
 * @idle: seconds
 */
struct flow_wish {
	struct bpflb_backend *be;
	u8 family;
	struct bpflb_endpoint client;
	struct bpflb_endpoint service;
	struct bpflb_endpoint backend;
	struct bpflb_endpoint snat;
	__be16 mport;
	u8 proto;
	u8 kind;
	u8 state;
	u8 dispatch;
	u8 closed;
	u8 marks;
	u32 idle;
};

static int refuse(struct genl_info *info, int attr, int err, const char *sentence)
{
	NL_SET_BAD_ATTR(info->extack, info->attrs[attr]);
	info->extack->_msg = sentence;
	return err;
}

/* Addresses may be link-local, or a client's on this node, which a configuration can't name. */
static bool is_host(u8 family, const union nf_inet_addr *addr)
{
	if (family == NFPROTO_IPV6)
		return !ipv6_addr_any(&addr->in6) && !ipv6_addr_is_multicast(&addr->in6);
	return !ipv4_is_zeronet(addr->ip) && !ipv4_is_multicast(addr->ip) &&
	       !ipv4_is_lbcast(addr->ip);
}

static int read_endpoint(struct genl_info *info, const struct flow_wish *w, int addr, int port,
			 struct bpflb_endpoint *at)
{
	const struct nlattr *a = info->attrs[addr];

	if (bpflb_nl_family(a) != w->family)
		return refuse(info, addr, -EINVAL, "a flow's addresses are of one family");
	memcpy(&at->addr, nla_data(a), nla_len(a));
	if (!is_host(w->family, &at->addr))
		return refuse(info, addr, -EINVAL, "not the address of a host");
	at->port = nla_get_be16(info->attrs[port]);
	if (!at->port)
		return refuse(info, port, -EINVAL, "a port is 1 to 65535");
	return 0;
}

static int need_all(struct genl_info *info)
{
	static const int needed[] = {
		BPFLB_FLOW_A_SERVICE, BPFLB_FLOW_A_PROTO, BPFLB_FLOW_A_KIND, BPFLB_FLOW_A_STATE,
		BPFLB_FLOW_A_CLIENT_ADDR, BPFLB_FLOW_A_CLIENT_PORT,
		BPFLB_FLOW_A_SERVICE_ADDR, BPFLB_FLOW_A_SERVICE_PORT,
		BPFLB_FLOW_A_BACKEND_ADDR, BPFLB_FLOW_A_BACKEND_PORT,
	};
	int i, err = 0;

	for (i = 0; i < ARRAY_SIZE(needed) && !err; i++)
		err = bpflb_nl_need(info, needed[i],
				    "a flow needs service, protocol, kind, state, and three endpoints");
	return err;
}

static u8 u8_of(const struct nlattr *attr)
{
	return attr ? nla_get_u8(attr) : 0;
}

/* Numbers that mean something only together. */
static int read_kind(struct genl_info *info, struct flow_wish *w)
{
	struct nlattr **a = info->attrs;

	w->kind = nla_get_u8(a[BPFLB_FLOW_A_KIND]);
	w->state = nla_get_u8(a[BPFLB_FLOW_A_STATE]);
	w->dispatch = u8_of(a[BPFLB_FLOW_A_DISPATCH]);
	w->closed = u8_of(a[BPFLB_FLOW_A_CLOSED]);
	w->marks = u8_of(a[BPFLB_FLOW_A_MARKS]);
	if (bpflb_state_proto(w->state) != w->proto)
		return refuse(info, BPFLB_FLOW_A_STATE, -EINVAL, "a state of another protocol");
	if (a[BPFLB_FLOW_A_DISPATCH] && w->kind != BPFLB_FLOW_DSR_OUT)
		return refuse(info, BPFLB_FLOW_A_DISPATCH, -EINVAL, "only dsr-out has a dispatch");
	if (w->closed && w->proto != IPPROTO_TCP)
		return refuse(info, BPFLB_FLOW_A_CLOSED, -EINVAL, "only TCP closes sides");
	if (w->marks & (BPFLB_FLOW_MARK_NOTED | BPFLB_FLOW_MARK_NOT_MID) &&
	    w->kind != BPFLB_FLOW_DSR_OUT)
		return refuse(info, BPFLB_FLOW_A_MARKS, -EINVAL, "only dsr-out sends notes");
	if (w->marks & BPFLB_FLOW_MARK_NOT_MID && w->dispatch != BPFLB_DISPATCH_OPT)
		return refuse(info, BPFLB_FLOW_A_MARKS, -EINVAL, "only by opt flows may look alike");
	if (w->marks & BPFLB_FLOW_MARK_ONE_PACKET && w->proto != IPPROTO_UDP)
		return refuse(info, BPFLB_FLOW_A_MARKS, -EINVAL, "only UDP is balanced packet by packet");
	return 0;
}

static int read_source(struct genl_info *info, struct flow_wish *w)
{
	struct nlattr **a = info->attrs;
	bool snat = w->kind == BPFLB_FLOW_SNAT;
	const struct nlattr *mport = a[snat ? BPFLB_FLOW_A_MID_PORT : BPFLB_FLOW_A_SNAT_PORT];

	w->mport = mport ? nla_get_be16(mport) : w->client.port;
	if (!snat && a[BPFLB_FLOW_A_SNAT_ADDR])
		return refuse(info, BPFLB_FLOW_A_SNAT_ADDR, -EINVAL, "only snat has another address");
	if (!snat && a[BPFLB_FLOW_A_MID_PORT])
		return refuse(info, BPFLB_FLOW_A_MID_PORT, -EINVAL, "only snat has a port besides");
	if (snat && !a[BPFLB_FLOW_A_SNAT_ADDR] != !a[BPFLB_FLOW_A_SNAT_PORT])
		return refuse(info, BPFLB_FLOW_A_KIND, -EINVAL, "of snat address and port, or neither");
	if (!w->mport)
		return refuse(info, snat ? BPFLB_FLOW_A_MID_PORT : BPFLB_FLOW_A_SNAT_PORT, -EINVAL,
			      "a port is 1 to 65535");
	if (w->mport == w->backend.port && bpflb_addr_equal(&w->client.addr, &w->backend.addr))
		return refuse(info, BPFLB_FLOW_A_BACKEND_ADDR, -EINVAL,
			      "what goes there could not be told from what comes back");
	return a[BPFLB_FLOW_A_SNAT_ADDR] ? read_endpoint(info, w, BPFLB_FLOW_A_SNAT_ADDR,
							 BPFLB_FLOW_A_SNAT_PORT, &w->snat) : 0;
}

static int find_backend(struct bpflb_net *bn, struct genl_info *info, struct flow_wish *w)
{
	struct bpflb_service *svc = bpflb_nl_find_service(bn, info->attrs[BPFLB_FLOW_A_SERVICE],
							  false, info->extack);

	if (IS_ERR(svc))
		return PTR_ERR(svc);
	w->proto = nla_get_u8(info->attrs[BPFLB_FLOW_A_PROTO]);
	if (svc->key.proto != w->proto)
		return refuse(info, BPFLB_FLOW_A_PROTO, -ENOENT, "the service has another protocol");
	rcu_read_lock();
	w->be = bpflb_backend_of_note(bn, svc, w->family, &w->backend, w->service.port);
	rcu_read_unlock();
	/* The caller's lock keeps what is live. */
	if (!w->be || !w->be->live)
		return refuse(info, BPFLB_FLOW_A_BACKEND_ADDR, -ENOENT,
			      "the service has no such backend");
	return 0;
}

static int read_wish(struct bpflb_net *bn, struct genl_info *info, struct flow_wish *w)
{
	int err = need_all(info);

	if (err)
		return err;
	w->family = bpflb_nl_family(info->attrs[BPFLB_FLOW_A_CLIENT_ADDR]);
	err = read_endpoint(info, w, BPFLB_FLOW_A_CLIENT_ADDR, BPFLB_FLOW_A_CLIENT_PORT,
			    &w->client) ?:
	      read_endpoint(info, w, BPFLB_FLOW_A_SERVICE_ADDR, BPFLB_FLOW_A_SERVICE_PORT,
			    &w->service) ?:
	      read_endpoint(info, w, BPFLB_FLOW_A_BACKEND_ADDR, BPFLB_FLOW_A_BACKEND_PORT,
			    &w->backend) ?:
	      find_backend(bn, info, w) ?:
	      read_kind(info, w) ?:
	      read_source(info, w);
	if (info->attrs[BPFLB_FLOW_A_IDLE])
		w->idle = nla_get_u32(info->attrs[BPFLB_FLOW_A_IDLE]);
	return err;
}

/* Return: a flow that is not in the table; NULL if there is no memory. */
static struct bpflb_flow *flow_of(struct bpflb_net *bn, const struct flow_wish *w)
{
	struct bpflb_packet pkt = {
		.tuple = { w->client, w->service, w->family, w->proto },
	};
	struct bpflb_flow *flow;

	/* For its hash; if there is such a flow linking will find that. */
	bpflb_flow_find(bn, &pkt);
	if (w->marks & BPFLB_FLOW_MARK_ONE_PACKET)
		bpflb_flow_find_with(bn, &pkt, w->be);
	flow = bpflb_flow_alloc(bn, w->be, &pkt, w->kind);
	if (!flow)
		return NULL;
	flow->mport = w->mport;
	flow->state = w->state;
	flow->dispatch = w->dispatch;
	flow->closed = w->closed;
	flow->seen = (u32)jiffies - w->idle * HZ;
	if (w->marks & BPFLB_FLOW_MARK_NOTED)
		flow->flags |= BPFLB_FLOW_NOTE_ALWAYS;
	return flow;
}

/* The bound is no reason to evict one that is there. */
static int make_flow(struct bpflb_net *bn, const struct flow_wish *w)
{
	const struct bpflb_settings *s = rcu_dereference(bn->settings);
	struct bpflb_flow *flow;
	enum bpflb_key clash;
	int err;

	if (w->idle >= s->timeout[w->state])
		return -ETIME;
	if (bpflb_flow_is_crowded(bn))
		return -ENOSPC;
	flow = flow_of(bn, w);
	if (!flow)
		return -ENOMEM;
	err = bpflb_flow_link(flow, !(w->marks & BPFLB_FLOW_MARK_NOT_MID), &clash);
	if (err) {
		bpflb_flow_free_unlinked(flow);
		return err;
	}
	bpflb_flow_announce(flow);
	err = w->snat.port ? bpflb_snat_restore(flow, &w->snat.addr, w->snat.port) : 0;
	if (err)
		bpflb_flow_kill(flow, BPFLB_FLOW_END_SOURCE);
	return err;
}

static int say_why(struct genl_info *info, int err)
{
	switch (err) {
	case -ETIME:
		return refuse(info, BPFLB_FLOW_A_IDLE, err, "idle for longer than its state allows");
	case -ENOSPC:
		return refuse(info, 0, err, "the table is full: there are flows-max flows");
	case -EADDRNOTAVAIL:
		return refuse(info, BPFLB_FLOW_A_SNAT_ADDR, err,
			      "not an address of this node, nor set as snat-address");
	case -EADDRINUSE:
		return refuse(info, BPFLB_FLOW_A_SNAT_PORT, err,
			      "another flow or a socket has this port");
	case -EEXIST:
	case -EALREADY:
		return refuse(info, BPFLB_FLOW_A_CLIENT_ADDR, -EEXIST,
			      "there is a flow that looks like it");
	default:
		return err;
	}
}

int bpflb_nl_flow_add(struct sk_buff *skb, struct genl_info *info)
{
	struct bpflb_net *bn = bpflb_net(genl_info_net(info));
	struct flow_wish w = {};
	int err;

	mutex_lock(&bn->lock);
	err = read_wish(bn, info, &w);
	if (!err) {
		local_bh_disable();
		rcu_read_lock();
		err = make_flow(bn, &w);
		rcu_read_unlock();
		local_bh_enable();
		err = say_why(info, err);
	}
	mutex_unlock(&bn->lock);
	return err;
}
