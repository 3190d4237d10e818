// SPDX-License-Identifier: GPL-2.0-only
#include "netns.h"
#include "nl.h"
#include "settings.h"

#define PORT_POLICY	NLA_POLICY_MIN(NLA_U16, 1)
#define TIMEOUT_POLICY	{ .type = NLA_U32 }

static const struct nla_policy range_policy[BPFLB_RANGE_A_MAX + 1] = {
	[BPFLB_RANGE_A_FIRST] = PORT_POLICY,
	[BPFLB_RANGE_A_LAST] = PORT_POLICY,
};

static const struct nla_policy timeout_policy[BPFLB_TIMEOUT_A_MAX + 1] = {
	[BPFLB_TIMEOUT_A_TCP_SYN_SENT] = TIMEOUT_POLICY,
	[BPFLB_TIMEOUT_A_TCP_SYN_RECEIVED] = TIMEOUT_POLICY,
	[BPFLB_TIMEOUT_A_TCP_ESTABLISHED] = TIMEOUT_POLICY,
	[BPFLB_TIMEOUT_A_TCP_FIN] = TIMEOUT_POLICY,
	[BPFLB_TIMEOUT_A_TCP_TIME_WAIT] = TIMEOUT_POLICY,
	[BPFLB_TIMEOUT_A_TCP_CLOSED] = TIMEOUT_POLICY,
	[BPFLB_TIMEOUT_A_UDP_UNREPLIED] = TIMEOUT_POLICY,
	[BPFLB_TIMEOUT_A_UDP_REPLIED] = TIMEOUT_POLICY,
	[BPFLB_TIMEOUT_A_SCTP_INIT] = TIMEOUT_POLICY,
	[BPFLB_TIMEOUT_A_SCTP_COOKIE] = TIMEOUT_POLICY,
	[BPFLB_TIMEOUT_A_SCTP_ESTABLISHED] = TIMEOUT_POLICY,
	[BPFLB_TIMEOUT_A_SCTP_SHUTDOWN] = TIMEOUT_POLICY,
	[BPFLB_TIMEOUT_A_SCTP_CLOSED] = TIMEOUT_POLICY,
};

const struct nla_policy bpflb_nl_settings_policy[BPFLB_SETTINGS_A_MAX + 1] = {
	[BPFLB_SETTINGS_A_MODE] = NLA_POLICY_MAX(NLA_U8, BPFLB_MODE_MAX),
	[BPFLB_SETTINGS_A_FLOWS_MAX] = NLA_POLICY_MIN(NLA_U32, 1),
	[BPFLB_SETTINGS_A_TIMEOUTS] = NLA_POLICY_NESTED(timeout_policy),
	[BPFLB_SETTINGS_A_SNAT_ADDR] = BPFLB_NL_ADDR,
	[BPFLB_SETTINGS_A_SNAT_PORTS] = NLA_POLICY_NESTED(range_policy),
	[BPFLB_SETTINGS_A_NODEPORTS] = NLA_POLICY_NESTED(range_policy),
	[BPFLB_SETTINGS_A_DSR_SENDER] = NLA_POLICY_MAX(NLA_U8, BPFLB_DSR_SENDER_MAX),
	[BPFLB_SETTINGS_A_DSR_DEVICE] = { .type = NLA_NUL_STRING, .len = IFNAMSIZ - 1 },
	[BPFLB_SETTINGS_A_CLEAR] = NLA_POLICY_MASK(NLA_U32, BPFLB_SETTINGS_CLEAR_SNAT_ADDR |
							   BPFLB_SETTINGS_CLEAR_DSR_DEVICE |
							   BPFLB_SETTINGS_CLEAR_NODEPORT_ADDR |
							   BPFLB_SETTINGS_CLEAR_POD |
							   BPFLB_SETTINGS_CLEAR_IPIP_SOURCE),
	[BPFLB_SETTINGS_A_NODEPORT_ADDR] = BPFLB_NL_PREFIX,
	[BPFLB_SETTINGS_A_POD] = BPFLB_NL_PREFIX,
	[BPFLB_SETTINGS_A_MASQUERADE] = NLA_POLICY_MAX(NLA_U8, BPFLB_MASQUERADE_MAX),
	[BPFLB_SETTINGS_A_REFUSED_NOTES] = NLA_POLICY_MAX(NLA_U8, BPFLB_REFUSED_NOTES_MAX),
	[BPFLB_SETTINGS_A_DISPATCH] = NLA_POLICY_MAX(NLA_U8, BPFLB_DISPATCH_MAX),
	[BPFLB_SETTINGS_A_IPIP_SOURCE] = BPFLB_NL_PREFIX,
	[BPFLB_SETTINGS_A_BYPASS] = NLA_POLICY_MAX(NLA_U8, 1),
	[BPFLB_SETTINGS_A_NO_BACKEND] = NLA_POLICY_MAX(NLA_U8, BPFLB_NO_BACKEND_MAX),
	[BPFLB_SETTINGS_A_UNKNOWN_PORTS] = NLA_POLICY_MAX(NLA_U8, BPFLB_UNKNOWN_PORTS_MAX),
	[BPFLB_SETTINGS_A_PING] = NLA_POLICY_MAX(NLA_U8, 1),
	[BPFLB_SETTINGS_A_FLOW_ACCOUNTING] = NLA_POLICY_MAX(NLA_U8, 1),
	[BPFLB_SETTINGS_A_FLOW_EVENTS] = NLA_POLICY_MIN(NLA_U32, 1),
};

