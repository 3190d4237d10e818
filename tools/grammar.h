/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What may follow which words, by the usage line that help shows: "NAME tcp|udp
 * [weight N] [local | node ADDRESS]". Small letters are words to be written so,
 * capitals stand for something. Options that follow each other come in any order.
 */
#ifndef LBADM_GRAMMAR_H
#define LBADM_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GRAMMAR_STATES_MAX 512

/**
 * struct grammar_state - a place in a usage line
 * @token: the word or words that lead on to @next; NULL: it is @next and @other at once
 * @length: of @token
 * @head: @token begins an option
 * @next: the place after it
 * @other: another place, -1 if there is none
 */
struct grammar_state {
	const char *token;
	uint16_t length;
	bool head;
	int next;
	int other;
};

/**
 * struct grammar - a usage line, and where in it we may be after the words so far
 * @states: all places
 * @count: of them
 * @here: by place: whether we may be there
 * @used: by place: an option that was given
 */
struct grammar {
	struct grammar_state states[GRAMMAR_STATES_MAX];
	int count;
	bool here[GRAMMAR_STATES_MAX];
	bool used[GRAMMAR_STATES_MAX];
};

/**
 * typedef grammar_fn - takes what may come next
 * @what: a word, or what it stands for in capitals
 * @length: of @what
 */
typedef void grammar_fn(const char *what, size_t length, void *arg);

bool grammar_begin(struct grammar *grammar, const char *usage);
bool grammar_step(struct grammar *grammar, const char *word, const char **as, size_t *length);
void grammar_next(const struct grammar *grammar, grammar_fn *take, void *arg);

#endif /* LBADM_GRAMMAR_H */
