/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory that grows. Where there is none left, a tool like this can only stop. */
#ifndef LBADM_MEM_H
#define LBADM_MEM_H

#include <stddef.h>

/**
 * struct arena - small pieces of memory that are given back together
 * @chunks: where they are, the newest first
 * @used: bytes of the newest
 */
struct arena {
	struct chunk *chunks;
	size_t used;
};

_Noreturn void mem_exhausted(void);
void *mem_grow(void *memory, size_t *room, size_t need, size_t size);

void *arena_alloc(struct arena *arena, size_t size);
char *arena_copy(struct arena *arena, const char *text, size_t length);
void arena_reset(struct arena *arena);
void arena_free(struct arena *arena);

#endif /* LBADM_MEM_H */
