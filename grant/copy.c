// SPDX-License-Identifier: MIT
/*
 * Batches of grant copies.  See copy.h.
 */
#include <assert.h>
#include <errno.h>
#include <stddef.h>

#include "grant/copy.h"

#define PAGE 4096u

void grant_copy_init(struct grant_copy *c, xengnttab_handle *handle,
		     uint32_t domid)
{
	c->handle = handle;
	c->domid = domid;
	c->nr = 0;
	c->first_error = 0;
	c->bytes = 0;
	c->calls = 0;
}

static void run(struct grant_copy *c)
{
	uint32_t i;
	int ret;

	if (!c->nr)
		return;
	c->calls++;
	errno = 0;
	ret = xengnttab_grant_copy(c->handle, c->nr, c->seg);
	if (ret)
		ret = errno ? -errno : -EIO;
	for (i = 0; i < c->nr; i++) {
		if (c->seg[i].status == GNTST_okay)
			c->bytes += c->seg[i].len;
		else if (!ret)
			ret = -EINVAL;
	}
	if (!c->first_error)
		c->first_error = ret;
	c->nr = 0;
}

static xengnttab_grant_copy_segment_t *add(struct grant_copy *c,
					   uint16_t offset, uint16_t len,
					   uint16_t flags)
{
	xengnttab_grant_copy_segment_t *seg;

	assert(len <= PAGE && offset <= PAGE - len);
	if (!len)
		return NULL;
	if (c->nr == GRANT_COPY_BATCH)
		run(c);
	seg = &c->seg[c->nr++];
	seg->len = len;
	seg->flags = flags;
	/* Stays if the host ends the batch without coming to this one. */
	seg->status = GNTST_general_error;
	return seg;
}

void grant_copy_to(struct grant_copy *c, uint32_t ref, uint16_t offset,
		   const void *from, uint16_t len)
{
	xengnttab_grant_copy_segment_t *seg;

	seg = add(c, offset, len, GNTCOPY_dest_gref);
	if (!seg)
		return;
	seg->source.virt = (void *)from;
	seg->dest.foreign.ref = ref;
	seg->dest.foreign.offset = offset;
	seg->dest.foreign.domid = (uint16_t)c->domid;
}

void grant_copy_from(struct grant_copy *c, uint32_t ref, uint16_t offset,
		     void *to, uint16_t len)
{
	xengnttab_grant_copy_segment_t *seg;

	seg = add(c, offset, len, GNTCOPY_source_gref);
	if (!seg)
		return;
	seg->source.foreign.ref = ref;
	seg->source.foreign.offset = offset;
	seg->source.foreign.domid = (uint16_t)c->domid;
	seg->dest.virt = to;
}

int grant_copy_flush(struct grant_copy *c)
{
	int ret;

	run(c);
	ret = c->first_error;
	c->first_error = 0;
	return ret;
}
