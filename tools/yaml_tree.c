// SPDX-License-Identifier: GPL-2.0-only
/*
 * libyaml's events become trees, one for each object: a document, or an element
 * of a List. So a cluster of hundreds of megabytes takes the memory of its
 * largest object. JSON is read as the YAML that it is.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lex.h"
#include "parse.h"
#include "report.h"
#include "yaml_tree.h"

#define PATH_ROOM	256
#define MESSAGE_ROOM	512
#define DEPTH_MAX	100

/**
 * tree_open - begin to read
 * @reader: to be initialized
 * @name: of the file, for errors
 * @text: what is in it; must live as long as @reader
 * @length: of @text
 */
void tree_open(struct tree_reader *reader, const char *name, const char *text, size_t length)
{
	memset(reader, 0, sizeof(*reader));
	reader->name = name;
	reader->text = text;
	reader->length = length;
	if (!yaml_parser_initialize(&reader->parser))
		mem_exhausted();
	yaml_parser_set_input_string(&reader->parser, (const unsigned char *)text, length);
}

/**
 * tree_close - give a reader's memory back
 * @reader: opened
 */
void tree_close(struct tree_reader *reader)
{
	yaml_parser_delete(&reader->parser);
	arena_free(&reader->arena);
}

/* Where an object stands in a file, as a line that has one word. */
static void wrong_at(struct tree_reader *reader, unsigned int number, unsigned int column,
		     const char *message)
{
	const char *text = reader->text, *end = text + reader->length, *newline;
	struct line line = { .source = reader->name, .number = number };
	unsigned int word;

	reader->code = LBADM_USAGE;
	while (--number && (newline = memchr(text, '\n', end - text)))
		text = newline + 1;
	newline = memchr(text, '\n', end - text);
	line_split(&line, text, (newline ? newline : end) - text);
	for (word = line.count; word > 1 && line.words[word - 1].column > column; word--)
		;
	report_at(LBADM_USAGE, &line, word ? word - 1 : NO_WORD, "%s", message);
	line_free(&line);
}

/**
 * tree_wrong_line - report what is wrong somewhere in a file
 * @reader: opened
 * @line: from 1
 * @column: from 0
 * @format: the sentence, as printf()
 */
void tree_wrong_line(struct tree_reader *reader, unsigned int line, unsigned int column,
		     const char *format, ...)
{
	char message[MESSAGE_ROOM];
	va_list list;

	if (reader->code)
		return;
	va_start(list, format);
	vsnprintf(message, sizeof(message), format, list);
	va_end(list);
	wrong_at(reader, line, column, message);
}

static void write_path(FILE *file, const struct tree *at)
{
	if (!at->parent)
		return;
	write_path(file, at->parent);
	if (at->parent->kind == TREE_LIST)
		fprintf(file, "[%u]", at->number);
	else
		fprintf(file, "%s%s", at->parent->parent ? "." : "", at->key);
}

/**
 * tree_wrong - report what is wrong with a value
 * @reader: opened
 * @at: the value
 * @format: the sentence, as printf(), which is put behind the field's name
 *
 * Only the first one that is wrong is reported.
 */
void tree_wrong(struct tree_reader *reader, const struct tree *at, const char *format, ...)
{
	char path[PATH_ROOM], message[MESSAGE_ROOM];
	va_list list;
	FILE *file;

	if (reader->code)
		return;
	va_start(list, format);
	vsnprintf(message, sizeof(message), format, list);
	va_end(list);
	path[0] = '\0';
	file = fmemopen(path, sizeof(path), "w");
	if (file) {
		write_path(file, at);
		fclose(file);
		path[sizeof(path) - 1] = '\0';
	}
	tree_wrong_line(reader, at->line, at->column, "%s%s%s", path, *path ? ": " : "", message);
}

static void parser_wrong(struct tree_reader *reader)
{
	const yaml_parser_t *parser = &reader->parser;

	tree_wrong_line(reader, parser->problem_mark.line + 1, parser->problem_mark.column,
			"neither YAML nor JSON: %s",
			parser->problem ? parser->problem : "can't be read");
}

/* The next event; false at a mistake, which is reported. */
static bool next_event(struct tree_reader *reader, yaml_event_t *event)
{
	if (reader->code)
		return false;
	if (yaml_parser_parse(&reader->parser, event))
		return true;
	parser_wrong(reader);
	return false;
}

static struct tree *value_make(struct tree_reader *reader, const yaml_event_t *event)
{
	struct tree *value = arena_alloc(&reader->arena, sizeof(*value));

