// SPDX-License-Identifier: GPL-2.0-only
#include <stddef.h>

#include "stop.h"

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

/**
 * stop_catch - from now on be asked to end, by SIGINT, SIGTERM, SIGHUP or SIGQUIT
 * @unblocked: for ppoll(): the signals arrive while it waits and at no other time,
 *	so none is missed
 */
void stop_catch(sigset_t *unblocked)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction action = { .sa_handler = stop };
	sigset_t blocked;
	unsigned int i;

	sigemptyset(&blocked);
	for (i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigaddset(&blocked, signals[i]);
	sigprocmask(SIG_BLOCK, &blocked, unblocked);
	for (i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		sigdelset(unblocked, signals[i]);
		sigaction(signals[i], &action, NULL);
	}
}

/** stop_asked - whether one of them has come */
bool stop_asked(void)
{
	return stopped;
}
