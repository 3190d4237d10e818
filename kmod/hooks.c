// SPDX-License-Identifier: GPL-2.0-only
/* The four hooks that packets come by, of each family, and nothing else. */
#include <linux/ip.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/slab.h>
#include <net/ip.h>
#include <net/netfilter/ipv4/nf_defrag_ipv4.h>
#include <net/netfilter/ipv6/nf_defrag_ipv6.h>

#include "balance.h"
#include "bypass.h"
#include "drop.h"
#include "dsr.h"
#include "dsr_tunnel.h"
#include "flow.h"
#include "flow_find.h"
#include "frontend.h"
#include "gc.h"
#include "gso.h"
#include "hint.h"
#include "hooks.h"
#include "icmp.h"
#include "netns.h"
#include "ping.h"
#include "reject.h"
#include "stats.h"
#include "translate.h"
#include "vip.h"
#include "vrf.h"

/* A packet comes in, @m is its flow. Its destination is rewritten if it is for a
 * service, or an answer to this node's SNAT.
 */
static unsigned int come_in(struct bpflb_net *bn, struct sk_buff *skb, struct bpflb_packet *pkt,
			    const struct bpflb_match *m)
{
	struct bpflb_frontend *fe;

	if (m->flow && bpflb_flow_serves(m, pkt))
		return bpflb_translate_dst(skb, pkt, m);
	if (m->flow)
		bpflb_flow_kill(m->flow, bpflb_flow_end_for(m));
	fe = bpflb_frontend_for(bn, &pkt->tuple);
	if (fe)
		return bpflb_balance(bn, fe, skb, pkt);
	if (bpflb_vip_is_closed(bn, &pkt->tuple))
		return bpflb_reject_unknown_port(bn, skb, pkt);
	return NF_ACCEPT;
}

static bool bypasses(struct bpflb_net *bn, struct sk_buff *skb, u8 family)
{
	return family == NFPROTO_IPV6 ? bpflb_bypass6(bn, skb).sent : bpflb_bypass(bn, skb).sent;
}

static bool parse(const struct sk_buff *skb, u8 family, struct bpflb_packet *pkt)
{
	return family == NFPROTO_IPV6 ? bpflb_packet_parse6(skb, pkt) :
					bpflb_packet_parse4(skb, pkt);
}

/* A packet that may have come in a tunnel; once out of it, it is not looked for another.
 * Return: NF_ACCEPT too for one that is none of ours.
 */
static unsigned int come_out(struct bpflb_net *bn, struct sk_buff *skb, u8 family,
			     enum bpflb_opened opened, struct bpflb_packet *pkt,
			     struct bpflb_match *m, unsigned int verdict)
{
	if (opened == BPFLB_OPENED_NOT)
		return NF_ACCEPT;
	if (opened == BPFLB_OPENED_DONE)
		return verdict;
	if (opened == BPFLB_OPENED_FLOW)
		return bpflb_translate_dst(skb, pkt, m);
	if (bypasses(bn, skb, family))
		return NF_STOLEN;
	if (!parse(skb, family, pkt))
		return bpflb_icmp_come_in(bn, skb, family);
	*m = bpflb_flow_find(bn, pkt);
	return come_in(bn, skb, pkt, m);
}

static unsigned int come_in_geneve(struct bpflb_net *bn, struct sk_buff *skb, u8 family, u32 udp)
{
	unsigned int verdict = NF_ACCEPT;
	struct bpflb_match m = {};
	struct bpflb_packet pkt;
	enum bpflb_opened opened;

	if (unlikely(bpflb_gso_has_tunnels(skb)))
		return bpflb_gso_come_apart(skb) ?
			NF_STOLEN : bpflb_drop(bn, NULL, skb, BPFLB_DROP_NO_MEMORY);
	opened = bpflb_open_geneve(bn, skb, family, udp, &pkt, &m, &verdict);
	return come_out(bn, skb, family, opened, &pkt, &m, verdict);
}

