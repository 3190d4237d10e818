// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "args.h"
#include "attrs.h"
#include "names.h"
#include "objects.h"

#define WEIGHT_DEFAULT	1
#define BACKEND_WORDS	"local, node, plain, weight, state, flows-max"

enum { SEEN_PLACE = 1, SEEN_WEIGHT = 2, SEEN_STATE = 4, SEEN_FLOWS_MAX = 8 };

static int build_key(struct request *request, struct line *line, uint8_t command)
{
	struct endpoint endpoint;
	const char *service;
	int code;

	request_start(request, command, 0);
	code = args_name(line, &service);
	if (code)
		return code;
	request_string(request, line->next - 1, BPFLB_BACKEND_A_SERVICE, service);
	code = args_backend(line, &endpoint);
	if (code)
		return code;
	request_address(request, line->next - 1, BPFLB_BACKEND_A_ADDR, &endpoint.address);
	request_port(request, line->next - 1, BPFLB_BACKEND_A_PORT, endpoint.port);
	return 0;
}

/* @attr: BPFLB_BACKEND_A_LOCAL, _NODE or _PLAIN */
static int build_place(struct request *request, struct line *line, int attr,
		       unsigned int *seen)
{
	struct address node;
	int code;

	if (*seen & SEEN_PLACE)
		return report_last(line, "a backend is in one place: local, or on one node, or plain");
	*seen |= SEEN_PLACE;
	if (attr != BPFLB_BACKEND_A_NODE) {
		request_flag(request, line->next - 1, attr);
		return 0;
	}
	code = args_address(line, "node", &node);
	if (!code)
		request_address(request, line->next - 1, BPFLB_BACKEND_A_NODE, &node);
	return code;
}

static int build_weight(struct request *request, struct line *line, unsigned int *seen)
{
	uint64_t weight;
	int code;

	code = args_once(line, seen, SEEN_WEIGHT);
	if (!code)
		code = args_number(line, "weight", 0, BPFLB_WEIGHT_MAX, &weight);
	if (!code)
		request_u32(request, line->next - 1, BPFLB_BACKEND_A_WEIGHT, weight);
	return code;
}

static int build_state(struct request *request, struct line *line, unsigned int *seen)
{
	unsigned int state;
	int code;

	code = args_once(line, seen, SEEN_STATE);
	if (!code)
		code = args_choice(line, "state", backend_state_names, &state);
	if (!code)
		request_u8(request, line->next - 1, BPFLB_BACKEND_A_STATE, state);
	return code;
}

static int build_flows_max(struct request *request, struct line *line, unsigned int *seen)
{
	uint64_t value;
	int code;

	code = args_once(line, seen, SEEN_FLOWS_MAX);
	if (!code)
		code = args_number(line, "flows-max", 0, UINT32_MAX, &value);
	if (!code)
		request_u32(request, line->next - 1, BPFLB_BACKEND_A_FLOWS_MAX, value);
	return code;
}

static int build_keywords(struct request *request, struct line *line)
{
	unsigned int seen = 0;
	int code = 0;

	while (!code && line_peek(line)) {
		if (line_take_word(line, "local"))
			code = build_place(request, line, BPFLB_BACKEND_A_LOCAL, &seen);
		else if (line_take_word(line, "node"))
			code = build_place(request, line, BPFLB_BACKEND_A_NODE, &seen);
		else if (line_take_word(line, "plain"))
			code = build_place(request, line, BPFLB_BACKEND_A_PLAIN, &seen);
		else if (line_take_word(line, "weight"))
			code = build_weight(request, line, &seen);
		else if (line_take_word(line, "state"))
			code = build_state(request, line, &seen);
		else if (line_take_word(line, "flows-max"))
			code = build_flows_max(request, line, &seen);
		else
			code = args_unknown(line, BACKEND_WORDS);
	}
	return code;
}

static int backend_build_add(struct request *request, struct line *line)
{
	int code = build_key(request, line, BPFLB_CMD_BACKEND_ADD);

	return code ? code : build_keywords(request, line);
}

static int backend_build_set(struct request *request, struct line *line)
{
	int code = build_key(request, line, BPFLB_CMD_BACKEND_SET);

	if (!code && !line_peek(line))
		return args_unknown(line, BACKEND_WORDS);
	return code ? code : build_keywords(request, line);
}

static int backend_build_del(struct request *request, struct line *line)
{
	int code = build_key(request, line, BPFLB_CMD_BACKEND_DEL);

	return code ? code : args_end(line);
}

/**
 * backend_decode - a message as a backend
 * @nlh: the message
 * @backend: the result
 */
