// SPDX-License-Identifier: MIT
/*
 * Grants, the owner's side: shares, references, unmap notifications.
 *
 * The pages of a share stay until nobody uses them, also when the owner's
 * process or the whole domain has gone; their frame numbers never come back.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "gnttab.h"

#define SEALS_SIZE (F_SEAL_GROW | F_SEAL_SHRINK)
/* newer kernels may add F_SEAL_EXEC, which changes nothing here */
#define SEALS_KNOWN \
	(SEALS_SIZE | F_SEAL_SEAL | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)

/* frames below are "xenlocald's own": a null frame is never a granted one */
static uint32_t next_frame = 0x10000;

/* --- the table -------------------------------------------------------------
 */

static int table_init(struct domain *d)
{
	if (d->grant)
		return 0;
	d->grant = calloc(WIRE_GRANT_REFS, sizeof(*d->grant));
	d->ref_used = calloc(WIRE_GRANT_REFS / 64, sizeof(*d->ref_used));
	if (!d->grant || !d->ref_used)
		return -ENOMEM;
	d->ref_used[0] = (1u << WIRE_NR_RESERVED) - 1;
	d->next_ref = WIRE_NR_RESERVED;
	return 0;
}

static bool ref_is_used(const struct domain *d, uint32_t ref)
{
	return d->ref_used[ref / 64] >> ref % 64 & 1;
}

static void ref_set_used(struct domain *d, uint32_t ref, bool used)
{
	uint64_t bit = 1ull << ref % 64;

	if (used)
		d->ref_used[ref / 64] |= bit;
	else
		d->ref_used[ref / 64] &= ~bit;
	d->nr_refs += used ? 1 : -1;
}

/* First run of count free references in [from, end), or 0. */
static uint32_t find_run(const struct domain *d, uint32_t from, uint32_t end,
			 uint32_t count)
{
	uint32_t ref, run = 0;

	for (ref = from; ref < end; ref++) {
		if (ref % 64 == 0 && d->ref_used[ref / 64] == ~0ull) {
			run = 0;
			ref += 63;
			continue;
		}
		run = ref_is_used(d, ref) ? 0 : run + 1;
		if (run == count)
			return ref + 1 - count;
	}
	return 0;
}

static uint32_t free_refs(const struct domain *d)
{
	return WIRE_GRANT_REFS - WIRE_NR_RESERVED - d->nr_refs;
}

/*
 * References are taken round and round, so one that was given back is not
 * given out again soon.  Scattered ones if there is no run.  count is at most
 * free_refs().
 */
static void alloc_refs(struct domain *d, uint32_t count, uint32_t *refs)
{
	uint32_t i, ref, first;

	first = find_run(d, d->next_ref, WIRE_GRANT_REFS, count);
	if (!first)
		first = find_run(d, WIRE_NR_RESERVED, WIRE_GRANT_REFS, count);
	for (i = 0, ref = first ? first : WIRE_NR_RESERVED; i < count; ref++)
		if (!ref_is_used(d, ref))
			refs[i++] = ref;
	for (i = 0; i < count; i++)
		ref_set_used(d, refs[i], true);
	d->next_ref = ref < WIRE_GRANT_REFS ? ref : WIRE_NR_RESERVED;
}

static void grant_set(struct share *s, uint32_t page, uint32_t ref)
{
	struct frame f = share_frame(s, page);

	s->refs[page] = ref;
	s->holds++;
	s->owner->grant[ref] = (struct grant){.share = s, .page = page};
	view_update(s->owner, ref);
	if (iommu_own_frame(s->owner, &f))
		log_line(s->owner, "frame %#x is not in the IOMMU table",
			 f.number);
}

void grant_clear(struct domain *owner, uint32_t ref)
{
	struct grant *g = &owner->grant[ref];
	struct share *s = g->share;
	struct frame f = share_frame(s, g->page);

	view_clear(owner, ref);
	iommu_disown_frame(owner, &f);
	s->refs[g->page] = 0;
	*g = (struct grant){0};
	if (ref >= WIRE_NR_RESERVED)
		ref_set_used(owner, ref, false);
	share_put(s);
}

/* --- notifications
 * ------------------------------------------------------------- */

int notify_set(struct domain *d, struct notify *n, const struct wire_notify *w,
	       uint32_t page)
{
	struct port *port = NULL;

	if (w->clear_byte && w->offset >= WIRE_PAGE_SIZE)
		return -EINVAL;
	if (w->send_event) {
		port = evtchn_get(d, w->port);
		if (!port)
			return -EINVAL;
	}
	if (n->port)
		evtchn_put(n->port, false);
	*n = (struct notify){
		.clear = w->clear_byte,
		.page = page,
		.offset = w->offset,
		.port = port,
	};
	return 0;
}

void notify_fire(struct notify *n, struct share *s)
{
	static const uint8_t zero;

	if (n->clear && s->prepared) {
		s->prepared[n->offset] = 0;
	} else if (n->clear) {
		struct frame f = share_frame(s, n->page);

		frame_access(&f, n->offset, (void *)&zero, 1, true);
	}
	if (n->port)
		evtchn_put(n->port, true);
	*n = (struct notify){0};
}

