// SPDX-License-Identifier: MIT
/*
 * libxengnttab.so.1 of embedded Xen, first half: handles, and mapping what
 * other domains granted.  gntshr_lib.c makes grants, grant_copy.c copies.
 */
#include <errno.h>
#include <search.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gnttab_lib.h"

#define CONTEXT "xengnttab"

/* --- handles -----------------------------------------------------------------
 */

void gnt_error(xengnttab_handle *h, const char *what, int err)
{
	xtl_log(h->logger, XTL_ERROR, -err, CONTEXT, "%s", what);
}

void gnt_close_fds(const int *fds, unsigned int nr)
{
	while (nr > 0)
		close(fds[--nr]);
}

static int restrict_handle(struct active_handle *ah, domid_t domid)
{
	xengnttab_handle *h = ACTIVE_CONTAINER(ah, xengnttab_handle);
	struct wire_msg msg = {.op = WIRE_RESTRICT, .domid = domid};
	int ret = client_call(&h->client, &msg, NULL);

	pthread_mutex_lock(&h->lock);
	if (!ret && h->copies)
		copy_cache_restrict(h->copies, domid);
	pthread_mutex_unlock(&h->lock);
	errno = -ret;
	return ret ? -1 : 0;
}

static int open_handle(xengnttab_handle *h, struct xentoollog_logger *logger,
		       bool register_it)
{
	int ret;

	if (register_it) {
		h->active.restrict_callback = restrict_handle;
		xentoolcore__register_active_handle(&h->active);
	}
	ret = client_open(&h->client, true);
	if (!ret)
		return 0;
	if (register_it)
		xentoolcore__deregister_active_handle(&h->active);
	active_log_failure(logger, CONTEXT, ret);
	return ret;
}

xengnttab_handle *gnt_open(struct xentoollog_logger *logger, bool register_it)
{
	xengnttab_handle *h = calloc(1, sizeof(*h));
	int ret;

	if (!h)
		return NULL;
	h->logger = logger;
	if (!logger)
		h->logger = h->own_logger = (struct xentoollog_logger *)
			xtl_createlogger_stdiostream(stderr, XTL_PROGRESS, 0);
	ret = h->logger ? open_handle(h, h->logger, register_it) : -ENOMEM;
	if (ret) {
		xtl_logger_destroy(h->own_logger);
		free(h);
		errno = -ret;
		return NULL;
	}
	h->pid = getpid();
	h->max_grants = UINT32_MAX;
	pthread_mutex_init(&h->lock, NULL);
	return h;
}

