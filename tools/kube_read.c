// SPDX-License-Identifier: GPL-2.0-only
/*
 * The objects of Kubernetes' API (v1, discovery.k8s.io/v1) that a service proxy
 * lives by: what of them counts, and how kube-proxy reads it. Fields that are
 * not known are not looked at, as clients of that API have to; values that are
 * not known are errors.
 */
#include <netinet/in.h>
#include <string.h>

#include "kube.h"

#define PORT_MAX		65535
#define AFFINITY_DEFAULT	10800
#define PROXY_NAME_LABEL	"service.kubernetes.io/service-proxy-name"
#define HEADLESS_LABEL		"service.kubernetes.io/headless"
#define SERVICE_LABEL		"kubernetes.io/service-name"
#define ZONE_LABEL		"topology.kubernetes.io/zone"
/* Cilium's words for what Kubernetes has none for. */
#define MODE_ANNOTATION		"service.cilium.io/forwarding-mode"
#define SCHEDULER_ANNOTATION	"service.cilium.io/lb-algorithm"
#define RANGES_ANNOTATION	"service.cilium.io/src-ranges-policy"

enum type { TYPE_CLUSTER_IP, TYPE_NODE_PORT, TYPE_LOAD_BALANCER, TYPE_EXTERNAL_NAME };

static const char *const types[] = {
	"ClusterIP", "NodePort", "LoadBalancer", "ExternalName", NULL
};
static const char *const protocols[] = { "TCP", "UDP", "SCTP", NULL };
static const uint8_t protocol_numbers[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };
static const char *const policies[] = { "Cluster", "Local", NULL };

/**
 * kube_add - one more element
 * @cluster: whose arena
 * @list: zeroed at first
 * @size: of an element
 *
 * Return: the element, zeroed.
 */
void *kube_add(struct kube_cluster *cluster, struct kube_list *list, size_t size)
{
	void *element;

	if (list->count == list->room) {
		size_t room = list->room ? 2 * list->room : 2;
		void *more = arena_alloc(&cluster->arena, room * size);

		if (list->count)
			memcpy(more, list->at, list->count * size);
		list->at = more;
		list->room = room;
	}
	element = (char *)list->at + list->count++ * size;
	return memset(element, 0, size);
}

/* A text that outlives its object. */
static const char *keep(struct kube_cluster *cluster, const char *text)
{
	return text ? arena_copy(&cluster->arena, text, strlen(text)) : NULL;
}

static const char *field(struct kube_cluster *cluster, const struct tree *map, const char *key)
{
	return keep(cluster, tree_string(&cluster->reader, map, key));
}

/* The text of an element of a list. */
static const char *element(struct kube_cluster *cluster, const struct tree *value)
{
	if (value->kind == TREE_SCALAR)
		return value->text;
	tree_wrong(&cluster->reader, value, "must be a word");
	return "";
}

/* What an object is called; NULL if it has no name, which is reported. */
static const char *name_of(struct kube_cluster *cluster, const struct tree *object,
			   const struct tree *meta)
{
	const char *name = field(cluster, meta, "name");

	if (!name)
		tree_wrong(&cluster->reader, object, "metadata.name is missing");
	return name;
}

static const char *namespace_of(struct kube_cluster *cluster, const struct tree *meta)
{
	const char *namespace = field(cluster, meta, "namespace");

	return namespace ? namespace : "default";
}

static void add_address(struct kube_cluster *cluster, struct kube_list *list,
			const struct tree *value)
{
	const char *text = element(cluster, value);
	struct address address;

	if (parse_address(text, &address))
		*(struct address *)kube_add(cluster, list, sizeof(address)) = address;
	else
		tree_wrong(&cluster->reader, value, "'%s' is not an address", text);
}

static void add_prefix(struct kube_cluster *cluster, struct kube_list *list,
		       const struct tree *value)
{
	const char *text = element(cluster, value);
	size_t length;
	struct prefix prefix;

	/* As kube-proxy does: blanks around it are nobody's wish. */
	text += strspn(text, " \t");
	length = strcspn(text, " \t");
	if (parse_prefix(text, length, &prefix) && !text[length + strspn(text + length, " \t")])
		*(struct prefix *)kube_add(cluster, list, sizeof(prefix)) = prefix;
	else
		tree_wrong(&cluster->reader, value, "'%s' is not a prefix", text);
}

