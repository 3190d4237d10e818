// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <inttypes.h>
#include <linux/bpflb.h>
#include <stdio.h>
#include <string.h>

#include "parse.h"

#define NODEPORT "nodeport:"
#define OPEN "open:"
#define INTERNAL "internal:"
#define ANY_PORT "*"

#define PORTS_ROOM sizeof("65535-65535")

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Digits only: no sign, no blank, no octal, all of which strtoull() lets through. */
static bool parse_digits(const char *word, size_t length, uint64_t *value)
{
	uint64_t sum = 0;
	size_t i;

	if (!length)
		return false;
	for (i = 0; i < length; i++) {
		if (!is_digit(word[i]) || __builtin_mul_overflow(sum, 10, &sum) ||
		    __builtin_add_overflow(sum, word[i] - '0', &sum))
			return false;
	}
	*value = sum;
	return true;
}

/**
 * parse_number - a decimal number
 * @word: the word
 * @min: smallest value allowed
 * @max: largest value allowed
 * @value: the result
 *
 * Return: whether it is one.
 */
bool parse_number(const char *word, uint64_t min, uint64_t max, uint64_t *value)
{
	return parse_digits(word, strlen(word), value) && *value >= min && *value <= max;
}

static bool parse_port(const char *word, uint16_t *port)
{
	uint64_t value;

	if (!parse_number(word, 1, UINT16_MAX, &value))
		return false;
	*port = value;
	return true;
}

/**
 * parse_address - an IPv4 or IPv6 address
 * @word: the word
 * @address: the result
 *
 * Return: whether it is one.
 */
bool parse_address(const char *word, struct address *address)
{
	memset(address, 0, sizeof(*address));
	if (inet_pton(AF_INET, word, address->bytes) == 1)
		address->length = 4;
	else if (inet_pton(AF_INET6, word, address->bytes) == 1)
		address->length = 16;
	return address->length;
}

static bool parse_address_part(const char *word, size_t length, size_t want,
			       struct address *address)
{
	char text[ADDRESS_ROOM];

	if (length >= sizeof(text))
		return false;
	memcpy(text, word, length);
	text[length] = '\0';
	return parse_address(text, address) && address->length == want;
}

/* The address before a port, as 192.0.2.10: or [2001:db8::1]:. Return: the port; NULL if it
 * is none.
 */
static const char *parse_before_port(const char *word, struct address *address)
{
	const char *colon = strrchr(word, ':');
	size_t length = colon ? colon - word : 0;
	bool good;

	if (length >= 2 && word[0] == '[' && word[length - 1] == ']')
		good = parse_address_part(word + 1, length - 2, 16, address);
	else
		good = parse_address_part(word, length, 4, address);
	return good ? colon + 1 : NULL;
}

/**
 * parse_endpoint - 192.0.2.10:443 or [2001:db8::1]:443
 * @word: the word
 * @endpoint: the result
 *
 * Return: whether it is one.
 */
bool parse_endpoint(const char *word, struct endpoint *endpoint)
{
	const char *port = parse_before_port(word, &endpoint->address);

	return port && parse_port(port, &endpoint->port);
}

/**
 * parse_backend - as parse_endpoint(), or with * for whichever port the client asks at
 * @word: the word
 * @endpoint: the result, its port 0 for *
 *
 * Return: whether it is one.
 */
bool parse_backend(const char *word, struct endpoint *endpoint)
{
	const char *port = parse_before_port(word, &endpoint->address);

	if (port && !strcmp(port, ANY_PORT)) {
		endpoint->port = 0;
		return true;
	}
	return port && parse_port(port, &endpoint->port);
}

/* One port, several as 8000-8999, or all as *. */
static bool parse_ports(const char *word, uint16_t *first, uint16_t *last)
{
	*last = 0;
	if (parse_port(word, first))
		return true;
	if (!strcmp(word, ANY_PORT)) {
		*first = 1;
		*last = UINT16_MAX;
		return true;
	}
	return parse_range(word, first, last) && *first < *last;
}

static bool skip(const char **word, const char *begin)
{
	size_t length = strlen(begin);

	if (strncmp(*word, begin, length))
		return false;
	*word += length;
	return true;
}

/**
 * parse_frontend - as parse_endpoint(), its port also 8000-8999 or * for all, and with
 *	internal: before it; or nodeport:30022; and open: before each
 * @word: the word
 * @frontend: the result
 *
 * Return: whether it is one.
 */
bool parse_frontend(const char *word, struct frontend *frontend)
{
	frontend->open = skip(&word, OPEN);
	frontend->internal = skip(&word, INTERNAL);
	frontend->last_port = 0;
	if (frontend->internal || !skip(&word, NODEPORT)) {
		word = parse_before_port(word, &frontend->at.address);
		return word && parse_ports(word, &frontend->at.port, &frontend->last_port);
	}
	frontend->at.address.length = 0;
	return parse_port(word, &frontend->at.port);
}

