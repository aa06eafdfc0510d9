/* SPDX-License-Identifier: MIT */
/*
 * A disk in a worker: its store's descriptors, its limits, and its queues
 * spread over the loops.  All functions run on the worker's control thread.
 */
#ifndef XENSPLIT_BACKEND_BLK_DISK_H
#define XENSPLIT_BACKEND_BLK_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/worker_proto.h"

struct blk_disk;

/* The loops of the worker, and how a disk has the control thread look at it:
 * wake(arg) is called on loop threads. */
struct blk_disk_host {
	struct io_loop **loop;
	unsigned int nr_loops;
	void (*wake)(void *arg);
	void *arg;
};

/* fds: the stats memfd, then the store's; taken over on success. */
int blk_disk_add(struct blk_disk **disk, uint32_t number,
		 const struct worker_blk_add *add, const int *fds,
		 unsigned int nr_fds, const struct blk_disk_host *host,
		 struct xs_err *err);
/* Disconnected before.  Closes the descriptors. */
void blk_disk_remove(struct blk_disk *disk);

uint32_t blk_disk_number(const struct blk_disk *disk);

/* journal_fd stays the caller's.  On failure nothing is left connected. */
int blk_disk_connect(struct blk_disk *disk, const struct worker_blk_connect *c,
		     int journal_fd, struct xs_err *err);
/* Begin to stop; may be asked again with abort. */
void blk_disk_stop(struct blk_disk *disk, bool abort);
/* After a wake: the text of a violation by the peer, once, or NULL. */
const char *blk_disk_take_violation(struct blk_disk *disk);
/* After a wake: true when no queue is connected (any more); closes those that
 * have stopped. */
bool blk_disk_try_finish(struct blk_disk *disk);
void blk_disk_resize(struct blk_disk *disk, uint64_t size_bytes);

#endif
