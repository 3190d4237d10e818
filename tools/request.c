// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <linux/bpflb.h>
#include <netlink/genl/genl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "report.h"
#include "request.h"

/**
 * request_start - begin a message
 * @request: zeroed before its first use; what was in it is dropped
 * @command: enum bpflb_cmd
 * @flags: NLM_F_* besides NLM_F_REQUEST
 *
 * The family's number is filled in when it is sent: words can be found wrong
 * without a module to ask.
 */
void request_start(struct request *request, uint8_t command, int flags)
{
	struct genlmsghdr header = { .cmd = command, .version = BPFLB_GENL_VERSION };
	struct nlmsghdr *nlh;

	if (!request->msg)
		request->msg = nlmsg_alloc_size(REQUEST_ROOM);
	if (!request->msg)
		exit(report(LBADM_REFUSED, "out of memory"));
	nlh = nlmsg_hdr(request->msg);
	memset(nlh, 0, sizeof(*nlh));
	nlh->nlmsg_len = NLMSG_HDRLEN;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlmsg_append(request->msg, &header, sizeof(header), NLMSG_ALIGNTO);
	request->count = 0;
}

/**
 * request_free - give a request's memory back
 * @request: the request
 */
void request_free(struct request *request)
{
	nlmsg_free(request->msg);
	free(request->origins);
	memset(request, 0, sizeof(*request));
}

/**
 * request_word - which word made an attribute
 * @request: the request
 * @offset: of the attribute in the message
 *
 * Return: the number of the word; NO_WORD if no word made it.
 */
unsigned int request_word(const struct request *request, uint32_t offset)
{
	unsigned int word = NO_WORD;
	size_t i;

	/* An offset between two attributes is inside the first of them. */
	for (i = 0; i < request->count && request->origins[i].offset <= offset; i++)
		word = request->origins[i].word;
	return word;
}

/**
 * request_word_of - which word made an attribute of a type
 * @request: the request
 * @type: BPFLB_*_A_*
 * @nth: which of several, from 0
 *
 * Return: the number of the word; NO_WORD if there is none.
 */
unsigned int request_word_of(const struct request *request, int type, unsigned int nth)
{
	struct nlmsghdr *nlh = nlmsg_hdr(request->msg);
	struct nlattr *attr;
	int left;

	nlmsg_for_each_attr(attr, nlh, GENL_HDRLEN, left) {
		if (nla_type(attr) == type && !nth--)
			return request_word(request, (const char *)attr - (const char *)nlh);
	}
	return NO_WORD;
}

static void note_origin(struct request *request, unsigned int word)
{
	request->origins = mem_grow(request->origins, &request->room, request->count + 1,
				    sizeof(*request->origins));
	request->origins[request->count++] = (struct origin) {
		.offset = nlmsg_hdr(request->msg)->nlmsg_len,
		.word = word,
	};
}

/* The builders limit what they put; that it does not fit would be their mistake. */
static void must_fit(bool fits)
{
	if (!fits)
		exit(report(LBADM_REFUSED, "the message for this line would be too long"));
}

/**
 * request_put - an attribute
 * @request: the request
 * @word: what made it
 * @type: BPFLB_*_A_*
 * @data: its payload
 * @length: of @data
 */
void request_put(struct request *request, unsigned int word, int type,
		 const void *data, size_t length)
{
	note_origin(request, word);
	must_fit(!nla_put(request->msg, type, length, data));
}

/** request_u8 - an attribute that is a number, see request_put() */
void request_u8(struct request *request, unsigned int word, int type, uint8_t value)
{
	request_put(request, word, type, &value, sizeof(value));
}

/** request_u16 - an attribute that is a number, see request_put() */
void request_u16(struct request *request, unsigned int word, int type, uint16_t value)
{
	request_put(request, word, type, &value, sizeof(value));
}

/** request_u32 - an attribute that is a number, see request_put() */
void request_u32(struct request *request, unsigned int word, int type, uint32_t value)
{
	request_put(request, word, type, &value, sizeof(value));
}

/** request_u64 - an attribute that is a number, see request_put() */
void request_u64(struct request *request, unsigned int word, int type, uint64_t value)
{
	request_put(request, word, type, &value, sizeof(value));
}

/** request_string - an attribute that is a string, see request_put() */
void request_string(struct request *request, unsigned int word, int type, const char *value)
{
	request_put(request, word, type, value, strlen(value) + 1);
}

/** request_flag - an attribute that is there or not, see request_put() */
void request_flag(struct request *request, unsigned int word, int type)
{
	request_put(request, word, type, NULL, 0);
}

/** request_address - an attribute that is an address, see request_put() */
void request_address(struct request *request, unsigned int word, int type,
		     const struct address *address)
{
	request_put(request, word, type, address->bytes, address->length);
}

/** request_prefix - an attribute that is a prefix, see request_put() */
void request_prefix(struct request *request, unsigned int word, int type,
		    const struct prefix *prefix)
{
	uint8_t bytes[sizeof(prefix->address.bytes) + 1];

	memcpy(bytes, prefix->address.bytes, prefix->address.length);
	bytes[prefix->address.length] = prefix->bits;
	request_put(request, word, type, bytes, prefix->address.length + 1);
}

/** request_port - an attribute that is a port, given in host byte order */
void request_port(struct request *request, unsigned int word, int type, uint16_t port)
{
	request_u16(request, word, type, htons(port));
}

/**
 * request_nest - begin an attribute that has attributes in it
 * @request: the request
 * @word: what made it
 * @type: BPFLB_*_A_*
 *
 * Return: what request_nest_end() needs.
 */
struct nlattr *request_nest(struct request *request, unsigned int word, int type)
{
	struct nlattr *nest;

	note_origin(request, word);
	/* Strict parsing wants to see that it is one. */
	nest = nla_nest_start(request->msg, type | NLA_F_NESTED);
	must_fit(nest);
	return nest;
}

/**
 * request_nest_end - end a nest
 * @request: the request
 * @nest: what request_nest() returned
 */
void request_nest_end(struct request *request, struct nlattr *nest)
{
	/* Never empty here: nla_nest_end() would take an empty one back. */
	nla_nest_end(request->msg, nest);
}
