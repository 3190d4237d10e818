// SPDX-License-Identifier: GPL-2.0-only
// SOURCES: ../../kmod/tcp_state.c
// KERNEL
/* TCP states: whole connections step by step, and what holds for any packets. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <cmocka.h>

#include <linux/bpflb.h>

#include "packet.h"
#include "tcp_state.h"

#define S	BPFLB_TCP_SYN
#define A	BPFLB_TCP_ACK
#define F	BPFLB_TCP_FIN
#define R	BPFLB_TCP_RST

struct step {
	bool from_backend;
	u8 flags;
	u8 state;
};

#define CLIENT(FLAGS, STATE)	{ false, FLAGS, BPFLB_STATE_TCP_##STATE }
#define BACKEND(FLAGS, STATE)	{ true, FLAGS, BPFLB_STATE_TCP_##STATE }

static void walk(const struct step *step, int n, bool one_way)
{
	struct bpflb_tcp now = { BPFLB_STATE_TCP_SYN_SENT, 0 };
	int i;

	for (i = 0; i < n; i++) {
		now = bpflb_tcp_next(now, step[i].flags, step[i].from_backend, one_way);
		assert_int_equal(now.state, step[i].state);
	}
}

#define WALK(ONE_WAY, ...) do {							\
	const struct step steps[] = { __VA_ARGS__ };				\
										\
	walk(steps, sizeof(steps) / sizeof(steps[0]), ONE_WAY);			\
} while (0)

static void opens_and_closes(void **state)
{
	(void)state;
	WALK(false, CLIENT(S, SYN_SENT), CLIENT(S, SYN_SENT), BACKEND(S | A, SYN_RECEIVED),
	     CLIENT(A, ESTABLISHED), BACKEND(A, ESTABLISHED), CLIENT(F | A, FIN),
	     BACKEND(A, FIN), BACKEND(F | A, TIME_WAIT), CLIENT(A, TIME_WAIT));
	WALK(false, CLIENT(S, SYN_SENT), BACKEND(S | A, SYN_RECEIVED), CLIENT(A, ESTABLISHED),
	     BACKEND(F | A, FIN), CLIENT(F | A, TIME_WAIT));
}

static void is_seen_from_one_side_only(void **state)
{
	(void)state;
	WALK(true, CLIENT(S, SYN_SENT), CLIENT(S, SYN_SENT), CLIENT(A, ESTABLISHED),
	     CLIENT(F | A, FIN), CLIENT(A, FIN));
}

static void is_met_in_mid_life(void **state)
{
	(void)state;
	WALK(false, CLIENT(A, SYN_SENT), BACKEND(A, ESTABLISHED));
	WALK(true, CLIENT(A, ESTABLISHED));
}

static void is_refused(void **state)
{
	(void)state;
	WALK(false, CLIENT(S, SYN_SENT), BACKEND(R | A, CLOSED), CLIENT(A, CLOSED));
}

static void answers_while_unanswered_change_nothing(void **state)
{
	(void)state;
	/* A client that sends on without an answer must not hold a flow for hours. */
	WALK(false, CLIENT(S, SYN_SENT), CLIENT(A, SYN_SENT), CLIENT(A, SYN_SENT));
}

static void any_packets_whatever(void **state)
{
	int round, i;

	(void)state;
	for (round = 0; round < 20000; round++) {
		struct bpflb_tcp now = { BPFLB_STATE_TCP_SYN_SENT, 0 };
		bool one_way = rand() % 2;

		for (i = 0; i < 20; i++) {
			u8 flags = rand();
			struct bpflb_tcp next = bpflb_tcp_next(now, flags, !one_way && rand() % 2,
							       one_way);

			assert_true(next.state <= BPFLB_STATE_TCP_CLOSED);
			/* It never goes back, and a reset ends it. */
			assert_true(next.state >= now.state);
			assert_int_equal(next.closed & now.closed, now.closed);
			if (flags & R)
				assert_int_equal(next.state, BPFLB_STATE_TCP_CLOSED);
			now = next;
		}
	}
}

static void a_syn_is_new_only_when_closing(void **state)
{
	(void)state;
	assert_false(bpflb_tcp_is_closing(BPFLB_STATE_TCP_SYN_SENT));
	assert_false(bpflb_tcp_is_closing(BPFLB_STATE_TCP_SYN_RECEIVED));
	assert_false(bpflb_tcp_is_closing(BPFLB_STATE_TCP_ESTABLISHED));
	assert_true(bpflb_tcp_is_closing(BPFLB_STATE_TCP_FIN));
	assert_true(bpflb_tcp_is_closing(BPFLB_STATE_TCP_TIME_WAIT));
	assert_true(bpflb_tcp_is_closing(BPFLB_STATE_TCP_CLOSED));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_and_closes),
		cmocka_unit_test(is_seen_from_one_side_only),
		cmocka_unit_test(is_met_in_mid_life),
		cmocka_unit_test(is_refused),
		cmocka_unit_test(answers_while_unanswered_change_nothing),
		cmocka_unit_test(any_packets_whatever),
		cmocka_unit_test(a_syn_is_new_only_when_closing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
