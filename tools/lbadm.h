/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lbadm - what every noun of it shares
 *
 * The life of a command: main.c makes a line of words of the arguments, finds
 * the command in the table of its object, and runs it. A command that writes
 * only has a build function, which turns words into a netlink message; so apply
 * can use the same function for a line of a file.
 */
#ifndef LBADM_H
#define LBADM_H

#include <stdbool.h>

#include "lex.h"
#include "nl.h"
#include "out.h"
#include "report.h"
#include "request.h"

#define LBADM_VERSION	"0.1.0"
#define LBADM_SCHEMA	1	/* of the JSON; raised when a key changes its meaning */

/**
 * struct options - what stands on the command line besides the command
 * @netns: network namespace to work in, NULL for the one we are in
 * @json: write JSON, not tables
 * @pretty: indent the JSON
 * @timestamps: monitor begins each event with the time
 */
struct options {
	const char *netns;
	bool json;
	bool pretty;
	bool timestamps;
};

/**
 * struct context - one run of lbadm
 * @options: see there
 * @line: the command line; its next word is the first after the verb
 * @request: the message being built
 * @conn: open once conn_open() has succeeded
 */
struct context {
	struct options options;
	struct line line;
	struct request request;
	struct conn conn;
};

/**
 * struct command - one verb
 * @verb: NULL where the object itself is the command ("save")
 * @alias: another word for the same, or NULL
 * @args: what follows the verb, for the usage line
 * @words: the same in full, for completion, where @args is too short for that; or NULL
 * @summary: what it does, in one line
 * @help: the rest of the help, lines ending in newline, or NULL
 * @build: turns the line's words into @request's message; reports and returns
 *	an exit code if it can't
 * @run: does it; NULL: build the message, send it, be silent if all is well
 * @in_file: it may stand in a file for apply
 */
struct command {
	const char *verb;
	const char *alias;
	const char *args;
	const char *words;
	const char *summary;
	const char *help;
	int (*build)(struct request *request, struct line *line);
	int (*run)(struct context *context);
	bool in_file;
};

/**
 * struct object - a noun of the grammar
 * @name: the word
 * @summary: what it is, in one line
 * @commands: its verbs, ended by one without a summary
 * @implied: the verb that is meant when none is given, or NULL
 */
struct object {
	const char *name;
	const char *summary;
	const struct command *commands;
	const char *implied;
};

extern const struct object status_object;
extern const struct object settings_object;
extern const struct object service_object;
extern const struct object backend_object;
extern const struct object node_object;
extern const struct object flow_object;
extern const struct object affinity_object;
extern const struct object stats_object;
extern const struct object metrics_object;
extern const struct object monitor_object;
extern const struct object save_object;
extern const struct object apply_object;
extern const struct object check_object;
extern const struct object diff_object;
extern const struct object import_object;
extern const struct object doctor_object;
extern const struct object explain_object;
extern const struct object report_object;
extern const struct object upgrade_object;

extern const struct object *const objects[];

const struct object *object_find(const char *name);
const struct command *verb_find(const struct object *object, const char *verb);
const struct command *bare_find(const struct object *object);
const struct command *command_find(struct line *line);
int command_help(struct line *line);

void help_all(void);
void help_object(const struct object *object);
void help_command(const struct object *object, const struct command *command);

int context_refused(const struct context *context, const struct refusal *why);
void json_schema(struct json *json, const char *version);
int context_json_begin(struct context *context, struct json *json, uint64_t generation);
int context_json_list(struct context *context, uint64_t generation,
		      const struct messages *messages,
		      void (*list)(struct json *json, const struct messages *messages));
void context_json_end(struct json *json);

#endif /* LBADM_H */
