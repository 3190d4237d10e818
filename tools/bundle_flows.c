// SPDX-License-Identifier: GPL-2.0-only
#include "bundle.h"
#include "flow.h"
#include "names.h"

#define KINDS	__BPFLB_FLOW_KIND_MAX
#define STATES	__BPFLB_STATE_MAX

static void count(const struct nlmsghdr *nlh, void *arg)
{
	unsigned long long (*counts)[STATES] = arg;
	struct flow flow;

	flow_decode(nlh, &flow);
	if (flow.kind < KINDS && flow.state < STATES)
		counts[flow.kind][flow.state]++;
}

/**
 * bundle_count_flows - write how many flows there are, by kind and state
 *
 * In a process of its own: an error is a line of the report.
 *
 * Return: what to exit with.
 */
int bundle_count_flows(void)
{
	static const char *const headers[] = { "KIND", "STATE", ">FLOWS", NULL };
	unsigned long long counts[KINDS][STATES] = { 0 };
	struct context context = { 0 };
	unsigned int kind, state;
	struct table table;
	int code = conn_open(&context.conn);

	if (code)
		return code;
	request_start(&context.request, BPFLB_CMD_FLOW_GET, 0);
	if (conn_dump(&context.conn, &context.request, count, counts))
		return context_refused(&context, &context.conn.refusal);
	table_init(&table, headers);
	for (kind = 0; kind < KINDS; kind++) {
		for (state = 0; state < STATES; state++) {
			if (!counts[kind][state])
				continue;
			table_cell(&table, "%s", kind_names[kind]);
			table_cell(&table, "%s", state_names[state]);
			table_cell(&table, "%llu", counts[kind][state]);
		}
	}
	out_table(&table, "no flows");
	return LBADM_OK;
}
