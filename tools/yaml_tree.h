/* SPDX-License-Identifier: GPL-2.0-only */
/* YAML, and JSON with it, as a tree that knows where everything stands; an object at a time. */
#ifndef LBADM_YAML_TREE_H
#define LBADM_YAML_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yaml.h>

#include "mem.h"

enum tree_kind { TREE_SCALAR, TREE_LIST, TREE_MAP };

/**
 * struct tree - a value
 * @kind: what it is
 * @key: its key, where @parent is a map
 * @number: which one it is, where @parent is a list
 * @text: of a scalar
 * @quoted: the scalar is a string, whatever it looks like
 * @line: from 1
 * @column: of its first character, from 0
 * @parent: what it is in; NULL for an object
 * @first: the first value in it
 * @last: the last one
 * @next: the next one in @parent
 */
struct tree {
	enum tree_kind kind;
	const char *key;
	unsigned int number;
	const char *text;
	bool quoted;
	unsigned int line;
	unsigned int column;
	struct tree *parent;
	struct tree *first;
	struct tree *last;
	struct tree *next;
};

/**
 * struct tree_reader - a file on its way into trees
 * @name: of the file, for errors
 * @text: all of it
 * @length: of @text
 * @parser: libyaml's
 * @arena: the current object's memory
 * @in_items: the next event is a List's item, or their end
 * @in_list: what is being read is a List
 * @code: LBADM_OK until something is wrong, which is reported then; the first thing counts
 */
struct tree_reader {
	const char *name;
	const char *text;
	size_t length;
	yaml_parser_t parser;
	struct arena arena;
	bool in_items;
	bool in_list;
	int code;
};

void tree_open(struct tree_reader *reader, const char *name, const char *text, size_t length);
void tree_close(struct tree_reader *reader);
struct tree *tree_next(struct tree_reader *reader);

void tree_wrong(struct tree_reader *reader, const struct tree *at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void tree_wrong_line(struct tree_reader *reader, unsigned int line, unsigned int column,
		     const char *format, ...) __attribute__((format(printf, 4, 5)));

struct tree *tree_get(struct tree_reader *reader, const struct tree *map, const char *key,
		      enum tree_kind kind);
const char *tree_string(struct tree_reader *reader, const struct tree *map, const char *key);
uint64_t tree_number(struct tree_reader *reader, const struct tree *map, const char *key,
		     uint64_t max, uint64_t absent);
bool tree_bool(struct tree_reader *reader, const struct tree *map, const char *key, bool absent);
unsigned int tree_choice(struct tree_reader *reader, const struct tree *map, const char *key,
			 const char *const *names, unsigned int absent);

/* Each value of the list or map of a name, if it is there. */
#define tree_for_each(reader, value, map, key, kind)				\
	for (struct tree *_in = tree_get(reader, map, key, kind),		\
	     *value = _in ? _in->first : NULL; value; value = value->next)

#endif /* LBADM_YAML_TREE_H */
