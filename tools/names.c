// SPDX-License-Identifier: GPL-2.0-only
#include <linux/bpflb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "names.h"

#define CHECK_NAMES(names, count) \
	_Static_assert(sizeof(names) / sizeof(*(names)) == (count) + 1, #names)

const char *const mode_names[] = {
	[BPFLB_MODE_SNAT]	= "snat",
	[BPFLB_MODE_DSR]	= "dsr",
	[BPFLB_MODE_HYBRID]	= "hybrid",
	NULL
};
CHECK_NAMES(mode_names, __BPFLB_MODE_MAX);

/* The last is BPFLB_SERVICE_MODE_DEFAULT. */
const char *const service_mode_names[] = {
	[BPFLB_MODE_SNAT]	= "snat",
	[BPFLB_MODE_DSR]	= "dsr",
	[BPFLB_MODE_HYBRID]	= "hybrid",
	"default",
	NULL
};
CHECK_NAMES(service_mode_names, __BPFLB_MODE_MAX + 1);

const char *const dispatch_names[] = {
	[BPFLB_DISPATCH_OPT]	= "opt",
	[BPFLB_DISPATCH_GENEVE]	= "geneve",
	[BPFLB_DISPATCH_IPIP]	= "ipip",
	[BPFLB_DISPATCH_L2]	= "l2",
	NULL
};
CHECK_NAMES(dispatch_names, __BPFLB_DISPATCH_MAX);

/* The last is BPFLB_SERVICE_DISPATCH_DEFAULT. */
const char *const service_dispatch_names[] = {
	[BPFLB_DISPATCH_OPT]	= "opt",
	[BPFLB_DISPATCH_GENEVE]	= "geneve",
	[BPFLB_DISPATCH_IPIP]	= "ipip",
	[BPFLB_DISPATCH_L2]	= "l2",
	"default",
	NULL
};
CHECK_NAMES(service_dispatch_names, __BPFLB_DISPATCH_MAX + 1);

const char *const mode_origin_names[] = {
	[BPFLB_MODE_ORIGIN_MODULE]	= "module",
	[BPFLB_MODE_ORIGIN_SET]		= "set",
	NULL
};

const char *const policy_names[] = {
	[BPFLB_POLICY_CLUSTER]	= "cluster",
	[BPFLB_POLICY_LOCAL]	= "local",
	NULL
};
CHECK_NAMES(policy_names, __BPFLB_POLICY_MAX);

const char *const backend_state_names[] = {
	[BPFLB_BACKEND_ACTIVE]		= "active",
	[BPFLB_BACKEND_DRAINING]	= "draining",
	[BPFLB_BACKEND_DOWN]		= "down",
	[BPFLB_BACKEND_TERMINATING]	= "terminating",
	NULL
};
CHECK_NAMES(backend_state_names, __BPFLB_BACKEND_STATE_MAX);

const char *const scheduler_names[] = {
	[BPFLB_SCHEDULER_RANDOM]	= "random",
	[BPFLB_SCHEDULER_RR]		= "rr",
	[BPFLB_SCHEDULER_LC]		= "lc",
	[BPFLB_SCHEDULER_MAGLEV]	= "maglev",
	NULL
};
CHECK_NAMES(scheduler_names, __BPFLB_SCHEDULER_MAX);

const char *const dsr_sender_names[] = {
	[BPFLB_DSR_SENDER_MAC]		= "mac",
	[BPFLB_DSR_SENDER_DEVICE]	= "device",
	[BPFLB_DSR_SENDER_ANY]		= "any",
	NULL
};
CHECK_NAMES(dsr_sender_names, __BPFLB_DSR_SENDER_MAX);

const char *const refused_notes_names[] = {
	[BPFLB_REFUSED_NOTES_DROP]	= "drop",
	[BPFLB_REFUSED_NOTES_STRIP]	= "strip",
	NULL
};
CHECK_NAMES(refused_notes_names, __BPFLB_REFUSED_NOTES_MAX);

const char *const no_backend_names[] = {
	[BPFLB_NO_BACKEND_REJECT]	= "reject",
	[BPFLB_NO_BACKEND_DROP]		= "drop",
	NULL
};
CHECK_NAMES(no_backend_names, __BPFLB_NO_BACKEND_MAX);

const char *const unknown_ports_names[] = {
	[BPFLB_UNKNOWN_PORTS_PASS]	= "pass",
	[BPFLB_UNKNOWN_PORTS_DROP]	= "drop",
	[BPFLB_UNKNOWN_PORTS_REJECT]	= "reject",
	NULL
};
CHECK_NAMES(unknown_ports_names, __BPFLB_UNKNOWN_PORTS_MAX);

const char *const sources_names[] = {
	[BPFLB_SOURCES_ANY]	= "any",
	[BPFLB_SOURCES_ALLOW]	= "allow",
	[BPFLB_SOURCES_DENY]	= "deny",
	NULL
};
CHECK_NAMES(sources_names, __BPFLB_SOURCES_RULE_MAX);

const char *const masquerade_names[] = {
	[BPFLB_MASQUERADE_REMOTE]	= "remote",
	[BPFLB_MASQUERADE_ALL]		= "all",
	NULL
};
CHECK_NAMES(masquerade_names, __BPFLB_MASQUERADE_MAX);

const char *const switch_names[] = { "off", "on", NULL };

/* By enum bpflb_flow_bypass, which are bits. */
const char *const bypass_names[] = {
	[0]							= "none",
	[BPFLB_FLOW_BYPASS_CLIENT]				= "client",
	[BPFLB_FLOW_BYPASS_BACKEND]				= "backend",
	[BPFLB_FLOW_BYPASS_CLIENT | BPFLB_FLOW_BYPASS_BACKEND]	= "both",
	NULL
};

/* Also the names of the timeouts, whose numbers begin at 1. */
const char *const state_names[] = {
	[BPFLB_STATE_TCP_SYN_SENT]	= "tcp-syn-sent",
	[BPFLB_STATE_TCP_SYN_RECEIVED]	= "tcp-syn-received",
	[BPFLB_STATE_TCP_ESTABLISHED]	= "tcp-established",
	[BPFLB_STATE_TCP_FIN]		= "tcp-fin",
	[BPFLB_STATE_TCP_TIME_WAIT]	= "tcp-time-wait",
	[BPFLB_STATE_TCP_CLOSED]	= "tcp-closed",
	[BPFLB_STATE_UDP_UNREPLIED]	= "udp-unreplied",
	[BPFLB_STATE_UDP_REPLIED]	= "udp-replied",
	[BPFLB_STATE_SCTP_INIT]		= "sctp-init",
	[BPFLB_STATE_SCTP_COOKIE]	= "sctp-cookie",
	[BPFLB_STATE_SCTP_ESTABLISHED]	= "sctp-established",
	[BPFLB_STATE_SCTP_SHUTDOWN]	= "sctp-shutdown",
	[BPFLB_STATE_SCTP_CLOSED]	= "sctp-closed",
	NULL
};
CHECK_NAMES(state_names, __BPFLB_STATE_MAX);
_Static_assert(__BPFLB_STATE_MAX == BPFLB_TIMEOUT_A_MAX, "a timeout for each state");

const char *const kind_names[] = {
	[BPFLB_FLOW_LOCAL]	= "local",
	[BPFLB_FLOW_SNAT]	= "snat",
	[BPFLB_FLOW_DSR_OUT]	= "dsr-out",
	[BPFLB_FLOW_DSR_IN]	= "dsr-in",
	[BPFLB_FLOW_DIRECT]	= "direct",
	NULL
};
CHECK_NAMES(kind_names, __BPFLB_FLOW_KIND_MAX);

const char *const end_names[] = {
	[BPFLB_FLOW_END_TIMEOUT]	= "timeout",
	[BPFLB_FLOW_END_FIN]		= "fin",
	[BPFLB_FLOW_END_RST]		= "rst",
	[BPFLB_FLOW_END_FLUSHED]	= "flushed",
	[BPFLB_FLOW_END_BACKEND]	= "backend",
	[BPFLB_FLOW_END_EVICTED]	= "evicted",
	[BPFLB_FLOW_END_REPLACED]	= "replaced",
	[BPFLB_FLOW_END_SOURCE]		= "source",
	[BPFLB_FLOW_END_NAMESPACE]	= "namespace",
	NULL
};
CHECK_NAMES(end_names, __BPFLB_FLOW_END_MAX);

const char *const proto_names[] = { "tcp", "udp", "sctp", NULL };
const unsigned char proto_numbers[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };

/**
 * name_of - the word for a number
 * @names: the list
 * @value: the number, perhaps of a newer module and so without a name
 * @room: where a number without a name is written
 *
 * Return: the name, or the number in digits.
 */
const char *name_of(const char *const *names, unsigned int value, char room[NAME_ROOM])
{
	unsigned int i;

	for (i = 0; names[i]; i++) {
		if (i == value)
			return names[i];
	}
	snprintf(room, NAME_ROOM, "%u", value);
	return room;
}

/**
 * proto_name - the word for an IP protocol
 * @proto: IPPROTO_*
 * @room: where a number without a name is written
 *
 * Return: the name, or the number in digits.
 */
const char *proto_name(unsigned char proto, char room[NAME_ROOM])
{
	unsigned int i;

	for (i = 0; proto_names[i]; i++) {
		if (proto_numbers[i] == proto)
			return proto_names[i];
	}
	snprintf(room, NAME_ROOM, "%u", proto);
	return room;
}

/**
 * names_join - list all words, for a person
 * @names: the list
 * @text: where to
 * @room: its size; what does not fit is left out
 */
void names_join(const char *const *names, char *text, size_t room)
{
	size_t used = 0;
	unsigned int i;

	text[0] = '\0';
	for (i = 0; names[i] && used < room; i++)
		used += snprintf(text + used, room - used, "%s%s", i ? ", " : "", names[i]);
}
