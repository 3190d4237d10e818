/* SPDX-License-Identifier: GPL-2.0-only */
/* The generic netlink family; one nl_<noun>.c for each noun of the interface. */
#ifndef _BPFLB_NL_H
#define _BPFLB_NL_H

#include <linux/bpflb.h>
#include <net/genetlink.h>
#include <net/sock.h>

#include "stats.h"
#include "tuple.h"

struct bpflb_backend;
struct bpflb_flow;
struct bpflb_frontend_key;
struct bpflb_net;
struct bpflb_node;
struct bpflb_prefix;
struct bpflb_service;

/* nl.c: the family, and what the nouns share */
enum bpflb_nl_group {
	BPFLB_NL_CONFIG,
	BPFLB_NL_FLOW,
};

/**
 * struct bpflb_nl_head - where a message goes
 * @portid: the asker's netlink port; 0: an event
 * @seq: of the request
 * @flags: NLM_F_*
 * @cmd: enum bpflb_cmd
 * @cb: the dump it is part of, or NULL
 */
struct bpflb_nl_head {
	u32 portid;
	u32 seq;
	int flags;
	u8 cmd;
	struct netlink_callback *cb;
};

typedef int (*bpflb_nl_fill)(struct sk_buff *msg, const struct bpflb_nl_head *head,
			     struct bpflb_net *bn, const void *object);

int bpflb_nl_init(void);
void bpflb_nl_exit(void);
void *bpflb_nl_begin(struct sk_buff *msg, const struct bpflb_nl_head *head);
int bpflb_nl_write(struct genl_info *info,
		   int (*op)(struct bpflb_net *bn, struct genl_info *info));
int bpflb_nl_reply(struct genl_info *info, bpflb_nl_fill fill, struct bpflb_net *bn,
		   const void *object);
bool bpflb_nl_event(struct bpflb_net *bn, enum bpflb_nl_group group, u8 cmd, bpflb_nl_fill fill,
		    const void *object, gfp_t gfp);
bool bpflb_nl_listeners(struct bpflb_net *bn, enum bpflb_nl_group group);
struct bpflb_nl_head bpflb_nl_dump_head(struct netlink_callback *cb, u8 cmd);
int bpflb_nl_need(struct genl_info *info, u32 attr, const char *sentence);
int bpflb_nl_get_addr(const struct nlattr *attr, union nf_inet_addr *addr,
		      struct netlink_ext_ack *extack);
int bpflb_nl_put_addr(struct sk_buff *msg, int attr, u8 family, const union nf_inet_addr *addr);

/* That of an address attribute, checked by the policy. */
static inline u8 bpflb_nl_family(const struct nlattr *attr)
{
	return nla_len(attr) == sizeof(struct in6_addr) ? NFPROTO_IPV6 : NFPROTO_IPV4;
}

int bpflb_nl_put_counters(struct sk_buff *msg, int attr, const u64 sum[BPFLB_COUNTS], bool drops);

#define BPFLB_NL_ADDR	NLA_POLICY_VALIDATE_FN(NLA_BINARY, bpflb_nl_validate_addr, 16)
int bpflb_nl_validate_addr(const struct nlattr *attr, struct netlink_ext_ack *extack);

/* nl_prefix.c */
#define BPFLB_NL_PREFIX	NLA_POLICY_VALIDATE_FN(NLA_BINARY, bpflb_nl_validate_prefix, 17)
int bpflb_nl_validate_prefix(const struct nlattr *attr, struct netlink_ext_ack *extack);
int bpflb_nl_get_prefix(const struct nlattr *attr, struct bpflb_prefix *prefix,
			struct netlink_ext_ack *extack);
int bpflb_nl_put_prefix(struct sk_buff *msg, int type, const struct bpflb_prefix *prefix);

/* nl_settings.c */
extern const struct nla_policy bpflb_nl_settings_policy[BPFLB_SETTINGS_A_MAX + 1];
int bpflb_nl_settings_get(struct sk_buff *skb, struct genl_info *info);
int bpflb_nl_settings_set(struct sk_buff *skb, struct genl_info *info);
void bpflb_nl_settings_event(struct bpflb_net *bn);

