/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_NETFILTER_H
#define _SHIM_NETFILTER_H

#include <netinet/in.h>
#include_next <linux/netfilter.h>

#endif
