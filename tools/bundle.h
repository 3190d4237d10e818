/* SPDX-License-Identifier: GPL-2.0-only */
/* The report of a node, for whoever is asked for help. */
#ifndef LBADM_BUNDLE_H
#define LBADM_BUNDLE_H

#include "objects.h"

int bundle_count_flows(void);

#endif /* LBADM_BUNDLE_H */
