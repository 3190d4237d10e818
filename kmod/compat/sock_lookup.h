/* SPDX-License-Identifier: GPL-2.0-only */
/* Looking up sockets: the hash tables of UDP are arguments on some kernels only. */
#ifndef _BPFLB_COMPAT_SOCK_LOOKUP_H
#define _BPFLB_COMPAT_SOCK_LOOKUP_H

#include <net/inet_hashtables.h>
#include <net/udp.h>

/* Has any TCP socket of the namespace the port, of either family, whether it is bound,
 * listens, connects or is connected? Context: bottom halves off.
 */
static inline bool bpflb_tcp_port_is_bound(struct net *net, u16 port)
{
	struct inet_hashinfo *info = net->ipv4.tcp_death_row.hashinfo;
	struct inet_bind_hashbucket *head;
	struct inet_bind_bucket *tb;
	bool bound = false;

	head = &info->bhash[inet_bhashfn(net, port, info->bhash_size)];
	spin_lock(&head->lock);
	inet_bind_bucket_for_each(tb, &head->chain)
		bound |= tb->port == port && net_eq(ib_net(tb), net);
	spin_unlock(&head->lock);
	return bound;
}

/* Those of one network namespace, or of all. */
static inline struct udp_table *bpflb_udp_table(struct net *net)
{
#if defined(BPFLB_HAVE_UDP_TABLE_ARG) && !defined(BPFLB_HAVE_NET_UDP_TABLE_ARG)
	return &udp_table;
#else
	return net->ipv4.udp_table;
#endif
}

/* Of most ports this says without a lookup that there is no socket, of either family. */
static inline bool bpflb_udp_port_may_be_bound(struct net *net, u16 port)
{
	return !hlist_empty(&udp_hashslot(bpflb_udp_table(net), net, port)->head);
}

/* Return: is there a socket? RCU protects it, but it may be gone right after. */
static inline bool bpflb_udp_lookup(struct net *net, __be32 saddr, __be16 sport, __be32 daddr,
				    __be16 dport, int dif, int sdif)
{
#if defined(BPFLB_HAVE_NET_UDP_TABLE_ARG) || defined(BPFLB_HAVE_UDP_TABLE_ARG)
	return __udp4_lib_lookup(net, saddr, sport, daddr, dport, dif, sdif, bpflb_udp_table(net),
				 NULL);
#else
	return __udp4_lib_lookup(net, saddr, sport, daddr, dport, dif, sdif, NULL);
#endif
}

static inline bool bpflb_udp6_lookup(struct net *net, const struct in6_addr *saddr, __be16 sport,
				     const struct in6_addr *daddr, __be16 dport, int dif, int sdif)
{
#if defined(BPFLB_HAVE_NET_UDP_TABLE_ARG) || defined(BPFLB_HAVE_UDP_TABLE_ARG)
	return __udp6_lib_lookup(net, saddr, sport, daddr, dport, dif, sdif, bpflb_udp_table(net),
				 NULL);
#else
	return __udp6_lib_lookup(net, saddr, sport, daddr, dport, dif, sdif, NULL);
#endif
}

#endif
