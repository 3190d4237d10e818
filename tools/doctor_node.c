// SPDX-License-Identifier: GPL-2.0-only
/* Nodes: are all known, is there a way to each, are their DSR notes believed? */
#include <string.h>

#include "doctor.h"

#define SILENT_ASKED 3

/* Of a device on whose link another node of the family is; 0: none. */
static int likely_device(const struct doctor *doctor, int family)
{
	size_t i;

	for (i = 0; i < doctor->peer_count; i++) {
		const struct peer *peer = &doctor->peers[i];

		if (family_index(&peer->address) == family && peer->route.there &&
		    !peer->route.gateway.length)
			return peer->route.device;
	}
	return doctor->anywhere[family].device;
}

static void no_way_to(struct doctor *doctor, const struct machine *machine,
		      const struct rt_route *node)
{
	char mend[MEND_ROOM] = "", to[ADDRESS_ROOM], via[ADDRESS_ROOM], where[RT_WHERE_ROOM];
	int device = likely_device(doctor, family_index(&machine->address));

	format_address(&machine->address, to);
	format_address(&machine->node, via);
	rt_where(&doctor->rt, &machine->address, where);
	if (node && node->there && !node->local)
		snprintf(mend, sizeof(mend), "ip route replace %s/%d via %s%s", to,
			 machine->address.length * 8, via, where);
	else if (device)
		snprintf(mend, sizeof(mend), "ip route replace %s/%d dev %s%s", to,
			 machine->address.length * 8, rt_link(&doctor->rt, device)->name, where);
	finding(doctor, ERROR, "backend-route", mend,
		"there is no route to backend %s of service %s%s%s", to, machine->service,
		machine->node.length ? ", which is on node " : "",
		machine->node.length ? via : "");
}

static const struct peer *peer_at(const struct doctor *doctor, const struct address *address)
{
	size_t i;

	for (i = 0; i < doctor->peer_count; i++) {
		if (!address_compare(&doctor->peers[i].address, address))
			return &doctor->peers[i];
	}
	return NULL;
}

static void check_routes(struct doctor *doctor)
{
	char mend[MEND_ROOM], text[ADDRESS_ROOM], where[RT_WHERE_ROOM];
	const struct peer *peer;
	size_t i;

	for (i = 0; i < doctor->machine_count; i++) {
		const struct machine *machine = &doctor->machines[i];

		if (machine->route.there)
			continue;
		peer = machine->node.length ? peer_at(doctor, &machine->node) : NULL;
		no_way_to(doctor, machine, peer ? &peer->route : NULL);
	}
	for (i = 0; i < doctor->peer_count; i++) {
		int device;

		peer = &doctor->peers[i];
		if (peer->route.there)
			continue;
		format_address(&peer->address, text);
		device = likely_device(doctor, family_index(&peer->address));
		mend[0] = '\0';
		rt_where(&doctor->rt, &peer->address, where);
		if (device)
			snprintf(mend, sizeof(mend), "ip route replace %s/%d dev %s%s", text,
				 peer->address.length * 8, rt_link(&doctor->rt, device)->name,
				 where);
		finding(doctor, ERROR, "node-route", mend,
			"there is no route to node %s, on which %u backends are", text,
			peer->backends);
	}
}

/* The address that this node would speak to the others from, where none of it is listed. */
static void check_self(struct doctor *doctor)
{
	bool listed[2] = { false }, told[2] = { false };
	char mend[MEND_ROOM], text[ADDRESS_ROOM], to[ADDRESS_ROOM];
	const struct nlmsghdr *nlh;
	struct node node;
	size_t i;

	messages_for_each(nlh, &doctor->snapshot.nodes) {
		node_decode(nlh, &node);
		listed[family_index(&node.address)] |= node.self;
	}
	for (i = 0; i < doctor->peer_count; i++) {
		const struct peer *peer = &doctor->peers[i];
		int family = family_index(&peer->address);

		if (listed[family] || told[family] || !peer->route.source.length)
			continue;
		told[family] = true;
		format_address(&peer->route.source, text);
		snprintf(mend, sizeof(mend), "lbadm node add %s", text);
		finding(doctor, WARNING, "node-self", mend,
			"no address of this node is among the nodes: those that have the same list do not believe its DSR notes; it speaks to node %s from %s",
			format_address(&peer->address, to), text);
		finding_elsewhere(doctor, ON_NODES);
	}
}

