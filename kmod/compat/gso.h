/* SPDX-License-Identifier: GPL-2.0-only */
/* What is about GSO has moved out of skbuff.h. */
#ifndef _BPFLB_COMPAT_GSO_H
#define _BPFLB_COMPAT_GSO_H

#include <linux/skbuff.h>
#ifdef BPFLB_HAVE_GSO_H
#include <net/gso.h>
#endif

#endif
