// SPDX-License-Identifier: GPL-2.0-only
#define pr_fmt(fmt) "bpflb: " fmt

#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <net/ip.h>

#include "flow.h"
#include "settings.h"

static char *mode = "snat";
module_param(mode, charp, 0444);
MODULE_PARM_DESC(mode, "mode that each namespace begins in: snat (default), dsr or hybrid");

static unsigned int flows_max;
module_param(flows_max, uint, 0444);
MODULE_PARM_DESC(flows_max, "flows that each namespace may have (default: 1/8 of memory)");

static enum bpflb_mode first_mode;

static const u32 default_timeout[__BPFLB_STATE_MAX] = {
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

static int read_mode(void)
{
	static const char * const name[] = {
		[BPFLB_MODE_SNAT] = "snat",
		[BPFLB_MODE_DSR] = "dsr",
		[BPFLB_MODE_HYBRID] = "hybrid",
	};
	int i = sysfs_match_string(name, mode);

	if (i < 0) {
		pr_err("mode=%s is not a mode: use snat, dsr or hybrid\n", mode);
		return -EINVAL;
	}
	first_mode = i;
	return 0;
}

/**
 * bpflb_settings_init() - read the module's parameters
 *
 * Return: 0, or -EINVAL for a word that is no mode.
 */
int bpflb_settings_init(void)
{
	int err = read_mode();

	if (err)
		return err;
	if (!flows_max) {
		u64 bytes = (u64)totalram_pages() << PAGE_SHIFT;

		flows_max = min_t(u64, div_u64(bytes >> 3, sizeof(struct bpflb_flow)), 1U << 30);
	}
	return 0;
}

/* The bound that a namespace begins with, and that foreign ones have together (foreign.h). */
u32 bpflb_settings_flows_max(void)
{
	return flows_max;
}

/**
 * bpflb_settings_default() - what a namespace begins with
 *
 * Context: process. Return: settings of the caller's own, or NULL.
 */
struct bpflb_settings *bpflb_settings_default(void)
{
	struct bpflb_settings *s = kzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);

	if (!s)
		return NULL;
	s->mode = first_mode;
	s->mode_origin = BPFLB_MODE_ORIGIN_MODULE;
	s->dsr_sender = BPFLB_DSR_SENDER_MAC;
	s->bypass = 1;
	s->flows_max = flows_max;
	s->flow_events = 10000;
	s->snat_ports = (struct bpflb_range){ 1024, 65535 };
	s->nodeports = (struct bpflb_range){ 30000, 32767 };
	memcpy(s->timeout, default_timeout, sizeof(s->timeout));
	return s;
}

/**
 * bpflb_settings_prepare() - work out what packets would else have to
 * @s: settings that are in force nowhere yet
 * @net: for which namespace
 *
 * Context: process.
 */
void bpflb_settings_prepare(struct bpflb_settings *s, struct net *net)
{
	int first, last;

	inet_get_local_port_range(net, &first, &last);
	s->ephemeral = (struct bpflb_range){ first, last };
	bpflb_port_set_make(&s->usable, s->snat_ports, s->ephemeral, s->nodeports);
}

struct bpflb_settings *bpflb_settings_copy(const struct bpflb_settings *s)
{
	return kmemdup(s, sizeof(*s), GFP_KERNEL_ACCOUNT);
}

/**
 * bpflb_settings_node_port_at() - may node ports be had at this address of the node?
 * @s: settings
 * @family: of the address
 * @addr: the address
 *
 * Context: any.
 */
bool bpflb_settings_node_port_at(const struct bpflb_settings *s, u8 family,
				 const union nf_inet_addr *addr)
{
	u32 i;

	for (i = 0; i < s->n_nodeport_addr; i++)
		if (bpflb_prefix_has(&s->nodeport_addr[i], family, addr))
			return true;
	return !s->n_nodeport_addr;
}

/**
 * bpflb_settings_has_pod() - is it an address of a pod on this node?
 * @s: settings
 * @family: of the address
 * @addr: the address
 *
 * Context: any. Return: false too where nobody has said which these are.
 */
bool bpflb_settings_has_pod(const struct bpflb_settings *s, u8 family,
			    const union nf_inet_addr *addr)
{
	int i;

	for (i = 0; i < s->n_pod; i++)
		if (bpflb_prefix_has(&s->pod[i], family, addr))
			return true;
	return false;
}

/* All that a user can see is equal: it is between @rcu and @ephemeral. */
bool bpflb_settings_equal(const struct bpflb_settings *a, const struct bpflb_settings *b)
{
	size_t from = offsetofend(struct bpflb_settings, rcu);

	size_t to = offsetof(struct bpflb_settings, ephemeral);

	return !memcmp((const char *)a + from, (const char *)b + from, to - from);
}
