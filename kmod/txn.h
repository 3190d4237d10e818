/* SPDX-License-Identifier: GPL-2.0-only */
/* Changes of the configuration: all of one, or nothing. */
#ifndef _BPFLB_TXN_H
#define _BPFLB_TXN_H

#include <linux/list.h>
#include <linux/types.h>
#include <linux/xarray.h>

struct bpflb_net;
struct bpflb_settings;
struct netlink_ext_ack;
struct nlattr;

/**
 * struct bpflb_txn - the open transaction of a namespace
 * @open: there is one
 * @portid: netlink port of the socket that owns it
 * @failed: a message was refused; only an abort is left
 * @replace: it began from nothing
 * @check: it ends without a change
 * @used: jiffies of its last message
 * @lost: sockets that have lost theirs and don't know yet, by netlink port
 * @settings: after it, or NULL if it leaves them
 * @services: those it touches
 * @frontends: those it touches
 * @backends: those it touches
 * @nodes: those it touches
 *
 * Each object has its state in force and its state after the transaction side
 * by side. An operation edits the latter, so the next one is checked against
 * what it will meet; a commit builds what packets will see, which can fail,
 * and then switches over, which can't; an abort copies back.
 */
struct bpflb_txn {
	bool open;
	u32 portid;
	bool failed;
	bool replace;
	bool check;
	unsigned long used;
	struct xarray lost;
	struct bpflb_settings *settings;
	struct list_head services;
	struct list_head frontends;
	struct list_head backends;
	struct list_head nodes;
};

void bpflb_txn_net_init(struct bpflb_net *bn);
int bpflb_txn_begin(struct bpflb_net *bn, u32 portid, u32 flags, struct netlink_ext_ack *extack);
int bpflb_txn_enter(struct bpflb_net *bn, u32 portid, struct netlink_ext_ack *extack);
int bpflb_txn_leave(struct bpflb_net *bn, int err, struct netlink_ext_ack *extack);
int bpflb_txn_commit(struct bpflb_net *bn, u32 portid, struct netlink_ext_ack *extack);
int bpflb_txn_abort(struct bpflb_net *bn, u32 portid, struct netlink_ext_ack *extack);
void bpflb_txn_owner_gone(struct bpflb_net *bn, u32 portid);
struct bpflb_settings *bpflb_txn_settings(struct bpflb_net *bn);
void bpflb_txn_net_exit(struct bpflb_net *bn);

#endif
