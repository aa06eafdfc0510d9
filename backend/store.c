// SPDX-License-Identifier: MIT
/*
 * The table of stores, the words of a target, and the checked door between
 * whoever has requests and the store that runs them.
 *
 * Requests have been validated before they come here (ring/blk_check.h); the
 * checks are repeated where they are cheap, because what gets past them is a
 * guest that reads or writes outside its disk.
 */
#include "backend/store.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hypercall/xs_parse.h"

static const struct store_ops *const stores[] = {
	&store_file,
	&store_memory,
	&store_null,
	&store_nbd,
};
#define NR_STORES (sizeof(stores) / sizeof(stores[0]))

/* What toolstacks put before the path of a raw image. */
static const char *const path_schemes[] = {"aio", "file", "phy", "raw"};

/* The part after "SCHEME:", or NULL. */
static const char *after_scheme(const char *target, const char *scheme)
{
	size_t len = strlen(scheme);

	if (strncmp(target, scheme, len) || target[len] != ':')
		return NULL;
	return target + len + 1;
}

static const struct store_ops *find_store(const char *target, const char **rest)
{
	unsigned int i;

	for (i = 0; i < NR_STORES; i++) {
		if (!stores[i]->scheme)
			continue;
		*rest = after_scheme(target, stores[i]->scheme);
		if (*rest)
			return stores[i];
	}
	for (i = 0; i < sizeof(path_schemes) / sizeof(path_schemes[0]); i++) {
		*rest = after_scheme(target, path_schemes[i]);
		if (*rest)
			return &store_file;
	}
	*rest = target;
	return &store_file;
}

static const struct store_ops *store_named(const char *name)
{
	unsigned int i;

	for (i = 0; i < NR_STORES; i++)
		if (!strncmp(stores[i]->name, name, STORE_NAME_MAX))
			return stores[i];
	return NULL;
}

static void set_label(struct store_desc *desc, const char *target)
{
	size_t len = strlen(target), room = sizeof(desc->label) - 8;

	if (len <= room) {
		xs_printable(desc->label, sizeof(desc->label), target, len);
		return;
	}
	memcpy(desc->label, "...", 3);
	xs_printable(desc->label + 3, sizeof(desc->label) - 3,
		     target + len - room, room);
}

static void desc_init(struct store_desc *desc, const struct store_ops *ops,
		      const char *target)
{
	unsigned int i;

	memset(desc, 0, sizeof(*desc));
	for (i = 0; i < STORE_MAX_FDS; i++)
		desc->fd[i] = -1;
	snprintf(desc->store, sizeof(desc->store), "%s", ops->name);
	set_label(desc, target);
}

static bool valid_sector_size(uint32_t size)
{
	return size >= 512 && size <= 4096 && !(size & (size - 1));
}

static void assert_desc(const struct store_desc *desc)
{
	assert(valid_sector_size(desc->sector_size));
	assert(desc->physical_sector_size >= desc->sector_size);
	assert(desc->size_bytes >= desc->sector_size);
	assert(desc->size_bytes % desc->sector_size == 0);
	assert(desc->nr_fds <= STORE_MAX_FDS);
	assert(!desc->discard || desc->discard_granularity);
	(void)desc;
}

int store_open(const char *target, const struct store_open_how *how,
	       struct store_desc *desc, struct xs_err *err)
{
	const struct store_ops *ops;
	const char *rest;
	int res;

	ops = find_store(target, &rest);
	desc_init(desc, ops, target);
	if (!*rest) {
		xs_err_set(err, "the disk's target '%s' names nothing",
			   desc->label);
		return -EINVAL;
	}
	if (how->sector_size && !valid_sector_size(how->sector_size)) {
		xs_err_set(err,
			   "%s: sector size %u is not 512, 1024, 2048 or 4096",
			   desc->label, how->sector_size);
		return -EINVAL;
	}
	res = ops->open(rest, how, desc, err);
	if (res) {
		store_close(desc);
		return res;
	}
	if (how->read_only)
		desc->read_only = true;
	if (desc->read_only || !how->discard)
		desc->discard = false;
	assert_desc(desc);
	return 0;
}

void store_close(struct store_desc *desc)
{
	const struct store_ops *ops = store_named(desc->store);
	unsigned int i;

	if (ops && ops->close)
		ops->close(desc);
	for (i = 0; i < desc->nr_fds && i < STORE_MAX_FDS; i++) {
		if (desc->fd[i] >= 0)
			close(desc->fd[i]);
		desc->fd[i] = -1;
	}
	desc->nr_fds = 0;
}

