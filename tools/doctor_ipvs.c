// SPDX-License-Identifier: GPL-2.0-only
/* IPVS, where it balances the same addresses. */
#include <string.h>

#include "doctor.h"
#include "names.h"

#define LINE_ROOM 256

/** struct virtual - what IPVS calls a virtual service */
struct virtual {
	char proto[8];
	struct endpoint at;
};

/* "TCP  CB00713C:0050 rr", or "TCP  [2001:0db8:…]:0050 rr" */
static bool read_virtual(const char *line, struct virtual *virtual)
{
	struct address *address = &virtual->at.address;
	unsigned int port, ipv4;
	char at[64], *colon;

	if (sscanf(line, "%7s %63s", virtual->proto, at) != 2)
		return false;
	colon = strrchr(at, ':');
	if (!colon || sscanf(colon + 1, "%x", &port) != 1)
		return false;
	*colon = '\0';
	virtual->at.port = port;
	if (at[0] == '[') {
		at[strcspn(at, "]")] = '\0';
		return parse_address(at + 1, address);
	}
	if (sscanf(at, "%8x", &ipv4) != 1)
		return false;
	*address = (struct address){ 4, { ipv4 >> 24, ipv4 >> 16, ipv4 >> 8, ipv4 } };
	return true;
}

static bool is_at(const struct service *service, const struct virtual *virtual)
{
	unsigned int port = virtual->at.port, i;
	char room[NAME_ROOM];

	if (strcasecmp(virtual->proto, proto_name(service->proto, room)))
		return false;
	for (i = 0; i < service->frontend_count; i++) {
		const struct frontend *frontend = &service->frontends[i];
		unsigned int last = frontend->last_port ? frontend->last_port : frontend->at.port;

		if (!address_compare(&frontend->at.address, &virtual->at.address) &&
		    port >= frontend->at.port && port <= last)
			return true;
	}
	return false;
}

static void tell(struct doctor *doctor, const struct service *service,
		 const struct virtual *virtual)
{
	char mend[MEND_ROOM], text[ENDPOINT_ROOM];
	const char *option = "-t";

	if (service->proto == IPPROTO_UDP)
		option = "-u";
	else if (service->proto == IPPROTO_SCTP)
		option = "--sctp-service";
	format_endpoint(&virtual->at, text);
	snprintf(mend, sizeof(mend), "ipvsadm -D %s %s", option, text);
	finding(doctor, WARNING, "ipvs", mend,
		"IPVS balances %s of service %s too: it has what bpflb lets pass", text,
		service->name);
}

static void find_service(struct doctor *doctor, const struct virtual *virtual)
{
	const struct nlmsghdr *nlh;
	struct service service;

	messages_for_each(nlh, &doctor->snapshot.services) {
		service_decode(nlh, &service);
		if (is_at(&service, virtual)) {
			tell(doctor, &service, virtual);
			return;
		}
	}
}

/**
 * doctor_ipvs - does IPVS balance a service too?
 * @doctor: whose finding it is
 */
void doctor_ipvs(struct doctor *doctor)
{
	FILE *file = fopen("/proc/self/net/ip_vs", "re");
	struct virtual virtual;
	char line[LINE_ROOM];

	while (file && fgets(line, sizeof(line), file)) {
		if (line[0] != ' ' && read_virtual(line, &virtual))
			find_service(doctor, &virtual);
	}
	if (file)
		fclose(file);
}
