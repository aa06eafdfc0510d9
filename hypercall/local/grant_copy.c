// SPDX-License-Identifier: MIT
/*
 * xengnttab_grant_copy() of embedded Xen, done by the calling library.
 *
 * Granted pages are reached through windows: parts of the granters' memfds,
 * mapped when first needed and kept, least recently used out first.  That a
 * page is mapped here says nothing about whether it may be used: each copy
 * looks at the live grant entry in the view (wire.h) right before it, so a
 * revoked grant fails at once.  Frame numbers are never used again, so a
 * window that holds the entry's frame is the right memory.
 *
 * A copy that has begun when the grant is revoked goes on, into or out of
 * memory that nobody uses for anything else.
 *
 * The lock covers finding and pinning, not copying.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <unistd.h>

#include "gnttab_lib.h"

#define MAX_WINDOWS  2048u /* each is a mapping */
#define MAX_PAGES    8192u /* in all windows: 32 MiB of address space */
#define WINDOW_PAGES 512u  /* of one */
#define VIEW_SIZE    (WIRE_GRANT_REFS * sizeof(grant_entry_v1_t))

union entry {
	grant_entry_v1_t v1;
	uint64_t word;
};

struct window {
	char *base;
	uint32_t first_frame, nr_pages; /* nr_pages 0: unused */
	bool writable;
	atomic_uint pins;
	TAILQ_ENTRY(window) lru;
};
TAILQ_HEAD(window_list, window);

/* What one domain grants to this one. */
struct granter {
	uint32_t domid;
	bool denied; /* the handle is restricted to another */
	const _Atomic uint64_t *view;
	struct granter *next;
	/* where the reference was found last; a hint, always checked */
	uint16_t window[WIRE_GRANT_REFS];
};

struct copy_cache {
	pthread_mutex_t lock;
	struct granter *granters;
	struct window_list lru; /* used ones, oldest first */
	struct window_list unused;
	uint32_t nr_pages;
	struct window window[MAX_WINDOWS];
};

/* A granted page, pinned for one copy. */
struct target {
	char *addr;
	struct window *w; /* NULL: local memory */
	const _Atomic uint64_t *entry;
	uint32_t frame;
};

/* --- the cache
 * ----------------------------------------------------------------- */

static struct copy_cache *cache_new(void)
{
	struct copy_cache *cc = calloc(1, sizeof(*cc));
	uint32_t i;

	if (!cc)
		return NULL;
	pthread_mutex_init(&cc->lock, NULL);
	TAILQ_INIT(&cc->lru);
	TAILQ_INIT(&cc->unused);
	for (i = 0; i < MAX_WINDOWS; i++)
		TAILQ_INSERT_TAIL(&cc->unused, &cc->window[i], lru);
	return cc;
}

static struct copy_cache *cache_get(xengnttab_handle *h)
{
	struct copy_cache *cc;

	pthread_mutex_lock(&h->lock);
	if (!h->copies)
		h->copies = cache_new();
	cc = h->copies;
	pthread_mutex_unlock(&h->lock);
	return cc;
}

static void window_drop(struct copy_cache *cc, struct window *w)
{
	munmap(w->base, (size_t)w->nr_pages * WIRE_PAGE_SIZE);
	cc->nr_pages -= w->nr_pages;
	w->nr_pages = 0;
	TAILQ_REMOVE(&cc->lru, w, lru);
	TAILQ_INSERT_HEAD(&cc->unused, w, lru);
}

void copy_cache_free(struct copy_cache *cc)
{
	struct window *w;
	struct granter *g;

	while ((w = TAILQ_FIRST(&cc->lru)))
		window_drop(cc, w);
	while ((g = cc->granters)) {
		cc->granters = g->next;
		munmap((void *)g->view, VIEW_SIZE);
		free(g);
	}
	pthread_mutex_destroy(&cc->lock);
	free(cc);
}

void copy_cache_restrict(struct copy_cache *cc, uint32_t domid)
{
	struct granter *g;

	pthread_mutex_lock(&cc->lock);
	for (g = cc->granters; g; g = g->next)
		if (g->domid != domid)
			g->denied = true;
	pthread_mutex_unlock(&cc->lock);
}

/* Room for one more window of n pages; pinned ones stay. */
static struct window *window_room(struct copy_cache *cc, uint32_t n)
{
	struct window *w, *next;

	for (w = TAILQ_FIRST(&cc->lru); w; w = next) {
		next = TAILQ_NEXT(w, lru);
		if (!TAILQ_EMPTY(&cc->unused) && cc->nr_pages + n <= MAX_PAGES)
			break;
		if (!atomic_load_explicit(&w->pins, memory_order_acquire))
			window_drop(cc, w);
	}
	return TAILQ_FIRST(&cc->unused);
}

