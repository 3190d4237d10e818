/* SPDX-License-Identifier: GPL-2.0-only */
/* How a new flow gets to its backend. */
#ifndef _BPFLB_COURSE_H
#define _BPFLB_COURSE_H

#include <linux/bpflb.h>
#include <linux/types.h>

struct bpflb_net;
struct bpflb_packet;
struct bpflb_settings;
struct bpflb_slot;
struct bpflb_version;

/**
 * struct bpflb_course - how a flow gets to its backend
 * @kind: enum bpflb_flow_kind
 * @dispatch: of DSR_OUT: enum bpflb_dispatch
 * @why: enum bpflb_why, for people
 */
struct bpflb_course {
	u8 kind;
	u8 dispatch;
	u8 why;
};

bool bpflb_is_pod_here(const struct bpflb_settings *s, const struct bpflb_packet *pkt);
struct bpflb_course bpflb_course_of(struct bpflb_net *bn, const struct bpflb_version *v,
				    const struct bpflb_slot *slot,
				    const struct bpflb_packet *pkt, u8 policy);

#endif
