// SPDX-License-Identifier: GPL-2.0-only
/*
 * A packet that goes no further is answered: by an ICMP error where nobody is
 * there to serve it, by a RST where its TCP connection has lost its server. The
 * answer has to come from the service's address. That is mostly none of this
 * node's, and then icmp_send() would speak for the node; so answers are made here.
 */
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/siphash.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/dsfield.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/route.h>

#include "backend.h"
#include "flow.h"
#include "netns.h"
#include "reject.h"
#include "sctp.h"
#include "settings.h"
#include "stats.h"
#include "vrf.h"

/* An ICMP error with all that it quotes (RFC 1812, RFC 4443). */
#define ERROR_MAX4	576
#define ERROR_MAX6	IPV6_MIN_MTU

/* What the clients of a slot may have: so many errors at once, and so many a second. */
#define LIMIT_BURST	100
#define LIMIT_STEP	(HZ >= 100 ? HZ / 100 : 1)

/* May this client be sent one more ICMP error? */
static bool limit_allows(struct bpflb_reject_limit *limit, const union nf_inet_addr *client)
{
	static hsiphash_key_t secret;
	u32 now = jiffies, full, *slot;

	net_get_random_once(&secret, sizeof(secret));
	slot = &limit->full[hsiphash(client, sizeof(*client), &secret) % BPFLB_REJECT_SLOTS];
	full = READ_ONCE(*slot);
	/* Behind us, or so far ahead that it must be from another time of the clock. */
	if (full - now > (LIMIT_BURST + 1) * LIMIT_STEP)
		full = now;
	if (full - now >= LIMIT_BURST * LIMIT_STEP)
		return false;
	WRITE_ONCE(*slot, full + LIMIT_STEP);
	return true;
}

static bool is_ipv6(const struct bpflb_packet *pkt)
{
	return pkt->tuple.family == NFPROTO_IPV6;
}

/* Is its transport checksum right? Nobody answers a packet that was damaged. */
static bool is_intact(struct sk_buff *skb, const struct bpflb_packet *pkt)
{
	if (pkt->tuple.proto == IPPROTO_UDP) {
		const struct udphdr *uh;
		struct udphdr buf;

		uh = skb_header_pointer(skb, pkt->thoff, sizeof(buf), &buf);
		if (!uh)
			return false;
		if (!uh->check && !is_ipv6(pkt))
			return true;
	}
	if (pkt->tuple.proto == IPPROTO_SCTP)
		return bpflb_sctp_is_intact(skb, pkt);
	return !nf_checksum(skb, NF_INET_PRE_ROUTING, pkt->thoff, pkt->tuple.proto,
			    is_ipv6(pkt) ? AF_INET6 : AF_INET);
}

/* Room for @len bytes behind an IP header. */
static struct sk_buff *answer_make(u32 len)
{
	struct sk_buff *skb;

	skb = alloc_skb(LL_MAX_HEADER + sizeof(struct ipv6hdr) + len, GFP_ATOMIC | __GFP_NOWARN);
	if (!skb)
		return NULL;
	skb_reserve(skb, LL_MAX_HEADER + sizeof(struct ipv6hdr));
	skb_reset_transport_header(skb);
	return skb;
}

/* Of all that is in the answer so far, its own field 0. */
static __sum16 answer_checksum(const struct sk_buff *skb, const struct bpflb_packet *pkt, u8 proto)
{
	const union nf_inet_addr *from = &pkt->tuple.dst.addr, *to = &pkt->tuple.src.addr;
	__wsum sum = csum_partial(skb->data, skb->len, 0);

	if (is_ipv6(pkt))
		return csum_ipv6_magic(&from->in6, &to->in6, skb->len, proto, sum);
	if (proto == IPPROTO_ICMP)
		return csum_fold(sum);
	return csum_tcpudp_magic(from->ip, to->ip, skb->len, proto, sum);
}

/* The way from the service to the client. Return: NULL if there is none for an answer. */
static struct dst_entry *answer_route4(struct net *net, const struct bpflb_packet *pkt, u8 proto,
				       u32 mark, int vrf)
{
	struct flowi4 fl4 = {
		.saddr = pkt->tuple.dst.addr.ip,
		.daddr = pkt->tuple.src.addr.ip,
		.flowi4_oif = vrf,
		.flowi4_proto = proto,
		.flowi4_mark = mark,
		.flowi4_flags = FLOWI_FLAG_ANYSRC,
	};
	struct rtable *rt = ip_route_output_flow(net, &fl4, NULL);

	if (IS_ERR(rt))
		return NULL;
	if (rt->rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST)) {
		ip_rt_put(rt);
		return NULL;
	}
	return &rt->dst;
}

