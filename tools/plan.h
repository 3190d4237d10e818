/* SPDX-License-Identifier: GPL-2.0-only */
/* What files say that the configuration shall be, as messages; and the transaction that says it. */
#ifndef LBADM_PLAN_H
#define LBADM_PLAN_H

#include "config_file.h"
#include "lbadm.h"

#define PLAN_FILES_MAX	16

/**
 * struct plan_args - which files, and on which condition
 * @files: to read, "-" for standard input
 * @count: of @files
 * @node: the name that this node has in a cluster's file, or NULL
 * @generation: that must be in force
 * @generation_word: the word that said so, NO_WORD if none did
 * @dry: nothing shall change
 */
struct plan_args {
	const char *files[PLAN_FILES_MAX];
	unsigned int count;
	const char *node;
	uint64_t generation;
	unsigned int generation_word;
	bool dry;
};

/**
 * struct origin_line - the line that a message comes from
 * @file: which file it is in
 * @where: where it begins there
 *
 * Which word made which attribute is not kept, but found out again by building
 * the one message that is refused a second time.
 */
struct origin_line {
	const struct config_file *file;
	struct config_cursor where;
};

/**
 * struct plan - what shall be
 * @args: which files
 * @files: what it is told by
 * @file_count: of @files
 * @lines: of each message
 * @count: of @lines, and of the messages
 * @lines_room: of @lines
 * @messages: what will be sent
 * @partial: what the files are silent of stays as it is
 * @first: number of the first message, once they are sent
 */
struct plan {
	struct plan_args args;
	struct config_file files[PLAN_FILES_MAX];
	unsigned int file_count;
	struct origin_line *lines;
	size_t count;
	size_t lines_room;
	struct messages messages;
	bool partial;
	uint32_t first;
};


int plan_args_take(struct line *line, struct plan_args *args, bool writes);
int plan_make(struct plan *plan, struct request *request);
void plan_line(const struct plan *plan, size_t place, struct line *line, struct request *request);
int plan_blame(const struct plan *plan, size_t place, enum lbadm_exit code, int attr,
	       unsigned int nth, const char *format, ...) __attribute__((format(printf, 6, 7)));
int plan_sense(const struct plan *plan);
int plan_transact(struct context *context, struct plan *plan, uint64_t *generation);
void plan_free(struct plan *plan);

#endif /* LBADM_PLAN_H */
