// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which endpoints a node uses for a service's port, as kube-proxy chooses them
 * (CategorizeEndpoints, KEP-2433, KEP-1669). What remains to be chosen for each
 * flow, by policy and by what is terminating, is the module's.
 */
#include <stdlib.h>
#include <string.h>

#include "kube.h"

static int name_compare(const char *namespace_a, const char *a, const char *namespace_b,
			const char *b)
{
	int order = strcmp(namespace_a, namespace_b);

	return order ? order : strcmp(a, b);
}

static int service_compare(const void *a, const void *b)
{
	const struct kube_service *x = a, *y = b;

	return name_compare(x->namespace, x->name, y->namespace, y->name);
}

/* The later of two that are the same comes last. */
static int service_order(const void *a, const void *b)
{
	const struct kube_service *x = a, *y = b;
	int order = service_compare(a, b);

	return order ? order : (x->line > y->line) - (x->line < y->line);
}

static int slice_compare(const void *a, const void *b)
{
	const struct kube_slice *x = a, *y = b;

	return name_compare(x->namespace, x->service, y->namespace, y->service);
}

static int node_compare(const void *a, const void *b)
{
	return strcmp(((const struct kube_node *)a)->name, ((const struct kube_node *)b)->name);
}

static void sort(struct kube_list *list, size_t size, int (*compare)(const void *, const void *))
{
	if (list->count)
		qsort(list->at, list->count, size, compare);
}

/**
 * kube_sort - put a cluster's objects in order; those given twice are reported
 * @cluster: all of it
 */
void kube_sort(struct kube_cluster *cluster)
{
	const struct kube_service *last = NULL;
	const struct kube_node *last_node = NULL;

	sort(&cluster->services, sizeof(struct kube_service), service_order);
	sort(&cluster->slices, sizeof(struct kube_slice), slice_compare);
	sort(&cluster->nodes, sizeof(struct kube_node), node_compare);
	kube_for_each(struct kube_service, service, &cluster->services) {
		if (last && !service_compare(last, service))
			tree_wrong_line(&cluster->reader, service->line, 0,
					"the Service %s/%s is also in line %u", service->namespace,
					service->name, last->line);
		last = service;
	}
	kube_for_each(struct kube_node, node, &cluster->nodes) {
		if (last_node && !node_compare(last_node, node))
			tree_wrong_line(&cluster->reader, node->line, 0,
					"the Node %s is also in line %u", node->name,
					last_node->line);
		last_node = node;
	}
}

/**
 * kube_node_find - a Node by name
 * @cluster: sorted
 * @name: its name, or NULL
 *
 * Return: the node; NULL if there is none.
 */
const struct kube_node *kube_node_find(const struct kube_cluster *cluster, const char *name)
{
	struct kube_node key = { .name = name };

	if (!name || !cluster->nodes.count)
		return NULL;
	return bsearch(&key, cluster->nodes.at, cluster->nodes.count, sizeof(key), node_compare);
}

