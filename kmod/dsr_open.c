// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct server return, the receiving side of its tunnels: what came in one for a backend on
 * this node is taken out, and goes on from where the outer packet was, as if it had come in
 * by that device. So conntrack and all behind us see it, and not the tunnel.
 *
 *	geneve	with a note, for a backend of the service that it names; or of a flow that
 *		began so
 *	ipip	for a service that has a backend at the outer destination; or of such a flow
 *
 * All else is for whoever else receives such packets here, and is not touched. The sender
 * is a configured node, by the outer source.
 */
#include <linux/if_ether.h>
#include <net/inet_ecn.h>
#include <net/ip.h>
#include <net/ip_tunnels.h>
#include <net/ipv6.h>

#include "backend.h"
#include "balance.h"
#include "dsr.h"
#include "dsr_tunnel.h"
#include "frontend.h"
#include "netns.h"
#include "node.h"
#include "service.h"
#include "stats.h"
#include "translate.h"
#include "version.h"
#include "vip.h"

/**
 * struct letter - a packet in a packet
 * @bn: namespace
 * @skb: both
 * @family: of the outer one
 * @inner: of the other
 * @offset: of that, from skb->data
 * @src: of the outer one
 * @dst: of the outer one
 * @class: traffic class of the outer one
 * @framed: it is in UDP, and there is a frame's header before the inner one
 */
struct letter {
	struct bpflb_net *bn;
	struct sk_buff *skb;
	u8 family;
	u8 inner;
	u32 offset;
	union nf_inet_addr src;
	union nf_inet_addr dst;
	u8 class;
	bool framed;
};

static struct letter letter_of(struct bpflb_net *bn, struct sk_buff *skb, u8 family)
{
	struct letter l = { .bn = bn, .skb = skb, .family = family, .inner = family };

	if (family == NFPROTO_IPV6) {
		l.src.in6 = ipv6_hdr(skb)->saddr;
		l.dst.in6 = ipv6_hdr(skb)->daddr;
		l.class = ipv6_get_dsfield(ipv6_hdr(skb));
	} else {
		l.src.ip = ip_hdr(skb)->saddr;
		l.dst.ip = ip_hdr(skb)->daddr;
		l.class = ip_hdr(skb)->tos;
	}
	return l;
}

static bool has_ports(u8 proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP;
}

/* Return: offset of the transport header, or below 0. */
static int peek4(const struct sk_buff *skb, u32 offset, struct bpflb_tuple *t)
{
	const struct iphdr *iph;
	struct iphdr buf;

	iph = skb_header_pointer(skb, offset, sizeof(buf), &buf);
	if (!iph || iph->version != 4 || iph->ihl < 5 || ip_is_fragment(iph))
		return -EINVAL;
	t->proto = iph->protocol;
	t->src.addr.ip = iph->saddr;
	t->dst.addr.ip = iph->daddr;
	return offset + iph->ihl * 4;
}

static int peek6(const struct sk_buff *skb, u32 offset, struct bpflb_tuple *t)
{
	const struct ipv6hdr *ip6h;
	struct ipv6hdr buf;
	__be16 frag = 0;
	int th;

	ip6h = skb_header_pointer(skb, offset, sizeof(buf), &buf);
	if (!ip6h || ip6h->version != 6)
		return -EINVAL;
	t->proto = ip6h->nexthdr;
	t->src.addr.in6 = ip6h->saddr;
	t->dst.addr.in6 = ip6h->daddr;
	th = ipv6_skip_exthdr(skb, offset + sizeof(buf), &t->proto, &frag);
	return frag ? -EINVAL : th;
}

/**
 * bpflb_peek() - whom a packet within a packet is from and for
 * @skb: the packet
 * @offset: of the inner IP header from skb->data
 * @family: of the inner packet
 * @t: what to fill; without ports for what has none
 *
 * Context: any. Return: false if it is no packet, a fragment, or too short for that.
 */
bool bpflb_peek(const struct sk_buff *skb, u32 offset, u8 family, struct bpflb_tuple *t)
{
	const __be16 *ports;
	__be16 buf[2];
	int th;

	*t = (struct bpflb_tuple){ .family = family };
	th = family == NFPROTO_IPV6 ? peek6(skb, offset, t) : peek4(skb, offset, t);
	if (th < 0 || !has_ports(t->proto))
		return th >= 0;
	ports = skb_header_pointer(skb, th, sizeof(buf), buf);
	if (!ports)
		return false;
	t->src.port = ports[0];
	t->dst.port = ports[1];
	return true;
}

