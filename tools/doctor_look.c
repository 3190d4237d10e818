// SPDX-License-Identifier: GPL-2.0-only
/* What is there: the configuration, the ways to backends and nodes, sysctls. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "attrs.h"
#include "doctor.h"
#include "mem.h"

#define GENEVE_INNER	(8 + 8 + 14)	/* UDP, Geneve, Ethernet */

/* Reserved for documentation and for discarding: no route but the default one is to there. */
static const struct address anywhere[2] = {
	{ 4, { 192, 0, 2, 1 } },
	{ 16, { 0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff, 0xff, 0xff, [15] = 1 } },
};

/**
 * sysctl_read - the number in a file below /proc/sys/net
 * @value: the number
 * @format: the file's path, as printf()
 *
 * Return: whether there is one.
 */
bool sysctl_read(long *value, const char *format, ...)
{
	char path[256], text[64], *end;
	va_list list;

	va_start(list, format);
	vsnprintf(path, sizeof(path), format, list);
	va_end(list);
	if (!sysctl_text(text, sizeof(text), path))
		return false;
	*value = strtol(text, &end, 10);
	return end != text;
}

/**
 * sysctl_text - what is in a file below /proc/sys/net
 * @text: the first line, without its end
 * @room: for it
 * @path: of the file
 *
 * Return: whether there is such a file.
 */
bool sysctl_text(char *text, size_t room, const char *path)
{
	char whole[512];
	FILE *file;
	bool good;

	snprintf(whole, sizeof(whole), "/proc/sys/net/%s", path);
	file = fopen(whole, "re");
	if (!file)
		return false;
	good = fgets(text, room, file);
	fclose(file);
	if (good)
		text[strcspn(text, "\n")] = '\0';
	return good;
}

/**
 * sysctl_command - the command that sets one
 * @text: where it is written
 * @room: size of @text
 * @path: as in "ipv4/conf/%s/rp_filter"
 * @device: what stands for %s in it, or NULL
 * @value: the value
 *
 * Return: @text.
 */
const char *sysctl_command(char *text, size_t room, const char *path, const char *device,
			   const char *value)
{
	/* A dot in a device's name would be a separator, were it not for the slashes. */
	bool dots = !device || !strchr(device, '.');
	const char *mark = strstr(path, "%s");
	int used = snprintf(text, room, "sysctl -w net/");
	char *c;

	if (mark)
		snprintf(text + used, room - used, "%.*s%s%s", (int)(mark - path), path, device,
			 mark + 2);
	else
		snprintf(text + used, room - used, "%s", path);
	for (c = text; dots && *c; c++)
		*c = *c == '/' ? '.' : *c;
	used = strlen(text);
	snprintf(text + used, room - used, strpbrk(value, " \t") ? "=\"%s\"" : "=%s", value);
	return text;
}

/**
 * doctor_is_dsr - do a service's packets go to other nodes by DSR?
 * @doctor: who asks
 * @service: the service
 */
bool doctor_is_dsr(const struct doctor *doctor, const struct service *service)
{
	uint8_t mode = service->mode;

	if (mode == BPFLB_SERVICE_MODE_DEFAULT)
		mode = doctor->snapshot.settings.mode;
	return mode == BPFLB_MODE_DSR ||
	       (mode == BPFLB_MODE_HYBRID && service->proto == IPPROTO_TCP);
}

/** struct kind - what of a service matters for its backends */
struct kind {
	const char *name;
	bool dsr;
	bool udp;
	uint8_t dispatch;
	uint16_t port;
};

static int kind_compare(const void *left, const void *right)
{
	return strcmp(((const struct kind *)left)->name, ((const struct kind *)right)->name);
}

static size_t look_at_services(struct doctor *doctor, struct kind **kinds)
{
	const struct nlmsghdr *nlh;
	struct service service;
	size_t count = 0, room = 0;

	messages_for_each(nlh, &doctor->snapshot.services) {
		service_decode(nlh, &service);
		*kinds = mem_grow(*kinds, &room, count + 1, sizeof(**kinds));
		(*kinds)[count++] = (struct kind){
			.name = attr_text(attrs_find(nlh, BPFLB_SERVICE_A_NAME)),
			.dsr = doctor_is_dsr(doctor, &service),
			.udp = service.proto == IPPROTO_UDP,
			.dispatch = service.dispatch == BPFLB_SERVICE_DISPATCH_DEFAULT ?
				    doctor->snapshot.settings.dispatch : service.dispatch,
			.port = service.frontend_count ? service.frontends[0].at.port : 0,
		};
	}
	if (count)
		qsort(*kinds, count, sizeof(**kinds), kind_compare);
	return count;
}

static int machine_compare(const void *left, const void *right)
{
	const struct machine *a = left, *b = right;

	return address_compare(&a->address, &b->address);
}

/* What is added to a packet that is as large as can be: to all in a tunnel, to UDP's by notes. */
static uint32_t growth(const struct kind *kind, const struct backend *backend)
{
	bool ipv6 = backend->endpoint.address.length == 16;

	switch (kind->dispatch) {
	case BPFLB_DISPATCH_GENEVE:
		return (backend->node.length == 16 ? 40 : 20) + GENEVE_INNER +
		       (kind->udp ? (ipv6 ? 24 : 12) : 0);
	case BPFLB_DISPATCH_IPIP:
		return ipv6 ? 40 : 20;
	default:
		return kind->udp && backend->node.length ? (ipv6 ? 24 : 8) : 0;
	}
}

/* A server without bpflb gets packets by DSR if they need no port of their own there. */
static bool is_plain_dsr(const struct kind *kind, const struct backend *backend)
{
	return (kind->dispatch == BPFLB_DISPATCH_IPIP || kind->dispatch == BPFLB_DISPATCH_L2) &&
	       (!backend->endpoint.port || backend->endpoint.port == kind->port);
}

