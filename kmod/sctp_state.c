// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpflb.h>

#include "packet.h"
#include "sctp_state.h"

/* From no answer at all to an association. */
static u8 open(u8 now, u8 chunks, bool from_backend, bool one_way)
{
	if (now == BPFLB_STATE_SCTP_INIT && from_backend)
		return chunks & BPFLB_SCTP_INIT_ACK ? BPFLB_STATE_SCTP_COOKIE :
						      BPFLB_STATE_SCTP_ESTABLISHED;
	if (now == BPFLB_STATE_SCTP_INIT && one_way && !(chunks & BPFLB_SCTP_INIT))
		return BPFLB_STATE_SCTP_ESTABLISHED;
	if (now == BPFLB_STATE_SCTP_COOKIE && from_backend && !(chunks & BPFLB_SCTP_INIT_ACK))
		return BPFLB_STATE_SCTP_ESTABLISHED;
	return now;
}

/**
 * bpflb_sctp_next() - the state after one more packet
 * @now: the state before it, enum bpflb_flow_state
 * @chunks: BPFLB_SCTP_*, those that are in it
 * @from_backend: who sent it
 * @one_way: the backend's packets don't come by here (a DSR flow's balancer)
 *
 * As for TCP a state only chooses a timeout. Verification tags are not looked at:
 * an endpoint that has restarted answers with one of its own.
 *
 * Context: any; no locks, the caller stores the result.
 */
u8 bpflb_sctp_next(u8 now, u8 chunks, bool from_backend, bool one_way)
{
	if (chunks & (BPFLB_SCTP_ABORT | BPFLB_SCTP_SHUTDOWN_COMPLETE))
		return BPFLB_STATE_SCTP_CLOSED;
	if (now < BPFLB_STATE_SCTP_SHUTDOWN &&
	    chunks & (BPFLB_SCTP_SHUTDOWN | BPFLB_SCTP_SHUTDOWN_ACK))
		return BPFLB_STATE_SCTP_SHUTDOWN;
	return open(now, chunks, from_backend, one_way);
}

/**
 * bpflb_sctp_is_closing() - may an INIT of the same tuple be a new association?
 * @state: enum bpflb_flow_state of an SCTP flow
 */
bool bpflb_sctp_is_closing(u8 state)
{
	return state == BPFLB_STATE_SCTP_SHUTDOWN || state == BPFLB_STATE_SCTP_CLOSED;
}
