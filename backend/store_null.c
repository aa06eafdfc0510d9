// SPDX-License-Identifier: MIT
/*
 * null:SIZE: a disk that is nothing, for measuring everything but a disk.
 *
 * Writes are forgotten; reads leave the memory as it is, like Linux's null_blk.
 * That memory is the guest's own page, or a page of the worker that serves
 * this guest only, so nothing of another guest shows.
 */
#include "backend/store.h"

#include <errno.h>

static int null_open(const char *target, const struct store_open_how *how,
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
	desc->sector_size = sector;
	desc->physical_sector_size = 4096;
	desc->flush = true;
	desc->discard = true;
	desc->discard_granularity = 4096;
	return 0;
}

static int null_size(const struct store_desc *desc, uint64_t *size_bytes)
{
	*size_bytes = desc->size_bytes;
	return 0;
}

static int null_attach(struct store_ctx *ctx, struct xs_err *err)
{
	(void)ctx;
	(void)err;
	return 0;
}

static void null_detach(struct store_ctx *ctx)
{
	(void)ctx;
}

static void null_submit(struct store_ctx *ctx, struct store_io *io)
{
	(void)ctx;
	store_io_done(io, 0);
}

const struct store_ops store_null = {
	.name = "null",
	.scheme = "null",
	.open = null_open,
	.size = null_size,
	.attach = null_attach,
	.detach = null_detach,
	.submit = null_submit,
};
