// SPDX-License-Identifier: GPL-2.0-only
/* An explanation for people: a line for each thing that matters, then the backends. */
#include <string.h>
#include <unistd.h>

#include "explain.h"

#define HOW_ROOM	128

static const char *why_text(const struct candidate *c)
{
	switch (c->why) {
	case BPFLB_WHY_HERE:
		return "it is on this node";
	case BPFLB_WHY_MASQUERADE:
		return "it is on this node, but masquerade all is set";
	case BPFLB_WHY_HAIRPIN:
		return "it is the client itself";
	case BPFLB_WHY_PLAIN:
		return "no node with bpflb is said to have it";
	case BPFLB_WHY_POD:
		return "the client is a pod of this node";
	case BPFLB_WHY_OWN:
		return "this node asks at its own address, where DSR can't answer it";
	default:
		return "as the mode says";
	}
}

static const char *choice_text(const struct explanation *e)
{
	if (e->choice == BPFLB_CHOICE_SINGLE)
		return "the only one";
	if (e->choice == BPFLB_CHOICE_AFFINITY)
		return "by affinity: the client had it before";
	switch (e->scheduler) {
	case BPFLB_SCHEDULER_RANDOM:
		return "at random, by weight";
	case BPFLB_SCHEDULER_RR:
		return "rr: the next in turn, unless another new flow comes first";
	case BPFLB_SCHEDULER_LC:
		return "lc: the one with the fewest flows for its weight";
	case BPFLB_SCHEDULER_MAGLEV:
		return "maglev: by the client's address and port";
	default:
		return "by its scheduler";
	}
}

static const struct candidate *chosen_of(const struct explanation *e)
{
	size_t i;

	for (i = 0; i < e->count; i++) {
		if (e->candidates[i].chosen)
			return &e->candidates[i];
	}
	return NULL;
}

static const char *backend_text(const struct candidate *c, char text[ENDPOINT_ROOM])
{
	char address[ADDRESS_ROOM];

	if (c->backend.port)
		return format_endpoint(&c->backend, text);
	format_address(&c->backend.address, address);
	snprintf(text, ENDPOINT_ROOM, c->backend.address.length == 16 ? "[%s]:*" : "%s:*", address);
	return text;
}

static void show_packet(const struct explanation *e)
{
	char client[ENDPOINT_ROOM], service[ENDPOINT_ROOM], room[NAME_ROOM];

	printf("packet    %s %s > %s, ", proto_name(e->proto, room),
	       format_endpoint(&e->client, client), format_endpoint(&e->service, service));
	if (e->local_out)
		printf("of this node itself\n");
	else if (e->device[0])
		printf("in by %s%s\n", e->device, e->pod ? ", of a pod of this node" : "");
	else
		printf("from nowhere that this node has a route to\n");
}

static void show_flow(const struct explanation *e)
{
	char room[NAME_ROOM];

	if (!e->has_flow)
		return;
	printf("flow      ");
	flow_show(stdout, &e->flow);
	printf(", bypass %s%s\n", name_of(bypass_names, e->flow.bypass, room),
	       e->flow_ends ? "; this packet ends it" : "");
}

static const char *rule_text(const struct explanation *e)
{
	if (e->sources == BPFLB_SOURCES_ANY)
		return "all clients may ask";
	if (!strcmp(e->reason, "source-range"))
		return "this client may not ask";
	return e->frontend.open ? "all clients may ask here" : "this client may ask";
}

static void show_service(const struct explanation *e)
{
	char room[NAME_ROOM], text[FRONTEND_ROOM];

	if (!e->name[0])
		return;
	printf("service   %s at %s, %s\n", e->name, format_frontend(&e->frontend, text),
	       rule_text(e));
	printf("policy    %s%s: %s\n", name_of(policy_names, e->policy, room),
	       e->frontend.internal ? ", the internal one" : "",
	       e->only_here ? "backends on this node" :
	       e->policy == BPFLB_POLICY_LOCAL ? "all backends, for the client is inside" :
						 "all backends");
}

static void show_way(const struct candidate *c)
{
	char text[ENDPOINT_ROOM], room[NAME_ROOM], by[NAME_ROOM];

	printf("goes      %s%s%s: %s\n", name_of(kind_names, c->kind, room),
	       c->kind == BPFLB_FLOW_DSR_OUT ? " " : "",
	       c->kind == BPFLB_FLOW_DSR_OUT ? name_of(dispatch_names, c->dispatch, by) : "",
	       why_text(c));
	if (c->no_route) {
		printf("path      none: no route, or the stack refuses it (see lbadm doctor)\n");
		return;
	}
	printf("path      by %s", c->device);
	if (c->gateway.length)
		printf(" via %s", format_address(&c->gateway, text));
	printf(", mtu %u", c->mtu);
	if (c->tunnel.length)
		printf(", in a tunnel to %s", format_address(&c->tunnel, text));
	if (c->head)
		printf(", of which %u bytes are the %s: room for %u", c->head,
		       c->tunnel.length ? "tunnel" : "note", c->mtu - c->head);
	putchar('\n');
}