static struct dst_entry *answer_route6(struct net *net, const struct bpflb_packet *pkt, u8 proto,
				       u32 mark, int vrf, int iif)
{
	int type = ipv6_addr_type(&pkt->tuple.src.addr.in6);
	struct flowi6 fl6 = {
		.saddr = pkt->tuple.dst.addr.in6,
		.daddr = pkt->tuple.src.addr.in6,
		.flowi6_oif = vrf,
		.flowi6_proto = proto,
		.flowi6_mark = mark,
	};
	struct dst_entry *dst;

	if (!(type & IPV6_ADDR_UNICAST))
		return NULL;
	if (__ipv6_addr_needs_scope_id(type))
		fl6.flowi6_oif = iif;
	dst = ip6_route_output(net, NULL, &fl6);
	if (dst->error) {
		dst_release(dst);
		return NULL;
	}
	return dst;
}

static void answer_head4(struct sk_buff *skb, const struct bpflb_packet *pkt, u8 proto, u8 tos)
{
	struct iphdr *iph = skb_push(skb, sizeof(*iph));

	*iph = (struct iphdr){
		.version = 4,
		.ihl = sizeof(*iph) / 4,
		.tos = tos,
		.frag_off = skb->ignore_df ? 0 : htons(IP_DF),
		.ttl = ip4_dst_hoplimit(skb_dst(skb)),
		.protocol = proto,
		.saddr = pkt->tuple.dst.addr.ip,
		.daddr = pkt->tuple.src.addr.ip,
	};
	skb_reset_network_header(skb);
}

static void answer_head6(struct sk_buff *skb, const struct bpflb_packet *pkt, u8 proto, u8 tos)
{
	struct ipv6hdr *ip6h = skb_push(skb, sizeof(*ip6h));

	*ip6h = (struct ipv6hdr){
		.version = 6,
		.nexthdr = proto,
		.hop_limit = ip6_dst_hoplimit(skb_dst(skb)),
		.saddr = pkt->tuple.dst.addr.in6,
		.daddr = pkt->tuple.src.addr.in6,
	};
	ipv6_change_dsfield(ip6h, 0, tos);
	skb_reset_network_header(skb);
}

/* It may be sent in fragments if @skb->ignore_df says so. Return: whether there was a
 * way to the client.
 */
static bool answer_send(struct bpflb_net *bn, struct sk_buff *skb, const struct sk_buff *old,
			const struct bpflb_packet *pkt, u8 proto, u8 tos)
{
	struct dst_entry *dst;

	skb->mark = is_ipv6(pkt) ? IP6_REPLY_MARK(bn->net, old->mark) :
				   IP4_REPLY_MARK(bn->net, old->mark);
	dst = is_ipv6(pkt) ? answer_route6(bn->net, pkt, proto, skb->mark, bpflb_vrf_of(old),
					   old->dev ? old->dev->ifindex : 0) :
			     answer_route4(bn->net, pkt, proto, skb->mark, bpflb_vrf_of(old));
	if (!dst) {
		kfree_skb(skb);
		return false;
	}
	skb_dst_set(skb, dst);
	/* Conntrack knows the connection as client -> backend, if at all. */
	skb_set_nfct(skb, IP_CT_UNTRACKED);
	this_cpu_inc(bn->counters->answers);
	if (is_ipv6(pkt)) {
		answer_head6(skb, pkt, proto, tos);
		ip6_local_out(bn->net, NULL, skb);
	} else {
		answer_head4(skb, pkt, proto, tos);
		if (skb->ignore_df)
			ip_select_ident(bn->net, skb, NULL);
		ip_local_out(bn->net, NULL, skb);
	}
	return true;
}

/* "Port unreachable", with as much of the packet as there may be. */
static void send_unreachable(struct bpflb_net *bn, struct sk_buff *old,
			     const struct bpflb_packet *pkt)
{
	u32 quote = is_ipv6(pkt) ? ERROR_MAX6 - sizeof(struct ipv6hdr) - sizeof(struct icmp6hdr) :
				   ERROR_MAX4 - sizeof(struct iphdr) - sizeof(struct icmphdr);
	u8 proto = is_ipv6(pkt) ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	struct icmphdr *icmph;	/* ICMPv6's begins the same */
	struct sk_buff *skb;

	quote = min(quote, pkt->len);
	skb = answer_make(sizeof(*icmph) + quote);
	if (!skb)
		return;
	icmph = skb_put_zero(skb, sizeof(*icmph));
	icmph->type = is_ipv6(pkt) ? ICMPV6_DEST_UNREACH : ICMP_DEST_UNREACH;
	icmph->code = is_ipv6(pkt) ? ICMPV6_PORT_UNREACH : ICMP_PORT_UNREACH;
	if (skb_copy_bits(old, skb_network_offset(old), skb_put(skb, quote), quote)) {
		kfree_skb(skb);
		return;
	}
	icmph->checksum = answer_checksum(skb, pkt, proto);
	/* As the kernel's own errors: precedence "internetwork control". */
	answer_send(bn, skb, old, pkt, proto, is_ipv6(pkt) ? 0 :
		    (ip_hdr(old)->tos & IPTOS_TOS_MASK) | IPTOS_PREC_INTERNETCONTROL);
}

