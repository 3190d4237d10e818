// SPDX-License-Identifier: GPL-2.0-only
// SOURCES: ../../kmod/sctp_state.c
// KERNEL
/* SCTP states: whole associations step by step, and what holds for any packets. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <cmocka.h>

#include <linux/bpflb.h>

#include "packet.h"
#include "sctp_state.h"

#define DATA	0	/* COOKIE ECHO, COOKIE ACK, SACK, HEARTBEAT too: nothing to tell them by */

struct step {
	bool from_backend;
	u8 chunks;
	u8 state;
};

#define CLIENT(CHUNKS, STATE)	{ false, CHUNKS, BPFLB_STATE_SCTP_##STATE }
#define BACKEND(CHUNKS, STATE)	{ true, CHUNKS, BPFLB_STATE_SCTP_##STATE }

static void walk(const struct step *step, int n, bool one_way)
{
	u8 now = BPFLB_STATE_SCTP_INIT;
	int i;

	for (i = 0; i < n; i++) {
		now = bpflb_sctp_next(now, step[i].chunks, step[i].from_backend, one_way);
		assert_int_equal(now, step[i].state);
	}
}

#define WALK(ONE_WAY, ...) do {							\
	const struct step steps[] = { __VA_ARGS__ };				\
										\
	walk(steps, sizeof(steps) / sizeof(steps[0]), ONE_WAY);			\
} while (0)

static void opens_and_shuts_down(void **state)
{
	(void)state;
	WALK(false, CLIENT(BPFLB_SCTP_INIT, INIT), CLIENT(BPFLB_SCTP_INIT, INIT),
	     BACKEND(BPFLB_SCTP_INIT_ACK, COOKIE), CLIENT(DATA, COOKIE),
	     BACKEND(BPFLB_SCTP_INIT_ACK, COOKIE), BACKEND(DATA, ESTABLISHED),
	     CLIENT(DATA, ESTABLISHED), CLIENT(BPFLB_SCTP_SHUTDOWN, SHUTDOWN),
	     BACKEND(DATA, SHUTDOWN), BACKEND(BPFLB_SCTP_SHUTDOWN_ACK, SHUTDOWN),
	     CLIENT(BPFLB_SCTP_SHUTDOWN_COMPLETE, CLOSED), BACKEND(DATA, CLOSED));
}

static void is_seen_from_one_side_only(void **state)
{
	(void)state;
	WALK(true, CLIENT(BPFLB_SCTP_INIT, INIT), CLIENT(BPFLB_SCTP_INIT, INIT),
	     CLIENT(DATA, ESTABLISHED), CLIENT(BPFLB_SCTP_SHUTDOWN_ACK, SHUTDOWN),
	     CLIENT(DATA, SHUTDOWN));
}

static void is_aborted(void **state)
{
	(void)state;
	WALK(false, CLIENT(BPFLB_SCTP_INIT, INIT), BACKEND(BPFLB_SCTP_ABORT, CLOSED));
	WALK(false, CLIENT(BPFLB_SCTP_INIT, INIT), BACKEND(BPFLB_SCTP_INIT_ACK, COOKIE),
	     BACKEND(DATA, ESTABLISHED), CLIENT(BPFLB_SCTP_ABORT, CLOSED));
}

static void is_met_in_mid_life(void **state)
{
	(void)state;
	WALK(false, CLIENT(DATA, INIT), BACKEND(DATA, ESTABLISHED));
	WALK(true, CLIENT(DATA, ESTABLISHED));
}

static void what_is_unanswered_stays_so(void **state)
{
	(void)state;
	WALK(false, CLIENT(BPFLB_SCTP_INIT, INIT), CLIENT(DATA, INIT), CLIENT(DATA, INIT));
}

static void any_packets_whatever(void **state)
{
	int round, i;

	(void)state;
	for (round = 0; round < 20000; round++) {
		u8 now = BPFLB_STATE_SCTP_INIT;
		bool one_way = rand() % 2;

		for (i = 0; i < 20; i++) {
			u8 chunks = rand();
			u8 next = bpflb_sctp_next(now, chunks, !one_way && rand() % 2, one_way);

			assert_true(next <= BPFLB_STATE_SCTP_CLOSED);
			/* It never goes back, and an ABORT ends it. */
			assert_true(next >= now);
			if (chunks & BPFLB_SCTP_ABORT)
				assert_int_equal(next, BPFLB_STATE_SCTP_CLOSED);
			now = next;
		}
	}
}

static void an_init_is_new_only_when_closing(void **state)
{
	int s;

	(void)state;
	for (s = 0; s < __BPFLB_STATE_MAX; s++)
		assert_int_equal(bpflb_sctp_is_closing(s), s == BPFLB_STATE_SCTP_SHUTDOWN ||
							   s == BPFLB_STATE_SCTP_CLOSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_and_shuts_down),
		cmocka_unit_test(is_seen_from_one_side_only),
		cmocka_unit_test(is_aborted),
		cmocka_unit_test(is_met_in_mid_life),
		cmocka_unit_test(what_is_unanswered_stays_so),
		cmocka_unit_test(any_packets_whatever),
		cmocka_unit_test(an_init_is_new_only_when_closing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
