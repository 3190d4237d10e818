// SPDX-License-Identifier: GPL-2.0-only
/* Others that balance or rewrite the same packets: NAT rules, kube-proxy, IPVS, firewalls. */
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "doctor_rules.h"
#include "mem.h"
#include "names.h"

#define TOLD_MAX	8	/* of each kind of trouble; who has mended these asks again */

/** struct front - one of a service's addresses; of length 0 for a node port */
struct front {
	struct address address;
	uint16_t first;
	uint16_t last;
	uint8_t proto;
	char service[BPFLB_NAME_MAX];
};

/**
 * struct others - what the checks of rules share
 * @doctor: whose findings they are
 * @rules: of nftables and iptables
 * @fronts: of all services, sorted by address
 * @count: how many
 */
struct others {
	struct doctor *doctor;
	struct rules rules;
	struct front *fronts;
	size_t count, room;
};

static int front_compare(const void *left, const void *right)
{
	return address_compare(&((const struct front *)left)->address,
			       &((const struct front *)right)->address);
}

static void gather_fronts(struct others *others)
{
	const struct nlmsghdr *nlh;
	struct service service;
	unsigned int i;

	messages_for_each(nlh, &others->doctor->snapshot.services) {
		service_decode(nlh, &service);
		for (i = 0; i < service.frontend_count; i++) {
			const struct frontend *from = &service.frontends[i];
			struct front *front;

			others->fronts = mem_grow(others->fronts, &others->room,
						  others->count + 1, sizeof(*front));
			front = &others->fronts[others->count++];
			*front = (struct front){
				.address = from->at.address, .first = from->at.port,
				.last = from->last_port ? from->last_port : from->at.port,
				.proto = service.proto,
			};
			strcpy(front->service, service.name);
		}
	}
	if (others->count)
		qsort(others->fronts, others->count, sizeof(*others->fronts), front_compare);
}

/* Is there a port of @first to @last among the words, such as "80 8000-8080"? */
static bool ports_match(const char *words, unsigned int first, unsigned int last)
{
	const char *c = words;
	char *next;

	while (*c) {
		unsigned int from = strtoul(c, &next, 10), to = from;

		if (*next == '-')
			to = strtoul(next + 1, &next, 10);
		if (next == c)
			return false;
		if (from <= last && first <= to)
			return true;
		c = next + strspn(next, " ");
	}
	return !words[0];
}

static bool proto_matches(const struct rule *rule, uint8_t proto)
{
	char room[NAME_ROOM];

	return !rule->proto[0] || !strcmp(rule->proto, proto_name(proto, room));
}

static bool prefix_has(const struct prefix *prefix, const struct address *address)
{
	unsigned int bytes = prefix->bits / 8, bits = prefix->bits % 8;

	if (prefix->address.length != address->length ||
	    memcmp(prefix->address.bytes, address->bytes, bytes))
		return false;
	return !bits || !((prefix->address.bytes[bytes] ^ address->bytes[bytes]) >> (8 - bits));
}

static bool addresses_match(const char *words, const struct address *address)
{
	const char *c = words;

	while (*c) {
		size_t length = strcspn(c, " ");
		struct prefix prefix;
		char word[PREFIX_ROOM];

		snprintf(word, sizeof(word), "%.*s", (int)length, c);
		if (parse_address(word, &prefix.address))
			prefix.bits = prefix.address.length * 8;
		else if (!parse_prefix(c, length, &prefix))
			prefix.address.length = 0;
		if (prefix.address.length && prefix_has(&prefix, address))
			return true;
		c += length + strspn(c + length, " ");
	}
	return false;
}

/**
 * rule_family_matches - is a rule for packets to an address?
 * @rule: the rule
 * @address: the address; of length 0: any
 */
bool rule_family_matches(const struct rule *rule, const struct address *address)
{
	if (!address->length || !strcmp(rule->family, "inet"))
		return true;
	return !strcmp(rule->family, address->length == 16 ? "ip6" : "ip");
}

/* Is the rule for what clients ask at? One for any address must name the port. */
static bool is_for_front(const struct rule *rule, const struct front *front)
{
	if (!proto_matches(rule, front->proto) || !rule_family_matches(rule, &front->address) ||
	    !ports_match(rule->ports, front->first, front->last))
		return false;
	if (!rule->addresses[0])
		return rule->ports[0] && !front->address.length;
	return front->address.length && addresses_match(rule->addresses, &front->address);
}

/**
 * rule_is_for_backend - does a rule match what bpflb has given a backend's address?
 * @rule: the rule, which has an address or a port
 * @machine: where the backend is
 */
