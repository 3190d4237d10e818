/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The next words of a line as values. Each returns 0, or an exit code after it
 * has reported what is wrong with which word.
 */
#ifndef LBADM_ARGS_H
#define LBADM_ARGS_H

#include <stdint.h>

#include "lex.h"
#include "parse.h"

int args_end(struct line *line);
int args_once(struct line *line, unsigned int *seen, unsigned int bit);
int args_unknown(struct line *line, const char *valid);

int args_name(struct line *line, const char **name);
int args_address(struct line *line, const char *what, struct address *address);
int args_backend(struct line *line, struct endpoint *endpoint);
int args_frontend(struct line *line, struct frontend *frontend);
/** struct prefixes_arg - what args_prefixes() most often hands on */
struct prefixes_arg {
	struct request *request;
	unsigned int word;
};

int args_prefixes(struct line *line, const char *what, unsigned int max,
		  void (*put)(const struct prefix *prefix, void *arg), void *arg);
int args_host(struct line *line, const char *what, struct endpoint *endpoint);
int args_number(struct line *line, const char *what, uint64_t min, uint64_t max,
		uint64_t *value);
int args_duration(struct line *line, const char *what, uint32_t *seconds);
int args_range(struct line *line, const char *what, uint16_t *first, uint16_t *last);
int args_choice(struct line *line, const char *what, const char *const *names,
		unsigned int *value);

#endif /* LBADM_ARGS_H */
