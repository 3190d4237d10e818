/* SPDX-License-Identifier: GPL-2.0-only */
/* A request being built, and which word made which of its attributes. */
#ifndef LBADM_REQUEST_H
#define LBADM_REQUEST_H

#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "parse.h"

/* Bytes of one message: a service with all its frontends is below a third of it. */
#define REQUEST_ROOM (32 * 1024)

/**
 * struct origin - where an attribute comes from
 * @offset: of the attribute in the message, as an extended ack gives it
 * @word: the word of the line
 */
struct origin {
	uint32_t offset;
	unsigned int word;
};

/**
 * struct request - a message for the module
 * @msg: the message
 * @origins: of its attributes, by rising offset
 * @count: of @origins
 * @room: of @origins
 */
struct request {
	struct nl_msg *msg;
	struct origin *origins;
	size_t count;
	size_t room;
};

void request_start(struct request *request, uint8_t command, int flags);
void request_free(struct request *request);
unsigned int request_word(const struct request *request, uint32_t offset);
unsigned int request_word_of(const struct request *request, int type, unsigned int nth);

void request_put(struct request *request, unsigned int word, int type,
		 const void *data, size_t length);
void request_u8(struct request *request, unsigned int word, int type, uint8_t value);
void request_u16(struct request *request, unsigned int word, int type, uint16_t value);
void request_u32(struct request *request, unsigned int word, int type, uint32_t value);
void request_u64(struct request *request, unsigned int word, int type, uint64_t value);
void request_string(struct request *request, unsigned int word, int type, const char *value);
void request_flag(struct request *request, unsigned int word, int type);
void request_address(struct request *request, unsigned int word, int type,
		     const struct address *address);
void request_prefix(struct request *request, unsigned int word, int type,
		    const struct prefix *prefix);
void request_port(struct request *request, unsigned int word, int type, uint16_t port);
struct nlattr *request_nest(struct request *request, unsigned int word, int type);
void request_nest_end(struct request *request, struct nlattr *nest);

#endif /* LBADM_REQUEST_H */
