/* SPDX-License-Identifier: GPL-2.0-only */
/* Words to values and back. Pure: no netlink, no output, no state. */
#ifndef LBADM_PARSE_H
#define LBADM_PARSE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * struct address - an IPv4 or IPv6 address
 * @length: 4 or 16; 0: none
 * @bytes: in network byte order
 */
struct address {
	uint8_t length;
	uint8_t bytes[16];
};

/**
 * struct endpoint - an address and a port
 * @address: of length 0 where it is a node port
 * @port: in host byte order; 0: any
 */
struct endpoint {
	struct address address;
	uint16_t port;
};

/**
 * struct frontend - where a service is asked
 * @at: the address and port
 * @last_port: of a range of ports, whose first is @at's; 0: it is no range
 * @open: everybody may ask there
 * @internal: it is the internal policy's
 */
struct frontend {
	struct endpoint at;
	uint16_t last_port;
	bool open;
	bool internal;
};

/**
 * struct prefix - the addresses that begin with the same bits
 * @address: the lowest of them
 * @bits: how many
 */
struct prefix {
	struct address address;
	uint8_t bits;
};

#define ADDRESS_ROOM	INET6_ADDRSTRLEN
#define ENDPOINT_ROOM	(INET6_ADDRSTRLEN + 16)
#define FRONTEND_ROOM	(ENDPOINT_ROOM + 24)
#define PREFIX_ROOM	(INET6_ADDRSTRLEN + 4)
#define QUANTITY_ROOM	32

bool parse_number(const char *word, uint64_t min, uint64_t max, uint64_t *value);
bool parse_address(const char *word, struct address *address);
bool parse_endpoint(const char *word, struct endpoint *endpoint);
bool parse_backend(const char *word, struct endpoint *endpoint);
bool parse_frontend(const char *word, struct frontend *frontend);
bool parse_prefix(const char *word, size_t length, struct prefix *prefix);
bool prefix_is_good(const struct prefix *prefix);
bool parse_host(const char *word, struct endpoint *endpoint);
bool parse_duration(const char *word, uint32_t *seconds);
bool parse_range(const char *word, uint16_t *first, uint16_t *last);
bool parse_service_name(const char *word);
bool parse_choice(const char *word, const char *const *names, unsigned int *value);

int address_compare(const struct address *a, const struct address *b);

const char *format_address(const struct address *address, char text[ADDRESS_ROOM]);
const char *format_endpoint(const struct endpoint *endpoint, char text[ENDPOINT_ROOM]);
const char *format_frontend(const struct frontend *frontend, char text[FRONTEND_ROOM]);
const char *format_prefix(const struct prefix *prefix, char text[PREFIX_ROOM]);
const char *format_count(uint64_t value, char text[QUANTITY_ROOM]);
const char *format_bytes(uint64_t value, char text[QUANTITY_ROOM]);
const char *format_duration(uint32_t seconds, char text[QUANTITY_ROOM]);

#endif /* LBADM_PARSE_H */