/* What ip_rcv() would ask of the packet, and set of it. */
static bool is_sound4(struct sk_buff *skb)
{
	const struct iphdr *iph;
	u32 len;

	if (!pskb_may_pull(skb, sizeof(*iph)))
		return false;
	iph = ip_hdr(skb);
	if (iph->version != 4 || iph->ihl < 5 || !pskb_may_pull(skb, iph->ihl * 4))
		return false;
	iph = ip_hdr(skb);
	len = ntohs(iph->tot_len);
	if (ip_fast_csum(iph, iph->ihl) || skb->len < len || len < iph->ihl * 4u ||
	    pskb_trim_rcsum(skb, len))
		return false;
	skb->transport_header = skb->network_header + ip_hdr(skb)->ihl * 4;
	memset(IPCB(skb), 0, sizeof(*IPCB(skb)));
	IPCB(skb)->iif = skb->skb_iif;
	return true;
}

/* As ipv6_rcv(); what has options that each hop is to read is not for us to deliver. */
static bool is_sound6(struct sk_buff *skb)
{
	u32 len;

	if (!pskb_may_pull(skb, sizeof(struct ipv6hdr)) || ipv6_hdr(skb)->version != 6 ||
	    ipv6_hdr(skb)->nexthdr == NEXTHDR_HOP)
		return false;
	len = ntohs(ipv6_hdr(skb)->payload_len) + sizeof(struct ipv6hdr);
	if (skb->len < len || pskb_trim_rcsum(skb, len))
		return false;
	skb->transport_header = skb->network_header + sizeof(struct ipv6hdr);
	memset(IP6CB(skb), 0, sizeof(*IP6CB(skb)));
	IP6CB(skb)->iif = skb->skb_iif;
	IP6CB(skb)->nhoff = offsetof(struct ipv6hdr, nexthdr);
	return true;
}

/* Marked on its way through the tunnel: so is the packet (RFC 6040). */
static bool take_congestion(const struct letter *l)
{
	struct sk_buff *skb = l->skb;
	bool ipv6 = l->inner == NFPROTO_IPV6;
	u8 inner = ipv6 ? ipv6_get_dsfield(ipv6_hdr(skb)) : ip_hdr(skb)->tos;

	if (!INET_ECN_is_ce(l->class) || INET_ECN_is_ce(inner))
		return true;
	if (INET_ECN_is_not_ect(inner) ||
	    skb_ensure_writable(skb, ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)))
		return false;
	return INET_ECN_set_ce(skb);
}

/* The tunnel was cut because the packet may be: what the balancer had put together, or IPv4
 * without DF. So it may be again, in pieces of that size.
 */
static void may_be_cut(const struct letter *l, u16 pieces)
{
	struct sk_buff *skb = l->skb;

	if (!pieces)
		return;
	skb->ignore_df = 1;
	if (l->inner == NFPROTO_IPV6)
		IP6CB(skb)->frag_max_size = pieces;
	else
		IPCB(skb)->frag_max_size = pieces;
}

/* Take the packet out. It is as if it had come in by itself. */
static bool unwrap(const struct letter *l)
{
	struct sk_buff *skb = l->skb;
	u16 pieces = l->family == NFPROTO_IPV6 ? IP6CB(skb)->frag_max_size :
						 IPCB(skb)->frag_max_size;
	bool ipv6 = l->inner == NFPROTO_IPV6;
	int iif = skb->skb_iif;

	/* What a device has found right first was UDP's, be it that there is none. */
	if (l->framed)
		__skb_decr_checksum_unnecessary(skb);
	if (__iptunnel_pull_header(skb, l->offset, ipv6 ? htons(ETH_P_IPV6) : htons(ETH_P_IP),
				   true, false))
		return false;
	skb->skb_iif = iif;
	skb_reset_network_header(skb);
	/* In front of it is its own frame's header, or none. */
	if (l->framed)
		skb_set_mac_header(skb, -ETH_HLEN);
	else
		skb_reset_mac_header(skb);
	skb_reset_mac_len(skb);
	if (!(ipv6 ? is_sound6(skb) : is_sound4(skb)) || !take_congestion(l))
		return false;
	may_be_cut(l, pieces);
	return true;
}

static bool read_packet(const struct letter *l, struct bpflb_packet *pkt)
{
	return l->inner == NFPROTO_IPV6 ? bpflb_packet_parse6(l->skb, pkt) :
					  bpflb_packet_parse4(l->skb, pkt);
}

static enum bpflb_opened drop(const struct letter *l, struct bpflb_service *svc,
			      enum bpflb_drop_reason reason, unsigned int *verdict)
{
	*verdict = bpflb_drop(l->bn, svc, l->skb, reason);
	return BPFLB_OPENED_DONE;
}

