// SPDX-License-Identifier: GPL-2.0-only
/*
 * libnl moves the bytes. What it leaves out is done here: extended acks, the
 * error code that ends a failed dump, and dumps that a change has interrupted.
 */
#include <errno.h>
#include <linux/bpflb.h>
#include <linux/netlink.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mem.h"
#include "nl.h"
#include "report.h"

#define BATCH_BYTES	(32 * 1024)	/* libnl makes room for twice as much to be sent */
#define MODULES_DIR	"/sys/module"
#define RECEIVE_ROOM	(64 * 1024)		/* for one datagram */
#define RECEIVE_QUEUE	(4 * 1024 * 1024)	/* for what was not read yet */
#define DUMP_TRIES	10

/* Extended ack: after the error message, or after the error code of NLMSG_DONE. */
static void read_extack(struct refusal *refusal, const void *tlvs, int length)
{
	const struct nlattr *attr;
	int left;

	nla_for_each_attr(attr, (struct nlattr *)tlvs, length, left) {
		switch (nla_type(attr)) {
		case NLMSGERR_ATTR_MSG:
			snprintf(refusal->message, sizeof(refusal->message), "%.*s",
				 nla_len(attr), (const char *)nla_data(attr));
			break;
		case NLMSGERR_ATTR_OFFS:
			refusal->has_offset = nla_len(attr) >= (int)sizeof(uint32_t);
			if (refusal->has_offset)
				refusal->offset = nla_get_u32(attr);
			break;
		case NLMSGERR_ATTR_COOKIE:
			if (nla_len(attr) == (int)sizeof(uint32_t))
				refusal->cookie = nla_get_u32(attr);
			break;
		case NLMSGERR_ATTR_MISS_TYPE:
			if (nla_len(attr) >= (int)sizeof(uint32_t))
				refusal->missing = nla_get_u32(attr);
			break;
		}
	}
}

static void set_refusal(struct conn *conn, int error, uint32_t sequence)
{
	memset(&conn->refusal, 0, sizeof(conn->refusal));
	conn->refusal.error = error;
	conn->refusal.sequence = sequence;
}

static int on_error(struct sockaddr_nl *address, struct nlmsgerr *error, void *arg)
{
	struct nlmsghdr *nlh = (void *)((char *)error - NLMSG_HDRLEN);
	int skip = sizeof(*error), length;
	struct conn *conn = arg;

	(void)address;
	conn->done = true;
	/* Of a batch the first counts; what follows only says that it was first. */
	if (conn->refusal.error)
		return NL_SKIP;
	set_refusal(conn, -error->error, error->msg.nlmsg_seq);
	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return NL_SKIP;
	/* The request comes back between the two, unless NETLINK_CAP_ACK took effect. */
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		skip += NLMSG_ALIGN(error->msg.nlmsg_len) - NLMSG_HDRLEN;
	length = (int)(nlh->nlmsg_len - NLMSG_HDRLEN) - skip;
	if (length > 0)
		read_extack(&conn->refusal, (char *)error + skip, length);
	return NL_SKIP;
}

/* Of a batch whose messages have nothing to do with each other. */
static int on_error_of_many(struct sockaddr_nl *address, struct nlmsgerr *error, void *arg)
{
	struct conn *conn = arg;

	if (!conn->refused)
		return on_error(address, error, arg);
	conn->refusal.error = 0;
	on_error(address, error, arg);
	conn->refused(&conn->refusal, conn->arg);
	return NL_SKIP;
}

static int on_finish(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	struct conn *conn = arg;
	int error = 0;

	conn->done = true;
	if (nlmsg_datalen(nlh) >= (int)sizeof(error))
		memcpy(&error, nlmsg_data(nlh), sizeof(error));
	if (error < 0) {
		set_refusal(conn, -error, nlh->nlmsg_seq);
		if (nlh->nlmsg_flags & NLM_F_ACK_TLVS)
			read_extack(&conn->refusal, (char *)nlmsg_data(nlh) + sizeof(error),
				    nlmsg_datalen(nlh) - sizeof(error));
	}
	return NL_STOP;
}

static int on_ack(struct nl_msg *msg, void *arg)
{
	struct conn *conn = arg;

	(void)msg;
	conn->done = true;
	return NL_STOP;
}

static int on_valid(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	struct conn *conn = arg;

	if (nlh->nlmsg_type == conn->family && genlmsg_valid_hdr(nlh, 0) && conn->handler)
		conn->handler(nlh, conn->arg);
	return NL_OK;
}

static int on_interrupted(struct nl_msg *msg, void *arg)
{
	struct conn *conn = arg;

	(void)msg;
	conn->interrupted = true;
	return NL_OK;
}

