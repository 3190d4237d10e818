// SPDX-License-Identifier: GPL-2.0-only
/* Settings as words: lbadm set. How they are shown is in settings_show.c. */
#include <string.h>

#include "args.h"
#include "names.h"
#include "objects.h"

enum setting {
	SETTING_MODE,
	SETTING_FLOWS_MAX,
	SETTING_TIMEOUT,
	SETTING_SNAT_ADDRESS,
	SETTING_SNAT_PORTS,
	SETTING_NODEPORTS,
	SETTING_DSR_SENDER,
	SETTING_DSR_DEVICE,
	SETTING_BYPASS,
	SETTING_NO_BACKEND,
	SETTING_UNKNOWN_PORTS,
	SETTING_PING,
	SETTING_FLOW_ACCOUNTING,
	SETTING_FLOW_EVENTS,
	SETTING_NODEPORT_ADDRESSES,
	SETTING_PODS,
	SETTING_MASQUERADE,
	SETTING_REFUSED_NOTES,
	SETTING_DISPATCH,
	SETTING_IPIP_SOURCE,
};

static const char *const setting_names[] = {
	[SETTING_MODE]		= "mode",
	[SETTING_FLOWS_MAX]	= "flows-max",
	[SETTING_TIMEOUT]	= "timeout",
	[SETTING_SNAT_ADDRESS]	= "snat-address",
	[SETTING_SNAT_PORTS]	= "snat-ports",
	[SETTING_NODEPORTS]	= "nodeports",
	[SETTING_DSR_SENDER]	= "dsr-sender",
	[SETTING_DSR_DEVICE]	= "dsr-device",
	[SETTING_BYPASS]	= "bypass",
	[SETTING_NO_BACKEND]	= "no-backend",
	[SETTING_UNKNOWN_PORTS]	= "unknown-ports",
	[SETTING_PING]		= "ping",
	[SETTING_FLOW_ACCOUNTING] = "flow-accounting",
	[SETTING_FLOW_EVENTS]	= "flow-events",
	[SETTING_NODEPORT_ADDRESSES] = "nodeport-addresses",
	[SETTING_PODS]		= "pods",
	[SETTING_MASQUERADE]	= "masquerade",
	[SETTING_REFUSED_NOTES]	= "refused-notes",
	[SETTING_DISPATCH]	= "dispatch",
	[SETTING_IPIP_SOURCE]	= "ipip-source",
	NULL
};

/**
 * struct draft - settings that are put once the whole line is known
 * @timeouts: by enum bpflb_flow_state, 0 if not given: they share a nest
 * @timeout_words: which word gave each
 * @clear: enum bpflb_settings_clear: they share an attribute
 * @clear_word: which word asked for it last
 * @seen: a bit for each setting that came
 */
struct draft {
	uint32_t timeouts[BPFLB_TIMEOUT_A_MAX];
	unsigned int timeout_words[BPFLB_TIMEOUT_A_MAX];
	uint32_t clear;
	unsigned int clear_word;
	unsigned int seen;
};

