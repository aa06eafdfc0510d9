// SPDX-License-Identifier: MIT
/*
 * Views: for each pair of domains, the grant table entries of the one that the
 * other may use, in Xen's own layout, in memory that only xenlocald writes.
 *
 * A view belongs to the grantee and to a granter's number, so it outlives the
 * granter and serves the next domain of that number: libraries keep it mapped.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xen/grant_table.h>

#include "gnttab.h"

#define VIEW_SIZE (WIRE_GRANT_REFS * sizeof(grant_entry_v1_t))

struct view {
	LIST_ENTRY(view) link;
	uint32_t granter;
	int fd;
	_Atomic uint64_t *entry; /* a grant_entry_v1_t each */
};

union entry {
	grant_entry_v1_t v1;
	uint64_t word;
};

_Static_assert(sizeof(union entry) == sizeof(uint64_t), "v1 entry");

static struct view *view_find(struct domain *grantee, uint32_t granter)
{
	struct view *v;

	LIST_FOREACH(v, &grantee->views, link)
	if (v->granter == granter)
		return v;
	return NULL;
}

static void view_set(struct view *v, uint32_t ref, const struct grant *g)
{
	union entry e = {
		.v1 = {
			.flags = GTF_permit_access |
				 (g->share->writable ? 0 : GTF_readonly) |
				 (g->readers + g->writers ? GTF_reading : 0) |
				 (g->writers ? GTF_writing : 0),
			.domid = (domid_t)g->share->grantee,
			.frame = g->share->first_frame + g->page,
		}};

	/* pairs with the load before a copy in grant_copy.c */
	atomic_store_explicit(&v->entry[ref], e.word, memory_order_release);
}

static struct view *view_of(struct domain *granter, uint32_t ref)
{
	struct domain *grantee;

	grantee = domain_find(granter->grant[ref].share->grantee);
	return grantee ? view_find(grantee, granter->domid) : NULL;
}

void view_update(struct domain *granter, uint32_t ref)
{
	struct view *v = view_of(granter, ref);

	if (v)
		view_set(v, ref, &granter->grant[ref]);
}

void view_clear(struct domain *granter, uint32_t ref)
{
	struct view *v = view_of(granter, ref);

	if (v)
		atomic_store(&v->entry[ref], 0);
}

static void view_free(struct view *v)
{
	if (v->entry)
		munmap((void *)v->entry, VIEW_SIZE);
	if (v->fd >= 0)
		close(v->fd);
	free(v);
}

static struct view *view_new(uint32_t granter)
{
	struct view *v = calloc(1, sizeof(*v));
	void *p;

	if (!v)
		return NULL;
	v->granter = granter;
	v->fd = memfd_create("grants", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (v->fd < 0 || ftruncate(v->fd, VIEW_SIZE))
		goto fail;
	p = mmap(NULL, VIEW_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	if (p == MAP_FAILED)
		goto fail;
	v->entry = p;
	/* from here on nobody makes another writable mapping, or writes */
	if (!fcntl(v->fd, F_ADD_SEALS,
		   F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE |
			   F_SEAL_SEAL))
		return v;
fail:
	view_free(v);
	return NULL;
}

int view_fd(struct domain *grantee, struct domain *granter)
{
	struct view *v = view_find(grantee, granter->domid);
	struct share *s;
	uint32_t i;

	if (v)
		return v->fd;
	v = view_new(granter->domid);
	if (!v)
		return -ENOMEM;
	LIST_INSERT_HEAD(&grantee->views, v, link);
	LIST_FOREACH(s, &granter->shares, link)
	{
		if (s->grantee != grantee->domid || !s->refs)
			continue;
		for (i = 0; i < s->count; i++)
			if (s->refs[i])
				view_set(v, s->refs[i],
					 &granter->grant[s->refs[i]]);
	}
	return v->fd;
}

void view_domain_release(struct domain *grantee)
{
	struct view *v;

	while ((v = LIST_FIRST(&grantee->views))) {
		LIST_REMOVE(v, link);
		view_free(v);
	}
}
