// SPDX-License-Identifier: GPL-2.0-only
#include <linux/ctype.h>

#include "frontend.h"
#include "maglev.h"
#include "netns.h"
#include "nl.h"
#include "service.h"
#include "sources.h"

static const struct nla_policy frontend_policy[BPFLB_FRONTEND_A_MAX + 1] = {
	[BPFLB_FRONTEND_A_ADDR] = BPFLB_NL_ADDR,
	[BPFLB_FRONTEND_A_PORT] = { .type = NLA_U16 },
	[BPFLB_FRONTEND_A_OPEN] = { .type = NLA_FLAG },
	[BPFLB_FRONTEND_A_INTERNAL] = { .type = NLA_FLAG },
	[BPFLB_FRONTEND_A_LAST_PORT] = { .type = NLA_U16 },
};

const struct nla_policy bpflb_nl_service_policy[BPFLB_SERVICE_A_MAX + 1] = {
	[BPFLB_SERVICE_A_NAME] = { .type = NLA_NUL_STRING, .len = BPFLB_NAME_MAX - 1 },
	[BPFLB_SERVICE_A_PROTO] = { .type = NLA_U8 },
	[BPFLB_SERVICE_A_FRONTEND] = NLA_POLICY_NESTED(frontend_policy),
	[BPFLB_SERVICE_A_SCHEDULER] = NLA_POLICY_MAX(NLA_U8, BPFLB_SCHEDULER_MAX),
	[BPFLB_SERVICE_A_POLICY] = NLA_POLICY_MAX(NLA_U8, BPFLB_POLICY_MAX),
	[BPFLB_SERVICE_A_BYPASS] = NLA_POLICY_MAX(NLA_U8, 1),
	[BPFLB_SERVICE_A_ONE_PACKET] = NLA_POLICY_MAX(NLA_U8, 1),
	[BPFLB_SERVICE_A_MODE] = { .type = NLA_U8 },
	[BPFLB_SERVICE_A_DISPATCH] = { .type = NLA_U8 },
	[BPFLB_SERVICE_A_SOURCES] = NLA_POLICY_MAX(NLA_U8, BPFLB_SOURCES_RULE_MAX),
	[BPFLB_SERVICE_A_SOURCE] = BPFLB_NL_PREFIX,
	[BPFLB_SERVICE_A_TABLE_SIZE] = { .type = NLA_U32 },
	[BPFLB_SERVICE_A_INTERNAL_POLICY] = NLA_POLICY_MAX(NLA_U8, BPFLB_POLICY_MAX),
	[BPFLB_SERVICE_A_AFFINITY] = { .type = NLA_U32 },
	[BPFLB_SERVICE_A_FLOWS_MAX] = { .type = NLA_U32 },
};

static bool name_is_good(const char *name)
{
	if (!isascii(*name) || !isalnum(*name))
		return false;
	for (name++; *name; name++)
		if (!isascii(*name) || (!isalnum(*name) && !strchr("._-/:", *name)))
			return false;
	return true;
}

/**
 * bpflb_nl_find_service() - the service that a request names
 * @bn: namespace
 * @name: the attribute
 * @next: as the open transaction would leave it
 * @extack: for a sentence
 *
 * Context: process, bpflb_net.lock. Return: ERR_PTR(-ENOENT) if there is none.
 */
struct bpflb_service *bpflb_nl_find_service(struct bpflb_net *bn, const struct nlattr *name,
					    bool next, struct netlink_ext_ack *extack)
{
	struct bpflb_service *svc = bpflb_service_find(bn, nla_data(name), next);

	if (svc)
		return svc;
	NL_SET_ERR_MSG_ATTR(extack, name, "there is no service of this name");
	return ERR_PTR(-ENOENT);
}

static int get_ports(const struct nlattr *nest, struct nlattr **tb,
		     struct bpflb_frontend_key *key, struct netlink_ext_ack *extack)
{
	if (!tb[BPFLB_FRONTEND_A_PORT] || !nla_get_be16(tb[BPFLB_FRONTEND_A_PORT])) {
		NL_SET_ERR_MSG_ATTR(extack, nest, "a service's address needs a port of 1 to 65535");
		return -EINVAL;
	}
	key->at.port = nla_get_be16(tb[BPFLB_FRONTEND_A_PORT]);
	if (!tb[BPFLB_FRONTEND_A_LAST_PORT])
		return 0;
	key->last = nla_get_be16(tb[BPFLB_FRONTEND_A_LAST_PORT]);
	if (ntohs(key->last) <= ntohs(key->at.port)) {
		NL_SET_ERR_MSG_ATTR(extack, nest, "a range's last port is above its first");
		return -EINVAL;
	}
	if (!tb[BPFLB_FRONTEND_A_ADDR]) {
		NL_SET_ERR_MSG_ATTR(extack, nest, "a node port can't be a range");
		return -EINVAL;
	}
	return 0;
}

