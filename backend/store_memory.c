// SPDX-License-Identifier: MIT
/*
 * memory:SIZE: a disk in memory, gone when it is detached.
 *
 * The supervisor makes a memfd whose size is sealed and keeps it, so that the
 * contents outlive a worker; the worker maps it and copies.  Not a file on
 * tmpfs: that is the file store's.
 */
#include "backend/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096u

struct memory_ctx {
	char *base;
	size_t size;
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
	int res;

	if (!m)
		return -ENOMEM;
	m->size = desc->size_bytes;
	m->base = mmap(NULL, m->size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_NORESERVE, desc->fd[0], 0);
	if (m->base == MAP_FAILED) {
		res = -errno;
		xs_err_set(err, "%s: cannot map its %llu bytes: %s",
			   desc->label, (unsigned long long)m->size,
			   strerror(-res));
		free(m);
		return res;
	}
	ctx->priv = m;
	return 0;
}

static void memory_detach(struct store_ctx *ctx)
{
	struct memory_ctx *m = ctx->priv;

	munmap(m->base, m->size);
	free(m);
}

static int move(const struct memory_ctx *m, const struct store_io *io)
{
	char *at = m->base + io->offset;
	uint32_t i;

	for (i = 0; i < io->nr_iov; i++) {
		const struct iovec *v = &io->iov[i];

		if (io->op == STORE_READ)
			memcpy(v->iov_base, at, v->iov_len);
		else
			memcpy(at, v->iov_base, v->iov_len);
		at += v->iov_len;
	}
	return 0;
}

static int discard(int fd, const struct store_io *io)
{
	if (!io->len)
		return 0;
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
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
		res = discard(ctx->desc->fd[0], io);
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
