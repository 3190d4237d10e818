/* SPDX-License-Identifier: GPL-2.0-only */
/* The states of an SCTP flow, as far as a balancer needs them. Pure. */
#ifndef _BPFLB_SCTP_STATE_H
#define _BPFLB_SCTP_STATE_H

#include <linux/types.h>

u8 bpflb_sctp_next(u8 now, u8 chunks, bool from_backend, bool one_way);
bool bpflb_sctp_is_closing(u8 state);

#endif
