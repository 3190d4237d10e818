// SPDX-License-Identifier: GPL-2.0-only
/* A flow in words that make the same flow again. */
#include <string.h>

#include "args.h"
#include "flow.h"
#include "names.h"

#define FLOW_WORDS "source, port, dispatch, closed, idle, noted, not-mid, one-packet"

enum {
	SEEN_SOURCE = 1 << 0,
	SEEN_PORT = 1 << 1,
	SEEN_DISPATCH = 1 << 2,
	SEEN_CLOSED = 1 << 3,
	SEEN_IDLE = 1 << 4,
	SEEN_NOTED = 1 << 5,
	SEEN_NOT_MID = 1 << 6,
	SEEN_ONE_PACKET = 1 << 7,
};

static const char *const closed_names[] = {
	[0] = "-",
	[BPFLB_FLOW_CLOSED_CLIENT] = "client",
	[BPFLB_FLOW_CLOSED_BACKEND] = "backend",
	[BPFLB_FLOW_CLOSED_CLIENT | BPFLB_FLOW_CLOSED_BACKEND] = "both",
	NULL
};

/** struct mark - a word that is there or not */
static const struct mark {
	const char *word;
	unsigned int seen;
	uint8_t bit;
} marks[] = {
	{ "noted", SEEN_NOTED, BPFLB_FLOW_MARK_NOTED },
	{ "not-mid", SEEN_NOT_MID, BPFLB_FLOW_MARK_NOT_MID },
	{ "one-packet", SEEN_ONE_PACKET, BPFLB_FLOW_MARK_ONE_PACKET },
	{ 0 }
};

/* What this lbadm has a word for. */
static bool is_named(const char *const *names, unsigned int value)
{
	unsigned int i;

	for (i = 0; names[i]; i++) {
		if (i == value)
			return true;
	}
	return false;
}

/**
 * flow_is_known - can the flow be said in words? That of a newer module may be of a new kind
 * @flow: the flow
 */
bool flow_is_known(const struct flow *flow)
{
	return flow->service[0] && flow->client.address.length && flow->frontend.address.length &&
	       flow->backend.address.length && is_named(kind_names, flow->kind) &&
	       is_named(state_names, flow->state) && is_named(dispatch_names, flow->dispatch);
}

/**
 * flow_write - what follows "flow add"
 * @file: where to
 * @flow: a flow that is known
 */
void flow_write(FILE *file, const struct flow *flow)
{
	char client[ENDPOINT_ROOM], frontend[ENDPOINT_ROOM], backend[ENDPOINT_ROOM];
	char proto[NAME_ROOM], text[ENDPOINT_ROOM];
	uint16_t port = flow->kind == BPFLB_FLOW_SNAT ? flow->mid_port : flow->snat.port;
	const struct mark *mark;

	fprintf(file, "%s %s %s %s %s %s %s", flow->service, proto_name(flow->proto, proto),
		format_endpoint(&flow->client, client), format_endpoint(&flow->frontend, frontend),
		format_endpoint(&flow->backend, backend), kind_names[flow->kind],
		state_names[flow->state]);
	if (flow->snat.address.length)
		fprintf(file, " source %s", format_endpoint(&flow->snat, text));
	if (port && port != flow->client.port)
		fprintf(file, " port %u", port);
	if (flow->has_dispatch && flow->dispatch)
		fprintf(file, " dispatch %s", dispatch_names[flow->dispatch]);
	if (flow->closed && is_named(closed_names, flow->closed))
		fprintf(file, " closed %s", closed_names[flow->closed]);
	if (flow->idle)
		fprintf(file, " idle %us", flow->idle);
	for (mark = marks; mark->word; mark++) {
		if (flow->marks & mark->bit)
			fprintf(file, " %s", mark->word);
	}
	fputc('\n', file);
}

static int build_endpoint(struct request *request, struct line *line, const char *what,
			  int address_type, int port_type)
{
	const char *word = line_take(line);
	struct endpoint at;

	if (!word)
		return report_end(line, "address and port of the %s are missing", what);
	if (!parse_endpoint(word, &at))
		return report_last(line, "'%s' is no address and port; %s must be such as "
				   "192.0.2.10:443 or [2001:db8::1]:443", word, what);
	request_address(request, line->next - 1, address_type, &at.address);
	request_port(request, line->next - 1, port_type, at.port);
	return 0;
}

static int build_port(struct request *request, struct line *line, uint8_t kind)
{
	uint64_t port;
	int code = args_number(line, "port", 1, UINT16_MAX, &port);

	if (!code)
		request_port(request, line->next - 1, kind == BPFLB_FLOW_SNAT ?
			     BPFLB_FLOW_A_MID_PORT : BPFLB_FLOW_A_SNAT_PORT, port);
	return code;
}

