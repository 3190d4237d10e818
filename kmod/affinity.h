/* SPDX-License-Identifier: GPL-2.0-only */
/* Session affinity: a client's next flow goes where its last one went. */
#ifndef _BPFLB_AFFINITY_H
#define _BPFLB_AFFINITY_H

#include <linux/bits.h>
#include <linux/types.h>

#include "affinity_set.h"

/* Clients of a namespace: 4.5 MiB, once a service has affinity. */
#define BPFLB_AFFINITY_MAX	BIT(17)

/* What a client may be in by its hash; see affinity_set.h. */
#define BPFLB_AFFINITY_SETS	(BPFLB_AFFINITY_MAX / BPFLB_AFFINITY_WAYS)

struct bpflb_affinity_sets;
struct bpflb_backend;
struct bpflb_net;
struct bpflb_pool;
struct bpflb_service;
struct bpflb_slot;
struct bpflb_tuple;
struct bpflb_version;

const struct bpflb_slot *bpflb_affinity_choose(struct bpflb_net *bn,
					       const struct bpflb_service *svc,
					       const struct bpflb_version *v,
					       const struct bpflb_pool *pool,
					       const struct bpflb_tuple *t);
const struct bpflb_slot *bpflb_affinity_tell(struct bpflb_net *bn,
					     const struct bpflb_service *svc,
					     const struct bpflb_version *v,
					     const struct bpflb_pool *pool,
					     const struct bpflb_tuple *t);
bool bpflb_affinity_add(struct bpflb_net *bn, const struct bpflb_affinity *new);
void bpflb_affinity_read(struct bpflb_net *bn, u32 set, struct bpflb_affinity *at);
struct bpflb_backend *bpflb_affinity_backend(const struct bpflb_service *svc,
					     const struct bpflb_affinity *a);
int bpflb_affinity_prepare(struct bpflb_net *bn);
void bpflb_affinity_free(struct bpflb_net *bn);

#endif
