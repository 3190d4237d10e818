/* SPDX-License-Identifier: GPL-2.0-only */
/* Flows as lbadm shows them, and as it makes them again. */
#ifndef LBADM_FLOW_H
#define LBADM_FLOW_H

#include "objects.h"

/** struct flow - see enum bpflb_flow_attr; of @packets and @bytes the client's are first */
struct flow {
	char service[BPFLB_NAME_MAX];
	uint8_t proto;
	uint8_t kind;
	uint8_t state;
	struct endpoint client;
	struct endpoint frontend;
	struct endpoint backend;
	struct endpoint snat;
	uint16_t mid_port;
	uint8_t closed;
	uint8_t marks;
	uint8_t bypass;
	uint8_t dispatch;
	bool has_dispatch;
	uint32_t idle;
	uint32_t expires;
	bool has_idle;
	bool has_expires;
	uint64_t packets[2];
	uint64_t bytes[2];
	uint64_t duration;
	bool has_account;
	uint8_t end;
	bool has_end;
};

void flow_decode(const struct nlmsghdr *nlh, struct flow *flow);
void flow_decode_nest(const struct nlattr *nest, struct flow *flow);
void flow_show_json(struct json *json, const char *key, const struct flow *flow);
void flow_show(FILE *file, const struct flow *flow);

/* flow_add.c */
#define FLOW_ADD_ARGS "SERVICE tcp|udp|sctp CLIENT:PORT ADDRESS:PORT BACKEND:PORT KIND STATE\n" \
	"    [source ADDRESS:PORT] [port N] [dispatch D] [closed client|backend|both]\n" \
	"    [idle DURATION] [noted] [not-mid] [one-packet]"
extern const char flow_add_help[];
int flow_build_add(struct request *request, struct line *line);
bool flow_is_known(const struct flow *flow);
void flow_write(FILE *file, const struct flow *flow);

/* flow_file.c */
extern const char flow_save_help[];
extern const char flow_restore_help[];
int flow_run_save(struct context *context);
int flow_run_restore(struct context *context);

/* affinity.c */
int affinity_build_add(struct request *request, struct line *line);
void affinity_write(FILE *file, const struct nlmsghdr *nlh);

#endif /* LBADM_FLOW_H */