/* Timeouts are numbered like the states, one higher. */
static_assert(BPFLB_TIMEOUT_A_MAX == __BPFLB_STATE_MAX);
static_assert(BPFLB_TIMEOUT_A_SCTP_CLOSED == BPFLB_STATE_SCTP_CLOSED + 1);

/* Idle times are 32 bits of jiffies, which wrap after 49 days at 1000 Hz. */
#define TIMEOUT_MAX	(30 * 24 * 3600)

static int set_timeouts(struct bpflb_settings *s, const struct nlattr *nest,
			struct netlink_ext_ack *extack)
{
	const struct nlattr *attr;
	int rem;

	nla_for_each_nested(attr, nest, rem) {
		u32 seconds = nla_get_u32(attr);

		if (!seconds || seconds > TIMEOUT_MAX) {
			NL_SET_ERR_MSG_ATTR(extack, attr, "a timeout is 1 second to 30 days");
			return -ERANGE;
		}
		s->timeout[nla_type(attr) - 1] = seconds;
	}
	return 0;
}

static int set_range(struct bpflb_range *range, const struct nlattr *nest,
		     struct netlink_ext_ack *extack)
{
	struct nlattr *tb[BPFLB_RANGE_A_MAX + 1];
	int err = nla_parse_nested(tb, BPFLB_RANGE_A_MAX, nest, range_policy, extack);

	if (err)
		return err;
	if (!tb[BPFLB_RANGE_A_FIRST] || !tb[BPFLB_RANGE_A_LAST]) {
		NL_SET_ERR_MSG_ATTR(extack, nest, "a range has a first and a last port");
		return -EINVAL;
	}
	range->first = nla_get_u16(tb[BPFLB_RANGE_A_FIRST]);
	range->last = nla_get_u16(tb[BPFLB_RANGE_A_LAST]);
	if (range->first > range->last) {
		NL_SET_ERR_MSG_ATTR(extack, nest, "the range ends before it begins");
		return -EINVAL;
	}
	return 0;
}

static int add_snat(struct bpflb_settings *s, const struct nlattr *attr,
		    struct netlink_ext_ack *extack)
{
	struct bpflb_snat_addrs *snat = &s->snat[nla_len(attr) == sizeof(struct in6_addr)];

	if (snat->n == BPFLB_SNAT_ADDRS_MAX) {
		NL_SET_ERR_MSG_ATTR(extack, attr, "more than 16 source addresses");
		return -E2BIG;
	}
	return bpflb_nl_get_addr(attr, &snat->addr[snat->n++], extack);
}

static int add_device(struct bpflb_settings *s, const struct nlattr *attr,
		      struct netlink_ext_ack *extack)
{
	if (s->n_dsr_device == BPFLB_DSR_DEVICES_MAX) {
		NL_SET_ERR_MSG_ATTR(extack, attr, "more than 16 devices");
		return -E2BIG;
	}
	nla_strscpy(s->dsr_device[s->n_dsr_device++], attr, IFNAMSIZ);
	return 0;
}

static int add_nodeport_addr(struct bpflb_settings *s, const struct nlattr *attr,
			     struct netlink_ext_ack *extack)
{
	if (s->n_nodeport_addr == BPFLB_NODEPORT_ADDRS_MAX) {
		NL_SET_ERR_MSG_ATTR(extack, attr, "more than 32 prefixes for node ports");
		return -E2BIG;
	}
	return bpflb_nl_get_prefix(attr, &s->nodeport_addr[s->n_nodeport_addr++], extack);
}

