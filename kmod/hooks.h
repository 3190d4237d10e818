/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _BPFLB_HOOKS_H
#define _BPFLB_HOOKS_H

struct bpflb_net;

int bpflb_hooks_register(struct bpflb_net *bn);
void bpflb_hooks_unregister(struct bpflb_net *bn);
void bpflb_hooks_follow(struct bpflb_net *bn);

#endif
