// SPDX-License-Identifier: GPL-2.0-only
/* Do packets for a service's addresses come to this node? */
#include "doctor.h"

/*
 * Of this node itself a packet to the address is balanced before it is routed, so what the
 * routing table says of it is what it says of it as a neighbour: on which link it would be.
 */
static void on_our_link(struct doctor *doctor, const struct service *service,
			const struct address *address, const struct rt_route *route)
{
	const struct rt_link *link = rt_link(&doctor->rt, route->device);
	char mend[MEND_ROOM], text[ADDRESS_ROOM];

	if (link->flags & (IFF_LOOPBACK | IFF_NOARP) || !link->ethernet ||
	    rt_neighbour_ask(&doctor->rt, route->device, address))
		return;
	format_address(address, text);
	snprintf(mend, sizeof(mend), "ip addr add %s/%d dev %s", text, address->length * 8,
		 link->name);
	finding(doctor, ERROR, "service-address", mend,
		"%s of service %s belongs to the link of %s, but no machine there answers for it, nor does this node: nobody finds it",
		text, service->name, link->name);
}

/* That nothing has come may be because nobody has asked yet: it is worth a note. */
static void never_asked(struct doctor *doctor, const struct service *service,
			const struct address *address)
{
	const struct rt_route *out = &doctor->anywhere[family_index(address)];
	char mend[MEND_ROOM] = "", text[ADDRESS_ROOM], self[ADDRESS_ROOM];

	format_address(address, text);
	if (out->source.length)
		snprintf(mend, sizeof(mend), "ip route replace %s/%d via %s", text,
			 address->length * 8, format_address(&out->source, self));
	finding(doctor, NOTE, "service-unasked", mend,
		"no packet for service %s has come to this node yet: unless another node has its address %s, a router must send it here",
		service->name, text);
	finding_elsewhere(doctor, ON_ROUTER);
}

static void check_service(struct doctor *doctor, const struct service *service)
{
	struct rt_route route;
	bool noted = false;
	unsigned int i;

	for (i = 0; i < service->frontend_count; i++) {
		const struct frontend *frontend = &service->frontends[i];

		/* What is the cluster's own is asked by programs of the nodes. */
		if (!frontend->at.address.length || frontend->internal)
			continue;
		rt_route(&doctor->rt, &frontend->at.address, &route);
		if (route.local)
			continue;
		if (route.there && !route.gateway.length) {
			on_our_link(doctor, service, &frontend->at.address, &route);
			continue;
		}
		if (!service->counters.packets_in && !noted) {
			noted = true;
			never_asked(doctor, service, &frontend->at.address);
		}
	}
}

/**
 * doctor_addresses - do packets for services' addresses come here?
 * @doctor: whose finding it is
 */
void doctor_addresses(struct doctor *doctor)
{
	const struct nlmsghdr *nlh;
	struct service service;

	messages_for_each(nlh, &doctor->snapshot.services) {
		service_decode(nlh, &service);
		if (service.backends)
			check_service(doctor, &service);
	}
}
