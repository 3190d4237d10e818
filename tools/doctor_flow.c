// SPDX-License-Identifier: GPL-2.0-only
/* What flows and counters tell of trouble that can't be seen from here. */
#include <string.h>
#include <time.h>

#include "attrs.h"
#include "doctor.h"

#define STUCK_MANY	3
#define STUCK_MAX	64
#define STUCK_SECONDS	1	/* the other end's word takes less */
#define REASONS		64

/**
 * struct stuck - TCP flows of DSR that do not get beyond their first packets
 * @state: that they stay in
 * @seen: flows that were looked at
 * @clients: of those that were in @state at the first look
 * @count: how many @clients
 * @still: of these the flows that were in it at the second look
 * @frontend: what one of them asked for
 * @backend: that it was sent to
 */
struct stuck {
	uint8_t state;
	unsigned int seen;
	struct endpoint clients[STUCK_MAX];
	unsigned int count;
	unsigned int still;
	struct endpoint frontend;
	struct address backend;
};

static bool is_in_state(const struct stuck *stuck, struct nlattr **attrs,
			struct endpoint *client)
{
	attr_address(attrs[BPFLB_FLOW_A_CLIENT_ADDR], &client->address);
	client->port = attr_port(attrs[BPFLB_FLOW_A_CLIENT_PORT]);
	return attr_u8(attrs[BPFLB_FLOW_A_PROTO]) == IPPROTO_TCP &&
	       attr_u8(attrs[BPFLB_FLOW_A_STATE]) == stuck->state;
}

static void first_look(const struct nlmsghdr *nlh, void *arg)
{
	struct nlattr *attrs[BPFLB_FLOW_A_MAX + 1];
	struct stuck *stuck = arg;
	struct endpoint client;

	attrs_parse(nlh, attrs, BPFLB_FLOW_A_MAX);
	if (stuck->count < STUCK_MAX && is_in_state(stuck, attrs, &client))
		stuck->clients[stuck->count++] = client;
	if (attr_u8(attrs[BPFLB_FLOW_A_PROTO]) == IPPROTO_TCP && stuck->count < STUCK_MAX)
		stuck->seen++;
}

static void second_look(const struct nlmsghdr *nlh, void *arg)
{
	struct nlattr *attrs[BPFLB_FLOW_A_MAX + 1];
	struct stuck *stuck = arg;
	struct endpoint client;
	unsigned int i;

	attrs_parse(nlh, attrs, BPFLB_FLOW_A_MAX);
	if (!is_in_state(stuck, attrs, &client))
		return;
	for (i = 0; i < stuck->count; i++) {
		if (client.port != stuck->clients[i].port ||
		    address_compare(&client.address, &stuck->clients[i].address))
			continue;
		stuck->still++;
		attr_address(attrs[BPFLB_FLOW_A_SERVICE_ADDR], &stuck->frontend.address);
		stuck->frontend.port = attr_port(attrs[BPFLB_FLOW_A_SERVICE_PORT]);
		attr_address(attrs[BPFLB_FLOW_A_BACKEND_ADDR], &stuck->backend);
		return;
	}
}

static void look(struct doctor *doctor, enum bpflb_flow_kind kind, message_fn *take,
		 struct stuck *stuck)
{
	struct context *context = doctor->context;

	request_start(&context->request, BPFLB_CMD_FLOW_GET, 0);
	request_u8(&context->request, NO_WORD, BPFLB_FLOW_A_KIND, kind);
	conn_dump(&context->conn, &context->request, take, stuck);
}

/* Half of the flows, and several: some clients vanish everywhere. */
static bool find_stuck(struct doctor *doctor, enum bpflb_flow_kind kind,
		       enum bpflb_flow_state state, struct stuck *stuck)
{
	const struct timespec wait = { .tv_sec = STUCK_SECONDS };

	*stuck = (struct stuck){ .state = state };
	look(doctor, kind, first_look, stuck);
	if (stuck->count < STUCK_MANY || stuck->count * 2 < stuck->seen)
		return false;
	nanosleep(&wait, NULL);
	look(doctor, kind, second_look, stuck);
	return stuck->still >= STUCK_MANY && stuck->still * 2 >= stuck->seen;
}

/**
 * doctor_flows - do connections by DSR come about?
 * @doctor: whose finding it is
 *
 * Where the backend has answered and the client does not go on, it is the answers that
 * are lost, on the way from here to the client. A balancer sees only that the client does not
 * go on.
 */
void doctor_flows(struct doctor *doctor)
{
	char at[ENDPOINT_ROOM], text[ADDRESS_ROOM];
	struct stuck stuck;

	/* Of IPv6 a router of Linux has uRPF by rules only, which are its own. */
	if (find_stuck(doctor, BPFLB_FLOW_DSR_IN, BPFLB_STATE_TCP_SYN_RECEIVED, &stuck)) {
		finding(doctor, WARNING, "dsr-answers-lost",
			stuck.frontend.address.length == 4 ?
			"sysctl -w net.ipv4.conf.all.rp_filter=2" : NULL,
			"%u of %u connections that other nodes have sent here were answered and go no further: something between here and the clients drops packets from %s that come from this node, such as uRPF or source guard; or the clients are forged",
			stuck.still, stuck.seen, format_endpoint(&stuck.frontend, at));
		finding_elsewhere(doctor, ON_ROUTER);
	}
	if (find_stuck(doctor, BPFLB_FLOW_DSR_OUT, BPFLB_STATE_TCP_SYN_SENT, &stuck))
		finding(doctor, WARNING, "dsr-unanswered", "lbadm set mode snat",
			"%u of %u connections to %s that were sent by DSR, such as to backend %s, do not get beyond their SYN: run lbadm doctor on its node. SNAT works where answers can't take their own way",
			stuck.still, stuck.seen, format_endpoint(&stuck.frontend, at),
			format_address(&stuck.backend, text));
}