static unsigned int come_in_ipip(struct bpflb_net *bn, struct sk_buff *skb, u8 family)
{
	unsigned int verdict = NF_ACCEPT;
	struct bpflb_match m = {};
	struct bpflb_packet pkt;
	enum bpflb_opened opened = bpflb_open_ipip(bn, skb, family, &pkt, &m, &verdict);

	return come_out(bn, skb, family, opened, &pkt, &m, verdict);
}

/* Is it for this node, and in Geneve? Asked of packets that have no flow. */
static bool is_geneve(struct bpflb_net *bn, const struct bpflb_tuple *t)
{
	return unlikely(t->dst.port == htons(BPFLB_GENEVE_PORT)) && t->proto == IPPROTO_UDP &&
	       bpflb_addr_is_own(bn->net, t->family, &t->dst.addr);
}

static bool is_ipip(const struct sk_buff *skb, u8 family)
{
	return family == NFPROTO_IPV6 ? ipv6_hdr(skb)->nexthdr == IPPROTO_IPV6 :
					ip_hdr(skb)->protocol == IPPROTO_IPIP &&
					!ip_is_fragment(ip_hdr(skb));
}

/* A packet that is neither TCP, UDP nor SCTP. */
static unsigned int other_come_in(struct bpflb_net *bn, struct sk_buff *skb, u8 family)
{
	if (is_ipip(skb, family))
		return come_in_ipip(bn, skb, family);
	if (bpflb_ping(bn, skb, family, false)) {
		consume_skb(skb);
		return NF_STOLEN;
	}
	bpflb_tunnel_learn_mtu(bn, skb, family);
	return bpflb_icmp_come_in(bn, skb, family);
}

DEFINE_PER_CPU(struct bpflb_hint, bpflb_hint);

/* The flow of an ordinary packet that leaves; most packets have none. */
static struct bpflb_match flow_leaving(const struct sk_buff *skb, const struct bpflb_key4 *k)
{
	const struct bpflb_hint *hint = bpflb_hint_get(skb, k);

	if (hint && hint->none)
		return (struct bpflb_match){};
	return bpflb_flow_find4(k, hint ? hint->hash : bpflb_key4_hash(k, &bpflb_flow_secret),
				true);
}

static struct bpflb_match flow_leaving6(const struct sk_buff *skb, const struct bpflb_key6 *k)
{
	const struct bpflb_hint *hint = bpflb_hint_get6(skb, k);

	if (hint && hint->none)
		return (struct bpflb_match){};
	return bpflb_flow_find6(k, hint ? hint->hash : bpflb_key6_hash(k, &bpflb_flow_secret),
				true);
}

/* The same of one that is not ordinary. The second of two flows that a client has with
 * a backend, by one port, has no MID tuple, and is told by its notes: such a packet is
 * none of the first's, which may go by SNAT, or in a tunnel.
 */
static struct bpflb_match whole_leaving(struct bpflb_net *bn, const struct sk_buff *skb,
					const struct bpflb_packet *pkt)
{
	struct bpflb_match m = bpflb_flow_find_mid(bn, &pkt->tuple);

	if (m.flow && !bpflb_dsr_has_option(m.flow) && bpflb_dsr_is_noted(skb, pkt->tuple.family))
		m.flow = NULL;
	return m;
}

/* The source is rewritten of a packet that is part of a flow; then those that
 * follow it may spare themselves the way that it has come.
 */
static unsigned int leave_flow(struct sk_buff *skb, struct bpflb_packet *pkt,
			       const struct bpflb_match *m, const struct net_device *out)
{
	unsigned int verdict = bpflb_translate_src(skb, pkt, m, out);

	/* Those of other dispatches have theirs by now. */
	if (verdict == NF_ACCEPT && out && m->flow->dispatch == BPFLB_DISPATCH_OPT)
		bpflb_bypass_grant(m, skb, skb_dst(skb), out);
	return verdict;
}

