// SPDX-License-Identifier: GPL-2.0-only
/* A cluster as one node has to be configured for it, in the grammar of lbadm save. */
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kube.h"

/** struct output - where lines go */
struct output {
	struct kube_cluster *cluster;
	struct kube_lines *lines;
	size_t numbers_room;
	FILE *file;
};

/* The line that is finished comes from that one of the cluster's file. */
static void line_end(struct output *out, unsigned int number)
{
	struct kube_lines *lines = out->lines;

	putc('\n', out->file);
	lines->numbers = mem_grow(lines->numbers, &out->numbers_room, lines->count + 1,
				  sizeof(*lines->numbers));
	lines->numbers[lines->count++] = number;
}

static void write_prefixes(FILE *file, const struct kube_list *list, uint8_t length)
{
	char text[PREFIX_ROOM], between = ' ';

	kube_for_each(struct prefix, prefix, list) {
		if (length && prefix->address.length != length)
			continue;
		fprintf(file, "%c%s", between, format_prefix(prefix, text));
		between = ',';
	}
}

static void write_nodes(struct output *out, const struct kube_node *self)
{
	char text[ADDRESS_ROOM];
	unsigned int i;

	if (self->pods.count) {
		fputs("set pods", out->file);
		write_prefixes(out->file, &self->pods, 0);
		line_end(out, self->line);
	}
	kube_for_each(struct kube_node, node, &out->cluster->nodes) {
		for (i = 0; i < 2; i++) {
			if (!node->addresses[i].length)
				continue;
			fprintf(out->file, "node add %s",
				format_address(&node->addresses[i], text));
			line_end(out, node->line);
		}
	}
}

/* The name of a port's service: NAMESPACE/NAME, and :PORT if the port has a name. */
static void write_name(struct output *out, const struct kube_service *service,
		       const struct kube_port *port)
{
	fprintf(out->file, "%s/%s%s%s", service->namespace, service->name, *port->name ? ":" : "",
		port->name);
}

/* Whether source ranges concern addresses of a family: one of its ranges has to be of it, too. */
static bool has_ranges(const struct kube_service *service, uint8_t length)
{
	kube_for_each(struct prefix, prefix, &service->ranges) {
		if (prefix->address.length == length)
			return true;
	}
	return false;
}

static bool is_guarded(const struct kube_service *service, const struct address *address)
{
	return has_ranges(service, address->length);
}

/* Whether there is an address that the source ranges are for. */
static bool any_guarded(const struct kube_service *service)
{
	kube_for_each(struct address, address, &service->balancer_ips) {
		if (is_guarded(service, address))
			return true;
	}
	return false;
}

static bool contains(const struct kube_list *list, const struct address *end,
		     const struct address *wanted)
{
	kube_for_each(struct address, address, list) {
		if (address == end)
			return false;
		if (!address_compare(address, wanted))
			return true;
	}
	return false;
}

static void write_frontend(struct output *out, const struct address *address, uint16_t port,
			   const char *before)
{
	struct frontend frontend = { .at = { .address = *address, .port = port } };
	char text[FRONTEND_ROOM];

	fprintf(out->file, " %s%s", before, format_frontend(&frontend, text));
}

/* Ranges are for what a load balancer gave out: all else is open. */
static unsigned int write_frontends(struct output *out, const struct kube_service *service,
				    const struct kube_port *port)
{
	static const struct address no_address;
	bool guarded = any_guarded(service);
	const char *open = guarded ? "open:" : "";
	unsigned int count = 0;

	kube_for_each(struct address, ip, &service->cluster_ips) {
		write_frontend(out, ip, port->number, guarded ? "open:internal:" : "internal:");
		count++;
	}
	if (port->node_port) {
		write_frontend(out, &no_address, port->node_port, open);
		count++;
	}
	kube_for_each(struct address, ip, &service->balancer_ips) {
		if (contains(&service->balancer_ips, ip, ip))
			continue;
		write_frontend(out, ip, port->number, is_guarded(service, ip) ? "" : open);
		count++;
	}
	kube_for_each(struct address, ip, &service->external_ips) {
		if (contains(&service->external_ips, ip, ip) ||
		    contains(&service->balancer_ips, NULL, ip))
			continue;
		write_frontend(out, ip, port->number, open);
		count++;
	}
	return count;
}