/** struct drops - packets by enum bpflb_drop_reason */
struct drops {
	uint64_t packets[REASONS];
};

static void take_drops(const struct nlmsghdr *nlh, void *arg)
{
	struct nlattr *attrs[BPFLB_DROP_A_MAX + 1];
	struct drops *drops = arg;
	struct nlattr *attr;
	uint8_t reason;
	int left;

	attrs_for_each(attr, nlh, left) {
		if (nla_type(attr) != BPFLB_STATS_A_DROP)
			continue;
		attrs_parse_nest(attr, attrs, BPFLB_DROP_A_MAX);
		reason = attr_u8(attrs[BPFLB_DROP_A_REASON]);
		if (reason < REASONS)
			drops->packets[reason] = attr_u64(attrs[BPFLB_DROP_A_PACKETS]);
	}
}

static void get_drops(struct doctor *doctor, struct drops *drops)
{
	struct context *context = doctor->context;

	*drops = (struct drops){ 0 };
	request_start(&context->request, BPFLB_CMD_STATS_GET, 0);
	conn_call(&context->conn, &context->request, take_drops, drops);
}

/** struct trouble - a reason that tells of some; others are the clients' or meant so */
struct trouble {
	enum bpflb_drop_reason reason;
	const char *id;
	const char *sentence;
	const char *mend;
};

static const struct trouble troubles[] = {
	{ .reason = BPFLB_DROP_TABLE_FULL, .id = "table-full",
	  .sentence =
		"because there were as many flows as flows-max allows" },
	{ .reason = BPFLB_DROP_NO_SNAT_PORT, .id = "no-snat-port",
	  .sentence =
		"because all SNAT ports towards a backend were taken",
	  .mend = "lbadm set snat-ports 1024-65535" },
	{ .reason = BPFLB_DROP_NO_SNAT_ADDRESS, .id = "no-snat-address",
	  .sentence =
		"because the device towards a backend has no address" },
	{ .reason = BPFLB_DROP_NOTE_TOO_BIG, .id = "note-too-big",
	  .sentence =
		"because with their DSR notes they did not fit the way to the backend; "
		"their senders were told" },
	{ .reason = BPFLB_DROP_NOTE_SENDER, .id = "note-sender",
	  .sentence =
		"because their DSR notes came from nobody that 'dsr-sender' trusts: is "
		"the balancer's address among the nodes?" },
	{ .reason = BPFLB_DROP_NOTE_SERVICE, .id = "note-service",
	  .sentence =
		"because their DSR notes named no service that has the backend here: do "
		"the nodes' configurations agree?" },
	{ .reason = BPFLB_DROP_REROUTE, .id = "reroute",
	  .sentence =
		"because this node itself has no route to a backend" },
	{ .reason = BPFLB_DROP_DISPATCH_ROUTE, .id = "dispatch-route",
	  .sentence =
		"because dispatch l2 or ipip has no way to a backend" },
	{ .reason = BPFLB_DROP_TUNNEL_PACKET, .id = "tunnel-packet",
	  .sentence =
		"because what came in a DSR tunnel could not be delivered" },
	{ .id = NULL }
};

static void tell_drops(struct doctor *doctor, const struct trouble *trouble, uint64_t packets)
{
	char mend[MEND_ROOM] = "";

	if (trouble->mend)
		snprintf(mend, sizeof(mend), "%s", trouble->mend);
	else if (trouble->reason == BPFLB_DROP_TABLE_FULL)
		snprintf(mend, sizeof(mend), "lbadm set flows-max %u",
			 doctor->snapshot.settings.flows_max * 2);
	finding(doctor, doctor->watch ? WARNING : NOTE, trouble->id, mend,
		"%llu packets were dropped %s", (unsigned long long)packets, trouble->sentence);
}

/**
 * doctor_drops - do counters tell of trouble?
 * @doctor: whose finding it is
 *
 * What was counted so far may be long mended. What rises while it is watched is not.
 */
void doctor_drops(struct doctor *doctor)
{
	struct drops before = { 0 }, now;
	struct timespec wait = { .tv_sec = doctor->watch };
	const struct trouble *trouble;

	if (doctor->watch) {
		get_drops(doctor, &before);
		nanosleep(&wait, NULL);
	}
	get_drops(doctor, &now);
	for (trouble = troubles; trouble->id; trouble++) {
		uint64_t old = before.packets[trouble->reason];

		if (now.packets[trouble->reason] > old)
			tell_drops(doctor, trouble, now.packets[trouble->reason] - old);
	}
}