static unsigned int leave(struct bpflb_net *bn, struct sk_buff *skb, const struct net_device *out)
{
	struct bpflb_packet pkt;
	struct bpflb_match m;
	struct bpflb_key4 k;
	bool ordinary = bpflb_packet_key4(skb, bn->id, &k);

	if (!ordinary && !bpflb_packet_parse4(skb, &pkt))
		return bpflb_icmp_leave(bn, skb, NFPROTO_IPV4, out);
	m = ordinary ? flow_leaving(skb, &k) : whole_leaving(bn, skb, &pkt);
	if (!m.flow)
		return NF_ACCEPT;
	if (ordinary)
		bpflb_packet_of_key4(skb, &k, &pkt);
	return leave_flow(skb, &pkt, &m, out);
}

static unsigned int leave6(struct bpflb_net *bn, struct sk_buff *skb, const struct net_device *out)
{
	struct bpflb_packet pkt;
	struct bpflb_match m;
	struct bpflb_key6 k;
	bool ordinary = bpflb_packet_key6(skb, bn->id, &k);

	if (!ordinary && !bpflb_packet_parse6(skb, &pkt))
		return bpflb_icmp_leave(bn, skb, NFPROTO_IPV6, out);
	m = ordinary ? flow_leaving6(skb, &k) : whole_leaving(bn, skb, &pkt);
	if (!m.flow || (ordinary && !bpflb_packet_parse6(skb, &pkt)))
		return NF_ACCEPT;
	return leave_flow(skb, &pkt, &m, out);
}

/* An ordinary packet that has no flow, or one that doesn't bypass the stack. */
static unsigned int come_in_ordinary(struct bpflb_net *bn, struct sk_buff *skb,
				     const struct bpflb_key4 *k, struct bpflb_bypassed tried)
{
	struct bpflb_match m = { tried.flow, tried.role };
	struct bpflb_frontend *fe;
	struct bpflb_packet pkt;

	bpflb_packet_of_key4(skb, k, &pkt);
	pkt.hash = tried.hash;
	if (m.flow)
		return come_in(bn, skb, &pkt, &m);
	fe = bpflb_frontend_for(bn, &pkt.tuple);
	if (fe)
		return bpflb_balance(bn, fe, skb, &pkt);
	if (is_geneve(bn, &pkt.tuple))
		return come_in_geneve(bn, skb, NFPROTO_IPV4, pkt.thoff);
	if (bpflb_vip_is_closed(bn, &pkt.tuple))
		return bpflb_reject_unknown_port(bn, skb, &pkt);
	bpflb_hint_give(skb, k, tried.hash, true);
	return NF_ACCEPT;
}

/* A packet that was read as a whole, maybe with a note. */
static unsigned int come_in_whole(struct bpflb_net *bn, struct sk_buff *skb,
				  struct bpflb_packet *pkt, bool noted)
{
	struct bpflb_match m = {};

	if (noted) {
		unsigned int verdict = bpflb_dsr_receive(bn, skb, pkt, &m);

		if (verdict != NF_ACCEPT)
			return verdict;
		if (m.flow)
			return bpflb_translate_dst(skb, pkt, &m);
	}
	m = bpflb_flow_find(bn, pkt);
	if (!m.flow && is_geneve(bn, &pkt->tuple) && !bpflb_frontend_for(bn, &pkt->tuple))
		return come_in_geneve(bn, skb, pkt->tuple.family, pkt->thoff);
	return come_in(bn, skb, pkt, &m);
}

/* A packet that does not bypass the stack. */
static noinline unsigned int come_in_slowly(struct bpflb_net *bn, struct sk_buff *skb,
					    struct bpflb_bypassed tried)
{
	struct bpflb_packet pkt;
	struct bpflb_key4 k;

