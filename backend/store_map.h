/* SPDX-License-Identifier: MIT */
/*
 * A file in memory (tmpfs, memfd), mapped; for stores.
 *
 * What is mapped is moved by the CPU alone, where pread() and pwrite() spend
 * most of their time on their way to the page.  Only pages that are known to
 * hold data are touched: a touch fills a hole, and the image would grow by
 * being read.  The rest is left to the descriptor.
 *
 * Each queue makes one and uses it on its loop's thread; those of one file
 * share what is behind it.
 *
 * Writes do not move the file's times; see store_touch().
 */
#ifndef XENSPLIT_BACKEND_STORE_MAP_H
#define XENSPLIT_BACKEND_STORE_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/store.h"

struct store_map;

/* The first size bytes of fd, which stays the caller's and open.  NULL if that
 * cannot be: everything goes through the descriptor then. */
struct store_map *store_map_create(int fd, uint64_t size, bool read_only);
void store_map_destroy(struct store_map *m);

/* All of a read or write that is not begun yet.  False: nothing of it is done,
 * or not all; a part is not known to hold data, is not mapped or not there any
 * more.  The descriptor is to be asked then. */
bool store_map_move(struct store_map *m, const struct store_io *io);

/* len bytes at offset were written through the descriptor... */
void store_map_filled(struct store_map *m, uint64_t offset, uint64_t len);
/* ... or are to be discarded through it: before that happens. */
void store_map_emptied(struct store_map *m, uint64_t offset, uint64_t len);

#endif
