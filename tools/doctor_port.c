// SPDX-License-Identifier: GPL-2.0-only
/* Ports that two want, and the loopback that need not be open. */
#include <stdlib.h>
#include <string.h>

#include "doctor.h"

#define PORTS_USUAL	"32768 60999"
#define PORTS_FEW	4096

/** struct ports - from @first to @last, both in it */
struct ports {
	unsigned int first;
	unsigned int last;
};

static bool ports_overlap(struct ports a, struct ports b)
{
	return a.first <= b.last && b.first <= a.last;
}

static bool local_ports(struct ports *local)
{
	char text[64];

	return sysctl_text(text, sizeof(text), "ipv4/ip_local_port_range") &&
	       sscanf(text, "%u %u", &local->first, &local->last) == 2;
}

/* "8080,9000-9100": is all that both @ports and @local have among it? */
static bool ports_are_reserved(const char *reserved, struct ports ports, struct ports local)
{
	unsigned int port = ports.first > local.first ? ports.first : local.first;
	unsigned int end = ports.last < local.last ? ports.last : local.last;
	const char *c = reserved;
	char *next;

	/* The kernel writes them in ascending order. */
	while (port <= end && *c >= '0' && *c <= '9') {
		unsigned int first = strtoul(c, &next, 10), last = first;

		if (*next == '-')
			last = strtoul(next + 1, &next, 10);
		if (first > port)
			return false;
		if (last >= port)
			port = last + 1;
		c = next + (*next == ',');
	}
	return port > end;
}

/** struct node_ports - what services have, of "nodeport:" */
struct node_ports {
	struct ports span;
	unsigned int count;
	char outside[BPFLB_NAME_MAX];
	unsigned int outside_port;
};

static void look_at_frontends(struct node_ports *all, const struct service *service,
			      const struct settings *settings)
{
	unsigned int i, port;

	for (i = 0; i < service->frontend_count; i++) {
		if (service->frontends[i].at.address.length)
			continue;
		port = service->frontends[i].at.port;
		all->count++;
		if (port < all->span.first)
			all->span.first = port;
		if (port > all->span.last)
			all->span.last = port;
		if (port < settings->nodeports[0] || port > settings->nodeports[1]) {
			snprintf(all->outside, sizeof(all->outside), "%s", service->name);
			all->outside_port = port;
		}
	}
}

static void look_at_services(const struct doctor *doctor, struct node_ports *all)
{
	const struct nlmsghdr *nlh;
	struct service service;

	*all = (struct node_ports){ .span = { 65536, 0 } };
	messages_for_each(nlh, &doctor->snapshot.services) {
		service_decode(nlh, &service);
		look_at_frontends(all, &service, &doctor->snapshot.settings);
	}
}

static void check_reserved(struct doctor *doctor, const struct node_ports *all)
{
	char reserved[4096] = "", value[4096 + 32], mend[4096 + 128];
	struct ports local;

	if (!local_ports(&local) || !ports_overlap(all->span, local))
		return;
	sysctl_text(reserved, sizeof(reserved), "ipv4/ip_local_reserved_ports");
	if (ports_are_reserved(reserved, all->span, local))
		return;
	snprintf(value, sizeof(value), "%s%s%u-%u", reserved, reserved[0] ? "," : "",
		 all->span.first, all->span.last);
	sysctl_command(mend, sizeof(mend), "ipv4/ip_local_reserved_ports", NULL, value);
	finding(doctor, WARNING, "local-ports", mend,
		"programs of this node may be given a node port of %u-%u for their own connections, since ip_local_port_range is %u-%u: the answers would be taken for requests",
		all->span.first, all->span.last, local.first, local.last);
}