/* --- shares
 * ---------------------------------------------------------------------- */

void share_put(struct share *s)
{
	if (--s->holds)
		return;
	if (s->owner) {
		LIST_REMOVE(s, link);
		s->owner->nr_shares--;
		domain_uncharge(s->owner, 1);
	}
	if (s->prepared)
		munmap(s->prepared, WIRE_PAGE_SIZE);
	close(s->fd);
	free(s->refs);
	free(s);
}

/* fd is taken over when this succeeds. */
static struct share *share_new(struct domain *d, int fd, uint32_t grantee,
			       uint32_t count, bool writable)
{
	struct share *s = NULL;

	if (domain_charge(d, 1, "grants"))
		s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->owner = d;
	s->granter = d->domid;
	s->grantee = grantee;
	s->fd = fd;
	s->count = count;
	s->writable = writable;
	s->holds = 1;
	LIST_INSERT_HEAD(&d->shares, s, link);
	d->nr_shares++;
	return s;
}

/*
 * Numbers are never used again, so they are used up: by nobody more than a
 * quarter of what he leaves to the others.
 */
static int share_number(struct share *s)
{
	uint32_t left = UINT32_MAX - next_frame;
	struct domain *d = s->owner;

	if (s->count > left || d->nr_frames + s->count > left / 4) {
		log_line(d, "out of frame numbers (%u used)", d->nr_frames);
		d->count.refused++;
		return -ENOSPC;
	}
	s->refs = calloc(s->count, sizeof(*s->refs));
	if (!s->refs)
		return -ENOMEM;
	s->first_frame = next_frame;
	next_frame += s->count;
	d->nr_frames += s->count;
	return 0;
}

/* Number the frames and enter them in the table. */
static int share_grant(struct share *s)
{
	uint32_t *refs, i;
	int ret;

	if (s->count > free_refs(s->owner)) {
		log_line(s->owner, "out of grant references (%u in use)",
			 s->owner->nr_refs);
		s->owner->count.refused++;
		return -ENOSPC;
	}
	ret = share_number(s);
	if (ret)
		return ret;
	refs = calloc(s->count, sizeof(*refs));
	if (!refs)
		return -ENOMEM;
	alloc_refs(s->owner, s->count, refs);
	for (i = 0; i < s->count; i++)
		grant_set(s, i, refs[i]);
	free(refs);
	return 0;
}

/*
 * The owner takes its grants back, or has died: what nobody has mapped ends at
 * once, the rest with the last unmap.
 */
static void share_revoke(struct share *s)
{
	uint32_t i;

	if (s->h)
		idtab_del(&s->h->shares, s->id);
	s->h = NULL;
	notify_fire(&s->notify, s);
	for (i = 0; s->refs && i < s->count; i++) {
		uint32_t ref = s->refs[i];
		struct grant *g = ref ? &s->owner->grant[ref] : NULL;

		if (!g)
			continue;
		if (g->readers + g->writers)
			g->revoked = true;
		else
			grant_clear(s->owner, ref);
	}
	share_put(s);
}

/* Is it really memory that nobody can resize, and that obeys the grant? */
static int check_memfd(struct domain *d, int fd, uint32_t count, int want)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct statfs fs;
	struct stat st;

	/* asked first: anything but memory files fails here, and the calls
	 * below cannot wait for a hostile file system then */
	if (seals < 0 || (seals & SEALS_KNOWN) != want) {
		log_line(d, "share refused: seals %#x, not %#x",
			 seals < 0 ? 0u : (unsigned int)seals,
			 (unsigned int)want);
		return -EINVAL;
	}
	if (fstat(fd, &st) || fstatfs(fd, &fs))
		return -errno;
	if (fs.f_type != TMPFS_MAGIC ||
	    st.st_size != (off_t)count * WIRE_PAGE_SIZE) {
		log_line(d, "share refused: file of %lld bytes, not %u pages",
			 (long long)st.st_size, count);
		return -EINVAL;
	}
	return 0;
}

static int final_seals(bool writable)
{
	return SEALS_SIZE | F_SEAL_SEAL | (writable ? 0 : F_SEAL_FUTURE_WRITE);
}

