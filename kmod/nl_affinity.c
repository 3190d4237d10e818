// SPDX-License-Identifier: GPL-2.0-only
#include <net/ipv6.h>

#include "affinity.h"
#include "backend.h"
#include "compat/genl.h"
#include "netns.h"
#include "nl.h"
#include "service.h"

const struct nla_policy bpflb_nl_affinity_policy[BPFLB_AFFINITY_A_MAX + 1] = {
	[BPFLB_AFFINITY_A_SERVICE] = { .type = NLA_NUL_STRING, .len = BPFLB_NAME_MAX - 1 },
	[BPFLB_AFFINITY_A_CLIENT_ADDR] = BPFLB_NL_ADDR,
	[BPFLB_AFFINITY_A_BACKEND_ADDR] = BPFLB_NL_ADDR,
	[BPFLB_AFFINITY_A_BACKEND_PORT] = { .type = NLA_U16 },
	[BPFLB_AFFINITY_A_IDLE] = { .type = NLA_U32 },
	[BPFLB_AFFINITY_A_TIMEOUT] = { .type = NLA_U32 },
};

static int refuse(struct genl_info *info, int attr, int err, const char *sentence)
{
	NL_SET_BAD_ATTR(info->extack, info->attrs[attr]);
	info->extack->_msg = sentence;
	return err;
}

static struct bpflb_backend *find_backend(struct bpflb_net *bn, struct genl_info *info)
{
	struct nlattr **a = info->attrs;
	const struct nlattr *addr = a[BPFLB_AFFINITY_A_BACKEND_ADDR];
	struct bpflb_endpoint at = {};
	struct bpflb_backend *be;
	struct bpflb_service *svc;

	svc = bpflb_nl_find_service(bn, a[BPFLB_AFFINITY_A_SERVICE], false, info->extack);
	if (IS_ERR(svc))
		return ERR_CAST(svc);
	if (!svc->cur.affinity)
		return ERR_PTR(refuse(info, BPFLB_AFFINITY_A_SERVICE, -EINVAL,
				      "the service has no affinity"));
	memcpy(&at.addr, nla_data(addr), nla_len(addr));
	at.port = nla_get_be16(a[BPFLB_AFFINITY_A_BACKEND_PORT]);
	be = bpflb_backend_find(bn, svc, bpflb_nl_family(addr), &at);
	if (!be || !be->live)
		return ERR_PTR(refuse(info, BPFLB_AFFINITY_A_BACKEND_ADDR, -ENOENT,
				      "the service has no such backend"));
	return be;
}

static void read_client(const struct nlattr *attr, struct bpflb_affinity_key *key)
{
	struct in6_addr *client = (struct in6_addr *)key->client;

	if (bpflb_nl_family(attr) == NFPROTO_IPV6)
		memcpy(client, nla_data(attr), sizeof(*client));
	else
		ipv6_addr_set_v4mapped(nla_get_in_addr(attr), client);
}

static int affinity_add(struct bpflb_net *bn, struct genl_info *info)
{
	u32 now = ktime_get_seconds(), idle = 0;
	struct nlattr **a = info->attrs;
	struct bpflb_affinity new = {};
	struct bpflb_backend *be;
	int err;

	err = bpflb_nl_need(info, BPFLB_AFFINITY_A_SERVICE, "affinity is to a service's backend") ?:
	      bpflb_nl_need(info, BPFLB_AFFINITY_A_CLIENT_ADDR, "affinity is a client's") ?:
	      bpflb_nl_need(info, BPFLB_AFFINITY_A_BACKEND_ADDR, "affinity is to a backend") ?:
	      bpflb_nl_need(info, BPFLB_AFFINITY_A_BACKEND_PORT, "a backend has a port");
	if (err)
		return err;
	if (bpflb_nl_family(a[BPFLB_AFFINITY_A_CLIENT_ADDR]) !=
	    bpflb_nl_family(a[BPFLB_AFFINITY_A_BACKEND_ADDR]))
		return refuse(info, BPFLB_AFFINITY_A_BACKEND_ADDR, -EINVAL,
			      "client and backend are of one family");
	be = find_backend(bn, info);
	if (IS_ERR(be))
		return PTR_ERR(be);
	new.timeout = a[BPFLB_AFFINITY_A_TIMEOUT] ? nla_get_u32(a[BPFLB_AFFINITY_A_TIMEOUT]) :
						    be->key.svc->cur.affinity;
	if (!new.timeout || new.timeout > BPFLB_AFFINITY_SECONDS_MAX)
		return refuse(info, BPFLB_AFFINITY_A_TIMEOUT, -ERANGE, "a timeout is 1 to 86400 seconds");
	if (a[BPFLB_AFFINITY_A_IDLE])
		idle = nla_get_u32(a[BPFLB_AFFINITY_A_IDLE]);
	if (idle > new.timeout)
		return refuse(info, BPFLB_AFFINITY_A_IDLE, -ETIME, "its time is over");
	read_client(a[BPFLB_AFFINITY_A_CLIENT_ADDR], &new.key);
	new.key.service = be->key.svc->id;
	new.backend = be->id;
	new.seen = now - idle;
	if (!bpflb_affinity_add(bn, &new))
		return refuse(info, BPFLB_AFFINITY_A_CLIENT_ADDR, -EEXIST,
			      "the service knows this client already");
	return 0;
}

