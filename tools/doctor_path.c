// SPDX-License-Identifier: GPL-2.0-only
/* What the node itself does to packets on their way: forwarding, rp_filter, MTU. */
#include <string.h>

#include "attrs.h"
#include "doctor.h"

#define IPV6_MIN	1280
#define FLOWS_LOOKED_AT	256

#define STRICT 1

/* A packet for a backend is forwarded, unless the backend is the node itself. */
static const struct machine *first_forwarded(const struct doctor *doctor, int family)
{
	size_t i;

	for (i = 0; i < doctor->machine_count; i++) {
		const struct machine *machine = &doctor->machines[i];

		if (family_index(&machine->address) == family && machine->route.there &&
		    !machine->route.local)
			return machine;
	}
	return NULL;
}

static void device_forwards(struct doctor *doctor, int device, const struct machine *machine)
{
	const struct rt_link *link = rt_link(&doctor->rt, device);
	char mend[MEND_ROOM], text[ADDRESS_ROOM];
	long on = 1;

	if (!link->name[0] || link->flags & IFF_LOOPBACK)
		return;
	sysctl_read(&on, "ipv4/conf/%s/forwarding", link->name);
	if (on)
		return;
	sysctl_command(mend, sizeof(mend), "ipv4/conf/%s/forwarding", link->name, "1");
	finding(doctor, ERROR, "ip-forward", mend,
		"%s does not forward what comes in by it, so packets to backend %s of service %s and their answers are lost there",
		link->name, format_address(&machine->address, text), machine->service);
}

/**
 * doctor_forwarding - does the node forward where backends are not on it itself?
 * @doctor: whose finding it is
 */
void doctor_forwarding(struct doctor *doctor)
{
	static const char *const paths[] = { "ipv4/ip_forward", "ipv6/conf/all/forwarding" };
	char mend[MEND_ROOM], text[ADDRESS_ROOM];
	const struct machine *machine;
	int family, last = 0;
	size_t i;

	for (family = 0; family < 2; family++) {
		long on = 1;

		machine = first_forwarded(doctor, family);
		if (!machine)
			continue;
		sysctl_read(&on, "%s", paths[family]);
		if (!on) {
			sysctl_command(mend, sizeof(mend), paths[family], NULL, "1");
			finding(doctor, ERROR, "ip-forward", mend,
				"this node does not forward IPv%d, so packets to backend %s of service %s, and its answers, end here",
				family ? 6 : 4, format_address(&machine->address, text),
				machine->service);
			continue;
		}
		/* Devices have a switch of their own in IPv4 only. */
		if (family)
			continue;
		device_forwards(doctor, doctor->anywhere[0].device, machine);
		last = doctor->anywhere[0].device;
		for (i = 0; i < doctor->machine_count; i++) {
			machine = &doctor->machines[i];
			if (machine->address.length != 4 || machine->route.local ||
			    machine->route.device == last)
				continue;
			last = machine->route.device;
			device_forwards(doctor, last, machine);
		}
	}
}

/* Of a device and of all the larger one counts. */
static bool is_strict(const char *device)
{
	long all = 0, own = 0;

	sysctl_read(&all, "ipv4/conf/all/rp_filter");
	sysctl_read(&own, "ipv4/conf/%s/rp_filter", device);
	return (own > all ? own : all) == STRICT;
}

/** struct stray - looks for a client whose answers leave by another device */
struct stray {
	struct doctor *doctor;
	int device;
	unsigned int seen;
	struct address client;
	struct rt_route route;
};

static void look_for_stray(const struct nlmsghdr *nlh, void *arg)
{
	struct stray *stray = arg;
	struct address client;
	struct rt_route route;
	uint8_t state;

	if (stray->client.length || ++stray->seen > FLOWS_LOOKED_AT)
		return;
	state = attr_u8(attrs_find(nlh, BPFLB_FLOW_A_STATE));
	attr_address(attrs_find(nlh, BPFLB_FLOW_A_CLIENT_ADDR), &client);
	/* One that was answered has come through. */
	if (client.length != 4 || (state != BPFLB_STATE_TCP_SYN_SENT &&
				   state != BPFLB_STATE_UDP_UNREPLIED &&
				   state != BPFLB_STATE_SCTP_INIT))
		return;
	rt_route(&stray->doctor->rt, &client, &route);
	if (!route.there || route.device == stray->device)
		return;
	stray->client = client;
	stray->route = route;
}

