// SPDX-License-Identifier: GPL-2.0-only
/*
 * Errors, and the packet that each of them quotes.
 *
 * An error goes back the way that the packet came which it quotes. So it is
 * treated as a packet of the reverse of the quoted tuple would be: its
 * destination, and the quoted source, are rewritten when it comes in; its source,
 * and the quoted destination, when it leaves. In between it is about
 * client -> backend or backend -> client, which is what conntrack has seen of the
 * flow, and so calls it related.
 *
 * An error makes no flow, and changes none. One about what a service has sent, of which
 * there is no flow here, goes to the backend that any node would choose. What belongs
 * to no service, or is not addressed to whom the quoted packet was from, goes on untouched.
 *
 * Types: those that tell what became of a packet. Not source quench, which nobody
 * may act on (RFC 6633), nor redirects, which are about the hop they come from.
 */
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/random.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "backend.h"
#include "balance.h"
#include "dsr.h"
#include "flow.h"
#include "frontend.h"
#include "icmp.h"
#include "netns.h"
#include "rewrite.h"
#include "service.h"
#include "snat.h"
#include "stats.h"
#include "version.h"

/**
 * struct icmp_error - an error, and where its parts are from skb->data on
 * @to: the reverse of the quoted tuple: what a packet has that goes where this goes
 * @icmp: offset of its ICMP header
 * @quote: offset of the quoted IP header
 * @th: offset of the quoted transport header
 * @end: how far the headers of interest reach; the quote may end within them
 */
struct icmp_error {
	struct bpflb_packet to;
	u32 icmp;
	u32 quote;
	u32 th;
	u32 end;
};

/* What a transport header has up to the end of its checksum. */
#define TCP_CHECK_END	offsetofend(struct tcphdr, check)
#define UDP_CHECK_END	offsetofend(struct udphdr, check)

static bool is_error4(u8 type)
{
	return type == ICMP_DEST_UNREACH || type == ICMP_TIME_EXCEEDED ||
	       type == ICMP_PARAMETERPROB;
}

static bool is_error6(u8 type)
{
	return type >= ICMPV6_DEST_UNREACH && type <= ICMPV6_PARAMPROB;
}

/**
 * bpflb_icmp_offset() - where a packet's ICMP header is
 * @skb: any packet
 * @ipv6: its family
 *
 * Context: any. Return: its offset from skb->data, or below 0 if it has none.
 */
int bpflb_icmp_offset(const struct sk_buff *skb, bool ipv6)
{
	u32 at = skb_network_offset(skb);
	__be16 frag = 0;
	int offset;
	u8 proto;

	if (!ipv6) {
		if (ip_hdr(skb)->protocol != IPPROTO_ICMP || ip_is_fragment(ip_hdr(skb)))
			return -ENOENT;
		return at + ip_hdrlen(skb);
	}
	proto = ipv6_hdr(skb)->nexthdr;
	offset = ipv6_skip_exthdr(skb, at + sizeof(struct ipv6hdr), &proto, &frag);
	return frag || proto != IPPROTO_ICMPV6 ? -ENOENT : offset;
}

/* Find the ICMP header. All packets that are none of TCP, UDP and SCTP come by here. */
static bool find_icmp(const struct sk_buff *skb, struct icmp_error *e, bool ipv6)
{
	const struct icmphdr *icmph;
	struct icmphdr buf;
	int offset = bpflb_icmp_offset(skb, ipv6);

	if (offset < 0)
		return false;
	e->icmp = offset;
	e->quote = offset + sizeof(*icmph);
	icmph = skb_header_pointer(skb, offset, sizeof(buf), &buf);
	return icmph && (ipv6 ? is_error6(icmph->type) : is_error4(icmph->type));
}

/* Only the first fragment of a packet has its ports. */
static bool read_quote4(const struct sk_buff *skb, struct icmp_error *e, struct bpflb_tuple *t)
{
	const struct iphdr *iph;
	struct iphdr buf;

	iph = skb_header_pointer(skb, e->quote, sizeof(buf), &buf);
	if (!iph || iph->version != 4 || iph->ihl < 5 || iph->frag_off & htons(IP_OFFSET))
		return false;
	e->th = e->quote + iph->ihl * 4;
	t->proto = iph->protocol;
	t->src.addr.ip = iph->daddr;
	t->dst.addr.ip = iph->saddr;
	return t->dst.addr.ip == ip_hdr(skb)->daddr;
}