bool rule_is_for_backend(const struct rule *rule, const struct machine *machine)
{
	if (!rule_family_matches(rule, &machine->address) ||
	    (rule->local && !machine->route.local) ||
	    (machine->port && !ports_match(rule->ports, machine->port, machine->port)))
		return false;
	if (!rule->addresses[0])
		return rule->ports[0] && machine->port;
	return addresses_match(rule->addresses, &machine->address);
}

static bool is_of_kube_proxy(const struct rule *rule)
{
	return !strncmp(rule->chain, "KUBE-", 5) || !strcmp(rule->table, "kube-proxy");
}

static void delete_command(const struct rule *rule, char *mend, size_t room)
{
	mend[0] = '\0';
	if (rule->legacy)
		snprintf(mend, room, "%s -t %s -D %s",
			 !strcmp(rule->family, "ip6") ? "ip6tables-legacy" : "iptables-legacy",
			 rule->table, rule->text);
	else if (rule->handle[0])
		snprintf(mend, room, "nft delete rule %s %s %s handle %s", rule->family,
			 rule->table, rule->chain, rule->handle);
}

static void tell_front(struct others *others, const struct rule *rule, const struct front *front)
{
	char mend[MEND_ROOM], text[ADDRESS_ROOM] = "node port";

	if (front->address.length)
		format_address(&front->address, text);
	if (is_of_kube_proxy(rule)) {
		finding(others->doctor, WARNING, "kube-proxy", "kube-proxy --cleanup",
			"kube-proxy's rules, such as in %s %s %s, balance service %s (%s %u) too: which of the two has a packet depends on which knew the connection first",
			rule->family, rule->table, rule->chain, front->service, text,
			front->first);
		return;
	}
	delete_command(rule, mend, sizeof(mend));
	finding(others->doctor, WARNING, "nat-service", mend,
		"a NAT rule in %s %s %s is for service %s (%s %u) too: it has the connections that began before the service did, and those that bpflb lets pass",
		rule->family, rule->table, rule->chain, front->service, text, front->first);
}

static bool check_fronts(struct others *others, const struct rule *rule)
{
	size_t i;

	for (i = 0; i < others->count; i++) {
		if (is_for_front(rule, &others->fronts[i])) {
			tell_front(others, rule, &others->fronts[i]);
			return true;
		}
	}
	return false;
}

static bool check_backends(struct others *others, const struct rule *rule)
{
	char mend[MEND_ROOM], text[ADDRESS_ROOM];
	size_t i;

	if (rule->verdict != RULE_NAT || (!rule->addresses[0] && !rule->ports[0]))
		return false;
	for (i = 0; i < others->doctor->machine_count; i++) {
		const struct machine *machine = &others->doctor->machines[i];

		if (!rule_is_for_backend(rule, machine))
			continue;
		delete_command(rule, mend, sizeof(mend));
		finding(others->doctor, ERROR, "nat-backend", mend,
			"a NAT rule in %s %s %s rewrites what bpflb sends to backend %s of service %s",
			rule->family, rule->table, rule->chain,
			format_address(&machine->address, text), machine->service);
		return true;
	}
	return false;
}

static void check_nat(struct others *others)
{
	unsigned int told = 0;
	bool kube = false;
	size_t i;

	for (i = 0; i < others->rules.count && told < TOLD_MAX; i++) {
		const struct rule *rule = &others->rules.rules[i];

		if (rule->verdict != RULE_NAT && rule->verdict != RULE_JUMP)
			continue;
		/* Its rules are many, and one command is for all. */
		if (is_of_kube_proxy(rule)) {
			kube = kube || check_fronts(others, rule);
			continue;
		}
		told += check_fronts(others, rule) || check_backends(others, rule);
	}
}

/**
 * doctor_nat - do others balance, rewrite or drop services' packets?
 * @doctor: whose finding it is
 */
void doctor_nat(struct doctor *doctor)
{
	struct others others = { .doctor = doctor };

	gather_fronts(&others);
	if (!others.count)
		return;
	if (!rules_read_nft(&others.rules))
		finding(doctor, NOTE, "rules-unread", NULL,
			"nftables' rules could not be read, for which nft is needed: whether some rewrite or drop services' packets is not known");
	rules_read_legacy(&others.rules, false);
	rules_read_legacy(&others.rules, true);
	check_nat(&others);
	doctor_forward(doctor, &others.rules);
	free(others.rules.rules);
	free(others.fronts);
}
