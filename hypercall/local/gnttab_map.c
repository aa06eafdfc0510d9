// SPDX-License-Identifier: MIT
/*
 * Grants, the grantee's side: map, unmap, and windows for copies.
 *
 * A descriptor is sent only for a reference that is granted to the caller at
 * this moment, and the memfd behind it holds nothing but pages that the same
 * call shared with the same domain.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "gnttab.h"

static void refuse(struct domain *d, uint32_t domid, uint32_t ref,
		   const char *why)
{
	log_line(d, "reference %u of domain %u refused: %s", ref, domid, why);
	d->count.refused++;
}

/* The grant behind (domid, ref), if the caller may use it so. */
static int grant_lookup(struct request *rq, uint32_t domid, uint32_t ref,
			bool writable, struct grant **out)
{
	struct domain *d = rq->dom, *granter;
	struct grant *g;
	int ret = request_domid(rq, domid, &domid);

	if (ret)
		return ret;
	granter = domain_find(domid);
	if (!granter) {
		refuse(d, domid, ref, "no such domain");
		return -ESRCH;
	}
	g = ref < WIRE_GRANT_REFS && granter->grant ? &granter->grant[ref]
						    : NULL;
	if (!g || !g->share) {
		refuse(d, domid, ref, "not granted");
		return -EINVAL;
	}
	if (g->share->grantee != d->domid) {
		refuse(d, domid, ref, "granted to another domain");
		return -EINVAL;
	}
	if (writable && !g->share->writable) {
		refuse(d, domid, ref, "granted read-only");
		return -EACCES;
	}
	*out = g;
	return 0;
}

static void unmap_one(struct mapping *m)
{
	struct share *s = m->share;
	struct frame f = share_frame(s, m->page);
	struct domain *d = m->h->dom;

	notify_fire(&m->notify, s);
	iommu_unmap_frame(d, &f, m->writable);
	d->nr_maps--;
	d->count.unmaps++;
	if (s->owner) {
		struct grant *g = &s->owner->grant[m->ref];

		*(m->writable ? &g->writers : &g->readers) -= 1;
		if (g->revoked && !(g->readers + g->writers))
			grant_clear(s->owner, m->ref);
		else
			view_update(s->owner, m->ref);
	}
	share_put(s);
	free(m);
}

static int map_one(struct request *rq, uint32_t domid, uint32_t ref,
		   bool writable, uint32_t *handle)
{
	struct domain *d = rq->dom;
	struct grant *g;
	struct mapping *m;
	struct frame f;
	int ret = grant_lookup(rq, domid, ref, writable, &g);

	if (ret)
		return ret;
	if (d->nr_maps >= MAX_MAPS) {
		log_line(d, "too many grants mapped (%u)", d->nr_maps);
		return -ENOSPC;
	}
	m = calloc(1, sizeof(*m));
	*handle = m ? idtab_add(&rq->h->maps, m) : 0;
	if (!*handle) {
		free(m);
		return -ENOMEM;
	}
	f = share_frame(g->share, g->page);
	ret = iommu_map_frame(d, &f, writable);
	if (ret) {
		idtab_del(&rq->h->maps, *handle);
		free(m);
		return ret;
	}
	*m = (struct mapping){
		.h = rq->h,
		.share = g->share,
		.page = g->page,
		.ref = ref,
		.writable = writable,
	};
	g->share->holds++;
	*(writable ? &g->writers : &g->readers) += 1;
	d->nr_maps++;
	d->count.maps++;
	view_update(g->share->owner, ref);
	return 0;
}

static void unmap_id(struct handle *h, uint32_t id)
{
	struct mapping *m = idtab_get(&h->maps, id);

	idtab_del(&h->maps, id);
	unmap_one(m);
}

/* A memfd is sent once, however many of its pages were asked for. */
static int put_memfd(struct request *rq, int fd)
{
	uint32_t i;

	for (i = rq->nr_out_fds; i > 0; i--)
		if (rq->out_fd[i - 1] == fd)
			return (int)i - 1;
	return request_put_fd(rq, fd, false);
}

static int put_page(struct request *rq, uint32_t i, uint32_t handle)
{
	struct mapping *m = idtab_get(&rq->h->maps, handle);
	int fd_index = put_memfd(rq, m->share->fd);

	rq->reply->mapped.page[i].handle = handle;
	rq->reply->mapped.page[i].page = m->page;
	if (fd_index < 0)
		return fd_index;
	rq->reply->mapped.page[i].fd_index = (uint16_t)fd_index;
	return 0;
}

int op_gnttab_map(struct request *rq)
{
	const struct wire_map *req = &rq->msg->map;
	struct wire_mapped *out = &rq->reply->mapped;
	uint32_t i, handle;
	int ret = 0;

	if (req->count == 0 || req->count > WIRE_MAX_REFS)
		return -EINVAL;
	for (i = 0; i < req->count; i++) {
		ret = map_one(rq, req->ref[i].domid, req->ref[i].ref,
			      req->writable, &handle);
		if (ret)
			break;
		ret = put_page(rq, i, handle);
		if (ret) {
			unmap_id(rq->h, handle);
			break;
		}
	}
	if (!ret) {
		out->count = req->count;
		out->failed_index = -1;
		return 0;
	}
	out->failed_index = (int32_t)i;
	while (i-- > 0)
		unmap_id(rq->h, out->page[i].handle);
	return ret;
}

/* All or none; the same handle twice is refused by the second look. */
int op_gnttab_unmap(struct request *rq)
{
	const struct wire_unmap *req = &rq->msg->unmap;
	uint32_t i;

	if (req->count == 0 || req->count > WIRE_MAX_REFS)
		return -EINVAL;
	for (i = 0; i < req->count; i++)
		if (!idtab_get(&rq->h->maps, req->handle[i]))
			return -EINVAL;
	for (i = 0; i < req->count; i++) {
		if (!idtab_get(&rq->h->maps, req->handle[i]))
			return -EINVAL;
		unmap_id(rq->h, req->handle[i]);
	}
	return 0;
}

int op_gnttab_map_notify(struct request *rq)
{
	const struct wire_notify *req = &rq->msg->notify;
	struct mapping *m = idtab_get(&rq->h->maps, req->handle_or_share);

	if (!m || (req->clear_byte && !m->writable))
		return -EINVAL;
	return notify_set(rq->dom, &m->notify, req, m->page);
}

int op_gnttab_window(struct request *rq)
{
	const struct wire_window *req = &rq->msg->window;
	struct grant *g;
	int fd, ret;

	ret = grant_lookup(rq, req->domid, req->ref, req->writable, &g);
	if (ret)
		return ret;
	rq->dom->count.windows++;
	rq->reply->window.domid = g->share->granter;
	rq->reply->window.ref = req->ref;
	rq->reply->window.writable = g->share->writable;
	rq->reply->window.frame = g->share->first_frame + g->page;
	rq->reply->window.page = g->page;
	rq->reply->window.nr_pages = g->share->count;
	ret = request_put_fd(rq, g->share->fd, false);
	if (ret < 0 || !req->want_view)
		return ret < 0 ? ret : 0;
	fd = view_fd(rq->dom, g->share->owner);
	if (fd < 0)
		return fd;
	ret = request_put_fd(rq, fd, false);
	return ret < 0 ? ret : 0;
}

void gnttab_maps_release(struct handle *h)
{
	uint32_t i;

	for (i = 0; i < h->maps.size; i++)
		if (h->maps.slot[i])
			unmap_id(h, i + 1);
	idtab_free(&h->maps);
}
