// SPDX-License-Identifier: GPL-2.0-only
#include "backend.h"
#include "compat/genl.h"
#include "netns.h"
#include "nl.h"
#include "node.h"
#include "service.h"

const struct nla_policy bpflb_nl_backend_policy[BPFLB_BACKEND_A_MAX + 1] = {
	[BPFLB_BACKEND_A_SERVICE] = { .type = NLA_NUL_STRING, .len = BPFLB_NAME_MAX - 1 },
	[BPFLB_BACKEND_A_ADDR] = BPFLB_NL_ADDR,
	[BPFLB_BACKEND_A_PORT] = { .type = NLA_U16 },
	[BPFLB_BACKEND_A_WEIGHT] = { .type = NLA_U32 },
	[BPFLB_BACKEND_A_LOCAL] = { .type = NLA_FLAG },
	[BPFLB_BACKEND_A_NODE] = BPFLB_NL_ADDR,
	[BPFLB_BACKEND_A_PLAIN] = { .type = NLA_FLAG },
	[BPFLB_BACKEND_A_FLOWS_MAX] = { .type = NLA_U32 },
	[BPFLB_BACKEND_A_STATE] = NLA_POLICY_MAX(NLA_U8, BPFLB_BACKEND_STATE_MAX),
};

/* Read the key: service, address, port. */
static struct bpflb_service *get_key(struct bpflb_net *bn, struct genl_info *info, bool next,
				     struct bpflb_endpoint *at)
{
	struct nlattr **a = info->attrs;
	int err;

	err = bpflb_nl_need(info, BPFLB_BACKEND_A_SERVICE, "a backend belongs to a service") ?:
	      bpflb_nl_need(info, BPFLB_BACKEND_A_ADDR, "a backend needs an address") ?:
	      bpflb_nl_need(info, BPFLB_BACKEND_A_PORT, "a backend needs a port");
	if (err)
		return ERR_PTR(err);
	memset(at, 0, sizeof(*at));
	err = bpflb_nl_get_addr(a[BPFLB_BACKEND_A_ADDR], &at->addr, info->extack);
	if (err)
		return ERR_PTR(err);
	at->port = nla_get_be16(a[BPFLB_BACKEND_A_PORT]);
	return bpflb_nl_find_service(bn, a[BPFLB_BACKEND_A_SERVICE], next, info->extack);
}

static struct bpflb_backend *find_backend(struct bpflb_net *bn, struct genl_info *info, bool next)
{
	struct bpflb_backend *be;
	struct bpflb_service *svc;
	struct bpflb_endpoint at;

	svc = get_key(bn, info, next, &at);
	if (IS_ERR(svc))
		return ERR_CAST(svc);
	be = bpflb_backend_find(bn, svc, bpflb_nl_family(info->attrs[BPFLB_BACKEND_A_ADDR]), &at);
	if (be && (next ? be->next_live : be->live))
		return be;
	NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[BPFLB_BACKEND_A_ADDR],
			    "the service has no such backend");
	return ERR_PTR(-ENOENT);
}

static int set_node(struct bpflb_net *bn, struct bpflb_backend_conf *conf,
		    const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	struct bpflb_node *node;
	union nf_inet_addr addr;
	int err = bpflb_nl_get_addr(attr, &addr, extack);

	if (err)
		return err;
	node = bpflb_node_find(bn, bpflb_nl_family(attr), &addr);
	if (!node || !node->next_live) {
		NL_SET_ERR_MSG_ATTR(extack, attr, "not a known node: add it first (node add)");
		return -ENOENT;
	}
	conf->node = node;
	conf->local = false;
	return 0;
}

