// SPDX-License-Identifier: GPL-2.0-only
/*
 * Completion for shells, which only ask: what may stand next is read from the
 * usage lines that help shows, and names of what there is from the module.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "attrs.h"
#include "complete.h"
#include "grammar.h"
#include "names.h"
#include "objects.h"
#include "options.h"

/**
 * struct completion - what is asked
 * @context: to ask the module
 * @object: that was named
 * @command: its verb
 * @word: the beginning of the word that is wanted
 * @before: the word before it, or empty
 * @service: that was named so far, or NULL
 */
struct completion {
	struct context *context;
	const struct object *object;
	const struct command *command;
	const char *word;
	const char *before;
	const char *service;
};

static const char *const global_options[] = {
	"-n", "--netns", "-j", "--json", "-p", "--pretty", "-t", "--timestamps", "-V", "--version",
	"-h", "--help", NULL
};

static void offer(const struct completion *completion, const char *text, size_t length)
{
	size_t have = strlen(completion->word);

	if (length >= have && !strncmp(text, completion->word, have))
		printf("%.*s\n", (int)length, text);
}

static void offer_word(const struct completion *completion, const char *text)
{
	offer(completion, text, strlen(text));
}

static bool gather(const struct completion *completion, uint8_t command, int type,
		   const char *service, struct messages *messages)
{
	struct context *context = completion->context;

	if (!context->conn.sk && conn_open(&context->conn))
		return false;
	request_start(&context->request, command, 0);
	if (service)
		request_string(&context->request, NO_WORD, type, service);
	return !conn_gather(&context->conn, &context->request, messages);
}

static void offer_services(const struct completion *completion)
{
	struct messages messages = { 0 };
	const struct nlmsghdr *nlh;

	if (gather(completion, BPFLB_CMD_SERVICE_GET, 0, NULL, &messages))
		messages_for_each(nlh, &messages)
			offer_word(completion, attr_text(attrs_find(nlh, BPFLB_SERVICE_A_NAME)));
	messages_free(&messages);
}

static void offer_nodes(const struct completion *completion)
{
	struct messages messages = { 0 };
	const struct nlmsghdr *nlh;
	char text[ADDRESS_ROOM];
	struct node node;

	if (gather(completion, BPFLB_CMD_NODE_GET, 0, NULL, &messages)) {
		messages_for_each(nlh, &messages) {
			node_decode(nlh, &node);
			offer_word(completion, format_address(&node.address, text));
		}
	}
	messages_free(&messages);
}

/* Of the service that was named, else of all. */
static void offer_backends(const struct completion *completion)
{
	struct messages messages = { 0 };
	const struct nlmsghdr *nlh;
	char text[ENDPOINT_ROOM];
	struct backend backend;

	if (gather(completion, BPFLB_CMD_BACKEND_GET, BPFLB_BACKEND_A_SERVICE,
		   completion->service, &messages)) {
		messages_for_each(nlh, &messages) {
			backend_decode(nlh, &backend);
			offer_word(completion, format_endpoint(&backend.endpoint, text));
		}
	}
	messages_free(&messages);
}

static void offer_netns(const struct completion *completion)
{
	DIR *dir = opendir(NETNS_DIR);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			offer_word(completion, entry->d_name);
	}
	if (dir)
		closedir(dir);
}

static bool is(const char *what, size_t length, const char *name)
{
	return strlen(name) == length && !strncmp(what, name, length);
}

/* Is it the name of something that is to be made? */
static bool is_new(const struct completion *completion, const struct object *object)
{
	const char *verb = completion->command->verb;

	return completion->object == object && verb && !strcmp(verb, "add");
}

static bool names_service(const struct completion *completion, const char *what, size_t length)
{
	if (is(what, length, "SERVICE") || !is(what, length, "NAME"))
		return is(what, length, "SERVICE");
	return !strcmp(completion->before, "service") ||
	       (completion->object == &service_object && !is_new(completion, &service_object));
}

static bool names_node(const struct completion *completion, const char *what, size_t length)
{
	return is(what, length, "ADDRESS") &&
	       (!strcmp(completion->before, "node") ||
		(completion->object == &node_object && !is_new(completion, &node_object)));
}