static bool read_quote6(const struct sk_buff *skb, struct icmp_error *e, struct bpflb_tuple *t)
{
	const struct ipv6hdr *ip6h;
	struct ipv6hdr buf;
	__be16 frag;
	int th;

	ip6h = skb_header_pointer(skb, e->quote, sizeof(buf), &buf);
	if (!ip6h || ip6h->version != 6)
		return false;
	t->proto = ip6h->nexthdr;
	t->src.addr.in6 = ip6h->daddr;
	t->dst.addr.in6 = ip6h->saddr;
	th = ipv6_skip_exthdr(skb, e->quote + sizeof(buf), &t->proto, &frag);
	e->th = th;
	return th >= 0 && ipv6_addr_equal(&t->dst.addr.in6, &ipv6_hdr(skb)->daddr);
}

/* Return: false if it is no error about a packet that could be a flow's. */
static bool parse(const struct sk_buff *skb, struct icmp_error *e, u8 family)
{
	struct bpflb_tuple *t = &e->to.tuple;
	bool ipv6 = family == NFPROTO_IPV6;
	const __be16 *ports;
	__be16 buf[2];

	if (!find_icmp(skb, e, ipv6))
		return false;
	*t = (struct bpflb_tuple){ .family = family };
	if (!(ipv6 ? read_quote6(skb, e, t) : read_quote4(skb, e, t)) ||
	    (t->proto != IPPROTO_TCP && t->proto != IPPROTO_UDP && t->proto != IPPROTO_SCTP))
		return false;
	ports = skb_header_pointer(skb, e->th, sizeof(buf), buf);
	if (!ports)
		return false;
	t->src.port = ports[1];
	t->dst.port = ports[0];
	e->end = min_t(u32, skb->len,
		       e->th + (t->proto == IPPROTO_TCP ? TCP_CHECK_END : UDP_CHECK_END));
	return true;
}

/* The quoted transport header, of which there are @len bytes. Its checksum may be
 * missing (RFC 792 asks for 8 bytes), or none. A quoted SCTP packet is known by its
 * verification tag: its CRC is of what is not quoted too, and stays.
 */
static void rewrite_ports(void *th, u32 len, u8 proto, __wsum addrs, __be32 to)
{
	__wsum diff = csum_add(addrs, bpflb_difference(*(__be32 *)th, to));

	*(__be32 *)th = to;
	if (proto == IPPROTO_TCP && len >= TCP_CHECK_END) {
		csum_replace_by_diff(&((struct tcphdr *)th)->check, diff);
	} else if (proto == IPPROTO_UDP && len >= UDP_CHECK_END && ((struct udphdr *)th)->check) {
		csum_replace_by_diff(&((struct udphdr *)th)->check, diff);
		if (!((struct udphdr *)th)->check)
			((struct udphdr *)th)->check = CSUM_MANGLED_0;
	}
}

static __be32 both_ports(__be16 src, __be16 dst)
{
	struct bpflb_ends4 ends = { .sport = src, .dport = dst };

	return ends.ports;
}

/* Make it a quote of a packet @q; all headers are writable. */
static void rewrite_quote(struct sk_buff *skb, const struct icmp_error *e,
			  const struct bpflb_tuple *q)
{
	void *th = skb->data + e->th;
	__wsum addrs;

	if (q->family == NFPROTO_IPV6) {
		struct ipv6hdr *ip6h = (struct ipv6hdr *)(skb->data + e->quote);

		addrs = csum_add(bpflb_difference6(&ip6h->saddr, &q->src.addr.in6),
				 bpflb_difference6(&ip6h->daddr, &q->dst.addr.in6));
		ip6h->saddr = q->src.addr.in6;
		ip6h->daddr = q->dst.addr.in6;
	} else {
		struct iphdr *iph = (struct iphdr *)(skb->data + e->quote);

		addrs = csum_add(bpflb_difference(iph->saddr, q->src.addr.ip),
				 bpflb_difference(iph->daddr, q->dst.addr.ip));
		csum_replace_by_diff(&iph->check, addrs);
		iph->saddr = q->src.addr.ip;
		iph->daddr = q->dst.addr.ip;
	}
	rewrite_ports(th, e->end - e->th, q->proto, addrs,
		      both_ports(q->src.port, q->dst.port));
}

