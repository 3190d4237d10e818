/* SPDX-License-Identifier: GPL-2.0-only */
/* Flows, and the table they are found in. */
#ifndef _BPFLB_FLOW_H
#define _BPFLB_FLOW_H

#include <linux/bpflb.h>
#include <linux/cache.h>
#include <linux/container_of.h>
#include <linux/jiffies.h>
#include <linux/rcupdate.h>

#include "packet.h"
#include "tuple.h"

struct bpflb_account;
struct bpflb_backend;
struct bpflb_counters;
struct bpflb_net;

/**
 * enum bpflb_key - the tuples that a flow is found by
 * @BPFLB_KEY_ORIG: client -> service, as the client sends it
 * @BPFLB_KEY_MID: client -> backend, between our hooks, and its reverse: the
 *	one story that routing, firewall and conntrack see
 * @BPFLB_KEY_REPLY: backend -> this node's address and port (SNAT only)
 *
 * A flow has ORIG and MID; of SNAT, once its first packet is on its way out,
 * REPLY too; of DSR_OUT only ORIG where another flow has its MID. The ORIG of
 * DSR_IN is what its note names.
 */
enum bpflb_key {
	BPFLB_KEY_ORIG,
	BPFLB_KEY_MID,
	BPFLB_KEY_REPLY,
	BPFLB_KEYS,
};

/**
 * enum bpflb_role - what a packet is to the flow that was found for it
 * @BPFLB_ROLE_ORIG: client -> service
 * @BPFLB_ROLE_REPLY: backend -> this node's SNAT address
 * @BPFLB_ROLE_MID_ORIG: client -> backend
 * @BPFLB_ROLE_MID_REPLY: backend -> client
 */
enum bpflb_role {
	BPFLB_ROLE_ORIG,
	BPFLB_ROLE_REPLY,
	BPFLB_ROLE_MID_ORIG,
	BPFLB_ROLE_MID_REPLY,
};

/* Bits of bpflb_flow.flags */
#define BPFLB_FLOW_DEAD		0x01	/* out of the table; under the bucket locks */
#define BPFLB_FLOW_NOTE_ALWAYS	0x02	/* a DSR note on each packet, not only on the SYN */
#define BPFLB_FLOW_COUNTED	0x04	/* in bpflb_service.flows */
#define BPFLB_FLOW_ACCOUNTED	0x08	/* it has an @account; never changes */

/* Where the addresses of a flow are in bpflb_flow.addr, or bpflb_flow6.addr */
enum {
	BPFLB_ADDR_CLIENT,
	BPFLB_ADDR_SERVICE,
	BPFLB_ADDR_BACKEND,
	BPFLB_ADDR_SNAT,
	BPFLB_ADDRS,
};

struct dst_entry;

/**
 * struct bpflb_way - the way that bypass takes with packets of one direction
 * @dst: their route, a reference; NULL: they take the stack's way
 * @iif: the device that they come in by, as in skb->skb_iif
 * @mtu: the largest packet that may go, bytes, as it comes in
 *
 * Changed under the lock of the flow's MID; readers look at @dst once more
 * after the others.
 */
struct bpflb_way {
	struct dst_entry *dst;
	int iif;
	u16 mtu;
};

/**
 * struct bpflb_flow - one balanced connection, or UDP exchange
 * @addr: BPFLB_ADDR_*, of IPv4
 * @cookie: of IPv6: what dst_check() of each @way wants to know
 * @orig_addrs: those of ORIG
 * @reply_addrs: those of REPLY
 * @cport: port of the client
 * @vport: port of the service
 * @orig_ports: both
 * @bport: port of the backend
 * @sport: SNAT: port of this node, to the backend
 * @reply_ports: both
 * @ns_proto: bpflb_ns_proto(): namespace, family, protocol
 * @mport: the client's port between our hooks; @cport unless that was taken
 * @kind: enum bpflb_flow_kind; never changes
 * @state: enum bpflb_flow_state
 * @seen: jiffies of the last packet, at most a second late
 * @refresh: when conntrack is to see a packet again, in the clock of bypass.c;
 *	0: it need not
 * @flags: BPFLB_FLOW_*
 * @keys: bits of the enum bpflb_key that are in the table; ORIG's bucket lock, and
 *	MID's for adding REPLY
 * @bn: its namespace
 * @hash: of each key that it has
 * @closed: BPFLB_CLOSED_*, for TCP; of SCTP any, once an end says that it has no more to send
 * @dispatch: of DSR_OUT: enum bpflb_dispatch; never changes
 * @be: its backend, a reference; never changes
 * @counters: @be's; NULL: bpflb_flow_account_packet() knows where to count
 * @rcu: to free it, unless it has
 * @account: packets and bytes of its own, with FLOW_ACCOUNTED
 * @way: for packets from the client, and for those from the backend
 *
 * Readers hold RCU and take no reference. What a lookup compares is in one
 * cache line, the first of an IPv4 flow's two.
 */
struct bpflb_flow {
	union {
		__be32 addr[BPFLB_ADDRS];
		u32 cookie[2];
		struct {
			u64 orig_addrs;
			u64 reply_addrs;
		};
	};
	union {
		struct {
			__be16 cport;
			__be16 vport;
		};
		u32 orig_ports;
	};
	union {
		struct {
			__be16 bport;
			__be16 sport;
		};
		u32 reply_ports;
	};
	u32 ns_proto;
	__be16 mport;
	u8 kind;
	u8 state;
	u32 seen;
	u16 refresh;
	u8 flags;
	u8 keys;
	struct bpflb_net *bn;
	u32 hash[BPFLB_KEYS];
	u8 closed;
	u8 dispatch;

