/* SPDX-License-Identifier: GPL-2.0-only */
/* Ending flows whose time is over. */
#ifndef _BPFLB_GC_H
#define _BPFLB_GC_H

struct bpflb_net;
struct work_struct;

void bpflb_gc_start(void);
void bpflb_gc_stop(void);
unsigned int bpflb_gc_namespaces(void);
void bpflb_gc_flush(struct bpflb_net *bn);
void bpflb_gc_lost(struct work_struct *work);

#endif
