// SPDX-License-Identifier: MIT
/*
 * Raw files and block devices, the worker's half.
 *
 * Through io_uring, with O_DIRECT for what is aligned to its wishes and
 * through the page cache for the rest.  Two cases run at once on the loop's
 * thread instead, with preadv() and pwritev():
 *
 * - files in memory (tmpfs): they never wait for a device, and io_uring hands
 *   each to a kernel thread (4 KiB: 100 us, against 0.4 us at once).  What
 * holds data already is moved without a system call (store_map.h);
 * - everything on a host that refuses io_uring.
 *
 * Reads or writes of a batch that continue each other are one operation
 * (store_file_merge.h).  What does not move it all, for whatever reason, is
 * done again request by request, so each gets its own result.
 *
 * Page cache of a real file system stays with io_uring: reads that hit the
 * cache complete within the submission (0.5 us, against 0.4 us for pread()),
 * and whatever would wait does not hold up the loop.
 */
#include "backend/store_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <liburing.h>
#include <linux/fs.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "backend/store_map.h"
#include "backend/store_file_merge.h"
#include "hypercall/log.h"

#define TRIES_MAX     1000u /* of an operation that the kernel puts off */
#define DISCARD_PIECE (UINT64_C(64) << 20) /* BLKDISCARD holds up the loop */
#define PUNCH         (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

struct file_ctx {
	struct io_loop *loop;
	struct io_uring_engine *uring; /* NULL: at once */
	int fd_direct, fd_cached;      /* fd_direct -1: no O_DIRECT */
	uintptr_t mem_mask, offset_mask;
	bool in_memory, block_device;
	bool told_direct;
	struct store_map *map; /* of a file in memory; NULL: none */
	/* BLKDISCARD, a piece a turn, for devices that cannot do it through
	 * fallocate() (which promises zeroes) */
	bool discard_by_ioctl;
	struct io_poller discard_poller;
	struct store_io *discards, **discards_end;
	struct store_run run; /* held back */
	struct merged_op *free_merged;
	struct merged_op merged[MERGE_OPS];
};

static struct store_io *io_of(struct uring_op *op)
{
	return (void *)((char *)op - offsetof(struct store_io, uring));
}

static inline bool fits_direct(const struct file_ctx *f,
			       const struct store_io *io)
{
	uintptr_t mem = 0, len = 0;
	uint32_t i;

	if (f->fd_direct < 0 || io->buffered)
		return false;
	for (i = io->iov_done; i < io->nr_iov; i++) {
		mem |= (uintptr_t)io->iov[i].iov_base;
		len |= io->iov[i].iov_len;
	}
	len |= io->offset + io->moved;
	return !(mem & f->mem_mask) && !(len & f->offset_mask);
}

static inline int fd_for(struct file_ctx *f, struct store_io *io)
{
	if (fits_direct(f, io))
		return f->fd_direct;
	io->buffered = true; /* the rest of it, too */
	return f->fd_cached;
}

static inline unsigned int iovs_left(const struct store_io *io)
{
	unsigned int n = io->nr_iov - io->iov_done;

	return n < IOV_MAX ? n : IOV_MAX;
}

/* n more bytes moved; true when that was all. */
static bool advance(struct store_io *io, size_t n)
{
	io->moved += n;
	while (n) {
		struct iovec *v = &io->iov[io->iov_done];

		if (n < v->iov_len) {
			v->iov_base = (char *)v->iov_base + n;
			v->iov_len -= n;
			break;
		}
		n -= v->iov_len;
		io->iov_done++;
	}
	return io->moved == io->len;
}

/*
 * What the kernel's answer to a transfer means: 0 all done, 1 go on with the
 * rest, else an error.  Nothing moved inside the disk is the end of a file
 * that became shorter under us.
 */
static int transfer_result(struct file_ctx *f, struct store_io *io, ssize_t res)
{
	if (res > 0) {
		assert((uint64_t)res <= io->len - io->moved);
		return !advance(io, (size_t)res);
	}
	if (!res)
		return -EIO;
	if ((res == -EAGAIN || res == -EINTR) && ++io->tries < TRIES_MAX)
		return 1;
	if (res == -EINVAL && !io->buffered && f->fd_direct >= 0) {
		/* stricter than it said */
		io->buffered = true;
		if (!f->told_direct)
			log_warn(io->ctx->desc->label,
				 "O_DIRECT refused a request: page cache");
		f->told_direct = true;
		return 1;
	}
	return (int)res;
}

