// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpflb.h>

#include "packet.h"
#include "tcp_state.h"

/**
 * bpflb_tcp_next() - the state after one more packet
 * @now: the state before it
 * @flags: byte 13 of its TCP header
 * @from_backend: who sent it
 * @one_way: the backend's packets don't come by here (a DSR flow's balancer)
 *
 * Sequence numbers are not looked at: a state only chooses a timeout, and a
 * packet is translated whatever the state is. What an attacker can win by a
 * forged RST is a flow that must not idle for longer than the closed timeout.
 *
 * Context: any; no locks, the caller stores the result.
 */
struct bpflb_tcp bpflb_tcp_next(struct bpflb_tcp now, u8 flags, bool from_backend, bool one_way)
{
	if (flags & BPFLB_TCP_RST) {
		now.state = BPFLB_STATE_TCP_CLOSED;
		return now;
	}

	if (flags & BPFLB_TCP_FIN)
		now.closed |= from_backend ? BPFLB_CLOSED_BACKEND : BPFLB_CLOSED_CLIENT;

	switch (now.state) {
	case BPFLB_STATE_TCP_SYN_SENT:
		if (from_backend)
			now.state = flags & BPFLB_TCP_SYN ? BPFLB_STATE_TCP_SYN_RECEIVED :
							    BPFLB_STATE_TCP_ESTABLISHED;
		else if (one_way && !(flags & BPFLB_TCP_SYN))
			now.state = BPFLB_STATE_TCP_ESTABLISHED;
		break;
	case BPFLB_STATE_TCP_SYN_RECEIVED:
		if (!from_backend && !(flags & BPFLB_TCP_SYN))
			now.state = BPFLB_STATE_TCP_ESTABLISHED;
		break;
	}

	if (now.closed && now.state < BPFLB_STATE_TCP_FIN)
		now.state = BPFLB_STATE_TCP_FIN;
	if (now.closed == (BPFLB_CLOSED_CLIENT | BPFLB_CLOSED_BACKEND) &&
	    now.state == BPFLB_STATE_TCP_FIN)
		now.state = BPFLB_STATE_TCP_TIME_WAIT;
	return now;
}

/**
 * bpflb_tcp_is_closing() - may a SYN of the same tuple be a new connection?
 * @state: enum bpflb_flow_state of a TCP flow
 */
bool bpflb_tcp_is_closing(u8 state)
{
	return state == BPFLB_STATE_TCP_FIN || state == BPFLB_STATE_TCP_TIME_WAIT ||
	       state == BPFLB_STATE_TCP_CLOSED;
}