/* First step for a page that xenlocald has to write and later nobody may. */
static int share_prepare(struct share *s)
{
	void *p = mmap(NULL, WIRE_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		       s->fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	s->prepared = p;
	return 0;
}

static int share_begin(struct request *rq, struct share **out)
{
	const struct wire_share *req = &rq->msg->share;
	bool prepare = req->stage == WIRE_SHARE_PREPARE;
	struct domain *d = rq->dom;
	uint32_t grantee;
	int fd, ret;

	ret = request_domid(rq, req->domid, &grantee);
	if (ret)
		return ret;
	if (req->count == 0 || req->count > WIRE_MAX_SHARE ||
	    (prepare && (req->count != 1 || req->writable)))
		return -EINVAL;
	fd = request_take_fd(rq, 0);
	if (fd < 0)
		return fd;
	ret = check_memfd(d, fd, req->count,
			  prepare ? SEALS_SIZE : final_seals(req->writable));
	*out = ret ? NULL
		   : share_new(d, fd, grantee, req->count, req->writable);
	if (*out)
		return 0;
	close_untrusted(fd);
	return ret ? ret : -EMFILE;
}

static struct share *own_share(struct request *rq, uint32_t id)
{
	return idtab_get(&rq->h->shares, id);
}

static int share_first_step(struct request *rq, struct share **out)
{
	struct share *s;
	int ret = share_begin(rq, &s);

	if (ret)
		return ret;
	s->id = idtab_add(&rq->h->shares, s);
	if (!s->id) {
		share_put(s);
		return -ENOMEM;
	}
	s->h = rq->h;
	*out = s;
	return 0;
}

static int share_commit(struct request *rq, struct share **out)
{
	struct share *s = own_share(rq, rq->msg->share.share_id);

	if (!s || !s->prepared || s->refs)
		return -EINVAL;
	*out = s;
	return check_memfd(rq->dom, s->fd, s->count, final_seals(false));
}

int op_gnttab_share(struct request *rq)
{
	uint32_t stage = rq->msg->share.stage, i;
	struct share *s = NULL;
	int ret = table_init(rq->dom);

	if (ret)
		return ret;
	ret = stage == WIRE_SHARE_COMMIT ? share_commit(rq, &s)
					 : share_first_step(rq, &s);
	if (!ret)
		ret = stage == WIRE_SHARE_PREPARE ? share_prepare(s)
						  : share_grant(s);
	if (ret) {
		if (s)
			share_revoke(s);
		return ret;
	}
	rq->reply->share.share_id = s->id;
	if (stage == WIRE_SHARE_PREPARE)
		return 0;
	rq->dom->count.shares += s->count;
	rq->reply->share.first_ref = s->refs[0];
	for (i = 1; i < s->count; i++)
		if (s->refs[i] != s->refs[0] + i)
			rq->reply->share.scattered = 1;
	return 0;
}

int op_gnttab_share_refs(struct request *rq)
{
	struct share *s = own_share(rq, rq->msg->share.share_id);
	uint32_t first = rq->msg->share.first_page, n;

	if (!s || !s->refs || first >= s->count)
		return -EINVAL;
	n = s->count - first;
	if (n > WIRE_MAX_PAYLOAD / sizeof(uint32_t))
		n = WIRE_MAX_PAYLOAD / sizeof(uint32_t);
	rq->out_len = n * (uint32_t)sizeof(uint32_t);
	memcpy(rq->out, s->refs + first, rq->out_len);
	return 0;
}

int op_gnttab_unshare(struct request *rq)
{
	struct share *s = own_share(rq, rq->msg->share.share_id);

	if (!s)
		return -EINVAL;
	share_revoke(s);
	return 0;
}

int op_gnttab_share_notify(struct request *rq)
{
	const struct wire_notify *req = &rq->msg->notify;
	struct share *s = own_share(rq, req->handle_or_share);

	if (!s || req->page >= s->count)
		return -EINVAL;
	if (req->clear_byte && !s->writable && !s->prepared)
		return -EPERM;
	return notify_set(rq->dom, &s->notify, req, req->page);
}

/* --- the kernel's own page
 * ---------------------------------------------------------- */

static int make_page_fd(void)
{
	int fd = memfd_create("page", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, WIRE_PAGE_SIZE) ||
	    fcntl(fd, F_ADD_SEALS, final_seals(true))) {
		int ret = -errno;

		close(fd);
		return ret;
	}
	return fd;
}

int gnttab_grant_kernel(struct domain *d, uint32_t ref, uint32_t grantee,
			struct share **out, uint32_t *frame)
{
	struct share *s;
	int fd, ret = table_init(d);

	if (ret)
		return ret;
	fd = make_page_fd();
	if (fd < 0)
		return fd;
	s = share_new(d, fd, grantee, 1, true);
	if (!s) {
		close(fd);
		return -ENOMEM;
	}
	ret = share_number(s);
	if (ret) {
		share_put(s);
		return ret;
	}
	grant_set(s, 0, ref);
	*out = s;
	*frame = s->first_frame;
	return 0;
}

/* --- ends
 * ---------------------------------------------------------------------------------
 */

void gnttab_handle_release(struct handle *h)
{
	uint32_t i;

	gnttab_maps_release(h);
	for (i = 0; i < h->shares.size; i++)
		if (h->shares.slot[i])
			share_revoke(h->shares.slot[i]);
	idtab_free(&h->shares);
}

/* Its handles are closed; what is left is mapped by others, or the kernel's. */
void gnttab_domain_release(struct domain *d)
{
	struct share *s;
	uint32_t i;

	while ((s = LIST_FIRST(&d->shares))) {
		bool kernel = s == d->xenstore_share;

		s->holds++;
		for (i = 0; s->refs && i < s->count; i++)
			if (s->refs[i])
				grant_clear(d, s->refs[i]);
		LIST_REMOVE(s, link);
		s->owner = NULL;
		if (kernel)
			share_put(s);
		share_put(s);
	}
	view_domain_release(d);
	free(d->grant);
	free(d->ref_used);
}
