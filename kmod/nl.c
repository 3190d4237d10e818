// SPDX-License-Identifier: GPL-2.0-only
#include <linux/module.h>
#include <net/ipv6.h>

#include "compat/genl.h"
#include "netns.h"
#include "nl.h"

static struct genl_family family;
static bool registered;		/* flows end, and tell of it, after the family has gone */

/**
 * bpflb_nl_begin() - the header of a message
 * @msg: the message
 * @head: what it says
 *
 * Return: for genlmsg_end() or genlmsg_cancel(), or NULL if it is full.
 */
void *bpflb_nl_begin(struct sk_buff *msg, const struct bpflb_nl_head *head)
{
	void *hdr = genlmsg_put(msg, head->portid, head->seq, &family, head->flags, head->cmd);

	if (hdr && head->cb)
		genl_dump_check_consistent(head->cb, hdr);
	return hdr;
}

/**
 * bpflb_nl_write() - run an operation that changes the configuration
 * @info: the request
 * @op: the operation, called with bpflb_net.lock held
 *
 * Context: process. Return: what @op returns, or why it may not or its commit
 * could not be.
 */
int bpflb_nl_write(struct genl_info *info,
		   int (*op)(struct bpflb_net *bn, struct genl_info *info))
{
	struct bpflb_net *bn = bpflb_net(genl_info_net(info));
	int err;

	mutex_lock(&bn->lock);
	err = bpflb_txn_enter(bn, info->snd_portid, info->extack);
	if (!err)
		err = bpflb_txn_leave(bn, op(bn, info), info->extack);
	mutex_unlock(&bn->lock);
	return err;
}

/* A message of as many pages as it takes; mostly that is one. */
static struct sk_buff *make_message(const struct bpflb_nl_head *head, bpflb_nl_fill fill,
				    struct bpflb_net *bn, const void *object, gfp_t gfp)
{
	size_t size = NLMSG_DEFAULT_SIZE;
	struct sk_buff *msg;
	int err;

	do {
		msg = genlmsg_new(size, gfp);
		if (!msg)
			return ERR_PTR(-ENOMEM);
		err = fill(msg, head, bn, object);
		if (!err)
			return msg;
		nlmsg_free(msg);
		size *= 2;
	} while (err == -EMSGSIZE && size <= SZ_64K);
	return ERR_PTR(err);
}

/**
 * bpflb_nl_reply() - answer a request with one object
 * @info: the request
 * @fill: writes the message
 * @bn: namespace
 * @object: for @fill
 *
 * Context: process; @fill has the caller's locks. Return: 0 or -ENOMEM.
 */
int bpflb_nl_reply(struct genl_info *info, bpflb_nl_fill fill, struct bpflb_net *bn,
		   const void *object)
{
	struct bpflb_nl_head head = {
		.portid = info->snd_portid,
		.seq = info->snd_seq,
		.cmd = info->genlhdr->cmd,
	};
	struct sk_buff *msg = make_message(&head, fill, bn, object, GFP_KERNEL);

	return IS_ERR(msg) ? PTR_ERR(msg) : genlmsg_reply(msg, info);
}

/**
 * bpflb_nl_listeners() - does anybody listen to events?
 * @bn: namespace
 * @group: which events
 */
bool bpflb_nl_listeners(struct bpflb_net *bn, enum bpflb_nl_group group)
{
	return READ_ONCE(registered) && genl_has_listeners(&family, bn->net, group);
}

/**
 * bpflb_nl_event() - tell those who listen
 * @bn: namespace
 * @group: to whom
 * @cmd: what has happened
 * @fill: writes the message
 * @object: for @fill
 * @gfp: how to allocate
 *
 * Context: by @gfp. Who misses an event sees ENOBUFS on the socket. Return: false if there was
 * no memory for it.
 */
bool bpflb_nl_event(struct bpflb_net *bn, enum bpflb_nl_group group, u8 cmd, bpflb_nl_fill fill,
		    const void *object, gfp_t gfp)
{
	struct bpflb_nl_head head = {};
	struct sk_buff *msg;

	if (!bpflb_nl_listeners(bn, group))
		return true;
	head.cmd = cmd;
	msg = make_message(&head, fill, bn, object, gfp);
	if (IS_ERR(msg)) {
		genl_set_err(&family, bn->net, 0, group, ENOBUFS);
		return false;
	}
	genlmsg_multicast_netns(&family, bn->net, msg, 0, group, gfp);
	return true;
}