static int get_frontend(const struct nlattr *nest, u8 proto, struct bpflb_frontend_key *key,
			u8 *flags, struct netlink_ext_ack *extack)
{
	struct nlattr *tb[BPFLB_FRONTEND_A_MAX + 1];
	int err = nla_parse_nested(tb, BPFLB_FRONTEND_A_MAX, nest, frontend_policy, extack);

	if (err)
		return err;
	memset(key, 0, sizeof(*key));
	key->proto = proto;
	*flags = (tb[BPFLB_FRONTEND_A_OPEN] ? BPFLB_FRONT_OPEN : 0) |
		 (tb[BPFLB_FRONTEND_A_INTERNAL] ? BPFLB_FRONT_INTERNAL : 0);
	err = get_ports(nest, tb, key, extack);
	if (err)
		return err;
	if (!tb[BPFLB_FRONTEND_A_ADDR] && *flags & BPFLB_FRONT_INTERNAL) {
		NL_SET_ERR_MSG_ATTR(extack, nest, "a node port can't be internal");
		return -EINVAL;
	}
	if (!tb[BPFLB_FRONTEND_A_ADDR])
		return 0;
	key->family = bpflb_nl_family(tb[BPFLB_FRONTEND_A_ADDR]);
	return bpflb_nl_get_addr(tb[BPFLB_FRONTEND_A_ADDR], &key->at.addr, extack);
}

/* Read the FRONTENDs and give them to the service. */
static int set_frontends(struct bpflb_service *svc, struct genl_info *info)
{
	const struct nlattr *attr, *given[BPFLB_FRONTENDS_MAX];
	struct bpflb_frontend_key *key;
	u8 flags[BPFLB_FRONTENDS_MAX];
	int rem, err = 0;
	u32 n = 0, bad;

	key = kcalloc(BPFLB_FRONTENDS_MAX, sizeof(*key), GFP_KERNEL);
	if (!key)
		return -ENOMEM;
	nla_for_each_attr(attr, genlmsg_data(info->genlhdr), genlmsg_len(info->genlhdr), rem) {
		if (nla_type(attr) != BPFLB_SERVICE_A_FRONTEND)
			continue;
		if (n == BPFLB_FRONTENDS_MAX) {
			NL_SET_ERR_MSG_ATTR(info->extack, attr,
					    "a service has at most 64 addresses");
			err = -E2BIG;
			goto out;
		}
		err = get_frontend(attr, svc->key.proto, &key[n], &flags[n], info->extack);
		if (err)
			goto out;
		given[n++] = attr;
	}
	err = bpflb_frontends_set(svc, key, flags, n, &bad);
	if (err == -EEXIST && key[bad].last)
		NL_SET_ERR_MSG_ATTR(info->extack, given[bad],
				    "a service has ports of this range already");
	else if (err == -EEXIST)
		NL_SET_ERR_MSG_ATTR(info->extack, given[bad], "a service has this address already");
	else if (err == -ENOSPC)
		NL_SET_ERR_MSG_ATTR(info->extack, given[bad], "an address has at most 256 ranges of ports");
out:
	kfree(key);
	return err;
}

/* Read the SOURCEs. Return: how many, or an error. */
static int get_sources(struct genl_info *info, struct bpflb_prefix *prefix)
{
	const struct nlattr *attr;
	int rem, err, n = 0;

	nla_for_each_attr(attr, genlmsg_data(info->genlhdr), genlmsg_len(info->genlhdr), rem) {
		if (nla_type(attr) != BPFLB_SERVICE_A_SOURCE)
			continue;
		if (n == BPFLB_SOURCES_MAX) {
			NL_SET_ERR_MSG_ATTR(info->extack, attr,
					    "a service has at most 1024 source ranges");
			return -E2BIG;
		}
		err = bpflb_nl_get_prefix(attr, &prefix[n++], info->extack);
		if (err)
			return err;
	}
	return n;
}

