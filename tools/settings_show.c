// SPDX-License-Identifier: GPL-2.0-only
/* Settings as the module tells them: shown, saved, and in events. */
#include <inttypes.h>
#include <string.h>

#include "args.h"
#include "attrs.h"
#include "names.h"
#include "objects.h"
#include "settings_plan.h"

static void decode_range(const struct nlattr *nest, uint16_t range[2])
{
	struct nlattr *attrs[BPFLB_RANGE_A_MAX + 1];

	attrs_parse_nest(nest, attrs, BPFLB_RANGE_A_MAX);
	range[0] = attr_u16(attrs[BPFLB_RANGE_A_FIRST]);
	range[1] = attr_u16(attrs[BPFLB_RANGE_A_LAST]);
}

static void decode_lists(const struct nlmsghdr *nlh, struct settings *settings)
{
	struct nlattr *attr;
	int left;

	attrs_for_each(attr, nlh, left) {
		if (nla_type(attr) == BPFLB_SETTINGS_A_SNAT_ADDR &&
		    settings->snat_count < BPFLB_SNAT_ADDRS_MAX)
			attr_address(attr, &settings->snat_addresses[settings->snat_count++]);
		if (nla_type(attr) == BPFLB_SETTINGS_A_DSR_DEVICE &&
		    settings->device_count < BPFLB_DSR_DEVICES_MAX)
			attr_string(attr, settings->dsr_devices[settings->device_count++],
				    IFNAMSIZ);
		if (nla_type(attr) == BPFLB_SETTINGS_A_NODEPORT_ADDR &&
		    settings->nodeport_address_count < BPFLB_NODEPORT_ADDRS_MAX)
			attr_prefix(attr, settings->nodeport_addresses +
					  settings->nodeport_address_count++);
		if (nla_type(attr) == BPFLB_SETTINGS_A_POD &&
		    settings->pod_count < BPFLB_PODS_MAX)
			attr_prefix(attr, settings->pods + settings->pod_count++);
		if (nla_type(attr) == BPFLB_SETTINGS_A_IPIP_SOURCE &&
		    settings->ipip_source_count < 2)
			attr_prefix(attr, settings->ipip_sources + settings->ipip_source_count++);
	}
}

/**
 * settings_decode - a message as settings
 * @nlh: the message
 * @settings: the result
 */
void settings_decode(const struct nlmsghdr *nlh, struct settings *settings)
{
	struct nlattr *attrs[BPFLB_SETTINGS_A_MAX + 1];
	struct nlattr *timeouts[BPFLB_TIMEOUT_A_MAX + 1];
	unsigned int i;

	memset(settings, 0, sizeof(*settings));
	attrs_parse(nlh, attrs, BPFLB_SETTINGS_A_MAX);
	settings->generation = attr_u64(attrs[BPFLB_SETTINGS_A_GENERATION]);
	settings->mode = attr_u8(attrs[BPFLB_SETTINGS_A_MODE]);
	settings->mode_origin = attr_u8(attrs[BPFLB_SETTINGS_A_MODE_ORIGIN]);
	settings->flows_max = attr_u32(attrs[BPFLB_SETTINGS_A_FLOWS_MAX]);
	settings->flows_max_default = attr_u32(attrs[BPFLB_SETTINGS_A_FLOWS_MAX_DEFAULT]);
	attrs_parse_nest(attrs[BPFLB_SETTINGS_A_TIMEOUTS], timeouts, BPFLB_TIMEOUT_A_MAX);
	for (i = 0; i < BPFLB_TIMEOUT_A_MAX; i++)
		settings->timeouts[i] = attr_u32(timeouts[i + 1]);
	decode_range(attrs[BPFLB_SETTINGS_A_SNAT_PORTS], settings->snat_ports);
	decode_range(attrs[BPFLB_SETTINGS_A_NODEPORTS], settings->nodeports);
	settings->dsr_sender = attr_u8(attrs[BPFLB_SETTINGS_A_DSR_SENDER]);
	settings->bypass = attr_u8(attrs[BPFLB_SETTINGS_A_BYPASS]);
	settings->no_backend = attr_u8(attrs[BPFLB_SETTINGS_A_NO_BACKEND]);
	settings->unknown_ports = attr_u8(attrs[BPFLB_SETTINGS_A_UNKNOWN_PORTS]);
	settings->ping = attr_u8(attrs[BPFLB_SETTINGS_A_PING]);
	settings->flow_accounting = attr_u8(attrs[BPFLB_SETTINGS_A_FLOW_ACCOUNTING]);
	settings->flow_events = attr_u32(attrs[BPFLB_SETTINGS_A_FLOW_EVENTS]);
	settings->masquerade = attr_u8(attrs[BPFLB_SETTINGS_A_MASQUERADE]);
	settings->refused_notes = attr_u8(attrs[BPFLB_SETTINGS_A_REFUSED_NOTES]);
	settings->dispatch = attr_u8(attrs[BPFLB_SETTINGS_A_DISPATCH]);
	decode_lists(nlh, settings);
}

