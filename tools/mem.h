/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory that grows. Where there is none left, a tool like this can only stop. */
#ifndef LBADM_MEM_H
#define LBADM_MEM_H

#include <stddef.h>

void *mem_grow(void *memory, size_t *room, size_t need, size_t size);

#endif /* LBADM_MEM_H */
