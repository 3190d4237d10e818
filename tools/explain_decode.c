// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "attrs.h"
#include "explain.h"
#include "mem.h"

const char *const verdict_names[] = {
	[BPFLB_VERDICT_PASS]	= "pass",
	[BPFLB_VERDICT_FLOW]	= "flow",
	[BPFLB_VERDICT_BALANCE]	= "balance",
	[BPFLB_VERDICT_DROP]	= "drop",
	NULL
};

const char *const choice_names[] = {
	[BPFLB_CHOICE_SCHEDULER]	= "scheduler",
	[BPFLB_CHOICE_SINGLE]		= "single",
	[BPFLB_CHOICE_AFFINITY]		= "affinity",
	NULL
};

const char *const unfit_names[] = {
	[BPFLB_FIT]		= "fit",
	[BPFLB_UNFIT_FAMILY]	= "family",
	[BPFLB_UNFIT_STATE]	= "state",
	[BPFLB_UNFIT_WEIGHT]	= "weight",
	[BPFLB_UNFIT_ELSEWHERE]	= "elsewhere",
	[BPFLB_UNFIT_FULL]	= "full",
	NULL
};

const char *const why_names[] = {
	[BPFLB_WHY_HERE]	= "here",
	[BPFLB_WHY_MASQUERADE]	= "masquerade",
	[BPFLB_WHY_HAIRPIN]	= "hairpin",
	[BPFLB_WHY_PLAIN]	= "plain",
	[BPFLB_WHY_POD]		= "pod",
	[BPFLB_WHY_MODE]	= "mode",
	[BPFLB_WHY_OWN]		= "own",
	NULL
};

static void take_frontend(const struct nlattr *nest, struct frontend *frontend)
{
	struct nlattr *attrs[BPFLB_FRONTEND_A_MAX + 1];

	attrs_parse_nest(nest, attrs, BPFLB_FRONTEND_A_MAX);
	attr_address(attrs[BPFLB_FRONTEND_A_ADDR], &frontend->at.address);
	frontend->at.port = attr_port(attrs[BPFLB_FRONTEND_A_PORT]);
	frontend->last_port = attr_port(attrs[BPFLB_FRONTEND_A_LAST_PORT]);
	frontend->open = attrs[BPFLB_FRONTEND_A_OPEN];
	frontend->internal = attrs[BPFLB_FRONTEND_A_INTERNAL];
}

static void take_ways(struct candidate *c, struct nlattr **attrs)
{
	c->has_kind = attrs[BPFLB_CANDIDATE_A_KIND];
	c->kind = attr_u8(attrs[BPFLB_CANDIDATE_A_KIND]);
	c->dispatch = attr_u8(attrs[BPFLB_CANDIDATE_A_DISPATCH]);
	c->why = attr_u8(attrs[BPFLB_CANDIDATE_A_WHY]);
	attr_string(attrs[BPFLB_CANDIDATE_A_REASON], c->reason, sizeof(c->reason));
	c->no_route = attrs[BPFLB_CANDIDATE_A_NO_ROUTE];
	c->other_port = attrs[BPFLB_CANDIDATE_A_OTHER_PORT];
	attr_string(attrs[BPFLB_CANDIDATE_A_DEVICE], c->device, sizeof(c->device));
	attr_address(attrs[BPFLB_CANDIDATE_A_GATEWAY], &c->gateway);
	c->mtu = attr_u32(attrs[BPFLB_CANDIDATE_A_MTU]);
	c->head = attr_u32(attrs[BPFLB_CANDIDATE_A_HEAD]);
	attr_address(attrs[BPFLB_CANDIDATE_A_TUNNEL], &c->tunnel);
	attr_address(attrs[BPFLB_CANDIDATE_A_SNAT_ADDR], &c->source.address);
	c->source.port = attr_port(attrs[BPFLB_CANDIDATE_A_SNAT_PORT]);
}