static int check_sequence(struct nl_msg *msg, void *arg)
{
	uint32_t sequence = nlmsg_hdr(msg)->nlmsg_seq;
	struct conn *conn = arg;

	/* Events have the number 0, or that of the request of who caused them. */
	if (!conn->oldest)
		return NL_OK;
	return sequence - conn->oldest <= conn->sequence - conn->oldest ? NL_OK : NL_SKIP;
}

static int set_callbacks(struct conn *conn)
{
	conn->cb = nl_cb_alloc(NL_CB_CUSTOM);
	if (!conn->cb)
		return -ENOMEM;
	nl_cb_err(conn->cb, NL_CB_CUSTOM, on_error_of_many, conn);
	nl_cb_set(conn->cb, NL_CB_FINISH, NL_CB_CUSTOM, on_finish, conn);
	nl_cb_set(conn->cb, NL_CB_ACK, NL_CB_CUSTOM, on_ack, conn);
	nl_cb_set(conn->cb, NL_CB_VALID, NL_CB_CUSTOM, on_valid, conn);
	nl_cb_set(conn->cb, NL_CB_DUMP_INTR, NL_CB_CUSTOM, on_interrupted, conn);
	nl_cb_set(conn->cb, NL_CB_SEQ_CHECK, NL_CB_CUSTOM, check_sequence, conn);
	return 0;
}

/* Each is an improvement only: an old kernel that knows none of them still works. */
static void set_socket_options(int fd)
{
	int one = 1, queue = RECEIVE_QUEUE;

	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &queue, sizeof(queue)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &queue, sizeof(queue));
}

/**
 * conn_module_absent - whether there is no module to ask
 *
 * Asking the kernel for a family loads the module that has it. Who only asks
 * how things are must not start to balance.
 */
bool conn_module_absent(void)
{
	return !access(MODULES_DIR, X_OK) && access(MODULES_DIR "/" BPFLB_GENL_NAME, F_OK);
}

/**
 * conn_open - open the socket and find the module
 * @conn: zeroed
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int conn_open(struct conn *conn)
{
	int error;

	if (conn_module_absent())
		return report(LBADM_ABSENT,
			      "the bpflb module is not loaded; 'modprobe bpflb' loads it");
	conn->sk = nl_socket_alloc();
	if (!conn->sk || set_callbacks(conn))
		return report(LBADM_REFUSED, "out of memory");
	error = genl_connect(conn->sk);
	if (error)
		return report(LBADM_REFUSED, "no netlink socket: %s", nl_geterror(error));
	nl_socket_set_msg_buf_size(conn->sk, RECEIVE_ROOM);
	conn->family = genl_ctrl_resolve(conn->sk, BPFLB_GENL_NAME);
	if (conn->family == -NLE_OBJ_NOTFOUND)
		return report(LBADM_ABSENT,
			      "the bpflb module is not loaded; 'modprobe bpflb' loads it");
	if (conn->family < 0)
		return report(LBADM_REFUSED, "can't find the bpflb module: %s",
			      nl_geterror(conn->family));
	set_socket_options(nl_socket_get_fd(conn->sk));
	return LBADM_OK;
}

/**
 * conn_close - close the socket; the kernel drops its transaction, if it has one
 * @conn: open or not
 */
void conn_close(struct conn *conn)
{
	nl_cb_put(conn->cb);
	nl_socket_free(conn->sk);
	conn->cb = NULL;
	conn->sk = NULL;
}

/**
 * conn_stamp - number a message and address it to the module
 * @conn: the socket
 * @nlh: the message
 */
void conn_stamp(struct conn *conn, struct nlmsghdr *nlh)
{
	if (!++conn->sequence)
		conn->sequence++;	/* 0 is for events */
	nlh->nlmsg_type = conn->family;
	nlh->nlmsg_seq = conn->sequence;
	nlh->nlmsg_pid = nl_socket_get_local_port(conn->sk);
}

/**
 * conn_stamp_batch - number as many messages as are sent in one piece
 * @conn: the socket
 * @at: the first of them
 * @end: of all; there is one at least
 *
 * Return: how many bytes they have.
 */
size_t conn_stamp_batch(struct conn *conn, char *at, const char *end)
{
	const char *batch = at;

	while (at < end) {
		struct nlmsghdr *nlh = (struct nlmsghdr *)at;
		size_t length = NLMSG_ALIGN(nlh->nlmsg_len);

		if (at > batch && at + length > batch + BATCH_BYTES)
			break;
		conn_stamp(conn, nlh);
		at += length;
	}
	return at - batch;
}

static int local_failure(struct conn *conn, const char *what, const char *why)
{
	set_refusal(conn, EIO, conn->sequence);
	snprintf(conn->refusal.message, sizeof(conn->refusal.message), "%s: %s", what, why);
	return -EIO;
}

