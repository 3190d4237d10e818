// SPDX-License-Identifier: GPL-2.0-only
/*
 * What apply would change, object by object, in the words of the commands. What
 * is in force and what shall be are written as save would write them, and compared.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "entries.h"
#include "mem.h"
#include "objects.h"
#include "plan.h"
#include "settings_plan.h"
#include "snapshot.h"

/**
 * struct text - a text that is written again and again
 * @file: where to write
 * @text: what was written, after text_end()
 * @length: of @text
 */
struct text {
	FILE *file;
	char *text;
	size_t length;
};

/**
 * struct diff - the comparison that goes on
 * @context: of the command
 * @plan: what shall be
 * @json: where to, if it is JSON
 * @old: an object as it is
 * @new: the same as it shall be
 * @generation: that is in force
 * @differs: something was different
 */
struct diff {
	struct context *context;
	const struct plan *plan;
	struct json json;
	struct text old;
	struct text new;
	uint64_t generation;
	bool differs;
};

typedef void words_fn(FILE *file, const struct nlmsghdr *nlh);

static void text_begin(struct text *text)
{
	if (!text->file)
		text->file = open_memstream(&text->text, &text->length);
	if (!text->file)
		mem_exhausted();
	rewind(text->file);
}

static void text_end(struct text *text)
{
	putc('\0', text->file);
	fflush(text->file);
}

static void text_free(struct text *text)
{
	if (text->file)
		fclose(text->file);
	free(text->text);
}

static void node_line(FILE *file, const struct nlmsghdr *nlh)
{
	char text[ADDRESS_ROOM];
	struct node node;

	node_decode(nlh, &node);
	fprintf(file, "node add %s", format_address(&node.address, text));
}

static void service_line(FILE *file, const struct nlmsghdr *nlh)
{
	struct service service;

	service_decode(nlh, &service);
	fputs("service add ", file);
	service_words(file, &service, false);
}

static void backend_line(FILE *file, const struct nlmsghdr *nlh)
{
	struct backend backend;

	backend_decode(nlh, &backend);
	fputs("backend add ", file);
	backend_words(file, &backend, false);
}

static void show_head(const struct diff *diff)
{
	unsigned int i;

	printf("--- in force, generation %llu\n+++", (unsigned long long)diff->generation);
	for (i = 0; i < diff->plan->file_count; i++)
		printf(" %s", diff->plan->files[i].name);
	putchar('\n');
}

static void show_line(char sign, const char *line)
{
	bool color = out_color(STDOUT_FILENO);

	if (!line)
		return;
	printf("%s%c%s%s\n", color ? sign == '-' ? "\033[31m" : "\033[32m" : "", sign, line,
	       color ? "\033[0m" : "");
}

static void json_line(struct json *json, const char *key, const char *line)
{
	if (line)
		json_string(json, key, line);
	else
		json_null(json, key);
}

/* @old, @new: an object's line, NULL where there is none */
static void show(struct diff *diff, const char *object, const char *old, const char *new)
{
	if (diff->context->options.json) {
		json_open(&diff->json, NULL, '{');
		json_string(&diff->json, "object", object);
		json_string(&diff->json, "change", !old ? "add" : new ? "set" : "del");
		json_line(&diff->json, "old", old);
		json_line(&diff->json, "new", new);
		json_close(&diff->json);
	} else {
		if (!diff->differs)
			show_head(diff);
		show_line('-', old);
		show_line('+', new);
	}
	diff->differs = true;
}

static const char *line_of(struct text *text, const struct entry *entry, words_fn *words)
{
	if (!entry)
		return NULL;
	text_begin(text);
	words(text->file, entry->nlh);
	text_end(text);
	return text->text;
}

/* Both are sorted by what their objects are known by. */
static void compare_entries(struct diff *diff, const char *object, const struct entries *old,
			    const struct entries *new, words_fn *words)
{
	size_t o = 0, n = 0;

	while (o < old->count || n < new->count) {
		const struct entry *was = o < old->count ? &old->entries[o] : NULL;
		const struct entry *is = n < new->count ? &new->entries[n] : NULL;
		const char *before, *after;
		int order = !was ? 1 : !is ? -1 : entry_compare(was, is);

		o += order <= 0;
		n += order >= 0;
		before = line_of(&diff->old, order <= 0 ? was : NULL, words);
		after = line_of(&diff->new, order >= 0 ? is : NULL, words);
		if (order || strcmp(before, after))
			show(diff, object, before, after);
	}
}

/* Bytes of the words that say which setting a line is about: two, of a timeout three. */
static size_t setting_key(const char *line)
{
	const char *end = strchr(line + strlen("set "), ' ');

	if (end && !strncmp(line, "set timeout ", strlen("set timeout ")))
		end = strchr(end + 1, ' ');
	return end ? (size_t)(end - line) : strlen(line);
}