static int set_source_ranges(struct bpflb_service *svc, struct genl_info *info, bool deny)
{
	struct bpflb_sources *sources;
	struct bpflb_prefix *prefix;
	int n;

	prefix = kvmalloc_array(BPFLB_SOURCES_MAX, sizeof(*prefix), GFP_KERNEL);
	if (!prefix)
		return -ENOMEM;
	n = get_sources(info, prefix);
	sources = n < 0 ? ERR_PTR(n) : bpflb_sources_make(prefix, n, deny);
	kvfree(prefix);
	if (IS_ERR_OR_NULL(sources))
		return sources ? PTR_ERR(sources) : -ENOMEM;
	bpflb_service_set_sources(svc, sources);
	return 0;
}

/* SOURCES, and the SOURCEs that go with it. */
static int set_sources(struct bpflb_service *svc, struct genl_info *info)
{
	const struct nlattr *rule = info->attrs[BPFLB_SERVICE_A_SOURCES];
	const struct nlattr *source = info->attrs[BPFLB_SERVICE_A_SOURCE];

	if (!rule && !source)
		return 0;
	if (!rule || (source && nla_get_u8(rule) == BPFLB_SOURCES_ANY)) {
		NL_SET_ERR_MSG_ATTR(info->extack, source,
				    "are these source ranges allowed or denied?");
		return -EINVAL;
	}
	if (nla_get_u8(rule) == BPFLB_SOURCES_ANY) {
		bpflb_service_set_sources(svc, NULL);
		return 0;
	}
	if (!source) {
		NL_SET_ERR_MSG_ATTR(info->extack, rule, "which source ranges?");
		return -EINVAL;
	}
	return set_source_ranges(svc, info, nla_get_u8(rule) == BPFLB_SOURCES_DENY);
}

/* Not a word about it where it is off. */
static int check_one_packet(const struct bpflb_service *svc, struct nlattr **attrs,
			    struct netlink_ext_ack *extack)
{
	const struct nlattr *attr = attrs[BPFLB_SERVICE_A_ONE_PACKET];

	if (!svc->next.one_packet)
		return 0;
	if (svc->key.proto != IPPROTO_UDP) {
		NL_SET_ERR_MSG_ATTR(extack, attr, "only UDP can be balanced packet by packet");
		return -EINVAL;
	}
	if (svc->next.affinity) {
		NL_SET_ERR_MSG_ATTR(extack, attr ?: attrs[BPFLB_SERVICE_A_AFFINITY],
				    "with one-packet a client has no backend to keep");
		return -EINVAL;
	}
	return 0;
}

/* What the policy can't tell of the numbers. */
static int check_numbers(struct nlattr **attrs, struct netlink_ext_ack *extack)
{
	const struct nlattr *size = attrs[BPFLB_SERVICE_A_TABLE_SIZE];
	const struct nlattr *affinity = attrs[BPFLB_SERVICE_A_AFFINITY];
	const struct nlattr *mode = attrs[BPFLB_SERVICE_A_MODE];
	const struct nlattr *dispatch = attrs[BPFLB_SERVICE_A_DISPATCH];

	if (size && !bpflb_maglev_size_is_good(nla_get_u32(size))) {
		NL_SET_ERR_MSG_ATTR(extack, size, "a table has 251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521 or 131071 entries");
		return -EINVAL;
	}
	if (affinity && nla_get_u32(affinity) > BPFLB_AFFINITY_SECONDS_MAX) {
		NL_SET_ERR_MSG_ATTR(extack, affinity, "affinity lasts for at most 86400 seconds");
		return -EINVAL;
	}
	if (mode && nla_get_u8(mode) > BPFLB_MODE_MAX &&
	    nla_get_u8(mode) != BPFLB_SERVICE_MODE_DEFAULT) {
		NL_SET_ERR_MSG_ATTR(extack, mode, "the mode is snat, dsr, hybrid or default");
		return -EINVAL;
	}
	if (dispatch && nla_get_u8(dispatch) > BPFLB_DISPATCH_MAX &&
	    nla_get_u8(dispatch) != BPFLB_SERVICE_DISPATCH_DEFAULT) {
		NL_SET_ERR_MSG_ATTR(extack, dispatch, "the dispatch is opt, geneve, ipip, l2 or default");
		return -EINVAL;
	}
	return 0;
}

static int set_conf(struct bpflb_service *svc, struct nlattr **attrs,
		    struct netlink_ext_ack *extack)
{
	int err = check_numbers(attrs, extack);