/* BLKDISCARD in pieces */

static int discard_piece(const struct file_ctx *f, struct store_io *io)
{
	uint64_t left = io->len - io->moved;
	uint64_t range[2] = {io->offset + io->moved,
			     left < DISCARD_PIECE ? left : DISCARD_PIECE};

	if (ioctl(f->fd_cached, BLKDISCARD, range))
		return -errno;
	io->moved += range[1];
	return io->moved != io->len;
}

static int discard_poll(struct io_poller *p)
{
	struct file_ctx *f = (void *)((char *)p - offsetof(struct file_ctx,
							   discard_poller));
	struct store_io *io = f->discards;
	int res;

	if (!io)
		return 0;
	res = discard_piece(f, io);
	if (res <= 0) {
		f->discards = io->next;
		if (!f->discards)
			f->discards_end = &f->discards;
		store_io_done(io, res);
	}
	return 1;
}

static bool discard_arm(struct io_poller *p)
{
	const struct file_ctx *f =
		(void *)((char *)p - offsetof(struct file_ctx, discard_poller));

	return f->discards;
}

static void discard_queue(struct file_ctx *f, struct store_io *io)
{
	if (!f->discard_by_ioctl) {
		f->discard_by_ioctl = true;
		io_loop_add_poller(f->loop, &f->discard_poller);
	}
	io->next = NULL;
	*f->discards_end = io;
	f->discards_end = &io->next;
}

/* At once, on the loop's thread */

static int transfer_now(struct file_ctx *f, struct store_io *io)
{
	ssize_t n;
	int res;

	do {
		const struct iovec *v = io->iov + io->iov_done;
		int fd = fd_for(f, io), nr = (int)iovs_left(io);
		off_t at = (off_t)(io->offset + io->moved);

		n = io->op == STORE_READ ? preadv(fd, v, nr, at)
					 : pwritev(fd, v, nr, at);
		res = transfer_result(f, io, n < 0 ? -errno : n);
	} while (res == 1);
	if (f->map && !res && io->op == STORE_WRITE)
		store_map_filled(f->map, io->offset, io->len);
	return res;
}

static void run_now(struct file_ctx *f, struct store_io *io)
{
	int res = 0;

	switch (io->op) {
	case STORE_READ:
	case STORE_WRITE:
		res = transfer_now(f, io);
		break;
	case STORE_FLUSH:
		if (!f->in_memory && fdatasync(f->fd_cached))
			res = -errno;
		break;
	case STORE_DISCARD:
		if (f->map)
			store_map_emptied(f->map, io->offset, io->len);
		if (!fallocate(f->fd_cached, PUNCH, (off_t)io->offset,
			       (off_t)io->len))
			break;
		res = -errno;
		if (res == -EOPNOTSUPP && f->block_device) {
			discard_queue(f, io);
			return;
		}
		break;
	}
	store_io_done(io, res);
}

/* Through io_uring */

static void prep(struct uring_op *op, struct io_uring_sqe *sqe)
{
	struct store_io *io = io_of(op);
	struct file_ctx *f = io->ctx->priv;
	struct iovec *v = io->iov + io->iov_done;
	uint64_t at = io->offset + io->moved;
	unsigned int nr;

	switch (io->op) {
	case STORE_READ:
	case STORE_WRITE:
		nr = iovs_left(io);
		if (nr == 1 && v->iov_len <= UINT_MAX && io->op == STORE_READ)
			io_uring_prep_read(sqe, fd_for(f, io), v->iov_base,
					   (unsigned int)v->iov_len, at);
		else if (nr == 1 && v->iov_len <= UINT_MAX)
			io_uring_prep_write(sqe, fd_for(f, io), v->iov_base,
					    (unsigned int)v->iov_len, at);
		else if (io->op == STORE_READ)
			io_uring_prep_readv(sqe, fd_for(f, io), v, nr, at);
		else
			io_uring_prep_writev(sqe, fd_for(f, io), v, nr, at);
		break;
	case STORE_FLUSH:
		io_uring_prep_fsync(sqe, f->fd_cached, IORING_FSYNC_DATASYNC);
		break;
	case STORE_DISCARD:
		io_uring_prep_fallocate(sqe, f->fd_cached, PUNCH,
					(off_t)io->offset, (off_t)io->len);
		break;
	}
}

