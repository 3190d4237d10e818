// SPDX-License-Identifier: GPL-2.0-only
#include "netns.h"
#include "nl.h"
#include "node.h"

const struct nla_policy bpflb_nl_node_policy[BPFLB_NODE_A_MAX + 1] = {
	[BPFLB_NODE_A_ADDR] = BPFLB_NL_ADDR,
};

static int get_key(struct genl_info *info, union nf_inet_addr *addr)
{
	return bpflb_nl_need(info, BPFLB_NODE_A_ADDR, "a node needs an address") ?:
	       bpflb_nl_get_addr(info->attrs[BPFLB_NODE_A_ADDR], addr, info->extack);
}

static struct bpflb_node *find_node(struct bpflb_net *bn, struct genl_info *info, bool next)
{
	struct bpflb_node *node;
	union nf_inet_addr addr;
	int err = get_key(info, &addr);

	if (err)
		return ERR_PTR(err);
	node = bpflb_node_find(bn, bpflb_nl_family(info->attrs[BPFLB_NODE_A_ADDR]), &addr);
	if (node && (next ? node->next_live : node->live))
		return node;
	NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[BPFLB_NODE_A_ADDR],
			    "there is no such node");
	return ERR_PTR(-ENOENT);
}

static int node_add(struct bpflb_net *bn, struct genl_info *info)
{
	struct bpflb_node *node;
	union nf_inet_addr addr;
	int err = get_key(info, &addr);

	if (err)
		return err;
	node = bpflb_node_make(bn, bpflb_nl_family(info->attrs[BPFLB_NODE_A_ADDR]), &addr);
	if (PTR_ERR_OR_ZERO(node) == -EEXIST)
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[BPFLB_NODE_A_ADDR],
				    "this node is known already");
	if (PTR_ERR_OR_ZERO(node) == -ENOSPC)
		NL_SET_ERR_MSG(info->extack, "this namespace has all the nodes it may have");
	return PTR_ERR_OR_ZERO(node);
}

int bpflb_nl_node_add(struct sk_buff *skb, struct genl_info *info)
{
	return bpflb_nl_write(info, node_add);
}

static int node_del(struct bpflb_net *bn, struct genl_info *info)
{
	struct bpflb_node *node = find_node(bn, info, true);
	int err;

	if (IS_ERR(node))
		return PTR_ERR(node);
	err = bpflb_node_remove(bn, node);
	if (err)
		NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[BPFLB_NODE_A_ADDR],
				    "there are backends on this node");
	return err;
}

int bpflb_nl_node_del(struct sk_buff *skb, struct genl_info *info)
{
	return bpflb_nl_write(info, node_del);
}

static int node_fill(struct sk_buff *msg, const struct bpflb_nl_head *head,
		     struct bpflb_net *bn, const void *object)
{
	const struct bpflb_node *node = object;
	void *hdr = bpflb_nl_begin(msg, head);

	if (!hdr)
		return -EMSGSIZE;
	if (nla_put_u64_64bit(msg, BPFLB_NODE_A_GENERATION, bn->generation, BPFLB_NODE_A_PAD) ||
	    bpflb_nl_put_addr(msg, BPFLB_NODE_A_ADDR, node->key.family, &node->key.addr) ||
	    (node->self && nla_put_flag(msg, BPFLB_NODE_A_SELF)) ||
	    (head->portid && nla_put_u32(msg, BPFLB_NODE_A_BACKENDS, node->backends))) {
		genlmsg_cancel(msg, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(msg, hdr);
	return 0;
}

int bpflb_nl_node_get(struct sk_buff *skb, struct genl_info *info)
{
	struct bpflb_net *bn = bpflb_net(genl_info_net(info));
	struct bpflb_node *node;
	int err;

	mutex_lock(&bn->lock);
	node = find_node(bn, info, false);
	err = IS_ERR(node) ? PTR_ERR(node) : bpflb_nl_reply(info, node_fill, bn, node);
	mutex_unlock(&bn->lock);
	return err;
}

/** struct node_cursor - where a dump of nodes goes on */
struct node_cursor {
	u32 after;	/* number of the last node that was sent */
};
static_assert(sizeof(struct node_cursor) <= sizeof_field(struct netlink_callback, ctx));

int bpflb_nl_node_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct bpflb_nl_head head = bpflb_nl_dump_head(cb, BPFLB_CMD_NODE_GET);
	struct bpflb_net *bn = bpflb_net(sock_net(cb->skb->sk));
	struct node_cursor *at = (void *)cb->ctx;
	const struct bpflb_node *node;
	int err = 0;

	mutex_lock(&bn->lock);
	cb->seq = bn->generation;
	list_for_each_entry(node, &bn->node_list, all) {
		if (!node->live || node->id <= at->after)
			continue;
		err = node_fill(skb, &head, bn, node);
		if (err)
			break;
		at->after = node->id;
	}
	mutex_unlock(&bn->lock);
	return skb->len ?: err;
}

void bpflb_nl_node_event(struct bpflb_net *bn, const struct bpflb_node *node, u8 cmd)
{
	bpflb_nl_event(bn, BPFLB_NL_CONFIG, cmd, node_fill, node, GFP_KERNEL);
}