	if (bpflb_vrf_is_again(skb, NFPROTO_IPV4))
		return NF_ACCEPT;
	if (tried.looked && bpflb_packet_key4(skb, bn->id, &k))
		return come_in_ordinary(bn, skb, &k, tried);
	if (!bpflb_packet_parse4(skb, &pkt))
		return other_come_in(bn, skb, NFPROTO_IPV4);
	return come_in_whole(bn, skb, &pkt, ip_hdr(skb)->ihl > 5);
}

static noinline unsigned int come_in_slowly6(struct bpflb_net *bn, struct sk_buff *skb,
					     struct bpflb_bypassed tried)
{
	struct bpflb_match m = { tried.flow, tried.role };
	struct bpflb_frontend *fe;
	struct bpflb_packet pkt;
	struct bpflb_key6 k;

	if (bpflb_vrf_is_again(skb, NFPROTO_IPV6))
		return NF_ACCEPT;
	if (!bpflb_packet_parse6(skb, &pkt))
		return other_come_in(bn, skb, NFPROTO_IPV6);
	if (!tried.looked || !bpflb_packet_key6(skb, bn->id, &k))
		return come_in_whole(bn, skb, &pkt, ipv6_hdr(skb)->nexthdr != pkt.tuple.proto);
	pkt.hash = tried.hash;
	if (m.flow)
		return come_in(bn, skb, &pkt, &m);
	fe = bpflb_frontend_for(bn, &pkt.tuple);
	if (fe)
		return bpflb_balance(bn, fe, skb, &pkt);
	if (is_geneve(bn, &pkt.tuple))
		return come_in_geneve(bn, skb, NFPROTO_IPV6, pkt.thoff);
	if (bpflb_vip_is_closed(bn, &pkt.tuple))
		return bpflb_reject_unknown_port(bn, skb, &pkt);
	bpflb_hint_give6(skb, &k, tried.hash, true);
	return NF_ACCEPT;
}

static unsigned int come_in_first(struct bpflb_net *bn, struct sk_buff *skb)
{
	struct bpflb_bypassed tried = bpflb_bypass(bn, skb);

	return tried.sent ? NF_STOLEN : bpflb_finish(skb, come_in_slowly(bn, skb, tried));
}

static unsigned int come_in_first6(struct bpflb_net *bn, struct sk_buff *skb)
{
	struct bpflb_bypassed tried = bpflb_bypass6(bn, skb);

	return tried.sent ? NF_STOLEN : bpflb_finish(skb, come_in_slowly6(bn, skb, tried));
}

/* A packet that a program has looked at (NFQUEUE) goes on in that program's process. */
static noinline unsigned int
come_in_from_process(struct bpflb_net *bn, struct sk_buff *skb,
		     unsigned int (*come)(struct bpflb_net *bn, struct sk_buff *skb))
{
	unsigned int verdict;

	local_bh_disable();
	verdict = come(bn, skb);
	local_bh_enable();
	return verdict;
}

static unsigned int pre_routing(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	if (skb->pkt_type != PACKET_HOST)
		return NF_ACCEPT;
	return likely(in_softirq()) ? come_in_first(priv, skb) :
				      come_in_from_process(priv, skb, come_in_first);
}

static unsigned int pre_routing6(void *priv, struct sk_buff *skb,
				 const struct nf_hook_state *state)
{
	if (skb->pkt_type != PACKET_HOST)
		return NF_ACCEPT;
	return likely(in_softirq()) ? come_in_first6(priv, skb) :
				      come_in_from_process(priv, skb, come_in_first6);
}

static int route_again(const struct nf_hook_state *state, struct sk_buff *skb, u8 family)
{
	if (family == NFPROTO_IPV6)
		return ip6_route_me_harder(state->net, state->sk, skb);
	return ip_route_me_harder(state->net, state->sk, skb, RTN_UNSPEC);
}

static union nf_inet_addr destination(const struct sk_buff *skb, u8 family)
{
	if (family == NFPROTO_IPV6)
		return (union nf_inet_addr){ .in6 = ipv6_hdr(skb)->daddr };
	return (union nf_inet_addr){ .ip = ip_hdr(skb)->daddr };
}

