/* SPDX-License-Identifier: GPL-2.0-only */
/* What another program says. */
#ifndef LBADM_PROGRAM_H
#define LBADM_PROGRAM_H

char *program_output(const char *const *argv);

#endif /* LBADM_PROGRAM_H */