static bool window_has(const struct window *w, uint32_t frame)
{
	return frame - w->first_frame < w->nr_pages;
}

/* The part of the memfd round the page that was asked for. */
static struct window *window_map(struct copy_cache *cc, int fd,
				 const struct wire_window *r)
{
	uint32_t start = r->page - r->page % WINDOW_PAGES;
	uint32_t n = r->nr_pages - start;
	int prot = r->writable ? PROT_READ | PROT_WRITE : PROT_READ;
	struct window *w;
	void *base;

	if (n > WINDOW_PAGES)
		n = WINDOW_PAGES;
	w = window_room(cc, n);
	if (!w)
		return NULL;
	base = mmap(NULL, (size_t)n * WIRE_PAGE_SIZE, prot, MAP_SHARED, fd,
		    (off_t)start * WIRE_PAGE_SIZE);
	if (base == MAP_FAILED)
		return NULL;
	w->base = base;
	w->first_frame = r->frame - (r->page - start);
	w->nr_pages = n;
	w->writable = r->writable;
	cc->nr_pages += n;
	TAILQ_REMOVE(&cc->unused, w, lru);
	TAILQ_INSERT_TAIL(&cc->lru, w, lru);
	return w;
}

/* --- granters
 * ---------------------------------------------------------------------- */

static struct granter *granter_find(struct copy_cache *cc, uint32_t domid)
{
	struct granter *g, **at;

	for (at = &cc->granters; (g = *at); at = &g->next) {
		if (g->domid != domid)
			continue;
		*at = g->next;
		g->next = cc->granters;
		cc->granters = g;
		return g;
	}
	return NULL;
}

static struct granter *granter_add(struct copy_cache *cc, uint32_t domid,
				   int view_fd)
{
	struct granter *g = calloc(1, sizeof(*g));
	void *view;

	if (!g)
		return NULL;
	view = mmap(NULL, VIEW_SIZE, PROT_READ, MAP_SHARED, view_fd, 0);
	if (view == MAP_FAILED) {
		free(g);
		return NULL;
	}
	g->domid = domid;
	g->view = view;
	g->next = cc->granters;
	cc->granters = g;
	return g;
}

/* Ask xenlocald for a page, and for the view if there is none yet. */
static int16_t window_fetch(xengnttab_handle *h, struct copy_cache *cc,
			    struct granter **g, uint32_t domid, uint32_t ref,
			    struct window **out)
{
	struct wire_msg msg = {.op = WIRE_GNTTAB_WINDOW};
	int fds[2];
	struct client_io io = {.reply_fds = fds, .reply_fds_max = 2};
	unsigned int want = *g ? 1 : 2;
	int ret;

	msg.window.domid = domid;
	msg.window.ref = ref;
	msg.window.want_view = !*g;
	ret = client_call(&h->client, &msg, &io);
	if (!ret &&
	    (io.nr_reply_fds != want || msg.window.page >= msg.window.nr_pages))
		ret = -EPROTO;
	if (!ret && !*g)
		*g = granter_add(cc, domid, fds[1]);
	*out = !ret && *g ? window_map(cc, fds[0], &msg.window) : NULL;
	gnt_close_fds(fds, io.nr_reply_fds);
	if (ret == -ESRCH)
		return GNTST_bad_domain;
	if (ret == -EINVAL || ret == -EACCES)
		return GNTST_general_error;
	return *out ? GNTST_okay : GNTST_no_device_space;
}

static struct window *window_search(struct copy_cache *cc, uint32_t frame)
{
	struct window *w;

	TAILQ_FOREACH_REVERSE(w, &cc->lru, window_list, lru)
	if (window_has(w, frame))
		return w;
	return NULL;
}

static bool entry_allows(uint64_t word, bool write)
{
	union entry e = {.word = word};

	return (e.v1.flags & GTF_type_mask) == GTF_permit_access &&
	       !(write && (e.v1.flags & GTF_readonly));
}

static uint64_t entry_load(const _Atomic uint64_t *entry)
{
	return atomic_load_explicit(entry, memory_order_acquire);
}

/* --- one page
 * ------------------------------------------------------------------------- */

static int16_t find_window(xengnttab_handle *h, struct copy_cache *cc,
			   uint32_t domid, uint32_t ref, bool write,
			   struct target *t)
{
	struct granter *g = granter_find(cc, domid);
	struct window *w = NULL;
	union entry e;
	int16_t status;

