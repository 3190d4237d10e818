// SPDX-License-Identifier: GPL-2.0-only
/*
 * A usage line becomes a machine whose places are before and after its words.
 * We may be at several of them at once; a word leads to all that follow.
 */
#include <ctype.h>
#include <string.h>

#include "grammar.h"

#define NOWHERE (-1)

/** struct part - of a machine: where it begins, and the one place where it ends */
struct part {
	int begin;
	int end;
};

/** struct reader - a usage line that is being read */
struct reader {
	struct grammar *grammar;
	const char *at;
	bool full;
};

static struct part read_alternatives(struct reader *reader, bool option);

static int state_add(struct reader *reader, const char *token, size_t length)
{
	struct grammar *grammar = reader->grammar;
	struct grammar_state *state;

	/* The last one is overwritten: what comes of it is never used. */
	if (grammar->count == GRAMMAR_STATES_MAX) {
		reader->full = true;
		grammar->count--;
	}
	state = &grammar->states[grammar->count];
	*state = (struct grammar_state) {
		.token = token,
		.length = length,
		.next = NOWHERE,
		.other = NOWHERE,
	};
	return grammar->count++;
}

static void skip_blanks(struct reader *reader)
{
	while (isspace((unsigned char)*reader->at))
		reader->at++;
}

/* A bracket inside of a word, as in ADDRESS[:PORT], is part of it. */
static size_t token_length(const char *at)
{
	size_t length, depth = 0;

	for (length = 0; at[length] && !isspace((unsigned char)at[length]); length++) {
		if (at[length] == '[')
			depth++;
		else if (at[length] == ']' && !depth--)
			break;
	}
	return length;
}

static bool ends_with(const char *text, size_t length, const char *end)
{
	size_t want = strlen(end);

	return length > want && !memcmp(text + length - want, end, want);
}

/* Again and again, but once at least. */
static struct part repeat(struct reader *reader, struct part part)
{
	struct grammar_state *states = reader->grammar->states;
	int fork = state_add(reader, NULL, 0), end = state_add(reader, NULL, 0);

	states[part.end].next = fork;
	states[fork].next = part.begin;
	states[fork].other = end;
	return (struct part) { part.begin, end };
}

static struct part read_token(struct reader *reader, bool head)
{
	struct grammar_state *states = reader->grammar->states;
	size_t length = token_length(reader->at), shown = length;
	bool again = ends_with(reader->at, length, "...");
	struct part part;

	/* "PREFIX,..." is one word with commas in it. */
	if (again)
		shown -= strlen("...");
	if (again && reader->at[shown - 1] == ',') {
		again = false;
		shown--;
	}
	part.begin = state_add(reader, reader->at, shown);
	part.end = state_add(reader, NULL, 0);
	states[part.begin].next = part.end;
	states[part.begin].head = head;
	reader->at += length;
	return again ? repeat(reader, part) : part;
}

/* An option that is a value, not a word, has its place in the order. */
static bool is_loose(const struct grammar *grammar, struct part part)
{
	const struct grammar_state *state = &grammar->states[part.begin];
	int steps;

	/* Brackets with nothing in them may lead round in a circle. */
	for (steps = 0; !state->token && state->next != NOWHERE && steps < grammar->count; steps++)
		state = &grammar->states[state->next];
	return state->token && !isupper((unsigned char)state->token[0]);
}

static struct part read_option(struct reader *reader)
{
	struct grammar_state *states = reader->grammar->states;
	int begin = state_add(reader, NULL, 0);
	struct part part;

	reader->at++;
	part = read_alternatives(reader, true);
	if (*reader->at == ']')
		reader->at++;
	if (!strncmp(reader->at, "...", 3)) {
		reader->at += 3;
		part = repeat(reader, part);
	}
	states[begin].next = part.begin;
	states[begin].other = part.end;
	part.begin = begin;
	return part;
}

static struct part read_sequence(struct reader *reader, bool option)
{
	struct grammar_state *states = reader->grammar->states;
	int begin = state_add(reader, NULL, 0), end = begin, loop = NOWHERE;