/* Where the slices of a service begin, or would. */
static size_t first_slice(const struct kube_cluster *cluster, const struct kube_service *service)
{
	struct kube_slice key = { .namespace = service->namespace, .service = service->name };
	const struct kube_slice *slices = cluster->slices.at;
	size_t low = 0, high = cluster->slices.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (slice_compare(&slices[middle], &key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static uint16_t slice_port(const struct kube_slice *slice, const struct kube_port *wanted)
{
	kube_for_each(struct kube_port, port, &slice->ports) {
		if (port->proto == wanted->proto && !strcmp(port->name, wanted->name))
			return port->number;
	}
	return 0;
}

static void gather_slice(struct kube_cluster *cluster, const struct kube_node *self,
			 const struct kube_slice *slice, const struct kube_port *port,
			 struct kube_list *candidates)
{
	uint16_t number = slice_port(slice, port);

	if (!number)
		return;
	kube_for_each(struct kube_endpoint, endpoint, &slice->endpoints) {
		struct kube_candidate *candidate = kube_add(cluster, candidates,
							    sizeof(*candidate));

		candidate->endpoint = endpoint;
		candidate->port = number;
		candidate->local = endpoint->node && !strcmp(endpoint->node, self->name);
	}
}

/* Of several that are the same, one that is here goes first, and then one that is ready. */
static int candidate_compare(const void *a, const void *b)
{
	const struct kube_candidate *x = a, *y = b;
	int order = address_compare(&x->endpoint->address, &y->endpoint->address);

	if (!order)
		order = x->port - y->port;
	if (!order)
		order = y->local - x->local;
	return order ? order : y->endpoint->ready - x->endpoint->ready;
}

static bool same_place(const struct kube_candidate *a, const struct kube_candidate *b)
{
	return a->port == b->port && !address_compare(&a->endpoint->address, &b->endpoint->address);
}

enum hint { HINT_NODE, HINT_ZONE };

static const struct kube_list *hints_of(const struct kube_endpoint *endpoint, enum hint hint)
{
	return hint == HINT_NODE ? &endpoint->nodes : &endpoint->zones;
}

static bool names(const struct kube_list *hints, const char *name)
{
	kube_for_each(const char *, hint, hints) {
		if (!strcmp(*hint, name))
			return true;
	}
	return false;
}

/* Hints count when all ready endpoints of a family have them, and one of them is for us. */
static bool hints_count(const struct kube_list *candidates, uint8_t length, enum hint hint,
			const char *ours)
{
	bool one = false;

	kube_for_each(struct kube_candidate, candidate, candidates) {
		const struct kube_endpoint *endpoint = candidate->endpoint;

		if (endpoint->address.length != length || !endpoint->ready)
			continue;
		if (!hints_of(endpoint, hint)->count)
			return false;
		one |= ours && names(hints_of(endpoint, hint), ours);
	}
	return one;
}

/*
 * Leave out the ready endpoints that are hinted to others. Those here stay where a
 * policy is local, for hints don't count there; a service has one list of
 * backends, so then they get flows of the policy cluster as well.
 */
static void apply_hints(const struct kube_node *self, const struct kube_service *service,
			struct kube_list *candidates, uint8_t length)
{
	bool keep_local = service->local || service->internal_local;
	struct kube_candidate *kept = candidates->at;
	const char *ours = self->name;
	enum hint hint = HINT_NODE;
	size_t count = 0;

	if (!hints_count(candidates, length, hint, ours)) {
		hint = HINT_ZONE;
		ours = self->zone;
		if (!hints_count(candidates, length, hint, ours))
			return;
	}
	kube_for_each(struct kube_candidate, candidate, candidates) {
		const struct kube_endpoint *endpoint = candidate->endpoint;

		if (endpoint->address.length != length || !endpoint->ready ||
		    names(hints_of(endpoint, hint), ours) || (keep_local && candidate->local))
			kept[count++] = *candidate;
	}
	candidates->count = count;
}

/**
 * kube_choose - the endpoints that a node uses for a service's port
 * @cluster: sorted
 * @self: the node
 * @service: the service
 * @port: its port
 * @candidates: zeroed; they are put here, each address and port once, in order
 */
void kube_choose(struct kube_cluster *cluster, const struct kube_node *self,
		 const struct kube_service *service, const struct kube_port *port,
		 struct kube_list *candidates)
{
	const struct kube_slice *slices = cluster->slices.at;
	struct kube_candidate *kept = NULL;
	size_t i;

	for (i = first_slice(cluster, service); i < cluster->slices.count; i++) {
		if (strcmp(slices[i].namespace, service->namespace) ||
		    strcmp(slices[i].service, service->name))
			break;
		gather_slice(cluster, self, &slices[i], port, candidates);
	}
	sort(candidates, sizeof(struct kube_candidate), candidate_compare);
	kube_for_each(struct kube_candidate, candidate, candidates) {
		if (!kept)
			kept = candidate;
		else if (!same_place(kept, candidate))
			*++kept = *candidate;
	}
	if (kept)
		candidates->count = kept + 1 - (struct kube_candidate *)candidates->at;
	apply_hints(self, service, candidates, 4);
	apply_hints(self, service, candidates, 16);
}
