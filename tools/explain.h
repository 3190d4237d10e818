/* SPDX-License-Identifier: GPL-2.0-only */
/* What the module says would become of a packet. */
#ifndef LBADM_EXPLAIN_H
#define LBADM_EXPLAIN_H

#include "flow.h"
#include "names.h"

#define EXPLAIN_RANGES	4
#define REASON_ROOM	32

/** struct candidate - see enum bpflb_candidate_attr */
struct candidate {
	struct endpoint backend;
	uint8_t state;
	uint32_t weight;
	uint32_t flows;
	uint32_t flows_max;
	bool here;
	struct address node;
	uint8_t unfit;
	uint32_t share;
	bool chosen;
	bool has_kind;
	uint8_t kind;
	uint8_t dispatch;
	uint8_t why;
	char reason[REASON_ROOM];
	bool no_route;
	bool other_port;
	char device[IFNAMSIZ];
	struct address gateway;
	uint32_t mtu;
	uint32_t head;
	struct address tunnel;
	struct endpoint source;
};

/** struct explanation - see enum bpflb_explain_attr */
struct explanation {
	uint64_t generation;
	uint8_t proto;
	struct endpoint client;
	struct endpoint service;
	char device[IFNAMSIZ];
	bool local_out;
	bool pod;
	bool address;
	uint8_t verdict;
	char reason[REASON_ROOM];
	bool has_flow;
	bool flow_ends;
	struct flow flow;
	char name[BPFLB_NAME_MAX];
	struct frontend frontend;
	uint8_t sources;
	uint8_t policy;
	bool only_here;
	uint8_t scheduler;
	uint32_t affinity;
	bool one_packet;
	uint8_t choice;
	bool crowded;
	uint16_t ports[EXPLAIN_RANGES][2];
	unsigned int range_count;
	struct candidate *candidates;
	size_t count, room;
};

/* explain_decode.c */
extern const char *const verdict_names[];
extern const char *const choice_names[];
extern const char *const unfit_names[];
extern const char *const why_names[];
void explain_take(struct explanation *e, const struct nlmsghdr *nlh);
void explain_json(struct json *json, const struct explanation *e);

/* explain_show.c */
void explain_show(const struct explanation *e);

#endif /* LBADM_EXPLAIN_H */