	for (;;) {
		bool bracket;
		struct part part;

		skip_blanks(reader);
		if (!*reader->at || *reader->at == ']' ||
		    (*reader->at == '|' &&
		     (!reader->at[1] || isspace((unsigned char)reader->at[1]))))
			return (struct part) { begin, end };
		bracket = *reader->at == '[';
		part = bracket ? read_option(reader) : read_token(reader, option && begin == end);
		if (reader->full)
			return (struct part) { begin, end };
		if (!bracket || !is_loose(reader->grammar, part))
			loop = NOWHERE;
		if (bracket && is_loose(reader->grammar, part) && loop != NOWHERE) {
			/* One more of those that come in any order: beside the others. */
			int fork = state_add(reader, NULL, 0);

			states[fork].next = states[loop].next;
			states[fork].other = part.begin;
			states[loop].next = fork;
			states[part.end].next = loop;
			continue;
		}
		if (bracket && is_loose(reader->grammar, part)) {
			loop = state_add(reader, NULL, 0);
			states[end].next = loop;
			states[loop].next = part.begin;
			states[part.end].next = loop;
			end = state_add(reader, NULL, 0);
			states[loop].other = end;
			continue;
		}
		states[end].next = part.begin;
		end = part.end;
	}
}

static struct part read_alternatives(struct reader *reader, bool option)
{
	struct grammar_state *states = reader->grammar->states;
	struct part part = read_sequence(reader, option);

	while (!reader->full && *reader->at == '|') {
		struct part second;
		int fork;

		reader->at++;
		second = read_sequence(reader, option);
		fork = state_add(reader, NULL, 0);
		states[fork].next = part.begin;
		states[fork].other = second.begin;
		states[second.end].next = part.end;
		part.begin = fork;
	}
	return part;
}

static void enter(struct grammar *grammar, int place)
{
	const struct grammar_state *state;

	while (place != NOWHERE && !grammar->here[place]) {
		grammar->here[place] = true;
		state = &grammar->states[place];
		if (state->token)
			return;
		enter(grammar, state->other);
		place = state->next;
	}
}

/**
 * grammar_begin - be before the first word of a usage line
 * @grammar: the result
 * @usage: the line, which must live as long
 *
 * Return: false if it is too long.
 */
bool grammar_begin(struct grammar *grammar, const char *usage)
{
	struct reader reader = { .grammar = grammar, .at = usage };
	struct part all;

	memset(grammar, 0, sizeof(*grammar));
	all = read_alternatives(&reader, false);
	if (reader.full)
		return false;
	enter(grammar, all.begin);
	return true;
}

/* The alternatives of a token, "tcp|udp": the next one from @from on. */
static const char *alternative(const struct grammar_state *state, size_t *from, size_t *length)
{
	const char *text = state->token + *from, *bar;

	if (*from >= state->length)
		return NULL;
	bar = memchr(text, '|', state->length - *from);
	*length = bar ? (size_t)(bar - text) : state->length - *from;
	*from += *length + 1;
	return text;
}

static bool is_value(const char *token)
{
	return isupper((unsigned char)token[0]);
}

/* Which alternative a word is; a value may be any, but for an option. NULL: none. */
static const char *accepts(const struct grammar_state *state, const char *word, bool values,
			   size_t *length)
{
	bool option = word[0] == '-' && word[1];
	const char *text;
	size_t from = 0;

	while ((text = alternative(state, &from, length))) {
		if (values && option)
			continue;
		if (values ? is_value(text) :
		    !is_value(text) && strlen(word) == *length && !strncmp(word, text, *length))
			return text;
	}
	return NULL;
}

static bool step(struct grammar *grammar, const char *word, bool values, const char **as,
		 size_t *length)
{
	bool before[GRAMMAR_STATES_MAX], any = false;
	const char *text;
	size_t matched;
	int i;

	memcpy(before, grammar->here, sizeof(before));
	for (i = 0; i < grammar->count; i++) {
		struct grammar_state *state = &grammar->states[i];

		if (!before[i] || !state->token)
			continue;
		text = accepts(state, word, values, &matched);
		if (!text)
			continue;
		if (!any)
			memset(grammar->here, 0, sizeof(grammar->here));
		any = true;
		*as = text;
		*length = matched;
		grammar->used[i] |= state->head && !values;
		enter(grammar, state->next);
	}
	return any;
}

/**
 * grammar_step - go on by a word
 * @grammar: where we are
 * @word: the word
 * @as: what it was taken for
 * @length: of @as
 *
 * Return: false if it can't stand here.
 */
bool grammar_step(struct grammar *grammar, const char *word, const char **as, size_t *length)
{
	return step(grammar, word, false, as, length) || step(grammar, word, true, as, length);
}

/**
 * grammar_next - all that may come next
 * @grammar: where we are
 * @take: called for each
 * @arg: its argument
 */
void grammar_next(const struct grammar *grammar, grammar_fn *take, void *arg)
{
	const char *text;
	size_t length;
	int i;

	for (i = 0; i < grammar->count; i++) {
		const struct grammar_state *state = &grammar->states[i];
		size_t from = 0;

		if (!grammar->here[i] || !state->token || grammar->used[i])
			continue;
		while ((text = alternative(state, &from, &length)))
			take(text, length, arg);
	}
}
