/* SPDX-License-Identifier: GPL-2.0-only */
/* Whether a hook that frees a packet itself can still say to its sender why. */
#ifndef _BPFLB_COMPAT_NF_DROP_H
#define _BPFLB_COMPAT_NF_DROP_H

#include <linux/netfilter.h>
#include <linux/skbuff.h>

/* Kernels with NF_DROP_REASON() read an error beside NF_STOLEN. */
#ifdef BPFLB_HAVE_NF_DROP_REASON
#define BPFLB_STOLEN_HAS_ERROR	true
#else
#define BPFLB_STOLEN_HAS_ERROR	false
#endif

#endif
