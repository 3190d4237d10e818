// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "args.h"
#include "attrs.h"
#include "names.h"
#include "objects.h"

#define TABLE_SIZE	16381	/* where nothing is said */

/**
 * service_decode - a message as a service
 * @nlh: the message
 * @service: the result
 */
void service_decode(const struct nlmsghdr *nlh, struct service *service)
{
	struct nlattr *attrs[BPFLB_SERVICE_A_MAX + 1], *inner[BPFLB_FRONTEND_A_MAX + 1];
	struct frontend *frontend;
	struct nlattr *attr;
	int left;

	memset(service, 0, offsetof(struct service, ranges));
	attrs_parse(nlh, attrs, BPFLB_SERVICE_A_MAX);
	service->generation = attr_u64(attrs[BPFLB_SERVICE_A_GENERATION]);
	attr_string(attrs[BPFLB_SERVICE_A_NAME], service->name, sizeof(service->name));
	service->proto = attr_u8(attrs[BPFLB_SERVICE_A_PROTO]);
	service->scheduler = attr_u8(attrs[BPFLB_SERVICE_A_SCHEDULER]);
	service->policy = attr_u8(attrs[BPFLB_SERVICE_A_POLICY]);
	service->internal_policy = attr_u8(attrs[BPFLB_SERVICE_A_INTERNAL_POLICY]);
	/* What an older module does not tell, nor a request, is as it would be anyway. */
	service->bypass = !attrs[BPFLB_SERVICE_A_BYPASS] || attr_u8(attrs[BPFLB_SERVICE_A_BYPASS]);
	service->table_size = attrs[BPFLB_SERVICE_A_TABLE_SIZE] ?
			      attr_u32(attrs[BPFLB_SERVICE_A_TABLE_SIZE]) : TABLE_SIZE;
	service->mode = attrs[BPFLB_SERVICE_A_MODE] ?
			attr_u8(attrs[BPFLB_SERVICE_A_MODE]) : BPFLB_SERVICE_MODE_DEFAULT;
	service->dispatch = attrs[BPFLB_SERVICE_A_DISPATCH] ?
			    attr_u8(attrs[BPFLB_SERVICE_A_DISPATCH]) :
			    BPFLB_SERVICE_DISPATCH_DEFAULT;
	service->one_packet = attr_u8(attrs[BPFLB_SERVICE_A_ONE_PACKET]);
	service->affinity = attr_u32(attrs[BPFLB_SERVICE_A_AFFINITY]);
	service->backends = attr_u32(attrs[BPFLB_SERVICE_A_BACKENDS]);
	service->backends_local = attr_u32(attrs[BPFLB_SERVICE_A_BACKENDS_LOCAL]);
	service->flows_max = attr_u32(attrs[BPFLB_SERVICE_A_FLOWS_MAX]);
	service->sources = attr_u8(attrs[BPFLB_SERVICE_A_SOURCES]);
	counters_decode(attrs[BPFLB_SERVICE_A_COUNTERS], &service->counters);
	attrs_for_each(attr, nlh, left) {
		if (nla_type(attr) == BPFLB_SERVICE_A_SOURCE &&
		    service->range_count < BPFLB_SOURCES_MAX)
			attr_prefix(attr, &service->ranges[service->range_count++]);
		if (nla_type(attr) != BPFLB_SERVICE_A_FRONTEND ||
		    service->frontend_count == BPFLB_FRONTENDS_MAX)
			continue;
		attrs_parse_nest(attr, inner, BPFLB_FRONTEND_A_MAX);
		frontend = &service->frontends[service->frontend_count++];
		attr_address(inner[BPFLB_FRONTEND_A_ADDR], &frontend->at.address);
		frontend->at.port = attr_port(inner[BPFLB_FRONTEND_A_PORT]);
		frontend->last_port = attr_port(inner[BPFLB_FRONTEND_A_LAST_PORT]);
		frontend->open = inner[BPFLB_FRONTEND_A_OPEN];
		frontend->internal = inner[BPFLB_FRONTEND_A_INTERNAL];
	}
}

static const char *dispatch_name(uint8_t dispatch, char room[NAME_ROOM])
{
	return dispatch == BPFLB_SERVICE_DISPATCH_DEFAULT ?
	       "default" : name_of(dispatch_names, dispatch, room);
}

static const char *mode_name(uint8_t mode, char room[NAME_ROOM])
{
	return mode == BPFLB_SERVICE_MODE_DEFAULT ? "default" : name_of(mode_names, mode, room);
}

/**
 * service_json - a service as JSON
 * @json: where to
 * @key: its key
 * @service: the service
 */
