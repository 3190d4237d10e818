/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_BYTEORDER_H
#define _SHIM_BYTEORDER_H

#include <endian.h>
#include_next <asm/byteorder.h>

#define le16_to_cpu(x)	le16toh(x)
#define le32_to_cpu(x)	le32toh(x)
#define le64_to_cpu(x)	le64toh(x)

#endif