static bool names_backend(const struct completion *completion, const char *what, size_t length)
{
	if (is(what, length, "BACKEND:PORT") || !strcmp(completion->before, "backend"))
		return true;
	if (is_new(completion, &backend_object))
		return false;
	return (completion->object == &backend_object || completion->object == &stats_object) &&
	       (is(what, length, "ADDRESS:PORT") || is(what, length, "ADDRESS[:PORT]"));
}

static void offer_names(const struct completion *completion, const char *const *names)
{
	for (; *names; names++)
		offer_word(completion, *names);
}

static bool names_file(const char *what, size_t length)
{
	static const char file[] = "FILE";

	return length >= strlen(file) &&
	       !strncmp(what + length - strlen(file), file, strlen(file));
}

/* What a value may be, as far as anybody knows. */
static void offer_value(const struct completion *completion, const char *what, size_t length)
{
	if (names_service(completion, what, length))
		offer_services(completion);
	else if (names_node(completion, what, length))
		offer_nodes(completion);
	else if (names_backend(completion, what, length))
		offer_backends(completion);
	else if (is(what, length, "STATE"))
		offer_names(completion, state_names);
	else if (is(what, length, "KIND"))
		offer_names(completion, kind_names);
	else if (names_file(what, length))
		puts(COMPLETE_FILE);
}

static void offer_next(const char *what, size_t length, void *arg)
{
	const struct completion *completion = arg;

	if (isupper((unsigned char)what[0]))
		offer_value(completion, what, length);
	else
		offer(completion, what, length);
}

static void offer_objects(const struct completion *completion)
{
	unsigned int i;

	for (i = 0; objects[i]; i++)
		offer_word(completion, objects[i]->name);
}

static void offer_verbs(const struct completion *completion, const struct object *object)
{
	const struct command *command;

	for (command = object->commands; command->summary; command++) {
		if (command->verb)
			offer_word(completion, command->verb);
	}
}

static void offer_args(struct completion *completion, struct line *line)
{
	const char *usage = completion->command->words ?: completion->command->args;
	struct grammar grammar;
	size_t length;
	const char *as;

	if (!grammar_begin(&grammar, usage))
		return;
	while (line_peek(line)) {
		const char *word = line_take(line);

		if (!grammar_step(&grammar, word, &as, &length))
			return;
		if (isupper((unsigned char)as[0]) && names_service(completion, as, length))
			completion->service = word;
		completion->before = word;
	}
	grammar_next(&grammar, offer_next, completion);
}

/* @line: the words before the one that is wanted, without options */
static void offer_for(struct completion *completion, struct line *line)
{
	bool help = line_take_word(line, "help");

	if (!line_peek(line)) {
		offer_objects(completion);
		if (!help)
			offer_word(completion, "help");
		return;
	}
	completion->object = object_find(line_take(line));
	if (!completion->object)
		return;
	if (!line_peek(line))
		offer_verbs(completion, completion->object);
	else
		completion->command = verb_find(completion->object, line_peek(line));
	if (help)
		return;
	if (completion->command)
		line_take(line);
	else
		completion->command = bare_find(completion->object);
	if (completion->command)
		offer_args(completion, line);
}

/**
 * complete - print what a word may become, one a line
 * @context: zeroed
 * @count: of @words
 * @words: those before the cursor, the last of which is to be completed
 *
 * Return: LBADM_OK
 */
int complete(struct context *context, int count, char *const *words)
{
	struct completion completion = { .context = context, .word = "", .before = "" };
	struct flags flags = { 0 };
	bool takes_value = false;
	struct line *line = &context->line;
	unsigned int i, kept = 0;

	line_from_args(line, count + 1, words - 1);
	if (line->count)
		completion.word = line->words[--line->count].text;
	for (i = 0; i < line->count; i++) {
		if (takes_value)
			context->options.netns = line->words[i].text;
		else if (!option_take(line->words[i].text, &context->options, &flags, &takes_value))
			line->words[kept++] = line->words[i];
		else
			continue;
		takes_value = false;
	}
	line->count = kept;
	if (takes_value) {
		offer_netns(&completion);
	} else {
		if (completion.word[0] == '-')
			offer_names(&completion, global_options);
		if (!context->options.netns || !netns_enter(context->options.netns))
			offer_for(&completion, line);
	}
	conn_close(&context->conn);
	request_free(&context->request);
	line_free(line);
	return LBADM_OK;
}
