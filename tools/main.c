// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "complete.h"
#include "objects.h"
#include "options.h"

#define OUTPUT_BUFFER (256 * 1024)

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

/* Options may stand anywhere: they are taken out, so that commands see words only. */
static int take_options(struct context *context, struct flags *flags)
{
	struct line *line = &context->line;
	unsigned int i, kept = 0;

	for (i = 0; i < line->count; i++) {
		const char *word = line->words[i].text;
		bool takes_value = false;

		if (!option_take(word, &context->options, flags, &takes_value)) {
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
		code = netns_enter(context->options.netns);
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
	if (argc > 1 && !strcmp(argv[1], COMPLETE_VERB))
		return complete(&context, argc - 2, argv + 2);
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
