// SPDX-License-Identifier: GPL-2.0-only
/* Prefixes as attributes: an address, and a byte for the length. */
#include "nl.h"
#include "prefix.h"

int bpflb_nl_validate_prefix(const struct nlattr *attr, struct netlink_ext_ack *extack)
{
	if (nla_len(attr) == sizeof(struct in_addr) + 1 ||
	    nla_len(attr) == sizeof(struct in6_addr) + 1)
		return 0;
	NL_SET_ERR_MSG_ATTR(extack, attr, "a prefix has 5 or 17 bytes");
	return -EINVAL;
}

/**
 * bpflb_nl_get_prefix() - read a prefix
 * @attr: the attribute, checked by the policy
 * @prefix: what to fill
 * @extack: for a sentence
 *
 * Return: 0, or -EINVAL.
 */
int bpflb_nl_get_prefix(const struct nlattr *attr, struct bpflb_prefix *prefix,
			struct netlink_ext_ack *extack)
{
	int bytes = nla_len(attr) - 1;

	memset(prefix, 0, sizeof(*prefix));
	memcpy(&prefix->addr, nla_data(attr), bytes);
	prefix->len = *((const u8 *)nla_data(attr) + bytes);
	prefix->family = bytes == sizeof(struct in6_addr) ? NFPROTO_IPV6 : NFPROTO_IPV4;
	if (bpflb_prefix_is_good(prefix))
		return 0;
	NL_SET_ERR_MSG_ATTR(extack, attr, "a prefix has no bits set beyond its length");
	return -EINVAL;
}

int bpflb_nl_put_prefix(struct sk_buff *msg, int type, const struct bpflb_prefix *prefix)
{
	int bytes = bpflb_addr_len(prefix->family);
	struct nlattr *attr = nla_reserve(msg, type, bytes + 1);

	if (!attr)
		return -EMSGSIZE;
	memcpy(nla_data(attr), &prefix->addr, bytes);
	*((u8 *)nla_data(attr) + bytes) = prefix->len;
	return 0;
}
