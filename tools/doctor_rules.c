// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rules are read from what `nft -a list ruleset` and `iptables-legacy-save` print. Words that are
 * not understood make a rule match more than it does. Those that exclude some
 * destinations are left out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor_rules.h"
#include "mem.h"
#include "parse.h"
#include "program.h"

/** struct place - where in the ruleset a line is */
struct place {
	char family[8];
	char table[64];
	char chain[64];
	bool nat;	/* a chain of the table rewrites destinations */
	bool forward;	/* the chain is FORWARD's, or may be gone to from there */
};

static struct rule *rule_add(struct rules *rules, const struct place *place,
			     enum rule_verdict verdict)
{
	struct rule *rule;

	rules->rules = mem_grow(rules->rules, &rules->room, rules->count + 1,
				sizeof(*rules->rules));
	rule = &rules->rules[rules->count++];
	memset(rule, 0, sizeof(*rule));
	rule->verdict = verdict;
	strcpy(rule->family, place->family);
	strcpy(rule->table, place->table);
	strcpy(rule->chain, place->chain);
	return rule;
}

static void add_word(char words[RULE_WORDS], const char *word, size_t length)
{
	size_t used = strlen(words);

	snprintf(words + used, RULE_WORDS - used, "%s%.*s", used ? " " : "", (int)length, word);
}

static bool is_proto(const char *word, size_t length)
{
	return (length == 3 && (!memcmp(word, "tcp", 3) || !memcmp(word, "udp", 3))) ||
	       (length == 4 && !memcmp(word, "sctp", 4));
}

static bool is_address(const char *word, size_t length)
{
	struct prefix prefix;
	struct address address;
	char text[PREFIX_ROOM];

	if (length >= sizeof(text))
		return false;
	snprintf(text, sizeof(text), "%.*s", (int)length, word);
	return parse_address(text, &address) || parse_prefix(word, length, &prefix);
}

static bool is_port(const char *word, size_t length)
{
	return length && strspn(word, "0123456789-") >= length && word[0] != '-';
}

/* The next word, without the commas and braces around it. */
static const char *next_word(const char *from, const char *end, size_t *length)
{
	static const char between[] = " \t,{}";

	from += strspn(from, between);
	*length = strcspn(from, between);
	if (from >= end)
		return NULL;
	if (from + *length > end)
		*length = end - from;
	return from;
}

/* One element of a map: "203.0.113.10 . tcp . 80 : goto somewhere". */
static void read_element(struct rules *rules, const struct place *place, const char *from,
			 const char *end)
{
	const char *colon = strstr(from, " : ");
	struct rule *rule;
	const char *word;
	size_t length;

	if (!colon || colon >= end)
		return;
	rule = rule_add(rules, place, RULE_JUMP);
	for (word = from; (word = next_word(word, colon, &length)); word += length) {
		if (is_proto(word, length))
			snprintf(rule->proto, sizeof(rule->proto), "%.*s", (int)length, word);
		else if (is_port(word, length))
			add_word(rule->ports, word, length);
		else if (is_address(word, length))
			add_word(rule->addresses, word, length);
	}
	if (!rule->ports[0])
		rules->count--;
}

static void read_elements(struct rules *rules, const struct place *place, const char *from,
			  const char *end)
{
	const char *comma;

	for (; from < end; from = comma + 1) {
		comma = memchr(from, ',', end - from);
		if (!comma)
			comma = end;
		read_element(rules, place, from, comma);
	}
}

/* What follows "daddr" or "dport": one word, or all in braces. Return: where it ends. */
static const char *read_operand(const char *from, const char *end, char words[RULE_WORDS])
{
	const char *close = end, *word = from;
	size_t length;

	from += strspn(from, " ");
	if (*from == '{') {
		close = memchr(from, '}', end - from);
		close = close ? close : end;
	}
	while ((word = next_word(word, close, &length))) {
		add_word(words, word, length);
		word += length;
		if (*from != '{')
			return word;
	}
	return close;
}

static void read_matches(struct rule *rule, const char *from, const char *end)
{
	const char *word = from, *before = "";
	size_t length, before_length = 0;

	while ((word = next_word(word, end, &length))) {
		const char *next = word + length;

		if (length == 5 && !memcmp(word, "daddr", 5) && strncmp(next, " type", 5)) {
			next = read_operand(next, end, rule->addresses);
		} else if (length == 5 && !memcmp(word, "dport", 5)) {
			next = read_operand(next, end, rule->ports);
			if (is_proto(before, before_length))
				snprintf(rule->proto, sizeof(rule->proto), "%.*s",
					 (int)before_length, before);
		} else if (length == 7 && !memcmp(word, "l4proto", 7)) {
			char words[RULE_WORDS] = "";

			next = read_operand(next, end, words);
			if (is_proto(words, strlen(words)))
				snprintf(rule->proto, sizeof(rule->proto), "%.7s", words);
		}
		before = word;
		before_length = length;
		word = next;
	}
}

