// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpflb.h>
#include <stdlib.h>
#include <string.h>

#include "attrs.h"
#include "entries.h"
#include "mem.h"

/**
 * entry_compare - which of two is written first
 * @a: an entry
 * @b: another of the same kind
 *
 * Return: below, at or above 0. Entries of the same key are equal.
 */
int entry_compare(const struct entry *a, const struct entry *b)
{
	int order = strcmp(a->name, b->name);

	if (!order)
		order = address_compare(&a->endpoint.address, &b->endpoint.address);
	if (!order)
		order = (int)a->endpoint.port - b->endpoint.port;
	return order;
}

static int compare(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;
	int order = entry_compare(a, b);

	if (!order)
		order = a->place < b->place ? -1 : a->place > b->place;
	return order;
}

/* They come in the order of their making, which for what was saved once is this one. */
static bool is_sorted(const struct entries *entries)
{
	size_t i;

	for (i = 1; i < entries->count; i++) {
		if (compare(&entries->entries[i - 1], &entries->entries[i]) > 0)
			return false;
	}
	return true;
}

/* Those of @messages that have @command, in order, once @key has read what they are known by. */
static void collect(const struct messages *messages, uint8_t command, struct entries *entries,
		    void (*key)(struct entry *entry))
{
	const struct nlmsghdr *nlh;
	struct entry *entry;
	size_t place = 0;

	messages_for_each(nlh, messages) {
		place++;
		if (attrs_command(nlh) != command)
			continue;
		entries->entries = mem_grow(entries->entries, &entries->room,
					    entries->count + 1, sizeof(*entries->entries));
		entry = &entries->entries[entries->count++];
		*entry = (struct entry){ .nlh = nlh, .name = "", .place = place - 1 };
		key(entry);
	}
	if (!is_sorted(entries))
		qsort(entries->entries, entries->count, sizeof(*entries->entries), compare);
}

static void node_key(struct entry *entry)
{
	attr_address(attrs_find(entry->nlh, BPFLB_NODE_A_ADDR), &entry->endpoint.address);
}

static void service_key(struct entry *entry)
{
	entry->name = attr_text(attrs_find(entry->nlh, BPFLB_SERVICE_A_NAME));
}

static void backend_key(struct entry *entry)
{
	entry->name = attr_text(attrs_find(entry->nlh, BPFLB_BACKEND_A_SERVICE));
	attr_address(attrs_find(entry->nlh, BPFLB_BACKEND_A_ADDR), &entry->endpoint.address);
	entry->endpoint.port = attr_port(attrs_find(entry->nlh, BPFLB_BACKEND_A_PORT));
}

/**
 * entries_of_nodes - the nodes among messages, by address
 * @messages: must live as long as @entries
 * @command: that those have which count
 * @entries: zeroed; the result
 */
void entries_of_nodes(const struct messages *messages, uint8_t command, struct entries *entries)
{
	collect(messages, command, entries, node_key);
}

/**
 * entries_of_services - the services among messages, by name
 * @messages: must live as long as @entries
 * @command: that those have which count
 * @entries: zeroed; the result
 */
void entries_of_services(const struct messages *messages, uint8_t command,
			 struct entries *entries)
{
	collect(messages, command, entries, service_key);
}

/**
 * entries_of_backends - the backends among messages, by service, address and port
 * @messages: must live as long as @entries
 * @command: that those have which count
 * @entries: zeroed; the result
 */
void entries_of_backends(const struct messages *messages, uint8_t command,
			 struct entries *entries)
{
	collect(messages, command, entries, backend_key);
}

/**
 * entries_free - give their memory back
 * @entries: zeroed, or filled
 */
void entries_free(struct entries *entries)
{
	free(entries->entries);
}