static int compare_regions(const void *a, const void *b)
{
	const struct region *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* A forked child has no grants mapped (MADV_DONTFORK), and maybe other things
 * at the same addresses. */
static void free_region(xengnttab_handle *h, struct region *r)
{
	if (h->pid == getpid())
		munmap(r->start, (size_t)r->count * WIRE_PAGE_SIZE);
	free(r);
}

int gnt_close(xengnttab_handle *h)
{
	while (h->regions) {
		struct region *r = *(struct region **)h->regions;

		tdelete(r, &h->regions, compare_regions);
		free_region(h, r);
	}
	if (h->copies)
		copy_cache_free(h->copies);
	client_close(&h->client);
	xtl_logger_destroy(h->own_logger);
	pthread_mutex_destroy(&h->lock);
	free(h);
	return 0;
}

xengnttab_handle *xengnttab_open(struct xentoollog_logger *logger,
				 unsigned open_flags)
{
	if (open_flags) {
		errno = EINVAL;
		return NULL;
	}
	return gnt_open(logger, true);
}

int xengnttab_close(xengnttab_handle *xgt)
{
	if (!xgt)
		return 0;
	xentoolcore__deregister_active_handle(&xgt->active);
	return gnt_close(xgt);
}

int xengnttab_fd(xengnttab_handle *xgt)
{
	return xgt->client.fd;
}

int xengnttab_set_max_grants(xengnttab_handle *xgt, uint32_t nr_grants)
{
	pthread_mutex_lock(&xgt->lock);
	xgt->max_grants = nr_grants;
	pthread_mutex_unlock(&xgt->lock);
	return 0;
}

/* --- regions
 * --------------------------------------------------------------------- */

int gnt_add_region(xengnttab_handle *h, struct region *r)
{
	void *node;

	pthread_mutex_lock(&h->lock);
	node = tsearch(r, &h->regions, compare_regions);
	pthread_mutex_unlock(&h->lock);
	return node ? 0 : -ENOMEM;
}

struct region *gnt_take_region(xengnttab_handle *h, void *start, uint32_t count)
{
	struct region key = {.start = start}, *r = NULL;
	void *node;

	pthread_mutex_lock(&h->lock);
	node = tfind(&key, &h->regions, compare_regions);
	if (node) {
		r = *(struct region **)node;
		if (r->count == count)
			tdelete(r, &h->regions, compare_regions);
		else
			r = NULL;
	}
	pthread_mutex_unlock(&h->lock);
	return r;
}

/* --- mapping
 * ------------------------------------------------------------------------ */

struct map_call {
	uint32_t count;
	const uint32_t *domids, *refs;
	uint32_t domid_stride; /* 0: one domain for all */
	int prot;
	uint32_t notify_offset;
	evtchn_port_t notify_port;
};

static void unmap_handles(xengnttab_handle *h, const uint32_t *handle,
			  uint32_t count)
{
	while (count) {
		struct wire_msg msg = {.op = WIRE_GNTTAB_UNMAP};
		uint32_t n = count < WIRE_MAX_REFS ? count : WIRE_MAX_REFS;

		msg.unmap.count = n;
		memcpy(msg.unmap.handle, handle, n * sizeof(*handle));
		client_call(&h->client, &msg, NULL);
		handle += n;
		count -= n;
	}
}

/* Put the pages in place, runs of one memfd by one call. */
static int place_pages(const struct wire_mapped *m, char *at, int prot,
		       const int *fds, unsigned int nr_fds)
{
	uint32_t i, n;

	for (i = 0; i < m->count; i += n) {
		uint32_t fd = m->page[i].fd_index, page = m->page[i].page;
		void *p;

		if (fd >= nr_fds)
			return -EPROTO;
		for (n = 1; i + n < m->count; n++)
			if (m->page[i + n].fd_index != fd ||
			    m->page[i + n].page != page + n)
				break;
		p = mmap(at + (size_t)i * WIRE_PAGE_SIZE,
			 (size_t)n * WIRE_PAGE_SIZE, prot,
			 MAP_SHARED | MAP_FIXED, fds[fd],
			 (off_t)page * WIRE_PAGE_SIZE);
		if (p == MAP_FAILED)
			return -errno;
	}
	return 0;
}

/* At most WIRE_MAX_REFS pages of a call, into their place in the region. */
static int map_some(xengnttab_handle *h, const struct map_call *mc,
		    struct region *r, uint32_t first, uint32_t n)
{
	struct wire_msg msg = {.op = WIRE_GNTTAB_MAP};
	int fds[WIRE_MAX_FDS];
	struct client_io io = {.reply_fds = fds, .reply_fds_max = WIRE_MAX_FDS};
	uint32_t i;
	int ret;

	msg.map.count = n;
	msg.map.writable = !!(mc->prot & PROT_WRITE);
	for (i = 0; i < n; i++) {
		msg.map.ref[i].domid =
			mc->domids[(first + i) * mc->domid_stride];
		msg.map.ref[i].ref = mc->refs[first + i];
	}
	ret = client_call(&h->client, &msg, &io);
	if (ret) {
		if (msg.mapped.failed_index >= 0 &&
		    (uint32_t)msg.mapped.failed_index < n)
			i = first + (uint32_t)msg.mapped.failed_index;
		else
			i = first;
		xtl_log(h->logger, XTL_ERROR, -ret, CONTEXT,
			"cannot map reference %u of domain %u%s", mc->refs[i],
			mc->domids[i * mc->domid_stride],
			mc->prot & PROT_WRITE ? " writable" : "");
		gnt_close_fds(fds, io.nr_reply_fds);
		return ret;
	}
	for (i = 0; i < n; i++)
		r->handle[first + i] = msg.mapped.page[i].handle;
	r->count = first + n;
	ret = msg.mapped.count != n
		      ? -EPROTO
		      : place_pages(&msg.mapped,
				    r->start + (size_t)first * WIRE_PAGE_SIZE,
				    mc->prot, fds, io.nr_reply_fds);
	gnt_close_fds(fds, io.nr_reply_fds);
	if (ret)
		gnt_error(h, "cannot map pages", ret);
	return ret;
}

static int set_notify(xengnttab_handle *h, const struct map_call *mc,
		      struct region *r)
{
	struct wire_msg msg = {.op = WIRE_GNTTAB_MAP_NOTIFY};
	int ret;

	/* an offset outside of the page means none, as in Xen's library */
	msg.notify.clear_byte = mc->notify_offset < WIRE_PAGE_SIZE;
	msg.notify.send_event = mc->notify_port != (evtchn_port_t)-1;
	if (!msg.notify.clear_byte && !msg.notify.send_event)
		return 0;
	msg.notify.handle_or_share = r->handle[0];
	msg.notify.offset = msg.notify.clear_byte ? mc->notify_offset : 0;
	msg.notify.port = mc->notify_port;
	ret = client_call(&h->client, &msg, NULL);
	if (ret)
		gnt_error(h, "cannot set unmap notification", ret);
	return ret;
}

static int fill_region(xengnttab_handle *h, const struct map_call *mc,
		       struct region *r)
{
	uint32_t done, n;
	int ret;

	for (done = 0; done < mc->count; done += n) {
		n = mc->count - done;
		if (n > WIRE_MAX_REFS)
			n = WIRE_MAX_REFS;
		ret = map_some(h, mc, r, done, n);
		if (ret)
			return ret;
	}
	/* grants do not survive fork(2), as with Linux's gntdev */
	madvise(r->start, (size_t)mc->count * WIRE_PAGE_SIZE, MADV_DONTFORK);
	ret = set_notify(h, mc, r);
	return ret ? ret : gnt_add_region(h, r);
}

/* Count the pages against the limit, or give them back. */
static int account(xengnttab_handle *h, uint32_t count, bool add)
{
	int ret = 0;

	pthread_mutex_lock(&h->lock);
	if (!add)
		h->nr_grants -= count;
	else if (h->nr_grants > h->max_grants ||
		 count > h->max_grants - h->nr_grants)
		ret = -ENOSPC;
	else
		h->nr_grants += count;
	pthread_mutex_unlock(&h->lock);
	return ret;
}

static struct region *map_region(xengnttab_handle *h, const struct map_call *mc)
{
	size_t size = (size_t)mc->count * WIRE_PAGE_SIZE;
	struct region *r = malloc(sizeof(*r) + mc->count * sizeof(uint32_t));
	int ret;

	if (!r)
		return NULL;
	*r = (struct region){0};
	r->start = mmap(NULL, size, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (r->start == MAP_FAILED) {
		gnt_error(h, "no room for the mapping", -errno);
		free(r);
		return NULL;
	}
	ret = fill_region(h, mc, r);
	if (!ret)
		return r;
	munmap(r->start, size);
	unmap_handles(h, r->handle, r->count);
	free(r);
	errno = -ret;
	return NULL;
}

static void *map_grants(xengnttab_handle *h, const struct map_call *mc)
{
	struct region *r;
	int ret = -EINVAL;

	if (mc->count && mc->count <= INT32_MAX / WIRE_PAGE_SIZE)
		ret = account(h, mc->count, true);
	if (ret) {
		gnt_error(h, "too many grants, or none", ret);
		errno = -ret;
		return NULL;
	}
	r = map_region(h, mc);
	if (r)
		return r->start;
	ret = errno;
	account(h, mc->count, false);
	errno = ret;
	return NULL;
}

void *xengnttab_map_grant_ref(xengnttab_handle *xgt, uint32_t domid,
			      uint32_t ref, int prot)
{
	return xengnttab_map_grant_ref_notify(xgt, domid, ref, prot, -1, -1);
}

void *xengnttab_map_grant_refs(xengnttab_handle *xgt, uint32_t count,
			       uint32_t *domids, uint32_t *refs, int prot)
{
	struct map_call mc = {count, domids, refs, 1, prot, -1, -1};

	return map_grants(xgt, &mc);
}

void *xengnttab_map_domain_grant_refs(xengnttab_handle *xgt, uint32_t count,
				      uint32_t domid, uint32_t *refs, int prot)
{
	struct map_call mc = {count, &domid, refs, 0, prot, -1, -1};

	return map_grants(xgt, &mc);
}

void *xengnttab_map_grant_ref_notify(xengnttab_handle *xgt, uint32_t domid,
				     uint32_t ref, int prot,
				     uint32_t notify_offset,
				     evtchn_port_t notify_port)
{
	struct map_call mc = {1,    &domid,        &ref,       0,
			      prot, notify_offset, notify_port};

	return map_grants(xgt, &mc);
}

int xengnttab_unmap(xengnttab_handle *xgt, void *start_address, uint32_t count)
{
	struct region *r = gnt_take_region(xgt, start_address, count);

	if (!r) {
		errno = EINVAL;
		return -1;
	}
	munmap(r->start, (size_t)count * WIRE_PAGE_SIZE);
	unmap_handles(xgt, r->handle, count);
	free(r);
	account(xgt, count, false);
	return 0;
}

/* --- DMA buffers: embedded Xen has none
 * ----------------------------------------------- */

static int no_dmabuf(xengnttab_handle *h, const char *function)
{
	xtl_log(h->logger, XTL_ERROR, ENOSYS, CONTEXT,
		"%s is not provided by embedded Xen", function);
	errno = ENOSYS;
	return -1;
}

int xengnttab_dmabuf_exp_from_refs(xengnttab_handle *xgt,
				   uint32_t domid __attribute__((unused)),
				   uint32_t flags __attribute__((unused)),
				   uint32_t count __attribute__((unused)),
				   const uint32_t *refs __attribute__((unused)),
				   uint32_t *fd __attribute__((unused)))
{
	return no_dmabuf(xgt, __func__);
}

int xengnttab_dmabuf_exp_wait_released(xengnttab_handle *xgt,
				       uint32_t fd __attribute__((unused)),
				       uint32_t wait __attribute__((unused)))
{
	return no_dmabuf(xgt, __func__);
}

int xengnttab_dmabuf_imp_to_refs(xengnttab_handle *xgt,
				 uint32_t domid __attribute__((unused)),
				 uint32_t fd __attribute__((unused)),
				 uint32_t count __attribute__((unused)),
				 uint32_t *refs __attribute__((unused)))
{
	return no_dmabuf(xgt, __func__);
}

int xengnttab_dmabuf_imp_release(xengnttab_handle *xgt,
				 uint32_t fd __attribute__((unused)))
{
	return no_dmabuf(xgt, __func__);
}
