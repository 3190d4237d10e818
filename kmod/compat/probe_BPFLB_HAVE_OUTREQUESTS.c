// SPDX-License-Identifier: GPL-2.0-only
#include <linux/snmp.h>

int probe = IPSTATS_MIB_OUTREQUESTS;