static void take_settings(const struct nlmsghdr *nlh, void *arg)
{
	settings_decode(nlh, arg);
}

/**
 * settings_get - ask for the settings
 * @context: with its socket open
 * @settings: the answer
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int settings_get(struct context *context, struct settings *settings)
{
	memset(settings, 0, sizeof(*settings));
	request_start(&context->request, BPFLB_CMD_SETTINGS_GET, 0);
	if (conn_call(&context->conn, &context->request, take_settings, settings))
		return context_refused(context, &context->conn.refusal);
	return LBADM_OK;
}

static void range_json(struct json *json, const char *key, const uint16_t range[2])
{
	json_open(json, key, '{');
	json_u64(json, "first", range[0]);
	json_u64(json, "last", range[1]);
	json_close(json);
}

static void timeouts_json(struct json *json, const uint32_t *timeouts)
{
	char key[32];
	unsigned int i;
	char *c;

	json_open(json, "timeouts", '{');
	for (i = 0; i < BPFLB_TIMEOUT_A_MAX; i++) {
		snprintf(key, sizeof(key), "%s", state_names[i]);
		for (c = key; *c; c++) {
			if (*c == '-')
				*c = '_';
		}
		json_u64(json, key, timeouts[i]);
	}
	json_close(json);
}

/**
 * settings_json - settings as JSON
 * @json: where to
 * @key: their key
 * @settings: the settings
 */
void settings_json(struct json *json, const char *key, const struct settings *settings)
{
	char room[NAME_ROOM], text[PREFIX_ROOM];
	unsigned int i;

	json_open(json, key, '{');
	json_string(json, "mode", name_of(mode_names, settings->mode, room));
	json_string(json, "mode_origin",
		    name_of(mode_origin_names, settings->mode_origin, room));
	json_u64(json, "flows_max", settings->flows_max);
	timeouts_json(json, settings->timeouts);
	json_open(json, "snat_addresses", '[');
	for (i = 0; i < settings->snat_count; i++)
		json_string(json, NULL, format_address(&settings->snat_addresses[i], text));
	json_close(json);
	range_json(json, "snat_ports", settings->snat_ports);
	range_json(json, "nodeports", settings->nodeports);
	json_open(json, "nodeport_addresses", '[');
	for (i = 0; i < settings->nodeport_address_count; i++)
		json_string(json, NULL, format_prefix(&settings->nodeport_addresses[i], text));
	json_close(json);
	json_open(json, "pods", '[');
	for (i = 0; i < settings->pod_count; i++)
		json_string(json, NULL, format_prefix(&settings->pods[i], text));
	json_close(json);
	json_string(json, "masquerade", name_of(masquerade_names, settings->masquerade, room));
	json_string(json, "refused_notes",
		    name_of(refused_notes_names, settings->refused_notes, room));
	json_string(json, "dsr_sender", name_of(dsr_sender_names, settings->dsr_sender, room));
	json_string(json, "dispatch", name_of(dispatch_names, settings->dispatch, room));
	json_open(json, "ipip_sources", '[');
	for (i = 0; i < settings->ipip_source_count; i++)
		json_string(json, NULL, format_prefix(&settings->ipip_sources[i], text));
	json_close(json);
	json_open(json, "dsr_devices", '[');
	for (i = 0; i < settings->device_count; i++)
		json_string(json, NULL, settings->dsr_devices[i]);
	json_close(json);
	json_bool(json, "bypass", settings->bypass);
	json_string(json, "no_backend", name_of(no_backend_names, settings->no_backend, room));
	json_string(json, "unknown_ports",
		    name_of(unknown_ports_names, settings->unknown_ports, room));
	json_bool(json, "ping", settings->ping);
	json_bool(json, "flow_accounting", settings->flow_accounting);
	json_u64(json, "flow_events", settings->flow_events);
	json_close(json);
}

static void write_addresses(FILE *file, const struct settings *settings)
{
	char text[ADDRESS_ROOM];
	unsigned int i;

	for (i = 0; i < settings->snat_count; i++)
		fprintf(file, " %s", format_address(&settings->snat_addresses[i], text));
	if (!settings->snat_count)
		fputs(" none", file);
}

static void write_devices(FILE *file, const struct settings *settings)
{
	unsigned int i;

	for (i = 0; i < settings->device_count; i++)
		fprintf(file, " %s", settings->dsr_devices[i]);
	if (!settings->device_count)
		fputs(" none", file);
}

