/* SPDX-License-Identifier: GPL-2.0-only */
/* The module's objects as lbadm shows them. */
#ifndef LBADM_OBJECTS_H
#define LBADM_OBJECTS_H

#include <linux/bpflb.h>
#include <linux/if.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "lbadm.h"
#include "parse.h"

#define VERSION_ROOM 64

/** struct counters - what was counted for a service, a backend, or all */
struct counters {
	uint64_t flows;
	uint64_t packets_in;
	uint64_t bytes_in;
	uint64_t packets_out;
	uint64_t bytes_out;
	uint64_t drops;
	bool has_drops;
};

/** struct status - see enum bpflb_status_attr */
struct status {
	char version[VERSION_ROOM];
	uint64_t generation;
	uint8_t mode;
	uint8_t mode_origin;
	uint32_t services;
	uint32_t backends;
	uint32_t nodes;
	uint32_t flows;
	uint32_t flows_max;
	uint32_t flow_buckets;
	uint64_t drops;
	bool active;
	uint32_t namespaces;
	uint64_t flow_events_lost;
};

/** struct settings - see enum bpflb_settings_attr */
struct settings {
	uint64_t generation;
	uint8_t mode;
	uint8_t mode_origin;
	uint32_t flows_max;
	uint32_t flows_max_default;
	uint32_t timeouts[BPFLB_TIMEOUT_A_MAX];	/* by enum bpflb_flow_state; 0: not told */
	struct address snat_addresses[BPFLB_SNAT_ADDRS_MAX];
	unsigned int snat_count;
	uint16_t snat_ports[2];
	uint16_t nodeports[2];
	uint8_t dsr_sender;
	bool bypass;
	uint8_t no_backend;
	uint8_t unknown_ports;
	bool ping;
	bool flow_accounting;
	uint32_t flow_events;	/* 0: not told */
	struct prefix nodeport_addresses[BPFLB_NODEPORT_ADDRS_MAX];
	unsigned int nodeport_address_count;
	struct prefix pods[BPFLB_PODS_MAX];
	unsigned int pod_count;
	uint8_t masquerade;
	uint8_t refused_notes;
	uint8_t dispatch;
	struct prefix ipip_sources[2];
	unsigned int ipip_source_count;
	char dsr_devices[BPFLB_DSR_DEVICES_MAX][IFNAMSIZ];
	unsigned int device_count;
};

/**
 * struct service - see enum bpflb_service_attr
 *
 * @ranges is the last, so that it need not be zeroed.
 */
struct service {
	uint64_t generation;
	char name[BPFLB_NAME_MAX];
	uint8_t proto;
	struct frontend frontends[BPFLB_FRONTENDS_MAX];
	unsigned int frontend_count;
	uint8_t scheduler;
	uint32_t table_size;
	uint32_t affinity;
	uint8_t policy;
	uint8_t internal_policy;
	bool bypass;
	bool one_packet;
	uint8_t mode;
	uint8_t dispatch;
	uint32_t backends;
	uint32_t backends_local;
	struct counters counters;
	uint32_t flows_max;
	uint8_t sources;
	unsigned int range_count;
	struct prefix ranges[BPFLB_SOURCES_MAX];
};

/** struct backend - see enum bpflb_backend_attr */
struct backend {
	uint64_t generation;
	char service[BPFLB_NAME_MAX];
	struct endpoint endpoint;
	uint32_t weight;
	uint32_t flows_max;
	uint8_t state;
	bool local;
	bool here;
	struct address node;
	uint32_t flows;
	struct counters counters;
};

/** struct node - see enum bpflb_node_attr */
struct node {
	uint64_t generation;
	struct address address;
	bool self;
	uint32_t backends;
};

/**
 * struct backend_filters - which backends are listed
 * @seen: a bit for each that was given
 * @service: only this one's
 * @word: that named it
 * @node: only those on it
 * @state: only those that are in it
 * @address: only this one; its port is 0 for any
 */
struct backend_filters {
	unsigned int seen;
	const char *service;
	unsigned int word;
	struct address node;
	unsigned int state;
	struct endpoint address;
};

int status_get(struct context *context, struct status *status);

void counters_decode(const struct nlattr *nest, struct counters *counters);
void counters_json(struct json *json, const struct counters *counters);

void settings_decode(const struct nlmsghdr *nlh, struct settings *settings);
void settings_json(struct json *json, const char *key, const struct settings *settings);
void settings_event(FILE *file, const struct settings *settings);
void settings_save(FILE *file, const struct settings *settings);
int settings_get(struct context *context, struct settings *settings);
int settings_run_show(struct context *context);

void service_decode(const struct nlmsghdr *nlh, struct service *service);
void service_json(struct json *json, const char *key, const struct service *service);
void service_words(FILE *file, const struct service *service, bool defaults);
int service_get(struct context *context, const char *name, unsigned int word,
		struct service *service);
int service_run_list(struct context *context);

void backend_decode(const struct nlmsghdr *nlh, struct backend *backend);
void backend_json(struct json *json, const char *key, const struct backend *backend);
void backend_words(FILE *file, const struct backend *backend, bool defaults);
int backend_gather(struct context *context, const char *service, unsigned int word,
		   struct messages *messages);
int backend_filters_take(struct line *line, struct backend_filters *filters, bool service);
void backend_filters_apply(const struct backend_filters *filters, struct messages *messages);
int backend_run_list(struct context *context);
void backend_list_json(struct json *json, const struct messages *messages);
void backend_list_table(const struct messages *messages);

void node_decode(const struct nlmsghdr *nlh, struct node *node);
void node_json(struct json *json, const char *key, const struct node *node);

void flow_json(struct json *json, const char *key, const struct nlmsghdr *nlh);
void flow_words(FILE *file, const struct nlmsghdr *nlh);

#endif /* LBADM_OBJECTS_H */