static void complete(struct uring_op *op, int res)
{
	struct store_io *io = io_of(op);
	struct file_ctx *f = io->ctx->priv;

	if (io->op == STORE_READ || io->op == STORE_WRITE) {
		res = transfer_result(f, io, res);
	} else if ((res == -EAGAIN || res == -EINTR) &&
		   ++io->tries < TRIES_MAX) {
		res = 1;
	} else if (res == -EOPNOTSUPP && io->op == STORE_DISCARD &&
		   f->block_device) {
		discard_queue(f, io);
		return;
	}
	if (res == 1)
		uring_engine_submit(f->uring, op);
	else
		store_io_done(io, res);
}

static void start_one(struct file_ctx *f, struct store_io *io)
{
	if (!f->uring) {
		run_now(f, io);
		return;
	}
	io->uring.prep = prep;
	io->uring.complete = complete;
	uring_engine_submit(f->uring, &io->uring);
}

/* Merged: several requests as one operation */

static void end_all(struct store_io *next, int res)
{
	struct store_io *io;

	while ((io = next)) {
		next = io->next;
		store_io_done(io, res);
	}
}

static void start_each(struct file_ctx *f, struct store_io *next)
{
	struct store_io *io;

	while ((io = next)) {
		next = io->next;
		start_one(f, io);
	}
}

static void end_merged(struct file_ctx *f, struct merged_op *m, ssize_t res)
{
	struct store_io *first = m->run.first;
	uint64_t len = m->run.len;

	m->next = f->free_merged;
	f->free_merged = m;
	if (res == -ECANCELED)
		end_all(first, -ECANCELED);
	else if (res < 0 || (uint64_t)res != len)
		start_each(f, first);
	else
		end_all(first, 0);
}

static void prep_merged(struct uring_op *op, struct io_uring_sqe *sqe)
{
	struct merged_op *m = (struct merged_op *)op;
	uint64_t at = m->run.end - m->run.len;

	if (m->run.op == STORE_READ && m->nr_iov == 1)
		io_uring_prep_read(sqe, m->fd, m->iov->iov_base,
				   (unsigned int)m->iov->iov_len, at);
	else if (m->run.op == STORE_READ)
		io_uring_prep_readv(sqe, m->fd, m->iov, m->nr_iov, at);
	else if (m->nr_iov == 1)
		io_uring_prep_write(sqe, m->fd, m->iov->iov_base,
				    (unsigned int)m->iov->iov_len, at);
	else
		io_uring_prep_writev(sqe, m->fd, m->iov, m->nr_iov, at);
}

static void complete_merged(struct uring_op *op, int res)
{
	struct merged_op *m = (struct merged_op *)op;

	end_merged(m->ctx->priv, m, res);
}

static void run_merged_now(struct file_ctx *f, struct merged_op *m)
{
	off_t at = (off_t)(m->run.end - m->run.len);
	int nr = (int)m->nr_iov;
	ssize_t n;

	n = m->run.op == STORE_READ ? preadv(m->fd, m->iov, nr, at)
				    : pwritev(m->fd, m->iov, nr, at);
	if (f->map && n > 0 && m->run.op == STORE_WRITE)
		store_map_filled(f->map, (uint64_t)at, (uint64_t)n);
	/* why does not matter: each request finds out for itself */
	end_merged(f, m, n);
}

/* Start what was held back. */
static void end_run(struct store_ctx *ctx)
{
	struct file_ctx *f = ctx->priv;
	struct merged_op *m = f->free_merged;

	if (!f->run.nr)
		return;
	if (f->run.nr == 1 || !m) {
		f->run.nr = 0; /* what is done now may submit */
		start_each(f, f->run.first);
		return;
	}
	f->free_merged = m->next;
	ctx->merged += f->run.nr;
	store_run_merge(&f->run, m);
	m->ctx = ctx;
	m->fd = m->run.direct ? f->fd_direct : f->fd_cached;
	if (!f->uring) {
		run_merged_now(f, m);
		return;
	}
	m->uring.prep = prep_merged;
	m->uring.complete = complete_merged;
	uring_engine_submit(f->uring, &m->uring);
}

