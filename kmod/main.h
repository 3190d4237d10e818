/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _BPFLB_MAIN_H
#define _BPFLB_MAIN_H

#define BPFLB_VERSION "0.1.0"

#endif
