// SPDX-License-Identifier: MIT
/*
 * Static grants.  See net_gref.h.
 *
 * The references of a request are mapped by one call (an extent), which the
 * grant device unmaps as a whole only.  When a guest deletes some of an
 * extent, all of it is unmapped, and what remains is mapped again: the guest
 * may end a grant as soon as it is told that it was deleted.
 *
 * What is here runs on the owner's thread; the lock is held where the table
 * changes, and nowhere else.
 */
#include "backend/net_gref.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xen/xen.h>
#include <xen/io/netif.h>

#define PAGE  4096u
#define SLOTS (1u << NET_GREF_BITS)

/* What one call has mapped. */
struct extent {
	char *base;
	uint32_t nr, live;
	bool writable;
	uint32_t ref[]; /* [nr] */
};

struct net_gref_owner {
	xengnttab_handle *handle;
	uint32_t domid;
	uint32_t stuck; /* pages that could not be unmapped */
	struct net_gref_list *list;
	struct extent *extent[NET_GREF_MAX];
};

_Static_assert(sizeof(struct net_gref_entry) == sizeof(struct xen_netif_gref),
	       "copied as it is");
_Static_assert(NET_GREF_LIST_MAX * sizeof(struct net_gref_entry) == PAGE,
	       "a page of entries");
_Static_assert(SLOTS >= 4 * NET_GREF_MAX, "a quarter full");

/* A mutex alone is not fair: a queue that polls would take it again before this
 * thread has woken up. */
static void own_table(struct net_gref *g)
{
	pthread_mutex_lock(&g->gate);
	atomic_store(&g->wanted, true);
	pthread_mutex_lock(&g->lock);
}

static void disown_table(struct net_gref *g)
{
	pthread_mutex_unlock(&g->lock);
	atomic_store(&g->wanted, false);
	pthread_mutex_unlock(&g->gate);
}

void net_gref_let_owner(struct net_gref *g)
{
	pthread_mutex_lock(&g->gate);
	pthread_mutex_unlock(&g->gate);
}

static struct net_gref_slot *slot_at(struct net_gref *g, uint32_t ref,
				     uint32_t probe)
{
	return &g->table[net_gref_place(ref, probe)];
}

static struct net_gref_slot *find(struct net_gref *g, uint32_t ref)
{
	struct net_gref_slot *s;
	uint32_t i;

	for (i = 0; i <= g->max_probe; i++) {
		s = slot_at(g, ref, i);
		if (s->page && s->ref == ref)
			return s;
	}
	return NULL;
}

/* Under lock. */
static bool insert(struct net_gref *g, uint32_t ref, char *page,
		   uint16_t extent, bool writable)
{
	uint32_t i;

	for (i = 0; i < NET_GREF_PROBES; i++) {
		struct net_gref_slot *s = slot_at(g, ref, i);

		if (s->page)
			continue;
		*s = (struct net_gref_slot){
			.page = page,
			.ref = ref,
			.extent = extent,
			.writable = writable,
		};
		if (i > g->max_probe)
			g->max_probe = i;
		g->nr++;
		return true;
	}
	return false;
}

/* Under lock. */
static void forget(struct net_gref *g, struct net_gref_slot *s)
{
	*s = (struct net_gref_slot){0};
	if (!--g->nr)
		g->max_probe = 0;
}

/* Take an extent's references out of the table; the queue's thread does not
 * have their pages any more when this returns. */
static void forget_extent(struct net_gref *g, uint16_t number)
{
	const struct extent *x = g->owner->extent[number];
	struct net_gref_slot *s;
	uint32_t i;

	own_table(g);
	for (i = 0; i < x->nr; i++) {
		s = find(g, x->ref[i]);
		if (s && s->extent == number)
			forget(g, s);
	}
	disown_table(g);
}

/* Of what is in no table any more.  0, or -errno: the pages stay mapped, and
 * are lost until the handle is closed. */
static int unmap_extent(struct net_gref *g, uint16_t number)
{
	struct net_gref_owner *o = g->owner;
	struct extent *x = o->extent[number];
	int ret = xengnttab_unmap(o->handle, x->base, x->nr);

	if (ret) {
		ret = errno ? -errno : -EIO;
		o->stuck += x->nr;
	}
	o->extent[number] = NULL;
	free(x);
	return ret;
}

/* Map nr references as one extent and put them into the table; none of them is
 * there.  All or none: 0 or -errno. */
