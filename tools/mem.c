// SPDX-License-Identifier: GPL-2.0-only
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define CHUNK_BYTES	(64 * 1024)
#define ALIGN_BYTES	sizeof(max_align_t)

/**
 * struct chunk - what an arena is made of
 * @next: an older one
 * @size: of @bytes
 * @bytes: the memory
 */
struct chunk {
	struct chunk *next;
	size_t size;
	max_align_t bytes[];
};

/**
 * mem_exhausted - there is no memory left
 */
void mem_exhausted(void)
{
	fputs("lbadm: error: out of memory\n", stderr);
	exit(2);
}

/**
 * mem_grow - make sure that an array has room
 * @memory: the array, NULL at first
 * @room: elements it has room for, 0 at first; updated
 * @need: elements it must have room for
 * @size: of an element
 *
 * Return: the array, never NULL; it may have moved.
 */
void *mem_grow(void *memory, size_t *room, size_t need, size_t size)
{
	size_t more = *room ? *room : 16;

	if (need <= *room)
		return memory;
	while (more < need && more <= (size_t)-1 / 2)
		more *= 2;
	memory = more < need ? NULL : reallocarray(memory, more, size);
	if (!memory)
		mem_exhausted();
	*room = more;
	return memory;
}

/**
 * arena_alloc - memory for anything
 * @arena: zeroed at first
 * @size: in bytes
 *
 * Return: the memory, never NULL, not zeroed.
 */
void *arena_alloc(struct arena *arena, size_t size)
{
	size_t need = (size + ALIGN_BYTES - 1) / ALIGN_BYTES * ALIGN_BYTES;
	struct chunk *chunk = arena->chunks;
	void *memory;

	if (!chunk || chunk->size - arena->used < need) {
		size_t room = need > CHUNK_BYTES ? need : CHUNK_BYTES;

		chunk = malloc(sizeof(*chunk) + room);
		if (!chunk)
			mem_exhausted();
		chunk->next = arena->chunks;
		chunk->size = room;
		arena->chunks = chunk;
		arena->used = 0;
	}
	memory = (char *)chunk->bytes + arena->used;
	arena->used += need;
	return memory;
}

/**
 * arena_copy - a text of its own
 * @arena: where
 * @text: need not end in NUL
 * @length: of @text
 *
 * Return: the copy, which does.
 */
char *arena_copy(struct arena *arena, const char *text, size_t length)
{
	char *copy = arena_alloc(arena, length + 1);

	memcpy(copy, text, length);
	copy[length] = '\0';
	return copy;
}

static void free_after(struct chunk *chunk)
{
	while (chunk) {
		struct chunk *next = chunk->next;

		free(chunk);
		chunk = next;
	}
}

/**
 * arena_reset - use the memory once more; what was in it is lost
 * @arena: the arena
 */
void arena_reset(struct arena *arena)
{
	if (arena->chunks) {
		free_after(arena->chunks->next);
		arena->chunks->next = NULL;
	}
	arena->used = 0;
}

/**
 * arena_free - give the memory back
 * @arena: the arena
 */
void arena_free(struct arena *arena)
{
	free_after(arena->chunks);
	arena->chunks = NULL;
	arena->used = 0;
}
