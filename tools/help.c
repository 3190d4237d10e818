// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>

#include "lbadm.h"

static void print_usage(const struct object *object, const struct command *command)
{
	const char *verb = command->verb ? command->verb : "";

	printf("lbadm %s%s%s%s%s\n", object->name, *verb ? " " : "", verb,
	       *command->args ? " " : "", command->args);
}

/**
 * help_all - what lbadm can do
 */
void help_all(void)
{
	unsigned int i;

	fputs("usage: lbadm [-n NETNS] [-j [-p]] [-V] [-h] OBJECT [VERB] ...\n\nobjects:\n",
	      stdout);
	for (i = 0; objects[i]; i++)
		printf("  %-8s  %s\n", objects[i]->name, objects[i]->summary);
	fputs("\n'lbadm OBJECT help' and 'lbadm OBJECT VERB help' tell more.\n"
	      "\noptions, which may stand anywhere:\n"
	      "  -n, --netns NETNS  in this network namespace: a name, or a path with a '/'\n"
	      "  -j, --json         write JSON, errors too\n"
	      "  -p, --pretty       indent the JSON\n"
	      "  -t, --timestamps   begin each event of monitor with the time\n"
	      "  -V, --version      of lbadm; 'lbadm' alone shows that of the module\n"
	      "  -h, --help         this, or help for the words before\n"
	      "\nexit status: 0 done, 1 wrong words, 2 refused, 3 the module is not loaded,\n"
	      "             4 differs: diff has found a difference, doctor a fault\n",
	      stdout);
}

/**
 * help_object - what can be done with an object
 * @object: the object
 */
void help_object(const struct object *object)
{
	const struct command *command;

	printf("%s: %s\n", object->name, object->summary);
	for (command = object->commands; command->summary; command++) {
		putchar('\n');
		/* What has no verb can't be asked about by one: here is all of it. */
		if (!command->verb) {
			help_command(object, command);
			continue;
		}
		print_usage(object, command);
		printf("    %s\n", command->summary);
	}
}

/**
 * help_command - all about a command
 * @object: its object
 * @command: the command
 */
void help_command(const struct object *object, const struct command *command)
{
	const char *text = command->help;

	print_usage(object, command);
	printf("    %s\n", command->summary);
	if (text)
		putchar('\n');
	while (text && *text) {
		size_t length = strcspn(text, "\n");

		printf("    %.*s\n", (int)length, text);
		text += length + (text[length] == '\n');
	}
	if (command->alias)
		printf("\n    '%s' is the same.\n", command->alias);
}