static void clear_snat(struct bpflb_settings *s)
{
	memset(s->snat, 0, sizeof(s->snat));
}

static void clear_devices(struct bpflb_settings *s)
{
	s->n_dsr_device = 0;
	memset(s->dsr_device, 0, sizeof(s->dsr_device));
}

static int add_pod(struct bpflb_settings *s, const struct nlattr *attr,
		   struct netlink_ext_ack *extack)
{
	if (s->n_pod == BPFLB_PODS_MAX) {
		NL_SET_ERR_MSG_ATTR(extack, attr, "more than 16 prefixes of pods");
		return -E2BIG;
	}
	return bpflb_nl_get_prefix(attr, &s->pod[s->n_pod++], extack);
}

static int add_ipip_source(struct bpflb_settings *s, const struct nlattr *attr,
			   struct netlink_ext_ack *extack)
{
	struct bpflb_prefix prefix, *mine;
	int err = bpflb_nl_get_prefix(attr, &prefix, extack);

	if (err)
		return err;
	mine = &s->ipip_source[prefix.family == NFPROTO_IPV6];
	if (mine->family) {
		NL_SET_ERR_MSG_ATTR(extack, attr, "more than one source prefix of a family");
		return -E2BIG;
	}
	*mine = prefix;
	return 0;
}

static void clear_ipip_sources(struct bpflb_settings *s)
{
	memset(s->ipip_source, 0, sizeof(s->ipip_source));
}

static void clear_pods(struct bpflb_settings *s)
{
	s->n_pod = 0;
	memset(s->pod, 0, sizeof(s->pod));
}

static void clear_nodeport_addrs(struct bpflb_settings *s)
{
	s->n_nodeport_addr = 0;
	memset(s->nodeport_addr, 0, sizeof(s->nodeport_addr));
}

/* The first of a list empties what was there. */
static int set_lists(struct bpflb_settings *s, struct genl_info *info)
{
	u32 clear = info->attrs[BPFLB_SETTINGS_A_CLEAR] ?
		    nla_get_u32(info->attrs[BPFLB_SETTINGS_A_CLEAR]) : 0;
	const struct nlattr *attr;
	int rem, err = 0;

	if (info->attrs[BPFLB_SETTINGS_A_SNAT_ADDR] || clear & BPFLB_SETTINGS_CLEAR_SNAT_ADDR)
		clear_snat(s);
	if (info->attrs[BPFLB_SETTINGS_A_DSR_DEVICE] || clear & BPFLB_SETTINGS_CLEAR_DSR_DEVICE)
		clear_devices(s);
	if (info->attrs[BPFLB_SETTINGS_A_NODEPORT_ADDR] ||
	    clear & BPFLB_SETTINGS_CLEAR_NODEPORT_ADDR)
		clear_nodeport_addrs(s);
	if (info->attrs[BPFLB_SETTINGS_A_POD] || clear & BPFLB_SETTINGS_CLEAR_POD)
		clear_pods(s);
	if (info->attrs[BPFLB_SETTINGS_A_IPIP_SOURCE] || clear & BPFLB_SETTINGS_CLEAR_IPIP_SOURCE)
		clear_ipip_sources(s);
	nla_for_each_attr(attr, genlmsg_data(info->genlhdr), genlmsg_len(info->genlhdr), rem) {
		if (nla_type(attr) == BPFLB_SETTINGS_A_SNAT_ADDR)
			err = add_snat(s, attr, info->extack);
		else if (nla_type(attr) == BPFLB_SETTINGS_A_DSR_DEVICE)
			err = add_device(s, attr, info->extack);
		else if (nla_type(attr) == BPFLB_SETTINGS_A_NODEPORT_ADDR)
			err = add_nodeport_addr(s, attr, info->extack);
		else if (nla_type(attr) == BPFLB_SETTINGS_A_POD)
			err = add_pod(s, attr, info->extack);
		else if (nla_type(attr) == BPFLB_SETTINGS_A_IPIP_SOURCE)
			err = add_ipip_source(s, attr, info->extack);
		if (err)
			return err;
	}
	return 0;
}