	if (err)
		return err;
	if (attrs[BPFLB_SERVICE_A_AFFINITY])
		svc->next.affinity = nla_get_u32(attrs[BPFLB_SERVICE_A_AFFINITY]);
	if (attrs[BPFLB_SERVICE_A_TABLE_SIZE])
		svc->next.table_size = nla_get_u32(attrs[BPFLB_SERVICE_A_TABLE_SIZE]);
	if (attrs[BPFLB_SERVICE_A_MODE])
		svc->next.mode = nla_get_u8(attrs[BPFLB_SERVICE_A_MODE]);
	if (attrs[BPFLB_SERVICE_A_DISPATCH])
		svc->next.dispatch = nla_get_u8(attrs[BPFLB_SERVICE_A_DISPATCH]);
	if (attrs[BPFLB_SERVICE_A_ONE_PACKET])
		svc->next.one_packet = nla_get_u8(attrs[BPFLB_SERVICE_A_ONE_PACKET]);
	if (attrs[BPFLB_SERVICE_A_SCHEDULER])
		svc->next.scheduler = nla_get_u8(attrs[BPFLB_SERVICE_A_SCHEDULER]);
	if (attrs[BPFLB_SERVICE_A_POLICY])
		svc->next.policy = nla_get_u8(attrs[BPFLB_SERVICE_A_POLICY]);
	if (attrs[BPFLB_SERVICE_A_INTERNAL_POLICY])
		svc->next.internal_policy = nla_get_u8(attrs[BPFLB_SERVICE_A_INTERNAL_POLICY]);
	if (attrs[BPFLB_SERVICE_A_BYPASS])
		svc->next.bypass = nla_get_u8(attrs[BPFLB_SERVICE_A_BYPASS]);
	if (attrs[BPFLB_SERVICE_A_FLOWS_MAX])
		svc->next.flows_max = nla_get_u32(attrs[BPFLB_SERVICE_A_FLOWS_MAX]);
	return check_one_packet(svc, attrs, extack);
}

static int check_add(struct genl_info *info)
{
	struct nlattr **a = info->attrs;
	u8 proto;
	int err;

	err = bpflb_nl_need(info, BPFLB_SERVICE_A_NAME, "a service needs a name") ?:
	      bpflb_nl_need(info, BPFLB_SERVICE_A_PROTO, "a service needs a protocol") ?:
	      bpflb_nl_need(info, BPFLB_SERVICE_A_FRONTEND, "a service needs an address");
	if (err)
		return err;
	if (!name_is_good(nla_data(a[BPFLB_SERVICE_A_NAME]))) {
		NL_SET_ERR_MSG_ATTR(info->extack, a[BPFLB_SERVICE_A_NAME],
				    "a name begins with a letter or digit and has only these and . _ - / :");
		return -EINVAL;
	}
	proto = nla_get_u8(a[BPFLB_SERVICE_A_PROTO]);
	if (proto != IPPROTO_TCP && proto != IPPROTO_UDP && proto != IPPROTO_SCTP) {
		NL_SET_ERR_MSG_ATTR(info->extack, a[BPFLB_SERVICE_A_PROTO],
				    "the protocol is tcp, udp or sctp");
		return -EPROTONOSUPPORT;
	}
	return 0;
}

static int service_add(struct bpflb_net *bn, struct genl_info *info)
{
	struct nlattr **a = info->attrs;
	struct bpflb_service *svc;
	int err = check_add(info);

	if (err)
		return err;
	svc = bpflb_service_make(bn, nla_data(a[BPFLB_SERVICE_A_NAME]),
				 nla_get_u8(a[BPFLB_SERVICE_A_PROTO]));
	if (IS_ERR(svc)) {
		if (PTR_ERR(svc) == -EEXIST)
			NL_SET_ERR_MSG_ATTR(info->extack, a[BPFLB_SERVICE_A_NAME],
					    "there is a service of this name already");
		if (PTR_ERR(svc) == -ENOSPC)
			NL_SET_ERR_MSG(info->extack, "this namespace has all the services it may have");
		return PTR_ERR(svc);
	}
	svc->seq = info->snd_seq;
	return set_conf(svc, a, info->extack) ?: set_frontends(svc, info) ?:
	       set_sources(svc, info);
}

int bpflb_nl_service_add(struct sk_buff *skb, struct genl_info *info)
{
	return bpflb_nl_write(info, service_add);
}

static struct bpflb_service *service_named(struct bpflb_net *bn, struct genl_info *info, bool next)
{
	int err = bpflb_nl_need(info, BPFLB_SERVICE_A_NAME, "which service? It needs a name");

