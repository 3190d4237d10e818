// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"
#include "out.h"

#define CELL_ROOM 512

/**
 * json_init - begin a JSON text
 * @json: what to set up
 * @file: where to
 * @pretty: a value a line, indented
 */
void json_init(struct json *json, FILE *file, bool pretty)
{
	memset(json, 0, sizeof(*json));
	json->file = file;
	json->pretty = pretty;
}

static void json_newline(struct json *json)
{
	unsigned int i;

	if (!json->pretty)
		return;
	putc('\n', json->file);
	for (i = 0; i < json->depth; i++)
		fputs("  ", json->file);
}

/*
 * Length of the UTF-8 character at @text, 0 if it is none: names of devices
 * may be any bytes, and JSON may not.
 */
static size_t utf8_length(const unsigned char *text, size_t left)
{
	size_t length, i;
	uint32_t value;

	if (text[0] < 0x80)
		return 1;
	if (text[0] < 0xc2 || text[0] > 0xf4)
		return 0;
	length = text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
	if (length > left)
		return 0;
	value = text[0] & (0xff >> (length + 1));
	for (i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (text[i] & 0x3f);
	}
	/* Too long a form, a surrogate, or beyond Unicode. */
	if ((length == 3 && value < 0x800) || (length == 4 && value < 0x10000) ||
	    (value >= 0xd800 && value < 0xe000) || value > 0x10ffff)
		return 0;
	return length;
}

/* How many characters can stand in a string as they are. */
static size_t plain_length(const unsigned char *text, size_t left)
{
	size_t i;

	for (i = 0; i < left; i++) {
		if (text[i] < 0x20 || text[i] >= 0x7f || text[i] == '"' || text[i] == '\\')
			break;
	}
	return i;
}

static void json_quote(FILE *file, const char *value, size_t length)
{
	const unsigned char *text = (const unsigned char *)value;
	size_t i, step;

	putc('"', file);
	for (i = 0; i < length; i += step) {
		step = plain_length(text + i, length - i);
		if (!step && text[i] >= 0x80)
			step = utf8_length(text + i, length - i);
		if (step) {
			fwrite(text + i, 1, step, file);
			continue;
		}
		step = 1;
		if (text[i] >= 0x80)
			fputs("\\ufffd", file);
		else if (text[i] == '"' || text[i] == '\\')
			fprintf(file, "\\%c", text[i]);
		else
			fprintf(file, "\\u%04x", text[i]);
	}
	putc('"', file);
}

static void json_key(struct json *json, const char *key)
{
	uint32_t here = 1u << json->depth;

	if (json->depth) {
		if (json->filled & here)
			putc(',', json->file);
		json_newline(json);
	}
	json->filled |= here;
	if (!key || (json->arrays & here))
		return;
	json_quote(json->file, key, strlen(key));
	fputs(json->pretty ? ": " : ":", json->file);
}

/**
 * json_open - begin an object or an array
 * @json: the text
 * @key: its key; ignored in an array and at the top
 * @bracket: '{' or '['
 */
void json_open(struct json *json, const char *key, char bracket)
{
	uint32_t inside;

	json_key(json, key);
	putc(bracket, json->file);
	json->depth++;
	inside = 1u << json->depth;
	json->filled &= ~inside;
	json->arrays &= ~inside;
	if (bracket == '[')
		json->arrays |= inside;
}

/**
 * json_close - end the object or array that was begun last
 * @json: the text; the end of the outermost one ends the line too
 */
void json_close(struct json *json)
{
	uint32_t inside = 1u << json->depth;

	json->depth--;
	if (json->filled & inside)
		json_newline(json);
	putc(json->arrays & inside ? ']' : '}', json->file);
	if (!json->depth)
		putc('\n', json->file);
}

/**
 * json_string - a string
 * @json: the text
 * @key: its key; ignored in an array
 * @value: any bytes; what is not UTF-8 becomes U+FFFD
 */
void json_string(struct json *json, const char *key, const char *value)
{
	json_string_of(json, key, value, strlen(value));
}

/**
 * json_string_of - a string of a given length
 * @json: the text
 * @key: its key; ignored in an array
 * @value: any bytes; what is not UTF-8 becomes U+FFFD
 * @length: how many
 */
void json_string_of(struct json *json, const char *key, const char *value, size_t length)
{
	json_key(json, key);
	json_quote(json->file, value, length);
}

