// SPDX-License-Identifier: GPL-2.0-only
#include <linux/jiffies.h>
#include <linux/netlink.h>
#include <linux/slab.h>

#include "backend.h"
#include "frontend.h"
#include "hooks.h"
#include "netns.h"
#include "nl.h"
#include "node.h"
#include "service.h"
#include "txn.h"
#include "version.h"

void bpflb_txn_net_init(struct bpflb_net *bn)
{
	INIT_LIST_HEAD(&bn->txn.services);
	INIT_LIST_HEAD(&bn->txn.frontends);
	INIT_LIST_HEAD(&bn->txn.backends);
	INIT_LIST_HEAD(&bn->txn.nodes);
	xa_init(&bn->txn.lost);
}

/* Every object that the transaction touched takes its next state, or keeps the
 * one in force. Backends before services and nodes: they count for these.
 */
static void txn_settle(struct bpflb_net *bn, bool keep_next)
{
	struct bpflb_frontend *fe, *fe_tmp;
	struct bpflb_service *svc, *svc_tmp;
	struct bpflb_backend *be, *be_tmp;
	struct bpflb_node *node, *node_tmp;
	struct bpflb_txn *txn = &bn->txn;
	bool learn = keep_next && !list_empty(&txn->nodes);

	list_for_each_entry_safe(fe, fe_tmp, &txn->frontends, dirty)
		bpflb_frontend_settle(bn, fe, keep_next);
	list_for_each_entry_safe(be, be_tmp, &txn->backends, dirty)
		bpflb_backend_settle(be, keep_next);
	list_for_each_entry_safe(svc, svc_tmp, &txn->services, dirty)
		bpflb_service_settle(svc, keep_next);
	list_for_each_entry_safe(node, node_tmp, &txn->nodes, dirty)
		bpflb_node_settle(bn, node, keep_next);
	if (learn)
		bpflb_node_learn(bn);
	txn->open = false;
	txn->failed = false;
	txn->replace = false;
	txn->check = false;
}

/* After a transaction: what had to wait for its end. */
static void txn_end(struct bpflb_net *bn)
{
	bpflb_hooks_follow(bn);
	if (bn->readdress_late)
		schedule_work(&bn->readdress);
}

static void txn_drop(struct bpflb_net *bn)
{
	txn_settle(bn, false);
	kfree(bn->txn.settings);
	bn->txn.settings = NULL;
	txn_end(bn);
}

static struct bpflb_settings *settings_in_force(struct bpflb_net *bn)
{
	return rcu_dereference_protected(bn->settings, lockdep_is_held(&bn->lock));
}

/* Does the open transaction change the settings? */
static bool settings_differ(struct bpflb_net *bn)
{
	return bn->txn.settings &&
	       !bpflb_settings_equal(bn->txn.settings, settings_in_force(bn));
}

/**
 * bpflb_txn_settings() - the settings, to be changed by the open transaction
 * @bn: namespace
 *
 * Context: process, bpflb_net.lock. Return: NULL without memory.
 */
struct bpflb_settings *bpflb_txn_settings(struct bpflb_net *bn)
{
	if (!bn->txn.settings)
		bn->txn.settings = bpflb_settings_copy(settings_in_force(bn));
	return bn->txn.settings;
}

/* After the transaction there is nothing, but for what it still adds. */
static void txn_clear(struct bpflb_net *bn)
{
	struct bpflb_service *svc;
	struct bpflb_node *node;
	unsigned long id;

	xa_for_each(&bn->service_ids, id, svc)
		bpflb_service_remove(svc);
	list_for_each_entry(node, &bn->node_list, all) {
		bpflb_node_touch(bn, node);
		node->next_live = false;
	}
}

/**
 * bpflb_txn_net_exit() - at a namespace's end: forget all of its configuration
 * @bn: namespace, without hooks and flows
 *
 * Context: process, bpflb_net.lock.
 */
void bpflb_txn_net_exit(struct bpflb_net *bn)
{
	txn_drop(bn);
	txn_clear(bn);
	txn_settle(bn, true);
	xa_destroy(&bn->txn.lost);
}

/* A transaction that its owner has forgotten must not lock others out. */
static bool txn_is_stale(const struct bpflb_txn *txn)
{
	return time_after(jiffies, txn->used + BPFLB_TXN_IDLE_SECONDS * HZ);
}

/**
 * bpflb_txn_enter() - begin an operation
 * @bn: namespace
 * @portid: netlink port of the socket that asks for it
 * @extack: for a sentence
 *
 * Context: process, bpflb_net.lock. Return: 0; -EBUSY while another socket has a
 * transaction open; -ECANCELED after a refused message of this one, or if it was
 * ended since it was idle.
 */
