/* SPDX-License-Identifier: GPL-2.0-only */
/* What shells ask when somebody presses Tab: "lbadm complete WORD... CURRENT". */
#ifndef LBADM_COMPLETE_H
#define LBADM_COMPLETE_H

#include "lbadm.h"

#define COMPLETE_VERB	"complete"
#define COMPLETE_FILE	"<file>"	/* stands for the names of files, which the shell knows */

int complete(struct context *context, int count, char *const *words);

#endif /* LBADM_COMPLETE_H */