/**
 * bpflb_reject_unreachable() - tell a client that nobody serves its packet
 * @bn: namespace
 * @skb: the packet as the client has sent it, in PREROUTING or LOCAL_OUT
 * @pkt: what it is
 * @verdict: what bpflb_drop() said of it
 *
 * By an ICMP "port unreachable" from the address that the packet is for, at a
 * limited rate; a program of this node learns it from its system call.
 *
 * Context: RCU, bottom halves off. Return: what the hook has to return.
 */
unsigned int bpflb_reject_unreachable(struct bpflb_net *bn, struct sk_buff *skb,
				      const struct bpflb_packet *pkt, unsigned int verdict)
{
	if (pkt->local_out)
		return verdict | NF_DROP_ERR(-ECONNREFUSED);
	if (is_intact(skb, pkt) && limit_allows(&bn->reject_limit, &pkt->tuple.src.addr))
		send_unreachable(bn, skb, pkt);
	return verdict;
}

/**
 * bpflb_reject_no_backend() - a packet to a service that has no backend for it
 * @bn: namespace
 * @svc: the service
 * @skb: the packet as the client has sent it, in PREROUTING or LOCAL_OUT
 * @pkt: what it is
 *
 * Context: RCU, bottom halves off. Return: what the hook has to return; the
 * packet is counted.
 */
unsigned int bpflb_reject_no_backend(struct bpflb_net *bn, struct bpflb_service *svc,
				     struct sk_buff *skb, const struct bpflb_packet *pkt)
{
	unsigned int verdict = bpflb_drop(bn, svc, skb, BPFLB_DROP_NO_BACKEND);

	if (rcu_dereference(bn->settings)->no_backend != BPFLB_NO_BACKEND_REJECT)
		return verdict;
	return bpflb_reject_unreachable(bn, skb, pkt, verdict);
}

/* RFC 9293, 3.10.7.1: such that whoever has sent the packet believes it. */
static void send_reset(struct bpflb_net *bn, struct sk_buff *old, const struct bpflb_packet *pkt)
{
	u32 hlen = pkt->thoff - skb_network_offset(old);
	const struct tcphdr *asked;
	struct tcphdr *th, buf;
	struct sk_buff *skb;

	asked = skb_header_pointer(old, pkt->thoff, sizeof(buf), &buf);
	if (!asked)
		return;
	skb = answer_make(sizeof(*th));
	if (!skb)
		return;
	th = skb_put_zero(skb, sizeof(*th));
	th->source = asked->dest;
	th->dest = asked->source;
	th->doff = sizeof(*th) / 4;
	th->rst = 1;
	if (asked->ack) {
		th->seq = asked->ack_seq;
	} else {
		th->ack = 1;
		th->ack_seq = htonl(ntohl(asked->seq) + asked->syn + asked->fin +
				    pkt->len - hlen - asked->doff * 4);
	}
	th->check = answer_checksum(skb, pkt, IPPROTO_TCP);
	answer_send(bn, skb, old, pkt, IPPROTO_TCP, 0);
}

static void send_abort(struct bpflb_net *bn, struct sk_buff *old, const struct bpflb_packet *pkt)
{
	struct bpflb_sctp_end end;
	struct sk_buff *skb;

	if (!bpflb_sctp_end(&end, old, pkt))
		return;
	skb = answer_make(sizeof(end));
	if (!skb)
		return;
	skb_put_data(skb, &end, sizeof(end));
	answer_send(bn, skb, old, pkt, IPPROTO_SCTP, 0);
}

/* To a packet of a connection that nobody knows of any more. */
static void send_end(struct bpflb_net *bn, struct sk_buff *old, const struct bpflb_packet *pkt)
{
	if (!is_intact(old, pkt))
		return;
	if (pkt->tuple.proto == IPPROTO_SCTP)
		send_abort(bn, old, pkt);
	else
		send_reset(bn, old, pkt);
}