static void check_range(struct doctor *doctor, const struct node_ports *all)
{
	const struct settings *settings = &doctor->snapshot.settings;
	unsigned int first = settings->nodeports[0], last = settings->nodeports[1];
	char mend[MEND_ROOM];

	if (!all->outside[0])
		return;
	if (all->span.first < first)
		first = all->span.first;
	if (all->span.last > last)
		last = all->span.last;
	snprintf(mend, sizeof(mend), "lbadm set nodeports %u-%u", first, last);
	finding(doctor, WARNING, "nodeport-range", mend,
		"node port %u of service %s is not among 'nodeports' %u-%u, so SNAT may use it as a source port",
		all->outside_port, all->outside, settings->nodeports[0], settings->nodeports[1]);
}

static unsigned int usable_ports(const struct settings *settings, struct ports local)
{
	unsigned int port, count = 0;

	for (port = settings->snat_ports[0]; port <= settings->snat_ports[1]; port++) {
		if ((port < local.first || port > local.last) &&
		    (port < settings->nodeports[0] || port > settings->nodeports[1]))
			count++;
	}
	return count;
}

static const struct machine *first_snat(const struct doctor *doctor)
{
	size_t i;

	for (i = 0; i < doctor->machine_count; i++) {
		if (doctor->machines[i].snat)
			return &doctor->machines[i];
	}
	return NULL;
}

static void check_snat(struct doctor *doctor)
{
	const struct settings *settings = &doctor->snapshot.settings;
	const struct machine *machine = first_snat(doctor);
	char mend[MEND_ROOM], text[ADDRESS_ROOM];
	unsigned int usable, usual;
	struct ports local;

	if (!machine || !local_ports(&local))
		return;
	usable = usable_ports(settings, local);
	if (usable >= PORTS_FEW)
		return;
	/* Whose fault is it? Where programs have the usual ports, that of snat-ports. */
	usual = usable_ports(settings, (struct ports){ 32768, 60999 });
	if (usual >= PORTS_FEW)
		sysctl_command(mend, sizeof(mend), "ipv4/ip_local_port_range", NULL, PORTS_USUAL);
	else
		snprintf(mend, sizeof(mend), "lbadm set snat-ports 1024-65535");
	finding(doctor, usable ? WARNING : ERROR, "snat-ports", mend,
		"%u source ports are left for SNAT to backend %s of service %s: snat-ports %u-%u less nodeports %u-%u and what programs of this node may have, ip_local_port_range %u-%u",
		usable, format_address(&machine->address, text), machine->service,
		settings->snat_ports[0], settings->snat_ports[1], settings->nodeports[0],
		settings->nodeports[1], local.first, local.last);
}

/**
 * doctor_ports - are node ports, SNAT's ports and local programs' ports apart?
 * @doctor: whose finding it is
 */
void doctor_ports(struct doctor *doctor)
{
	struct node_ports all;

	look_at_services(doctor, &all);
	if (all.count) {
		check_reserved(doctor, &all);
		check_range(doctor, &all);
	}
	check_snat(doctor);
}

static void localnet_is_open(struct doctor *doctor, const char *device)
{
	char mend[MEND_ROOM];

	sysctl_command(mend, sizeof(mend), "ipv4/conf/%s/route_localnet", device, "0");
	finding(doctor, WARNING, "route-localnet", mend,
		"route_localnet of %s lets neighbours reach what listens at 127.0.0.0/8 of this node, and bpflb has no use for it: node ports are never there",
		!strcmp(device, "all") ? "all devices" : device);
}

/**
 * doctor_localnet - is the loopback open to neighbours?
 * @doctor: whose finding it is
 */
void doctor_localnet(struct doctor *doctor)
{
	struct node_ports all;
	long on = 0;
	size_t i;

	look_at_services(doctor, &all);
	if (!all.count)
		return;
	if (sysctl_read(&on, "ipv4/conf/all/route_localnet") && on)
		localnet_is_open(doctor, "all");
	for (i = 0; i < doctor->rt.count; i++) {
		const struct rt_link *link = &doctor->rt.links[i];

		on = 0;
		if (!(link->flags & IFF_LOOPBACK) &&
		    sysctl_read(&on, "ipv4/conf/%s/route_localnet", link->name) && on)
			localnet_is_open(doctor, link->name);
	}
}