static int receive(struct conn *conn)
{
	int error = nl_recvmsgs(conn->sk, conn->cb);

	/* An interrupted call, or an overrun: what did fit is still to be read. */
	if (error == -NLE_INTR || error == -NLE_NOMEM)
		return 0;
	return error < 0 ? error : 0;
}

static int exchange(struct conn *conn, struct request *request, int flags,
		    message_fn *handler, void *arg)
{
	struct nlmsghdr *nlh = nlmsg_hdr(request->msg);
	int error;

	nlh->nlmsg_flags |= flags;
	conn_stamp(conn, nlh);
	conn->oldest = conn->sequence;
	conn->handler = handler;
	conn->arg = arg;
	conn->done = false;
	conn->interrupted = false;
	set_refusal(conn, 0, 0);
	error = nl_sendto(conn->sk, nlh, nlh->nlmsg_len);
	if (error < 0)
		return local_failure(conn, "can't send", strerror(errno));
	while (!conn->done) {
		error = receive(conn);
		if (error)
			return local_failure(conn, "can't receive", nl_geterror(error));
	}
	return -conn->refusal.error;
}

/**
 * conn_call - send a request and wait until it is done
 * @conn: the socket
 * @request: the message
 * @handler: takes the reply, or NULL
 * @arg: its argument
 *
 * Return: 0, or a negative errno; conn->refusal says more.
 */
int conn_call(struct conn *conn, struct request *request, message_fn *handler, void *arg)
{
	return exchange(conn, request, NLM_F_ACK, handler, arg);
}

/**
 * conn_dump - ask for all objects that match, as they come
 * @conn: the socket
 * @request: the message
 * @handler: takes each object
 * @arg: its argument
 *
 * Return: 0, or a negative errno; conn->interrupted tells of a change meanwhile.
 */
int conn_dump(struct conn *conn, struct request *request, message_fn *handler, void *arg)
{
	return exchange(conn, request, NLM_F_DUMP, handler, arg);
}

/**
 * messages_add - a message_fn that keeps the message
 * @nlh: the message
 * @arg: a struct messages
 */
void messages_add(const struct nlmsghdr *nlh, void *arg)
{
	size_t length = NLMSG_ALIGN(nlh->nlmsg_len);
	struct messages *messages = arg;

	messages->bytes = mem_grow(messages->bytes, &messages->room,
				   messages->used + length, 1);
	memset(messages->bytes + messages->used + length - NLMSG_ALIGNTO, 0, NLMSG_ALIGNTO);
	memcpy(messages->bytes + messages->used, nlh, nlh->nlmsg_len);
	messages->used += length;
}

/**
 * messages_keep - leave out what does not match
 * @messages: the messages
 * @matches: whether one is to stay
 * @arg: its argument
 */
void messages_keep(struct messages *messages,
		   bool (*matches)(const struct nlmsghdr *nlh, const void *arg), const void *arg)
{
	const char *at = messages->bytes, *end = at + messages->used;
	char *to = messages->bytes;

	while (at < end) {
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)at;
		size_t length = NLMSG_ALIGN(nlh->nlmsg_len);

		if (matches(nlh, arg)) {
			memmove(to, at, length);
			to += length;
		}
		at += length;
	}
	messages->used = to - messages->bytes;
}

/**
 * messages_free - give their memory back
 * @messages: the messages
 */
void messages_free(struct messages *messages)
{
	free(messages->bytes);
	memset(messages, 0, sizeof(*messages));
}

/**
 * conn_gather - all objects that match, of one moment
 * @conn: the socket
 * @request: the message
 * @messages: zeroed; what was found
 *
 * Return: 0, or a negative errno; -EAGAIN if something changed each time.
 */
int conn_gather(struct conn *conn, struct request *request, struct messages *messages)
{
	int error, tries;

	for (tries = 0; tries < DUMP_TRIES; tries++) {
		messages->used = 0;
		error = conn_dump(conn, request, messages_add, messages);
		if (error || !conn->interrupted)
			return error;
	}
	set_refusal(conn, EAGAIN, conn->sequence);
	snprintf(conn->refusal.message, sizeof(conn->refusal.message),
		 "the configuration changed each of %d times that it was read", DUMP_TRIES);
	return -EAGAIN;
}

static int send_bytes(struct conn *conn, void *bytes, size_t length)
{
	struct pollfd poller = { .fd = nl_socket_get_fd(conn->sk), .events = POLLIN };
	int error;

	conn->oldest = ((struct nlmsghdr *)bytes)->nlmsg_seq;
	conn->handler = NULL;
	set_refusal(conn, 0, 0);
	error = nl_sendto(conn->sk, bytes, length);
	if (error < 0)
		return local_failure(conn, "can't send", strerror(errno));
	while (poll(&poller, 1, 0) > 0) {
		error = receive(conn);
		if (error)
			return local_failure(conn, "can't receive", nl_geterror(error));
	}
	return 0;
}

