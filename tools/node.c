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

enum { WHERE_HERE, WHERE_ELSEWHERE };
enum { SEEN_WHERE = 1, SEEN_ADDRESS = 2 };

static const char *const where_names[] = {
	[WHERE_HERE]		= "here",
	[WHERE_ELSEWHERE]	= "elsewhere",
	NULL
};

/**
 * struct filters - which nodes are listed
 * @seen: SEEN_*, those that were given
 * @where: this node, or the others
 * @address: the one
 */
struct filters {
	unsigned int seen;
	unsigned int where;
	struct address address;
};

static int take_filters(struct line *line, struct filters *filters)
{
	int code = LBADM_OK;

	while (!code && line_peek(line)) {
		if (line_take_word(line, "address"))
			code = args_once(line, &filters->seen, SEEN_ADDRESS) ?:
			       args_address(line, "node", &filters->address);
		else if (line_take_word(line, "where"))
			code = args_once(line, &filters->seen, SEEN_WHERE) ?:
			       args_choice(line, "where", where_names, &filters->where);
		else
			code = args_unknown(line, "address, where");
	}
	return code;
}

static bool matches(const struct nlmsghdr *nlh, const void *arg)
{
	const struct filters *filters = arg;
	struct node node;

	node_decode(nlh, &node);
	if (filters->seen & SEEN_ADDRESS && address_compare(&node.address, &filters->address))
		return false;
	return !(filters->seen & SEEN_WHERE) || node.self == (filters->where == WHERE_HERE);
}

static void list_json(struct json *json, const struct messages *messages)
{
	const struct nlmsghdr *nlh;
	struct node node;

	json_open(json, "nodes", '[');
	messages_for_each(nlh, messages) {
		node_decode(nlh, &node);
		node_json(json, NULL, &node);
	}
	json_close(json);
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
	struct filters filters = { 0 };
	uint64_t generation = 0;
	int code;

	code = take_filters(&context->line, &filters);
	if (!code)
		code = conn_open(&context->conn);
	if (code)
		return code;
	request_start(&context->request, BPFLB_CMD_NODE_GET, 0);
	if (conn_gather(&context->conn, &context->request, &messages))
		code = context_refused(context, &context->conn.refusal);
	if (messages.used)
		generation = attr_u64(attrs_find((const struct nlmsghdr *)messages.bytes,
						 BPFLB_NODE_A_GENERATION));
	messages_keep(&messages, matches, &filters);
	if (!code && context->options.json)
		code = context_json_list(context, generation, &messages, list_json);
	else if (!code)
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
		.args = "[address ADDRESS] [where here|elsewhere]",
		.summary = "show all nodes, or some",
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
