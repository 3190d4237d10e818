/* SPDX-License-Identifier: GPL-2.0-only */
/* What "ipvsadm -Sn" has saved, and the same in lbadm's grammar. */
#ifndef LBADM_IPVS_H
#define LBADM_IPVS_H

#include <stdint.h>
#include <stdio.h>

#include "lex.h"
#include "parse.h"

#define IPVS_WORD_ROOM	32

/**
 * struct ipvs_key - what a service of IPVS is known by
 * @proto: IPPROTO_*; 0: by @mark
 * @at: address, and port, which may be 0 for all
 * @mark: of netfilter
 * @ipv6: of @mark: of which family
 */
struct ipvs_key {
	uint8_t proto;
	struct endpoint at;
	uint32_t mark;
	bool ipv6;
};

/**
 * struct ipvs_service - an -A line
 * @key: what it is known by
 * @number: of its line
 * @scheduler: its name
 * @flags: of the scheduler, as they stand there; empty: none
 * @pe: persistence engine; empty: none
 * @persistent: it is
 * @timeout: for how many seconds
 * @partly: by a netmask that is not a whole address
 * @one_packet: each datagram is for itself
 */
struct ipvs_service {
	struct ipvs_key key;
	unsigned int number;
	char scheduler[IPVS_WORD_ROOM];
	char flags[IPVS_WORD_ROOM];
	char pe[IPVS_WORD_ROOM];
	bool persistent;
	uint32_t timeout;
	bool partly;
	bool one_packet;
};

/**
 * struct ipvs_server - an -a line
 * @service: number of its service, in the order of the file
 * @number: of its line
 * @at: address and port, which is 0 for any
 * @method: 'm', 'g' or 'i', as ipvsadm calls them
 * @tunnel: its type; empty: ipip
 * @weight: of it
 * @upper: of its connections; 0: none
 * @lower: of the same
 */
struct ipvs_server {
	size_t service;
	unsigned int number;
	struct endpoint at;
	char method;
	char tunnel[IPVS_WORD_ROOM];
	uint32_t weight;
	uint32_t upper;
	uint32_t lower;
};

/** struct ipvs - all of a file */
struct ipvs {
	struct ipvs_service *services;
	size_t service_count, service_room;
	struct ipvs_server *servers;
	size_t server_count, server_room;
};

int ipvs_read(struct ipvs *ipvs, struct line *line);
void ipvs_free(struct ipvs *ipvs);
void ipvs_key_text(const struct ipvs_key *key, char *text, size_t room);
unsigned int ipvs_write(FILE *file, const struct ipvs *ipvs, const char *source);

#endif /* LBADM_IPVS_H */