static int map_extent(struct net_gref *g, const uint32_t *refs, uint32_t nr,
		      bool writable)
{
	struct net_gref_owner *o = g->owner;
	struct extent *x;
	uint16_t number;
	uint32_t i;
	bool ok = true;

	if (!nr)
		return 0;
	for (number = 0; number < NET_GREF_MAX; number++)
		if (!o->extent[number])
			break;
	if (number == NET_GREF_MAX)
		return -ENOSPC;
	x = malloc(sizeof(*x) + nr * sizeof(x->ref[0]));
	if (!x)
		return -ENOMEM;
	*x = (struct extent){.nr = nr, .live = nr, .writable = writable};
	memcpy(x->ref, refs, nr * sizeof(x->ref[0]));
	x->base = xengnttab_map_domain_grant_refs(
		o->handle, nr, o->domid, x->ref,
		writable ? PROT_READ | PROT_WRITE : PROT_READ);
	if (!x->base) {
		free(x);
		return -EINVAL;
	}
	o->extent[number] = x;
	own_table(g);
	for (i = 0; ok && i < nr; i++)
		ok = insert(g, refs[i], x->base + (size_t)i * PAGE, number,
			    writable);
	disown_table(g);
	if (ok)
		return 0;
	forget_extent(g, number);
	unmap_extent(g, number);
	return -ENOSPC;
}

/* What a successor finds.  One that reads it in the middle of this maps less.
 */
static void write_list(struct net_gref *g)
{
	struct net_gref_list *list = g->owner->list;
	uint32_t i, nr = 0;

	if (!list)
		return;
	__atomic_store_n(&list->nr, 0, __ATOMIC_SEQ_CST);
	for (i = 0; i < SLOTS; i++) {
		const struct net_gref_slot *s = &g->table[i];

		if (!s->page)
			continue;
		list->entry[nr].ref = s->ref;
		list->entry[nr++].flags =
			s->writable ? 0 : XEN_NETIF_CTRLF_GREF_readonly;
	}
	__atomic_store_n(&list->nr, nr, __ATOMIC_SEQ_CST);
}

