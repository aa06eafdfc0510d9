/* SPDX-License-Identifier: MIT */
/*
 * Stores: what a disk is made of.  One file a store behind one small
 * interface; a new store is a file and a line in store.c.
 *
 * A store has two halves.  The supervisor opens what the toolstack named
 * (`params`) and describes it in a struct store_desc: plain data and
 * descriptors, which travel to the worker.  The worker runs I/O on it and
 * opens nothing.
 *
 * A target is SCHEME:REST for the stores that have a scheme (memory:64M,
 * null:1G, nbd:unix:/path), anything else is the path of a file or block
 * device.
 */
#ifndef XENSPLIT_BACKEND_STORE_H
#define XENSPLIT_BACKEND_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "backend/io_loop.h"
#include "backend/uring_engine.h"
#include "hypercall/xs_store.h"

#define STORE_MAX_FDS    4u
#define STORE_NAME_MAX   16u
#define STORE_LABEL_MAX  96u
#define STORE_EXPORT_MAX 256u

/* What the toolstack wants of the store. */
struct store_open_how {
	bool read_only;
	bool discard;         /* discard-enable */
	bool direct_io_safe;  /* direct-io-safe; we use O_DIRECT where it works
			       */
	uint32_t sector_size; /* 0: the store's own */
};

/* What the supervisor knows of an open store; sent to the worker as it is,
 * the descriptors beside it. */
struct store_desc {
	char store[STORE_NAME_MAX]; /* store_ops.name */
	/* the target for people: printable, the end of it if it is long */
	char label[STORE_LABEL_MAX];
	uint64_t size_bytes; /* a multiple of sector_size */
	uint32_t sector_size, physical_sector_size;      /* bytes */
	uint32_t discard_granularity, discard_alignment; /* bytes */
	bool read_only, flush, discard, secure_discard;
	bool single_loop; /* all queues on one loop (one connection) */
	uint32_t dio_mem_align, dio_offset_align; /* of fd 0, if O_DIRECT; 0 */
	/* file: its data never leaves memory (tmpfs), so waiting for it is not
	 * worth a queue; it is a block device */
	bool in_memory, block_device;
	char nbd_export[STORE_EXPORT_MAX]; /* nbd: "" is the default one */
	uint32_t nr_fds;
	int fd[STORE_MAX_FDS]; /* -1 when closed */
};

enum store_op { STORE_READ, STORE_WRITE, STORE_FLUSH, STORE_DISCARD };

/*
 * One operation.  The caller owns it, and the memory behind iov, until done()
 * ran.  offset and the sum of iov are inside the store and multiples of its
 * sector size (checked by store_submit); iov may be changed by the store.
 */
struct store_io {
	enum store_op op;
	bool secure; /* of a discard */
	uint32_t nr_iov;
	struct iovec *iov;
	uint64_t offset, len;
	/* res: 0 when all of len moved, else -errno; never a short transfer.
	 * May run within store_submit(). */
	void (*done)(struct store_io *io, int res);
	/* the store's own, set up by store_submit() */
	struct store_ctx *ctx;
	uint64_t moved;
	void *priv;
	uint32_t iov_done;     /* entries of iov that are finished */
	uint32_t parts;        /* commands under way for this operation */
	uint32_t tries;        /* submissions that ended in EAGAIN or so */
	int res;               /* what done() will get */
	bool buffered;         /* went through the page cache, if at all */
	struct store_io *next; /* in a list of the store's */
	struct uring_op uring;
};

/* A store as one loop of a worker uses it. */
struct store_ctx {
	const struct store_ops *ops;
	const struct store_desc *desc; /* outlives the ctx; size may grow */
	struct io_loop *loop;
	uint32_t in_flight;
	uint64_t merged; /* operations that others were joined with, so far */
	void *priv;
};

struct store_ops {
	const char *name;   /* "file" */
	const char *scheme; /* NULL: the store of plain paths */

	/* supervisor: open target; err says why not, naming the target */
	int (*open)(const char *target, const struct store_open_how *how,
		    struct store_desc *desc, struct xs_err *err);
	/* supervisor: the size now, in bytes */
	int (*size)(const struct store_desc *desc, uint64_t *size_bytes);
	/* supervisor: replace what a worker that died has used up (a
	 * connection's socket); NULL if its successor can use the same */
	int (*renew)(const char *target, struct store_desc *desc,
		     struct xs_err *err);
	/* either side: forget what is kept beside the descriptors; no ctx is
	 * attached; may be NULL */
	void (*close)(struct store_desc *desc);

	/* worker, on the loop's thread */
	int (*attach)(struct store_ctx *ctx, struct xs_err *err);
	void (*detach)(struct store_ctx *ctx); /* nothing in flight */
	void (*submit)(struct store_ctx *ctx, struct store_io *io);
	/* what was submitted must start now; may be NULL */
	void (*kick)(struct store_ctx *ctx);
	/* have what is in flight end soon, with -ECANCELED if need be; NULL if
	 * nothing can be done.  done() still runs for each. */
	void (*cancel)(struct store_ctx *ctx);
};

/*
 * Supervisor.  On success the caller owns desc->fd[].  0 or -errno with err
 * set; nothing stays open after an error.  Opening an NBD server may take up
 * to some seconds (bounded), everything else is quick.
 */
int store_open(const char *target, const struct store_open_how *how,
	       struct store_desc *desc, struct xs_err *err);
/* Supervisor and worker: close the descriptors and forget the rest.  In a
 * worker no ctx may be attached.  A zeroed desc is fine, and so is closing
 * twice. */
void store_close(struct store_desc *desc);
/* Supervisor: the disk was written to.  Where workers write through a mapping,
 * the kernel does not see it; the file's times say so now. */
void store_touch(const struct store_desc *desc);
/* Supervisor: the size the store has now; a multiple of the sector size. */
int store_size(const struct store_desc *desc, uint64_t *size_bytes);
/*
 * Supervisor: the worker that had desc died; before its successor gets it:
 * makes again what cannot be used twice (an NBD connection), with the same
 * target.  Does nothing for other stores.  0 or -errno with err set; desc is
 * then as it was.
 */
int store_renew(const char *target, struct store_desc *desc,
		struct xs_err *err);

/*
 * Worker, on the loop's thread.  The checked door to every store: asserts the
 * preconditions before, and that results are 0 or -errno after.  What lies
 * outside the disk, is not made of whole sectors or writes to a read-only
 * store is answered here with -EINVAL or -EROFS and never reaches the store.
 *
 * Each queue has a ctx of its own; they may share desc.  The desc of a worker
 * stays open between a detach and the next attach.
 */
int store_attach(struct store_ctx *ctx, const struct store_desc *desc,
		 struct io_loop *loop, struct xs_err *err);
void store_detach(struct store_ctx *ctx);
void store_submit(struct store_ctx *ctx, struct store_io *io);
/* After each batch of submissions: a store may hold back what it was given
 * until then, to join it with what follows. */
void store_kick(struct store_ctx *ctx);
/* Ends what is in flight for the whole disk, not only for this ctx.  A store
 * that is a connection is unusable afterwards. */
void store_cancel(struct store_ctx *ctx);
/* For stores: the operation ended; counts and calls io->done. */
void store_io_done(struct store_io *io, int res);

/* "64M", "1G", "4096": bytes with an optional K, M, G, T (powers of 1024);
 * -EINVAL, also for 0; -ERANGE above 2^62. */
int store_parse_size(const char *text, uint64_t *bytes);

extern const struct store_ops store_file, store_memory, store_null, store_nbd;

#endif
