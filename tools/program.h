/* SPDX-License-Identifier: GPL-2.0-only */
/* What another program says. */
#ifndef LBADM_PROGRAM_H
#define LBADM_PROGRAM_H

/* As a shell has it. */
#define PROGRAM_ABSENT 127

char *program_capture(const char *const *argv, int (*run)(void), int *status);
char *program_output(const char *const *argv);

#endif /* LBADM_PROGRAM_H */
