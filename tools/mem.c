// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <stdlib.h>

#include "mem.h"

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
	if (!memory) {
		fputs("lbadm: error: out of memory\n", stderr);
		exit(2);
	}
	*room = more;
	return memory;
}