static int build_choice(struct request *request, struct line *line, const char *what,
			const char *const *names, int type)
{
	unsigned int value;
	int code = args_choice(line, what, names, &value);

	if (!code)
		request_u8(request, line->next - 1, type, value);
	return code;
}

static int build_idle(struct request *request, struct line *line)
{
	uint32_t seconds;
	int code = args_duration(line, "idle", &seconds);

	if (!code)
		request_u32(request, line->next - 1, BPFLB_FLOW_A_IDLE, seconds);
	return code;
}

static int take_mark(struct line *line, unsigned int *seen, uint8_t *bits)
{
	const struct mark *mark;

	for (mark = marks; mark->word; mark++) {
		if (line_take_word(line, mark->word)) {
			*bits |= mark->bit;
			return args_once(line, seen, mark->seen);
		}
	}
	return args_unknown(line, FLOW_WORDS);
}

static int build_keywords(struct request *request, struct line *line, uint8_t kind)
{
	unsigned int seen = 0;
	uint8_t bits = 0;
	int code = 0;

	while (!code && line_peek(line)) {
		if (line_take_word(line, "source"))
			code = args_once(line, &seen, SEEN_SOURCE) ?:
			       build_endpoint(request, line, "source", BPFLB_FLOW_A_SNAT_ADDR,
					      BPFLB_FLOW_A_SNAT_PORT);
		else if (line_take_word(line, "port"))
			code = args_once(line, &seen, SEEN_PORT) ?:
			       build_port(request, line, kind);
		else if (line_take_word(line, "dispatch"))
			code = args_once(line, &seen, SEEN_DISPATCH) ?:
			       build_choice(request, line, "dispatch", dispatch_names,
					    BPFLB_FLOW_A_DISPATCH);
		else if (line_take_word(line, "closed"))
			code = args_once(line, &seen, SEEN_CLOSED) ?:
			       build_choice(request, line, "closed", closed_names,
					    BPFLB_FLOW_A_CLOSED);
		else if (line_take_word(line, "idle"))
			code = args_once(line, &seen, SEEN_IDLE) ?: build_idle(request, line);
		else
			code = take_mark(line, &seen, &bits);
	}
	if (!code && bits)
		request_u8(request, NO_WORD, BPFLB_FLOW_A_MARKS, bits);
	return code;
}

static int build_service(struct request *request, struct line *line)
{
	unsigned int proto;
	const char *name;
	int code = args_name(line, &name);

	if (code)
		return code;
	request_string(request, line->next - 1, BPFLB_FLOW_A_SERVICE, name);
	code = args_choice(line, "protocol", proto_names, &proto);
	if (!code)
		request_u8(request, line->next - 1, BPFLB_FLOW_A_PROTO, proto_numbers[proto]);
	return code;
}

/**
 * flow_build_add - the message of what follows "flow add"
 * @request: what to build
 * @line: the words
 */
int flow_build_add(struct request *request, struct line *line)
{
	unsigned int kind = 0;
	int code;

	request_start(request, BPFLB_CMD_FLOW_ADD, 0);
	code = build_service(request, line) ?:
	       build_endpoint(request, line, "client", BPFLB_FLOW_A_CLIENT_ADDR,
			      BPFLB_FLOW_A_CLIENT_PORT) ?:
	       build_endpoint(request, line, "service", BPFLB_FLOW_A_SERVICE_ADDR,
			      BPFLB_FLOW_A_SERVICE_PORT) ?:
	       build_endpoint(request, line, "backend", BPFLB_FLOW_A_BACKEND_ADDR,
			      BPFLB_FLOW_A_BACKEND_PORT) ?:
	       args_choice(line, "kind", kind_names, &kind);
	if (code)
		return code;
	request_u8(request, line->next - 1, BPFLB_FLOW_A_KIND, kind);
	code = build_choice(request, line, "state", state_names, BPFLB_FLOW_A_STATE);
	return code ? code : build_keywords(request, line, kind);
}

const char flow_add_help[] =
	"For a flow that another module had; 'flow save' writes these lines. ADDRESS is the\n"
	"service's as the client knows it, KIND and STATE are as in 'flow list'. 'source' is\n"
	"this node's side towards the backend, with SNAT; 'port' the client's port towards\n"
	"the backend, where that is another. 'noted' is one with a note on each packet,\n"
	"'not-mid' one that another looks like on its way to the backend, 'one-packet' one\n"
	"of several that a client has.\n";