/**
 * parse_prefix - 10.0.0.0/8, 2001:db8::/32, or an address alone
 * @word: where it begins
 * @length: how long it is
 * @prefix: the result
 *
 * Return: whether it is one; it may have bits set that it should not have.
 */
bool parse_prefix(const char *word, size_t length, struct prefix *prefix)
{
	const char *slash = memchr(word, '/', length);
	size_t before = slash ? (size_t)(slash - word) : length;
	char text[ADDRESS_ROOM];
	uint64_t bits;

	if (before >= sizeof(text))
		return false;
	memcpy(text, word, before);
	text[before] = '\0';
	if (!parse_address(text, &prefix->address))
		return false;
	prefix->bits = prefix->address.length * 8;
	if (!slash)
		return true;
	if (!parse_digits(slash + 1, length - before - 1, &bits) || bits > prefix->bits)
		return false;
	prefix->bits = bits;
	return true;
}

/**
 * prefix_is_good - whether an address has no bits set beyond the prefix's length
 * @prefix: the prefix
 */
bool prefix_is_good(const struct prefix *prefix)
{
	unsigned int i;

	for (i = prefix->bits; i < prefix->address.length * 8u; i++) {
		if (prefix->address.bytes[i / 8] & 0x80 >> i % 8)
			return false;
	}
	return true;
}

/**
 * parse_host - an address, with or without a port
 * @word: the word
 * @endpoint: the result; its port is 0 if there was none
 *
 * Return: whether it is one.
 */
bool parse_host(const char *word, struct endpoint *endpoint)
{
	endpoint->port = 0;
	return parse_address(word, &endpoint->address) || parse_endpoint(word, endpoint);
}

/**
 * parse_duration - 90, 90s, 5m, 2h or 1d, at least a second
 * @word: the word
 * @seconds: the result
 *
 * Return: whether it is one.
 */
bool parse_duration(const char *word, uint32_t *seconds)
{
	size_t length = strlen(word);
	uint64_t value, unit = 1;

	switch (length ? word[length - 1] : '\0') {
	case 'd':
		unit = 24 * 60 * 60;
		break;
	case 'h':
		unit = 60 * 60;
		break;
	case 'm':
		unit = 60;
		break;
	case 's':
		break;
	default:
		length++;	/* no unit to leave out */
	}
	if (!length || !parse_digits(word, length - 1, &value) ||
	    __builtin_mul_overflow(value, unit, &value) || !value || value > UINT32_MAX)
		return false;
	*seconds = value;
	return true;
}

/**
 * parse_range - ports, as 1024-65535
 * @word: the word
 * @first: the lower end
 * @last: the upper end, not below @first
 *
 * Return: whether it is one.
 */
bool parse_range(const char *word, uint16_t *first, uint16_t *last)
{
	const char *dash = strchr(word, '-');
	uint64_t low;

	if (!dash || !parse_digits(word, dash - word, &low) || !low ||
	    low > UINT16_MAX || !parse_port(dash + 1, last))
		return false;
	*first = low;
	return *first <= *last;
}

/**
 * parse_service_name - whether a word can name a service
 * @word: the word
 *
 * As the module has it, but for "help", which would ask for help.
 *
 * Return: whether it can.
 */
bool parse_service_name(const char *word)
{
	size_t i;

	if (!is_alnum(word[0]) || !strcmp(word, "help"))
		return false;
	for (i = 0; word[i]; i++) {
		if (i == BPFLB_NAME_MAX - 1)
			return false;
		if (!is_alnum(word[i]) && !strchr("._-/:", word[i]))
			return false;
	}
	return true;
}

/**
 * parse_choice - one of several words
 * @word: the word
 * @names: the words, the last one NULL
 * @value: which it is
 *
 * Return: whether it is one of them.
 */
bool parse_choice(const char *word, const char *const *names, unsigned int *value)
{
	unsigned int i;

	for (i = 0; names[i]; i++) {
		if (!strcmp(word, names[i])) {
			*value = i;
			return true;
		}
	}
	return false;
}

/**
 * address_compare - the order in which addresses are listed
 * @a: one
 * @b: another
 *
 * Return: as memcmp(); IPv4 stands before IPv6.
 */
int address_compare(const struct address *a, const struct address *b)
{
	if (a->length != b->length)
		return a->length < b->length ? -1 : 1;
	return memcmp(a->bytes, b->bytes, a->length);
}

/**
 * format_address - an address as text
 * @address: the address
 * @text: where to
 *
 * Return: @text; "-" if there is no address.
 */