static unsigned int go_out(struct bpflb_net *bn, struct sk_buff *skb, struct bpflb_packet *pkt,
			   const struct nf_hook_state *state)
{
	const union nf_inet_addr dst = pkt->tuple.dst.addr;
	struct bpflb_match m;
	unsigned int verdict;

	pkt->local_out = true;
	local_bh_disable();
	m = bpflb_flow_find(bn, pkt);
	verdict = come_in(bn, skb, pkt, &m);
	if (verdict == NF_ACCEPT && !bpflb_addr_equal(&pkt->tuple.dst.addr, &dst) &&
	    route_again(state, skb, pkt->tuple.family))
		verdict = bpflb_drop(bn, NULL, skb, BPFLB_DROP_REROUTE);
	local_bh_enable();
	return bpflb_finish(skb, verdict);
}

/* Of this node itself: a ping, or an error about a packet as it was by then. */
static unsigned int other_go_out(struct bpflb_net *bn, struct sk_buff *skb, u8 family,
				 const struct nf_hook_state *state)
{
	const union nf_inet_addr dst = destination(skb, family);
	union nf_inet_addr now;
	unsigned int verdict;

	local_bh_disable();
	if (bpflb_ping(bn, skb, family, true)) {
		local_bh_enable();
		consume_skb(skb);
		return NF_STOLEN;
	}
	verdict = bpflb_icmp_come_in(bn, skb, family);
	now = destination(skb, family);
	if (verdict == NF_ACCEPT && !bpflb_addr_equal(&now, &dst) &&
	    route_again(state, skb, family))
		verdict = bpflb_drop(bn, NULL, skb, BPFLB_DROP_REROUTE);
	local_bh_enable();
	return bpflb_finish(skb, verdict);
}

static unsigned int local_out(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	struct bpflb_packet pkt;

	return bpflb_packet_parse4(skb, &pkt) ? go_out(priv, skb, &pkt, state) :
						other_go_out(priv, skb, NFPROTO_IPV4, state);
}

static unsigned int local_out6(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	struct bpflb_packet pkt;

	return bpflb_packet_parse6(skb, &pkt) ? go_out(priv, skb, &pkt, state) :
						other_go_out(priv, skb, NFPROTO_IPV6, state);
}

static unsigned int post_routing(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	unsigned int verdict;

	local_bh_disable();
	verdict = leave(priv, skb, state->out);
	local_bh_enable();
	return bpflb_finish(skb, verdict);
}

static unsigned int post_routing6(void *priv, struct sk_buff *skb,
				  const struct nf_hook_state *state)
{
	unsigned int verdict;

	local_bh_disable();
	verdict = leave6(priv, skb, state->out);
	local_bh_enable();
	return bpflb_finish(skb, verdict);
}

static unsigned int local_in(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	unsigned int verdict;

	local_bh_disable();
	verdict = leave(priv, skb, NULL);
	local_bh_enable();
	return bpflb_finish(skb, verdict);
}

static unsigned int local_in6(void *priv, struct sk_buff *skb, const struct nf_hook_state *state)
{
	unsigned int verdict;

	local_bh_disable();
	verdict = leave6(priv, skb, NULL);
	local_bh_enable();
	return bpflb_finish(skb, verdict);
}

/* The outermost that can be had, so that all others see one story: behind
 * defragmentation and raw, before conntrack; behind source NAT, just before
 * conntrack confirms (at INT_MAX; at equal priority a later registration would
 * run first).
 */
#define PRI_COME_IN	(NF_IP_PRI_CONNTRACK - 10)
#define PRI_LEAVE	(INT_MAX - 1)
static_assert((int)NF_IP_PRI_CONNTRACK == (int)NF_IP6_PRI_CONNTRACK);

#define HOOK(fn, family, num, pri) \
	{ .hook = (fn), .pf = (family), .hooknum = (num), .priority = (pri) }