static void file_submit(struct store_ctx *ctx, struct store_io *io)
{
	struct file_ctx *f = ctx->priv;

	if (io->op == STORE_READ || io->op == STORE_WRITE) {
		bool direct = fits_direct(f, io);

		io->buffered = !direct;
		if (f->map && store_map_move(f->map, io)) {
			store_io_done(io, 0);
			return;
		}
		if (!store_run_goes_on(&f->run, io, direct))
			end_run(ctx);
		store_run_add(&f->run, io, direct);
		return;
	}
	end_run(ctx);
	if (io->op == STORE_DISCARD && !io->len)
		store_io_done(io, 0);
	else if (io->op == STORE_DISCARD && f->discard_by_ioctl)
		discard_queue(f, io);
	else
		start_one(f, io);
}

static void file_kick(struct store_ctx *ctx)
{
	struct file_ctx *f = ctx->priv;

	end_run(ctx);
	if (f->uring)
		uring_engine_kick(f->uring);
}

static bool is_ours(const struct uring_op *op, void *arg)
{
	if (op->complete == complete_merged)
		return ((const struct merged_op *)op)->ctx == arg;
	return op->complete == complete &&
	       io_of((struct uring_op *)op)->ctx == arg;
}

/* I/O that a device has already got ends when the device says so. */
static void file_cancel(struct store_ctx *ctx)
{
	struct file_ctx *f = ctx->priv;
	struct store_io *discards = f->discards;

	f->discards = NULL;
	f->discards_end = &f->discards;
	end_all(discards, -ECANCELED);
	if (f->run.nr) {
		f->run.nr = 0;
		end_all(f->run.first, -ECANCELED);
	}
	if (!f->uring)
		return;
	uring_engine_cancel(f->uring, f->fd_cached, is_ours, ctx);
	if (f->fd_direct >= 0)
		uring_engine_cancel(f->uring, f->fd_direct, is_ours, ctx);
}

static int file_attach(struct store_ctx *ctx, struct xs_err *err)
{
	const struct store_desc *d = ctx->desc;
	struct file_ctx *f;
	unsigned int i;

	if (d->nr_fds < (d->dio_offset_align ? 2u : 1u)) {
		xs_err_set(err, "%s: came without its descriptors", d->label);
		return -EBADF;
	}
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->loop = ctx->loop;
	f->fd_direct = -1;
	f->fd_cached = d->fd[d->nr_fds - 1];
	if (d->dio_offset_align) {
		f->fd_direct = d->fd[STORE_FILE_DIRECT];
		f->mem_mask = d->dio_mem_align - 1;
		f->offset_mask = d->dio_offset_align - 1;
	}
	f->in_memory = d->in_memory;
	f->block_device = d->block_device;
	f->uring = f->in_memory ? NULL : ctx->loop->uring;
	f->discard_poller.poll = discard_poll;
	f->discard_poller.arm = discard_arm;
	f->discards_end = &f->discards;
	if (f->in_memory)
		f->map = store_map_create(f->fd_cached, d->size_bytes,
					  d->read_only);
	for (i = 0; i < MERGE_OPS; i++) {
		f->merged[i].next = f->free_merged;
		f->free_merged = &f->merged[i];
	}
	if (!f->uring && !f->in_memory)
		log_info(d->label, "without io_uring: one operation at a time");
	ctx->priv = f;
	return 0;
}

static void file_detach(struct store_ctx *ctx)
{
	struct file_ctx *f = ctx->priv;

	if (f->discard_by_ioctl)
		io_loop_del_poller(f->loop, &f->discard_poller);
	store_map_destroy(f->map);
	free(f);
}

const struct store_ops store_file = {
	.name = "file",
	.scheme = NULL,
	.open = store_file_open,
	.size = store_file_size,
	.attach = file_attach,
	.detach = file_detach,
	.submit = file_submit,
	.kick = file_kick,
	.cancel = file_cancel,
};