struct bpflb_nl_head bpflb_nl_dump_head(struct netlink_callback *cb, u8 cmd)
{
	return (struct bpflb_nl_head){
		.portid = NETLINK_CB(cb->skb).portid,
		.seq = cb->nlh->nlmsg_seq,
		.flags = NLM_F_MULTI,
		.cmd = cmd,
		.cb = cb,
	};
}

/**
 * bpflb_nl_need() - refuse a request that lacks an attribute
 * @info: the request
 * @attr: the attribute
 * @sentence: what to tell; a literal
 *
 * Return: 0 if it is there, else -EINVAL.
 */
int bpflb_nl_need(struct genl_info *info, u32 attr, const char *sentence)
{
	if (info->attrs[attr])
		return 0;
	NL_SET_ERR_ATTR_MISS(info->extack, NULL, attr);
	info->extack->_msg = sentence;
	return -EINVAL;
}

int bpflb_nl_validate_addr(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	if (nla_len(attr) == sizeof(struct in_addr) || nla_len(attr) == sizeof(struct in6_addr))
		return 0;
	NL_SET_ERR_MSG_ATTR(extack, attr, "an address has 4 or 16 bytes");
	return -EINVAL;
}

static const char *wrong_addr4(__be32 addr)
{
	if (ipv4_is_zeronet(addr) || ipv4_is_multicast(addr) || ipv4_is_lbcast(addr))
		return "not the address of a host";
	return ipv4_is_loopback(addr) ? "a loopback address can't be balanced" : NULL;
}

static const char *wrong_addr6(const struct in6_addr *addr)
{
	int type = ipv6_addr_type(addr);

	if (type == IPV6_ADDR_ANY || type & IPV6_ADDR_MULTICAST)
		return "not the address of a host";
	if (type & IPV6_ADDR_LOOPBACK)
		return "a loopback address can't be balanced";
	if (type & IPV6_ADDR_LINKLOCAL)
		return "a link-local address says nothing without its link";
	return type & IPV6_ADDR_MAPPED ? "an IPv4 address: write it as one" : NULL;
}

/**
 * bpflb_nl_get_addr() - read an address that a service, backend or node may have
 * @attr: the attribute, checked by the policy
 * @addr: what to fill
 * @extack: for a sentence
 *
 * Return: 0, or -EINVAL for one that no host has.
 */
int bpflb_nl_get_addr(const struct nlattr *attr, union nf_inet_addr *addr,
		      struct netlink_ext_ack *extack)
{
	const char *wrong;

	memset(addr, 0, sizeof(*addr));
	memcpy(addr, nla_data(attr), nla_len(attr));
	wrong = bpflb_nl_family(attr) == NFPROTO_IPV6 ? wrong_addr6(&addr->in6) :
							wrong_addr4(addr->ip);
	if (!wrong)
		return 0;
	/* a sentence must be a constant for the macro of that name */
	NL_SET_BAD_ATTR(extack, attr);
	extack->_msg = wrong;
	return -EINVAL;
}

int bpflb_nl_put_addr(struct sk_buff *msg, int attr, u8 family, const union nf_inet_addr *addr)
{
	return nla_put(msg, attr, bpflb_addr_len(family), addr);
}

/**
 * bpflb_nl_put_counters() - write the nest of a service's or backend's counters
 * @msg: the message
 * @attr: the nest's attribute
 * @sum: by enum bpflb_count
 * @drops: write the drops too
 *
 * Return: 0 or -EMSGSIZE.
 */
int bpflb_nl_put_counters(struct sk_buff *msg, int attr, const u64 sum[BPFLB_COUNTS], bool drops)
{
	static const u8 which[][2] = {
		{ BPFLB_COUNTERS_A_FLOWS, BPFLB_COUNT_FLOWS },
		{ BPFLB_COUNTERS_A_PACKETS_IN, BPFLB_COUNT_PACKETS_IN },
		{ BPFLB_COUNTERS_A_BYTES_IN, BPFLB_COUNT_BYTES_IN },
		{ BPFLB_COUNTERS_A_PACKETS_OUT, BPFLB_COUNT_PACKETS_OUT },
		{ BPFLB_COUNTERS_A_BYTES_OUT, BPFLB_COUNT_BYTES_OUT },
		{ BPFLB_COUNTERS_A_DROPS, BPFLB_COUNT_DROPS },
	};
	struct nlattr *nest = nla_nest_start(msg, attr);
	int i;

	if (!nest)
		return -EMSGSIZE;
	for (i = 0; i < ARRAY_SIZE(which) - !drops; i++)
		if (nla_put_u64_64bit(msg, which[i][0], sum[which[i][1]], BPFLB_COUNTERS_A_PAD))
			return -EMSGSIZE;
	nla_nest_end(msg, nest);
	return 0;
}