static int set_scalars(struct bpflb_settings *s, struct genl_info *info)
{
	struct nlattr **a = info->attrs;
	int err = 0;

	if (a[BPFLB_SETTINGS_A_MODE]) {
		s->mode = nla_get_u8(a[BPFLB_SETTINGS_A_MODE]);
		s->mode_origin = BPFLB_MODE_ORIGIN_SET;
	}
	if (a[BPFLB_SETTINGS_A_FLOWS_MAX])
		s->flows_max = nla_get_u32(a[BPFLB_SETTINGS_A_FLOWS_MAX]);
	if (a[BPFLB_SETTINGS_A_DSR_SENDER])
		s->dsr_sender = nla_get_u8(a[BPFLB_SETTINGS_A_DSR_SENDER]);
	if (a[BPFLB_SETTINGS_A_BYPASS])
		s->bypass = nla_get_u8(a[BPFLB_SETTINGS_A_BYPASS]);
	if (a[BPFLB_SETTINGS_A_NO_BACKEND])
		s->no_backend = nla_get_u8(a[BPFLB_SETTINGS_A_NO_BACKEND]);
	if (a[BPFLB_SETTINGS_A_UNKNOWN_PORTS])
		s->unknown_ports = nla_get_u8(a[BPFLB_SETTINGS_A_UNKNOWN_PORTS]);
	if (a[BPFLB_SETTINGS_A_PING])
		s->ping = nla_get_u8(a[BPFLB_SETTINGS_A_PING]);
	if (a[BPFLB_SETTINGS_A_MASQUERADE])
		s->masquerade = nla_get_u8(a[BPFLB_SETTINGS_A_MASQUERADE]);
	if (a[BPFLB_SETTINGS_A_REFUSED_NOTES])
		s->refused_notes = nla_get_u8(a[BPFLB_SETTINGS_A_REFUSED_NOTES]);
	if (a[BPFLB_SETTINGS_A_DISPATCH])
		s->dispatch = nla_get_u8(a[BPFLB_SETTINGS_A_DISPATCH]);
	if (a[BPFLB_SETTINGS_A_FLOW_ACCOUNTING])
		s->flow_accounting = nla_get_u8(a[BPFLB_SETTINGS_A_FLOW_ACCOUNTING]);
	if (a[BPFLB_SETTINGS_A_FLOW_EVENTS])
		s->flow_events = nla_get_u32(a[BPFLB_SETTINGS_A_FLOW_EVENTS]);
	if (a[BPFLB_SETTINGS_A_TIMEOUTS])
		err = set_timeouts(s, a[BPFLB_SETTINGS_A_TIMEOUTS], info->extack);
	if (!err && a[BPFLB_SETTINGS_A_SNAT_PORTS])
		err = set_range(&s->snat_ports, a[BPFLB_SETTINGS_A_SNAT_PORTS], info->extack);
	if (!err && a[BPFLB_SETTINGS_A_NODEPORTS])
		err = set_range(&s->nodeports, a[BPFLB_SETTINGS_A_NODEPORTS], info->extack);
	return err;
}

static int settings_set(struct bpflb_net *bn, struct genl_info *info)
{
	struct bpflb_settings *s = bpflb_txn_settings(bn);

	if (!s)
		return -ENOMEM;
	return set_scalars(s, info) ?: set_lists(s, info);
}

int bpflb_nl_settings_set(struct sk_buff *skb, struct genl_info *info)
{
	return bpflb_nl_write(info, settings_set);
}

static int put_range(struct sk_buff *msg, int attr, const struct bpflb_range *range)
{
	struct nlattr *nest = nla_nest_start(msg, attr);

	if (!nest || nla_put_u16(msg, BPFLB_RANGE_A_FIRST, range->first) ||
	    nla_put_u16(msg, BPFLB_RANGE_A_LAST, range->last))
		return -EMSGSIZE;
	nla_nest_end(msg, nest);
	return 0;
}

static int put_timeouts(struct sk_buff *msg, const struct bpflb_settings *s)
{
	struct nlattr *nest = nla_nest_start(msg, BPFLB_SETTINGS_A_TIMEOUTS);
	int i;

	if (!nest)
		return -EMSGSIZE;
	for (i = 0; i < __BPFLB_STATE_MAX; i++)
		if (nla_put_u32(msg, i + 1, s->timeout[i]))
			return -EMSGSIZE;
	nla_nest_end(msg, nest);
	return 0;
}