static const struct nf_hook_ops hook_ops[] = {
	HOOK(pre_routing, NFPROTO_IPV4, NF_INET_PRE_ROUTING, PRI_COME_IN),
	HOOK(local_out, NFPROTO_IPV4, NF_INET_LOCAL_OUT, PRI_COME_IN),
	HOOK(post_routing, NFPROTO_IPV4, NF_INET_POST_ROUTING, PRI_LEAVE),
	HOOK(local_in, NFPROTO_IPV4, NF_INET_LOCAL_IN, PRI_LEAVE),
	HOOK(pre_routing6, NFPROTO_IPV6, NF_INET_PRE_ROUTING, PRI_COME_IN),
	HOOK(local_out6, NFPROTO_IPV6, NF_INET_LOCAL_OUT, PRI_COME_IN),
	HOOK(post_routing6, NFPROTO_IPV6, NF_INET_POST_ROUTING, PRI_LEAVE),
	HOOK(local_in6, NFPROTO_IPV6, NF_INET_LOCAL_IN, PRI_LEAVE),
};

/* Of a namespace, with itself as @priv. Who lists hooks may be reading it. */
struct bpflb_hooks {
	struct rcu_head rcu;
	struct nf_hook_ops ops[ARRAY_SIZE(hook_ops)];
};

/**
 * bpflb_hooks_register() - let the namespace's packets come by
 * @bn: namespace
 *
 * Context: process, bpflb_net.lock. Return: 0 (also if they do already), or an
 * error of the kernel's.
 */
int bpflb_hooks_register(struct bpflb_net *bn)
{
	struct bpflb_hooks *hooks;
	unsigned int i;
	int err;

	if (bn->hooks)
		return 0;
	hooks = kmalloc(sizeof(*hooks), GFP_KERNEL_ACCOUNT);
	if (!hooks)
		return -ENOMEM;
	memcpy(hooks->ops, hook_ops, sizeof(hook_ops));
	for (i = 0; i < ARRAY_SIZE(hook_ops); i++)
		hooks->ops[i].priv = bn;
	err = nf_defrag_ipv4_enable(bn->net);
	if (err)
		goto err_hooks;
	err = nf_defrag_ipv6_enable(bn->net);
	if (err)
		goto err_defrag;
	err = nf_register_net_hooks(bn->net, hooks->ops, ARRAY_SIZE(hook_ops));
	if (err)
		goto err_defrag6;
	bn->hooks = hooks;
	bpflb_gc_start();
	return 0;

err_defrag6:
	nf_defrag_ipv6_disable(bn->net);
err_defrag:
	nf_defrag_ipv4_disable(bn->net);
err_hooks:
	kfree(hooks);
	return err;
}

/**
 * bpflb_hooks_unregister() - no more packets
 * @bn: namespace
 *
 * A packet may still be in a hook until RCU readers are through.
 *
 * Context: process, bpflb_net.lock, or the namespace's end.
 */
void bpflb_hooks_unregister(struct bpflb_net *bn)
{
	if (!bn->hooks)
		return;
	nf_unregister_net_hooks(bn->net, bn->hooks->ops, ARRAY_SIZE(hook_ops));
	nf_defrag_ipv6_disable(bn->net);
	nf_defrag_ipv4_disable(bn->net);
	kfree_rcu(bn->hooks, rcu);
	bn->hooks = NULL;
	bpflb_gc_stop();
}

/**
 * bpflb_hooks_follow() - unregister the hooks where they have nothing to do
 * @bn: namespace
 *
 * That is without service or node, and without flows that outlive their service. Where
 * these end later it is the next change of the configuration that finds so.
 *
 * Context: process, bpflb_net.lock.
 */
void bpflb_hooks_follow(struct bpflb_net *bn)
{
	if (bn->hooks && !bn->n_services && !bn->n_nodes && !bn->txn.open &&
	    !percpu_counter_sum(&bn->flows))
		bpflb_hooks_unregister(bn);
}
