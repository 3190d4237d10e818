/* SPDX-License-Identifier: GPL-2.0-only */
/* The rules of nftables and iptables that matter for services, whoever made them. */
#ifndef LBADM_DOCTOR_RULES_H
#define LBADM_DOCTOR_RULES_H

#include <stdbool.h>
#include <stddef.h>

#include "parse.h"

/* What is kept of each text; what is longer is cut, and so perhaps not recognised. */
#define RULE_WORDS 256
#define RULE_NAMES 64

/** enum rule_verdict - what a rule does; others are not kept */
enum rule_verdict {
	RULE_NAT,		/* rewrites the destination */
	RULE_JUMP,		/* goes to another chain of a table that has NAT */
	RULE_BASE,		/* none: here a chain of FORWARD begins */
	RULE_CALL,		/* goes to another chain of a table without NAT */
	RULE_ACCEPT,		/* in FORWARD, or a chain that it may go to */
	RULE_DROP_INVALID,	/* there: drops what conntrack calls invalid */
	RULE_DROP,		/* there: drops all that comes so far */
};

/**
 * struct rule - one rule, or one element of a map of verdicts
 * @verdict: what it does
 * @legacy: it is of iptables-legacy, not of nftables
 * @family: "ip", "ip6" or "inet"
 * @table: its table
 * @chain: its chain or map
 * @handle: number of an nftables rule; empty: it is an element of a map
 * @text: iptables-legacy: the rule, from the chain's name on
 * @proto: "tcp" or the like, empty: any
 * @addresses: of destinations, words; empty: any
 * @ports: of destinations, words; empty: any
 * @local: of destinations those only that this node has itself
 * @target: the chain that it goes to
 * @states: of conntrack, words; empty: any
 * @in: names of the devices that packets come in by, words; empty: any
 * @out: the same of those that they leave by
 * @not_in: any but @in
 * @not_out: any but @out
 * @some: some sources only, or packets with some mark
 * @drops: of a RULE_BASE: what no rule accepts is dropped
 */
struct rule {
	enum rule_verdict verdict;
	bool legacy;
	char family[8];
	char table[64];
	char chain[64];
	char handle[24];
	char text[RULE_WORDS];
	char proto[8];
	char addresses[RULE_WORDS];
	char ports[RULE_WORDS];
	bool local;
	char target[RULE_NAMES];
	char states[RULE_NAMES];
	char in[RULE_NAMES];
	char out[RULE_NAMES];
	bool not_in;
	bool not_out;
	bool some;
	bool drops;
};

/** struct rules - all of them, in their order within a chain */
struct rules {
	struct rule *rules;
	size_t count;
	size_t room;
};

struct machine;

bool rule_family_matches(const struct rule *rule, const struct address *address);
bool rule_is_for_backend(const struct rule *rule, const struct machine *machine);
bool rules_read_nft(struct rules *rules);
void rules_read_legacy(struct rules *rules, bool ipv6);

#endif /* LBADM_DOCTOR_RULES_H */
