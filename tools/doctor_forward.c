// SPDX-License-Identifier: GPL-2.0-only
/* FORWARD: do rules drop what goes to backends? */
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "doctor_rules.h"
#include "mem.h"

#define TOLD_MAX	8	/* findings, and backends in one command */
#define DEEP		8	/* chains that go to chains */

/**
 * struct forward - what packets meet in FORWARD, by one base chain after the other
 * @doctor: whose findings they are
 * @rules: all
 * @met: rules in the order that they are met in
 * @count: how many
 * @told: findings so far
 */
struct forward {
	struct doctor *doctor;
	const struct rules *rules;
	const struct rule **met;
	size_t count, room;
	unsigned int told;
};

static bool same_table(const struct rule *a, const struct rule *b)
{
	return a->legacy == b->legacy && !strcmp(a->family, b->family) &&
	       !strcmp(a->table, b->table);
}

static void meet(struct forward *forward, const struct rule *rule)
{
	forward->met = mem_grow(forward->met, &forward->room, forward->count + 1,
				sizeof(*forward->met));
	forward->met[forward->count++] = rule;
}

/* The rules of a chain of @of's table, and of those that it goes to. */
static void meet_chain(struct forward *forward, const struct rule *of, const char *chain,
		       unsigned int deep)
{
	size_t i;

	for (i = 0; i < forward->rules->count; i++) {
		const struct rule *rule = &forward->rules->rules[i];

		if (!same_table(rule, of) || strcmp(rule->chain, chain))
			continue;
		if (rule->verdict == RULE_CALL && deep < DEEP)
			meet_chain(forward, of, rule->target, deep + 1);
		else if (rule->verdict == RULE_ACCEPT || rule->verdict == RULE_DROP ||
			 rule->verdict == RULE_DROP_INVALID)
			meet(forward, rule);
	}
}

/* Does a rule before the @nth accept what goes to the backend, whatever its state? Of
 * iptables-legacy only chains are known, not who goes to them.
 */
static bool is_accepted(const struct forward *forward, size_t nth, const struct machine *machine)
{
	const struct rule *drop = forward->met[nth];
	size_t i;

	for (i = 0; i < nth; i++) {
		const struct rule *rule = forward->met[i];

		if (rule->verdict != RULE_ACCEPT || !rule->addresses[0] ||
		    (drop->legacy && strcmp(rule->chain, drop->chain)))
			continue;
		if (rule_is_for_backend(rule, machine) &&
		    (!rule->states[0] || strstr(rule->states, "invalid")))
			return true;
	}
	return false;
}

static void add_accept(const struct rule *drop, const struct machine *machine, char *mend,
		       size_t room)
{
	bool ipv6 = machine->address.length == 16;
	size_t used = strlen(mend);
	char text[ADDRESS_ROOM];

	format_address(&machine->address, text);
	if (drop->legacy)
		snprintf(mend + used, room - used, "%s -t %s -I %s -m conntrack --ctstate INVALID -d %s -j ACCEPT",
			 ipv6 ? "ip6tables-legacy" : "iptables-legacy", drop->table, drop->chain,
			 text);
	else
		snprintf(mend + used, room - used, "%sinsert rule %s %s %s ct state invalid %s daddr %s accept",
			 used ? "; " : "nft '", drop->family, drop->table, drop->chain,
			 ipv6 ? "ip6" : "ip", text);
}

/* One rule that drops may need several that accept; iptables takes one at a time. */
static void check_invalid(struct forward *forward, size_t nth)
{
	const struct machine *machine, *end, *first = NULL;
	const struct rule *drop = forward->met[nth];
	char mend[MEND_ROOM] = "", text[ADDRESS_ROOM];
	unsigned int count = 0;

	end = forward->doctor->machines + forward->doctor->machine_count;
	for (machine = forward->doctor->machines; machine < end; machine++) {
		if (!machine->dsr || machine->here ||
		    !rule_family_matches(drop, &machine->address) ||
		    is_accepted(forward, nth, machine))
			continue;
		first = first ? first : machine;
		if (count++ < (drop->legacy ? 1 : TOLD_MAX))
			add_accept(drop, machine, mend, sizeof(mend));
	}
	if (!first)
		return;
	if (!drop->legacy)
		strcat(mend, "'");
	forward->told++;
	finding(forward->doctor, ERROR, "ct-invalid", mend,
		"%s %s %s drops what conntrack calls invalid: of connections that go by DSR to %u backends, such as %s of service %s, this node sees one half only, and all but their SYNs are that",
		drop->family, drop->table, drop->chain, count,
		format_address(&first->address, text), first->service);
}

static void check_invalids(struct forward *forward)
{
	size_t i;

	for (i = 0; i < forward->count && forward->told < TOLD_MAX; i++) {
		const struct rule *rule = forward->met[i];

		if (rule->verdict == RULE_DROP_INVALID && !rule->addresses[0])
			check_invalid(forward, i);
	}
}

static bool has_name(const char *names, const char *name)
{
	size_t length = strlen(name);
	const char *at = names;

	while (length && (at = strstr(at, name))) {
		if ((at == names || at[-1] == ' ') && (!at[length] || at[length] == ' '))
			return true;
		at++;
	}
	return false;
}

