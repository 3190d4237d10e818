/* SPDX-License-Identifier: GPL-2.0-only */
/* Errors: a sentence, and the word that it is about. */
#ifndef LBADM_REPORT_H
#define LBADM_REPORT_H

#include <stdbool.h>

#include "lex.h"

/* What lbadm exits with; part of its interface. */
enum lbadm_exit {
	LBADM_OK,
	LBADM_USAGE,		/* the words make no sense */
	LBADM_REFUSED,		/* the kernel, or the system, said no */
	LBADM_ABSENT,		/* the module is not loaded */
	LBADM_DIFFERS,		/* for a comparison */
};

/* No word in particular. */
#define NO_WORD ((unsigned int)-1)

void report_as_json(bool pretty);
void report_before(void (*prepare)(void));
int report(enum lbadm_exit code, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
int report_at(enum lbadm_exit code, const struct line *line, unsigned int word,
	      const char *format, ...) __attribute__((format(printf, 4, 5)));
int report_last(const struct line *line, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
int report_end(const struct line *line, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif /* LBADM_REPORT_H */