int bpflb_txn_enter(struct bpflb_net *bn, u32 portid, struct netlink_ext_ack *extack)
{
	struct bpflb_txn *txn = &bn->txn;

	if (txn->open && txn->portid != portid) {
		/* Its owner must learn of it: else what it still sends would be
		 * taken for changes of their own, half of a configuration.
		 */
		if (!txn_is_stale(txn) ||
		    xa_err(xa_store(&txn->lost, txn->portid, xa_mk_value(0), GFP_KERNEL))) {
			NL_SET_ERR_MSG(extack, "another program has a transaction open; try again when it is done");
			return -EBUSY;
		}
		txn_drop(bn);
	}
	if (xa_load(&txn->lost, portid)) {
		NL_SET_ERR_MSG(extack, "the transaction was idle for too long and has been ended");
		return -ECANCELED;
	}
	if (txn->open && txn->failed) {
		NL_SET_ERR_MSG(extack, "the transaction has failed and can only be aborted");
		return -ECANCELED;
	}
	txn->used = jiffies;
	return 0;
}

/**
 * bpflb_txn_begin() - open a transaction
 * @bn: namespace
 * @portid: netlink port of the socket that will own it
 * @flags: enum bpflb_txn_flags
 * @extack: for a sentence
 *
 * Context: process, bpflb_net.lock. Return: 0, -EBUSY, -ENOMEM.
 */
int bpflb_txn_begin(struct bpflb_net *bn, u32 portid, u32 flags, struct netlink_ext_ack *extack)
{
	bool replace = flags & BPFLB_TXN_F_REPLACE;
	int err = bpflb_txn_enter(bn, portid, extack);

	if (err)
		return err;
	if (bn->txn.open) {
		NL_SET_ERR_MSG(extack, "this socket has a transaction open already");
		return -EBUSY;
	}
	if (replace) {
		bn->txn.settings = bpflb_settings_default();
		if (!bn->txn.settings)
			return -ENOMEM;
		txn_clear(bn);
	}
	bn->txn.open = true;
	bn->txn.portid = portid;
	bn->txn.replace = replace;
	bn->txn.check = flags & BPFLB_TXN_F_CHECK;
	return 0;
}

/* Which message is to blame, where the transaction's owner has sent so many. */
static void txn_blame(const struct bpflb_service *svc, struct netlink_ext_ack *extack)
{
	if (!svc->seq || !extack)
		return;
	memcpy(extack->cookie, &svc->seq, sizeof(svc->seq));
	extack->cookie_len = sizeof(svc->seq);
}

/* Build what packets will see. Nothing of it is seen yet, and it may fail. */
static int txn_prepare(struct bpflb_net *bn, bool *changed, struct netlink_ext_ack *extack)
{
	struct bpflb_txn *txn = &bn->txn;
	const struct bpflb_node *node;
	struct bpflb_backend *be;
	struct bpflb_service *svc;
	u32 live = bn->n_services + bn->n_nodes;
	int err;

	if (txn->settings)
		bpflb_settings_prepare(txn->settings, bn->net);
	*changed = settings_differ(bn);
	list_for_each_entry(be, &txn->backends, dirty)
		if (bpflb_backend_differs(be))
			be->key.svc->changed = true;
	list_for_each_entry(svc, &txn->services, dirty) {
		if (bpflb_service_differs(svc))
			svc->changed = true;
		*changed |= svc->changed;
		live += svc->next_live - svc->live;
		if (!svc->changed || !svc->next_live)
			continue;
		err = bpflb_version_build(svc, extack);
		if (err) {
			txn_blame(svc, extack);
			return err;
		}
	}
	list_for_each_entry(node, &txn->nodes, dirty) {
		*changed |= node->next_live != node->live;
		live += node->next_live - node->live;
	}
	return live ? bpflb_hooks_register(bn) : 0;
}

static int txn_event(bool was, bool is, int add, int set, int del)
{
	return is ? (was ? set : add) : del;
}

