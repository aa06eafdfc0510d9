/* SPDX-License-Identifier: MIT */
/*
 * What a test knows of a disk's contents: for each block the newest generation
 * whose write was acknowledged, and the newest that was tried.
 *
 * Kept in a file that is mapped shared, so that it outlives a frontend that is
 * killed; the next one goes on with it, and the image can be compared with it
 * where the backend runs.  A sector is right if it holds the stamp of any
 * generation from the acknowledged to the tried one; generation 0 is zeroes.
 *
 * Each block is used by one thread at a time.
 */
#ifndef XENSPLIT_TESTS_GUEST_RECORD_H
#define XENSPLIT_TESTS_GUEST_RECORD_H

#include <stdbool.h>
#include <stdint.h>

struct guest_record;

/* Open FILE, or make it where there is none (NULL: in memory only), for
 * nr_blocks blocks of block bytes from byte `offset` of the disk.  One that
 * is there must be of the same shape. */
int guest_record_open(struct guest_record **r, const char *file, uint32_t block,
		      uint64_t offset, uint32_t nr_blocks);
/* Open one that is there, whatever its shape. */
int guest_record_load(struct guest_record **r, const char *file);
void guest_record_close(struct guest_record *r);

uint32_t guest_record_block(const struct guest_record *r);
uint32_t guest_record_nr(const struct guest_record *r);
/* The byte of the disk where a block begins. */
uint64_t guest_record_at(const struct guest_record *r, uint32_t index);

/* Before the write of a block: fills buf, notes that it is tried. */
void guest_record_fill(struct guest_record *r, uint32_t index, void *buf);
/* It was acknowledged. */
void guest_record_written(struct guest_record *r, uint32_t index);
/* A discard was acknowledged: the block may be zeroes, or as before. */
void guest_record_discarded(struct guest_record *r, uint32_t index);
/* Says on standard error what is wrong, if it is. */
bool guest_record_check(const struct guest_record *r, uint32_t index,
			const void *buf);

#endif
