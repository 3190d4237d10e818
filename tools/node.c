// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "args.h"
#include "attrs.h"
#include "objects.h"

static int build_address(struct request *request, struct line *line, uint8_t command)
{
	struct address address;
	int code;

	request_start(request, command, 0);
	code = args_address(line, "node", &address);
	if (code)
		return code;
	request_address(request, line->next - 1, BPFLB_NODE_A_ADDR, &address);
	return args_end(line);
}

static int node_build_add(struct request *request, struct line *line)
{
	return build_address(request, line, BPFLB_CMD_NODE_ADD);
}

static int node_build_del(struct request *request, struct line *line)
{
	return build_address(request, line, BPFLB_CMD_NODE_DEL);
}

/**
 * node_decode - a message as a node
 * @nlh: the message
 * @node: the result
 */
void node_decode(const struct nlmsghdr *nlh, struct node *node)
{
	struct nlattr *attrs[BPFLB_NODE_A_MAX + 1];

	memset(node, 0, sizeof(*node));
	attrs_parse(nlh, attrs, BPFLB_NODE_A_MAX);
	node->generation = attr_u64(attrs[BPFLB_NODE_A_GENERATION]);
	attr_address(attrs[BPFLB_NODE_A_ADDR], &node->address);
	node->self = attrs[BPFLB_NODE_A_SELF];
	node->backends = attr_u32(attrs[BPFLB_NODE_A_BACKENDS]);
}

/**
 * node_json - a node as JSON
 * @json: where to
 * @key: its key
 * @node: the node
 */
void node_json(struct json *json, const char *key, const struct node *node)
{
	char text[ADDRESS_ROOM];

	json_open(json, key, '{');
	json_string(json, "address", format_address(&node->address, text));
	json_bool(json, "self", node->self);
	json_u64(json, "backends", node->backends);
	json_close(json);
}

static int list_json(struct context *context, const struct messages *messages)
{
	const struct nlmsghdr *nlh;
	struct node node = { 0 };
	struct json json;
	int code;

	if (messages->used)
		node_decode((const struct nlmsghdr *)messages->bytes, &node);
	code = context_json_begin(context, &json, node.generation);
	if (code)
		return code;
	json_open(&json, "nodes", '[');
	messages_for_each(nlh, messages) {
		node_decode(nlh, &node);
		node_json(&json, NULL, &node);
	}
	json_close(&json);
	context_json_end(&json);
	return LBADM_OK;
}

static void list_table(const struct messages *messages)
{
	static const char *const headers[] = { "ADDRESS", "WHERE", ">BACKENDS", NULL };
	const struct nlmsghdr *nlh;
	char text[ADDRESS_ROOM];
	struct table table;
	struct node node;

	table_init(&table, headers);
	messages_for_each(nlh, messages) {
		node_decode(nlh, &node);
		table_cell(&table, "%s", format_address(&node.address, text));
		table_cell(&table, "%s", node.self ? "this node" : "elsewhere");
		table_cell(&table, "%u", node.backends);
	}
	out_table(&table, "no nodes");
}

static int node_run_list(struct context *context)
{
	struct messages messages = { 0 };
	int code;

	code = args_end(&context->line);
	if (!code)
		code = conn_open(&context->conn);
	if (code)
		return code;
	request_start(&context->request, BPFLB_CMD_NODE_GET, 0);
	if (conn_gather(&context->conn, &context->request, &messages))
		code = context_refused(context, &context->conn.refusal);
	else if (context->options.json)
		code = list_json(context, &messages);
	else
		list_table(&messages);
	messages_free(&messages);
	return code;
}

static const struct command node_commands[] = {
	{
		.verb = "add",
		.args = "ADDRESS",
		.summary = "make a node known, on which the module runs too",
		.help = "DSR packets are sent to it, and the notes in those that it sends are believed.\n",
		.build = node_build_add,
		.in_file = true,
	},
	{
		.verb = "del",
		.args = "ADDRESS",
		.summary = "forget a node; no backend may name it any more",
		.build = node_build_del,
	},
	{
		.verb = "list",
		.alias = "show",
		.args = "",
		.summary = "show all nodes",
		.run = node_run_list,
	},
	{ 0 }
};

const struct object node_object = {
	.name = "node",
	.summary = "machines on which the module runs too",
	.commands = node_commands,
	.implied = "list",
};
