// SPDX-License-Identifier: GPL-2.0-only
#define pr_fmt(fmt) "bpflb: " fmt

#include <linux/bpflb.h>
#include <linux/module.h>
#include <linux/rcupdate.h>

#include "choose.h"
#include "flow.h"
#include "main.h"
#include "netns.h"
#include "nl.h"
#include "settings.h"
#include "snat_source.h"

/* Flows, services and backends are freed by RCU callbacks of ours; and a flow's, if it was the
 * last of its backend, has another one made, for the service.
 */
static void wait_for_callbacks(void)
{
	rcu_barrier();
	rcu_barrier();
}

static int __init bpflb_init(void)
{
	int err;

	err = bpflb_settings_init();
	if (err)
		return err;
	bpflb_choose_init();
	err = bpflb_source_init();
	if (err)
		return err;
	err = bpflb_flow_init();
	if (err)
		goto err_source;
	err = bpflb_net_init();
	if (err)
		goto err_flow;
	err = bpflb_nl_init();
	if (err)
		goto err_net;
	return 0;

err_net:
	bpflb_net_exit();
err_flow:
	wait_for_callbacks();
	bpflb_flow_exit();
err_source:
	bpflb_source_exit();
	return err;
}

static void __exit bpflb_exit(void)
{
	bpflb_nl_exit();
	bpflb_net_exit();
	wait_for_callbacks();
	bpflb_flow_exit();
	bpflb_source_exit();
}

module_init(bpflb_init);
module_exit(bpflb_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The bpflb developers");
MODULE_DESCRIPTION("Balances services over backends: SNAT, DSR, hybrid");
MODULE_VERSION(BPFLB_VERSION);
MODULE_ALIAS_GENL_FAMILY(BPFLB_GENL_NAME);