/* The error itself, from @src to @dst. Return: what that adds to the sum of
 * ICMPv6's pseudo-header.
 */
static __wsum rewrite_outer(struct sk_buff *skb, u8 family, const union nf_inet_addr *src,
			    const union nf_inet_addr *dst)
{
	struct iphdr *iph;
	__wsum addrs;

	if (family == NFPROTO_IPV6) {
		struct ipv6hdr *ip6h = ipv6_hdr(skb);

		addrs = csum_add(bpflb_difference6(&ip6h->saddr, &src->in6),
				 bpflb_difference6(&ip6h->daddr, &dst->in6));
		ip6h->saddr = src->in6;
		ip6h->daddr = dst->in6;
		return addrs;
	}
	iph = ip_hdr(skb);
	addrs = csum_add(bpflb_difference(iph->saddr, src->ip),
			 bpflb_difference(iph->daddr, dst->ip));
	csum_replace_by_diff(&iph->check, addrs);
	iph->saddr = src->ip;
	iph->daddr = dst->ip;
	return 0;
}

/* What the error points at, what it says that fits, and how much it quotes
 * (RFC 4884): all without the @note bytes that the client does not send.
 */
static void less_note4(struct icmphdr *icmph, u8 note)
{
	u8 *length = (u8 *)icmph + 5;

	if (icmph->type == ICMP_DEST_UNREACH && icmph->code == ICMP_FRAG_NEEDED) {
		u16 mtu = ntohs(icmph->un.frag.mtu);

		icmph->un.frag.mtu = htons(mtu > note ? mtu - note : mtu);
	}
	if (icmph->type == ICMP_PARAMETERPROB && ((u8 *)icmph)[4] >= sizeof(struct iphdr) + note)
		((u8 *)icmph)[4] -= note;
	if (*length >= note / 4)
		*length -= note / 4;
}

static void less_note6(struct icmp6hdr *icmp6h, u8 note)
{
	u8 *length = (u8 *)icmp6h + 4;
	u32 word = ntohl(icmp6h->icmp6_mtu);

	if (icmp6h->icmp6_type == ICMPV6_PKT_TOOBIG)
		icmp6h->icmp6_mtu = htonl(max_t(u32, word, IPV6_MIN_MTU + note) - note);
	else if (icmp6h->icmp6_type == ICMPV6_PARAMPROB)
		icmp6h->icmp6_pointer = htonl(word >= sizeof(struct ipv6hdr) + note ?
					      word - note : word);
	else if (*length >= note / 8)
		*length -= note / 8;
}

/* Take the note off the quoted packet, whose headers are writable: what is before
 * it moves up. Return: what that adds to the sum of ICMPv6's pseudo-header.
 */
