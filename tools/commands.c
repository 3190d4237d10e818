// SPDX-License-Identifier: GPL-2.0-only
/* The command tree: from words to what they mean. */
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "lbadm.h"

/* The nouns, in the order of the help. */
const struct object *const objects[] = {
	&status_object, &settings_object, &service_object, &backend_object, &node_object,
	&flow_object, &affinity_object, &stats_object, &metrics_object, &monitor_object,
	&save_object, &check_object, &diff_object, &apply_object, &import_object,
	&doctor_object, &explain_object, &report_object, &upgrade_object, NULL
};

/**
 * object_find - the object of a name
 * @name: the word
 *
 * Return: NULL if there is none.
 */
const struct object *object_find(const char *name)
{
	unsigned int i;

	for (i = 0; objects[i]; i++) {
		if (!strcmp(objects[i]->name, name))
			return objects[i];
	}
	return NULL;
}

/**
 * verb_find - the command of a verb
 * @object: its object
 * @verb: the word
 *
 * Return: NULL if there is none.
 */
const struct command *verb_find(const struct object *object, const char *verb)
{
	const struct command *command;

	for (command = object->commands; command->summary; command++) {
		if (command->verb && (!strcmp(command->verb, verb) ||
				      (command->alias && !strcmp(command->alias, verb))))
			return command;
	}
	return NULL;
}

/**
 * bare_find - the command of an object that needs no verb
 * @object: the object
 *
 * Return: NULL if there is none.
 */
const struct command *bare_find(const struct object *object)
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

/**
 * command_help - show help for a line's words
 * @line: the line; no words: help for all
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int command_help(struct line *line)
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
