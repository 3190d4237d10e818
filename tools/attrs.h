/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Attributes of a message as values. None is relied upon: one that is missing,
 * or too short to be what it should, counts as zero or empty.
 */
#ifndef LBADM_ATTRS_H
#define LBADM_ATTRS_H

#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "parse.h"

void attrs_parse(const struct nlmsghdr *nlh, struct nlattr **attrs, int max);
void attrs_parse_nest(const struct nlattr *nest, struct nlattr **attrs, int max);
const struct nlattr *attrs_find(const struct nlmsghdr *nlh, int type);
uint8_t attrs_command(const struct nlmsghdr *nlh);

uint8_t attr_u8(const struct nlattr *attr);
uint16_t attr_u16(const struct nlattr *attr);
uint32_t attr_u32(const struct nlattr *attr);
uint64_t attr_u64(const struct nlattr *attr);
uint16_t attr_port(const struct nlattr *attr);
void attr_address(const struct nlattr *attr, struct address *address);
void attr_prefix(const struct nlattr *attr, struct prefix *prefix);
void attr_string(const struct nlattr *attr, char *text, size_t room);
const char *attr_text(const struct nlattr *attr);

/* Each attribute of a message, for those that are repeated. */
#define attrs_for_each(attr, nlh, left)						\
	for ((left) = genlmsg_attrlen(genlmsg_hdr((struct nlmsghdr *)(nlh)), 0),\
	     (attr) = genlmsg_attrdata(genlmsg_hdr((struct nlmsghdr *)(nlh)), 0);\
	     nla_ok(attr, left); (attr) = nla_next(attr, &(left)))

#endif /* LBADM_ATTRS_H */
