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

/* The nouns, in the order of the help. */
const struct object *const objects[] = {
	&status_object, &settings_object, &service_object, &backend_object, &node_object,
	&flow_object, &stats_object, &monitor_object, &save_object, &apply_object, NULL
};

/**
 * struct flags - options that end the run before a command does anything
 * @help: show help for the words that there are
 * @version: show lbadm's own version
 */
struct flags {
	bool help;
	bool version;
};

static const struct object *object_find(const char *name)
{
	unsigned int i;

	for (i = 0; objects[i]; i++) {
		if (!strcmp(objects[i]->name, name))
			return objects[i];
	}
	return NULL;
}

static const struct command *verb_find(const struct object *object, const char *verb)
{
	const struct command *command;

	for (command = object->commands; command->summary; command++) {
		if (command->verb && (!strcmp(command->verb, verb) ||
				      (command->alias && !strcmp(command->alias, verb))))
			return command;
	}
	return NULL;
}

static const struct command *bare_find(const struct object *object)
{
	const struct command *command;

	for (command = object->commands; command->summary; command++) {
		if (!command->verb)
			return command;
	}
	return NULL;
}

static void list_objects(char *text, size_t room)
{
	size_t used = 0;
	unsigned int i;

	for (i = 0; objects[i] && used < room; i++)
		used += snprintf(text + used, room - used, "%s, ", objects[i]->name);
	if (used < room)
		snprintf(text + used, room - used, "help");
}

static void list_verbs(const struct object *object, char *text, size_t room)
{
	const struct command *command;
	size_t used = 0;

	for (command = object->commands; command->summary && used < room; command++) {
		if (command->verb)
			used += snprintf(text + used, room - used, "%s, ", command->verb);
	}
	if (used < room)
		snprintf(text + used, room - used, "help");
}

static void unknown_object(struct line *line)
{
	char valid[256];

	list_objects(valid, sizeof(valid));
	args_unknown(line, valid);
}

static void unknown_verb(struct line *line, const struct object *object)
{
	char valid[256];

	list_verbs(object, valid, sizeof(valid));
	args_unknown(line, valid);
}

/**
 * command_find - the command that a line's first words name
 * @line: the line; those words are taken
 *
 * Return: the command; NULL if there is none, which is reported then.
 */
const struct command *command_find(struct line *line)
{
	const struct object *object = &status_object;
	const struct command *command = NULL;

	if (line_peek(line))
		object = object_find(line_peek(line));
	if (!object) {
		unknown_object(line);
		return NULL;
	}
	line_take(line);
	if (line_peek(line))
		command = verb_find(object, line_peek(line));
	if (command) {
		line_take(line);
		return command;
	}
	if (!line_peek(line) && object->implied)
		return verb_find(object, object->implied);
	command = bare_find(object);
	if (!command)
		unknown_verb(line, object);
	return command;
}

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

static int help_run(struct line *line)
{
	const struct command *command;
	const struct object *object;

	if (!line_peek(line)) {
		help_all();
		return LBADM_OK;
	}
	object = object_find(line_peek(line));
	if (!object) {
		unknown_object(line);
		return LBADM_USAGE;
	}
	line_take(line);
	if (!line_peek(line)) {
		help_object(object);
		return LBADM_OK;
	}
	command = verb_find(object, line_peek(line));
	if (!command)
		command = bare_find(object);
	if (!command) {
		unknown_verb(line, object);
		return LBADM_USAGE;
	}
	help_command(object, command);
	return LBADM_OK;
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

/**
 * context_refused - show what the kernel has said about our request
 * @context: whose request it was; still the one that was refused
 * @why: what the kernel said
 *
 * Return: LBADM_REFUSED
 */
int context_refused(const struct context *context, const struct refusal *why)
{
	unsigned int word = NO_WORD;
	char room[REFUSAL_ROOM];

	if (why->has_offset)
		word = request_word(&context->request, why->offset);
	return report_at(LBADM_REFUSED, &context->line, word, "%s",
			 refusal_sentence(why, room, sizeof(room)));
}

/**
 * context_json_begin - begin the JSON of a command
 * @context: with its socket open; its request is used up
 * @json: what to set up
 * @generation: that is shown; 0: the one now in force
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int context_json_begin(struct context *context, struct json *json, uint64_t generation)
{
	struct status status;
	int code = status_get(context, &status);

	if (code)
		return code;
	json_init(json, stdout, context->options.pretty);
	json_open(json, NULL, '{');
	json_open(json, "bpflb", '{');
	json_u64(json, "schema", LBADM_SCHEMA);
	json_string(json, "version", status.version);
	json_close(json);
	json_u64(json, "generation", generation ? generation : status.generation);
	return LBADM_OK;
}

/**
 * context_json_end - end it
 * @json: what context_json_begin() has set up
 */
void context_json_end(struct json *json)
{
	json_close(json);
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
		return help_run(&context->line);
	command = command_find(&context->line);
	if (!command)
		return LBADM_USAGE;
	if (context->options.netns)
		code = enter_netns(context->options.netns);
	if (code)
		return code;
	return command->run ? command->run(context) : write_run(context, command);
}

int main(int argc, char **argv)
{
	struct context context = { 0 };
	int code;

	/* Who reads us may have seen enough: that is an error of write(), and no death. */
	signal(SIGPIPE, SIG_IGN);
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