/* Where a word begins in a line; NULL if it is not there. */
static const char *find_word(const char *line, const char *word)
{
	size_t length = strlen(word);
	const char *at = strstr(line, word);

	while (at && ((at > line && at[-1] != ' ') || (at[length] && at[length] != ' ')))
		at = strstr(at + 1, word);
	return at;
}

static const char *find_filter_verdict(const char *line, enum rule_verdict *verdict)
{
	const char *drop, *at;

	/* As an element of a map of verdicts too. */
	at = strstr(line, " drop");
	*verdict = RULE_DROP_INVALID;
	if (at && strstr(line, "ct state") && strstr(line, "invalid"))
		return at;
	*verdict = RULE_DROP;
	drop = find_word(line, "drop");
	drop = drop ? drop : find_word(line, "reject");
	if (drop && (drop == line || !strncmp(line, "counter ", 8)))
		return drop;
	*verdict = RULE_ACCEPT;
	at = find_word(line, "accept");
	if (at)
		return at;
	*verdict = RULE_CALL;
	at = find_word(line, "jump");
	return at ? at : find_word(line, "goto");
}

/* Where the verdict begins; NULL if it is none that matters. */
static const char *find_verdict(const struct place *place, const char *line,
				enum rule_verdict *verdict)
{
	const char *at;

	if (place->forward)
		return find_filter_verdict(line, verdict);
	if (!place->nat)
		return NULL;
	*verdict = RULE_NAT;
	at = strstr(line, " dnat ");
	if (!at)
		at = strstr(line, " redirect");
	if (at)
		return at;
	*verdict = RULE_JUMP;
	at = strstr(line, " jump ");
	return at ? at : strstr(line, " goto ");
}

/* What follows @key: words of names, without their quotes. Return: whether it is to be none
 * of these.
 */
static bool read_names(const char *line, const char *end, const char *key, char names[RULE_NAMES])
{
	const char *at = find_word(line, key);
	char words[RULE_WORDS] = "", *c;
	bool not;

	if (!at || at >= end)
		return false;
	at += strlen(key) + 1;
	not = !strncmp(at, "!= ", 3);
	read_operand(not ? at + 3 : at, end, words);
	for (c = words; *c; c++)
		*c = *c == '"' ? ' ' : *c;
	snprintf(names, RULE_NAMES, "%.*s", RULE_NAMES - 1, words);
	return not;
}

/* What a rule of a filter asks for beside destinations. */
static void read_filter(struct rule *rule, const char *line, const char *end)
{
	const char *states = strstr(line, "ct state ");

	rule->not_in = read_names(line, end, "iifname", rule->in);
	rule->not_out = read_names(line, end, "oifname", rule->out);
	rule->some = find_word(line, "saddr") || find_word(line, "mark");
	/* "related,established", or the same in braces */
	if (states && states < end)
		snprintf(rule->states, sizeof(rule->states), "%.*s", (int)(end - states - 9),
			 states + 9);
	if (rule->verdict == RULE_CALL)
		sscanf(end, "%*s %63s", rule->target);
}

/* Docker's chain is gone to for addresses of the node only. */
static bool is_for_local(const struct place *place, const char *line)
{
	return strstr(line, "daddr type local") || strstr(line, "addrtype") ||
	       !strcmp(place->chain, "DOCKER");
}

static void read_rule(struct rules *rules, const struct place *place, const char *line)
{
	const char *handle = strstr(line, " # handle "), *at;
	const char *end = line + strlen(line), *map;
	enum rule_verdict verdict;
	struct rule *rule;

	if (!handle) {
		/* The elements of a named map, the first after "elements = {". */
		at = strstr(line, "elements = {");
		if (place->nat)
			read_elements(rules, place, at ? at + strlen("elements = {") : line, end);
		return;
	}
	map = strstr(line, "map {");
	if (map && place->nat) {
		read_elements(rules, place, map + strlen("map {"), handle);
		return;
	}
	at = find_verdict(place, line, &verdict);
	if (!at || strstr(line, "daddr !=") || strstr(line, "dport !="))
		return;
	rule = rule_add(rules, place, verdict);
	read_matches(rule, line, at);
	if (place->forward)
		read_filter(rule, line, at);
	rule->local = is_for_local(place, line);
	snprintf(rule->handle, sizeof(rule->handle), "%s", handle + strlen(" # handle "));
}

/* Has a table a chain that rewrites destinations? @text: from its first line on. */
static bool table_has_nat(const char *text)
{
	const char *end = strstr(text, "\n}"), *at = strstr(text, "type nat hook ");

	for (; at && at < end; at = strstr(at + 1, "type nat hook ")) {
		at += strlen("type nat hook ");
		if (!strncmp(at, "prerouting", 10) || !strncmp(at, "output", 6))
			return true;
	}
	return false;
}

static bool is_forward(const char *chain)
{
	return strstr(chain, "FORWARD") || strstr(chain, "forward");
}