	if (!g) {
		status = window_fetch(h, cc, &g, domid, ref, &w);
		if (status)
			return status;
	}
	if (g->denied)
		return GNTST_permission_denied;
	t->entry = &g->view[ref];
	e.word = entry_load(t->entry);
	if (!entry_allows(e.word, write))
		return GNTST_general_error;
	t->frame = e.v1.frame;
	if (!w)
		w = &cc->window[g->window[ref]];
	if (!window_has(w, t->frame))
		w = window_search(cc, t->frame);
	if (!w) {
		status = window_fetch(h, cc, &g, domid, ref, &w);
		if (status)
			return status;
		/* revoked and granted anew in between: not what we checked */
		if (!window_has(w, t->frame))
			return GNTST_general_error;
	}
	if (write && !w->writable)
		return GNTST_general_error;
	g->window[ref] = (uint16_t)(w - cc->window);
	t->w = w;
	return GNTST_okay;
}

/* Pin the page, or say why not.  Unpin with target_put(). */
static int16_t target_get(xengnttab_handle *h, struct copy_cache *cc,
			  const union xengnttab_copy_ptr *ptr, bool write,
			  struct target *t)
{
	uint32_t domid = ptr->foreign.domid, ref = ptr->foreign.ref;
	int16_t status;

	if (ref >= WIRE_GRANT_REFS)
		return GNTST_bad_gntref;
	if (domid == WIRE_DOMID_SELF)
		domid = h->client.domid;
	pthread_mutex_lock(&cc->lock);
	status = find_window(h, cc, domid, ref, write, t);
	if (!status) {
		struct window *w = t->w;

		if (TAILQ_NEXT(w, lru)) {
			TAILQ_REMOVE(&cc->lru, w, lru);
			TAILQ_INSERT_TAIL(&cc->lru, w, lru);
		}
		atomic_fetch_add_explicit(&w->pins, 1, memory_order_relaxed);
		t->addr = w->base +
			  (size_t)(t->frame - w->first_frame) * WIRE_PAGE_SIZE +
			  ptr->foreign.offset;
	}
	pthread_mutex_unlock(&cc->lock);
	return status;
}

static void target_put(struct target *t)
{
	if (t->w)
		atomic_fetch_sub_explicit(&t->w->pins, 1, memory_order_release);
}

static bool target_valid(const struct target *t, bool write)
{
	union entry e;

	if (!t->w)
		return true;
	e.word = entry_load(t->entry);
	return entry_allows(e.word, write) && e.v1.frame == t->frame;
}

/* --- segments
 * ----------------------------------------------------------------------------
 */

static int16_t copy_segment(xengnttab_handle *h, struct copy_cache *cc,
			    const xengnttab_grant_copy_segment_t *seg)
{
	struct target src = {.addr = seg->source.virt};
	struct target dst = {.addr = seg->dest.virt};
	int16_t status = GNTST_okay;

	if (seg->flags & GNTCOPY_source_gref)
		status = target_get(h, cc, &seg->source, false, &src);
	if (!status && (seg->flags & GNTCOPY_dest_gref))
		status = target_get(h, cc, &seg->dest, true, &dst);
	if (!status) {
		if (target_valid(&src, false) && target_valid(&dst, true))
			memmove(dst.addr, src.addr, seg->len);
		else
			status = GNTST_general_error;
	}
	target_put(&src);
	target_put(&dst);
	return status;
}

/* As gntdev: at least one side is granted, and a granted side is one page. */
static bool segment_valid(const xengnttab_grant_copy_segment_t *seg)
{
	const uint16_t both = GNTCOPY_source_gref | GNTCOPY_dest_gref;

	if (!(seg->flags & both) || (seg->flags & ~both))
		return false;
	if ((seg->flags & GNTCOPY_source_gref) &&
	    (uint32_t)seg->source.foreign.offset + seg->len > WIRE_PAGE_SIZE)
		return false;
	return !(seg->flags & GNTCOPY_dest_gref) ||
	       (uint32_t)seg->dest.foreign.offset + seg->len <= WIRE_PAGE_SIZE;
}

int xengnttab_grant_copy(xengnttab_handle *xgt, uint32_t count,
			 xengnttab_grant_copy_segment_t *segs)
{
	struct copy_cache *cc = cache_get(xgt);
	uint32_t i;

	if (!cc) {
		errno = ENOMEM;
		return -1;
	}
	for (i = 0; i < count; i++) {
		if (segment_valid(&segs[i]))
			continue;
		segs[i].status = GNTST_bad_copy_arg;
		xtl_log(xgt->logger, XTL_ERROR, EINVAL, "xengnttab",
			"copy segment %u: flags %#x, length %u", i,
			segs[i].flags, segs[i].len);
		errno = EINVAL;
		return -1;
	}
	for (i = 0; i < count; i++)
		segs[i].status = copy_segment(xgt, cc, &segs[i]);
	return 0;
}
