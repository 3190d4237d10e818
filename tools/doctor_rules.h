/* SPDX-License-Identifier: GPL-2.0-only */
/* The rules of nftables and iptables that matter for services, whoever made them. */
#ifndef LBADM_DOCTOR_RULES_H
#define LBADM_DOCTOR_RULES_H

#include <stdbool.h>
#include <stddef.h>

/* What is kept of each text; what is longer is cut, and so perhaps not recognised. */
#define RULE_WORDS 256

/** enum rule_verdict - what a rule does; others are not kept */
enum rule_verdict {
	RULE_NAT,		/* rewrites the destination */
	RULE_JUMP,		/* goes to another chain of a table that has NAT */
	RULE_ACCEPT,		/* in FORWARD */
	RULE_DROP_INVALID,	/* in FORWARD: drops what conntrack calls invalid */
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
};

/** struct rules - all of them, in their order within a chain */
struct rules {
	struct rule *rules;
	size_t count;
	size_t room;
};

bool rules_read_nft(struct rules *rules);
void rules_read_legacy(struct rules *rules, bool ipv6);

#endif /* LBADM_DOCTOR_RULES_H */