static char *find_setting(char *const *lines, size_t count, const char *line)
{
	size_t length = setting_key(line), i;

	for (i = 0; i < count; i++) {
		if (setting_key(lines[i]) == length && !strncmp(lines[i], line, length))
			return lines[i];
	}
	return NULL;
}

#define SETTING_LINES_MAX 64

/* Return: how many lines; they are made strings of their own. */
static size_t split_lines(char *text, char *lines[SETTING_LINES_MAX])
{
	size_t count = 0;
	char *line;

	while ((line = strsep(&text, "\n")) && *line && count < SETTING_LINES_MAX)
		lines[count++] = line;
	return count;
}

static void compare_settings(struct diff *diff, const struct settings *old,
			     const struct settings *new)
{
	char *was[SETTING_LINES_MAX], *is[SETTING_LINES_MAX], *other;
	size_t was_count, is_count, i;

	text_begin(&diff->old);
	settings_save(diff->old.file, old);
	text_end(&diff->old);
	text_begin(&diff->new);
	settings_save(diff->new.file, new);
	text_end(&diff->new);
	was_count = split_lines(diff->old.text, was);
	is_count = split_lines(diff->new.text, is);
	for (i = 0; i < was_count; i++) {
		other = find_setting(is, is_count, was[i]);
		if (!other || strcmp(was[i], other))
			show(diff, "settings", was[i], other);
	}
	for (i = 0; i < is_count; i++) {
		if (!find_setting(was, was_count, is[i]))
			show(diff, "settings", NULL, is[i]);
	}
}

typedef void entries_fn(const struct messages *messages, uint8_t command,
			struct entries *entries);

/* What a partial plan is silent of stays. */
static void compare_objects(struct diff *diff, const char *object, entries_fn *entries_of,
			    const struct messages *now, uint8_t get, uint8_t add, words_fn *words)
{
	struct entries old = { 0 }, new = { 0 };

	if (!diff->plan->partial) {
		entries_of(now, get, &old);
		entries_of(&diff->plan->messages, add, &new);
		compare_entries(diff, object, &old, &new, words);
	}
	entries_free(&old);
	entries_free(&new);
}

static void compare(struct diff *diff, const struct snapshot *now)
{
	struct settings settings;
	const struct nlmsghdr *nlh;

	if (diff->plan->partial)
		settings = now->settings;
	else
		settings_defaults(&settings, &now->settings);
	messages_for_each(nlh, &diff->plan->messages)
		settings_change(&settings, nlh);
	compare_settings(diff, &now->settings, &settings);
	compare_objects(diff, "node", entries_of_nodes, &now->nodes, BPFLB_CMD_NODE_GET,
			BPFLB_CMD_NODE_ADD, node_line);
	compare_objects(diff, "service", entries_of_services, &now->services,
			BPFLB_CMD_SERVICE_GET, BPFLB_CMD_SERVICE_ADD, service_line);
	compare_objects(diff, "backend", entries_of_backends, &now->backends,
			BPFLB_CMD_BACKEND_GET, BPFLB_CMD_BACKEND_ADD, backend_line);
}

static int compare_and_tell(struct context *context, const struct plan *plan,
			    const struct snapshot *now)
{
	struct diff diff = { .context = context, .plan = plan, .generation = now->generation };
	int code = LBADM_OK;

	if (context->options.json) {
		code = context_json_begin(context, &diff.json, now->generation);
		if (code)
			return code;
		json_open(&diff.json, "differences", '[');
	}
	compare(&diff, now);
	if (context->options.json) {
		json_close(&diff.json);
		context_json_end(&diff.json);
	}
	text_free(&diff.old);
	text_free(&diff.new);
	return diff.differs ? LBADM_DIFFERS : LBADM_OK;
}

static int diff_run(struct context *context)
{
	struct snapshot now = { 0 };
	struct plan plan = { 0 };
	int code;

	code = plan_args_take(&context->line, &plan.args, false);
	if (!code)
		code = plan_make(&plan, &context->request);
	/* Of two of the same name it would be anybody's guess which is meant. */
	if (!code)
		code = plan_sense(&plan);
	if (!code)
		code = conn_open(&context->conn);
	if (!code)
		code = snapshot_take(context, &now);
	if (!code)
		code = compare_and_tell(context, &plan, &now);
	snapshot_free(&now);
	plan_free(&plan);
	return code;
}

static const struct command diff_commands[] = {
	{
		.args = "FILE|-... [--node NAME]",
		.summary = "show what apply would change, and change nothing",
		.help = "Each object that would be removed has a line with -, each that would be added one\n"
			"with +, each that would change both, as save prints them. Without a difference\n"
			"nothing is printed, and the exit status is 0; else it is 4. Files are those of apply.\n"
			"Whether the module would take them is for check to say.\n",
		.run = diff_run,
	},
	{ 0 }
};

const struct object diff_object = {
	.name = "diff",
	.summary = "what apply would change",
	.commands = diff_commands,
};
