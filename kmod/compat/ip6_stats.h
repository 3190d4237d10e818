/* SPDX-License-Identifier: GPL-2.0-only */
/* What IPv6 counts for a packet that it forwards. */
#ifndef _BPFLB_COMPAT_IP6_STATS_H
#define _BPFLB_COMPAT_IP6_STATS_H

#include <linux/snmp.h>
#include <net/ipv6.h>

/* Where there is no counter of all that leaves, IPSTATS_MIB_OUT is that of requests, and
 * only IPv4 counts forwarded packets among them.
 */
static inline void bpflb_ip6_count_forwarded(struct net *net, struct inet6_dev *idev, u32 len)
{
	IP6_INC_STATS(net, idev, IPSTATS_MIB_OUTFORWDATAGRAMS);
#ifdef BPFLB_HAVE_OUTREQUESTS
	IP6_UPD_PO_STATS(net, idev, IPSTATS_MIB_OUT, len);
#else
	IP6_ADD_STATS(net, idev, IPSTATS_MIB_OUTOCTETS, len);
#endif
}

#endif