	memset(value, 0, sizeof(*value));
	value->line = event->start_mark.line + 1;
	value->column = event->start_mark.column;
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		value->kind = TREE_SCALAR;
		value->text = arena_copy(&reader->arena, (const char *)event->data.scalar.value,
					 event->data.scalar.length);
		value->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
		break;
	case YAML_SEQUENCE_START_EVENT:
		value->kind = TREE_LIST;
		break;
	case YAML_MAPPING_START_EVENT:
		value->kind = TREE_MAP;
		break;
	default:
		tree_wrong(reader, value, "aliases (*name) are not read");
	}
	return value;
}

static struct tree *member(const struct tree *map, const char *key)
{
	struct tree *value;

	for (value = map->first; value; value = value->next) {
		if (!strcmp(value->key, key))
			return value;
	}
	return NULL;
}

static void append(struct tree *parent, struct tree *value)
{
	value->parent = parent;
	value->number = parent->last ? parent->last->number + 1 : 0;
	if (parent->last)
		parent->last->next = value;
	else
		parent->first = value;
	parent->last = value;
}

/* A key; NULL if it is none, which is reported. */
static const char *key_read(struct tree_reader *reader, const struct tree *map,
			    const yaml_event_t *event)
{
	const struct tree *key = value_make(reader, event);

	if (reader->code || key->kind != TREE_SCALAR)
		tree_wrong(reader, key, "a key must be a word");
	else if (member(map, key->text))
		tree_wrong(reader, key, "'%s' is here for the second time", key->text);
	return reader->code ? NULL : key->text;
}

/* The value that begins with an event; NULL at a mistake. */
static struct tree *value_read(struct tree_reader *reader, const yaml_event_t *first,
			       unsigned int depth)
{
	struct tree *value = value_make(reader, first), *inner;
	const char *key = NULL;
	yaml_event_t event;
	bool end = false;

	if (depth > DEPTH_MAX)
		tree_wrong(reader, value, "more than %d levels deep", DEPTH_MAX);
	while (value->kind != TREE_SCALAR && !end && next_event(reader, &event)) {
		end = event.type == YAML_SEQUENCE_END_EVENT || event.type == YAML_MAPPING_END_EVENT;
		if (!end && value->kind == TREE_MAP && !key) {
			key = key_read(reader, value, &event);
		} else if (!end) {
			inner = value_read(reader, &event, depth + 1);
			if (inner) {
				inner->key = key;
				append(value, inner);
			}
			key = NULL;
		}
		yaml_event_delete(&event);
	}
	return reader->code ? NULL : value;
}

static void list_kind(struct tree_reader *reader, const struct tree *kind)
{
	if (kind && (kind->kind != TREE_SCALAR || strcmp(kind->text, "List")))
		tree_wrong(reader, kind, "what has items must be a List");
}

/*
 * Read on in an object's map, up to its end or to a List's items. Return: the
 * map; NULL for what is a List, where @reader->in_items tells if its items come.
 */
static struct tree *object_read(struct tree_reader *reader, struct tree *map)
{
	const char *key = NULL;
	struct tree *value;
	yaml_event_t event;
	bool end = false;

	while (!end && !reader->in_items && next_event(reader, &event)) {
		end = event.type == YAML_MAPPING_END_EVENT;
		if (!end && !key) {
			key = key_read(reader, map, &event);
		} else if (!end && event.type == YAML_SEQUENCE_START_EVENT &&
			   !strcmp(key, "items")) {
			list_kind(reader, member(map, "kind"));
			reader->in_items = true;
			reader->in_list = true;
		} else if (!end) {
			value = value_read(reader, &event, 1);
			if (value) {
				value->key = key;
				append(map, value);
			}
			key = NULL;
		}
		yaml_event_delete(&event);
	}
	if (end && reader->in_list) {
		list_kind(reader, member(map, "kind"));
		reader->in_list = false;
		return NULL;
	}
	return reader->code || reader->in_items ? NULL : map;
}

/* A List's next item; NULL if it has no more. */
static struct tree *item_read(struct tree_reader *reader)
{
	struct tree *item = NULL;
	yaml_event_t event;

	if (!next_event(reader, &event))
		return NULL;
	if (event.type == YAML_SEQUENCE_END_EVENT)
		reader->in_items = false;
	else
		item = value_read(reader, &event, 0);
	yaml_event_delete(&event);
	return item;
}

/* What a document has; NULL if it is a List, or nothing. */
static struct tree *document_read(struct tree_reader *reader, const yaml_event_t *event)
{
	struct tree *value = value_make(reader, event);

	if (reader->code)
		return NULL;
	if (value->kind == TREE_MAP)
		return object_read(reader, value);
	if (value->kind == TREE_LIST || *value->text)
		tree_wrong(reader, value, "an object of Kubernetes has fields");
	return NULL;
}

