/* SPDX-License-Identifier: GPL-2.0-only */
/* Options that stand on the command line besides the command. */
#ifndef LBADM_OPTIONS_H
#define LBADM_OPTIONS_H

#include "lbadm.h"

#define NETNS_DIR "/run/netns/"

/**
 * struct flags - options that end the run before a command does anything
 * @help: show help for the words that there are
 * @version: show lbadm's own version
 */
struct flags {
	bool help;
	bool version;
};

bool option_take(const char *word, struct options *options, struct flags *flags,
		 bool *takes_value);
int netns_enter(const char *name);

#endif /* LBADM_OPTIONS_H */