static void take_candidate(struct explanation *e, const struct nlattr *nest)
{
	struct nlattr *attrs[BPFLB_CANDIDATE_A_MAX + 1];
	struct candidate *c;

	attrs_parse_nest(nest, attrs, BPFLB_CANDIDATE_A_MAX);
	e->candidates = mem_grow(e->candidates, &e->room, e->count + 1, sizeof(*e->candidates));
	c = &e->candidates[e->count++];
	memset(c, 0, sizeof(*c));
	attr_address(attrs[BPFLB_CANDIDATE_A_ADDR], &c->backend.address);
	c->backend.port = attr_port(attrs[BPFLB_CANDIDATE_A_PORT]);
	c->state = attr_u8(attrs[BPFLB_CANDIDATE_A_STATE]);
	c->weight = attr_u32(attrs[BPFLB_CANDIDATE_A_WEIGHT]);
	c->flows = attr_u32(attrs[BPFLB_CANDIDATE_A_FLOWS]);
	c->flows_max = attr_u32(attrs[BPFLB_CANDIDATE_A_FLOWS_MAX]);
	c->here = attrs[BPFLB_CANDIDATE_A_HERE];
	attr_address(attrs[BPFLB_CANDIDATE_A_NODE], &c->node);
	c->unfit = attr_u8(attrs[BPFLB_CANDIDATE_A_UNFIT]);
	c->share = attr_u32(attrs[BPFLB_CANDIDATE_A_SHARE]);
	c->chosen = attrs[BPFLB_CANDIDATE_A_CHOSEN];
	take_ways(c, attrs);
}

static void take_packet(struct explanation *e, struct nlattr **attrs)
{
	e->generation = attr_u64(attrs[BPFLB_EXPLAIN_A_GENERATION]);
	e->proto = attr_u8(attrs[BPFLB_EXPLAIN_A_PROTO]);
	attr_address(attrs[BPFLB_EXPLAIN_A_CLIENT_ADDR], &e->client.address);
	e->client.port = attr_port(attrs[BPFLB_EXPLAIN_A_CLIENT_PORT]);
	attr_address(attrs[BPFLB_EXPLAIN_A_SERVICE_ADDR], &e->service.address);
	e->service.port = attr_port(attrs[BPFLB_EXPLAIN_A_SERVICE_PORT]);
	attr_string(attrs[BPFLB_EXPLAIN_A_DEVICE], e->device, sizeof(e->device));
	e->local_out = attrs[BPFLB_EXPLAIN_A_LOCAL_OUT];
	e->pod = attrs[BPFLB_EXPLAIN_A_POD];
	e->address = attrs[BPFLB_EXPLAIN_A_ADDRESS];
	e->verdict = attr_u8(attrs[BPFLB_EXPLAIN_A_VERDICT]);
	attr_string(attrs[BPFLB_EXPLAIN_A_REASON], e->reason, sizeof(e->reason));
	e->has_flow = attrs[BPFLB_EXPLAIN_A_FLOW];
	e->flow_ends = attrs[BPFLB_EXPLAIN_A_FLOW_ENDS];
	if (e->has_flow)
		flow_decode_nest(attrs[BPFLB_EXPLAIN_A_FLOW], &e->flow);
}

static void take_ports(struct explanation *e, const struct nlmsghdr *nlh)
{
	struct nlattr *attr;
	uint32_t range;
	int left;

	attrs_for_each(attr, nlh, left) {
		if (nla_type(attr) != BPFLB_EXPLAIN_A_SNAT_PORTS ||
		    e->range_count == EXPLAIN_RANGES)
			continue;
		range = attr_u32(attr);
		e->ports[e->range_count][0] = range >> 16;
		e->ports[e->range_count++][1] = range;
	}
}

/**
 * explain_take - what one message of the answer says
 * @e: zeroed at first
 * @nlh: the message
 */
void explain_take(struct explanation *e, const struct nlmsghdr *nlh)
{
	struct nlattr *attrs[BPFLB_EXPLAIN_A_MAX + 1];

	attrs_parse(nlh, attrs, BPFLB_EXPLAIN_A_MAX);
	if (attrs[BPFLB_EXPLAIN_A_CANDIDATE]) {
		take_candidate(e, attrs[BPFLB_EXPLAIN_A_CANDIDATE]);
		return;
	}
	take_packet(e, attrs);
	take_ports(e, nlh);
	attr_string(attrs[BPFLB_EXPLAIN_A_SERVICE], e->name, sizeof(e->name));
	if (attrs[BPFLB_EXPLAIN_A_FRONTEND])
		take_frontend(attrs[BPFLB_EXPLAIN_A_FRONTEND], &e->frontend);
	e->sources = attr_u8(attrs[BPFLB_EXPLAIN_A_SOURCES]);
	e->policy = attr_u8(attrs[BPFLB_EXPLAIN_A_POLICY]);
	e->only_here = attrs[BPFLB_EXPLAIN_A_ONLY_HERE];
	e->scheduler = attr_u8(attrs[BPFLB_EXPLAIN_A_SCHEDULER]);
	e->affinity = attr_u32(attrs[BPFLB_EXPLAIN_A_AFFINITY]);
	e->one_packet = attr_u8(attrs[BPFLB_EXPLAIN_A_ONE_PACKET]);
	e->choice = attr_u8(attrs[BPFLB_EXPLAIN_A_CHOICE]);
	e->crowded = attrs[BPFLB_EXPLAIN_A_CROWDED];
}