static void show_source(const struct explanation *e, const struct candidate *c)
{
	char text[ENDPOINT_ROOM];
	unsigned int i;

	if (c->kind != BPFLB_FLOW_SNAT) {
		bool other = c->other_port && c->kind != BPFLB_FLOW_DSR_OUT;

		printf("source    the client's%s\n",
		       other ? ", by another port, for another flow has this one" : "");
		return;
	}
	if (c->source.port)
		printf("source    %s", format_endpoint(&c->source, text));
	else
		printf("source    %s", c->source.address.length ? "no free port" : "no address");
	printf(", of ports");
	for (i = 0; i < e->range_count; i++)
		printf("%s %u-%u", i ? "," : "", e->ports[i][0], e->ports[i][1]);
	putchar('\n');
}

static void show_choice(const struct explanation *e)
{
	const struct candidate *c = chosen_of(e);
	char text[ENDPOINT_ROOM];

	if (e->verdict != BPFLB_VERDICT_BALANCE)
		return;
	printf("backend   %s%s%s%s\n", c ? backend_text(c, text) : "", c ? ", " : "",
	       choice_text(e), e->one_packet ? "; each datagram for itself" : "");
	if (e->crowded)
		printf("table     full: another flow has to end for this one, else table-full\n");
	if (!c)
		return;
	show_way(c);
	show_source(e, c);
}

static const char *drop_of(const struct explanation *e)
{
	const struct candidate *c = chosen_of(e);

	if (e->verdict == BPFLB_VERDICT_DROP)
		return e->reason;
	return c && c->reason[0] ? c->reason : NULL;
}

static void show_verdict(const struct explanation *e)
{
	const struct candidate *c = chosen_of(e);
	bool color = out_color(STDOUT_FILENO);
	const char *reason = drop_of(e);

	if (reason)
		printf("verdict   %sdropped%s: %s\n", color ? "\033[1;31m" : "",
		       color ? "\033[0m" : "", reason);
	else if (c && c->no_route)
		printf("verdict   balanced, but not forwarded by the stack\n");
	else if (e->verdict == BPFLB_VERDICT_PASS)
		printf("verdict   passes: %s\n", !e->address ? "no service has this address" :
		       "a service has this address, but none this port");
	else
		printf("verdict   %s\n", e->verdict == BPFLB_VERDICT_FLOW ? "goes on in its flow" :
									   "balanced");
}

static const char *unfit_text(const struct candidate *c, char text[HOW_ROOM])
{
	char room[NAME_ROOM];

	switch (c->unfit) {
	case BPFLB_UNFIT_FAMILY:
		return "not: of the other family";
	case BPFLB_UNFIT_STATE:
		snprintf(text, HOW_ROOM, "not: %s%s",
			 name_of(backend_state_names, c->state, room),
			 c->state == BPFLB_BACKEND_TERMINATING ? ", and others are active" : "");
		return text;
	case BPFLB_UNFIT_WEIGHT:
		return "not: no weight";
	case BPFLB_UNFIT_ELSEWHERE:
		return "not: elsewhere";
	case BPFLB_UNFIT_FULL:
		return "not: has its flows-max";
	default:
		return NULL;
	}
}

static const char *how_text(const struct candidate *c, char text[HOW_ROOM])
{
	char room[NAME_ROOM], by[NAME_ROOM], source[ENDPOINT_ROOM];
	const char *unfit = unfit_text(c, text);

	if (unfit)
		return unfit;
	if (c->reason[0])
		snprintf(text, HOW_ROOM, "dropped: %s", c->reason);
	else if (c->kind == BPFLB_FLOW_DSR_OUT)
		snprintf(text, HOW_ROOM, "dsr-out %s", name_of(dispatch_names, c->dispatch, by));
	else
		snprintf(text, HOW_ROOM, "%s%s%s", name_of(kind_names, c->kind, room),
			 c->source.port ? " " : "",
			 c->source.port ? format_endpoint(&c->source, source) : "");
	return text;
}

static void candidate_row(struct table *table, const struct candidate *c)
{
	char text[HOW_ROOM], address[ADDRESS_ROOM], room[NAME_ROOM];

	table_cell(table, "%s%s", c->chosen ? "> " : "  ", backend_text(c, text));
	table_cell(table, "%s", c->here ? "here" : c->node.length ?
		   format_address(&c->node, address) : "-");
	table_cell(table, "%s", name_of(backend_state_names, c->state, room));
	table_cell(table, "%u", c->weight);
	if (c->flows_max)
		table_cell(table, "%u/%u", c->flows, c->flows_max);
	else
		table_cell(table, "%u", c->flows);
	table_cell(table, "%u.%u %%", c->share / 10000, c->share / 1000 % 10);
	table_cell(table, "%s", how_text(c, text));
	table_cell(table, "%s", c->no_route ? "no route" : c->device[0] ? c->device : "-");
}

/**
 * explain_show - an answer for a person
 * @e: the answer
 */
void explain_show(const struct explanation *e)
{
	static const char *const headers[] = {
		"  BACKEND", "NODE", "STATE", ">WEIGHT", ">FLOWS", ">SHARE", "HOW", "BY", NULL
	};
	struct table table;
	size_t i;

	show_packet(e);
	show_flow(e);
	show_service(e);
	show_choice(e);
	show_verdict(e);
	if (!e->name[0] || (e->has_flow && !e->flow_ends))
		return;
	putchar('\n');
	table_init(&table, headers);
	for (i = 0; i < e->count; i++)
		candidate_row(&table, &e->candidates[i]);
	out_table(&table, "no backends");
}
