/* SPDX-License-Identifier: GPL-2.0-only */
/* The socket: requests, dumps, batches, events, and why something was refused. */
#ifndef LBADM_NL_H
#define LBADM_NL_H

#include <linux/netlink.h>
#include <netlink/handlers.h>
#include <netlink/socket.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "request.h"

#define REFUSAL_ROOM 256

/**
 * struct refusal - why the kernel said no
 * @error: errno; 0: it did not
 * @message: the kernel's sentence, or empty
 * @has_offset: @offset is set
 * @offset: of the attribute that it is about, in the request
 * @missing: type of an attribute that it misses, 0 if none
 * @cookie: number of the message that is to blame for a refused commit, 0 if none is
 * @sequence: of the message that was refused
 */
struct refusal {
	int error;
	char message[REFUSAL_ROOM];
	bool has_offset;
	uint32_t offset;
	uint32_t missing;
	uint32_t cookie;
	uint32_t sequence;
};

/**
 * typedef message_fn - takes a message of the module
 *
 * Called for each reply, each object of a dump, each event.
 */
typedef void message_fn(const struct nlmsghdr *nlh, void *arg);

/**
 * typedef refusal_fn - takes what the kernel says of one message of a batch
 */
typedef void refusal_fn(const struct refusal *refusal, void *arg);

/**
 * struct conn - the socket and the exchange that is going on
 * @sk: the socket, NULL while not open
 * @cb: what libnl calls
 * @family: the module's number
 * @sequence: of the newest message sent
 * @oldest: of the first message of the exchange; what is older is no answer to it
 * @handler: takes what is received
 * @refused: takes each refusal of a batch; NULL: only the first counts, in @refusal
 * @arg: their argument
 * @refusal: of this exchange
 * @done: its last message was seen
 * @interrupted: something changed during the dump
 */
struct conn {
	struct nl_sock *sk;
	struct nl_cb *cb;
	int family;
	uint32_t sequence;
	uint32_t oldest;
	message_fn *handler;
	refusal_fn *refused;
	void *arg;
	struct refusal refusal;
	bool done;
	bool interrupted;
};

/**
 * struct messages - messages that were gathered
 * @bytes: one after the other
 * @used: how many bytes
 * @room: how many there is room for
 */
struct messages {
	char *bytes;
	size_t used;
	size_t room;
};

/* Each gathered message; n is a const struct nlmsghdr *. */
#define messages_for_each(n, messages)						\
	for ((n) = (const struct nlmsghdr *)(messages)->bytes;			\
	     (const char *)(n) < (messages)->bytes + (messages)->used;		\
	     (n) = (const struct nlmsghdr *)((const char *)(n) +		\
					     NLMSG_ALIGN((n)->nlmsg_len)))

bool conn_module_absent(void);
int conn_open(struct conn *conn);
void conn_close(struct conn *conn);
int conn_call(struct conn *conn, struct request *request, message_fn *handler, void *arg);
int conn_dump(struct conn *conn, struct request *request, message_fn *handler, void *arg);
int conn_gather(struct conn *conn, struct request *request, struct messages *messages);
void conn_stamp(struct conn *conn, struct nlmsghdr *nlh);
size_t conn_stamp_batch(struct conn *conn, char *at, const char *end);
int conn_send_batch(struct conn *conn, void *bytes, size_t length);
int conn_send_each(struct conn *conn, void *bytes, size_t length, refusal_fn *refused, void *arg);
int conn_listen(struct conn *conn, const char *group);
bool conn_listens(const struct conn *conn);
int conn_read_events(struct conn *conn, message_fn *handler, void *arg);
void messages_add(const struct nlmsghdr *nlh, void *arg);
void messages_keep(struct messages *messages,
		   bool (*matches)(const struct nlmsghdr *nlh, const void *arg), const void *arg);
void messages_free(struct messages *messages);
const char *refusal_sentence(const struct refusal *refusal, char *room, size_t size);

#endif /* LBADM_NL_H */
