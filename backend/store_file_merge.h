/* SPDX-License-Identifier: MIT */
/*
 * Requests of the file store that go on where the one before ended, as one
 * operation; for nobody but store_file.c.
 *
 * The store holds back the last reads or writes it was given, its run, until
 * one comes that does not continue it or the batch is over (store_ops.kick).
 * A run of one is submitted as if there were no merging.
 */
#ifndef XENSPLIT_BACKEND_STORE_FILE_MERGE_H
#define XENSPLIT_BACKEND_STORE_FILE_MERGE_H

#include "backend/store.h"

/* Longer ones gain nothing: the cost of an operation is then that of its
 * bytes, and the first request of it waits for the last. */
#define MERGE_MAX_BYTES (UINT64_C(128) << 10)
#define MERGE_MAX_IOV   256u /* at most IOV_MAX, which is 1024 */
#define MERGE_OPS       16u  /* in flight; beyond that, one by one */

/* Requests linked by store_io.next; what they are together. */
struct store_run {
	struct store_io *first, *last;
	uint32_t nr, nr_iov;
	uint64_t len, end; /* bytes; the offset where the last one ends */
	enum store_op op;
	bool direct;
};

struct merged_op {
	struct uring_op uring;
	struct store_ctx *ctx;
	struct store_run run;
	struct merged_op *next; /* free */
	int fd;
	uint32_t nr_iov;
	struct iovec iov[MERGE_MAX_IOV];
};

/* May io, a read or write, be the next of run?  Not of an empty one. */
static inline bool store_run_goes_on(const struct store_run *run,
				     const struct store_io *io, bool direct)
{
	return run->nr && run->end == io->offset && run->op == io->op &&
	       run->direct == direct && run->len + io->len <= MERGE_MAX_BYTES &&
	       run->nr_iov + io->nr_iov <= MERGE_MAX_IOV;
}

static inline void store_run_add(struct store_run *run, struct store_io *io,
				 bool direct)
{
	io->next = NULL;
	if (run->nr) {
		run->last->next = io;
		run->nr_iov += io->nr_iov;
		run->len += io->len;
	} else {
		run->first = io;
		run->nr_iov = io->nr_iov;
		run->len = io->len;
		run->op = io->op;
		run->direct = direct;
	}
	run->last = io;
	run->end = io->offset + io->len;
	run->nr++;
}

/* Take the run over into m, which it leaves empty. */
void store_run_merge(struct store_run *run, struct merged_op *m);

#endif