/* The port of a service or a slice. */
static void add_port(struct kube_cluster *cluster, struct kube_list *list,
		     const struct tree *value)
{
	struct tree_reader *reader = &cluster->reader;
	struct kube_port *port = kube_add(cluster, list, sizeof(*port));
	const char *name = field(cluster, value, "name");

	port->name = name ? name : "";
	port->proto = protocol_numbers[tree_choice(reader, value, "protocol", protocols, 0)];
	port->number = tree_number(reader, value, "port", PORT_MAX, 0);
	port->node_port = tree_number(reader, value, "nodePort", PORT_MAX, 0);
}

static bool is_ours(struct kube_cluster *cluster, const struct tree *meta,
		    const struct tree *spec, enum type type)
{
	const struct tree *labels = tree_get(&cluster->reader, meta, "labels", TREE_MAP);
	const char *ip = tree_string(&cluster->reader, spec, "clusterIP");

	if (type == TYPE_EXTERNAL_NAME || !ip || !*ip || !strcmp(ip, "None"))
		return false;
	return !tree_get(&cluster->reader, labels, PROXY_NAME_LABEL, TREE_SCALAR) &&
	       !tree_get(&cluster->reader, labels, HEADLESS_LABEL, TREE_SCALAR);
}

static void read_cluster_ips(struct kube_cluster *cluster, struct kube_service *service,
			     const struct tree *spec)
{
	const struct tree *one = tree_get(&cluster->reader, spec, "clusterIP", TREE_SCALAR);

	tree_for_each(&cluster->reader, value, spec, "clusterIPs", TREE_LIST)
		add_address(cluster, &service->cluster_ips, value);
	if (!service->cluster_ips.count && one)
		add_address(cluster, &service->cluster_ips, one);
}

/* An address that a load balancer elsewhere serves (ipMode Proxy) is not ours. */
static void read_ingress(struct kube_cluster *cluster, struct kube_service *service,
			 const struct tree *object)
{
	static const char *const ip_modes[] = { "VIP", "Proxy", NULL };
	struct tree_reader *reader = &cluster->reader;
	const struct tree *status = tree_get(reader, object, "status", TREE_MAP), *ip;
	const struct tree *balancer = tree_get(reader, status, "loadBalancer", TREE_MAP);

	tree_for_each(reader, value, balancer, "ingress", TREE_LIST) {
		ip = tree_get(reader, value, "ip", TREE_SCALAR);
		if (!tree_choice(reader, value, "ipMode", ip_modes, 0) && ip && *ip->text)
			add_address(cluster, &service->balancer_ips, ip);
	}
}

static void read_affinity(struct kube_cluster *cluster, struct kube_service *service,
			  const struct tree *spec)
{
	static const char *const affinities[] = { "None", "ClientIP", NULL };
	struct tree_reader *reader = &cluster->reader;
	const struct tree *config = tree_get(reader, spec, "sessionAffinityConfig", TREE_MAP);

	if (!tree_choice(reader, spec, "sessionAffinity", affinities, 0))
		return;
	service->affinity = tree_number(reader, tree_get(reader, config, "clientIP", TREE_MAP),
					"timeoutSeconds", BPFLB_AFFINITY_SECONDS_MAX,
					AFFINITY_DEFAULT);
}

static void read_annotations(struct kube_cluster *cluster, struct kube_service *service,
			     const struct tree *meta)
{
	static const char *const algorithms[] = { "random", "maglev", "least-conn", NULL };
	static const char *const schedulers[] = { "random", "maglev", "lc", NULL };
	static const char *const modes[] = { "snat", "dsr", NULL };
	static const char *const rules[] = { "allow", "deny", NULL };
	struct tree_reader *reader = &cluster->reader;
	const struct tree *map = tree_get(reader, meta, "annotations", TREE_MAP);

	if (tree_get(reader, map, SCHEDULER_ANNOTATION, TREE_SCALAR))
		service->scheduler = schedulers[tree_choice(reader, map, SCHEDULER_ANNOTATION,
							    algorithms, 0)];
	if (tree_get(reader, map, MODE_ANNOTATION, TREE_SCALAR))
		service->mode = modes[tree_choice(reader, map, MODE_ANNOTATION, modes, 0)];
	service->ranges_deny = tree_choice(reader, map, RANGES_ANNOTATION, rules, 0);
}

