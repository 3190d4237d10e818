/* SPDX-License-Identifier: GPL-2.0-only */
/* What was counted, for Prometheus: as text, and over HTTP. */
#ifndef LBADM_METRICS_H
#define LBADM_METRICS_H

#include <stddef.h>
#include <stdio.h>

#include "lbadm.h"

#define REQUEST_HEAD_MAX	8192	/* bytes of an HTTP request up to its empty line */

/**
 * struct http_request - what is asked for
 * @status: to answer with: 200, or what is wrong with it
 * @head: it is a HEAD: answered without the body
 */
struct http_request {
	int status;
	bool head;
};

void metrics_label(char *labels, size_t room, const char *name, const char *value);
void http_parse(char *head, size_t length, struct http_request *request);

int metrics_take(struct context *context, char **text, size_t *length);
int metrics_serve(struct context *context);

#endif /* LBADM_METRICS_H */