	struct bpflb_backend *be __aligned(64);
	struct bpflb_counters __percpu *counters;
	union {
		struct rcu_head rcu;
		struct bpflb_account *account;
	};
	struct bpflb_way way[2];
} __aligned(64);

/**
 * struct bpflb_flow6 - a flow of IPv6
 * @flow: all that is not an address
 * @addr: BPFLB_ADDR_*
 */
struct bpflb_flow6 {
	struct bpflb_flow flow;
	struct in6_addr addr[BPFLB_ADDRS];
};

static inline u8 bpflb_flow_proto(const struct bpflb_flow *flow)
{
	return flow->ns_proto;
}

static inline bool bpflb_flow_is_ipv6(const struct bpflb_flow *flow)
{
	return flow->ns_proto & BIT(8);
}

static inline u8 bpflb_flow_family(const struct bpflb_flow *flow)
{
	return bpflb_flow_is_ipv6(flow) ? NFPROTO_IPV6 : NFPROTO_IPV4;
}

static inline const struct in6_addr *bpflb_flow_addr6(const struct bpflb_flow *flow,
						      unsigned int which)
{
	return &container_of(flow, const struct bpflb_flow6, flow)->addr[which];
}

/**
 * bpflb_flow_addr() - one of a flow's addresses, of either family
 * @flow: the flow
 * @which: BPFLB_ADDR_*
 */
static inline union nf_inet_addr bpflb_flow_addr(const struct bpflb_flow *flow,
						 unsigned int which)
{
	if (bpflb_flow_is_ipv6(flow))
		return (union nf_inet_addr){ .in6 = *bpflb_flow_addr6(flow, which) };
	return (union nf_inet_addr){ .ip = flow->addr[which] };
}

/* Is it a packet that the backend has sent, in whatever shape? */
static inline bool bpflb_role_is_reply(enum bpflb_role role)
{
	return role == BPFLB_ROLE_REPLY || role == BPFLB_ROLE_MID_REPLY;
}

/**
 * struct bpflb_match - a flow that was found
 * @flow: NULL: none was
 * @role: what the packet is to it
 */
struct bpflb_match {
	struct bpflb_flow *flow;
	enum bpflb_role role;
};

/* flow_table.c: finding, linking, unlinking */
int bpflb_flow_table_init(void);
struct bpflb_match bpflb_flow_find(const struct bpflb_net *bn, struct bpflb_packet *pkt);
struct bpflb_match bpflb_flow_find_again(const struct bpflb_net *bn,
					 const struct bpflb_packet *pkt);
struct bpflb_match bpflb_flow_find_with(const struct bpflb_net *bn, struct bpflb_packet *pkt,
					const struct bpflb_backend *be);
struct bpflb_match bpflb_flow_find_mid(const struct bpflb_net *bn, const struct bpflb_tuple *t);
bool bpflb_flow_is_one_packet(const struct bpflb_flow *flow);
int bpflb_flow_link(struct bpflb_flow *flow, bool mid, enum bpflb_key *clash);
void bpflb_flow_tuple(const struct bpflb_flow *flow, enum bpflb_key key, struct bpflb_tuple *t);
bool bpflb_flow_clashes(const struct bpflb_flow *flow, const struct bpflb_flow *other,
			enum bpflb_key key);
int bpflb_flow_link_reply(struct bpflb_flow *flow, const union nf_inet_addr *addr, __be16 port);
bool bpflb_flow_unlink(struct bpflb_flow *flow);

/* flow.c: making, ageing, ending */
void bpflb_flow_set_addr(struct bpflb_flow *flow, unsigned int which,
			 const union nf_inet_addr *addr);
int bpflb_flow_init(void);
void bpflb_flow_exit(void);
void bpflb_flow_set(struct bpflb_flow *flow, struct bpflb_net *bn, struct bpflb_backend *be,
		    const struct bpflb_packet *pkt, u8 kind);
struct bpflb_flow *bpflb_flow_alloc(struct bpflb_net *bn, struct bpflb_backend *be,
				    const struct bpflb_packet *pkt, u8 kind);
void bpflb_flow_free_unlinked(struct bpflb_flow *flow);
void bpflb_flow_announce(struct bpflb_flow *flow);
bool bpflb_flow_is_crowded(struct bpflb_net *bn);
void bpflb_flow_kill(struct bpflb_flow *flow, enum bpflb_flow_end end);
enum bpflb_flow_end bpflb_flow_end_of_state(const struct bpflb_flow *flow);
bool bpflb_flow_make_room(struct bpflb_net *bn);
u8 bpflb_state_proto(u8 state);
u32 bpflb_flow_timeout(const struct bpflb_flow *flow);
bool bpflb_flow_is_expired(const struct bpflb_flow *flow);
bool bpflb_flow_is_closing(const struct bpflb_flow *flow);
void bpflb_flow_saw(struct bpflb_flow *flow, const struct bpflb_packet *pkt, bool from_backend);

static inline u32 bpflb_flow_idle(const struct bpflb_flow *flow)
{
	/* First @seen: another processor may write it right after this one has
	 * looked at the time, and a moment below nothing is a long time.
	 */
	u32 seen = smp_load_acquire(&flow->seen);

	return (u32)jiffies - seen;
}

static inline bool bpflb_flow_is_unreplied(const struct bpflb_flow *flow)
{
	u8 state = READ_ONCE(flow->state);

	return state == BPFLB_STATE_TCP_SYN_SENT || state == BPFLB_STATE_UDP_UNREPLIED ||
	       state == BPFLB_STATE_SCTP_INIT;
}

#endif