/**
 * kube_read_service - take a Service, if it is for us
 * @cluster: what is known so far
 * @object: the Service
 */
void kube_read_service(struct kube_cluster *cluster, const struct tree *object)
{
	struct tree_reader *reader = &cluster->reader;
	const struct tree *meta = tree_get(reader, object, "metadata", TREE_MAP);
	const struct tree *spec = tree_get(reader, object, "spec", TREE_MAP);
	enum type type = tree_choice(reader, spec, "type", types, TYPE_CLUSTER_IP);
	struct kube_service *service;
	bool outside;

	if (!is_ours(cluster, meta, spec, type))
		return;
	service = kube_add(cluster, &cluster->services, sizeof(*service));
	service->name = name_of(cluster, object, meta);
	service->namespace = namespace_of(cluster, meta);
	service->line = object->line;
	read_cluster_ips(cluster, service, spec);
	read_ingress(cluster, service, object);
	tree_for_each(reader, ip, spec, "externalIPs", TREE_LIST)
		add_address(cluster, &service->external_ips, ip);
	tree_for_each(reader, port, spec, "ports", TREE_LIST)
		add_port(cluster, &service->ports, port);
	tree_for_each(reader, range, spec, "loadBalancerSourceRanges", TREE_LIST)
		add_prefix(cluster, &service->ranges, range);
	outside = type != TYPE_CLUSTER_IP || service->external_ips.count;
	service->local = tree_choice(reader, spec, "externalTrafficPolicy", policies, 0) && outside;
	service->internal_local = tree_choice(reader, spec, "internalTrafficPolicy", policies, 0);
	service->health_port = tree_number(reader, spec, "healthCheckNodePort", PORT_MAX, 0);
	read_affinity(cluster, service, spec);
	read_annotations(cluster, service, meta);
}

static void read_hints(struct kube_cluster *cluster, const struct tree *value,
		       struct kube_endpoint *endpoint)
{
	struct tree_reader *reader = &cluster->reader;
	const struct tree *hints = tree_get(reader, value, "hints", TREE_MAP);
	const char *name;

	tree_for_each(reader, zone, hints, "forZones", TREE_LIST) {
		name = field(cluster, zone, "name");
		if (name)
			*(const char **)kube_add(cluster, &endpoint->zones, sizeof(name)) = name;
	}
	tree_for_each(reader, node, hints, "forNodes", TREE_LIST) {
		name = field(cluster, node, "name");
		if (name)
			*(const char **)kube_add(cluster, &endpoint->nodes, sizeof(name)) = name;
	}
}

/* What isn't said of an endpoint speaks for it. */
static void add_endpoint(struct kube_cluster *cluster, struct kube_slice *slice,
			 const struct tree *value)
{
	struct tree_reader *reader = &cluster->reader;
	const struct tree *conditions = tree_get(reader, value, "conditions", TREE_MAP);
	const struct tree *addresses = tree_get(reader, value, "addresses", TREE_LIST);
	bool ready = tree_bool(reader, conditions, "ready", true);
	bool serving = tree_bool(reader, conditions, "serving", true);
	bool terminating = tree_bool(reader, conditions, "terminating", false);
	struct kube_endpoint *endpoint;
	struct kube_list first = { 0 };

	if (!addresses || !addresses->first || (!ready && !(serving && terminating)))
		return;
	/* Kubernetes defines no meaning for a second one. */
	add_address(cluster, &first, addresses->first);
	if (!first.count)
		return;
	endpoint = kube_add(cluster, &slice->endpoints, sizeof(*endpoint));
	endpoint->address = *(struct address *)first.at;
	if (endpoint->address.length != slice->length)
		tree_wrong(reader, addresses->first, "not an address of the slice's addressType");
	endpoint->node = field(cluster, value, "nodeName");
	endpoint->line = value->line;
	endpoint->ready = ready;
	read_hints(cluster, value, endpoint);
}

/**
 * kube_read_slice - take an EndpointSlice
 * @cluster: what is known so far
 * @object: the EndpointSlice
 */
