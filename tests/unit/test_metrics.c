// SPDX-License-Identifier: GPL-2.0-only
// SOURCES: ../../tools/metrics_http.c ../../tools/metrics_label.c
// PACKAGES: libnl-genl-3.0
/* Labels of Prometheus' text, and the heads of HTTP requests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "metrics.h"

#define ROUNDS 50000

/* What metrics_http.c would ask for; nobody asks here. */
int metrics_take(struct context *context, char **text, size_t *length)
{
	return LBADM_ABSENT;
}

static void labels(void **state)
{
	char text[64] = "";

	metrics_label(text, sizeof(text), "a", "plain");
	assert_string_equal(text, "a=\"plain\"");
	metrics_label(text, sizeof(text), "b", "\\ \" \n");
	assert_string_equal(text, "a=\"plain\",b=\"\\\\ \\\" \\n\"");
	metrics_label(text, sizeof(text), "c", "");
	assert_string_equal(text, "a=\"plain\",b=\"\\\\ \\\" \\n\",c=\"\"");
}

/* In whatever room: all of the label or nothing of it. */
static void labels_without_room(void **state)
{
	size_t room;

	for (room = 4; room < 40; room++) {
		char *text = calloc(1, room);

		strcpy(text, "a");
		metrics_label(text, room, "name", "a\"b");
		if (strlen(text) > 1)
			assert_string_equal(text, "a,name=\"a\\\"b\"");
		else
			assert_true(room < 18);
		free(text);
	}
}

static int asked(const char *text, size_t length, bool *head)
{
	struct http_request request;
	char *copy = calloc(1, length + 1);

	memcpy(copy, text, length);
	http_parse(copy, length, &request);
	free(copy);
	*head = request.head;
	return request.status;
}

static void requests(void **state)
{
	static const struct {
		const char *text;
		int status;
		bool head;
	} cases[] = {
		{ "GET /metrics HTTP/1.1\r\nHost: n1\r\n\r\n", 200, false },
		{ "GET /metrics HTTP/1.0\r\n\r\n", 200, false },
		{ "GET /metrics HTTP/1.0\n\n", 200, false },
		{ "HEAD /metrics HTTP/1.1\r\nhost:n1\r\nAccept: */*\r\n\r\n", 200, true },
		{ "GET /metrics?collect=a HTTP/1.1\r\nHost: n1\r\n\r\n", 200, false },
		{ "GET http://n1:9100/metrics HTTP/1.1\r\nHost: n1\r\n\r\n", 200, false },
		{ "GET http://n1 HTTP/1.1\r\nHost: n1\r\n\r\n", 404, false },
		{ "GET / HTTP/1.1\r\nHost: n1\r\n\r\n", 404, false },
		{ "GET /metrics/ HTTP/1.1\r\nHost: n1\r\n\r\n", 404, false },
		{ "GET /metric HTTP/1.1\r\nHost: n1\r\n\r\n", 404, false },
		{ "HEAD /x HTTP/1.1\r\nHost: n1\r\n\r\n", 404, true },
		{ "POST /metrics HTTP/1.1\r\nHost: n1\r\nContent-Length: 1\r\n\r\n", 405, false },
		{ "get /metrics HTTP/1.1\r\nHost: n1\r\n\r\n", 405, false },
		{ "GET /metrics HTTP/2.0\r\n\r\n", 505, false },
		{ "GET /metrics HTTP/1.1\r\n\r\n", 400, false },
		{ "GET /metrics HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, false },
		{ "GET /metrics HTTP/1.1\r\nHost : n1\r\n\r\n", 400, false },
		{ "GET /metrics HTTP/1.1\r\nHost: n1\r\n folded\r\n\r\n", 400, false },
		{ "GET /metrics HTTP/1.1\r\nHost: n1\r\nnonsense\r\n\r\n", 400, false },
		{ "GET /metrics HTTP/1.1\r\nHost: n1\r\n", 400, false },
		{ "GET  /metrics HTTP/1.1\r\nHost: n1\r\n\r\n", 400, false },
		{ "GET /metrics\r\n\r\n", 400, false },
		{ "GET /metrics HTTP/11\r\nHost: n1\r\n\r\n", 400, false },
		{ "G(T /metrics HTTP/1.1\r\nHost: n1\r\n\r\n", 400, false },
		{ "\r\n\r\n", 400, false },
		{ "", 400, false },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool head;

		assert_int_equal(asked(cases[i].text, strlen(cases[i].text), &head),
				 cases[i].status);
		if (cases[i].status != 400)
			assert_int_equal(head, cases[i].head);
	}
}

/* Any bytes: an answer, and nothing read beyond them (ASan). */
static void nonsense(void **state)
{
	static const char good[] = "GET /metrics HTTP/1.1\r\nHost: n1\r\nAccept: */*\r\n\r\n";
	char text[sizeof(good)];
	int round, changes, i;
	bool head;

	for (round = 0; round < ROUNDS; round++) {
		memcpy(text, good, sizeof(good));
		changes = rand() % 6;
		for (i = 0; i < changes; i++)
			text[rand() % (sizeof(good) - 1)] = " \r\n:/\0\x80H1?"[rand() % 10];
		i = asked(text, changes ? rand() % sizeof(good) : sizeof(good) - 1, &head);
		assert_true(changes ? i >= 200 && i <= 505 : i == 200);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels),
		cmocka_unit_test(labels_without_room),
		cmocka_unit_test(requests),
		cmocka_unit_test(nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
