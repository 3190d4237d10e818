/* SPDX-License-Identifier: GPL-2.0-only */
/* The addresses and ports that services are asked at. */
#ifndef _BPFLB_FRONTEND_H
#define _BPFLB_FRONTEND_H

#include <linux/netfilter.h>
#include <linux/rhashtable.h>

#include "tuple.h"

struct bpflb_net;
struct bpflb_service;
struct bpflb_vip;

/**
 * struct bpflb_frontend_key - what a client's packet is for
 * @at: address and port; the address 0: a node port
 * @proto: IPPROTO_TCP, IPPROTO_UDP or IPPROTO_SCTP
 * @family: NFPROTO_IPV4 or NFPROTO_IPV6; NFPROTO_UNSPEC: a node port, of both
 * @last: the last port of a range that begins with @at.port; 0: it is no range
 */
struct bpflb_frontend_key {
	struct bpflb_endpoint at;
	u8 proto;
	u8 family;
	__be16 last;
};

static inline bool bpflb_frontend_has_addr(const struct bpflb_frontend_key *key)
{
	return key->family != NFPROTO_UNSPEC;
}

/**
 * struct bpflb_frontend - one address of a service
 * @hash: in bpflb_net.frontends
 * @dirty: in bpflb_txn.frontends, if it changes in the open transaction
 * @rcu: to free it
 * @key: what it is found by
 * @vip: its address; NULL: a node port
 * @range: in bpflb_vip.ranges, if it is one
 * @service: whose it is; NULL: nobody's yet, or no more
 * @next: @service after the open transaction
 */
struct bpflb_frontend {
	struct rhash_head hash;
	struct list_head dirty;
	struct rcu_head rcu;
	struct bpflb_frontend_key key;
	struct bpflb_vip *vip;
	struct list_head range;
	struct bpflb_service __rcu *service;
	struct bpflb_service *next;
};

/* Bits of bpflb_front.flags */
#define BPFLB_FRONT_OPEN	0x01	/* for all clients, whatever the source ranges are */
#define BPFLB_FRONT_INTERNAL	0x02	/* the internal policy's */

/**
 * struct bpflb_front - one address of a service, as that has it
 * @fe: the address
 * @flags: BPFLB_FRONT_*
 */
struct bpflb_front {
	struct bpflb_frontend *fe;
	u8 flags;
};

/** struct bpflb_frontends - the addresses of a service, in the user's order */
struct bpflb_frontends {
	u32 n;
	struct bpflb_front front[];
};

extern const struct rhashtable_params bpflb_frontend_params;

/* Which bits of bpflb_net.ports */
enum {
	BPFLB_PORTS_ADDRESS,
	BPFLB_PORTS_NODE,
};

/* The packet path */
struct bpflb_frontend *bpflb_frontend_for(struct bpflb_net *bn, const struct bpflb_tuple *t);
struct bpflb_service *bpflb_service_of_note(struct bpflb_net *bn, const struct bpflb_tuple *t);

/* The control plane; all with bpflb_net.lock held */
int bpflb_frontends_set(struct bpflb_service *svc, const struct bpflb_frontend_key *key,
			const u8 *flags, u32 n, u32 *bad);
void bpflb_frontends_disown(struct bpflb_service *svc);
bool bpflb_frontends_equal(const struct bpflb_frontends *a, const struct bpflb_frontends *b);
void bpflb_frontend_settle(struct bpflb_net *bn, struct bpflb_frontend *fe, bool keep_next);

#endif
