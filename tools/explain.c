// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module is asked what would become of a packet; nothing is known here of how it decides.
 */
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "explain.h"

static int build_endpoint(struct request *request, struct line *line, const char *what,
			  int address, int port)
{
	struct endpoint endpoint;
	int code = args_host(line, what, &endpoint);

	if (code)
		return code;
	if (!endpoint.port)
		return report_last(line, "a packet has ports: %s must be such as 192.0.2.10:443 "
				   "or [2001:db8::1]:443", what);
	request_address(request, line->next - 1, address, &endpoint.address);
	request_port(request, line->next - 1, port, endpoint.port);
	return 0;
}

static int build_device(struct request *request, struct line *line)
{
	const char *device = line_take(line);

	if (!device)
		return report_end(line, "the name of the device is missing");
	if (strlen(device) >= IFNAMSIZ)
		return report_last(line, "'%s' is too long for a device", device);
	request_string(request, line->next - 1, BPFLB_EXPLAIN_A_DEVICE, device);
	return 0;
}

static int build_options(struct request *request, struct line *line)
{
	unsigned int seen = 0;
	int code = 0;

	while (!code && line_peek(line)) {
		if (line_take_word(line, "from")) {
			code = args_once(line, &seen, 1);
			code = code ? code : build_device(request, line);
		} else if (line_take_word(line, "mid-life")) {
			code = args_once(line, &seen, 2);
			request_flag(request, line->next - 1, BPFLB_EXPLAIN_A_MID_LIFE);
		} else {
			code = args_unknown(line, "from, mid-life");
		}
	}
	return code;
}

static int explain_build(struct request *request, struct line *line)
{
	unsigned int proto;
	int code;

	request_start(request, BPFLB_CMD_EXPLAIN, 0);
	code = args_choice(line, "protocol", proto_names, &proto);
	if (!code)
		request_u8(request, line->next - 1, BPFLB_EXPLAIN_A_PROTO, proto_numbers[proto]);
	if (!code)
		code = build_endpoint(request, line, "client", BPFLB_EXPLAIN_A_CLIENT_ADDR,
				      BPFLB_EXPLAIN_A_CLIENT_PORT);
	if (!code)
		code = build_endpoint(request, line, "service", BPFLB_EXPLAIN_A_SERVICE_ADDR,
				      BPFLB_EXPLAIN_A_SERVICE_PORT);
	return code ? code : build_options(request, line);
}

static int explain_tell(struct context *context, const struct explanation *e)
{
	struct json json;
	int code;

	if (!context->options.json) {
		explain_show(e);
		return LBADM_OK;
	}
	code = context_json_begin(context, &json, e->generation);
	if (code)
		return code;
	explain_json(&json, e);
	context_json_end(&json);
	return LBADM_OK;
}

static int explain_run(struct context *context)
{
	struct messages messages = { 0 };
	struct explanation e = { 0 };
	const struct nlmsghdr *nlh;
	int code;

	code = explain_build(&context->request, &context->line);
	if (!code)
		code = conn_open(&context->conn);
	if (code)
		return code;
	if (conn_gather(&context->conn, &context->request, &messages)) {
		code = context_refused(context, &context->conn.refusal);
	} else {
		messages_for_each(nlh, &messages)
			explain_take(&e, nlh);
		code = explain_tell(context, &e);
	}
	messages_free(&messages);
	free(e.candidates);
	return code;
}

static const struct command explain_commands[] = {
	{
		.args = "tcp|udp|sctp CLIENT:PORT SERVICE:PORT [from DEVICE] [mid-life]",
		.summary = "what would become of a packet, and why",
		.help = "Asks the module, which finds out by what packets go by, and changes nothing: which\n"
			"flow the packet belongs to; else which service it asks for, whether it may, which\n"
			"backends may be chosen and how, and how it would get there; or why it would be\n"
			"dropped, as 'lbadm stats' names it. It is the first packet of a connection; with\n"
			"mid-life a later one, of a connection that may have begun elsewhere. It comes in by\n"
			"DEVICE, else by the device that leads to the client; from an address of this\n"
			"node it is a program's of this node.\n",
		.run = explain_run,
	},
	{ 0 }
};

const struct object explain_object = {
	.name = "explain",
	.summary = "what would become of a packet, and why",
	.commands = explain_commands,
};