static const char *proto_name(uint8_t proto)
{
	return proto == IPPROTO_TCP ? "tcp" : proto == IPPROTO_UDP ? "udp" : "sctp";
}

static void write_service(struct output *out, const struct kube_service *service,
			  const struct kube_port *port)
{
	FILE *file = out->file;

	fputs("service add ", file);
	write_name(out, service, port);
	fprintf(file, " %s", proto_name(port->proto));
	if (!write_frontends(out, service, port))
		tree_wrong_line(&out->cluster->reader, service->line, 0,
				"the Service %s/%s has no address", service->namespace,
				service->name);
	if (service->scheduler)
		fprintf(file, " scheduler %s", service->scheduler);
	if (service->affinity)
		fprintf(file, " affinity %us", service->affinity);
	if (service->local)
		fputs(" policy local", file);
	if (service->internal_local)
		fputs(" internal-policy local", file);
	if (service->mode)
		fprintf(file, " mode %s", service->mode);
	if (any_guarded(service)) {
		fputs(service->ranges_deny ? " deny" : " allow", file);
		write_prefixes(file, &service->ranges, 0);
	}
	line_end(out, service->line);
}

/* Where an endpoint is: here, on a node that is known, or where nobody can say. */
static void write_place(struct output *out, const struct kube_candidate *candidate)
{
	const struct kube_endpoint *endpoint = candidate->endpoint;
	const struct kube_node *node = kube_node_find(out->cluster, endpoint->node);
	const struct address *address = NULL;
	char text[ADDRESS_ROOM];

	if (node)
		address = &node->addresses[endpoint->address.length == 16];
	if (candidate->local)
		fputs(" local", out->file);
	else if (address && address->length)
		fprintf(out->file, " node %s", format_address(address, text));
	else
		fputs(" plain", out->file);
}

static void write_backends(struct output *out, const struct kube_node *self,
			   const struct kube_service *service, const struct kube_port *port)
{
	struct kube_list candidates = { 0 };
	char text[ENDPOINT_ROOM];

	kube_choose(out->cluster, self, service, port, &candidates);
	kube_for_each(struct kube_candidate, candidate, &candidates) {
		struct endpoint at = {
			.address = candidate->endpoint->address,
			.port = candidate->port,
		};

		fputs("backend add ", out->file);
		write_name(out, service, port);
		fprintf(out->file, " %s", format_endpoint(&at, text));
		write_place(out, candidate);
		if (!candidate->endpoint->ready)
			fputs(" state terminating", out->file);
		line_end(out, candidate->endpoint->line);
	}
}

static void write_services(struct output *out, const struct kube_node *self)
{
	kube_for_each(struct kube_service, service, &out->cluster->services) {
		if (service->health_port)
			fprintf(stderr,
				"%s:%u: note: %s/%s: health checks at node port %u are not answered by bpflb\n",
				out->cluster->reader.name, service->line, service->namespace,
				service->name, service->health_port);
		kube_for_each(struct kube_port, port, &service->ports) {
			write_service(out, service, port);
			write_backends(out, self, service, port);
		}
	}
}

/**
 * kube_write - a cluster as lines
 * @cluster: sorted
 * @self: the node to be configured; NULL if there are no services
 * @lines: zeroed; the result
 */
void kube_write(struct kube_cluster *cluster, const struct kube_node *self,
		struct kube_lines *lines)
{
	struct output out = { .cluster = cluster, .lines = lines };

	out.file = open_memstream(&lines->text, &lines->length);
	if (!out.file)
		mem_exhausted();
	if (cluster->mode) {
		fprintf(out.file, "set mode %s", cluster->mode);
		line_end(&out, cluster->mode_line);
	}
	if (self) {
		write_nodes(&out, self);
		write_services(&out, self);
	}
	if (fclose(out.file))
		mem_exhausted();
}