void store_touch(const struct store_desc *desc)
{
	if (desc->in_memory && !desc->read_only && desc->nr_fds)
		futimens(desc->fd[desc->nr_fds - 1], NULL);
}

int store_size(const struct store_desc *desc, uint64_t *size_bytes)
{
	const struct store_ops *ops = store_named(desc->store);
	int res;

	assert(ops);
	res = ops->size(desc, size_bytes);
	if (!res)
		*size_bytes -= *size_bytes % desc->sector_size;
	return res;
}

int store_renew(const char *target, struct store_desc *desc, struct xs_err *err)
{
	const struct store_ops *ops = store_named(desc->store);
	const char *rest;

	assert(ops);
	if (!ops->renew)
		return 0;
	find_store(target, &rest);
	return ops->renew(rest, desc, err);
}

int store_attach(struct store_ctx *ctx, const struct store_desc *desc,
		 struct io_loop *loop, struct xs_err *err)
{
	const struct store_ops *ops = store_named(desc->store);

	if (!ops) {
		xs_err_set(err, "no store is called '%.*s'",
			   (int)STORE_NAME_MAX, desc->store);
		return -EINVAL;
	}
	memset(ctx, 0, sizeof(*ctx));
	ctx->ops = ops;
	ctx->desc = desc;
	ctx->loop = loop;
	assert_desc(desc);
	return ops->attach(ctx, err);
}

void store_detach(struct store_ctx *ctx)
{
	assert(!ctx->in_flight);
	ctx->ops->detach(ctx);
	ctx->priv = NULL;
}

static int check_range(const struct store_ctx *ctx, const struct store_io *io)
{
	const struct store_desc *d = ctx->desc;
	uint64_t mask = d->sector_size - 1;

	if ((io->offset | io->len) & mask)
		return -EINVAL;
	if (io->offset > d->size_bytes || io->len > d->size_bytes - io->offset)
		return -EINVAL;
	return 0;
}

static int check_io(const struct store_ctx *ctx, const struct store_io *io)
{
	const struct store_desc *d = ctx->desc;
	uint64_t sum = 0;
	uint32_t i;

	switch (io->op) {
	case STORE_FLUSH:
		return 0;
	case STORE_DISCARD:
		if (!d->discard || (io->secure && !d->secure_discard))
			return -EOPNOTSUPP;
		break;
	case STORE_WRITE:
		if (d->read_only)
			return -EROFS;
		/* fall through */
	case STORE_READ:
		for (i = 0; i < io->nr_iov; i++)
			sum += io->iov[i].iov_len;
		assert(sum == io->len && sum);
		break;
	default:
		assert(!"an operation");
	}
	return check_range(ctx, io);
}

void store_submit(struct store_ctx *ctx, struct store_io *io)
{
	int res;

	assert(io->done);
	io->ctx = ctx;
	io->moved = 0;
	io->priv = NULL;
	io->iov_done = 0;
	io->parts = 0;
	io->tries = 0;
	io->res = 0;
	io->buffered = false;
	io->next = NULL;
	ctx->in_flight++;
	res = check_io(ctx, io);
	if (res)
		store_io_done(io, res);
	else
		ctx->ops->submit(ctx, io);
}

void store_kick(struct store_ctx *ctx)
{
	if (ctx->ops->kick)
		ctx->ops->kick(ctx);
}

void store_cancel(struct store_ctx *ctx)
{
	if (ctx->ops->cancel)
		ctx->ops->cancel(ctx);
}

void store_io_done(struct store_io *io, int res)
{
	struct store_ctx *ctx = io->ctx;

	assert(res <= 0 && res > -4096);
	assert(ctx->in_flight);
	ctx->in_flight--;
	io->ctx = NULL; /* a second completion is a bug that shows */
	io->done(io, res);
}

int store_parse_size(const char *text, uint64_t *bytes)
{
	static const char suffixes[] = "KMGT";
	const char *p = text, *suffix;
	uint64_t n = 0, max = UINT64_C(1) << 62;
	unsigned int shift = 0;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (n > max / 10)
			return -ERANGE;
		n = n * 10 + (uint64_t)(*p - '0');
	}
	if (*p) {
		suffix = strchr(suffixes, *p >= 'a' ? *p - 'a' + 'A' : *p);
		if (!suffix || p[1])
			return -EINVAL;
		shift = 10 * (unsigned int)(suffix - suffixes + 1);
	}
	if (!n)
		return -EINVAL;
	if (n > max >> shift)
		return -ERANGE;
	*bytes = n << shift;
	return 0;
}