void backend_decode(const struct nlmsghdr *nlh, struct backend *backend)
{
	struct nlattr *attrs[BPFLB_BACKEND_A_MAX + 1];

	memset(backend, 0, sizeof(*backend));
	attrs_parse(nlh, attrs, BPFLB_BACKEND_A_MAX);
	backend->generation = attr_u64(attrs[BPFLB_BACKEND_A_GENERATION]);
	attr_string(attrs[BPFLB_BACKEND_A_SERVICE], backend->service,
		    sizeof(backend->service));
	attr_address(attrs[BPFLB_BACKEND_A_ADDR], &backend->endpoint.address);
	backend->endpoint.port = attr_port(attrs[BPFLB_BACKEND_A_PORT]);
	backend->weight = attrs[BPFLB_BACKEND_A_WEIGHT] ?
			  attr_u32(attrs[BPFLB_BACKEND_A_WEIGHT]) : WEIGHT_DEFAULT;
	backend->state = attr_u8(attrs[BPFLB_BACKEND_A_STATE]);
	backend->flows_max = attr_u32(attrs[BPFLB_BACKEND_A_FLOWS_MAX]);
	backend->local = attrs[BPFLB_BACKEND_A_LOCAL];
	backend->here = attrs[BPFLB_BACKEND_A_HERE];
	attr_address(attrs[BPFLB_BACKEND_A_NODE], &backend->node);
	backend->flows = attr_u32(attrs[BPFLB_BACKEND_A_FLOWS]);
	counters_decode(attrs[BPFLB_BACKEND_A_COUNTERS], &backend->counters);
}

/**
 * backend_json - a backend as JSON
 * @json: where to
 * @key: its key
 * @backend: the backend
 */
void backend_json(struct json *json, const char *key, const struct backend *backend)
{
	char text[ADDRESS_ROOM], room[NAME_ROOM];

	json_open(json, key, '{');
	json_string(json, "service", backend->service);
	json_string(json, "address", format_address(&backend->endpoint.address, text));
	json_u64(json, "port", backend->endpoint.port);
	json_u64(json, "weight", backend->weight);
	json_string(json, "state", name_of(backend_state_names, backend->state, room));
	json_u64(json, "flows_max", backend->flows_max);
	json_bool(json, "local", backend->local);
	if (backend->node.length)
		json_string(json, "node", format_address(&backend->node, text));
	else
		json_null(json, "node");
	json_bool(json, "here", backend->here);
	json_u64(json, "flows", backend->flows);
	counters_json(json, &backend->counters);
	json_close(json);
}

/**
 * backend_words - a backend as "backend add" has it
 * @file: where to
 * @backend: the backend
 * @defaults: write also what is as it would be anyway
 */
void backend_words(FILE *file, const struct backend *backend, bool defaults)
{
	char text[ENDPOINT_ROOM], room[NAME_ROOM];

	fprintf(file, "%s %s", backend->service, format_endpoint(&backend->endpoint, text));
	if (backend->local)
		fputs(" local", file);
	if (backend->node.length)
		fprintf(file, " node %s", format_address(&backend->node, text));
	if (defaults || backend->weight != WEIGHT_DEFAULT)
		fprintf(file, " weight %u", backend->weight);
	if (defaults || backend->state != BPFLB_BACKEND_ACTIVE)
		fprintf(file, " state %s",
			name_of(backend_state_names, backend->state, room));
	if (defaults || backend->flows_max)
		fprintf(file, " flows-max %u", backend->flows_max);
}

#define STATE_HELP \
	"A backend is active, if nothing else is said. One that is draining keeps its\n" \
	"flows and gets no new ones; so does one that is terminating, but it gets new\n" \
	"ones while the service has no active backend to choose. One that is down loses\n" \
	"its flows: TCP clients are answered by a RST, UDP goes to another backend.\n" \
	"One that has flows-max flows gets no more for now; with 0 there is no limit.\n"

static const struct command backend_commands[] = {
	{
		.verb = "add",
		.args = "SERVICE ADDRESS:PORT [local | node ADDRESS | plain] [weight N]\n"
			"    [state active|draining|down|terminating] [flows-max N]",
		.summary = "give a service another backend",
		.help = "With * for a port it is asked at the port that the client asks at.\n"
			"A backend that is 'local', or whose node or own address is one of this node,\n"
			"gets its packets with the client's address. One on another node, which 'node\n"
			"add' must have made known, gets them by the mode. A 'plain' one, and that is\n"
			"one of which nothing is said, is on a machine without the module, and gets\n"
			"them by SNAT, or by the dispatch ipip or l2, which need none.\n"
			"The weight is 0 to 65535, and 1 if not given; 0 means no new flows.\n"
			STATE_HELP,
		.build = backend_build_add,
		.in_file = true,
	},
	{
		.verb = "set",
		.args = "SERVICE ADDRESS:PORT [local | node ADDRESS | plain] [weight N]\n"
			"    [state active|draining|down|terminating] [flows-max N]",
		.summary = "change a backend; what is not mentioned stays as it is",
		.help = STATE_HELP,
		.build = backend_build_set,
	},
	{
		.verb = "del",
		.args = "SERVICE ADDRESS:PORT",
		.summary = "take a backend away from a service",
		.build = backend_build_del,
	},
	{
		.verb = "list",
		.alias = "show",
		.args = "[SERVICE | service SERVICE] [node ADDRESS] [state active|draining|down|terminating]\n"
			"    [address ADDRESS[:PORT]]",
		.summary = "show all backends, or some",
		.help = "A backend must match all that is given. A service that has a filter's name is\n"
			"'service SERVICE'.\n"
			"ACTIVE are the flows there are, FLOWS those made so far; IN is from clients,\n"
			"OUT to them.\n",
		.run = backend_run_list,
	},
	{ 0 }
};

const struct object backend_object = {
	.name = "backend",
	.summary = "where a service's packets go",
	.commands = backend_commands,
	.implied = "list",
};
