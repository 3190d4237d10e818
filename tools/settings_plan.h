/* SPDX-License-Identifier: GPL-2.0-only */
/* What settings become. */
#ifndef LBADM_SETTINGS_PLAN_H
#define LBADM_SETTINGS_PLAN_H

#include "objects.h"

void settings_defaults(struct settings *settings, const struct settings *now);
void settings_change(struct settings *settings, const struct nlmsghdr *nlh);

#endif /* LBADM_SETTINGS_PLAN_H */
