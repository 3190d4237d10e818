// SPDX-License-Identifier: GPL-2.0-only
/*
 * Services of IPVS as lines that apply reads. What is not the same here stands above its line, as
 * a comment that names the line of IPVS.
 */
#include <linux/bpflb.h>
#include <stdarg.h>
#include <string.h>

#include "ipvs.h"
#include "names.h"

#define NAME_TEXT_ROOM	128
#define KEY_ROOM	96

/* How long a client is remembered where its address alone is to choose: that it is then chosen
 * by is its address, at any time.
 */
#define BY_ADDRESS_SECONDS	300

/**
 * struct nearest - a scheduler of IPVS, and what comes closest here
 * @name: of IPVS
 * @scheduler: here
 * @weighs: IPVS heeds weights, other than 0
 * @note: what is different; NULL: nothing
 */
struct nearest {
	const char *name;
	uint8_t scheduler;
	bool weighs;
	const char *note;
};

static const struct nearest schedulers[] = {
	{ "rr", BPFLB_SCHEDULER_RR, false, NULL },
	{ "wrr", BPFLB_SCHEDULER_RR, true, NULL },
	{ "lc", BPFLB_SCHEDULER_LC, false, NULL },
	{ "wlc", BPFLB_SCHEDULER_LC, true, NULL },
	{ "sed", BPFLB_SCHEDULER_LC, true,
	  "sed is lc here, which may begin with a lighter server" },
	{ "nq", BPFLB_SCHEDULER_LC, true,
	  "nq is lc here, which may begin with a lighter server" },
	{ "twos", BPFLB_SCHEDULER_LC, true,
	  "twos is lc here, which looks at more than two servers" },
	{ "ovf", BPFLB_SCHEDULER_LC, true,
	  "ovf is lc here: all servers are used at once" },
	{ "lblc", BPFLB_SCHEDULER_LC, true,
	  "lblc is lc here: all of a service has one destination" },
	{ "lblcr", BPFLB_SCHEDULER_LC, true,
	  "lblcr is lc here: all of a service has one destination" },
	{ "dh", BPFLB_SCHEDULER_MAGLEV, true,
	  "dh is maglev here: all of a service has one destination" },
	{ "sh", BPFLB_SCHEDULER_MAGLEV, true,
	  "sh is maglev here, which chooses other servers than sh did" },
	{ "mh", BPFLB_SCHEDULER_MAGLEV, true,
	  "mh is maglev here, which chooses other servers than mh did" },
	{ "fo", BPFLB_SCHEDULER_RANDOM, true,
	  "fo is not there: the heaviest server has weight 1, the others 0 until that is changed" },
};

/* Of one that is not known. */
static const struct nearest other = {
	"", BPFLB_SCHEDULER_RANDOM, true, "this scheduler is not known here; random stands in"
};

/**
 * struct writing - what goes on
 * @file: where to
 * @source: name of the file that was read
 * @notes: how many were written
 * @service: which is being written
 * @nearest: its scheduler
 * @method: how most of its servers get their packets
 * @top: the largest weight of its servers
 */
struct writing {
	FILE *file;
	const char *source;
	unsigned int notes;
	const struct ipvs_service *service;
	const struct nearest *nearest;
	char method;
	uint32_t top;
};

__attribute__((format(printf, 3, 4)))
static void note(struct writing *w, unsigned int number, const char *format, ...)
{
	va_list list;

	fprintf(w->file, "# %s:%u: ", w->source, number);
	va_start(list, format);
	vfprintf(w->file, format, list);
	va_end(list);
	putc('\n', w->file);
	w->notes++;
}

static const struct nearest *nearest_to(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(schedulers) / sizeof(*schedulers); i++) {
		if (!strcmp(schedulers[i].name, name))
			return &schedulers[i];
	}
	return &other;
}

static bool is_loopback(const struct address *address)
{
	static const uint8_t one[16] = { [15] = 1 };

	if (address->length == 16)
		return !memcmp(address->bytes, one, sizeof(one));
	return address->bytes[0] == 127;
}