	if (err)
		return ERR_PTR(err);
	return bpflb_nl_find_service(bn, info->attrs[BPFLB_SERVICE_A_NAME], next, info->extack);
}

static int service_set(struct bpflb_net *bn, struct genl_info *info)
{
	struct bpflb_service *svc = service_named(bn, info, true);
	struct nlattr **a = info->attrs;
	int err;

	if (IS_ERR(svc))
		return PTR_ERR(svc);
	if (a[BPFLB_SERVICE_A_PROTO] && nla_get_u8(a[BPFLB_SERVICE_A_PROTO]) != svc->key.proto) {
		NL_SET_ERR_MSG_ATTR(info->extack, a[BPFLB_SERVICE_A_PROTO],
				    "a service's protocol can't be changed");
		return -EOPNOTSUPP;
	}
	bpflb_service_touch(svc);
	svc->seq = info->snd_seq;
	err = set_conf(svc, a, info->extack);
	if (!err && a[BPFLB_SERVICE_A_FRONTEND])
		err = set_frontends(svc, info);
	return err ?: set_sources(svc, info);
}

int bpflb_nl_service_set(struct sk_buff *skb, struct genl_info *info)
{
	return bpflb_nl_write(info, service_set);
}

static int service_del(struct bpflb_net *bn, struct genl_info *info)
{
	struct bpflb_service *svc = service_named(bn, info, true);

	if (IS_ERR(svc))
		return PTR_ERR(svc);
	bpflb_service_remove(svc);
	return 0;
}

int bpflb_nl_service_del(struct sk_buff *skb, struct genl_info *info)
{
	return bpflb_nl_write(info, service_del);
}

/**
 * bpflb_nl_put_frontend() - write the nest of one address of a service
 * @msg: the message
 * @attr: the nest's attribute
 * @key: the address
 * @flags: BPFLB_FRONT_*
 *
 * Return: 0 or -EMSGSIZE.
 */
int bpflb_nl_put_frontend(struct sk_buff *msg, int attr, const struct bpflb_frontend_key *key,
			  u8 flags)
{
	struct nlattr *nest = nla_nest_start(msg, attr);

	if (!nest || (bpflb_frontend_has_addr(key) &&
		      bpflb_nl_put_addr(msg, BPFLB_FRONTEND_A_ADDR, key->family,
					&key->at.addr)) ||
	    nla_put_be16(msg, BPFLB_FRONTEND_A_PORT, key->at.port) ||
	    (key->last && nla_put_be16(msg, BPFLB_FRONTEND_A_LAST_PORT, key->last)) ||
	    (flags & BPFLB_FRONT_OPEN && nla_put_flag(msg, BPFLB_FRONTEND_A_OPEN)) ||
	    (flags & BPFLB_FRONT_INTERNAL && nla_put_flag(msg, BPFLB_FRONTEND_A_INTERNAL)))
		return -EMSGSIZE;
	nla_nest_end(msg, nest);
	return 0;
}

static int put_frontends(struct sk_buff *msg, const struct bpflb_frontends *fes)
{
	int err = 0;
	u32 i;

	for (i = 0; fes && i < fes->n && !err; i++)
		err = bpflb_nl_put_frontend(msg, BPFLB_SERVICE_A_FRONTEND, &fes->front[i].fe->key,
					    fes->front[i].flags);
	return err;
}

static int put_sources(struct sk_buff *msg, const struct bpflb_sources *sources)
{
	u8 rule = !sources ? BPFLB_SOURCES_ANY :
			     sources->deny ? BPFLB_SOURCES_DENY : BPFLB_SOURCES_ALLOW;
	int err = nla_put_u8(msg, BPFLB_SERVICE_A_SOURCES, rule);
	u32 i;

	for (i = 0; !err && sources && i < sources->n; i++)
		err = bpflb_nl_put_prefix(msg, BPFLB_SERVICE_A_SOURCE, &sources->prefix[i]);
	return err;
}

/* What a reply has and an event has not: it takes a while to add up. */
static int put_state(struct sk_buff *msg, const struct bpflb_service *svc)
{
	u64 sum[BPFLB_COUNTS];

	if (nla_put_u32(msg, BPFLB_SERVICE_A_BACKENDS, svc->n_backends) ||
	    nla_put_u32(msg, BPFLB_SERVICE_A_BACKENDS_LOCAL, svc->n_here))
		return -EMSGSIZE;
	bpflb_service_sum(svc, sum);
	return bpflb_nl_put_counters(msg, BPFLB_SERVICE_A_COUNTERS, sum, true);
}