static void write_prefixes(FILE *file, const struct prefix *prefixes, unsigned int count,
			   const char *none)
{
	char text[PREFIX_ROOM];
	unsigned int i;

	for (i = 0; i < count; i++)
		fprintf(file, "%c%s", i ? ',' : ' ', format_prefix(&prefixes[i], text));
	if (!count)
		fprintf(file, " %s", none);
}

static void write_nodeport_addresses(FILE *file, const struct settings *settings)
{
	write_prefixes(file, settings->nodeport_addresses, settings->nodeport_address_count,
		       "any");
}

static void write_pods(FILE *file, const struct settings *settings)
{
	write_prefixes(file, settings->pods, settings->pod_count, "none");
}

static void write_ipip_sources(FILE *file, const struct settings *settings)
{
	write_prefixes(file, settings->ipip_sources, settings->ipip_source_count, "none");
}

/**
 * settings_event - settings as the words of one "set" command
 * @file: where to
 * @settings: the settings, all of which are written
 */
void settings_event(FILE *file, const struct settings *settings)
{
	char room[NAME_ROOM];
	unsigned int i;

	fprintf(file, "mode %s flows-max %u timeout",
		name_of(mode_names, settings->mode, room), settings->flows_max);
	for (i = 0; i < BPFLB_TIMEOUT_A_MAX; i++)
		fprintf(file, " %s %us", state_names[i], settings->timeouts[i]);
	fputs(" snat-address", file);
	write_addresses(file, settings);
	fprintf(file, " snat-ports %u-%u nodeports %u-%u dsr-sender %s dsr-device",
		settings->snat_ports[0], settings->snat_ports[1], settings->nodeports[0],
		settings->nodeports[1],
		name_of(dsr_sender_names, settings->dsr_sender, room));
	write_devices(file, settings);
	fprintf(file, " bypass %s no-backend %s", switch_names[settings->bypass],
		name_of(no_backend_names, settings->no_backend, room));
	fprintf(file, " unknown-ports %s ping %s nodeport-addresses",
		name_of(unknown_ports_names, settings->unknown_ports, room),
		switch_names[settings->ping]);
	write_nodeport_addresses(file, settings);
	fputs(" pods", file);
	write_pods(file, settings);
	fprintf(file, " masquerade %s", name_of(masquerade_names, settings->masquerade, room));
	fprintf(file, " refused-notes %s",
		name_of(refused_notes_names, settings->refused_notes, room));
	fprintf(file, " dispatch %s ipip-source",
		name_of(dispatch_names, settings->dispatch, room));
	write_ipip_sources(file, settings);
	fprintf(file, " flow-accounting %s", switch_names[settings->flow_accounting]);
	/* A module that does not know it has none to tell. */
	if (settings->flow_events)
		fprintf(file, " flow-events %u", settings->flow_events);
}

static void save_numbers(FILE *file, const struct settings *settings,
			 const struct settings *defaults)
{
	char room[NAME_ROOM];
	unsigned int i;

	if (settings->mode_origin == BPFLB_MODE_ORIGIN_SET)
		fprintf(file, "set mode %s\n", name_of(mode_names, settings->mode, room));
	if (settings->flows_max != settings->flows_max_default)
		fprintf(file, "set flows-max %u\n", settings->flows_max);
	for (i = 0; i < BPFLB_TIMEOUT_A_MAX; i++) {
		if (settings->timeouts[i] && settings->timeouts[i] != defaults->timeouts[i])
			fprintf(file, "set timeout %s %us\n", state_names[i],
				settings->timeouts[i]);
	}
	if (settings->snat_count) {
		fputs("set snat-address", file);
		write_addresses(file, settings);
		putc('\n', file);
	}
	if (memcmp(settings->snat_ports, defaults->snat_ports, sizeof(defaults->snat_ports)))
		fprintf(file, "set snat-ports %u-%u\n", settings->snat_ports[0],
			settings->snat_ports[1]);
	if (memcmp(settings->nodeports, defaults->nodeports, sizeof(defaults->nodeports)))
		fprintf(file, "set nodeports %u-%u\n", settings->nodeports[0],
			settings->nodeports[1]);
}

static void save_switches(FILE *file, const struct settings *settings,
			  const struct settings *defaults)
{
	char room[NAME_ROOM];

	/* The devices first: the module may want them to be there for the sender. */
	if (settings->device_count) {
		fputs("set dsr-device", file);
		write_devices(file, settings);
		putc('\n', file);
	}
	if (settings->dsr_sender != BPFLB_DSR_SENDER_MAC)
		fprintf(file, "set dsr-sender %s\n",
			name_of(dsr_sender_names, settings->dsr_sender, room));
	if (!settings->bypass)
		fputs("set bypass off\n", file);
	if (settings->no_backend != BPFLB_NO_BACKEND_REJECT)
		fprintf(file, "set no-backend %s\n",
			name_of(no_backend_names, settings->no_backend, room));
	if (settings->unknown_ports != BPFLB_UNKNOWN_PORTS_PASS)
		fprintf(file, "set unknown-ports %s\n",
			name_of(unknown_ports_names, settings->unknown_ports, room));
	if (settings->ping)
		fputs("set ping on\n", file);
	if (settings->flow_accounting)
		fputs("set flow-accounting on\n", file);
	if (settings->flow_events != defaults->flow_events)
		fprintf(file, "set flow-events %u\n", settings->flow_events);
}

