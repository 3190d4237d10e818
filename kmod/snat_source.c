// SPDX-License-Identifier: GPL-2.0-only
/*
 * The address of this node that a SNAT flow has towards its backend: one that is set, or the one
 * that the device it leaves by would have as source.
 */
#include <linux/hash.h>
#include <linux/inetdevice.h>
#include <linux/jhash.h>
#include <linux/percpu.h>
#include <net/addrconf.h>
#include <net/route.h>

#include "netns.h"
#include "snat_source.h"

#define SET_BITS	7
#define SET_WAYS	2

/**
 * struct known - what IPv6 has answered last, for one backend by one device
 * @to: the backend
 * @addr: the node's address towards it
 * @ns: number of the namespace
 * @ifindex: the device
 * @genid: which addresses the namespace had
 * @when: jiffies: what else has a say (labels, the device's settings) is seen within a second
 *
 * Source address selection (RFC 6724) compares all addresses of the device, rule by rule: it
 * takes half as long again as all else that a new flow needs. Each processor has its own; where
 * bottom halves may be preempted by others (PREEMPT_RT) there are none.
 */
struct known {
	struct in6_addr to;
	struct in6_addr addr;
	u32 ns;
	int ifindex;
	int genid;
	u32 when;
};

/* Two backends of one hash need not drive each other out. */
struct known_set {
	struct known way[SET_WAYS];
};

static struct known_set __percpu *known __read_mostly;

static bool is_same(const struct known *a, const struct known *b)
{
	return ipv6_addr_equal(&a->to, &b->to) && a->ns == b->ns && a->ifindex == b->ifindex &&
	       a->genid == b->genid && b->when - a->when < HZ;
}

static bool recall(const struct known_set *set, struct known *k)
{
	int i;

	for (i = 0; i < SET_WAYS; i++) {
		if (is_same(&set->way[i], k)) {
			k->addr = set->way[i].addr;
			return true;
		}
	}
	return false;
}

/* In the place of the oldest. */
static void remember(struct known_set *set, const struct known *k)
{
	struct known *oldest = set->way;
	int i;

	for (i = 1; i < SET_WAYS; i++)
		if (k->when - set->way[i].when > k->when - oldest->when)
			oldest = &set->way[i];
	*oldest = *k;
}

static bool source6(const struct bpflb_net *bn, const struct net_device *out,
		    const struct in6_addr *to, struct in6_addr *addr)
{
	struct known_set *set = this_cpu_ptr(known) + hash_32(ipv6_addr_hash(to), SET_BITS);
	struct known k = {
		.to = *to,
		.ns = bn->id,
		.ifindex = out->ifindex,
		.genid = atomic_read(&bn->net->ipv6.dev_addr_genid),
		.when = jiffies,
	};

	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		return !ipv6_dev_get_saddr(bn->net, out, to, 0, addr);
	if (!recall(set, &k)) {
		if (ipv6_dev_get_saddr(bn->net, out, to, 0, &k.addr))
			return false;
		remember(set, &k);
	}
	*addr = k.addr;
	return true;
}

/**
 * bpflb_source_of_device() - the address that a device would have as source
 * @bn: namespace
 * @flow: a SNAT flow
 * @skb: its first packet, routed
 * @out: the device it leaves by
 * @addr: the result
 *
 * Context: RCU, bottom halves off. Return: false if there is none.
 */
bool bpflb_source_of_device(struct bpflb_net *bn, const struct bpflb_flow *flow,
			    const struct sk_buff *skb, const struct net_device *out,
			    union nf_inet_addr *addr)
{
	memset(addr, 0, sizeof(*addr));
	if (bpflb_flow_is_ipv6(flow))
		return source6(bn, out, bpflb_flow_addr6(flow, BPFLB_ADDR_BACKEND), &addr->in6);
	addr->ip = inet_select_addr(out, rt_nexthop(skb_rtable(skb),
						    flow->addr[BPFLB_ADDR_BACKEND]),
				    RT_SCOPE_UNIVERSE);
	return addr->ip;
}

/**
 * bpflb_source_nth() - one of the addresses that are set
 * @flow: a SNAT flow
 * @set: the addresses, of its family; at least one
 * @i: how many were tried before
 *
 * A client always begins with the same; where that has no port left towards the backend, the next
 * is tried.
 *
 * Context: any.
 */
const union nf_inet_addr *bpflb_source_nth(const struct bpflb_flow *flow,
					   const struct bpflb_snat_addrs *set, u32 i)
{
	const union nf_inet_addr client = bpflb_flow_addr(flow, BPFLB_ADDR_CLIENT);
	u32 first = jhash2((const u32 *)client.all, ARRAY_SIZE(client.all), 0);

	return &set->addr[(first % set->n + i) % set->n];
}

/**
 * bpflb_source_may_be() - may a flow have the address?
 * @bn: namespace
 * @family: of the address
 * @addr: the address
 *
 * Context: RCU. Return: true if it is set, or this node's.
 */
bool bpflb_source_may_be(struct bpflb_net *bn, u8 family, const union nf_inet_addr *addr)
{
	const struct bpflb_settings *s = rcu_dereference(bn->settings);
	const struct bpflb_snat_addrs *set = &s->snat[family == NFPROTO_IPV6];
	u32 i;

	/* One that is set may be brought here without being this node's. */
	for (i = 0; i < set->n; i++)
		if (bpflb_addr_equal(&set->addr[i], addr))
			return true;
	return bpflb_addr_is_own(bn->net, family, addr);
}

/** bpflb_source_init() - begin, knowing nothing. Return: 0, -ENOMEM */
int bpflb_source_init(void)
{
	known = __alloc_percpu(sizeof(*known) << SET_BITS, __alignof__(*known));
	return known ? 0 : -ENOMEM;
}

/** bpflb_source_exit() - after the last packet */
void bpflb_source_exit(void)
{
	free_percpu(known);
}