/* An event comes before the transaction settles: what it made is in next. */
static int service_fill(struct sk_buff *msg, const struct bpflb_nl_head *head,
			struct bpflb_net *bn, const void *object)
{
	const struct bpflb_service *svc = object;
	bool next = !head->portid && head->cmd != BPFLB_CMD_SERVICE_DEL;
	const struct bpflb_service_conf *conf = next ? &svc->next : &svc->cur;
	void *hdr = bpflb_nl_begin(msg, head);

	if (!hdr)
		return -EMSGSIZE;
	if (nla_put_u64_64bit(msg, BPFLB_SERVICE_A_GENERATION, bn->generation,
			      BPFLB_SERVICE_A_PAD) ||
	    nla_put_string(msg, BPFLB_SERVICE_A_NAME, svc->key.name) ||
	    nla_put_u8(msg, BPFLB_SERVICE_A_PROTO, svc->key.proto) ||
	    nla_put_u8(msg, BPFLB_SERVICE_A_SCHEDULER, conf->scheduler) ||
	    nla_put_u8(msg, BPFLB_SERVICE_A_POLICY, conf->policy) ||
	    nla_put_u8(msg, BPFLB_SERVICE_A_INTERNAL_POLICY, conf->internal_policy) ||
	    nla_put_u8(msg, BPFLB_SERVICE_A_BYPASS, conf->bypass) ||
	    nla_put_u32(msg, BPFLB_SERVICE_A_TABLE_SIZE, conf->table_size) ||
	    nla_put_u32(msg, BPFLB_SERVICE_A_AFFINITY, conf->affinity) ||
	    nla_put_u8(msg, BPFLB_SERVICE_A_ONE_PACKET, conf->one_packet) ||
	    nla_put_u8(msg, BPFLB_SERVICE_A_MODE, conf->mode) ||
	    nla_put_u8(msg, BPFLB_SERVICE_A_DISPATCH, conf->dispatch) ||
	    nla_put_u32(msg, BPFLB_SERVICE_A_FLOWS_MAX, conf->flows_max) ||
	    put_frontends(msg, next ? svc->next_fe : svc->cur_fe) ||
	    put_sources(msg, next ? svc->next_sources : svc->cur_sources) ||
	    (head->portid && put_state(msg, svc))) {
		genlmsg_cancel(msg, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(msg, hdr);
	return 0;
}

int bpflb_nl_service_get(struct sk_buff *skb, struct genl_info *info)
{
	struct bpflb_net *bn = bpflb_net(genl_info_net(info));
	struct bpflb_service *svc;
	int err;

	mutex_lock(&bn->lock);
	svc = service_named(bn, info, false);
	err = IS_ERR(svc) ? PTR_ERR(svc) : bpflb_nl_reply(info, service_fill, bn, svc);
	mutex_unlock(&bn->lock);
	return err;
}

/** struct service_cursor - where a dump of services goes on */
struct service_cursor {
	unsigned long next;	/* number of the next service, at least; ULONG_MAX: none */
};
static_assert(sizeof(struct service_cursor) <= sizeof_field(struct netlink_callback, ctx));

/* Of a service with all that it may have; one that does not fit would end the dump. */
#define SERVICE_SIZE_MAX	SZ_32K

int bpflb_nl_service_dump_start(struct netlink_callback *cb)
{
	cb->min_dump_alloc = SERVICE_SIZE_MAX;
	return 0;
}

int bpflb_nl_service_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct bpflb_nl_head head = bpflb_nl_dump_head(cb, BPFLB_CMD_SERVICE_GET);
	struct bpflb_net *bn = bpflb_net(sock_net(cb->skb->sk));
	struct service_cursor *at = (void *)cb->ctx;
	struct bpflb_service *svc;
	int err = 0;

	mutex_lock(&bn->lock);
	cb->seq = bn->generation;
	xa_for_each_start(&bn->service_ids, at->next, svc, at->next) {
		if (!svc->live)
			continue;
		err = service_fill(skb, &head, bn, svc);
		if (err)
			break;
	}
	if (!err)
		at->next = ULONG_MAX;
	mutex_unlock(&bn->lock);
	return skb->len ?: err;
}

void bpflb_nl_service_event(const struct bpflb_service *svc, u8 cmd)
{
	bpflb_nl_event(svc->bn, BPFLB_NL_CONFIG, cmd, service_fill, svc, GFP_KERNEL);
}
