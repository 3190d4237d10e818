/* SPDX-License-Identifier: GPL-2.0-only */
/* Looking up sockets: the hash tables are arguments on some kernels only. */
#ifndef _BPFLB_COMPAT_SOCK_LOOKUP_H
#define _BPFLB_COMPAT_SOCK_LOOKUP_H

#include <net/inet6_hashtables.h>
#include <net/inet_hashtables.h>
#include <net/udp.h>

/* Return: a socket and a reference, or NULL. */
static inline struct sock *bpflb_inet_lookup_established(struct net *net, __be32 saddr,
							 __be16 sport, __be32 daddr,
							 u16 hnum, int dif)
{
#ifdef BPFLB_HAVE_HASHINFO_ARG
	return __inet_lookup_established(net, net->ipv4.tcp_death_row.hashinfo, saddr, sport,
					 daddr, hnum, dif, 0);
#else
	return __inet_lookup_established(net, saddr, sport, daddr, hnum, dif, 0);
#endif
}

/* Return: is there a socket? RCU protects it, but it may be gone right after. */
static inline bool bpflb_udp_lookup(struct net *net, __be32 saddr, __be16 sport, __be32 daddr,
				    __be16 dport, int dif)
{
#if defined(BPFLB_HAVE_NET_UDP_TABLE_ARG)
	return __udp4_lib_lookup(net, saddr, sport, daddr, dport, dif, 0, net->ipv4.udp_table,
				 NULL);
#elif defined(BPFLB_HAVE_UDP_TABLE_ARG)
	return __udp4_lib_lookup(net, saddr, sport, daddr, dport, dif, 0, &udp_table, NULL);
#else
	return __udp4_lib_lookup(net, saddr, sport, daddr, dport, dif, 0, NULL);
#endif
}

static inline struct sock *bpflb_inet6_lookup_established(struct net *net,
							  const struct in6_addr *saddr,
							  __be16 sport,
							  const struct in6_addr *daddr,
							  u16 hnum, int dif)
{
#ifdef BPFLB_HAVE_HASHINFO_ARG
	return __inet6_lookup_established(net, net->ipv4.tcp_death_row.hashinfo, saddr, sport,
					  daddr, hnum, dif, 0);
#else
	return __inet6_lookup_established(net, saddr, sport, daddr, hnum, dif, 0);
#endif
}

static inline bool bpflb_udp6_lookup(struct net *net, const struct in6_addr *saddr, __be16 sport,
				     const struct in6_addr *daddr, __be16 dport, int dif)
{
#if defined(BPFLB_HAVE_NET_UDP_TABLE_ARG)
	return __udp6_lib_lookup(net, saddr, sport, daddr, dport, dif, 0, net->ipv4.udp_table,
				 NULL);
#elif defined(BPFLB_HAVE_UDP_TABLE_ARG)
	return __udp6_lib_lookup(net, saddr, sport, daddr, dport, dif, 0, &udp_table, NULL);
#else
	return __udp6_lib_lookup(net, saddr, sport, daddr, dport, dif, 0, NULL);
#endif
}

#endif