int bpflb_nl_affinity_add(struct sk_buff *skb, struct genl_info *info)
{
	struct bpflb_net *bn = bpflb_net(genl_info_net(info));
	int err;

	mutex_lock(&bn->lock);
	err = affinity_add(bn, info);
	mutex_unlock(&bn->lock);
	return err;
}

/** struct affinity_dump - a dump under way */
struct affinity_dump {
	struct bpflb_nl_head head;
	struct bpflb_net *bn;
	struct sk_buff *skb;
	const struct nlattr *service;
	u32 now;
};

static int affinity_fill(const struct affinity_dump *d, const struct bpflb_affinity *a,
			 const struct bpflb_backend *be)
{
	const struct in6_addr *client = (const struct in6_addr *)a->key.client;
	int skip = be->key.family == NFPROTO_IPV6 ? 0 : 12;	/* of one that is mapped */
	void *hdr = bpflb_nl_begin(d->skb, &d->head);

	if (!hdr)
		return -EMSGSIZE;
	if (nla_put_string(d->skb, BPFLB_AFFINITY_A_SERVICE, be->key.svc->key.name) ||
	    nla_put(d->skb, BPFLB_AFFINITY_A_CLIENT_ADDR, sizeof(*client) - skip,
		    client->s6_addr + skip) ||
	    bpflb_nl_put_addr(d->skb, BPFLB_AFFINITY_A_BACKEND_ADDR, be->key.family,
			      &be->key.at.addr) ||
	    nla_put_be16(d->skb, BPFLB_AFFINITY_A_BACKEND_PORT, be->key.at.port) ||
	    nla_put_u32(d->skb, BPFLB_AFFINITY_A_IDLE, d->now - a->seen) ||
	    nla_put_u32(d->skb, BPFLB_AFFINITY_A_TIMEOUT, a->timeout)) {
		genlmsg_cancel(d->skb, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(d->skb, hdr);
	return 0;
}

/* One client, if the service still has its backend. */
static int dump_one(const struct affinity_dump *d, const struct bpflb_affinity *a)
{
	const struct bpflb_service *svc = xa_load(&d->bn->service_ids, a->key.service);
	const struct bpflb_backend *be;

	if (!svc || !svc->live || !bpflb_affinity_holds(a, a->timeout, d->now) ||
	    (d->service && strcmp(nla_data(d->service), svc->key.name)))
		return 0;
	be = bpflb_affinity_backend(svc, a);
	return be ? affinity_fill(d, a, be) : 0;
}

/* A set goes into one message. */
static bool dump_set(const struct affinity_dump *d, u32 set)
{
	struct bpflb_affinity at[BPFLB_AFFINITY_WAYS];
	u32 before = d->skb->len, i;

	bpflb_affinity_read(d->bn, set, at);
	for (i = 0; i < BPFLB_AFFINITY_WAYS; i++)
		if (dump_one(d, &at[i])) {
			skb_trim(d->skb, before);
			return false;
		}
	return true;
}

/** struct affinity_cursor - where a dump goes on */
struct affinity_cursor {
	u32 set;
};
static_assert(sizeof(struct affinity_cursor) <= sizeof_field(struct netlink_callback, ctx));

int bpflb_nl_affinity_dump(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct affinity_dump d = {
		.head = bpflb_nl_dump_head(cb, BPFLB_CMD_AFFINITY_GET),
		.bn = bpflb_net(sock_net(cb->skb->sk)),
		.skb = skb,
		.service = bpflb_dump_attrs(cb)[BPFLB_AFFINITY_A_SERVICE],
		.now = ktime_get_seconds(),
	};
	struct affinity_cursor *at = (void *)cb->ctx;

	/* Clients come and go: it is never of one moment. */
	d.head.cb = NULL;
	mutex_lock(&d.bn->lock);
	while (d.bn->affinity && at->set < BPFLB_AFFINITY_SETS && dump_set(&d, at->set))
		at->set++;
	mutex_unlock(&d.bn->lock);
	return skb->len;
}
