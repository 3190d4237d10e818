/* SPDX-License-Identifier: GPL-2.0-only */
/* Output: JSON for programs, tables for people. */
#ifndef LBADM_OUT_H
#define LBADM_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/**
 * struct json - a JSON text that is being written
 * @file: where to
 * @pretty: a value a line, indented
 * @depth: objects and arrays that are open
 * @filled: a bit for each depth: something stands in it already
 * @arrays: a bit for each depth: it is an array
 */
struct json {
	FILE *file;
	bool pretty;
	unsigned int depth;
	uint32_t filled;
	uint32_t arrays;
};

void json_init(struct json *json, FILE *file, bool pretty);
void json_open(struct json *json, const char *key, char bracket);
void json_close(struct json *json);
void json_string(struct json *json, const char *key, const char *value);
void json_string_of(struct json *json, const char *key, const char *value, size_t length);
void json_u64(struct json *json, const char *key, uint64_t value);
void json_thousandths(struct json *json, const char *key, double value);
void json_bool(struct json *json, const char *key, bool value);
void json_null(struct json *json, const char *key);

#define TABLE_COLUMNS_MAX 12

/**
 * struct table - rows that are aligned once all are known
 * @headers: one a column; '>' in front puts the column's cells to the right
 * @columns: how many
 * @text: all cells' texts, each with its NUL
 * @used: bytes of it
 * @room: bytes there is room for
 * @cells: how many have been added
 * @width: of each column, in characters
 */
struct table {
	const char *headers[TABLE_COLUMNS_MAX];
	unsigned int columns;
	char *text;
	size_t used;
	size_t room;
	size_t cells;
	unsigned int width[TABLE_COLUMNS_MAX];
};

void table_init(struct table *table, const char *const *headers);
void table_cell(struct table *table, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void table_print(struct table *table, FILE *file, bool color);

bool out_color(int fd);
void out_table(struct table *table, const char *nothing);

#endif /* LBADM_OUT_H */