void service_json(struct json *json, const char *key, const struct service *service)
{
	char room[NAME_ROOM], text[PREFIX_ROOM];
	unsigned int i;

	json_open(json, key, '{');
	json_string(json, "name", service->name);
	json_string(json, "proto", proto_name(service->proto, room));
	json_open(json, "frontends", '[');
	for (i = 0; i < service->frontend_count; i++) {
		const struct frontend *frontend = &service->frontends[i];
		bool nodeport = !frontend->at.address.length;

		json_open(json, NULL, '{');
		if (nodeport)
			json_null(json, "address");
		else
			json_string(json, "address", format_address(&frontend->at.address, text));
		json_u64(json, "port", frontend->at.port);
		json_u64(json, "last_port",
			 frontend->last_port ? frontend->last_port : frontend->at.port);
		json_bool(json, "nodeport", nodeport);
		json_bool(json, "open", frontend->open);
		json_bool(json, "internal", frontend->internal);
		json_close(json);
	}
	json_close(json);
	json_string(json, "scheduler", name_of(scheduler_names, service->scheduler, room));
	json_u64(json, "table_size", service->table_size);
	json_u64(json, "affinity", service->affinity);
	json_string(json, "mode", mode_name(service->mode, room));
	json_string(json, "dispatch", dispatch_name(service->dispatch, room));
	json_string(json, "policy", name_of(policy_names, service->policy, room));
	json_string(json, "internal_policy",
		    name_of(policy_names, service->internal_policy, room));
	json_bool(json, "bypass", service->bypass);
	json_bool(json, "one_packet", service->one_packet);
	json_u64(json, "flows_max", service->flows_max);
	json_string(json, "sources", name_of(sources_names, service->sources, room));
	json_open(json, "source_ranges", '[');
	for (i = 0; i < service->range_count; i++)
		json_string(json, NULL, format_prefix(&service->ranges[i], text));
	json_close(json);
	json_u64(json, "backends", service->backends);
	json_u64(json, "backends_local", service->backends_local);
	counters_json(json, &service->counters);
	json_close(json);
}

static void write_sources(FILE *file, const struct service *service, bool defaults)
{
	char text[PREFIX_ROOM];
	unsigned int i;

	if (service->sources == BPFLB_SOURCES_ANY) {
		fputs(defaults ? " allow any" : "", file);
		return;
	}
	fputs(service->sources == BPFLB_SOURCES_DENY ? " deny " : " allow ", file);
	for (i = 0; i < service->range_count; i++)
		fprintf(file, "%s%s", i ? "," : "", format_prefix(&service->ranges[i], text));
}

/**
 * service_words - a service as "service add" has it
 * @file: where to
 * @service: the service
 * @defaults: write also what is as it would be anyway
 */
void service_words(FILE *file, const struct service *service, bool defaults)
{
	char room[NAME_ROOM], text[FRONTEND_ROOM];
	unsigned int i;

	fprintf(file, "%s %s", service->name, proto_name(service->proto, room));
	for (i = 0; i < service->frontend_count; i++)
		fprintf(file, " %s", format_frontend(&service->frontends[i], text));
	if (defaults || service->scheduler != BPFLB_SCHEDULER_RANDOM)
		fprintf(file, " scheduler %s",
			name_of(scheduler_names, service->scheduler, room));
	if (service->table_size != TABLE_SIZE ||
	    (defaults && service->scheduler == BPFLB_SCHEDULER_MAGLEV))
		fprintf(file, " table-size %u", service->table_size);
	if (service->affinity)
		fprintf(file, " affinity %us", service->affinity);
	else if (defaults)
		fprintf(file, " affinity off");
	if (defaults || service->mode != BPFLB_SERVICE_MODE_DEFAULT)
		fprintf(file, " mode %s", mode_name(service->mode, room));
	if (defaults || service->dispatch != BPFLB_SERVICE_DISPATCH_DEFAULT)
		fprintf(file, " dispatch %s", dispatch_name(service->dispatch, room));
	if (defaults || service->policy != BPFLB_POLICY_CLUSTER)
		fprintf(file, " policy %s", name_of(policy_names, service->policy, room));
	if (defaults || service->internal_policy != BPFLB_POLICY_CLUSTER)
		fprintf(file, " internal-policy %s",
			name_of(policy_names, service->internal_policy, room));
	if (defaults || !service->bypass)
		fprintf(file, " bypass %s", switch_names[service->bypass]);
	if (defaults || service->one_packet)
		fprintf(file, " one-packet %s", switch_names[service->one_packet]);
	write_sources(file, service, defaults);
	if (defaults || service->flows_max)
		fprintf(file, " flows-max %u", service->flows_max);
}

static void take_service(const struct nlmsghdr *nlh, void *arg)
{
	service_decode(nlh, arg);
}

/**
 * service_get - ask for one service
 * @context: with its socket open
 * @name: which
 * @word: of the command line that named it
 * @service: the answer
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int service_get(struct context *context, const char *name, unsigned int word,
		struct service *service)
{
	memset(service, 0, sizeof(*service));
	request_start(&context->request, BPFLB_CMD_SERVICE_GET, 0);
	request_string(&context->request, word, BPFLB_SERVICE_A_NAME, name);
	if (conn_call(&context->conn, &context->request, take_service, service))
		return context_refused(context, &context->conn.refusal);
	return LBADM_OK;
}