static bool at_setting(const struct line *line)
{
	const char *word = line_peek(line);
	unsigned int which;

	return word && parse_choice(word, setting_names, &which);
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

static int build_number(struct request *request, struct line *line, const char *what, int type)
{
	uint64_t value;
	int code = args_number(line, what, 1, UINT32_MAX, &value);

	if (!code)
		request_u32(request, line->next - 1, type, value);
	return code;
}

static int build_range(struct request *request, struct line *line, const char *what, int type)
{
	uint16_t first, last;
	struct nlattr *nest;
	unsigned int word;
	int code;

	code = args_range(line, what, &first, &last);
	if (code)
		return code;
	word = line->next - 1;
	nest = request_nest(request, word, type);
	request_u16(request, word, BPFLB_RANGE_A_FIRST, first);
	request_u16(request, word, BPFLB_RANGE_A_LAST, last);
	request_nest_end(request, nest);
	return 0;
}

/* One pair at least, then all that begin with the name of a timeout. */
static int take_timeouts(struct line *line, struct draft *draft)
{
	unsigned int state;
	uint32_t seconds;
	int code;

	do {
		code = args_choice(line, "timeout", state_names, &state);
		if (code)
			return code;
		if (draft->timeouts[state])
			return report_last(line, "%s is here twice", state_names[state]);
		code = args_duration(line, state_names[state], &seconds);
		if (code)
			return code;
		draft->timeouts[state] = seconds;
		draft->timeout_words[state] = line->next - 1;
	} while (line_peek(line) && !at_setting(line));
	return 0;
}

static bool take_clear(struct line *line, struct draft *draft, const char *word, uint32_t clear)
{
	if (!line_take_word(line, word))
		return false;
	draft->clear |= clear;
	draft->clear_word = line->next - 1;
	return true;
}

static int build_snat_addresses(struct request *request, struct line *line,
				struct draft *draft)
{
	struct address address;
	unsigned int count = 0;
	int code;

	if (take_clear(line, draft, "none", BPFLB_SETTINGS_CLEAR_SNAT_ADDR))
		return 0;
	do {
		code = args_address(line, "snat-address", &address);
		if (code)
			return code;
		if (count++ == BPFLB_SNAT_ADDRS_MAX)
			return report_last(line, "there are %d SNAT addresses at most",
					   BPFLB_SNAT_ADDRS_MAX);
		request_address(request, line->next - 1, BPFLB_SETTINGS_A_SNAT_ADDR, &address);
	} while (line_peek(line) && !at_setting(line));
	return 0;
}

static int build_dsr_devices(struct request *request, struct line *line, struct draft *draft)
{
	unsigned int count = 0;
	const char *device;

	if (take_clear(line, draft, "none", BPFLB_SETTINGS_CLEAR_DSR_DEVICE))
		return 0;
	do {
		device = line_take(line);
		if (!device)
			return report_end(line, "the name of a device is missing, or none");
		if (!*device || strlen(device) >= IFNAMSIZ || strchr(device, '/'))
			return report_last(line, "'%s' can't be the name of a device", device);
		if (count++ == BPFLB_DSR_DEVICES_MAX)
			return report_last(line, "there are %d DSR devices at most",
					   BPFLB_DSR_DEVICES_MAX);
		request_string(request, line->next - 1, BPFLB_SETTINGS_A_DSR_DEVICE, device);
	} while (line_peek(line) && !at_setting(line));
	return 0;
}

static void put_nodeport_address(const struct prefix *prefix, void *arg)
{
	const struct prefixes_arg *a = arg;

	request_prefix(a->request, a->word, BPFLB_SETTINGS_A_NODEPORT_ADDR, prefix);
}

static int build_nodeport_addresses(struct request *request, struct line *line,
				    struct draft *draft)
{
	struct prefixes_arg arg = { request, line->next };

	if (take_clear(line, draft, "any", BPFLB_SETTINGS_CLEAR_NODEPORT_ADDR))
		return 0;
	return args_prefixes(line, "nodeport-addresses", BPFLB_NODEPORT_ADDRS_MAX,
			     put_nodeport_address, &arg);
}

static void put_pods(const struct prefix *prefix, void *arg)
{
	const struct prefixes_arg *a = arg;

	request_prefix(a->request, a->word, BPFLB_SETTINGS_A_POD, prefix);
}

static int build_pods(struct request *request, struct line *line, struct draft *draft)
{
	struct prefixes_arg arg = { request, line->next };

	if (take_clear(line, draft, "none", BPFLB_SETTINGS_CLEAR_POD))
		return 0;
	return args_prefixes(line, "pods", BPFLB_PODS_MAX, put_pods, &arg);
}

static void put_ipip_source(const struct prefix *prefix, void *arg)
{
	const struct prefixes_arg *a = arg;

	request_prefix(a->request, a->word, BPFLB_SETTINGS_A_IPIP_SOURCE, prefix);
}

static int build_ipip_source(struct request *request, struct line *line, struct draft *draft)
{
	struct prefixes_arg arg = { request, line->next };

	if (take_clear(line, draft, "none", BPFLB_SETTINGS_CLEAR_IPIP_SOURCE))
		return 0;
	return args_prefixes(line, "ipip-source", 2, put_ipip_source, &arg);
}

static int build_setting(struct request *request, struct line *line, struct draft *draft,
			 enum setting which)
{
	switch (which) {
	case SETTING_MODE:
		return build_choice(request, line, "mode", mode_names, BPFLB_SETTINGS_A_MODE);
	case SETTING_FLOWS_MAX:
		return build_number(request, line, "flows-max", BPFLB_SETTINGS_A_FLOWS_MAX);
	case SETTING_TIMEOUT:
		return take_timeouts(line, draft);
	case SETTING_SNAT_ADDRESS:
		return build_snat_addresses(request, line, draft);
	case SETTING_SNAT_PORTS:
		return build_range(request, line, "snat-ports", BPFLB_SETTINGS_A_SNAT_PORTS);
	case SETTING_NODEPORTS:
		return build_range(request, line, "nodeports", BPFLB_SETTINGS_A_NODEPORTS);
	case SETTING_DSR_SENDER:
		return build_choice(request, line, "dsr-sender", dsr_sender_names,
				    BPFLB_SETTINGS_A_DSR_SENDER);
	case SETTING_DSR_DEVICE:
		return build_dsr_devices(request, line, draft);
	case SETTING_BYPASS:
		return build_choice(request, line, "bypass", switch_names,
				    BPFLB_SETTINGS_A_BYPASS);
	case SETTING_NO_BACKEND:
		return build_choice(request, line, "no-backend", no_backend_names,
				    BPFLB_SETTINGS_A_NO_BACKEND);
	case SETTING_UNKNOWN_PORTS:
		return build_choice(request, line, "unknown-ports", unknown_ports_names,
				    BPFLB_SETTINGS_A_UNKNOWN_PORTS);
	case SETTING_PING:
		return build_choice(request, line, "ping", switch_names, BPFLB_SETTINGS_A_PING);
	case SETTING_FLOW_ACCOUNTING:
		return build_choice(request, line, "flow-accounting", switch_names,
				    BPFLB_SETTINGS_A_FLOW_ACCOUNTING);
	case SETTING_FLOW_EVENTS:
		return build_number(request, line, "flow-events", BPFLB_SETTINGS_A_FLOW_EVENTS);
	case SETTING_NODEPORT_ADDRESSES:
		return build_nodeport_addresses(request, line, draft);
	case SETTING_PODS:
		return build_pods(request, line, draft);
	case SETTING_MASQUERADE:
		return build_choice(request, line, "masquerade", masquerade_names,
				    BPFLB_SETTINGS_A_MASQUERADE);
	case SETTING_REFUSED_NOTES:
		return build_choice(request, line, "refused-notes", refused_notes_names,
				    BPFLB_SETTINGS_A_REFUSED_NOTES);
	case SETTING_DISPATCH:
		return build_choice(request, line, "dispatch", dispatch_names,
				    BPFLB_SETTINGS_A_DISPATCH);
	case SETTING_IPIP_SOURCE:
		return build_ipip_source(request, line, draft);
	}
	return 0;
}

static void put_draft(struct request *request, const struct draft *draft, unsigned int word)
{
	struct nlattr *nest;
	unsigned int state;

	if (draft->clear)
		request_u32(request, draft->clear_word, BPFLB_SETTINGS_A_CLEAR, draft->clear);
	if (!(draft->seen & 1 << SETTING_TIMEOUT))
		return;
	nest = request_nest(request, word, BPFLB_SETTINGS_A_TIMEOUTS);
	for (state = 0; state < BPFLB_TIMEOUT_A_MAX; state++) {
		if (draft->timeouts[state])
			request_u32(request, draft->timeout_words[state], state + 1,
				    draft->timeouts[state]);
	}
	request_nest_end(request, nest);
}

static int settings_build(struct request *request, struct line *line)
{
	unsigned int which, timeout_word = 0;
	struct draft draft = { 0 };
	int code = 0;

	request_start(request, BPFLB_CMD_SETTINGS_SET, 0);
	if (!line_peek(line))
		return report_end(line, "a setting is missing");
	while (!code && line_peek(line)) {
		char valid[512];

		if (!parse_choice(line_peek(line), setting_names, &which)) {
			names_join(setting_names, valid, sizeof(valid));
			return args_unknown(line, valid);
		}
		line_take(line);
		if (which == SETTING_TIMEOUT)
			timeout_word = line->next - 1;
		else
			code = args_once(line, &draft.seen, 1 << which);
		draft.seen |= 1 << which;
		if (!code)
			code = build_setting(request, line, &draft, which);
	}
	if (!code)
		put_draft(request, &draft, timeout_word);
	return code;
}

/* For completion; a test compares it with the names above. */
static const char settings_words[] =
	"[mode snat|dsr|hybrid] [dispatch opt|geneve|ipip|l2] [ipip-source none|PREFIX,...] "
	"[flows-max N] [timeout [tcp-syn-sent DURATION] [tcp-syn-received DURATION] "
	"[tcp-established DURATION] [tcp-fin DURATION] [tcp-time-wait DURATION] "
	"[tcp-closed DURATION] [udp-unreplied DURATION] [udp-replied DURATION] "
	"[sctp-init DURATION] [sctp-cookie DURATION] [sctp-established DURATION] "
	"[sctp-shutdown DURATION] [sctp-closed DURATION]] [snat-address none|ADDRESS...] "
	"[snat-ports FIRST-LAST] [nodeports FIRST-LAST] [nodeport-addresses any|PREFIX,...] "
	"[pods none|PREFIX,...] [masquerade remote|all] [dsr-sender mac|device|any] "
	"[dsr-device none|NAME...] [refused-notes drop|strip] [bypass on|off] "
	"[no-backend reject|drop] [unknown-ports pass|drop|reject] [ping on|off] "
	"[flow-accounting on|off] [flow-events N]";

static const struct command settings_commands[] = {
	{
		.verb = "show",
		.alias = "list",
		.args = "",
		.summary = "show all settings",
		.run = settings_run_show,
	},
	{
		.args = "SETTING VALUE... [SETTING VALUE...]",
		.words = settings_words,
		.summary = "change settings; what is not mentioned stays as it is",
		.help = "mode snat|dsr|hybrid        how packets get to a backend on another node\n"
			"dispatch opt|geneve|ipip|l2\n"
			"                            how DSR brings them there: with an IP option; in\n"
			"                            Geneve to the node; in IP to the backend; or to its\n"
			"                            MAC. ipip and l2 are also for backends without\n"
			"                            bpflb that have the service's address\n"
			"ipip-source PREFIX,...      a prefix of each family that ipip takes its source\n"
			"                            addresses from; none: this node's own\n"
			"flows-max N                 flows of this namespace, at most\n"
			"timeout STATE DURATION...   of tcp-syn-sent, tcp-syn-received, tcp-fin,\n"
			"                            tcp-established, tcp-time-wait, tcp-closed,\n"
			"                            udp-unreplied, udp-replied, sctp-init, sctp-cookie,\n"
			"                            sctp-established, sctp-shutdown, sctp-closed;\n"
			"                            90, 90s, 5m, 2h, 1d\n"
			"snat-address ADDRESS...     sources for SNAT; none: that of the device which\n"
			"                            the packet leaves by\n"
			"snat-ports FIRST-LAST       source ports for SNAT\n"
			"nodeports FIRST-LAST        ports that a 'nodeport:' may have\n"
			"nodeport-addresses PREFIX,...\n"
			"                            where node ports are, of this node's addresses; any:\n"
			"                            at all but 127.0.0.0/8 and ::1, which never are\n"
			"pods PREFIX,...             this node's pods, or none: with policy local they\n"
			"                            get all backends, and remote ones see them\n"
			"masquerade remote|all       whether only backends elsewhere, or also those on\n"
			"                            this node, see the node for a client where SNAT\n"
			"                            is the mode; not with policy local\n"
			"dsr-sender mac|device|any   whose DSR notes to believe: nodes', by the MAC\n"
			"                            address; what comes in by dsr-device; everybody's\n"
			"dsr-device NAME...          devices for 'dsr-sender device', or none\n"
			"refused-notes drop|strip    whether a packet whose note is not believed goes on\n"
			"                            without it\n"
			"bypass on|off               whether packets of flows that the stack has let\n"
			"                            through go past it\n"
			"no-backend reject|drop      whether a packet to a service that has no backend\n"
			"                            is answered by an ICMP error\n"
			"unknown-ports pass|drop|reject\n"
			"                            what becomes of packets to a service's address where\n"
			"                            no service has the port; addresses that a node has\n"
			"                            itself are never closed\n"
			"ping on|off                 whether service addresses answer to ping\n"
			"flow-accounting on|off      whether flows made from now on count their packets\n"
			"                            and bytes; 72 bytes more for each\n"
			"flow-events N               what 'monitor flow' gets in a second, at most\n",
		.build = settings_build,
		.in_file = true,
	},
	{ 0 }
};

const struct object settings_object = {
	.name = "set",
	.summary = "the settings of a network namespace",
	.commands = settings_commands,
	.implied = "show",
};
