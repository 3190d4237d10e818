/* SPDX-License-Identifier: GPL-2.0-only */
/* Messages about objects, in the order in which a configuration is written down. */
#ifndef LBADM_ENTRIES_H
#define LBADM_ENTRIES_H

#include "nl.h"
#include "parse.h"

/**
 * struct entry - a message, and what it is sorted by
 * @nlh: the message
 * @name: of the service, in the message, or empty
 * @endpoint: of the backend, or the node's address, or empty
 * @place: of the message among all
 *
 * There may be a million.
 */
struct entry {
	const struct nlmsghdr *nlh;
	const char *name;
	struct endpoint endpoint;
	size_t place;
};

/** struct entries - messages in order */
struct entries {
	struct entry *entries;
	size_t count;
	size_t room;
};

int entry_compare(const struct entry *a, const struct entry *b);
void entries_of_nodes(const struct messages *messages, uint8_t command, struct entries *entries);
void entries_of_services(const struct messages *messages, uint8_t command,
			 struct entries *entries);
void entries_of_backends(const struct messages *messages, uint8_t command,
			 struct entries *entries);
void entries_free(struct entries *entries);

#endif /* LBADM_ENTRIES_H */