/**
 * settings_save - settings as lines for apply
 * @file: where to
 * @settings: the settings; those that are as they would be anyway are left out
 */
void settings_save(FILE *file, const struct settings *settings)
{
	struct settings defaults;
	char room[NAME_ROOM];

	settings_defaults(&defaults, settings);
	save_numbers(file, settings, &defaults);
	save_switches(file, settings, &defaults);
	if (settings->nodeport_address_count) {
		fputs("set nodeport-addresses", file);
		write_nodeport_addresses(file, settings);
		putc('\n', file);
	}
	if (settings->pod_count) {
		fputs("set pods", file);
		write_pods(file, settings);
		putc('\n', file);
	}
	if (settings->masquerade != BPFLB_MASQUERADE_REMOTE)
		fprintf(file, "set masquerade %s\n",
			name_of(masquerade_names, settings->masquerade, room));
	if (settings->refused_notes != BPFLB_REFUSED_NOTES_DROP)
		fprintf(file, "set refused-notes %s\n",
			name_of(refused_notes_names, settings->refused_notes, room));
	if (settings->dispatch != BPFLB_DISPATCH_OPT)
		fprintf(file, "set dispatch %s\n",
			name_of(dispatch_names, settings->dispatch, room));
	if (settings->ipip_source_count) {
		fputs("set ipip-source", file);
		write_ipip_sources(file, settings);
		putc('\n', file);
	}
}

static void show_text(const struct settings *settings)
{
	bool set = settings->mode_origin == BPFLB_MODE_ORIGIN_SET;
	char room[NAME_ROOM];
	unsigned int i;

	printf("%-13s %s, %s\n", "mode", name_of(mode_names, settings->mode, room),
	       set ? "set here" : "the module's default");
	printf("%-13s %u\n", "flows-max", settings->flows_max);
	for (i = 0; i < BPFLB_TIMEOUT_A_MAX; i++)
		printf("%-13s %-17s %us\n", i ? "" : "timeout", state_names[i],
		       settings->timeouts[i]);
	printf("%-13s", "snat-address");
	write_addresses(stdout, settings);
	printf("\n%-13s %u-%u\n", "snat-ports", settings->snat_ports[0],
	       settings->snat_ports[1]);
	printf("%-13s %u-%u\n", "nodeports", settings->nodeports[0], settings->nodeports[1]);
	printf("%-13s %s\n", "dsr-sender",
	       name_of(dsr_sender_names, settings->dsr_sender, room));
	printf("%-13s", "dsr-device");
	write_devices(stdout, settings);
	printf("\n%-13s %s\n", "bypass", switch_names[settings->bypass]);
	printf("%-13s %s\n", "no-backend",
	       name_of(no_backend_names, settings->no_backend, room));
	printf("%-13s %s\n", "unknown-ports",
	       name_of(unknown_ports_names, settings->unknown_ports, room));
	printf("%-13s %s\n", "ping", switch_names[settings->ping]);
	printf("%-13s", "nodeport-addresses");
	write_nodeport_addresses(stdout, settings);
	printf("\n%-13s", "pods");
	write_pods(stdout, settings);
	printf("\n%-13s %s\n", "masquerade",
	       name_of(masquerade_names, settings->masquerade, room));
	printf("%-13s %s\n", "refused-notes",
	       name_of(refused_notes_names, settings->refused_notes, room));
	printf("%-13s %s\n", "dispatch", name_of(dispatch_names, settings->dispatch, room));
	printf("%-13s", "ipip-source");
	write_ipip_sources(stdout, settings);
	printf("\n%-13s %s\n", "flow-accounting", switch_names[settings->flow_accounting]);
	printf("%-13s %u\n", "flow-events", settings->flow_events);
}

/** settings_run_show - lbadm set show, see struct command */
int settings_run_show(struct context *context)
{
	struct settings settings;
	struct json json;
	int code;

	code = args_end(&context->line);
	if (!code)
		code = conn_open(&context->conn);
	if (!code)
		code = settings_get(context, &settings);
	if (code)
		return code;
	if (!context->options.json) {
		show_text(&settings);
		return LBADM_OK;
	}
	code = context_json_begin(context, &json, settings.generation);
	if (code)
		return code;
	settings_json(&json, "settings", &settings);
	context_json_end(&json);
	return LBADM_OK;
}
