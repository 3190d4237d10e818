// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "attrs.h"

/**
 * attrs_parse - find a message's attributes
 * @nlh: the message
 * @attrs: the result, @max + 1 of them; NULL for those that are not there
 * @max: highest type; what a newer module has beyond that is passed over
 */
void attrs_parse(const struct nlmsghdr *nlh, struct nlattr **attrs, int max)
{
	struct genlmsghdr *header = genlmsg_hdr((struct nlmsghdr *)nlh);

	/* It only fails where a policy does, and there is none. */
	nla_parse(attrs, max, genlmsg_attrdata(header, 0), genlmsg_attrlen(header, 0), NULL);
}

/**
 * attrs_find - find one of a message's attributes
 * @nlh: the message
 * @type: which
 *
 * Return: the first of that type, or NULL.
 */
const struct nlattr *attrs_find(const struct nlmsghdr *nlh, int type)
{
	struct genlmsghdr *header = genlmsg_hdr((struct nlmsghdr *)nlh);

	return nla_find(genlmsg_attrdata(header, 0), genlmsg_attrlen(header, 0), type);
}

/**
 * attrs_parse_nest - find the attributes in an attribute
 * @nest: the attribute, or NULL
 * @attrs: the result, as of attrs_parse()
 * @max: highest type
 */
void attrs_parse_nest(const struct nlattr *nest, struct nlattr **attrs, int max)
{
	memset(attrs, 0, sizeof(*attrs) * (max + 1));
	if (nest)
		nla_parse_nested(attrs, max, (struct nlattr *)nest, NULL);
}

/**
 * attrs_command - what a message is about
 * @nlh: the message
 *
 * Return: enum bpflb_cmd
 */
uint8_t attrs_command(const struct nlmsghdr *nlh)
{
	return genlmsg_hdr((struct nlmsghdr *)nlh)->cmd;
}

static void copy_value(const struct nlattr *attr, void *value, int size)
{
	memset(value, 0, size);
	if (attr && nla_len(attr) >= size)
		memcpy(value, nla_data(attr), size);
}

/** attr_u8 - the value of an attribute, 0 if it is missing */
uint8_t attr_u8(const struct nlattr *attr)
{
	uint8_t value;

	copy_value(attr, &value, sizeof(value));
	return value;
}

/** attr_u16 - the value of an attribute, 0 if it is missing */
uint16_t attr_u16(const struct nlattr *attr)
{
	uint16_t value;

	copy_value(attr, &value, sizeof(value));
	return value;
}

/** attr_u32 - the value of an attribute, 0 if it is missing */
uint32_t attr_u32(const struct nlattr *attr)
{
	uint32_t value;

	copy_value(attr, &value, sizeof(value));
	return value;
}

/** attr_u64 - the value of an attribute, 0 if it is missing */
uint64_t attr_u64(const struct nlattr *attr)
{
	uint64_t value;

	copy_value(attr, &value, sizeof(value));
	return value;
}

/** attr_port - a port in host byte order, 0 if it is missing */
uint16_t attr_port(const struct nlattr *attr)
{
	return ntohs(attr_u16(attr));
}

/**
 * attr_address - an address
 * @attr: the attribute, or NULL
 * @address: the result; of length 0 if there is none
 */
void attr_address(const struct nlattr *attr, struct address *address)
{
	int length = attr ? nla_len(attr) : 0;

	memset(address, 0, sizeof(*address));
	if (length != 4 && length != 16)
		return;
	address->length = length;
	memcpy(address->bytes, nla_data(attr), length);
}

/**
 * attr_prefix - a prefix
 * @attr: the attribute
 * @prefix: the result; its address of length 0 if it is none
 */
void attr_prefix(const struct nlattr *attr, struct prefix *prefix)
{
	int length = nla_len(attr) - 1;

	memset(prefix, 0, sizeof(*prefix));
	if (length != 4 && length != 16)
		return;
	prefix->address.length = length;
	memcpy(prefix->address.bytes, nla_data(attr), length);
	prefix->bits = ((const uint8_t *)nla_data(attr))[length];
}

/**
 * attr_string - a string
 * @attr: the attribute, or NULL
 * @text: where to; empty if there is none
 * @room: its size; what does not fit is cut off
 */
void attr_string(const struct nlattr *attr, char *text, size_t room)
{
	int length = attr ? nla_len(attr) : 0;

	snprintf(text, room, "%.*s", length, length ? (const char *)nla_data(attr) : "");
}

/**
 * attr_text - a string where it is
 * @attr: the attribute, or NULL
 *
 * Return: its text; empty if there is none that ends within the attribute.
 */
const char *attr_text(const struct nlattr *attr)
{
	if (!attr || !memchr(nla_data(attr), '\0', nla_len(attr)))
		return "";
	return nla_data(attr);
}
