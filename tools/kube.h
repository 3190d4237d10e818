/* SPDX-License-Identifier: GPL-2.0-only */
/* A cluster of Kubernetes, as far as a service proxy is concerned, and as lbadm's own lines. */
#ifndef LBADM_KUBE_H
#define LBADM_KUBE_H

#include <linux/bpflb.h>

#include "parse.h"
#include "yaml_tree.h"

/**
 * struct kube_list - an array that grows, in a cluster's arena
 * @at: the elements
 * @count: how many
 * @room: how many there is memory for
 */
struct kube_list {
	void *at;
	size_t count;
	size_t room;
};

#define kube_for_each(type, element, list)					\
	for (__typeof__(type) *element = (list)->at, *element##_end = element ?	\
	     element + (list)->count : NULL; element != element##_end; element++)

/** struct kube_port - of a service, or of a slice: there @number is the backends' */
struct kube_port {
	const char *name;	/* "" if it has none */
	uint8_t proto;		/* IPPROTO_* */
	uint16_t number;
	uint16_t node_port;	/* 0: none */
};

/** struct kube_service - a Service that is for us */
struct kube_service {
	const char *namespace;
	const char *name;
	unsigned int line;
	struct kube_list ports;		/* struct kube_port */
	struct kube_list cluster_ips;	/* struct address */
	struct kube_list balancer_ips;
	struct kube_list external_ips;
	struct kube_list ranges;	/* struct prefix */
	bool ranges_deny;
	bool local;
	bool internal_local;
	uint32_t affinity;		/* seconds; 0: none */
	uint16_t health_port;		/* 0: none */
	const char *scheduler;		/* NULL: not said */
	const char *mode;
};

/** struct kube_slice - the part of an EndpointSlice that its endpoints share */
struct kube_slice {
	const char *namespace;
	const char *service;
	uint8_t length;			/* of its addresses */
	struct kube_list ports;		/* struct kube_port */
	struct kube_list endpoints;	/* struct kube_endpoint */
};

/** struct kube_endpoint - one that is ready, or ends but still serves */
struct kube_endpoint {
	struct address address;
	const char *node;		/* NULL: not said */
	unsigned int line;
	bool ready;
	struct kube_list zones;		/* const char * */
	struct kube_list nodes;		/* const char * */
};

/** struct kube_candidate - an endpoint, at the port that a service's port leads to */
struct kube_candidate {
	const struct kube_endpoint *endpoint;
	uint16_t port;
	bool local;			/* on this node */
};

/** struct kube_node - a Node */
struct kube_node {
	const char *name;
	const char *zone;		/* NULL: not said */
	unsigned int line;
	struct address addresses[2];	/* IPv4, IPv6 */
	struct kube_list pods;		/* struct prefix */
};

/**
 * struct kube_cluster - what a file tells of a cluster
 * @reader: of the file
 * @arena: all that is below
 * @services: struct kube_service
 * @slices: struct kube_slice
 * @nodes: struct kube_node
 * @mode: of a ModuleConfig; NULL: none told
 * @mode_line: where
 */
struct kube_cluster {
	struct tree_reader reader;
	struct arena arena;
	struct kube_list services;
	struct kube_list slices;
	struct kube_list nodes;
	const char *mode;
	unsigned int mode_line;
};

/**
 * struct kube_lines - a configuration made of a cluster
 * @text: as lbadm save would write it
 * @length: of @text
 * @numbers: of each line of @text, the line of the cluster's file that it comes from
 * @count: of @numbers
 * @partial: it says nothing but how to set something
 */
struct kube_lines {
	char *text;
	size_t length;
	unsigned int *numbers;
	size_t count;
	bool partial;
};

bool kube_is(const char *text, size_t length);
int kube_convert(const char *name, const char *text, size_t length, const char *node,
		 struct kube_lines *lines);
void kube_lines_free(struct kube_lines *lines);

void *kube_add(struct kube_cluster *cluster, struct kube_list *list, size_t size);
void kube_read_service(struct kube_cluster *cluster, const struct tree *object);
void kube_read_slice(struct kube_cluster *cluster, const struct tree *object);
void kube_read_node(struct kube_cluster *cluster, const struct tree *object);
void kube_read_module_config(struct kube_cluster *cluster, const struct tree *object);
void kube_choose(struct kube_cluster *cluster, const struct kube_node *self,
		 const struct kube_service *service, const struct kube_port *port,
		 struct kube_list *candidates);
void kube_sort(struct kube_cluster *cluster);
const struct kube_node *kube_node_find(const struct kube_cluster *cluster, const char *name);
void kube_write(struct kube_cluster *cluster, const struct kube_node *self,
		struct kube_lines *lines);

#endif /* LBADM_KUBE_H */
