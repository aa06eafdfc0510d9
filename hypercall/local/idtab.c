// SPDX-License-Identifier: MIT
/*
 * Small integers for pointers: what a handle's replies name things by.
 */
#include <stdlib.h>

#include "xenlocald.h"

static bool grow(struct idtab *t)
{
	uint32_t i, size = t->size ? t->size * 2 : 16;
	void **slot = realloc(t->slot, size * sizeof(*slot));
	uint32_t *stack;

	if (!slot)
		return false;
	t->slot = slot;
	stack = realloc(t->free, size * sizeof(*stack));
	if (!stack)
		return false;
	t->free = stack;
	for (i = size; i > t->size; i--) {
		slot[i - 1] = NULL;
		stack[t->nr_free++] = i - 1;
	}
	t->size = size;
	return true;
}

uint32_t idtab_add(struct idtab *t, void *ptr)
{
	uint32_t i;

	if (t->nr_free == 0 && !grow(t))
		return 0;
	i = t->free[--t->nr_free];
	t->slot[i] = ptr;
	return i + 1;
}

void *idtab_get(const struct idtab *t, uint32_t id)
{
	return id > 0 && id <= t->size ? t->slot[id - 1] : NULL;
}

void idtab_del(struct idtab *t, uint32_t id)
{
	t->slot[id - 1] = NULL;
	t->free[t->nr_free++] = id - 1;
}

void idtab_free(struct idtab *t)
{
	free(t->slot);
	free(t->free);
	*t = (struct idtab){0};
}