static int put_lists(struct sk_buff *msg, const struct bpflb_settings *s)
{
	int i, err = 0;

	for (i = 0; !err && i < s->snat[0].n; i++)
		err = bpflb_nl_put_addr(msg, BPFLB_SETTINGS_A_SNAT_ADDR, NFPROTO_IPV4,
					&s->snat[0].addr[i]);
	for (i = 0; !err && i < s->snat[1].n; i++)
		err = bpflb_nl_put_addr(msg, BPFLB_SETTINGS_A_SNAT_ADDR, NFPROTO_IPV6,
					&s->snat[1].addr[i]);
	for (i = 0; !err && i < s->n_dsr_device; i++)
		err = nla_put_string(msg, BPFLB_SETTINGS_A_DSR_DEVICE, s->dsr_device[i]);
	for (i = 0; !err && i < s->n_nodeport_addr; i++)
		err = bpflb_nl_put_prefix(msg, BPFLB_SETTINGS_A_NODEPORT_ADDR,
					  &s->nodeport_addr[i]);
	for (i = 0; !err && i < s->n_pod; i++)
		err = bpflb_nl_put_prefix(msg, BPFLB_SETTINGS_A_POD, &s->pod[i]);
	for (i = 0; !err && i < 2; i++)
		if (s->ipip_source[i].family)
			err = bpflb_nl_put_prefix(msg, BPFLB_SETTINGS_A_IPIP_SOURCE,
						  &s->ipip_source[i]);
	return err;
}

static int settings_fill(struct sk_buff *msg, const struct bpflb_nl_head *head,
			 struct bpflb_net *bn, const void *object)
{
	const struct bpflb_settings *s = object;
	void *hdr = bpflb_nl_begin(msg, head);

	if (!hdr)
		return -EMSGSIZE;
	if (nla_put_u64_64bit(msg, BPFLB_SETTINGS_A_GENERATION, bn->generation,
			      BPFLB_SETTINGS_A_PAD) ||
	    nla_put_u8(msg, BPFLB_SETTINGS_A_MODE, s->mode) ||
	    nla_put_u8(msg, BPFLB_SETTINGS_A_MODE_ORIGIN, s->mode_origin) ||
	    nla_put_u32(msg, BPFLB_SETTINGS_A_FLOWS_MAX, s->flows_max) ||
	    nla_put_u32(msg, BPFLB_SETTINGS_A_FLOWS_MAX_DEFAULT, bpflb_settings_flows_max()) ||
	    nla_put_u8(msg, BPFLB_SETTINGS_A_DSR_SENDER, s->dsr_sender) ||
	    nla_put_u8(msg, BPFLB_SETTINGS_A_BYPASS, s->bypass) ||
	    nla_put_u8(msg, BPFLB_SETTINGS_A_NO_BACKEND, s->no_backend) ||
	    nla_put_u8(msg, BPFLB_SETTINGS_A_UNKNOWN_PORTS, s->unknown_ports) ||
	    nla_put_u8(msg, BPFLB_SETTINGS_A_PING, s->ping) ||
	    nla_put_u8(msg, BPFLB_SETTINGS_A_MASQUERADE, s->masquerade) ||
	    nla_put_u8(msg, BPFLB_SETTINGS_A_REFUSED_NOTES, s->refused_notes) ||
	    nla_put_u8(msg, BPFLB_SETTINGS_A_DISPATCH, s->dispatch) ||
	    nla_put_u8(msg, BPFLB_SETTINGS_A_FLOW_ACCOUNTING, s->flow_accounting) ||
	    nla_put_u32(msg, BPFLB_SETTINGS_A_FLOW_EVENTS, s->flow_events) ||
	    put_range(msg, BPFLB_SETTINGS_A_SNAT_PORTS, &s->snat_ports) ||
	    put_range(msg, BPFLB_SETTINGS_A_NODEPORTS, &s->nodeports) ||
	    put_timeouts(msg, s) || put_lists(msg, s)) {
		genlmsg_cancel(msg, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(msg, hdr);
	return 0;
}

int bpflb_nl_settings_get(struct sk_buff *skb, struct genl_info *info)
{
	struct bpflb_net *bn = bpflb_net(genl_info_net(info));
	int err;

	mutex_lock(&bn->lock);
	err = bpflb_nl_reply(info, settings_fill, bn,
			     rcu_dereference_protected(bn->settings, lockdep_is_held(&bn->lock)));
	mutex_unlock(&bn->lock);
	return err;
}

void bpflb_nl_settings_event(struct bpflb_net *bn)
{
	bpflb_nl_event(bn, BPFLB_NL_CONFIG, BPFLB_CMD_SETTINGS_SET, settings_fill,
		       rcu_dereference_protected(bn->settings, lockdep_is_held(&bn->lock)),
		       GFP_KERNEL);
}
