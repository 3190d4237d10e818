/* SPDX-License-Identifier: GPL-2.0-only */
/* Who may ask a service, and whom of its backends. */
#ifndef _BPFLB_ASK_H
#define _BPFLB_ASK_H

#include <linux/bpflb.h>
#include <linux/types.h>

struct bpflb_frontend;
struct bpflb_net;
struct bpflb_packet;
struct bpflb_pool;
struct bpflb_version;

bool bpflb_may_ask(struct bpflb_net *bn, const struct bpflb_version *v,
		   const struct bpflb_frontend *fe, const struct bpflb_packet *pkt);
u8 bpflb_policy_at(const struct bpflb_version *v, const struct bpflb_frontend *fe);
const struct bpflb_pool *bpflb_pool_at(struct bpflb_net *bn, const struct bpflb_version *v,
				       const struct bpflb_frontend *fe,
				       const struct bpflb_packet *pkt);
enum bpflb_drop_reason bpflb_ask(struct bpflb_net *bn, const struct bpflb_version *v,
				 const struct bpflb_frontend *fe, const struct bpflb_packet *pkt,
				 const struct bpflb_pool **pool);

#endif