/**
 * json_u64 - a number
 * @json: the text
 * @key: its key; ignored in an array
 * @value: the number
 */
void json_u64(struct json *json, const char *key, uint64_t value)
{
	json_key(json, key);
	fprintf(json->file, "%" PRIu64, value);
}

/**
 * json_thousandths - a number with three digits behind the point
 * @json: the text
 * @key: its key
 * @value: the number, not below 0
 */
void json_thousandths(struct json *json, const char *key, double value)
{
	json_key(json, key);
	fprintf(json->file, "%.3f", value);
}

/**
 * json_bool - true or false
 * @json: the text
 * @key: its key; ignored in an array
 * @value: which
 */
void json_bool(struct json *json, const char *key, bool value)
{
	json_key(json, key);
	fputs(value ? "true" : "false", json->file);
}

/**
 * json_null - no value
 * @json: the text
 * @key: its key; ignored in an array
 */
void json_null(struct json *json, const char *key)
{
	json_key(json, key);
	fputs("null", json->file);
}

static unsigned int text_width(const char *text)
{
	unsigned int width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static const char *header_text(const struct table *table, unsigned int column)
{
	const char *header = table->headers[column];

	return header[0] == '>' ? header + 1 : header;
}

/**
 * table_init - begin a table
 * @table: what to set up
 * @headers: one a column, ended by NULL; '>' in front puts the column's cells
 *	to the right
 */
void table_init(struct table *table, const char *const *headers)
{
	memset(table, 0, sizeof(*table));
	while (headers[table->columns] && table->columns < TABLE_COLUMNS_MAX) {
		table->headers[table->columns] = headers[table->columns];
		table->width[table->columns] =
			text_width(header_text(table, table->columns));
		table->columns++;
	}
}

/**
 * table_cell - add the next cell
 * @table: the table; a row is full when each column has its cell
 * @format: its text, as printf()
 */
void table_cell(struct table *table, const char *format, ...)
{
	unsigned int column = table->cells % table->columns;
	char cell[CELL_ROOM];
	unsigned int width;
	va_list list;
	size_t size;
	char *c;

	va_start(list, format);
	vsnprintf(cell, sizeof(cell), format, list);
	va_end(list);
	/* A terminal must not obey what a name says. */
	for (c = cell; *c; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	}
	size = c - cell + 1;
	table->text = mem_grow(table->text, &table->room, table->used + size, 1);
	memcpy(table->text + table->used, cell, size);
	table->used += size;
	table->cells++;
	width = text_width(cell);
	if (width > table->width[column])
		table->width[column] = width;
}

static void print_cell(const struct table *table, unsigned int column, const char *text,
		       FILE *file)
{
	int pad = table->width[column] - text_width(text);
	bool last = column + 1 == table->columns;

	if (table->headers[column][0] == '>')
		fprintf(file, "%*s%s", pad, "", text);
	else
		fprintf(file, "%s%*s", text, last ? 0 : pad, "");
	fputs(last ? "" : "  ", file);
}

/**
 * table_print - write all of it, and give its memory back
 * @table: the table
 * @file: where to
 * @color: with the header in bold
 */
void table_print(struct table *table, FILE *file, bool color)
{
	const char *text = table->text;
	unsigned int column;
	size_t cell;

	fputs(color ? "\033[1m" : "", file);
	for (column = 0; column < table->columns; column++)
		print_cell(table, column, header_text(table, column), file);
	fputs(color ? "\033[0m\n" : "\n", file);
	for (cell = 0; cell < table->cells; cell++) {
		column = cell % table->columns;
		print_cell(table, column, text, file);
		if (column + 1 == table->columns)
			putc('\n', file);
		text += strlen(text) + 1;
	}
	free(table->text);
	table->text = NULL;
}

/**
 * out_color - whether to write colours
 * @fd: where to
 *
 * Return: whether it is a terminal and nobody objects.
 */
bool out_color(int fd)
{
	const char *none = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fd) && !(none && *none) && !(term && !strcmp(term, "dumb"));
}

/**
 * out_table - print a table on standard output, if there is anything in it
 * @table: the table
 * @nothing: what to tell a person if there is not; a program gets no output
 */
void out_table(struct table *table, const char *nothing)
{
	if (table->cells)
		table_print(table, stdout, out_color(STDOUT_FILENO));
	else if (isatty(STDOUT_FILENO))
		puts(nothing);
}
