// SPDX-License-Identifier: GPL-2.0-only
/* What a namespace has, as files for apply and for flow restore. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attrs.h"
#include "flow.h"
#include "mem.h"
#include "names.h"
#include "upgrade.h"

#define SELF "/proc/self/exe"

/* Of services that are gone: nobody's address (RFC 7600), and nobody hears of it. */
#define GHOST_ADDRESS "192.0.0.8"

static int key_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void know(struct space *space, const char *service, const struct endpoint *backend)
{
	char text[ENDPOINT_ROOM], *key;

	if (asprintf(&key, "%s %s %u", service, format_address(&backend->address, text),
		     backend->port) < 0)
		exit(report(LBADM_REFUSED, "out of memory"));
	space->known = mem_grow(space->known, &space->known_room, space->known_count + 1,
				sizeof(char *));
	space->known[space->known_count++] = key;
}

static bool is_known(const struct space *space, const char *service, const struct endpoint *backend)
{
	char room[BPFLB_NAME_MAX + ENDPOINT_ROOM], text[ENDPOINT_ROOM];
	const char *key = room;

	snprintf(room, sizeof(room), "%s %s %u", service,
		 format_address(&backend->address, text), backend->port);
	return bsearch(&key, space->known, space->known_count, sizeof(char *), key_compare);
}

static bool is_ghost(const struct space *space, const struct flow *flow)
{
	struct endpoint any_port = { .address = flow->backend.address };
	size_t i;

	/* Datagrams don't go to who was removed. */
	if (flow->proto == IPPROTO_UDP || is_known(space, flow->service, &flow->backend) ||
	    (flow->backend.port == flow->frontend.port &&
	     is_known(space, flow->service, &any_port)))
		return false;
	for (i = 0; i < space->ghost_count; i++) {
		const struct ghost *ghost = &space->ghosts[i];

		if (!strcmp(ghost->service, flow->service) &&
		    ghost->backend.port == flow->backend.port &&
		    !address_compare(&ghost->backend.address, &flow->backend.address))
			return false;
	}
	return true;
}

static void find_ghost(const struct nlmsghdr *nlh, void *arg)
{
	struct space *space = arg;
	struct ghost *ghost;
	struct flow flow;

	flow_decode(nlh, &flow);
	if (!is_ghost(space, &flow))
		return;
	space->ghosts = mem_grow(space->ghosts, &space->ghost_room, space->ghost_count + 1,
				 sizeof(*ghost));
	ghost = &space->ghosts[space->ghost_count++];
	memcpy(ghost->service, flow.service, sizeof(ghost->service));
	ghost->proto = flow.proto;
	ghost->backend = flow.backend;
}

/**
 * space_read - learn what is configured, and keep it from being changed
 * @space: the namespace
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int space_read(struct space *space)
{
	struct context *context = &space->context;
	const struct nlmsghdr *nlh;
	struct backend backend;
	int code;

	request_start(&context->request, BPFLB_CMD_TXN_BEGIN, 0);
	if (conn_call(&context->conn, &context->request, NULL, NULL))
		return context_refused(context, &context->conn.refusal);
	code = snapshot_take(context, &space->snapshot);
	if (code)
		return code;
	messages_for_each(nlh, &space->snapshot.backends) {
		backend_decode(nlh, &backend);
		know(space, backend.service, &backend.endpoint);
	}
	if (space->known_count)
		qsort(space->known, space->known_count, sizeof(char *), key_compare);
	request_start(&context->request, BPFLB_CMD_FLOW_GET, 0);
	if (conn_dump(&context->conn, &context->request, find_ghost, space))
		return context_refused(context, &context->conn.refusal);
	return LBADM_OK;
}

static bool has_service(const struct space *space, const char *name)
{
	const struct nlmsghdr *nlh;

	messages_for_each(nlh, &space->snapshot.services) {
		if (!strcmp(attr_text(attrs_find(nlh, BPFLB_SERVICE_A_NAME)), name))
			return true;
	}
	return false;
}

static bool was_written(const struct space *space, size_t number)
{
	size_t i;

	for (i = 0; i < number; i++) {
		if (!strcmp(space->ghosts[i].service, space->ghosts[number].service))
			return true;
	}
	return false;
}

/* Backends that were removed, and their services, so that their flows can be made. */
static void write_ghosts(const struct space *space, FILE *file)
{
	char text[ENDPOINT_ROOM], room[NAME_ROOM];
	size_t i;

	for (i = 0; i < space->ghost_count; i++) {
		const struct ghost *ghost = &space->ghosts[i];

		if (!has_service(space, ghost->service) && !was_written(space, i))
			fprintf(file, "service add %s %s " GHOST_ADDRESS ":%zu\n", ghost->service,
				proto_name(ghost->proto, room), i + 1);
		fprintf(file, "backend add %s %s weight 0\n", ghost->service,
			format_endpoint(&ghost->backend, text));
	}
}

static int append_ghosts(const struct space *space, const char *path)
{
	FILE *file = fopen(path, "ae");

	if (file)
		write_ghosts(space, file);
	if (!file || fclose(file))
		return report(LBADM_REFUSED, "can't write %s: %s", path, strerror(errno));
	return LBADM_OK;
}

static int run_self(const struct space *space, const char *const *argv, const char *output)
{
	int code = space_run(space, argv, output);

	return code < 0 || code > LBADM_DIFFERS ? LBADM_REFUSED : code;
}

/**
 * space_save - write the configuration down
 * @space: what space_read() has read
 * @dir: where to
 *
 * Once as it is, and if there are ghosts once with these.
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int space_save(const struct space *space, const char *dir)
{
	static const char *const argv[] = { SELF, "save", NULL };
	char path[PATH_ROOM];
	int code;

	space_path(space, dir, "conf", path);
	code = run_self(space, argv, path);
	if (code || !space->ghost_count)
		return code;
	space_path(space, dir, "ghosts", path);
	code = run_self(space, argv, path);
	return code ? code : append_ghosts(space, path);
}

/**
 * space_save_flows - write the flows down
 * @space: the namespace
 * @dir: where to
 */
int space_save_flows(const struct space *space, const char *dir)
{
	static const char *const argv[] = { SELF, "flow", "save", NULL };
	char path[PATH_ROOM];

	space_path(space, dir, "flows", path);
	return run_self(space, argv, path);
}

static int apply(const struct space *space, const char *dir, const char *kind)
{
	char path[PATH_ROOM];
	const char *const argv[] = { SELF, "apply", path, NULL };

	space_path(space, dir, kind, path);
	return run_self(space, argv, NULL);
}

/**
 * space_restore - make what was written down
 * @space: the namespace
 * @dir: where it was written to
 * @lost: set if not all flows could be made
 *
 * Return: LBADM_OK; or what to exit with if there is no configuration; it is reported.
 */
int space_restore(const struct space *space, const char *dir, bool *lost)
{
	char path[PATH_ROOM], said[PATH_ROOM];
	const char *const argv[] = { SELF, "flow", "restore", path, NULL };
	bool ghosts = space_has(space, dir, "ghosts");
	int code;

	code = apply(space, dir, ghosts ? "ghosts" : "conf");
	if (code)
		return code;
	space_path(space, dir, "flows", path);
	space_path(space, dir, "restored", said);
	if (space_has(space, dir, "flows") && run_self(space, argv, said))
		*lost = true;
	return ghosts ? apply(space, dir, "conf") : LBADM_OK;
}