static int set_conf(struct bpflb_net *bn, struct bpflb_backend *be, struct genl_info *info)
{
	struct nlattr **a = info->attrs;

	if (!!a[BPFLB_BACKEND_A_LOCAL] + !!a[BPFLB_BACKEND_A_NODE] +
	    !!a[BPFLB_BACKEND_A_PLAIN] > 1) {
		NL_SET_ERR_MSG_ATTR(info->extack, a[BPFLB_BACKEND_A_NODE] ?:
						  a[BPFLB_BACKEND_A_PLAIN],
				    "a backend is one of local, on a node, and plain");
		return -EINVAL;
	}
	if (a[BPFLB_BACKEND_A_WEIGHT]) {
		be->next.weight = nla_get_u32(a[BPFLB_BACKEND_A_WEIGHT]);
		if (be->next.weight > BPFLB_WEIGHT_MAX) {
			NL_SET_ERR_MSG_ATTR(info->extack, a[BPFLB_BACKEND_A_WEIGHT],
					    "a weight is 0 to 65535");
			return -ERANGE;
		}
	}
	if (a[BPFLB_BACKEND_A_STATE])
		be->next.state = nla_get_u8(a[BPFLB_BACKEND_A_STATE]);
	if (a[BPFLB_BACKEND_A_FLOWS_MAX])
		be->next.flows_max = nla_get_u32(a[BPFLB_BACKEND_A_FLOWS_MAX]);
	if (a[BPFLB_BACKEND_A_LOCAL] || a[BPFLB_BACKEND_A_PLAIN]) {
		be->next.local = a[BPFLB_BACKEND_A_LOCAL];
		be->next.node = NULL;
	}
	return a[BPFLB_BACKEND_A_NODE] ?
	       set_node(bn, &be->next, a[BPFLB_BACKEND_A_NODE], info->extack) : 0;
}

static int backend_add(struct bpflb_net *bn, struct genl_info *info)
{
	struct bpflb_backend *be;
	struct bpflb_service *svc;
	struct bpflb_endpoint at;

	svc = get_key(bn, info, true, &at);
	if (IS_ERR(svc))
		return PTR_ERR(svc);
	be = bpflb_backend_make(svc, bpflb_nl_family(info->attrs[BPFLB_BACKEND_A_ADDR]), &at);
	if (IS_ERR(be)) {
		if (PTR_ERR(be) == -EEXIST)
			NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[BPFLB_BACKEND_A_ADDR],
					    "the service has this backend already");
		if (PTR_ERR(be) == -ENOSPC)
			NL_SET_ERR_MSG(info->extack, "this namespace has all the backends it may have");
		return PTR_ERR(be);
	}
	return set_conf(bn, be, info);
}

int bpflb_nl_backend_add(struct sk_buff *skb, struct genl_info *info)
{
	return bpflb_nl_write(info, backend_add);
}

static int backend_set(struct bpflb_net *bn, struct genl_info *info)
{
	struct bpflb_backend *be = find_backend(bn, info, true);

	if (IS_ERR(be))
		return PTR_ERR(be);
	bpflb_backend_touch(be);
	return set_conf(bn, be, info);
}

int bpflb_nl_backend_set(struct sk_buff *skb, struct genl_info *info)
{
	return bpflb_nl_write(info, backend_set);
}

static int backend_del(struct bpflb_net *bn, struct genl_info *info)
{
	struct bpflb_backend *be = find_backend(bn, info, true);

	if (IS_ERR(be))
		return PTR_ERR(be);
	bpflb_backend_remove(be);
	return 0;
}

int bpflb_nl_backend_del(struct sk_buff *skb, struct genl_info *info)
{
	return bpflb_nl_write(info, backend_del);
}

static int put_conf(struct sk_buff *msg, const struct bpflb_backend_conf *conf)
{
	if (nla_put_u32(msg, BPFLB_BACKEND_A_WEIGHT, conf->weight) ||
	    nla_put_u8(msg, BPFLB_BACKEND_A_STATE, conf->state) ||
	    nla_put_u32(msg, BPFLB_BACKEND_A_FLOWS_MAX, conf->flows_max) ||
	    (conf->local && nla_put_flag(msg, BPFLB_BACKEND_A_LOCAL)) ||
	    (conf->node && bpflb_nl_put_addr(msg, BPFLB_BACKEND_A_NODE, conf->node->key.family,
						  &conf->node->key.addr)))
		return -EMSGSIZE;
	return 0;
}

static int put_state(struct sk_buff *msg, const struct bpflb_backend *be)
{
	u64 sum[BPFLB_COUNTS] = {};

	bpflb_counters_sum(be->counters, sum);
	if ((be->here && nla_put_flag(msg, BPFLB_BACKEND_A_HERE)) ||
	    nla_put_u32(msg, BPFLB_BACKEND_A_FLOWS,
			sum[BPFLB_COUNT_FLOWS] - sum[BPFLB_COUNT_FLOWS_ENDED]))
		return -EMSGSIZE;
	return bpflb_nl_put_counters(msg, BPFLB_BACKEND_A_COUNTERS, sum, false);
}

