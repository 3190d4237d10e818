// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "options.h"

static bool long_option(const char *word, struct options *options, struct flags *flags,
			bool *takes_value)
{
	if (!strcmp(word, "--netns"))
		*takes_value = true;
	else if (!strcmp(word, "--json"))
		options->json = true;
	else if (!strcmp(word, "--pretty"))
		options->pretty = true;
	else if (!strcmp(word, "--timestamps"))
		options->timestamps = true;
	else if (!strcmp(word, "--version"))
		flags->version = true;
	else if (!strcmp(word, "--help"))
		flags->help = true;
	else
		return false;
	return true;
}

/* One or more letters after a '-'; the one that takes a value must be the last. */
static bool short_options(const char *word, struct options *options, struct flags *flags,
			  bool *takes_value)
{
	const char *c;

	if (word[0] != '-' || !word[1] || strspn(word + 1, "njptVh") != strlen(word + 1))
		return false;
	c = strchr(word, 'n');
	if (c && c[1])
		return false;
	for (c = word + 1; *c; c++) {
		*takes_value |= *c == 'n';
		options->json |= *c == 'j';
		options->pretty |= *c == 'p';
		options->timestamps |= *c == 't';
		flags->version |= *c == 'V';
		flags->help |= *c == 'h';
	}
	return true;
}

/**
 * option_take - whether a word is one of them
 * @word: the word
 * @options: where it is noted
 * @flags: or there
 * @takes_value: set if the next word is the name of a network namespace
 */
bool option_take(const char *word, struct options *options, struct flags *flags,
		 bool *takes_value)
{
	return long_option(word, options, flags, takes_value) ||
	       short_options(word, options, flags, takes_value);
}

/**
 * netns_enter - from now on be in a network namespace
 * @name: of it, or a path with a '/'
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int netns_enter(const char *name)
{
	const char *dir = strchr(name, '/') ? "" : NETNS_DIR;
	int fd, error = 0;
	char path[4096];

	snprintf(path, sizeof(path), "%s%s", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return report(LBADM_USAGE, "there is no network namespace '%s'; 'ip netns list' "
			      "shows those that there are", name);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		error = errno;
	if (fd >= 0)
		close(fd);
	if (error == EPERM || error == EACCES)
		return report(LBADM_REFUSED, "to enter network namespace '%s' needs CAP_SYS_ADMIN",
			      name);
	if (error == EINVAL)
		return report(LBADM_USAGE, "'%s' is no network namespace", name);
	if (error)
		return report(LBADM_REFUSED, "can't enter network namespace '%s': %s", name,
			      strerror(error));
	return LBADM_OK;
}
