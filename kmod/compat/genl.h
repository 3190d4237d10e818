/* SPDX-License-Identifier: GPL-2.0-only */
/* A dump's parsed attributes have moved; a multicast group may ask for privilege. */
#ifndef _BPFLB_COMPAT_GENL_H
#define _BPFLB_COMPAT_GENL_H

#include <net/genetlink.h>

#ifdef BPFLB_HAVE_MCGRP_FLAGS
#define BPFLB_MCGRP_ADMIN	.flags = GENL_MCAST_CAP_NET_ADMIN
#else
#define BPFLB_MCGRP_ADMIN
#endif

static inline struct nlattr **bpflb_dump_attrs(struct netlink_callback *cb)
{
#ifdef BPFLB_HAVE_DUMPIT_ATTRS
	return genl_dumpit_info(cb)->attrs;
#else
	return genl_info_dump(cb)->attrs;
#endif
}

#endif