/* Its family's hooks are to see it: it comes in once more, with an option for a note, which
 * needs not be believed then, for it has a flow.
 */
static enum bpflb_opened come_again(const struct letter *l, const struct bpflb_endpoint *note,
				    unsigned int *verdict)
{
	if (note && !bpflb_dsr_put_option(l->skb, l->inner, note))
		return drop(l, NULL, BPFLB_DROP_NOTE_NO_ROOM, verdict);
	netif_rx(l->skb);
	*verdict = NF_STOLEN;
	return BPFLB_OPENED_DONE;
}

/* The packet, of no service that could be told, goes on without its tunnel. */
static enum bpflb_opened open_plain(const struct letter *l, unsigned int *verdict)
{
	if (!unwrap(l))
		return drop(l, NULL, BPFLB_DROP_TUNNEL_PACKET, verdict);
	return l->inner == l->family ? BPFLB_OPENED_PLAIN : come_again(l, NULL, verdict);
}

/* Nobody believes it. */
static enum bpflb_opened refuse(const struct letter *l, struct bpflb_service *svc,
				enum bpflb_drop_reason reason, unsigned int *verdict)
{
	if (rcu_dereference(l->bn->settings)->refused_notes != BPFLB_REFUSED_NOTES_STRIP)
		return drop(l, svc, reason, verdict);
	this_cpu_inc(l->bn->counters->notes_removed);
	return open_plain(l, verdict);
}

/* The packet is for @be, @asked for what @pkt would be without DSR; both follow. */
static enum bpflb_opened open_for(const struct letter *l, struct bpflb_backend *be,
				  const struct bpflb_endpoint *note, struct bpflb_packet *pkt,
				  struct bpflb_match *m, unsigned int *verdict)
{
	struct bpflb_packet asked;

	if (!unwrap(l) || !read_packet(l, pkt))
		return drop(l, be->key.svc, BPFLB_DROP_TUNNEL_PACKET, verdict);
	asked = *pkt;
	if (note)
		asked.tuple.dst = *note;
	if (!bpflb_dsr_find_known(l->bn, &asked, be, m)) {
		*verdict = bpflb_dsr_begin(l->bn, l->skb, &asked, be, m);
		if (*verdict != NF_ACCEPT)
			return BPFLB_OPENED_DONE;
	} else if (!note && !bpflb_flow_is_one_packet(m->flow)) {
		/* It is found by itself, and may bypass the stack. */
		return BPFLB_OPENED_PLAIN;
	}
	if (l->inner != l->family)
		return come_again(l, note, verdict);
	if (note)
		this_cpu_inc(l->bn->counters->notes_taken);
	return m->flow ? BPFLB_OPENED_FLOW : BPFLB_OPENED_PLAIN;
}

/* Outer checksum, if there is one; none is as good. */
static bool is_summed_right(const struct letter *l, u32 udp)
{
	const struct udphdr *uh;
	struct udphdr buf;

	uh = skb_header_pointer(l->skb, udp, sizeof(buf), &buf);
	if (!uh)
		return false;
	if (!uh->check)
		return true;
	return !nf_checksum(l->skb, NF_INET_PRE_ROUTING, udp, IPPROTO_UDP, l->family);
}

static enum bpflb_opened open_noted(const struct letter *l, const struct bpflb_endpoint *note,
				    const struct bpflb_tuple *t, struct bpflb_packet *pkt,
				    struct bpflb_match *m, unsigned int *verdict)
{
	struct bpflb_tuple asked = *t;
	struct bpflb_service *svc;
	struct bpflb_backend *be;

	asked.dst = *note;
	svc = bpflb_service_of_note(l->bn, &asked);
	be = svc ? bpflb_backend_of_note(l->bn, svc, t->family, &t->dst, note->port) : NULL;
	if (!be || !READ_ONCE(be->live) || !READ_ONCE(be->here))
		return refuse(l, svc, BPFLB_DROP_NOTE_SERVICE, verdict);
	if (!bpflb_node_is_live(l->bn, l->family, &l->src))
		return refuse(l, svc, BPFLB_DROP_NOTE_SENDER, verdict);
	return open_for(l, be, note, pkt, m, verdict);
}

/**
 * bpflb_open_geneve() - take a packet out of Geneve
 * @bn: namespace
 * @skb: the outer packet, in PREROUTING, for an address of this node
 * @family: its
 * @udp: offset of its UDP header, whose destination port is Geneve's
 * @pkt: for what is inside
 * @m: for its flow
 * @verdict: what to return from the hook, where it is DONE
 *
 * Context: RCU, bottom halves off.
 */