/**
 * tree_next - the next object of a file
 * @reader: opened
 *
 * Return: the object, a map as a rule, until the next call; NULL after the last
 * one, or at a mistake, which @reader->code tells.
 */
struct tree *tree_next(struct tree_reader *reader)
{
	struct tree *object = NULL, *rest;
	yaml_event_t event;
	bool end = false;

	while (!object && !end && !reader->code) {
		arena_reset(&reader->arena);
		if (reader->in_items) {
			object = item_read(reader);
		} else if (reader->in_list) {
			rest = arena_alloc(&reader->arena, sizeof(*rest));
			memset(rest, 0, sizeof(*rest));
			rest->kind = TREE_MAP;
			object_read(reader, rest);
		} else if (next_event(reader, &event)) {
			end = event.type == YAML_STREAM_END_EVENT;
			if (event.type == YAML_MAPPING_START_EVENT ||
			    event.type == YAML_SEQUENCE_START_EVENT ||
			    event.type == YAML_SCALAR_EVENT || event.type == YAML_ALIAS_EVENT)
				object = document_read(reader, &event);
			yaml_event_delete(&event);
		}
	}
	return reader->code ? NULL : object;
}

static bool is_null(const struct tree *value)
{
	return value->kind == TREE_SCALAR && !value->quoted &&
	       (!*value->text || !strcmp(value->text, "~") || !strcmp(value->text, "null"));
}

/**
 * tree_get - a field
 * @reader: opened
 * @map: what it is of, or NULL
 * @key: its name
 * @kind: what it has to be, which else is reported
 *
 * Return: its value; NULL if it isn't there, or is null.
 */
struct tree *tree_get(struct tree_reader *reader, const struct tree *map, const char *key,
		      enum tree_kind kind)
{
	static const char *const kinds[] = { "a word", "a list", "fields" };
	struct tree *value;

	if (!map || map->kind != TREE_MAP)
		return NULL;
	value = member(map, key);
	if (!value || is_null(value))
		return NULL;
	if (value->kind != kind) {
		tree_wrong(reader, value, "must be %s", kinds[kind]);
		return NULL;
	}
	return value;
}

/**
 * tree_string - a field's text
 * @reader: opened
 * @map: what it is of, or NULL
 * @key: its name
 *
 * Return: the text; NULL if it isn't there, or is null.
 */
const char *tree_string(struct tree_reader *reader, const struct tree *map, const char *key)
{
	const struct tree *value = tree_get(reader, map, key, TREE_SCALAR);

	return value ? value->text : NULL;
}

/**
 * tree_number - a field's number
 * @reader: opened
 * @map: what it is of, or NULL
 * @key: its name
 * @max: the largest allowed
 * @absent: what it is where it is not there
 *
 * Return: the number.
 */
uint64_t tree_number(struct tree_reader *reader, const struct tree *map, const char *key,
		     uint64_t max, uint64_t absent)
{
	const struct tree *value = tree_get(reader, map, key, TREE_SCALAR);
	uint64_t number;

	if (!value)
		return absent;
	if (!value->quoted && parse_number(value->text, 0, max, &number))
		return number;
	tree_wrong(reader, value, "'%s' is not a number from 0 to %llu", value->text,
		   (unsigned long long)max);
	return absent;
}

/**
 * tree_bool - a field that is true or false
 * @reader: opened
 * @map: what it is of, or NULL
 * @key: its name
 * @absent: what it is where it is not there
 *
 * Return: which it is.
 */
bool tree_bool(struct tree_reader *reader, const struct tree *map, const char *key, bool absent)
{
	static const char *const names[] = { "false", "true", NULL };

	return tree_choice(reader, map, key, names, absent);
}

static void choice_wrong(struct tree_reader *reader, const struct tree *value,
			 const char *const *names)
{
	char valid[MESSAGE_ROOM / 2] = "";
	size_t used = 0;
	unsigned int i;

	for (i = 0; names[i] && used < sizeof(valid); i++)
		used += snprintf(valid + used, sizeof(valid) - used, "%s%s", i ? ", " : "",
				 names[i]);
	tree_wrong(reader, value, "'%s' is not known; valid: %s", value->text, valid);
}

/**
 * tree_choice - a field that has one of several values
 * @reader: opened
 * @map: what it is of, or NULL
 * @key: its name
 * @names: the values, the last one NULL
 * @absent: which it is where it is not there
 *
 * Return: which it is.
 */
unsigned int tree_choice(struct tree_reader *reader, const struct tree *map, const char *key,
			 const char *const *names, unsigned int absent)
{
	const struct tree *value = tree_get(reader, map, key, TREE_SCALAR);
	unsigned int choice;

	if (!value)
		return absent;
	if (parse_choice(value->text, names, &choice))
		return choice;
	choice_wrong(reader, value, names);
	return absent;
}