static void read_nft_line(struct rules *rules, struct place *place, const char *line,
			  const char *text)
{
	const char *inner = line + strspn(line, " \t");

	if (sscanf(line, "table %7s %63s", place->family, place->table) == 2) {
		place->nat = table_has_nat(text);
		return;
	}
	if (sscanf(inner, "chain %63s {", place->chain) == 1 ||
	    sscanf(inner, "map %63s {", place->chain) == 1) {
		place->forward = !place->nat;
		return;
	}
	if (!strncmp(inner, "type ", 5)) {
		if (!strstr(inner, "hook "))
			return;
		place->forward = strstr(inner, "hook forward");
		if (place->forward)
			rule_add(rules, place, RULE_BASE)->drops = strstr(inner, "policy drop");
		return;
	}
	read_rule(rules, place, inner);
}

/**
 * rules_read_nft - those of nftables, which iptables may have made
 * @rules: where they are added
 *
 * Return: false if they can't be read, because nft is not there or may not.
 */
bool rules_read_nft(struct rules *rules)
{
	static const char *const argv[] = { "nft", "-a", "list", "ruleset", NULL };
	char *text = program_output(argv), *line, *next;
	struct place place = { 0 };

	if (!text)
		return false;
	for (line = text; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next = '\0';
		/* What follows the line is looked at for the table's chains. */
		read_nft_line(rules, &place, line, next ? next + 1 : "");
		next = next ? next + 1 : NULL;
	}
	free(text);
	return true;
}

static enum rule_verdict legacy_verdict(const struct place *place, const char *target,
					const char *line, bool *matters)
{
	*matters = true;
	if (!strcmp(place->table, "nat")) {
		if (!strcmp(target, "DNAT") || !strcmp(target, "REDIRECT"))
			return RULE_NAT;
		return RULE_JUMP;
	}
	if (is_forward(place->chain)) {
		if (!strcmp(target, "DROP") && strstr(line, "INVALID"))
			return RULE_DROP_INVALID;
		if (!strcmp(target, "ACCEPT"))
			return RULE_ACCEPT;
	}
	*matters = false;
	return RULE_JUMP;
}

/* "80,8000:8080" */
static void add_ports(struct rule *rule, char *value)
{
	char *c;

	for (c = value; *c; c++) {
		if (*c == ',')
			*c = ' ';
		else if (*c == ':')
			*c = '-';
	}
	add_word(rule->ports, value, strlen(value));
}

/* "-A CHAIN -d 203.0.113.10/32 -p tcp -m tcp --dport 80 -j DNAT …" */
static void read_legacy_rule(struct rules *rules, struct place *place, char *line)
{
	const char *target = strstr(line, " -j ");
	char name[64] = "", *word, *value, *rest;
	enum rule_verdict verdict;
	struct rule *rule;
	bool matters;

	if (!target || strstr(line, " ! -d") || strstr(line, " ! --dport") ||
	    sscanf(line, "-A %63s", place->chain) != 1 || sscanf(target, " -j %63s", name) != 1)
		return;
	verdict = legacy_verdict(place, name, line, &matters);
	if (!matters)
		return;
	rule = rule_add(rules, place, verdict);
	rule->legacy = true;
	rule->local = is_for_local(place, line);
	snprintf(rule->text, sizeof(rule->text), "%s", line + strlen("-A "));
	for (word = strtok_r(line, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		bool ports = !strcmp(word, "--dport") || !strcmp(word, "--dports");

		if (!ports && strcmp(word, "-d") && strcmp(word, "-p"))
			continue;
		value = strtok_r(NULL, " ", &rest);
		if (!value)
			return;
		if (ports)
			add_ports(rule, value);
		else if (word[1] == 'd')
			add_word(rule->addresses, value, strlen(value));
		else
			snprintf(rule->proto, sizeof(rule->proto), "%.7s", value);
	}
}

/**
 * rules_read_legacy - those of iptables-legacy, if this namespace has any
 * @rules: where they are added
 * @ipv6: of ip6tables
 */
void rules_read_legacy(struct rules *rules, bool ipv6)
{
	static const char *const argv[][2] = { { "iptables-legacy-save" },
					       { "ip6tables-legacy-save" } };
	FILE *names = fopen(ipv6 ? "/proc/self/net/ip6_tables_names" :
			    "/proc/self/net/ip_tables_names", "re");
	char *text = NULL, *line, *rest;
	struct place place = { 0 };

	/* To ask for a table makes it: who has none shall not get any by our asking. */
	if (names && getc(names) != EOF)
		text = program_output(argv[ipv6]);
	if (names)
		fclose(names);
	if (!text)
		return;
	strcpy(place.family, ipv6 ? "ip6" : "ip");
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (line[0] == '*')
			snprintf(place.table, sizeof(place.table), "%s", line + 1);
		else if (line[0] == '-')
			read_legacy_rule(rules, &place, line);
	}
	free(text);
}
