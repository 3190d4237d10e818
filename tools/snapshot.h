/* SPDX-License-Identifier: GPL-2.0-only */
/* All that is configured, as of one moment. */
#ifndef LBADM_SNAPSHOT_H
#define LBADM_SNAPSHOT_H

#include "objects.h"

/**
 * struct snapshot - all that is configured
 * @generation: of all of it
 * @status: of that generation
 * @settings: the settings
 * @nodes: as dumped
 * @services: as dumped
 * @backends: as dumped
 */
struct snapshot {
	uint64_t generation;
	struct status status;
	struct settings settings;
	struct messages nodes;
	struct messages services;
	struct messages backends;
};

int snapshot_try(struct context *context, struct snapshot *snapshot, bool *changed);
int snapshot_take(struct context *context, struct snapshot *snapshot);
void snapshot_free(struct snapshot *snapshot);

#endif /* LBADM_SNAPSHOT_H */