/* nl_service.c */
extern const struct nla_policy bpflb_nl_service_policy[BPFLB_SERVICE_A_MAX + 1];
int bpflb_nl_service_add(struct sk_buff *skb, struct genl_info *info);
int bpflb_nl_service_set(struct sk_buff *skb, struct genl_info *info);
int bpflb_nl_service_del(struct sk_buff *skb, struct genl_info *info);
int bpflb_nl_service_get(struct sk_buff *skb, struct genl_info *info);
int bpflb_nl_service_dump_start(struct netlink_callback *cb);
int bpflb_nl_service_dump(struct sk_buff *skb, struct netlink_callback *cb);
int bpflb_nl_put_frontend(struct sk_buff *msg, int attr, const struct bpflb_frontend_key *key,
			  u8 flags);
void bpflb_nl_service_event(const struct bpflb_service *svc, u8 cmd);
struct bpflb_service *bpflb_nl_find_service(struct bpflb_net *bn, const struct nlattr *name,
					    bool next, struct netlink_ext_ack *extack);

/* nl_backend.c */
extern const struct nla_policy bpflb_nl_backend_policy[BPFLB_BACKEND_A_MAX + 1];
int bpflb_nl_backend_add(struct sk_buff *skb, struct genl_info *info);
int bpflb_nl_backend_set(struct sk_buff *skb, struct genl_info *info);
int bpflb_nl_backend_del(struct sk_buff *skb, struct genl_info *info);
int bpflb_nl_backend_get(struct sk_buff *skb, struct genl_info *info);
int bpflb_nl_backend_dump(struct sk_buff *skb, struct netlink_callback *cb);
void bpflb_nl_backend_event(const struct bpflb_backend *be, u8 cmd);

/* nl_node.c */
extern const struct nla_policy bpflb_nl_node_policy[BPFLB_NODE_A_MAX + 1];
int bpflb_nl_node_add(struct sk_buff *skb, struct genl_info *info);
int bpflb_nl_node_del(struct sk_buff *skb, struct genl_info *info);
int bpflb_nl_node_get(struct sk_buff *skb, struct genl_info *info);
int bpflb_nl_node_dump(struct sk_buff *skb, struct netlink_callback *cb);
void bpflb_nl_node_event(struct bpflb_net *bn, const struct bpflb_node *node, u8 cmd);

/* nl_flow.c */
extern const struct nla_policy bpflb_nl_flow_policy[BPFLB_FLOW_A_MAX + 1];
int bpflb_nl_put_flow(struct sk_buff *msg, const struct bpflb_flow *flow);
int bpflb_nl_flow_del(struct sk_buff *skb, struct genl_info *info);
int bpflb_nl_flow_dump(struct sk_buff *skb, struct netlink_callback *cb);
void bpflb_nl_flow_event(const struct bpflb_flow *flow, u8 cmd, enum bpflb_flow_end end);
void bpflb_nl_snat_full_event(const struct bpflb_flow *flow);

/* nl_flow_add.c */
extern const struct nla_policy bpflb_nl_flow_add_policy[BPFLB_FLOW_A_MAX + 1];
int bpflb_nl_flow_add(struct sk_buff *skb, struct genl_info *info);

/* nl_affinity.c */
extern const struct nla_policy bpflb_nl_affinity_policy[BPFLB_AFFINITY_A_MAX + 1];
int bpflb_nl_affinity_add(struct sk_buff *skb, struct genl_info *info);
int bpflb_nl_affinity_dump(struct sk_buff *skb, struct netlink_callback *cb);

/* nl_explain.c */
extern const struct nla_policy bpflb_nl_explain_policy[BPFLB_EXPLAIN_A_MAX + 1];
int bpflb_nl_explain(struct sk_buff *skb, struct netlink_callback *cb);

/* nl_stats.c */
int bpflb_nl_status_get(struct sk_buff *skb, struct genl_info *info);
int bpflb_nl_stats_get(struct sk_buff *skb, struct genl_info *info);

#endif