/* Tell of what has changed. Before settling: an object knows its past until then. */
static void txn_tell(struct bpflb_net *bn, bool settings)
{
	struct bpflb_txn *txn = &bn->txn;
	const struct bpflb_service *svc;
	const struct bpflb_backend *be;
	const struct bpflb_node *node;

	if (!bpflb_nl_listeners(bn, BPFLB_NL_CONFIG))
		return;
	if (settings)
		bpflb_nl_settings_event(bn);
	list_for_each_entry(node, &txn->nodes, dirty)
		if (node->live != node->next_live)
			bpflb_nl_node_event(bn, node, node->next_live ? BPFLB_CMD_NODE_ADD :
								       BPFLB_CMD_NODE_DEL);
	list_for_each_entry(svc, &txn->services, dirty)
		if (bpflb_service_differs(svc))
			bpflb_nl_service_event(svc, txn_event(svc->live, svc->next_live,
							      BPFLB_CMD_SERVICE_ADD,
							      BPFLB_CMD_SERVICE_SET,
							      BPFLB_CMD_SERVICE_DEL));
	list_for_each_entry(be, &txn->backends, dirty)
		if (bpflb_backend_differs(be))
			bpflb_nl_backend_event(be, txn_event(be->live, be->next_live,
							     BPFLB_CMD_BACKEND_ADD,
							     BPFLB_CMD_BACKEND_SET,
							     BPFLB_CMD_BACKEND_DEL));
}

/* Switch over. Nothing here can fail. */
static void txn_commit(struct bpflb_net *bn, bool changed)
{
	struct bpflb_settings *old = NULL;
	struct bpflb_txn *txn = &bn->txn;
	bool settings = settings_differ(bn);
	struct bpflb_service *svc;

	if (settings)
		old = rcu_replace_pointer(bn->settings, txn->settings, lockdep_is_held(&bn->lock));
	else
		kfree(txn->settings);
	txn->settings = NULL;
	if (old)
		kfree_rcu(old, rcu);
	list_for_each_entry(svc, &txn->services, dirty)
		bpflb_version_switch(svc);
	if (changed) {
		bn->generation++;
		txn_tell(bn, settings);
	}
	txn_settle(bn, true);
	txn_end(bn);
}

static int txn_finish(struct bpflb_net *bn, struct netlink_ext_ack *extack)
{
	bool changed;
	int err = txn_prepare(bn, &changed, extack);

	if (err || bn->txn.check)
		txn_drop(bn);
	else
		txn_commit(bn, changed);
	return err;
}

/**
 * bpflb_txn_leave() - end an operation that bpflb_txn_enter() has begun
 * @bn: namespace
 * @err: what came of it
 * @extack: for a sentence
 *
 * Outside of a transaction the operation is one of its own.
 *
 * Context: process, bpflb_net.lock. Return: @err, or the commit's.
 */
int bpflb_txn_leave(struct bpflb_net *bn, int err, struct netlink_ext_ack *extack)
{
	if (bn->txn.open) {
		bn->txn.failed |= err < 0;
		return err;
	}
	if (err) {
		txn_drop(bn);
		return err;
	}
	return txn_finish(bn, extack);
}

/* Return: 0 if the socket has a transaction open. */
static int txn_own(struct bpflb_net *bn, u32 portid, struct netlink_ext_ack *extack)
{
	if (bn->txn.open && bn->txn.portid == portid)
		return 0;
	NL_SET_ERR_MSG(extack, "this socket has no transaction open");
	return -ENOENT;
}

/**
 * bpflb_txn_commit() - make all of a transaction true, or see whether that could be
 * @bn: namespace
 * @portid: netlink port of its owner
 * @extack: for a sentence
 *
 * Context: process, bpflb_net.lock. Return: 0; -ENOENT if the socket has none
 * open; -ECANCELED if it has failed; -ENOMEM, -ENOSPC or -E2BIG, and it is aborted.
 */
int bpflb_txn_commit(struct bpflb_net *bn, u32 portid, struct netlink_ext_ack *extack)
{
	int err = bpflb_txn_enter(bn, portid, extack) ?: txn_own(bn, portid, extack);

	return err ?: txn_finish(bn, extack);
}

/**
 * bpflb_txn_abort() - forget a transaction
 * @bn: namespace
 * @portid: netlink port of its owner
 * @extack: for a sentence
 *
 * Context: process, bpflb_net.lock. Return: 0, or -ENOENT if there is none.
 */
int bpflb_txn_abort(struct bpflb_net *bn, u32 portid, struct netlink_ext_ack *extack)
{
	int err;

	if (xa_erase(&bn->txn.lost, portid))
		return 0;
	err = txn_own(bn, portid, extack);
	if (!err)
		txn_drop(bn);
	return err;
}

/**
 * bpflb_txn_owner_gone() - a socket was closed
 * @bn: namespace
 * @portid: its netlink port
 *
 * Context: process, bpflb_net.lock.
 */
void bpflb_txn_owner_gone(struct bpflb_net *bn, u32 portid)
{
	xa_erase(&bn->txn.lost, portid);
	if (bn->txn.open && bn->txn.portid == portid)
		txn_drop(bn);
}
