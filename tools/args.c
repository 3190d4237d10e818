// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <linux/bpflb.h>

#include "args.h"
#include "names.h"
#include "report.h"

#define CHOICES_ROOM 256

/**
 * args_end - nothing may follow
 * @line: the line
 */
int args_end(struct line *line)
{
	if (!line_take(line))
		return 0;
	return report_last(line, "nothing may follow here");
}

/**
 * args_once - the keyword that was taken last may come once only
 * @line: the line
 * @seen: the keywords that came already
 * @bit: of this one
 */
int args_once(struct line *line, unsigned int *seen, unsigned int bit)
{
	if (*seen & bit)
		return report_last(line, "%s is here twice", line->words[line->next - 1].text);
	*seen |= bit;
	return 0;
}

/**
 * args_unknown - the next word is no keyword
 * @line: the line
 * @valid: what is
 */
int args_unknown(struct line *line, const char *valid)
{
	const char *word = line_take(line);

	if (!word)
		return report_end(line, "a word is missing: %s", valid);
	return report_last(line, "unknown word '%s'; valid here: %s", word, valid);
}

/**
 * args_name - the name of a service
 * @line: the line
 * @name: the result
 */
int args_name(struct line *line, const char **name)
{
	*name = line_take(line);
	if (!*name)
		return report_end(line, "the service's name is missing");
	if (!parse_service_name(*name))
		return report_last(line, "'%s' can't name a service: a letter or digit, then "
				   "letters, digits and . _ - / :, %d characters at most",
				   *name, BPFLB_NAME_MAX - 1);
	return 0;
}

/**
 * args_address - an address
 * @line: the line
 * @what: it is for
 * @address: the result
 */
int args_address(struct line *line, const char *what, struct address *address)
{
	const char *word = line_take(line);

	if (!word)
		return report_end(line, "the address of the %s is missing", what);
	if (!parse_address(word, address))
		return report_last(line, "'%s' is no address; %s must be an address such as "
				   "192.0.2.10 or 2001:db8::1", word, what);
	return 0;
}

/**
 * args_backend - a backend's address and port
 * @line: the line
 * @endpoint: the result; its port is 0 for any
 */
int args_backend(struct line *line, struct endpoint *endpoint)
{
	const char *word = line_take(line);

	if (!word)
		return report_end(line, "the backend's address and port are missing");
	if (!parse_backend(word, endpoint))
		return report_last(line, "'%s' is no address and port; backend must be such as "
				   "10.0.1.11:8443, [2001:db8::1]:8443 or 10.0.1.11:*", word);
	return 0;
}

/**
 * args_frontend - an address and port of a service, or a node port
 * @line: the line
 * @frontend: the result
 */
int args_frontend(struct line *line, struct frontend *frontend)
{
	const char *word = line_take(line);

	if (!word)
		return report_end(line, "the service's address and port are missing");
	if (!parse_frontend(word, frontend))
		return report_last(line, "'%s' is no address of a service, such as "
				   "192.0.2.10:443, [2001:db8::1]:443, 192.0.2.10:8000-8999, "
				   "192.0.2.10:* or nodeport:30022", word);
	return 0;
}

/**
 * args_prefixes - prefixes in one word, with commas between them
 * @line: the line
 * @what: they are
 * @max: how many there may be
 * @put: called with each
 * @arg: for @put
 */
int args_prefixes(struct line *line, const char *what, unsigned int max,
		  void (*put)(const struct prefix *prefix, void *arg), void *arg)
{
	const char *word = line_take(line);
	unsigned int count = 0;
	struct prefix prefix;
	int length;

	if (!word)
		return report_end(line, "the prefixes of %s are missing", what);
	for (;; word += length + 1) {
		length = strcspn(word, ",");
		if (!parse_prefix(word, length, &prefix))
			return report_last(line, "'%.*s' is no prefix; %s must be such as "
					   "192.0.2.0/24 or 192.0.2.0/24,2001:db8::/32",
					   length, word, what);
		if (!prefix_is_good(&prefix))
			return report_last(line, "'%.*s' has bits set beyond its length",
					   length, word);
		if (count++ == max)
			return report_last(line, "%s may have %u prefixes at most", what, max);
		put(&prefix, arg);
		if (!word[length])
			return 0;
	}
}

/**
 * args_host - an address, with or without a port
 * @line: the line
 * @what: it is for
 * @endpoint: the result; its port is 0 if there was none
 */
int args_host(struct line *line, const char *what, struct endpoint *endpoint)
{
	const char *word = line_take(line);

	if (!word)
		return report_end(line, "the %s's address is missing", what);
	if (!parse_host(word, endpoint))
		return report_last(line, "'%s' is no address; %s must be such as 192.0.2.10, "
				   "192.0.2.10:443 or [2001:db8::1]:443", word, what);
	return 0;
}

/**
 * args_number - a number
 * @line: the line
 * @what: it is
 * @min: smallest value
 * @max: largest value
 * @value: the result
 */
int args_number(struct line *line, const char *what, uint64_t min, uint64_t max,
		uint64_t *value)
{
	const char *word = line_take(line);

	if (!word)
		return report_end(line, "the value of %s is missing", what);
	if (!parse_number(word, min, max, value))
		return report_last(line, "%s must be %" PRIu64 " to %" PRIu64, what, min, max);
	return 0;
}

/**
 * args_duration - a time span
 * @line: the line
 * @what: it is
 * @seconds: the result
 */
int args_duration(struct line *line, const char *what, uint32_t *seconds)
{
	const char *word = line_take(line);

	if (!word)
		return report_end(line, "the duration of %s is missing", what);
	if (!parse_duration(word, seconds))
		return report_last(line, "'%s' is no duration; %s must be such as 90, 90s, 5m, "
				   "2h or 1d, at least a second", word, what);
	return 0;
}

/**
 * args_range - ports
 * @line: the line
 * @what: they are
 * @first: the lower end
 * @last: the upper end
 */
int args_range(struct line *line, const char *what, uint16_t *first, uint16_t *last)
{
	const char *word = line_take(line);

	if (!word)
		return report_end(line, "the ports of %s are missing", what);
	if (!parse_range(word, first, last))
		return report_last(line, "'%s' is no range of ports; %s must be such as "
				   "30000-32767", word, what);
	return 0;
}

/**
 * args_choice - one of several words
 * @line: the line
 * @what: it is
 * @names: the words
 * @value: which it is
 */
int args_choice(struct line *line, const char *what, const char *const *names,
		unsigned int *value)
{
	const char *word = line_take(line);
	char valid[CHOICES_ROOM];

	names_join(names, valid, sizeof(valid));
	if (!word)
		return report_end(line, "the %s is missing: %s", what, valid);
	if (!parse_choice(word, names, value))
		return report_last(line, "'%s' is no %s; valid: %s", word, what, valid);
	return 0;
}