static int by_ref(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* References that are not mapped yet, of one kind, in order (runs of them get
 * neighbouring addresses).  -EINVAL: one is asked for in two ways. */
static int to_map(struct net_gref *g, const struct net_gref_entry *e,
		  unsigned int nr, bool writable, uint32_t *refs)
{
	const struct net_gref_slot *s;
	uint32_t count = 0, uniq = 0, i;

	for (i = 0; i < nr; i++) {
		if (writable ==
		    ((e[i].flags & XEN_NETIF_CTRLF_GREF_readonly) != 0))
			continue;
		s = find(g, e[i].ref);
		if (s && s->writable != writable)
			return -EINVAL;
		if (!s)
			refs[count++] = e[i].ref;
	}
	qsort(refs, count, sizeof(refs[0]), by_ref);
	for (i = 0; i < count; i++)
		if (!uniq || refs[uniq - 1] != refs[i])
			refs[uniq++] = refs[i];
	return (int)uniq;
}

static bool share_one(const uint32_t *a, uint32_t nr_a, const uint32_t *b,
		      uint32_t nr_b)
{
	while (nr_a && nr_b) {
		if (*a == *b)
			return true;
		if (*a < *b) {
			a++;
			nr_a--;
		} else {
			b++;
			nr_b--;
		}
	}
	return false;
}

static void drop_refs(struct net_gref *g, const uint32_t *refs)
{
	uint16_t number = find(g, refs[0])->extent;

	forget_extent(g, number);
	unmap_extent(g, number);
}

uint32_t net_gref_add(struct net_gref *g, const struct net_gref_entry *e,
		      unsigned int nr)
{
	uint32_t rw[NET_GREF_LIST_MAX], ro[NET_GREF_LIST_MAX];
	int nr_rw, nr_ro;
	unsigned int i;

	if (!nr || nr > NET_GREF_LIST_MAX)
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	for (i = 0; i < nr; i++)
		if (e[i].flags & ~XEN_NETIF_CTRLF_GREF_readonly)
			return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	nr_rw = to_map(g, e, nr, true, rw);
	nr_ro = to_map(g, e, nr, false, ro);
	if (nr_rw < 0 || nr_ro < 0 ||
	    share_one(rw, (uint32_t)nr_rw, ro, (uint32_t)nr_ro) ||
	    g->nr + g->owner->stuck + (uint32_t)nr_rw + (uint32_t)nr_ro >
		    NET_GREF_MAX)
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	if (map_extent(g, rw, (uint32_t)nr_rw, true))
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	if (map_extent(g, ro, (uint32_t)nr_ro, false)) {
		if (nr_rw)
			drop_refs(g, rw);
		return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
	}
	write_list(g);
	return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

/* Unmap an extent of which some references were deleted, and map the rest
 * again; if that fails, they are copied from now on. */
static int renew_extent(struct net_gref *g, uint16_t number)
{
	const struct extent *x = g->owner->extent[number];
	uint32_t rest[NET_GREF_LIST_MAX], nr = 0, i;
	bool writable = x->writable;
	int ret;

	for (i = 0; x->live && i < x->nr; i++) {
		const struct net_gref_slot *s = find(g, x->ref[i]);

		if (s && s->extent == number)
			rest[nr++] = x->ref[i];
	}
	forget_extent(g, number);
	ret = unmap_extent(g, number);
	if (!ret)
		map_extent(g, rest, nr, writable);
	return ret;
}

uint32_t net_gref_del(struct net_gref *g, struct net_gref_entry *e,
		      unsigned int nr)
{
	uint16_t was_in[NET_GREF_LIST_MAX];
	bool touched[NET_GREF_MAX] = {false}, lost[NET_GREF_MAX] = {false};
	struct net_gref_slot *s;
	uint32_t count = 0;
	unsigned int i;

	if (nr > NET_GREF_LIST_MAX)
		nr = NET_GREF_LIST_MAX;
	own_table(g);
	for (i = 0; i < nr; i++) {
		e[i].status = XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
		s = find(g, e[i].ref);
		if (!s)
			continue;
		e[i].status = XEN_NETIF_CTRL_STATUS_SUCCESS;
		was_in[i] = s->extent;
		touched[s->extent] = true;
		g->owner->extent[s->extent]->live--;
		forget(g, s);
	}
	disown_table(g);
	for (i = 0; i < NET_GREF_MAX; i++)
		if (touched[i])
			lost[i] = renew_extent(g, (uint16_t)i) != 0;
	for (i = 0; i < nr; i++) {
		if (e[i].status != XEN_NETIF_CTRL_STATUS_SUCCESS)
			continue;
		if (lost[was_in[i]])
			e[i].status = XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
		else
			count++;
	}
	write_list(g);
	return count;
}

uint32_t net_gref_mapped(struct net_gref *g)
{
	uint32_t nr;

	own_table(g);
	nr = g->nr;
	disown_table(g);
	return nr;
}

/* A request's worth at a time, and page by page where that fails: the guest
 * may have ended some of these grants. */
static void map_again(struct net_gref *g, const struct net_gref_list *old)
{
	uint32_t i, j, n, nr = old->nr;
	struct net_gref_entry e[NET_GREF_LIST_MAX];

	if (nr > NET_GREF_MAX)
		return;
	for (i = 0; i < nr; i += n) {
		n = nr - i < NET_GREF_LIST_MAX ? nr - i : NET_GREF_LIST_MAX;
		for (j = 0; j < n; j++)
			e[j] = (struct net_gref_entry){
				.ref = old->entry[i + j].ref,
				.flags = (uint16_t)old->entry[i + j].flags,
			};
		if (net_gref_add(g, e, n) == XEN_NETIF_CTRL_STATUS_SUCCESS)
			continue;
		for (j = 0; j < n; j++)
			net_gref_add(g, &e[j], 1);
	}
}

int net_gref_create(struct net_gref **out, xengnttab_handle *handle,
		    uint32_t domid, struct net_gref_list *list, bool keep)
{
	struct net_gref *g = calloc(1, sizeof(*g));
	struct net_gref_list *old = NULL;

	if (!g)
		return -ENOMEM;
	g->table = calloc(SLOTS, sizeof(*g->table));
	g->owner = calloc(1, sizeof(*g->owner));
	if (keep && list)
		old = malloc(sizeof(*old));
	if (!g->table || !g->owner || (keep && list && !old)) {
		free(g->table);
		free(g->owner);
		free(g);
		return -ENOMEM;
	}
	pthread_mutex_init(&g->lock, NULL);
	pthread_mutex_init(&g->gate, NULL);
	g->owner->handle = handle;
	g->owner->domid = domid;
	g->owner->list = list;
	if (old) {
		*old = *list;
		map_again(g, old);
		free(old);
	}
	write_list(g);
	*out = g;
	return 0;
}

void net_gref_destroy(struct net_gref *g)
{
	uint16_t i;

	if (!g)
		return;
	for (i = 0; i < NET_GREF_MAX; i++) {
		if (!g->owner->extent[i])
			continue;
		forget_extent(g, i);
		unmap_extent(g, i);
	}
	pthread_mutex_destroy(&g->lock);
	pthread_mutex_destroy(&g->gate);
	free(g->table);
	free(g->owner);
	free(g);
}