static __wsum strip_note(struct sk_buff *skb, struct icmp_error *e, u8 family)
{
	bool ipv6 = family == NFPROTO_IPV6;
	u32 head = e->quote + (ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	u8 note = bpflb_note_len(family);
	void *quote;

	if (ipv6)
		((struct ipv6hdr *)(skb->data + e->quote))->nexthdr = skb->data[head];
	memmove(skb->data + note, skb->data, head);
	__skb_pull(skb, note);
	bpflb_move_mac_header(skb, note);
	skb_reset_network_header(skb);
	skb_set_transport_header(skb, e->icmp);
	e->th -= note;
	e->end -= note;
	quote = skb->data + e->quote;
	if (ipv6) {
		be16_add_cpu(&((struct ipv6hdr *)quote)->payload_len, -note);
		be16_add_cpu(&ipv6_hdr(skb)->payload_len, -note);
		less_note6((struct icmp6hdr *)(skb->data + e->icmp), note);
		return csum_sub(0, (__force __wsum)htonl(note));
	}
	((struct iphdr *)quote)->ihl -= note / 4;
	be16_add_cpu(&((struct iphdr *)quote)->tot_len, -note);
	((struct iphdr *)quote)->check = 0;
	((struct iphdr *)quote)->check = ip_fast_csum(quote, ((struct iphdr *)quote)->ihl);
	be16_add_cpu(&ip_hdr(skb)->tot_len, -note);
	ip_send_check(ip_hdr(skb));
	less_note4((struct icmphdr *)(skb->data + e->icmp), note);
	return 0;
}

static bool read_note(const struct sk_buff *skb, const struct icmp_error *e, u8 family,
		      struct bpflb_endpoint *note)
{
	return family == NFPROTO_IPV6 ? bpflb_note_opt6_quoted(skb, e->quote, note) :
					bpflb_note_opt4_quoted(skb, e->quote, note);
}

/* Make the error one that goes with packets of @to, from @src. */
static bool rewrite(struct sk_buff *skb, struct icmp_error *e, const struct bpflb_tuple *to,
		    const union nf_inet_addr *src, bool noted)
{
	const struct bpflb_tuple quoted = bpflb_tuple_reverse(to);
	__wsum sum, pseudo = 0;
	u8 *icmp;

	if (skb->ip_summed == CHECKSUM_PARTIAL && skb_checksum_help(skb))
		return false;
	if (skb_ensure_writable(skb, e->end))
		return false;
	sum = csum_partial(skb->data + e->icmp, e->end - e->icmp, 0);
	if (noted)
		pseudo = strip_note(skb, e, to->family);
	rewrite_quote(skb, e, &quoted);
	pseudo = csum_add(pseudo, rewrite_outer(skb, to->family, src, &to->dst.addr));
	icmp = skb->data + e->icmp;
	sum = csum_sub(csum_partial(icmp, e->end - e->icmp, 0), sum);
	/* At the same place in both families. */
	csum_replace_by_diff(&((struct icmphdr *)icmp)->checksum, csum_add(sum, pseudo));
	/* A sum that the device has given was of other bytes. */
	if (skb->ip_summed == CHECKSUM_COMPLETE)
		skb->ip_summed = CHECKSUM_NONE;
	return true;
}

static union nf_inet_addr source_of(const struct sk_buff *skb, u8 family)
{
	if (family == NFPROTO_IPV6)
		return (union nf_inet_addr){ .in6 = ipv6_hdr(skb)->saddr };
	return (union nf_inet_addr){ .ip = ip_hdr(skb)->saddr };
}

static unsigned int finish(struct sk_buff *skb, struct icmp_error *e, const struct bpflb_flow *flow,
			   const struct bpflb_tuple *to, const union nf_inet_addr *src, bool noted)
{
	if (rewrite(skb, e, to, src, noted))
		return NF_ACCEPT;
	return bpflb_drop(flow->bn, flow->be->key.svc, skb, BPFLB_DROP_NO_MEMORY);
}

/* The flow of what a one-packet service's backend has sent to a client. Which backend it was
 * the error does not tell: one of those that the client has a flow with hears of it, and what
 * the others send brings more errors.
 */
static struct bpflb_match one_packet_flow(struct bpflb_net *bn, const struct bpflb_packet *to)
{
	struct bpflb_frontend *fe = to->tuple.proto == IPPROTO_UDP ?
				    bpflb_frontend_for(bn, &to->tuple) : NULL;
	const struct bpflb_service *svc = fe ? rcu_dereference(fe->service) : NULL;
	const struct bpflb_version *v = svc ? rcu_dereference(svc->version) : NULL;
	const struct bpflb_pool *pool;
	struct bpflb_match m = {};
	u32 i, begin;

	if (!v || !v->one_packet)
		return m;
	pool = bpflb_version_pool(v, to->tuple.family, BPFLB_SCOPE_CLUSTER);
	begin = pool->n ? get_random_u32_below(pool->n) : 0;
	for (i = 0; !m.flow && i < pool->n; i++) {
		struct bpflb_packet with = *to;

		m = bpflb_flow_find_with(bn, &with, pool->slot[(begin + i) % pool->n].be);
	}
	return m;
}

/* An error about what a service has sent, in a flow of another node, or of which nothing is
 * known any more: it goes to the backend that packets of that client would go to.
 */
static unsigned int to_likely_backend(struct bpflb_net *bn, struct sk_buff *skb,
				      struct icmp_error *e, u8 family)
{
	struct bpflb_backend *be = bpflb_balance_tell(bn, &e->to);
	union nf_inet_addr src = source_of(skb, family);
	struct bpflb_tuple to = e->to.tuple;

	if (!be)
		return NF_ACCEPT;
	to.dst.addr = be->key.at.addr;
	to.dst.port = be->key.at.port ?: to.dst.port;
	if (rewrite(skb, e, &to, &src, false))
		return NF_ACCEPT;
	return bpflb_drop(bn, be->key.svc, skb, BPFLB_DROP_NO_MEMORY);
}

/**
 * bpflb_icmp_come_in() - a packet that is none of TCP, UDP and SCTP comes in
 * @bn: namespace
 * @skb: the packet, in PREROUTING or LOCAL_OUT
 * @family: NFPROTO_IPV4 or NFPROTO_IPV6
 *
 * If it is an error about a packet that a flow has sent on, it goes to who had sent
 * that: the client, or the backend, also where the flow is another node's.
 *
 * Context: RCU, bottom halves off. Return: NF_ACCEPT, or NF_DROP and counted.
 */
unsigned int bpflb_icmp_come_in(struct bpflb_net *bn, struct sk_buff *skb, u8 family)
{
	struct icmp_error e = {};
	union nf_inet_addr src;
	struct bpflb_tuple to;
	struct bpflb_match m;

	if (!parse(skb, &e, family))
		return NF_ACCEPT;
	m = bpflb_flow_find(bn, &e.to);
	if (!m.flow)
		m = one_packet_flow(bn, &e.to);
	if (!m.flow || bpflb_flow_is_expired(m.flow))
		return to_likely_backend(bn, skb, &e, family);
	if (m.role != BPFLB_ROLE_ORIG && m.role != BPFLB_ROLE_REPLY)
		return NF_ACCEPT;
	bpflb_flow_tuple(m.flow, BPFLB_KEY_MID, &to);
	if (m.role == BPFLB_ROLE_REPLY)
		to = bpflb_tuple_reverse(&to);
	src = source_of(skb, family);
	return finish(skb, &e, m.flow, &to, &src, false);
}

static struct bpflb_match one_packet_flow_of_note(struct bpflb_net *bn,
						  struct bpflb_packet *asked,
						  const struct bpflb_endpoint *at)
{
	struct bpflb_service *svc = asked->tuple.proto == IPPROTO_UDP ?
				    bpflb_service_of_note(bn, &asked->tuple) : NULL;
	const struct bpflb_backend *be;

	if (!svc || !bpflb_service_is_one_packet(svc))
		return (struct bpflb_match){};
	be = bpflb_backend_of_note(bn, svc, asked->tuple.family, at, asked->tuple.dst.port);
	return be ? bpflb_flow_find_with(bn, asked, be) : (struct bpflb_match){};
}

/* The flow that a quoted note tells of: two may share client -> backend. */
static const struct bpflb_flow *flow_of_note(struct bpflb_net *bn, const struct icmp_error *e,
					     const struct bpflb_endpoint *note)
{
	const struct bpflb_endpoint *backend = &e->to.tuple.src;
	struct bpflb_packet asked = { .tuple = bpflb_tuple_reverse(&e->to.tuple) };
	union nf_inet_addr addr;
	struct bpflb_match m;

	asked.tuple.dst = *note;
	m = bpflb_flow_find(bn, &asked);
	if (!m.flow)
		m = one_packet_flow_of_note(bn, &asked, backend);
	if (!m.flow || m.role != BPFLB_ROLE_ORIG || m.flow->kind != BPFLB_FLOW_DSR_OUT)
		return NULL;
	addr = bpflb_flow_addr(m.flow, BPFLB_ADDR_BACKEND);
	return m.flow->bport == backend->port && bpflb_addr_equal(&addr, &backend->addr) ? m.flow :
											   NULL;
}

/* An error about what the client of @flow has sent. */
static unsigned int to_client(struct sk_buff *skb, struct icmp_error *e,
			      const struct bpflb_flow *flow, u8 family, bool noted)
{
	union nf_inet_addr src = source_of(skb, family);
	union nf_inet_addr backend = bpflb_flow_addr(flow, BPFLB_ADDR_BACKEND);
	struct bpflb_tuple to;

	bpflb_flow_tuple(flow, BPFLB_KEY_ORIG, &to);
	to = bpflb_tuple_reverse(&to);
	if (bpflb_addr_equal(&src, &backend))
		src = to.src.addr;
	return finish(skb, e, flow, &to, &src, noted);
}

/* An error about what the backend of @flow has sent, which may know nothing of its address
 * being another than the service's.
 */
static unsigned int to_server(struct bpflb_net *bn, struct sk_buff *skb, struct icmp_error *e,
			      const struct bpflb_flow *flow, u8 family)
{
	union nf_inet_addr src = source_of(skb, family);
	struct bpflb_tuple to;
	unsigned int verdict;

	if (flow->dispatch != BPFLB_DISPATCH_IPIP && flow->dispatch != BPFLB_DISPATCH_L2)
		return NF_ACCEPT;
	bpflb_flow_tuple(flow, BPFLB_KEY_ORIG, &to);
	verdict = finish(skb, e, flow, &to, &src, false);
	return verdict == NF_ACCEPT ? bpflb_dsr_leave_error(bn, skb, flow) : verdict;
}

/**
 * bpflb_icmp_leave() - a packet that is none of TCP, UDP and SCTP leaves
 * @bn: namespace
 * @skb: the packet, in POSTROUTING or LOCAL_IN
 * @family: NFPROTO_IPV4 or NFPROTO_IPV6
 * @out: the device it leaves by; NULL in LOCAL_IN
 *
 * To the client, an error quotes what the client has sent, and comes from the
 * service if it was the backend's own; else from the router that it is from. To the
 * backend of a SNAT flow it comes from this node, as all packets of the flow do.
 *
 * Context: RCU, bottom halves off. Return: NF_ACCEPT, or NF_DROP and counted.
 */
unsigned int bpflb_icmp_leave(struct bpflb_net *bn, struct sk_buff *skb, u8 family,
			      const struct net_device *out)
{
	const struct bpflb_flow *flow;
	struct bpflb_endpoint note;
	struct bpflb_tuple to;
	struct bpflb_match m;
	struct icmp_error e;
	bool noted;

	if (!parse(skb, &e, family))
		return NF_ACCEPT;
	noted = read_note(skb, &e, family, &note);
	flow = noted ? flow_of_note(bn, &e, &note) : NULL;
	if (flow && !bpflb_flow_is_expired(flow))
		return to_client(skb, &e, flow, family, true);
	m = bpflb_flow_find_mid(bn, &e.to.tuple);
	flow = m.flow;
	if (!flow || bpflb_flow_is_expired(flow))
		return NF_ACCEPT;
	if (m.role == BPFLB_ROLE_MID_REPLY)
		return to_client(skb, &e, flow, family,
				 noted && flow->kind == BPFLB_FLOW_DSR_OUT);
	if (out && flow->kind == BPFLB_FLOW_DSR_OUT)
		return to_server(bn, skb, &e, flow, family);
	if (flow->kind != BPFLB_FLOW_SNAT || !out || !bpflb_snat_is_complete(flow))
		return NF_ACCEPT;
	bpflb_flow_tuple(flow, BPFLB_KEY_REPLY, &to);
	to = bpflb_tuple_reverse(&to);
	return finish(skb, &e, flow, &to, &to.src.addr, false);
}