static const struct nla_policy txn_policy[BPFLB_TXN_A_MAX + 1] = {
	[BPFLB_TXN_A_FLAGS] = NLA_POLICY_MASK(NLA_U32, BPFLB_TXN_F_REPLACE |
							BPFLB_TXN_F_CHECK),
	[BPFLB_TXN_A_GENERATION] = { .type = NLA_U64 },
};

static int txn_begin(struct sk_buff *skb, struct genl_info *info)
{
	struct bpflb_net *bn = bpflb_net(genl_info_net(info));
	const struct nlattr *generation = info->attrs[BPFLB_TXN_A_GENERATION];
	const struct nlattr *flags = info->attrs[BPFLB_TXN_A_FLAGS];
	int err = 0;

	mutex_lock(&bn->lock);
	if (generation && nla_get_u64(generation) != bn->generation) {
		NL_SET_ERR_MSG_ATTR(info->extack, generation,
				    "the configuration has another generation by now");
		err = -ESTALE;
	}
	if (!err)
		err = bpflb_txn_begin(bn, info->snd_portid,
				      flags ? nla_get_u32(flags) : 0, info->extack);
	mutex_unlock(&bn->lock);
	return err;
}

static int txn_fill(struct sk_buff *msg, const struct bpflb_nl_head *head, struct bpflb_net *bn,
		    const void *object)
{
	void *hdr = bpflb_nl_begin(msg, head);

	if (!hdr)
		return -EMSGSIZE;
	if (nla_put_u64_64bit(msg, BPFLB_TXN_A_GENERATION, bn->generation, BPFLB_TXN_A_PAD)) {
		genlmsg_cancel(msg, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(msg, hdr);
	return 0;
}

static int txn_commit(struct sk_buff *skb, struct genl_info *info)
{
	struct bpflb_net *bn = bpflb_net(genl_info_net(info));
	int err;

	mutex_lock(&bn->lock);
	err = bpflb_txn_commit(bn, info->snd_portid, info->extack);
	if (!err)
		err = bpflb_nl_reply(info, txn_fill, bn, NULL);
	mutex_unlock(&bn->lock);
	return err;
}

static int txn_abort(struct sk_buff *skb, struct genl_info *info)
{
	struct bpflb_net *bn = bpflb_net(genl_info_net(info));
	int err;

	mutex_lock(&bn->lock);
	err = bpflb_txn_abort(bn, info->snd_portid, info->extack);
	mutex_unlock(&bn->lock);
	return err;
}

/* For operations that take no attribute: one that is refused, as any above it. */
static const struct nla_policy no_policy[2];

/* An operation's policy is that of its noun. */
#define OP(NAME, NOUN, POLICY)				\
	.cmd = BPFLB_CMD_##NAME,			\
	.maxattr = BPFLB_##NOUN##_A_MAX,		\
	.policy = POLICY
#define OP_WITHOUT_ATTRS(NAME)				\
	.cmd = BPFLB_CMD_##NAME,			\
	.maxattr = ARRAY_SIZE(no_policy) - 1,		\
	.policy = no_policy
#define OP_WRITES	.flags = GENL_UNS_ADMIN_PERM
#define OP_NAMES_CLIENTS	.flags = GENL_UNS_ADMIN_PERM

static const struct genl_ops ops[] = {
	{ OP_WITHOUT_ATTRS(STATUS_GET),
	  .doit = bpflb_nl_status_get },
	{ OP_WITHOUT_ATTRS(SETTINGS_GET),
	  .doit = bpflb_nl_settings_get },
	{ OP(SETTINGS_SET, SETTINGS, bpflb_nl_settings_policy),
	  .doit = bpflb_nl_settings_set, OP_WRITES },
	{ OP(SERVICE_ADD, SERVICE, bpflb_nl_service_policy),
	  .doit = bpflb_nl_service_add, OP_WRITES },
	{ OP(SERVICE_SET, SERVICE, bpflb_nl_service_policy),
	  .doit = bpflb_nl_service_set, OP_WRITES },
	{ OP(SERVICE_DEL, SERVICE, bpflb_nl_service_policy),
	  .doit = bpflb_nl_service_del, OP_WRITES },
	{ OP(SERVICE_GET, SERVICE, bpflb_nl_service_policy),
	  .doit = bpflb_nl_service_get,
	  .start = bpflb_nl_service_dump_start,
	  .dumpit = bpflb_nl_service_dump },
	{ OP(BACKEND_ADD, BACKEND, bpflb_nl_backend_policy),
	  .doit = bpflb_nl_backend_add, OP_WRITES },
	{ OP(BACKEND_SET, BACKEND, bpflb_nl_backend_policy),
	  .doit = bpflb_nl_backend_set, OP_WRITES },
	{ OP(BACKEND_DEL, BACKEND, bpflb_nl_backend_policy),
	  .doit = bpflb_nl_backend_del, OP_WRITES },
	{ OP(BACKEND_GET, BACKEND, bpflb_nl_backend_policy),
	  .doit = bpflb_nl_backend_get,
	  .dumpit = bpflb_nl_backend_dump },
	{ OP(NODE_ADD, NODE, bpflb_nl_node_policy),
	  .doit = bpflb_nl_node_add, OP_WRITES },
	{ OP(NODE_DEL, NODE, bpflb_nl_node_policy),
	  .doit = bpflb_nl_node_del, OP_WRITES },
	{ OP(NODE_GET, NODE, bpflb_nl_node_policy),
	  .doit = bpflb_nl_node_get,
	  .dumpit = bpflb_nl_node_dump },
	{ OP(FLOW_ADD, FLOW, bpflb_nl_flow_add_policy),
	  .doit = bpflb_nl_flow_add, OP_WRITES },
	{ OP(FLOW_DEL, FLOW, bpflb_nl_flow_policy),
	  .doit = bpflb_nl_flow_del, OP_WRITES },
	{ OP(FLOW_GET, FLOW, bpflb_nl_flow_policy),
	  .dumpit = bpflb_nl_flow_dump, OP_NAMES_CLIENTS },
	{ OP(AFFINITY_ADD, AFFINITY, bpflb_nl_affinity_policy),
	  .doit = bpflb_nl_affinity_add, OP_WRITES },
	{ OP(AFFINITY_GET, AFFINITY, bpflb_nl_affinity_policy),
	  .dumpit = bpflb_nl_affinity_dump, OP_NAMES_CLIENTS },
	{ OP(EXPLAIN, EXPLAIN, bpflb_nl_explain_policy),
	  .dumpit = bpflb_nl_explain, OP_NAMES_CLIENTS },
	{ OP_WITHOUT_ATTRS(STATS_GET),
	  .doit = bpflb_nl_stats_get },
	{ OP(TXN_BEGIN, TXN, txn_policy),
	  .doit = txn_begin, OP_WRITES },
	{ OP_WITHOUT_ATTRS(TXN_COMMIT),
	  .doit = txn_commit, OP_WRITES },
	{ OP_WITHOUT_ATTRS(TXN_ABORT),
	  .doit = txn_abort, OP_WRITES },
};

static const struct genl_multicast_group groups[] = {
	/* SNAT_FULL names a client, too. */
	[BPFLB_NL_CONFIG] = { .name = BPFLB_MCGRP_CONFIG, BPFLB_MCGRP_ADMIN },
	[BPFLB_NL_FLOW] = { .name = BPFLB_MCGRP_FLOW, BPFLB_MCGRP_ADMIN },
};

static struct genl_family family __ro_after_init = {
	.name = BPFLB_GENL_NAME,
	.version = BPFLB_GENL_VERSION,
	.module = THIS_MODULE,
	.netnsok = true,
	.parallel_ops = true,
	.ops = ops,
	.n_ops = ARRAY_SIZE(ops),
	.resv_start_op = BPFLB_CMD_UNSPEC + 1,
	.mcgrps = groups,
	.n_mcgrps = ARRAY_SIZE(groups),
};

int bpflb_nl_init(void)
{
	int err = genl_register_family(&family);

	WRITE_ONCE(registered, !err);
	return err;
}

void bpflb_nl_exit(void)
{
	WRITE_ONCE(registered, false);
	genl_unregister_family(&family);
}
