/* SPDX-License-Identifier: GPL-2.0-only */
/* Rates, over and over, until somebody has seen enough. */
#ifndef LBADM_WATCH_H
#define LBADM_WATCH_H

#include <signal.h>

#include "rates.h"

#define RATE_ROOM 32

const char *rate_text(double rate, char text[RATE_ROOM]);
const char *rate_bytes_text(double rate, char text[RATE_ROOM]);
void tick_begin(struct timespec *deadline);
void tick_next(struct timespec *deadline, uint32_t seconds);
struct timespec tick_left(const struct timespec *deadline);

int watch_run(struct context *context, const struct rates_of *of, uint32_t seconds);
int top_run(struct context *context, const struct rates_of *of, uint32_t seconds);

#endif /* LBADM_WATCH_H */
