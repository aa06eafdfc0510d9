// SPDX-License-Identifier: MIT
/*
 * Pages that are granted, as frames: found by number and by reference, held,
 * read and written.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "gnttab.h"

struct frame share_frame(struct share *s, uint32_t page)
{
	return (struct frame){
		.share = s,
		.number = s->first_frame + page,
		.page = page,
		.fd = s->fd,
		.writable = s->writable,
	};
}

int share_fd(const struct share *s)
{
	return s->fd;
}

int frame_find(struct domain *d, uint32_t number, struct frame *f)
{
	struct share *s;

	LIST_FOREACH(s, &d->shares, link)
	{
		uint32_t page = number - s->first_frame;

		if (number < s->first_frame || page >= s->count || !s->refs ||
		    !s->refs[page])
			continue;
		*f = share_frame(s, page);
		return 0;
	}
	return -ENOENT;
}

int frame_by_ref(struct domain *granter, uint32_t ref, uint32_t grantee,
		 struct frame *f)
{
	struct grant *g;

	if (ref >= WIRE_GRANT_REFS || !granter->grant)
		return -ENOENT;
	g = &granter->grant[ref];
	if (!g->share ||
	    (grantee != WIRE_DOMID_NONE && g->share->grantee != grantee))
		return -ENOENT;
	*f = share_frame(g->share, g->page);
	return 0;
}

void frame_get(const struct frame *f)
{
	f->share->holds++;
}

void frame_put(const struct frame *f)
{
	share_put(f->share);
}

int frame_access(const struct frame *f, uint32_t off, void *buf, uint32_t len,
		 bool write)
{
	uint8_t *p;

	if (off > WIRE_PAGE_SIZE || len > WIRE_PAGE_SIZE - off)
		return -EINVAL;
	p = mmap(NULL, WIRE_PAGE_SIZE,
		 write ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, f->fd,
		 (off_t)f->page * WIRE_PAGE_SIZE);
	if (p == MAP_FAILED)
		return -errno;
	if (write)
		memcpy(p + off, buf, len);
	else
		memcpy(buf, p + off, len);
	munmap(p, WIRE_PAGE_SIZE);
	return 0;
}
