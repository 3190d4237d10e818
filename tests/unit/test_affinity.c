// SPDX-License-Identifier: GPL-2.0-only
// SOURCES: ../../kmod/affinity_set.c
// KERNEL
/* A set of clients, against a list of all that have ever asked. */
#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "affinity_set.h"

#define CLIENTS 14

static struct bpflb_affinity_key key_of(u32 client)
{
	struct bpflb_affinity_key key = { .service = 1 + client % 2 };

	key.client[3] = client / 2;
	return key;
}

/* What affinity.c does for a flow. Return: was it known? */
static bool ask(struct bpflb_affinity *set, u32 client, u32 timeout, u32 now, bool *evicts)
{
	struct bpflb_affinity_key key = key_of(client);
	struct bpflb_affinity *a = bpflb_affinity_find(set, &key);
	bool known = a && bpflb_affinity_holds(a, timeout, now);

	*evicts = false;
	if (!a) {
		a = bpflb_affinity_room(set, now);
		*evicts = bpflb_affinity_holds(a, a->timeout, now);
	}
	*a = (struct bpflb_affinity){ .key = key, .backend = client, .seen = now,
				      .timeout = timeout };
	return known;
}

/* Is there one of those that are held, and in the set, which was not seen for longer? */
static bool is_oldest(const u32 *seen, const bool *in, u32 client, u32 now)
{
	u32 i;

	for (i = 0; i < CLIENTS; i++)
		if (in[i] && now - seen[i] > now - seen[client])
			return false;
	return true;
}

static void like_the_naive_model(void **state)
{
	struct bpflb_affinity set[BPFLB_AFFINITY_WAYS] = {};
	u32 seen[CLIENTS], timeout[CLIENTS], now, i, n, gone;
	bool in[CLIENTS] = {}, evicts, was;
	int round, evicted = 0, expired = 0;

	(void)state;
	/* Seconds begin anew on the way. */
	for (round = 0, now = -20000; round < 20000; round++, now += rand() % 3) {
		u32 client = rand() % CLIENTS;

		for (i = 0; i < CLIENTS; i++) {
			expired += in[i] && now - seen[i] > timeout[i];
			in[i] = in[i] && now - seen[i] <= timeout[i];
		}
		was = in[client];
		timeout[client] = client % 3 ? 20 : 6;
		assert_int_equal(ask(set, client, timeout[client], now, &evicts), was);
		for (i = 0, n = 0, gone = CLIENTS; i < CLIENTS; i++) {
			struct bpflb_affinity_key key = key_of(i);
			struct bpflb_affinity *a = bpflb_affinity_find(set, &key);

			if (in[i] && i != client && !a)
				gone = i;
			n += in[i];
			if (a)
				assert_int_equal(a->backend, i);
		}
		/* Nobody gives way but the oldest, and only where all places are held. */
		assert_int_equal(evicts, gone != CLIENTS);
		assert_int_equal(evicts, !was && n == BPFLB_AFFINITY_WAYS);
		if (evicts) {
			assert_true(is_oldest(seen, in, gone, now));
			in[gone] = false;
			evicted++;
		}
		in[client] = true;
		seen[client] = now;
	}
	assert_true(evicted > 100);
	assert_true(expired > 100);
}

static void a_timeout_is_never_cut(void **state)
{
	struct bpflb_affinity_key key = key_of(1);
	struct bpflb_affinity a = { .key = key, .seen = 100, .timeout = 1 }, none = {};

	(void)state;
	assert_true(bpflb_affinity_holds(&a, 10, 110));
	assert_false(bpflb_affinity_holds(&a, 10, 111));
	/* what is in force now counts, not what was by then */
	assert_true(bpflb_affinity_holds(&a, 1000, 1100));
	assert_false(bpflb_affinity_holds(&none, 1000, 10));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(like_the_naive_model),
		cmocka_unit_test(a_timeout_is_never_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