static void survey(struct writing *w, const struct ipvs *ipvs, size_t which)
{
	unsigned int of[3] = { 0 };
	size_t i;

	w->service = &ipvs->services[which];
	w->nearest = nearest_to(w->service->scheduler);
	w->top = 0;
	for (i = 0; i < ipvs->server_count; i++) {
		const struct ipvs_server *server = &ipvs->servers[i];

		if (server->service != which)
			continue;
		of[server->method == 'g' ? 0 : server->method == 'i' ? 1 : 2]++;
		if (server->weight > w->top)
			w->top = server->weight;
	}
	w->method = of[0] >= of[1] && of[0] >= of[2] ? 'g' : of[1] >= of[2] ? 'i' : 'm';
	if (!of[0] && !of[1] && !of[2])
		w->method = 'm';
}

static const char *service_name(const struct ipvs_key *key, char text[NAME_TEXT_ROOM])
{
	char room[NAME_ROOM], address[ADDRESS_ROOM], port[NAME_ROOM] = "all";

	if (key->at.port)
		snprintf(port, sizeof(port), "%u", key->at.port);
	snprintf(text, NAME_TEXT_ROOM, "%s/%s/%s", proto_name(key->proto, room),
		 format_address(&key->at.address, address), port);
	return text;
}

/* With * for port 0, which lbadm's words have for all ports. */
static const char *at_text(const struct endpoint *at, char text[ENDPOINT_ROOM])
{
	char address[ADDRESS_ROOM];

	if (at->port)
		return format_endpoint(at, text);
	snprintf(text, ENDPOINT_ROOM, at->address.length == 16 ? "[%s]:*" : "%s:*",
		 format_address(&at->address, address));
	return text;
}

/* Does the client's address choose alone? Affinity makes maglev leave the port out. */
static bool is_by_address(const struct ipvs_service *service)
{
	return (!strcmp(service->scheduler, "sh") && !strstr(service->flags, "sh-port")) ||
	       (!strcmp(service->scheduler, "mh") && !strstr(service->flags, "mh-port"));
}

static bool is_one_packet(const struct ipvs_service *service)
{
	return service->one_packet && service->key.proto == IPPROTO_UDP && !service->persistent;
}

static uint32_t affinity_of(const struct ipvs_service *service)
{
	if (!service->persistent)
		return is_by_address(service) && !is_one_packet(service) ? BY_ADDRESS_SECONDS : 0;
	return service->timeout > BPFLB_AFFINITY_SECONDS_MAX ? BPFLB_AFFINITY_SECONDS_MAX :
	       service->timeout ? service->timeout : 1;
}

static void note_flags(struct writing *w)
{
	const struct ipvs_service *s = w->service;

	if (strstr(s->flags, "fallback"))
		note(w, s->number, "--sched-flags %s: a server without weight is never chosen, and "
		     "its clients go to others", s->flags);
	else if (s->flags[0] && strcmp(s->flags, "sh-port") && strcmp(s->flags, "mh-port"))
		note(w, s->number, "--sched-flags %s is not known here", s->flags);
}

static void note_service(struct writing *w)
{
	const struct ipvs_service *s = w->service;

	if (w->nearest->note)
		note(w, s->number, "-s %s: %s", s->scheduler, w->nearest->note);
	note_flags(w);
	if (s->pe[0])
		note(w, s->number, "--pe %s: connections are told apart by their addresses only",
		     s->pe);
	if (s->partly)
		note(w, s->number, "-M: affinity is of whole addresses");
	if (s->persistent && s->timeout > BPFLB_AFFINITY_SECONDS_MAX)
		note(w, s->number, "-p %u: affinity lasts a day at most", s->timeout);
	if (s->persistent)
		note(w, s->number, "-p: affinity counts from a client's last new flow, and does not "
		     "wait for its flows to end");
	if (s->one_packet && !is_one_packet(s))
		note(w, s->number, "-o: %s", s->key.proto != IPPROTO_UDP ?
		     "it is of UDP only" : "not together with affinity");
	if (is_one_packet(s) && is_by_address(s))
		note(w, s->number, "-o: a datagram's backend is chosen by its port too");
	if (w->method == 'm')
		note(w, s->number, "-m: servers see this node for a client, and need not have it for "
		     "their router; IPVS has kept the client's address");
}

