// SPDX-License-Identifier: GPL-2.0-only
/*
 * What kubectl prints, as a configuration: YAML or JSON of Services,
 * EndpointSlices and Nodes, and Deckhouse's ModuleConfig that has the mode.
 */
#include <stdlib.h>
#include <string.h>

#include "kube.h"
#include "report.h"

/** struct kind - objects of a kind, and what is done with them */
struct kind {
	const char *api;
	const char *name;
	void (*read)(struct kube_cluster *cluster, const struct tree *object);
};

static const struct kind kinds[] = {
	{ "v1", "Service", kube_read_service },
	{ "discovery.k8s.io/v1", "EndpointSlice", kube_read_slice },
	{ "v1", "Node", kube_read_node },
	{ "deckhouse.io/v1alpha1", "ModuleConfig", kube_read_module_config },
	{ 0 }
};

/**
 * kube_is - whether a file is of Kubernetes
 * @text: what is in it
 * @length: of @text
 *
 * Objects have their fields in any order, but each begins a line with
 * "apiVersion:" or is JSON. No line of lbadm's own does.
 */
bool kube_is(const char *text, size_t length)
{
	static const char key[] = "apiVersion:";
	const char *end = text + length, *line = text;

	while (line < end && strchr(" \t\r\n", *line))
		line++;
	if (line < end && *line == '{')
		return true;
	for (line = text; line && (size_t)(end - line) >= sizeof(key) - 1; line++) {
		if (!memcmp(line, key, sizeof(key) - 1))
			return true;
		line = memchr(line, '\n', end - line);
		if (!line)
			break;
	}
	return false;
}

static void read_object(struct kube_cluster *cluster, const struct tree *object)
{
	struct tree_reader *reader = &cluster->reader;
	const struct tree *api = tree_get(reader, object, "apiVersion", TREE_SCALAR);
	const struct tree *kind = tree_get(reader, object, "kind", TREE_SCALAR);
	const struct kind *known;

	if (!api || !kind) {
		tree_wrong(reader, object, "%s is missing in this object",
			   api ? "kind" : "apiVersion");
		return;
	}
	for (known = kinds; known->name; known++) {
		if (strcmp(known->name, kind->text))
			continue;
		if (strcmp(known->api, api->text))
			tree_wrong(reader, api, "%s is read of %s only", kind->text, known->api);
		else
			known->read(cluster, object);
		return;
	}
	tree_wrong(reader, kind, "'%s' is not read; valid: Service, EndpointSlice, Node, "
		   "ModuleConfig, and a List of them", kind->text);
}

/* Who we are among the nodes; NULL if it need not, or can't, be known. */
static const struct kube_node *find_self(struct kube_cluster *cluster, const char *name)
{
	const struct kube_node *self = kube_node_find(cluster, name);

	if (!name && (cluster->services.count || cluster->nodes.count || cluster->slices.count))
		cluster->reader.code = report(LBADM_USAGE, "%s is a cluster's; which of its nodes is "
					      "this? --node NAME", cluster->reader.name);
	else if (name && !self)
		cluster->reader.code = report(LBADM_USAGE, "%s has no Node of the name '%s'",
					      cluster->reader.name, name);
	return self;
}

/**
 * kube_convert - a cluster's file to a configuration
 * @name: of the file, for errors
 * @text: what is in it
 * @length: of @text
 * @node: name of the node to be configured; NULL: not told
 * @lines: the result, to be freed in any case
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int kube_convert(const char *name, const char *text, size_t length, const char *node,
		 struct kube_lines *lines)
{
	struct kube_cluster cluster = { 0 };
	const struct kube_node *self;
	const struct tree *object;
	int code;

	memset(lines, 0, sizeof(*lines));
	tree_open(&cluster.reader, name, text, length);
	while ((object = tree_next(&cluster.reader)))
		read_object(&cluster, object);
	if (!cluster.reader.code)
		kube_sort(&cluster);
	self = cluster.reader.code ? NULL : find_self(&cluster, node);
	if (!cluster.reader.code)
		kube_write(&cluster, self, lines);
	lines->partial = !self;
	code = cluster.reader.code;
	tree_close(&cluster.reader);
	arena_free(&cluster.arena);
	return code;
}

/**
 * kube_lines_free - give a configuration's memory back
 * @lines: what kube_convert() has filled
 */
void kube_lines_free(struct kube_lines *lines)
{
	free(lines->text);
	free(lines->numbers);
	memset(lines, 0, sizeof(*lines));
}