static void text_or_null(struct json *json, const char *key, const char *text)
{
	if (text && text[0])
		json_string(json, key, text);
	else
		json_null(json, key);
}

static void address_or_null(struct json *json, const char *key, const struct address *address)
{
	char text[ADDRESS_ROOM];

	text_or_null(json, key, address->length ? format_address(address, text) : NULL);
}

static void endpoint_json(struct json *json, const char *key, const struct endpoint *endpoint)
{
	json_open(json, key, '{');
	address_or_null(json, "address", &endpoint->address);
	json_u64(json, "port", endpoint->port);
	json_close(json);
}

static void way_json(struct json *json, const struct candidate *c)
{
	char room[NAME_ROOM];

	json_string(json, "kind", name_of(kind_names, c->kind, room));
	text_or_null(json, "dispatch", c->kind != BPFLB_FLOW_DSR_OUT ? NULL :
		     name_of(dispatch_names, c->dispatch, room));
	json_string(json, "why", name_of(why_names, c->why, room));
	text_or_null(json, "reason", c->reason);
	json_bool(json, "no_route", c->no_route);
	json_bool(json, "other_port", c->other_port);
	text_or_null(json, "device", c->device);
	address_or_null(json, "gateway", &c->gateway);
	json_u64(json, "mtu", c->mtu);
	json_u64(json, "head", c->head);
	address_or_null(json, "tunnel", &c->tunnel);
	address_or_null(json, "snat_address", &c->source.address);
	if (c->source.port)
		json_u64(json, "snat_port", c->source.port);
	else
		json_null(json, "snat_port");
}

static void candidate_json(struct json *json, const struct candidate *c)
{
	char room[NAME_ROOM];

	json_open(json, NULL, '{');
	endpoint_json(json, "backend", &c->backend);
	json_string(json, "state", name_of(backend_state_names, c->state, room));
	json_u64(json, "weight", c->weight);
	json_u64(json, "flows", c->flows);
	json_u64(json, "flows_max", c->flows_max);
	json_bool(json, "here", c->here);
	address_or_null(json, "node", &c->node);
	json_string(json, "fit", name_of(unfit_names, c->unfit, room));
	json_u64(json, "share_millionths", c->share);
	json_bool(json, "chosen", c->chosen);
	if (c->has_kind)
		way_json(json, c);
	json_close(json);
}

static void service_json_of(struct json *json, const struct explanation *e)
{
	char room[NAME_ROOM], text[FRONTEND_ROOM];
	unsigned int i;

	json_string(json, "service", e->name);
	json_string(json, "frontend", format_frontend(&e->frontend, text));
	json_string(json, "sources", name_of(sources_names, e->sources, room));
	json_string(json, "policy", name_of(policy_names, e->policy, room));
	json_bool(json, "only_here", e->only_here);
	json_string(json, "scheduler", name_of(scheduler_names, e->scheduler, room));
	json_u64(json, "affinity", e->affinity);
	json_bool(json, "one_packet", e->one_packet);
	text_or_null(json, "choice", e->verdict != BPFLB_VERDICT_BALANCE ? NULL :
		     name_of(choice_names, e->choice, room));
	json_bool(json, "crowded", e->crowded);
	json_open(json, "snat_ports", '[');
	for (i = 0; i < e->range_count; i++) {
		json_open(json, NULL, '{');
		json_u64(json, "first", e->ports[i][0]);
		json_u64(json, "last", e->ports[i][1]);
		json_close(json);
	}
	json_close(json);
}

/**
 * explain_json - an answer as JSON
 * @json: where to
 * @e: the answer
 */
void explain_json(struct json *json, const struct explanation *e)
{
	char room[NAME_ROOM];
	size_t i;

	json_open(json, "explain", '{');
	json_string(json, "proto", proto_name(e->proto, room));
	endpoint_json(json, "client", &e->client);
	endpoint_json(json, "asked", &e->service);
	text_or_null(json, "device", e->device);
	json_bool(json, "local_out", e->local_out);
	json_bool(json, "pod", e->pod);
	json_bool(json, "service_address", e->address);
	json_string(json, "verdict", name_of(verdict_names, e->verdict, room));
	text_or_null(json, "reason", e->reason);
	if (e->has_flow)
		flow_show_json(json, "flow", &e->flow);
	else
		json_null(json, "flow");
	json_bool(json, "flow_ends", e->flow_ends);
	if (e->name[0])
		service_json_of(json, e);
	json_open(json, "candidates", '[');
	for (i = 0; i < e->count; i++)
		candidate_json(json, &e->candidates[i]);
	json_close(json);
	json_close(json);
}
