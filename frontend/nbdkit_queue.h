/* SPDX-License-Identifier: MIT */
/*
 * The nbdkit plugin's use of one libblkfront queue by many threads.
 *
 * nbdkit calls from as many threads as there are requests; a queue wants one
 * at a time.  Threads submit under the queue's lock; one of those that have
 * requests in flight polls for all, and sleeps without the lock.
 */
#ifndef XENSPLIT_NBDKIT_QUEUE_H
#define XENSPLIT_NBDKIT_QUEUE_H

#include "frontend/blkfront.h"

struct nbd_queue;

/* poll_us: how long to poll before sleeping, at most; 0: not at all. */
struct nbd_queue *nbd_queue_new(struct blkfront *disk, unsigned int index,
				unsigned int poll_us);
void nbd_queue_free(struct nbd_queue *nq);

/* One read or write of whole sectors, any length: cut into pieces that are in
 * flight together.  Any thread.  0 or -errno. */
int nbd_queue_transfer(struct nbd_queue *nq, enum blkfront_op op, void *buf,
		       uint64_t len, uint64_t offset);
/* A flush or a discard. */
int nbd_queue_command(struct nbd_queue *nq, enum blkfront_op op, uint64_t len,
		      uint64_t offset);

#endif