/**
 * doctor_nodes - is this node known, and is there a way to all others?
 * @doctor: whose finding it is
 */
void doctor_nodes(struct doctor *doctor)
{
	check_routes(doctor);
	check_self(doctor);
}

static bool device_is_trusted(const struct settings *settings, const char *name)
{
	unsigned int i;

	for (i = 0; i < settings->device_count; i++) {
		if (!strcmp(settings->dsr_devices[i], name))
			return true;
	}
	return false;
}

static void add_device(char *mend, size_t room, const char *name)
{
	size_t used = strlen(mend), length = strlen(name);
	const char *at = strstr(mend, name);

	/* A name may begin another's, so it must be followed by nothing or by a space. */
	while (at && ((at[length] && at[length] != ' ') || at[-1] != ' '))
		at = strstr(at + 1, name);
	if (!at)
		snprintf(mend + used, room - used, " %s", name);
}

/* The command that believes what comes in by the devices to all nodes. */
static void trust_devices(const struct doctor *doctor, char *mend, size_t room)
{
	const struct settings *settings = &doctor->snapshot.settings;
	const struct rt_link *link;
	unsigned int i;

	snprintf(mend, room, "lbadm set dsr-sender device dsr-device");
	for (i = 0; i < settings->device_count; i++) {
		if (rt_link_named(&doctor->rt, settings->dsr_devices[i]))
			add_device(mend, room, settings->dsr_devices[i]);
	}
	for (i = 0; i < doctor->peer_count; i++) {
		link = rt_link(&doctor->rt, doctor->peers[i].route.device);
		if (link->name[0] && doctor->takes_notes[family_index(&doctor->peers[i].address)])
			add_device(mend, room, link->name);
	}
}

/* By MAC: the node must be on the link, and answer there. */
static void check_mac(struct doctor *doctor, const struct peer *peer, bool *routed,
		      unsigned int *silent)
{
	const struct rt_link *link = rt_link(&doctor->rt, peer->route.device);
	char mend[MEND_ROOM], text[ADDRESS_ROOM];

	format_address(&peer->address, text);
	if (peer->route.gateway.length || !link->ethernet) {
		if (*routed)
			return;
		*routed = true;
		trust_devices(doctor, mend, sizeof(mend));
		finding(doctor, ERROR, "dsr-sender", mend,
			"node %s is %s, so its DSR notes do not come in with its own MAC address and 'dsr-sender mac' refuses them",
			text, peer->route.gateway.length ? "behind a router" :
			"on a device without MAC addresses");
		return;
	}
	/* Each that is silent takes its time: where there are many, the others are not asked. */
	if (*silent < SILENT_ASKED ? rt_neighbour_ask(&doctor->rt, link->index, &peer->address) :
	    rt_neighbour_is_known(&doctor->rt, link->index, &peer->address))
		return;
	++*silent;
	finding(doctor, WARNING, "node-silent", NULL,
		"node %s does not answer on %s; as long as its MAC address is not known its DSR notes are refused",
		text, link->name);
}

static void check_trusted_device(struct doctor *doctor, const struct peer *peer, bool *told)
{
	const struct rt_link *link = rt_link(&doctor->rt, peer->route.device);
	char mend[MEND_ROOM], text[ADDRESS_ROOM];

	if (*told || device_is_trusted(&doctor->snapshot.settings, link->name))
		return;
	*told = true;
	trust_devices(doctor, mend, sizeof(mend));
	finding(doctor, WARNING, "dsr-device", mend,
		"the way to node %s is by %s, which is not among the devices whose DSR notes are believed",
		format_address(&peer->address, text), link->name);
}

/**
 * doctor_sender - will the DSR notes of all nodes be believed here?
 * @doctor: whose finding it is
 */
void doctor_sender(struct doctor *doctor)
{
	uint8_t sender = doctor->snapshot.settings.dsr_sender;
	unsigned int silent = 0;
	bool told = false;
	size_t i;

	for (i = 0; i < doctor->peer_count; i++) {
		const struct peer *peer = &doctor->peers[i];

		if (!peer->route.there || !doctor->takes_notes[family_index(&peer->address)])
			continue;
		if (sender == BPFLB_DSR_SENDER_MAC)
			check_mac(doctor, peer, &told, &silent);
		else if (sender == BPFLB_DSR_SENDER_DEVICE)
			check_trusted_device(doctor, peer, &told);
	}
}