void kube_read_slice(struct kube_cluster *cluster, const struct tree *object)
{
	static const char *const kinds[] = { "IPv4", "IPv6", "FQDN", NULL };
	static const uint8_t lengths[] = { 4, 16, 0 };
	struct tree_reader *reader = &cluster->reader;
	const struct tree *meta = tree_get(reader, object, "metadata", TREE_MAP);
	const struct tree *labels = tree_get(reader, meta, "labels", TREE_MAP);
	const char *service = field(cluster, labels, SERVICE_LABEL);
	uint8_t length = lengths[tree_choice(reader, object, "addressType", kinds, 2)];
	struct kube_slice *slice;

	if (!service || !length)
		return;
	slice = kube_add(cluster, &cluster->slices, sizeof(*slice));
	slice->namespace = namespace_of(cluster, meta);
	slice->service = service;
	slice->length = length;
	tree_for_each(reader, port, object, "ports", TREE_LIST)
		add_port(cluster, &slice->ports, port);
	tree_for_each(reader, endpoint, object, "endpoints", TREE_LIST)
		add_endpoint(cluster, slice, endpoint);
}

/* The first internal address of each family; where there is none, the first external one. */
static void read_addresses(struct kube_cluster *cluster, struct kube_node *node,
			   const struct tree *status, const char *wanted)
{
	struct tree_reader *reader = &cluster->reader;

	tree_for_each(reader, value, status, "addresses", TREE_LIST) {
		const struct tree *text = tree_get(reader, value, "address", TREE_SCALAR);
		const char *type = tree_string(reader, value, "type");
		struct address address, *known;

		if (!text || !type || strcmp(type, wanted))
			continue;
		if (!parse_address(text->text, &address)) {
			tree_wrong(reader, text, "'%s' is not an address", text->text);
			continue;
		}
		known = &node->addresses[address.length == 16];
		if (!known->length)
			*known = address;
	}
}

/**
 * kube_read_node - take a Node
 * @cluster: what is known so far
 * @object: the Node
 */
void kube_read_node(struct kube_cluster *cluster, const struct tree *object)
{
	struct tree_reader *reader = &cluster->reader;
	const struct tree *meta = tree_get(reader, object, "metadata", TREE_MAP);
	const struct tree *spec = tree_get(reader, object, "spec", TREE_MAP);
	const struct tree *status = tree_get(reader, object, "status", TREE_MAP);
	const struct tree *one = tree_get(reader, spec, "podCIDR", TREE_SCALAR);
	struct kube_node *node = kube_add(cluster, &cluster->nodes, sizeof(*node));

	node->name = name_of(cluster, object, meta);
	node->zone = field(cluster, tree_get(reader, meta, "labels", TREE_MAP), ZONE_LABEL);
	node->line = object->line;
	read_addresses(cluster, node, status, "InternalIP");
	read_addresses(cluster, node, status, "ExternalIP");
	tree_for_each(reader, prefix, spec, "podCIDRs", TREE_LIST)
		add_prefix(cluster, &node->pods, prefix);
	if (!node->pods.count && one)
		add_prefix(cluster, &node->pods, one);
}

/**
 * kube_read_module_config - take a ModuleConfig of Deckhouse, if it has a mode
 * @cluster: what is known so far
 * @object: the ModuleConfig; those of other modules say nothing of bpfLBMode
 */
void kube_read_module_config(struct kube_cluster *cluster, const struct tree *object)
{
	static const char *const values[] = { "SNAT", "DSR", "Hybrid", NULL };
	static const char *const modes[] = { "snat", "dsr", "hybrid" };
	struct tree_reader *reader = &cluster->reader;
	const struct tree *spec = tree_get(reader, object, "spec", TREE_MAP);
	const struct tree *settings = tree_get(reader, spec, "settings", TREE_MAP);
	const struct tree *mode = tree_get(reader, settings, "bpfLBMode", TREE_SCALAR);

	if (!mode || !tree_bool(reader, spec, "enabled", true))
		return;
	if (cluster->mode)
		tree_wrong(reader, mode, "the mode has been said before, in line %u",
			   cluster->mode_line);
	cluster->mode = modes[tree_choice(reader, settings, "bpfLBMode", values, 0)];
	cluster->mode_line = mode->line;
}