/* Do clients' packets come in by one of these? They do by the way to clients, and from nodes. */
static bool comes_by(const struct doctor *doctor, const char *names, int family)
{
	const struct rt_link *link = rt_link(&doctor->rt, doctor->anywhere[family].device);
	size_t i;

	if (has_name(names, link->name))
		return true;
	for (i = 0; i < doctor->peer_count; i++) {
		link = rt_link(&doctor->rt, doctor->peers[i].route.device);
		if (has_name(names, link->name))
			return true;
	}
	return false;
}

/* May the rule accept a new connection to the backend? What is not understood may. */
static bool takes_new(const struct doctor *doctor, const struct rule *rule,
		      const struct machine *machine)
{
	const struct rt_link *out = rt_link(&doctor->rt, machine->route.device);

	if (rule->states[0] && !strstr(rule->states, "new") && !strstr(rule->states, "vmap"))
		return false;
	if (rule->out[0] && has_name(rule->out, out->name) == rule->not_out)
		return false;
	if (rule->in[0] && !rule->not_in &&
	    !comes_by(doctor, rule->in, family_index(&machine->address)))
		return false;
	if (strchr(rule->addresses, '@'))
		return true;
	if (rule->addresses[0] || rule->ports[0])
		return rule_is_for_backend(rule, machine);
	return rule_family_matches(rule, &machine->address) && !rule->some;
}

static bool is_lost(const struct forward *forward, const struct rule *base,
		    const struct machine *machine)
{
	size_t i;

	if (!machine->route.there || machine->route.local ||
	    !rule_family_matches(base, &machine->address))
		return false;
	for (i = 0; i < forward->count; i++) {
		const struct rule *rule = forward->met[i];

		if (rule->verdict == RULE_DROP && !rule->in[0] && !rule->out[0] && !rule->some)
			return true;
		if (rule->verdict == RULE_ACCEPT && takes_new(forward->doctor, rule, machine))
			return false;
	}
	return base->drops;
}

/* Docker keeps this chain, the first of FORWARD's, for what others have to say. */
static const char *chain_for_users(const struct forward *forward, const struct rule *base)
{
	size_t i;

	for (i = 0; i < forward->rules->count; i++) {
		const struct rule *rule = &forward->rules->rules[i];

		if (rule->verdict == RULE_CALL && same_table(rule, base) &&
		    !strcmp(rule->chain, base->chain) && !strcmp(rule->target, "DOCKER-USER"))
			return rule->target;
	}
	return base->chain;
}

static void accept_both_ways(const struct rule *base, const char *chain,
			     const struct machine *machine, char *mend, size_t room)
{
	static const char *const ends[] = { "daddr", "saddr" };
	char text[ADDRESS_ROOM];
	unsigned int i;

	format_address(&machine->address, text);
	for (i = 0; i < 2; i++) {
		size_t used = strlen(mend);

		snprintf(mend + used, room - used, "%sinsert rule %s %s %s %s %s %s accept",
			 used ? "; " : "nft '", base->family, base->table, chain,
			 machine->address.length == 16 ? "ip6" : "ip", ends[i], text);
	}
}

/* Docker's FORWARD drops what none of its rules accepts, and so do many firewalls. */
static void check_policy(struct forward *forward, const struct rule *base)
{
	const char *chain = chain_for_users(forward, base);
	const struct machine *machine, *end, *first = NULL;
	char mend[MEND_ROOM] = "", text[ADDRESS_ROOM];
	unsigned int count = 0;

	end = forward->doctor->machines + forward->doctor->machine_count;
	for (machine = forward->doctor->machines; machine < end; machine++) {
		if (!is_lost(forward, base, machine))
			continue;
		first = first ? first : machine;
		if (count++ < TOLD_MAX / 2)
			accept_both_ways(base, chain, machine, mend, sizeof(mend));
	}
	if (!first)
		return;
	strcat(mend, "'");
	forward->told++;
	finding(forward->doctor, ERROR, "forward-drop", mend,
		"%s %s %s drops what none of its rules accepts, and none accepts new connections to %u backends, such as %s of service %s",
		base->family, base->table, base->chain, count,
		format_address(&first->address, text), first->service);
}

/**
 * doctor_forward - do rules drop what goes to backends?
 * @doctor: whose finding it is
 * @rules: of nftables and iptables
 */
void doctor_forward(struct doctor *doctor, const struct rules *rules)
{
	struct forward forward = { .doctor = doctor, .rules = rules };
	size_t i;

	for (i = 0; i < rules->count && forward.told < TOLD_MAX; i++) {
		const struct rule *base = &rules->rules[i];

		if (base->verdict != RULE_BASE)
			continue;
		forward.count = 0;
		meet_chain(&forward, base, base->chain, 0);
		check_invalids(&forward);
		check_policy(&forward, base);
	}
	forward.count = 0;
	for (i = 0; i < rules->count; i++) {
		if (rules->rules[i].legacy)
			meet(&forward, &rules->rules[i]);
	}
	check_invalids(&forward);
	free(forward.met);
}
