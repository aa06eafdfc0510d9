/* SPDX-License-Identifier: MIT */
/*
 * Batches of grant copies: what a backend uses instead of mapping where the
 * pages are not worth keeping mapped.  Collects segments and has the
 * hypervisor carry them out in as few calls as possible
 * (xengnttab_grant_copy).  Every element's status is preset to a failure and
 * inspected; the first error wins.
 *
 * One thread at a time.
 */
#ifndef XENSPLIT_GRANT_COPY_H
#define XENSPLIT_GRANT_COPY_H

#include <stdbool.h>
#include <stdint.h>
#include <xengnttab.h>

#define GRANT_COPY_BATCH 256u

struct grant_copy {
	xengnttab_handle *handle;
	uint32_t domid; /* the peer's */
	uint32_t nr;
	int first_error;       /* of what ran since the last _flush() */
	uint64_t bytes, calls; /* counters, never reset */
	xengnttab_grant_copy_segment_t seg[GRANT_COPY_BATCH];
};

void grant_copy_init(struct grant_copy *c, xengnttab_handle *handle,
		     uint32_t domid);
/* len bytes between local memory and offset in the page of ref; runs the batch
 * first when it is full.  offset + len <= 4096.  Local memory may be any. */
void grant_copy_to(struct grant_copy *c, uint32_t ref, uint16_t offset,
		   const void *from, uint16_t len);
void grant_copy_from(struct grant_copy *c, uint32_t ref, uint16_t offset,
		     void *to, uint16_t len);
/* Run what is left; 0 if all since the last flush succeeded, else -EINVAL (a
 * reference is not granted so) or -errno. */
int grant_copy_flush(struct grant_copy *c);
/* After a flush that failed: whether the element that was added when c->nr was
 * index succeeded.  Only of those since the batch was last full. */
static inline bool grant_copy_ok(const struct grant_copy *c, uint32_t index)
{
	return c->seg[index].status == GNTST_okay;
}

#endif
