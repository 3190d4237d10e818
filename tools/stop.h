/* SPDX-License-Identifier: GPL-2.0-only */
/* Being told to end, for what goes on until then. */
#ifndef LBADM_STOP_H
#define LBADM_STOP_H

#include <signal.h>
#include <stdbool.h>

void stop_catch(sigset_t *unblocked);
bool stop_asked(void);

#endif /* LBADM_STOP_H */
