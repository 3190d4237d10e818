// SPDX-License-Identifier: GPL-2.0-only
// PACKAGES: libnl-genl-3.0 yaml-0.1
// SOURCES: LBADM
/*
 * Any head of a request: it gets a status that there is, and metrics only if it asks for them in
 * a whole request of HTTP/1.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "metrics.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_known(int status)
{
	static const int known[] = { 200, 400, 404, 405, 505 };
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (known[i] == status)
			return true;
	return false;
}

static bool asks_for_metrics(const char *text)
{
	const char *end = strchr(text, '\n'), *version = strstr(text, " HTTP/1."),
		   *target = strstr(text, "/metrics");

	return (!strncmp(text, "GET ", 4) || !strncmp(text, "HEAD ", 5)) && end &&
	       version && version < end && target && target < version &&
	       (strstr(end, "\n\n") || strstr(end, "\n\r\n"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_request request;
	char *head = malloc(size + 1), *copy;

	memcpy(head, data, size);
	head[size] = '\0';
	copy = strdup(head);
	http_parse(head, size, &request);
	if (!is_known(request.status) || (request.status == 200 && !asks_for_metrics(copy)) ||
	    (request.status == 200 && request.head != !strncmp(copy, "HEAD", 4)))
		abort();
	free(copy);
	free(head);
	return 0;
}