enum bpflb_opened bpflb_open_geneve(struct bpflb_net *bn, struct sk_buff *skb, u8 family,
				    u32 udp, struct bpflb_packet *pkt, struct bpflb_match *m,
				    unsigned int *verdict)
{
	struct letter l = letter_of(bn, skb, family);
	struct bpflb_geneve geneve;
	struct bpflb_tuple t;

	if (!bpflb_geneve_read(skb, udp + sizeof(struct udphdr), &geneve) ||
	    !is_summed_right(&l, udp))
		return BPFLB_OPENED_NOT;
	l.inner = geneve.inner;
	l.framed = true;
	l.offset = udp + sizeof(struct udphdr) + geneve.len;
	if (!bpflb_peek(skb, l.offset, l.inner, &t) || !has_ports(t.proto))
		return BPFLB_OPENED_NOT;
	if (geneve.noted)
		return open_noted(&l, &geneve.note, &t, pkt, m, verdict);
	*m = bpflb_flow_find_mid(bn, &t);
	if (!m->flow || m->role != BPFLB_ROLE_MID_ORIG || m->flow->kind != BPFLB_FLOW_DSR_IN ||
	    !bpflb_node_is_live(bn, family, &l.src))
		return BPFLB_OPENED_NOT;
	return open_plain(&l, verdict);
}

/* The service's backend that has the outer destination. */
static struct bpflb_backend *backend_at(const struct letter *l, const struct bpflb_tuple *t)
{
	struct bpflb_service *svc = bpflb_service_of_note(l->bn, t);
	const struct bpflb_version *v = svc ? rcu_dereference(svc->version) : NULL;
	const struct bpflb_pool *pool;
	u32 i;

	if (!v)
		return NULL;
	pool = bpflb_version_pool(v, t->family, BPFLB_SCOPE_CLUSTER);
	for (i = 0; i < pool->n; i++)
		if (READ_ONCE(pool->slot[i].be->here) &&
		    bpflb_addr_equal(&pool->slot[i].be->key.at.addr, &l->dst))
			return pool->slot[i].be;
	return NULL;
}

static bool may_send_ipip(const struct letter *l)
{
	const struct bpflb_settings *s = rcu_dereference(l->bn->settings);
	const struct bpflb_prefix *prefix = &s->ipip_source[l->family == NFPROTO_IPV6];

	return bpflb_node_is_live(l->bn, l->family, &l->src) ||
	       (prefix->family && bpflb_prefix_has(prefix, l->family, &l->src));
}

/* An ICMP error about what a backend here has sent in the service's name. */
static enum bpflb_opened open_error(const struct letter *l, const struct bpflb_tuple *t,
				    unsigned int *verdict)
{
	u8 icmp = l->family == NFPROTO_IPV6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;

	if (t->proto != icmp || !may_send_ipip(l) ||
	    !bpflb_vip_find(l->bn, l->family, &t->dst.addr))
		return BPFLB_OPENED_NOT;
	return open_plain(l, verdict);
}

/**
 * bpflb_open_ipip() - take a packet out of another of its family
 * @bn: namespace
 * @skb: the outer packet, in PREROUTING
 * @family: its
 * @pkt: for what is inside
 * @m: for its flow
 * @verdict: what to return from the hook, where it is DONE
 *
 * Context: RCU, bottom halves off.
 */
enum bpflb_opened bpflb_open_ipip(struct bpflb_net *bn, struct sk_buff *skb, u8 family,
				  struct bpflb_packet *pkt, struct bpflb_match *m,
				  unsigned int *verdict)
{
	struct letter l = letter_of(bn, skb, family);
	struct bpflb_packet asked = {};
	struct bpflb_backend *be;

	l.offset = skb_network_offset(skb) +
		   (family == NFPROTO_IPV6 ? sizeof(struct ipv6hdr) : ip_hdrlen(skb));
	if (!bpflb_peek(skb, l.offset, l.inner, &asked.tuple))
		return BPFLB_OPENED_NOT;
	if (!has_ports(asked.tuple.proto))
		return open_error(&l, &asked.tuple, verdict);
	*m = bpflb_flow_find(bn, &asked);
	if (m->flow && m->role == BPFLB_ROLE_ORIG && m->flow->kind == BPFLB_FLOW_DSR_IN &&
	    bpflb_addr_equal(&m->flow->be->key.at.addr, &l.dst))
		be = m->flow->be;
	else
		be = backend_at(&l, &asked.tuple);
	if (!be)
		return BPFLB_OPENED_NOT;
	if (!may_send_ipip(&l))
		return refuse(&l, be->key.svc, BPFLB_DROP_NOTE_SENDER, verdict);
	return open_for(&l, be, NULL, pkt, m, verdict);
}