static void write_service(struct writing *w)
{
	static const char *const how[] = {
		"mode dsr dispatch l2", "mode dsr dispatch ipip", "mode snat"
	};
	const struct ipvs_service *s = w->service;
	char name[NAME_TEXT_ROOM], at[ENDPOINT_ROOM], room[NAME_ROOM];
	uint32_t affinity = affinity_of(s);

	fprintf(w->file, "service add %s %s %s", service_name(&s->key, name),
		proto_name(s->key.proto, room), at_text(&s->key.at, at));
	if (w->nearest->scheduler != BPFLB_SCHEDULER_RANDOM)
		fprintf(w->file, " scheduler %s",
			name_of(scheduler_names, w->nearest->scheduler, room));
	if (affinity)
		fprintf(w->file, " affinity %us", affinity);
	fprintf(w->file, " %s", how[w->method == 'g' ? 0 : w->method == 'i' ? 1 : 2]);
	if (is_one_packet(s))
		fputs(" one-packet on", w->file);
	putc('\n', w->file);
}

static uint32_t weight_of(const struct writing *w, const struct ipvs_server *server)
{
	if (!strcmp(w->service->scheduler, "fo"))
		return server->weight && server->weight == w->top;
	if (!w->nearest->weighs)
		return !!server->weight;
	return server->weight > BPFLB_WEIGHT_MAX ? BPFLB_WEIGHT_MAX : server->weight;
}

static void note_server(struct writing *w, const struct ipvs_server *server)
{
	uint16_t port = w->service->key.at.port;

	if (server->method != w->method)
		note(w, server->number, "-%c: a service has one way to its servers, and most of this "
		     "one's have -%c", server->method, w->method);
	else if (w->method != 'm' && server->at.port && port && server->at.port != port)
		note(w, server->number, "-%c: at another port than the service's it is reached by SNAT",
		     server->method);
	if (server->tunnel[0] && strcmp(server->tunnel, "ipip"))
		note(w, server->number, "--tun-type %s: ipip stands in", server->tunnel);
	if (server->lower)
		note(w, server->number, "-y %u: a server that has its flows-max gets new flows as "
		     "soon as one has ended", server->lower);
	if (server->weight > BPFLB_WEIGHT_MAX)
		note(w, server->number, "-w %u: a weight is %d at most", server->weight,
		     BPFLB_WEIGHT_MAX);
	else if (!w->nearest->weighs && server->weight > 1)
		note(w, server->number, "-w %u: IPVS' %s heeds no weights, so it has 1 here",
		     server->weight, w->service->scheduler);
}

static void write_server(struct writing *w, const struct ipvs_server *server)
{
	const struct ipvs_key *key = &w->service->key;
	char name[NAME_TEXT_ROOM], at[ENDPOINT_ROOM];
	uint32_t weight = weight_of(w, server);

	at_text(&server->at, at);
	if (server->at.address.length != key->at.address.length) {
		note(w, server->number, "left out: -r %s is of another family than the service",
		     at);
		return;
	}
	if (is_loopback(&server->at.address)) {
		note(w, server->number, "left out: -r %s is a loopback address", at);
		return;
	}
	note_server(w, server);
	fprintf(w->file, "backend add %s %s", service_name(key, name), at);
	if (weight != 1)
		fprintf(w->file, " weight %u", weight);
	if (server->upper)
		fprintf(w->file, " flows-max %u", server->upper);
	putc('\n', w->file);
}

static bool is_left_out(struct writing *w)
{
	const struct ipvs_key *key = &w->service->key;
	char text[KEY_ROOM];

	ipvs_key_text(key, text, sizeof(text));
	if (!key->proto)
		note(w, w->service->number, "left out: %s: services are known by their addresses, "
		     "of which one may have 64", text);
	else if (is_loopback(&key->at.address))
		note(w, w->service->number, "left out: %s: a loopback address can't be balanced",
		     text);
	else
		return false;
	return true;
}

/**
 * ipvs_write - services of IPVS as apply reads them
 * @file: where to
 * @ipvs: the services
 * @source: name of the file that they are from
 *
 * Return: how many comments say that something is not as it was.
 */
unsigned int ipvs_write(FILE *file, const struct ipvs *ipvs, const char *source)
{
	struct writing w = { .file = file, .source = source };
	size_t i, j;

	for (i = 0; i < ipvs->service_count; i++) {
		survey(&w, ipvs, i);
		if (is_left_out(&w))
			continue;
		note_service(&w);
		write_service(&w);
		for (j = 0; j < ipvs->server_count; j++) {
			if (ipvs->servers[j].service == i)
				write_server(&w, &ipvs->servers[j]);
		}
	}
	return w.notes;
}
