// SPDX-License-Identifier: GPL-2.0-only
/* Lines that can't be true together. */
#include <stdlib.h>
#include <string.h>

#include "attrs.h"
#include "entries.h"
#include "mem.h"
#include "objects.h"
#include "plan.h"

/**
 * struct fault - the first line that makes no sense beside the others
 * @plan: what shall be
 * @place: of its message, or (size_t)-1 if there is none yet
 * @attr: whose word is wrong
 * @nth: of several such attributes, from 0
 * @sentence: what is wrong with it
 */
struct fault {
	const struct plan *plan;
	size_t place;
	int attr;
	unsigned int nth;
	const char *sentence;
};

static void fault_add(struct fault *fault, size_t place, int attr, unsigned int nth,
		      const char *sentence)
{
	if (place >= fault->place)
		return;
	fault->place = place;
	fault->attr = attr;
	fault->nth = nth;
	fault->sentence = sentence;
}

static void find_twice(struct fault *fault, const struct entries *entries, int attr,
		       const char *sentence)
{
	const struct entry *entry = entries->entries;
	size_t i;

	for (i = 1; i < entries->count; i++) {
		if (!entry_compare(&entry[i - 1], &entry[i]))
			fault_add(fault, entry[i].place, attr, 0, sentence);
	}
}

static int compare_keys(const void *key, const void *entry)
{
	return entry_compare(key, entry);
}

/* Something must be there, and stand before what names it. */
static void find_missing(struct fault *fault, const struct entries *entries,
			 const struct entry *wanted, int attr, const char *sentence)
{
	const struct entry *found = NULL;

	if (entries->count)
		found = bsearch(wanted, entries->entries, entries->count, sizeof(*wanted),
				compare_keys);
	if (!found || found->place > wanted->place)
		fault_add(fault, wanted->place, attr, 0, sentence);
}

static void check_backends(struct fault *fault, const struct entries *backends,
			   const struct entries *services, const struct entries *nodes)
{
	size_t i;

	for (i = 0; i < backends->count; i++) {
		const struct entry *backend = &backends->entries[i];
		const struct nlattr *attr = attrs_find(backend->nlh, BPFLB_BACKEND_A_NODE);
		struct entry service = { .name = backend->name, .place = backend->place };
		struct entry node = { .name = "", .place = backend->place };

		find_missing(fault, services, &service, BPFLB_BACKEND_A_SERVICE,
			     "no line before this one adds a service of this name");
		attr_address(attr, &node.endpoint.address);
		if (attr)
			find_missing(fault, nodes, &node, BPFLB_BACKEND_A_NODE,
				     "no line before this one adds a node of this address");
	}
}

/**
 * struct front - an address and port of a service
 * @proto: of the service
 * @frontend: the address and port
 * @place: of the service's message
 * @nth: of that service's addresses, from 0
 */
struct front {
	uint8_t proto;
	struct frontend frontend;
	size_t place;
	unsigned int nth;
};

static int compare_fronts(const void *left, const void *right)
{
	const struct front *a = left, *b = right;
	int order = (int)a->proto - b->proto;

	if (!order)
		order = address_compare(&a->frontend.at.address, &b->frontend.at.address);
	if (!order)
		order = (int)a->frontend.at.port - b->frontend.at.port;
	if (!order)
		order = (int)a->frontend.last_port - b->frontend.last_port;
	if (!order)
		order = a->place < b->place ? -1 : a->place > b->place;
	if (!order)
		order = (int)a->nth - (int)b->nth;
	return order;
}

static bool same_front(const struct front *a, const struct front *b)
{
	return a->proto == b->proto && a->frontend.at.port == b->frontend.at.port &&
	       a->frontend.last_port == b->frontend.last_port &&
	       !address_compare(&a->frontend.at.address, &b->frontend.at.address);
}

/* Ranges that overlap are left to the module. */
static void check_fronts(struct fault *fault, const struct entries *services)
{
	struct front *fronts = NULL;
	struct service service;
	size_t i, count = 0, room = 0;
	unsigned int f;

	for (i = 0; i < services->count; i++) {
		service_decode(services->entries[i].nlh, &service);
		for (f = 0; f < service.frontend_count; f++) {
			fronts = mem_grow(fronts, &room, count + 1, sizeof(*fronts));
			fronts[count++] = (struct front) {
				.proto = service.proto,
				.frontend = service.frontends[f],
				.place = services->entries[i].place,
				.nth = f,
			};
		}
	}
	if (count)
		qsort(fronts, count, sizeof(*fronts), compare_fronts);
	for (i = 1; i < count; i++) {
		if (same_front(&fronts[i - 1], &fronts[i]))
			fault_add(fault, fronts[i].place, BPFLB_SERVICE_A_FRONTEND, fronts[i].nth,
				  "a service has one of these addresses already");
	}
	free(fronts);
}

/**
 * plan_sense - whether its lines make sense together, as far as can be told without the module
 * @plan: made
 *
 * Of a partial one nothing: the rest is there already, whatever it is.
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int plan_sense(const struct plan *plan)
{
	struct fault fault = { .plan = plan, .place = (size_t)-1 };
	struct entries nodes = { 0 }, services = { 0 }, backends = { 0 };

	if (plan->partial)
		return LBADM_OK;
	entries_of_nodes(&plan->messages, BPFLB_CMD_NODE_ADD, &nodes);
	entries_of_services(&plan->messages, BPFLB_CMD_SERVICE_ADD, &services);
	entries_of_backends(&plan->messages, BPFLB_CMD_BACKEND_ADD, &backends);
	find_twice(&fault, &nodes, BPFLB_NODE_A_ADDR, "this node is here already");
	find_twice(&fault, &services, BPFLB_SERVICE_A_NAME,
		   "there is a service of this name already");
	find_twice(&fault, &backends, BPFLB_BACKEND_A_ADDR, "the service has this backend already");
	check_fronts(&fault, &services);
	check_backends(&fault, &backends, &services, &nodes);
	entries_free(&nodes);
	entries_free(&services);
	entries_free(&backends);
	if (fault.place == (size_t)-1)
		return LBADM_OK;
	return plan_blame(plan, fault.place, LBADM_USAGE, fault.attr, fault.nth,
			  "%s", fault.sentence);
}