/* Flows of all that other nodes send here by DSR know their clients. */
static void ask_flows(struct stray *stray)
{
	struct context *context = stray->doctor->context;

	request_start(&context->request, BPFLB_CMD_FLOW_GET, 0);
	request_u8(&context->request, NO_WORD, BPFLB_FLOW_A_KIND, BPFLB_FLOW_DSR_IN);
	conn_dump(&context->conn, &context->request, look_for_stray, stray);
}

static void check_device(struct doctor *doctor, const struct rt_link *link)
{
	const struct rt_route *other = &doctor->anywhere[0];
	struct stray stray = { .doctor = doctor, .device = link->index };
	char mend[MEND_ROOM], who[ADDRESS_ROOM + 16] = "clients";
	char text[ADDRESS_ROOM];

	if (!is_strict(link->name))
		return;
	if (!other->there || other->device == link->index) {
		ask_flows(&stray);
		if (!stray.client.length)
			return;
		other = &stray.route;
		snprintf(who, sizeof(who), "client %s", format_address(&stray.client, text));
	}
	sysctl_command(mend, sizeof(mend), "ipv4/conf/%s/rp_filter", link->name, "2");
	finding(doctor, ERROR, "rp-filter", mend,
		"the strict rp_filter of %s drops what other nodes send here by DSR: the way to %s is by %s, not by %s",
		link->name, who, rt_link(&doctor->rt, other->device)->name, link->name);
}

/**
 * doctor_rp_filter - does the node take clients' packets that other nodes send it?
 * @doctor: whose finding it is
 *
 * Such a packet has the client's address and comes in by the device towards the other
 * node. A strict rp_filter wants the way back to the client to be by that device too.
 */
void doctor_rp_filter(struct doctor *doctor)
{
	int last = 0;
	size_t i;

	if (!doctor->takes_dsr[0])
		return;
	for (i = 0; i < doctor->peer_count; i++) {
		const struct peer *peer = &doctor->peers[i];

		if (peer->address.length != 4 || !peer->route.there ||
		    peer->route.device == last)
			continue;
		last = peer->route.device;
		check_device(doctor, rt_link(&doctor->rt, last));
	}
}

static void path_is_narrow(struct doctor *doctor, const struct machine *machine)
{
	const struct rt_link *link = rt_link(&doctor->rt, machine->outer.device);
	uint32_t mtu = machine->outer.mtu, more = machine->grows;
	char mend[MEND_ROOM], to[ADDRESS_ROOM];

	format_address(&machine->address, to);
	snprintf(mend, sizeof(mend), "ip link set dev %s mtu %u", link->name, USUAL_MTU + more);
	if (machine->address.length == 16 && mtu < IPV6_MIN + more)
		finding(doctor, ERROR, "mtu", mend,
			"the way to backend %s by %s has an MTU of %u: an IPv6 packet of %u bytes, which no client need make smaller, does not fit with the %u that DSR adds",
			to, link->name, mtu, IPV6_MIN, more);
	else
		finding(doctor, NOTE, "mtu", mend,
			"the way to backend %s by %s has an MTU of %u, and DSR adds up to %u bytes to large packets: senders of those above %u are told that they do not fit",
			to, link->name, mtu, more, mtu - more);
}

/**
 * doctor_mtu - have clients' largest packets room for what DSR adds?
 * @doctor: whose finding it is
 *
 * By notes that is UDP's only, for of TCP the few that have one are small. In tunnels it is
 * all. One finding for each device and family.
 */
void doctor_mtu(struct doctor *doctor)
{
	int last[2] = { 0, 0 };
	size_t i;

	for (i = 0; i < doctor->machine_count; i++) {
		const struct machine *machine = &doctor->machines[i];
		int family = family_index(&machine->address);

		if (!machine->grows || !machine->outer.there || !machine->outer.mtu ||
		    machine->outer.mtu >= USUAL_MTU + machine->grows ||
		    machine->outer.device == last[family])
			continue;
		last[family] = machine->outer.device;
		path_is_narrow(doctor, machine);
	}
}

/**
 * doctor_dispatch - is each server that is to get frames on a link of this node?
 * @doctor: whose finding it is
 */
void doctor_dispatch(struct doctor *doctor)
{
	char mend[MEND_ROOM], text[ADDRESS_ROOM];
	size_t i;

	for (i = 0; i < doctor->machine_count; i++) {
		const struct machine *machine = &doctor->machines[i];

		if (!machine->l2 || !machine->route.gateway.length)
			continue;
		snprintf(mend, sizeof(mend), "lbadm service set %s dispatch ipip",
			 machine->service);
		finding(doctor, ERROR, "dispatch-route", mend,
			"backend %s of service %s, to which dispatch l2 sends frames, is behind a router",
			format_address(&machine->address, text), machine->service);
	}
}