/* An event comes before the transaction settles: what it made is in next. */
static int backend_fill(struct sk_buff *msg, const struct bpflb_nl_head *head,
			struct bpflb_net *bn, const void *object)
{
	const struct bpflb_backend *be = object;
	bool next = !head->portid && head->cmd != BPFLB_CMD_BACKEND_DEL;
	void *hdr = bpflb_nl_begin(msg, head);

	if (!hdr)
		return -EMSGSIZE;
	if (nla_put_u64_64bit(msg, BPFLB_BACKEND_A_GENERATION, bn->generation,
			      BPFLB_BACKEND_A_PAD) ||
	    nla_put_string(msg, BPFLB_BACKEND_A_SERVICE, be->key.svc->key.name) ||
	    bpflb_nl_put_addr(msg, BPFLB_BACKEND_A_ADDR, be->key.family, &be->key.at.addr) ||
	    nla_put_be16(msg, BPFLB_BACKEND_A_PORT, be->key.at.port) ||
	    put_conf(msg, next ? &be->next : &be->cur) ||
	    (head->portid && put_state(msg, be))) {
		genlmsg_cancel(msg, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(msg, hdr);
	return 0;
}

int bpflb_nl_backend_get(struct sk_buff *skb, struct genl_info *info)
{
	struct bpflb_net *bn = bpflb_net(genl_info_net(info));
	struct bpflb_backend *be;
	int err;

	mutex_lock(&bn->lock);
	be = find_backend(bn, info, false);
	err = IS_ERR(be) ? PTR_ERR(be) : bpflb_nl_reply(info, backend_fill, bn, be);
	mutex_unlock(&bn->lock);
	return err;
}

/** struct backend_cursor - where a dump of backends goes on */
struct backend_cursor {
	unsigned long service;	/* number of the service, at least; ULONG_MAX: none */
	u32 after;		/* number of the last backend of it that was sent */
};
static_assert(sizeof(struct backend_cursor) <= sizeof_field(struct netlink_callback, ctx));

static int dump_service(struct sk_buff *skb, const struct bpflb_nl_head *head,
			struct bpflb_service *svc, struct backend_cursor *at)
{
	struct bpflb_backend *be;

	list_for_each_entry(be, &svc->backends, list) {
		int err;

		if (!be->live || be->id <= at->after)
			continue;
		err = backend_fill(skb, head, svc->bn, be);
		if (err)
			return err;
		at->after = be->id;
	}
	at->after = 0;
	return 0;
}

int bpflb_nl_backend_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct bpflb_nl_head head = bpflb_nl_dump_head(cb, BPFLB_CMD_BACKEND_GET);
	const struct nlattr *only = bpflb_dump_attrs(cb)[BPFLB_BACKEND_A_SERVICE];
	struct bpflb_net *bn = bpflb_net(sock_net(cb->skb->sk));
	struct backend_cursor *at = (void *)cb->ctx;
	struct bpflb_service *svc;
	int err = 0;

	mutex_lock(&bn->lock);
	cb->seq = bn->generation;
	if (only && !at->service) {
		svc = bpflb_nl_find_service(bn, only, false, cb->extack);
		if (IS_ERR(svc)) {
			mutex_unlock(&bn->lock);
			return PTR_ERR(svc);
		}
		at->service = svc->id;
	}
	xa_for_each_start(&bn->service_ids, at->service, svc, at->service) {
		if (only && strcmp(svc->key.name, nla_data(only)))
			continue;
		err = dump_service(skb, &head, svc, at);
		if (err)
			break;
	}
	if (!err)
		at->service = ULONG_MAX;
	mutex_unlock(&bn->lock);
	return skb->len ?: err;
}

void bpflb_nl_backend_event(const struct bpflb_backend *be, u8 cmd)
{
	bpflb_nl_event(be->key.svc->bn, BPFLB_NL_CONFIG, cmd, backend_fill, be, GFP_KERNEL);
}