static void add_machine(struct doctor *doctor, const struct nlmsghdr *nlh,
			const struct kind *kind)
{
	struct backend backend;
	struct machine *machine;

	backend_decode(nlh, &backend);
	doctor->machines = mem_grow(doctor->machines, &doctor->machine_room,
				    doctor->machine_count + 1, sizeof(*doctor->machines));
	machine = &doctor->machines[doctor->machine_count++];
	*machine = (struct machine){
		.address = backend.endpoint.address, .here = backend.here,
		.service = kind->name, .port = backend.endpoint.port,
	};
	if (!backend.here)
		machine->node = backend.node;
	machine->dsr = kind->dsr &&
		       (backend.here || backend.node.length || is_plain_dsr(kind, &backend));
	machine->snat = !machine->dsr && !backend.here;
	if (!machine->dsr)
		return;
	machine->noted = kind->dispatch == BPFLB_DISPATCH_OPT ||
			 (kind->dispatch == BPFLB_DISPATCH_L2 &&
			  (backend.here || backend.node.length));
	machine->l2 = kind->dispatch == BPFLB_DISPATCH_L2 && !machine->noted;
	if (backend.here)
		return;
	machine->grows = growth(kind, &backend);
	if (machine->grows)
		rt_route(&doctor->rt, kind->dispatch == BPFLB_DISPATCH_GENEVE ?
			 &backend.node : &machine->address, &machine->outer);
}

/* Sorted by address, those of one address become one. */
static void merge_machines(struct doctor *doctor)
{
	struct machine *to = doctor->machines;
	size_t i;

	if (!doctor->machine_count)
		return;
	qsort(doctor->machines, doctor->machine_count, sizeof(*to), machine_compare);
	for (i = 1; i < doctor->machine_count; i++) {
		const struct machine *next = &doctor->machines[i];

		if (machine_compare(to, next)) {
			*++to = *next;
			continue;
		}
		to->dsr |= next->dsr;
		to->snat |= next->snat;
		to->noted |= next->noted;
		to->l2 |= next->l2;
		if (next->grows <= to->grows)
			continue;
		to->grows = next->grows;
		to->outer = next->outer;
	}
	doctor->machine_count = to - doctor->machines + 1;
}

static void look_at_backends(struct doctor *doctor)
{
	struct kind key, *kinds = NULL;
	const struct nlmsghdr *nlh;
	const struct kind *kind;
	size_t i, count;

	count = look_at_services(doctor, &kinds);
	messages_for_each(nlh, &doctor->snapshot.backends) {
		key.name = attr_text(attrs_find(nlh, BPFLB_BACKEND_A_SERVICE));
		kind = count ? bsearch(&key, kinds, count, sizeof(key), kind_compare) : NULL;
		if (kind)
			add_machine(doctor, nlh, kind);
	}
	free(kinds);
	merge_machines(doctor);
	for (i = 0; i < doctor->machine_count; i++)
		rt_route(&doctor->rt, &doctor->machines[i].address, &doctor->machines[i].route);
}

static void look_at_nodes(struct doctor *doctor)
{
	const struct nlmsghdr *nlh;
	struct peer *peer;
	struct node node;

	messages_for_each(nlh, &doctor->snapshot.nodes) {
		node_decode(nlh, &node);
		if (node.self)
			continue;
		doctor->peers = mem_grow(doctor->peers, &doctor->peer_room,
					 doctor->peer_count + 1, sizeof(*doctor->peers));
		peer = &doctor->peers[doctor->peer_count++];
		*peer = (struct peer){ .address = node.address, .backends = node.backends };
		rt_route(&doctor->rt, &peer->address, &peer->route);
	}
}

/* The nodes' links may be in a VRF: the one that this node's own address is in. */
static void look_at_own(struct doctor *doctor)
{
	const struct nlmsghdr *nlh;
	struct node node;

	messages_for_each(nlh, &doctor->snapshot.nodes) {
		node_decode(nlh, &node);
		if (node.self)
			rt_follow(&doctor->rt, &node.address);
	}
}

static void look_at_dsr(struct doctor *doctor)
{
	bool peers[2] = { false };
	size_t i;

	for (i = 0; i < doctor->peer_count; i++)
		peers[family_index(&doctor->peers[i].address)] = true;
	for (i = 0; i < doctor->machine_count; i++) {
		const struct machine *machine = &doctor->machines[i];
		int family = family_index(&machine->address);

		if (!machine->here || !machine->dsr || !peers[family])
			continue;
		doctor->takes_dsr[family] = true;
		doctor->takes_notes[family] |= machine->noted;
	}
}

/**
 * doctor_look - look at everything that several checks need
 * @doctor: with its context set, its socket open
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int doctor_look(struct doctor *doctor)
{
	int code = snapshot_take(doctor->context, &doctor->snapshot);

	if (!code)
		code = rt_open(&doctor->rt);
	if (code)
		return code;
	look_at_own(doctor);
	look_at_backends(doctor);
	look_at_nodes(doctor);
	look_at_dsr(doctor);
	rt_route(&doctor->rt, &anywhere[0], &doctor->anywhere[0]);
	rt_route(&doctor->rt, &anywhere[1], &doctor->anywhere[1]);
	return LBADM_OK;
}

/**
 * doctor_forget - give the memory of all that back
 * @doctor: looked or not
 */
void doctor_forget(struct doctor *doctor)
{
	rt_close(&doctor->rt);
	snapshot_free(&doctor->snapshot);
	free(doctor->machines);
	free(doctor->peers);
}
