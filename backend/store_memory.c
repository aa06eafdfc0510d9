// SPDX-License-Identifier: MIT
/*
 * memory:SIZE: a disk in memory, gone when it is detached.
 *
 * The supervisor makes a memfd whose size is sealed and keeps it, so that the
 * contents outlive a worker; the worker maps it (store_map.h) and copies.  What
 * was never written takes no memory.  Not a file on tmpfs: that is the file
 * store's.
 */
#include "backend/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend/store_map.h"

#define PAGE 4096u

struct memory_ctx {
	struct store_map *map;
	uint64_t size;
	int fd;
};

static int make_memfd(uint64_t size, int *fd)
{
	int res;

	*fd = memfd_create("xensplit-disk", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd < 0)
		return -errno;
	/* nobody who gets it can shrink it below our mapping */
	if (ftruncate(*fd, (off_t)size) ||
	    fcntl(*fd, F_ADD_SEALS,
		  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
		res = -errno;
		close(*fd);
		return res;
	}
	return 0;
}

static int memory_open(const char *target, const struct store_open_how *how,
		       struct store_desc *desc, struct xs_err *err)
{
	uint32_t sector = how->sector_size ? how->sector_size : 512;
	int res = store_parse_size(target, &desc->size_bytes);

	if (!res && desc->size_bytes % sector)
		res = -EINVAL;
	if (res) {
		xs_err_set(err,
			   "%s: the size is not a number of bytes, with K, M, "
			   "G or T, that makes whole sectors of %u bytes",
			   desc->label, sector);
		return res;
	}
	res = make_memfd(desc->size_bytes, &desc->fd[0]);
	if (res) {
		xs_err_set(err, "%s: no memory of this size: %s", desc->label,
			   strerror(-res));
		return res;
	}
	desc->nr_fds = 1;
	desc->sector_size = sector;
	desc->physical_sector_size = PAGE;
	desc->flush = true;
	desc->discard = true;
	desc->discard_granularity = PAGE;
	desc->in_memory = true;
	return 0;
}

static int memory_size(const struct store_desc *desc, uint64_t *size_bytes)
{
	*size_bytes = desc->size_bytes;
	return 0;
}

static int memory_attach(struct store_ctx *ctx, struct xs_err *err)
{
	const struct store_desc *desc = ctx->desc;
	struct memory_ctx *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->size = desc->size_bytes;
	m->fd = desc->fd[0];
	m->map = store_map_create(m->fd, m->size, false);
	if (!m->map && m->size >= PAGE) {
		xs_err_set(err, "%s: cannot map its %llu bytes", desc->label,
			   (unsigned long long)m->size);
		free(m);
		return -ENOMEM;
	}
	ctx->priv = m;
	return 0;
}

static void memory_detach(struct store_ctx *ctx)
{
	struct memory_ctx *m = ctx->priv;

	store_map_destroy(m->map);
	free(m);
}

/* Where there is a hole: the kernel does not fill it to read it. */
static int move_through_fd(const struct memory_ctx *m,
			   const struct store_io *io)
{
	off_t at = (off_t)io->offset;
	uint32_t i;

	for (i = 0; i < io->nr_iov; i++) {
		const struct iovec *v = &io->iov[i];
		ssize_t n = io->op == STORE_READ
				    ? pread(m->fd, v->iov_base, v->iov_len, at)
				    : pwrite(m->fd, v->iov_base, v->iov_len,
					     at);

		if (n < 0)
			return -errno;
		if ((size_t)n != v->iov_len)
			return -ENOSPC; /* no more memory */
		at += n;
	}
	if (m->map && io->op == STORE_WRITE)
		store_map_filled(m->map, io->offset, io->len);
	return 0;
}

static int move(const struct memory_ctx *m, const struct store_io *io)
{
	if (m->map && store_map_move(m->map, io))
		return 0;
	return move_through_fd(m, io);
}

static int discard(const struct memory_ctx *m, const struct store_io *io)
{
	if (!io->len)
		return 0;
	if (m->map)
		store_map_emptied(m->map, io->offset, io->len);
	if (fallocate(m->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      (off_t)io->offset, (off_t)io->len))
		return -errno;
	return 0;
}

static void memory_submit(struct store_ctx *ctx, struct store_io *io)
{
	struct memory_ctx *m = ctx->priv;
	int res = 0;

	if (io->op != STORE_FLUSH && io->offset + io->len > m->size)
		res = -EIO; /* the desc grew, the memory cannot */
	else if (io->op == STORE_READ || io->op == STORE_WRITE)
		res = move(m, io);
	else if (io->op == STORE_DISCARD)
		res = discard(m, io);
	store_io_done(io, res);
}

const struct store_ops store_memory = {
	.name = "memory",
	.scheme = "memory",
	.open = memory_open,
	.size = memory_size,
	.attach = memory_attach,
	.detach = memory_detach,
	.submit = memory_submit,
};
