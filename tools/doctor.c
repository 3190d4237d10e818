// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "doctor.h"
#include "mem.h"

#define WATCH_MAX	3600
#define TEXT_ROOM	2048

static const char *const severity_names[] = { "error", "warning", "note" };
static const char *const where_names[] = { "here", "router", "nodes" };

static char *copy(const char *text)
{
	size_t room = 0;
	char *to = mem_grow(NULL, &room, strlen(text) + 1, 1);

	return strcpy(to, text);
}

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

/* A command must work as it is printed, also when this is another namespace. */
static const char *mend_text(const struct doctor *doctor, const struct finding *found,
			     char text[TEXT_ROOM])
{
	const char *netns = doctor->context->options.netns, *mend = found->mend;

	if (!netns || found->where != HERE)
		snprintf(text, TEXT_ROOM, "%s", mend);
	else if (begins(mend, "lbadm "))
		snprintf(text, TEXT_ROOM, "lbadm -n %s %s", netns, mend + strlen("lbadm "));
	else if (strchr(netns, '/'))
		snprintf(text, TEXT_ROOM, "nsenter --net=%s %s", netns, mend);
	else
		snprintf(text, TEXT_ROOM, "ip netns exec %s %s", netns, mend);
	return text;
}

/**
 * finding - something is wrong
 * @doctor: whose finding it is
 * @severity: how bad
 * @id: what kind; stable
 * @mend: the command that mends it on this node, as one would type it in this
 *	namespace; NULL if it can't be known
 * @format: the sentence, as printf()
 */
void finding(struct doctor *doctor, enum severity severity, const char *id, const char *mend,
	     const char *format, ...)
{
	struct finding *new;
	char text[TEXT_ROOM];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	doctor->findings = mem_grow(doctor->findings, &doctor->room, doctor->count + 1,
				    sizeof(*doctor->findings));
	new = &doctor->findings[doctor->count++];
	*new = (struct finding){ .severity = severity, .id = id, .sentence = copy(text) };
	new->mend = copy(mend ? mend : "");
}

/**
 * finding_elsewhere - what mends the newest finding is to be run on another machine
 * @doctor: whose finding it is
 * @where: on which
 */
void finding_elsewhere(struct doctor *doctor, enum where where)
{
	doctor->findings[doctor->count - 1].where = where;
}

static void findings_free(struct doctor *doctor)
{
	size_t i;

	for (i = 0; i < doctor->count; i++) {
		free(doctor->findings[i].sentence);
		free(doctor->findings[i].mend);
	}
	free(doctor->findings);
}

static void findings_json(struct json *json, const struct doctor *doctor,
			  enum severity severity)
{
	char text[TEXT_ROOM];
	size_t i;

	for (i = 0; i < doctor->count; i++) {
		const struct finding *found = &doctor->findings[i];

		if (found->severity != severity)
			continue;
		json_open(json, NULL, '{');
		json_string(json, "severity", severity_names[severity]);
		json_string(json, "id", found->id);
		json_string(json, "sentence", found->sentence);
		if (found->mend[0])
			json_string(json, "mend", mend_text(doctor, found, text));
		else
			json_null(json, "mend");
		json_string(json, "where", where_names[found->where]);
		json_close(json);
	}
}

static void findings_text(const struct doctor *doctor, enum severity severity)
{
	static const char *const colors[] = { "\033[1;31m", "\033[1;33m", "\033[1m" };
	static const char *const at[] = { "", "  (on the router)", "  (on all nodes)" };
	bool color = out_color(STDOUT_FILENO);
	char text[TEXT_ROOM];
	size_t i;

	for (i = 0; i < doctor->count; i++) {
		const struct finding *found = &doctor->findings[i];

		if (found->severity != severity)
			continue;
		printf("%s%s:%s %s: %s\n", color ? colors[severity] : "",
		       severity_names[severity], color ? "\033[0m" : "", found->id,
		       found->sentence);
		if (found->mend[0])
			printf("    %s%s\n", mend_text(doctor, found, text), at[found->where]);
	}
}

static int doctor_tell(struct context *context, const struct doctor *doctor)
{
	enum severity severity;
	struct json json;
	int code;

	if (!context->options.json) {
		for (severity = ERROR; severity <= NOTE; severity++)
			findings_text(doctor, severity);
		if (!doctor->count)
			puts("nothing found");
		return LBADM_OK;
	}
	code = context_json_begin(context, &json, doctor->snapshot.generation);
	if (code)
		return code;
	json_open(&json, "findings", '[');
	for (severity = ERROR; severity <= NOTE; severity++)
		findings_json(&json, doctor, severity);
	json_close(&json);
	context_json_end(&json);
	return LBADM_OK;
}

static bool is_well(const struct doctor *doctor)
{
	size_t i;

	for (i = 0; i < doctor->count; i++) {
		if (doctor->findings[i].severity != NOTE)
			return false;
	}
	return true;
}

static void doctor_check(struct doctor *doctor)
{
	doctor_forwarding(doctor);
	doctor_rp_filter(doctor);
	doctor_nodes(doctor);
	doctor_sender(doctor);
	doctor_addresses(doctor);
	doctor_ports(doctor);
	doctor_localnet(doctor);
	doctor_mtu(doctor);
	doctor_dispatch(doctor);
	doctor_nat(doctor);
	doctor_ipvs(doctor);
	doctor_flows(doctor);
	doctor_drops(doctor);
}

static int doctor_run(struct context *context)
{
	struct doctor doctor = { .context = context };
	struct line *line = &context->line;
	int code = 0;

	if (line_take_word(line, "watch"))
		code = args_duration(line, "watch", &doctor.watch);
	else if (line_peek(line))
		code = args_unknown(line, "watch");
	if (!code && doctor.watch > WATCH_MAX)
		code = report_last(line, "an hour is as long as counters can be watched");
	if (!code)
		code = args_end(line);
	if (!code)
		code = conn_open(&context->conn);
	if (!code)
		code = doctor_look(&doctor);
	if (!code) {
		doctor_check(&doctor);
		code = doctor_tell(context, &doctor);
	}
	if (!code && !is_well(&doctor))
		code = LBADM_DIFFERS;
	findings_free(&doctor);
	doctor_forget(&doctor);
	return code;
}

static const struct command doctor_commands[] = {
	{
		.args = "[watch DURATION]",
		.summary = "find what around the module keeps services from working, and what mends it",
		.help = "Looks at the configuration in force, at sysctls, devices, routes, neighbours and\n"
			"NAT rules of this node, and at flows and counters. Each finding names what is\n"
			"wrong, and below it stands the command that mends it. An error loses packets, a\n"
			"warning may, a note does not.\n"
			"With 'watch' the counters of dropped packets are read again after DURATION, and\n"
			"those that have risen meanwhile are warned of; else they are noted.\n"
			"It changes nothing. Nodes on this one's links, and service addresses that belong\n"
			"there, are asked for by ARP or neighbour discovery. Exits with 4 if there are errors or warnings.\n",
		.run = doctor_run,
	},
	{ 0 }
};

const struct object doctor_object = {
	.name = "doctor",
	.summary = "what keeps services from working, and what mends it",
	.commands = doctor_commands,
};
