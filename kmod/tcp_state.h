/* SPDX-License-Identifier: GPL-2.0-only */
/* The states of a TCP flow, as far as a balancer needs them. Pure. */
#ifndef _BPFLB_TCP_STATE_H
#define _BPFLB_TCP_STATE_H

#include <linux/types.h>

/* Which sides have closed; kept beside the state. */
#define BPFLB_CLOSED_CLIENT	0x1
#define BPFLB_CLOSED_BACKEND	0x2

/**
 * struct bpflb_tcp - a TCP flow's state
 * @state: enum bpflb_flow_state
 * @closed: BPFLB_CLOSED_*
 */
struct bpflb_tcp {
	u8 state;
	u8 closed;
};

struct bpflb_tcp bpflb_tcp_next(struct bpflb_tcp now, u8 flags, bool from_backend, bool one_way);
bool bpflb_tcp_is_closing(u8 state);

#endif