/**
 * bpflb_reject_unknown_port() - a packet to a service's address, but no service's port
 * @bn: namespace
 * @skb: the packet as the client has sent it, in PREROUTING or LOCAL_OUT
 * @pkt: what it is
 *
 * Context: RCU, bottom halves off. Return: what the hook has to return; the
 * packet is counted.
 */
unsigned int bpflb_reject_unknown_port(struct bpflb_net *bn, struct sk_buff *skb,
				       const struct bpflb_packet *pkt)
{
	unsigned int verdict = bpflb_drop(bn, NULL, skb, BPFLB_DROP_UNKNOWN_PORT);

	/* Who breaks a connection off needs no answer, and of SCTP's ABORT the same holds. */
	if (rcu_dereference(bn->settings)->unknown_ports != BPFLB_UNKNOWN_PORTS_REJECT ||
	    pkt->tcp_flags & BPFLB_TCP_RST)
		return verdict;
	if (pkt->tuple.proto != IPPROTO_TCP || pkt->local_out)
		return bpflb_reject_unreachable(bn, skb, pkt, verdict);
	if (is_intact(skb, pkt))
		send_reset(bn, skb, pkt);
	return verdict;
}

/**
 * bpflb_answer_echo() - answer to a ping
 * @bn: namespace
 * @skb: an echo request, in PREROUTING or LOCAL_OUT
 * @pkt: what it is
 *
 * The answer may be of any size, as the question. No limit: the kernel has none
 * for its own either, and the answer is no larger than what was asked.
 *
 * Context: RCU, bottom halves off. Return: whether it was answered; the request is
 * still the caller's.
 */
bool bpflb_answer_echo(struct bpflb_net *bn, struct sk_buff *skb, const struct bpflb_packet *pkt)
{
	u32 len = skb->len - pkt->thoff;
	struct icmphdr *icmph;	/* ICMPv6's begins the same */
	struct sk_buff *answer;

	if (!pkt->local_out && !is_intact(skb, pkt))
		return false;
	answer = answer_make(len);
	if (!answer)
		return false;
	icmph = skb_put(answer, len);
	if (skb_copy_bits(skb, pkt->thoff, icmph, len)) {
		kfree_skb(answer);
		return false;
	}
	icmph->type = is_ipv6(pkt) ? ICMPV6_ECHO_REPLY : ICMP_ECHOREPLY;
	icmph->checksum = 0;
	icmph->checksum = answer_checksum(answer, pkt, pkt->tuple.proto);
	answer->ignore_df = 1;
	return answer_send(bn, answer, skb, pkt, pkt->tuple.proto,
			   is_ipv6(pkt) ? ipv6_get_dsfield(ipv6_hdr(skb)) : ip_hdr(skb)->tos);
}

/**
 * bpflb_reject_down() - a client's TCP or SCTP packet whose backend is down
 * @flow: its flow
 * @skb: the packet as the client has sent it, in PREROUTING or LOCAL_OUT
 * @pkt: what it is
 *
 * The flow stays for a while, closed: if the client misses the RST or ABORT, what it
 * sends next is answered as well.
 *
 * Context: RCU, bottom halves off. Return: NF_DROP, and it is counted.
 */
unsigned int bpflb_reject_down(struct bpflb_flow *flow, struct sk_buff *skb,
			       const struct bpflb_packet *pkt)
{
	u8 closed = pkt->tuple.proto == IPPROTO_SCTP ? BPFLB_STATE_SCTP_CLOSED :
						       BPFLB_STATE_TCP_CLOSED;
	struct bpflb_net *bn = flow->bn;

	if (READ_ONCE(flow->state) != closed) {
		WRITE_ONCE(flow->seen, (u32)jiffies);
		WRITE_ONCE(flow->state, closed);
	}
	send_end(bn, skb, pkt);
	return bpflb_drop(bn, flow->be->key.svc, skb, BPFLB_DROP_BACKEND_DOWN);
}

/**
 * bpflb_reject_lost() - a TCP or SCTP packet of a connection that nobody knows
 * @bn: namespace
 * @svc: the service that it is for
 * @skb: the packet as the client has sent it, in PREROUTING or LOCAL_OUT
 * @pkt: what it is
 *
 * Context: RCU, bottom halves off. Return: NF_DROP, and it is counted.
 */
unsigned int bpflb_reject_lost(struct bpflb_net *bn, struct bpflb_service *svc,
			       struct sk_buff *skb, const struct bpflb_packet *pkt)
{
	if (!(pkt->tcp_flags & BPFLB_TCP_RST))
		send_end(bn, skb, pkt);
	return bpflb_drop(bn, svc, skb, BPFLB_DROP_NO_FLOW);
}
