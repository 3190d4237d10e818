// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "objects.h"

#define NETNS_DIR "/run/netns/"
#define OUTPUT_BUFFER (256 * 1024)

/**
 * struct flags - options that end the run before a command does anything
 * @help: show help for the words that there are
 * @version: show lbadm's own version
 */
struct flags {
	bool help;
	bool version;
};

static bool is_help(const char *word)
{
	return word && !strcmp(word, "help");
}

/*
 * Help is asked for by "help" as the last word, where it would be the object,
 * the verb, or what follows the verb; or by "help" as the first one.
 */
static bool help_wanted(struct line *line)
{
	unsigned int left = line->count - line->next;
	const struct word *words = line->words + line->next;

	if (left && is_help(words[0].text)) {
		line->next++;
		return true;
	}
	if (left < 2 || left > 3 || !is_help(words[left - 1].text))
		return false;
	line->count--;
	return true;
}

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

/* Options may stand anywhere: they are taken out, so that commands see words only. */
static int take_options(struct context *context, struct flags *flags)
{
	struct line *line = &context->line;
	unsigned int i, kept = 0;

	for (i = 0; i < line->count; i++) {
		const char *word = line->words[i].text;
		bool takes_value = false;

		if (!long_option(word, &context->options, flags, &takes_value) &&
		    !short_options(word, &context->options, flags, &takes_value)) {
			line->words[kept++] = line->words[i];
			continue;
		}
		if (!takes_value)
			continue;
		if (++i == line->count)
			return report_end(line, "the name of the network namespace is missing");
		context->options.netns = line->words[i].text;
	}
	line->count = kept;
	if (context->options.json)
		report_as_json(context->options.pretty);
	return LBADM_OK;
}

static int enter_netns(const char *name)
{
	const char *dir = strchr(name, '/') ? "" : NETNS_DIR;
	int fd, error = 0;
	char path[4096];

	snprintf(path, sizeof(path), "%s%s", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return report(LBADM_USAGE, "there is no network namespace '%s'", name);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		error = errno;
	if (fd >= 0)
		close(fd);
	if (error)
		return report(LBADM_REFUSED, "can't enter network namespace '%s': %s", name,
			      strerror(error));
	return LBADM_OK;
}

/* A command that writes, and says nothing if all is well. */
static int write_run(struct context *context, const struct command *command)
{
	int code = command->build(&context->request, &context->line);

	if (!code)
		code = conn_open(&context->conn);
	if (code)
		return code;
	if (conn_call(&context->conn, &context->request, NULL, NULL))
		return context_refused(context, &context->conn.refusal);
	return LBADM_OK;
}

static int run(struct context *context)
{
	const struct command *command;
	struct flags flags = { 0 };
	int code;

	code = take_options(context, &flags);
	if (code)
		return code;
	if (flags.version) {
		puts("lbadm " LBADM_VERSION);
		return LBADM_OK;
	}
	if (help_wanted(&context->line) || flags.help)
		return command_help(&context->line);
	command = command_find(&context->line);
	if (!command)
		return LBADM_USAGE;
	if (context->options.netns)
		code = enter_netns(context->options.netns);
	if (code)
		return code;
	return command->run ? command->run(context) : write_run(context, command);
}

/* A large configuration is tens of MB: in few calls, unless someone watches. */
static void buffer_output(void)
{
	static char buffer[OUTPUT_BUFFER];

	if (!isatty(STDOUT_FILENO))
		setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
}

int main(int argc, char **argv)
{
	struct context context = { 0 };
	int code;

	/* Who reads us may have seen enough: that is an error of write(), and no death. */
	signal(SIGPIPE, SIG_IGN);
	buffer_output();
	line_from_args(&context.line, argc, argv);
	code = run(&context);
	errno = 0;
	if ((fflush(stdout) || ferror(stdout)) && errno != EPIPE && !code)
		code = report(LBADM_REFUSED, "can't write the output: %s", strerror(errno));
	conn_close(&context.conn);
	request_free(&context.request);
	line_free(&context.line);
	return code;
}