/**
 * conn_send_batch - send many messages at once
 * @conn: the socket
 * @bytes: the messages, stamped, one after the other
 * @length: of @bytes
 *
 * The kernel works them off before the call that sends them returns, so that
 * it need not acknowledge each: an error waits to be read by then, or none was.
 *
 * Return: 0, or a negative errno for the first that was refused.
 */
int conn_send_batch(struct conn *conn, void *bytes, size_t length)
{
	int error = send_bytes(conn, bytes, length);

	return error ? error : -conn->refusal.error;
}

/**
 * conn_send_each - the same of messages that have nothing to do with each other
 * @conn: the socket
 * @bytes: the messages, stamped, one after the other
 * @length: of @bytes
 * @refused: takes each refusal
 * @arg: its argument
 *
 * Return: 0, or a negative errno if not all could be sent.
 */
int conn_send_each(struct conn *conn, void *bytes, size_t length, refusal_fn *refused, void *arg)
{
	int error;

	conn->refused = refused;
	conn->arg = arg;
	error = send_bytes(conn, bytes, length);
	conn->refused = NULL;
	return error;
}

/**
 * conn_listen - join a multicast group
 * @conn: the socket
 * @group: BPFLB_MCGRP_*
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int conn_listen(struct conn *conn, const char *group)
{
	int number = genl_ctrl_resolve_grp(conn->sk, BPFLB_GENL_NAME, group);
	int error = number < 0 ? number : nl_socket_add_membership(conn->sk, number);

	if (error == -NLE_PERM)
		return report(LBADM_REFUSED, "events name clients: to listen needs CAP_NET_ADMIN");
	if (error < 0)
		return report(LBADM_REFUSED, "can't listen to %s events: %s", group,
			      nl_geterror(error));
	return LBADM_OK;
}

/**
 * conn_listens - is the socket in a group still?
 * @conn: after conn_listen()
 *
 * A module that goes takes its groups along, and nobody is told.
 */
bool conn_listens(const struct conn *conn)
{
	uint32_t groups[16] = { 0 };
	socklen_t size = sizeof(groups);
	unsigned int i;

	if (getsockopt(nl_socket_get_fd(conn->sk), SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, groups,
		       &size))
		return true;
	for (i = 0; i < sizeof(groups) / sizeof(*groups); i++) {
		if (groups[i])
			return true;
	}
	return size > sizeof(groups);
}

/**
 * conn_read_events - wait for events and take those that are there
 * @conn: the socket
 * @handler: takes each
 * @arg: its argument
 *
 * Return: 0; -ENOBUFS if events were lost; another negative errno on failure.
 */
int conn_read_events(struct conn *conn, message_fn *handler, void *arg)
{
	int error;

	conn->oldest = 0;
	conn->handler = handler;
	conn->arg = arg;
	error = nl_recvmsgs(conn->sk, conn->cb);
	if (error == -NLE_NOMEM)
		return -ENOBUFS;
	if (error < 0 && error != -NLE_INTR && error != -NLE_AGAIN)
		return local_failure(conn, "can't receive", nl_geterror(error));
	return 0;
}

/* How the kernel puts it that the module does not know an attribute. */
static bool is_unknown(const char *message)
{
	return !strcmp(message, "Unknown attribute type") || !strcmp(message, "Unsupported attribute");
}

/**
 * refusal_sentence - what to tell a person
 * @refusal: why the kernel said no
 * @room: where a sentence is made if the kernel gave none
 * @size: of @room
 *
 * Return: the sentence.
 */
const char *refusal_sentence(const struct refusal *refusal, char *room, size_t size)
{
	if (is_unknown(refusal->message))
		return "the module does not know this: it is older than lbadm";
	if (refusal->message[0])
		return refusal->message;
	if (refusal->missing) {
		snprintf(room, size, "the module wants attribute %u, which this lbadm does not "
			 "send: lbadm is older than the module", refusal->missing);
		return room;
	}
	switch (refusal->error) {
	case EPERM:
	case EACCES:
		return "not permitted: this needs CAP_NET_ADMIN";
	case ENOENT:
		return "there is no such object";
	case EEXIST:
		return "it exists already";
	case EBUSY:
		return "busy: another program has a transaction open, or it is in use";
	case ESTALE:
		return "the configuration has another generation";
	case EOPNOTSUPP:
		return "the module does not know this command: it is older than lbadm";
	default:
		snprintf(room, size, "the kernel says: %s", strerror(refusal->error));
		return room;
	}
}