const char *format_address(const struct address *address, char text[ADDRESS_ROOM])
{
	int family = address->length == 4 ? AF_INET : AF_INET6;

	if (!address->length || !inet_ntop(family, address->bytes, text, ADDRESS_ROOM))
		strcpy(text, "-");
	return text;
}

static const char *format_at(const struct address *address, const char *port,
			     char text[ENDPOINT_ROOM])
{
	const char *form = address->length == 16 ? "[%s]:%s" : "%s:%s";
	char room[ADDRESS_ROOM];

	if (address->length)
		snprintf(text, ENDPOINT_ROOM, form, format_address(address, room), port);
	else
		snprintf(text, ENDPOINT_ROOM, NODEPORT "%s", port);
	return text;
}

/**
 * format_endpoint - an address and port as parse_backend() reads it, or a node port
 * @endpoint: what
 * @text: where to
 *
 * Return: @text
 */
const char *format_endpoint(const struct endpoint *endpoint, char text[ENDPOINT_ROOM])
{
	char port[PORTS_ROOM] = ANY_PORT;

	if (endpoint->port)
		snprintf(port, sizeof(port), "%u", endpoint->port);
	return format_at(&endpoint->address, port, text);
}

/**
 * format_frontend - where a service is asked, as parse_frontend() reads it
 * @frontend: what
 * @text: where to
 *
 * Return: @text
 */
const char *format_frontend(const struct frontend *frontend, char text[FRONTEND_ROOM])
{
	const struct endpoint *at = &frontend->at;
	char room[ENDPOINT_ROOM], ports[PORTS_ROOM] = ANY_PORT;

	if (!frontend->last_port)
		snprintf(ports, sizeof(ports), "%u", at->port);
	else if (at->port != 1 || frontend->last_port != UINT16_MAX)
		snprintf(ports, sizeof(ports), "%u-%u", at->port, frontend->last_port);
	snprintf(text, FRONTEND_ROOM, "%s%s%s", frontend->open ? OPEN : "",
		 frontend->internal ? INTERNAL : "", format_at(&at->address, ports, room));
	return text;
}

/**
 * format_prefix - a prefix as parse_prefix() reads it, always with its length
 * @prefix: what
 * @text: where to
 *
 * Return: @text
 */
const char *format_prefix(const struct prefix *prefix, char text[PREFIX_ROOM])
{
	char address[ADDRESS_ROOM];

	snprintf(text, PREFIX_ROOM, "%s/%u", format_address(&prefix->address, address),
		 prefix->bits);
	return text;
}

static const char *format_scaled(uint64_t value, unsigned int base, uint64_t exact,
				 const char *const *units, char text[QUANTITY_ROOM])
{
	uint64_t scale = 1;
	unsigned int i = 0;

	if (value < exact) {
		snprintf(text, QUANTITY_ROOM, "%" PRIu64 "%s", value, units[0]);
		return text;
	}
	/* Cut, not rounded: 1023.9 KiB never reads 1024.0 KiB. */
	while (value / scale >= base && units[i + 1]) {
		scale *= base;
		i++;
	}
	snprintf(text, QUANTITY_ROOM, "%" PRIu64 ".%" PRIu64 "%s", value / scale,
		 value % scale * 10 / scale, units[i]);
	return text;
}

/**
 * format_count - a number for people: exact below 10000, then 12.3K, 4.5M
 * @value: the number
 * @text: where to
 *
 * Return: @text
 */
const char *format_count(uint64_t value, char text[QUANTITY_ROOM])
{
	static const char *const units[] = { "", "K", "M", "G", "T", "P", "E", NULL };

	return format_scaled(value, 1000, 10000, units, text);
}

/**
 * format_bytes - bytes for people: 12 B, 1.2 MiB
 * @value: the number
 * @text: where to
 *
 * Return: @text
 */
const char *format_bytes(uint64_t value, char text[QUANTITY_ROOM])
{
	static const char *const units[] = {
		" B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB", NULL
	};

	return format_scaled(value, 1024, 1024, units, text);
}

/**
 * format_duration - seconds for people: 42s, 5m12s, 2h13m, 1d2h
 * @seconds: how many
 * @text: where to
 *
 * Return: @text
 */
const char *format_duration(uint32_t seconds, char text[QUANTITY_ROOM])
{
	uint32_t minutes = seconds / 60, hours = minutes / 60, days = hours / 24;

	if (days)
		snprintf(text, QUANTITY_ROOM, "%ud%uh", days, hours % 24);
	else if (hours)
		snprintf(text, QUANTITY_ROOM, "%uh%um", hours, minutes % 60);
	else if (minutes)
		snprintf(text, QUANTITY_ROOM, "%um%us", minutes, seconds % 60);
	else
		snprintf(text, QUANTITY_ROOM, "%us", seconds);
	return text;
}
