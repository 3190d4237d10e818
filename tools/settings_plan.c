// SPDX-License-Identifier: GPL-2.0-only
/* Settings as they begin, and as a message changes them: what the module does with them. */
#include <string.h>

#include "attrs.h"
#include "settings_plan.h"

/* As <linux/bpflb.h> has them; by enum bpflb_flow_state. */
static const uint32_t timeout_defaults[BPFLB_TIMEOUT_A_MAX] = {
	[BPFLB_STATE_TCP_SYN_SENT]	= 60,
	[BPFLB_STATE_TCP_SYN_RECEIVED]	= 60,
	[BPFLB_STATE_TCP_ESTABLISHED]	= 8000,
	[BPFLB_STATE_TCP_FIN]		= 60,
	[BPFLB_STATE_TCP_TIME_WAIT]	= 60,
	[BPFLB_STATE_TCP_CLOSED]	= 10,
	[BPFLB_STATE_UDP_UNREPLIED]	= 30,
	[BPFLB_STATE_UDP_REPLIED]	= 180,
	[BPFLB_STATE_SCTP_INIT]		= 60,
	[BPFLB_STATE_SCTP_COOKIE]	= 60,
	[BPFLB_STATE_SCTP_ESTABLISHED]	= 8000,
	[BPFLB_STATE_SCTP_SHUTDOWN]	= 60,
	[BPFLB_STATE_SCTP_CLOSED]	= 10,
};

/**
 * settings_defaults - what settings are where nothing is said
 * @settings: the result
 * @now: any of the namespace: the module has told with them what depends on it
 */
void settings_defaults(struct settings *settings, const struct settings *now)
{
	static const struct settings begin = {
		.mode_origin = BPFLB_MODE_ORIGIN_MODULE,
		.snat_ports = { 1024, 65535 },
		.nodeports = { 30000, 32767 },
		.dsr_sender = BPFLB_DSR_SENDER_MAC,
		.bypass = true,
	};

	*settings = begin;
	settings->flows_max = now->flows_max_default;
	settings->flows_max_default = now->flows_max_default;
	/* A module that does not know it has none to tell. */
	settings->flow_events = now->flow_events ? 10000 : 0;
	memcpy(settings->timeouts, timeout_defaults, sizeof(timeout_defaults));
}

static void change_numbers(struct settings *settings, const struct settings *to,
			   struct nlattr **attrs)
{
	unsigned int i;

	if (attrs[BPFLB_SETTINGS_A_MODE]) {
		settings->mode = to->mode;
		settings->mode_origin = BPFLB_MODE_ORIGIN_SET;
	}
	if (attrs[BPFLB_SETTINGS_A_FLOWS_MAX])
		settings->flows_max = to->flows_max;
	for (i = 0; i < BPFLB_TIMEOUT_A_MAX; i++) {
		if (to->timeouts[i])
			settings->timeouts[i] = to->timeouts[i];
	}
	if (attrs[BPFLB_SETTINGS_A_SNAT_PORTS])
		memcpy(settings->snat_ports, to->snat_ports, sizeof(to->snat_ports));
	if (attrs[BPFLB_SETTINGS_A_NODEPORTS])
		memcpy(settings->nodeports, to->nodeports, sizeof(to->nodeports));
	if (attrs[BPFLB_SETTINGS_A_DSR_SENDER])
		settings->dsr_sender = to->dsr_sender;
	if (attrs[BPFLB_SETTINGS_A_BYPASS])
		settings->bypass = to->bypass;
	if (attrs[BPFLB_SETTINGS_A_NO_BACKEND])
		settings->no_backend = to->no_backend;
	if (attrs[BPFLB_SETTINGS_A_UNKNOWN_PORTS])
		settings->unknown_ports = to->unknown_ports;
	if (attrs[BPFLB_SETTINGS_A_PING])
		settings->ping = to->ping;
	if (attrs[BPFLB_SETTINGS_A_FLOW_ACCOUNTING])
		settings->flow_accounting = to->flow_accounting;
	if (attrs[BPFLB_SETTINGS_A_FLOW_EVENTS])
		settings->flow_events = to->flow_events;
	if (attrs[BPFLB_SETTINGS_A_MASQUERADE])
		settings->masquerade = to->masquerade;
	if (attrs[BPFLB_SETTINGS_A_REFUSED_NOTES])
		settings->refused_notes = to->refused_notes;
	if (attrs[BPFLB_SETTINGS_A_DISPATCH])
		settings->dispatch = to->dispatch;
}

/* The module keeps addresses of IPv4 before those of IPv6. */
static void take_sources(struct settings *settings, const struct settings *to)
{
	unsigned int i, length;

	settings->snat_count = 0;
	for (length = 4; length <= 16; length += 12) {
		for (i = 0; i < to->snat_count; i++) {
			if (to->snat_addresses[i].length == length)
				settings->snat_addresses[settings->snat_count++] =
					to->snat_addresses[i];
		}
	}
}

static void take_ipip_sources(struct settings *settings, const struct settings *to)
{
	unsigned int i, length;

	settings->ipip_source_count = 0;
	for (length = 4; length <= 16; length += 12) {
		for (i = 0; i < to->ipip_source_count; i++) {
			if (to->ipip_sources[i].address.length == length)
				settings->ipip_sources[settings->ipip_source_count++] =
					to->ipip_sources[i];
		}
	}
}

/* A list that is given replaces the one before; so does an empty one that is asked for. */
static void change_lists(struct settings *settings, const struct settings *to,
			 struct nlattr **attrs)
{
	uint32_t clear = attr_u32(attrs[BPFLB_SETTINGS_A_CLEAR]);

	if (attrs[BPFLB_SETTINGS_A_SNAT_ADDR] || clear & BPFLB_SETTINGS_CLEAR_SNAT_ADDR)
		take_sources(settings, to);
	if (attrs[BPFLB_SETTINGS_A_IPIP_SOURCE] || clear & BPFLB_SETTINGS_CLEAR_IPIP_SOURCE)
		take_ipip_sources(settings, to);
	if (attrs[BPFLB_SETTINGS_A_DSR_DEVICE] || clear & BPFLB_SETTINGS_CLEAR_DSR_DEVICE) {
		memcpy(settings->dsr_devices, to->dsr_devices, sizeof(to->dsr_devices));
		settings->device_count = to->device_count;
	}
	if (attrs[BPFLB_SETTINGS_A_NODEPORT_ADDR] || clear & BPFLB_SETTINGS_CLEAR_NODEPORT_ADDR) {
		memcpy(settings->nodeport_addresses, to->nodeport_addresses,
		       sizeof(to->nodeport_addresses));
		settings->nodeport_address_count = to->nodeport_address_count;
	}
	if (attrs[BPFLB_SETTINGS_A_POD] || clear & BPFLB_SETTINGS_CLEAR_POD) {
		memcpy(settings->pods, to->pods, sizeof(to->pods));
		settings->pod_count = to->pod_count;
	}
}

/**
 * settings_change - what settings are after a message
 * @settings: before it, and after it
 * @nlh: a message; nothing happens if it is not about settings
 */
void settings_change(struct settings *settings, const struct nlmsghdr *nlh)
{
	struct nlattr *attrs[BPFLB_SETTINGS_A_MAX + 1];
	struct settings to;

	if (attrs_command(nlh) != BPFLB_CMD_SETTINGS_SET)
		return;
	attrs_parse(nlh, attrs, BPFLB_SETTINGS_A_MAX);
	settings_decode(nlh, &to);
	change_numbers(settings, &to, attrs);
	change_lists(settings, &to, attrs);
}
