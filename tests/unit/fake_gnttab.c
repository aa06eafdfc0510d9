// SPDX-License-Identifier: MIT
/* See fake_gnttab.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xengnttab.h>

#include "tests/unit/fake_gnttab.h"

struct fake_counters fake;

struct fake_map {
	struct fake_map *next;
	char *addr;
	uint32_t count;
	uint32_t refs[];
};

struct failure {
	unsigned int nth;
	int err;
};

struct xengntdev_handle {
	int unused;
};

static struct {
	int fd;
	char *frames;
	bool granted[FAKE_NR_REFS], writable[FAKE_NR_REFS];
	unsigned int maps_of[FAKE_NR_REFS];
	struct fake_map *maps;
	uint32_t next_shared; /* references given to xengntshr */
	struct failure map, unmap, share, copy, short_copy;
} state = {.fd = -1, .next_shared = 8};

static void init(void)
{
	size_t size = (size_t)FAKE_NR_REFS * FAKE_PAGE;

	if (state.fd >= 0)
		return;
	state.fd = memfd_create("fake-frames", MFD_CLOEXEC);
	if (state.fd < 0 || ftruncate(state.fd, (off_t)size))
		abort();
	state.frames = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			    state.fd, 0);
	if (state.frames == MAP_FAILED)
		abort();
}

/* Is it this call's turn?  Sets errno. */
static bool due(struct failure *f)
{
	if (!f->nth || --f->nth)
		return false;
	errno = f->err;
	return true;
}

void *fake_frame(uint32_t ref)
{
	init();
	return state.frames + (size_t)ref * FAKE_PAGE;
}

void fake_grant(uint32_t ref, bool writable)
{
	state.granted[ref] = true;
	state.writable[ref] = writable;
}

void fake_revoke(uint32_t ref)
{
	state.granted[ref] = false;
}

unsigned int fake_maps_of(uint32_t ref)
{
	return state.maps_of[ref];
}

void fake_fail_map(unsigned int nth, int err)
{
	state.map = (struct failure){nth, err};
}

void fake_fail_unmap(unsigned int nth, int err)
{
	state.unmap = (struct failure){nth, err};
}

void fake_fail_share(unsigned int nth, int err)
{
	state.share = (struct failure){nth, err};
}

void fake_fail_copy(unsigned int nth, int err)
{
	state.copy = (struct failure){nth, err};
}

void fake_short_copy(unsigned int nth, unsigned int done)
{
	state.short_copy = (struct failure){nth, (int)done};
}

static bool allowed(uint32_t domid, uint32_t ref, bool write)
{
	return domid == FAKE_DOMID && ref < FAKE_NR_REFS &&
	       state.granted[ref] && (state.writable[ref] || !write);
}

void *xengnttab_map_domain_grant_refs(xengnttab_handle *xgt, uint32_t count,
				      uint32_t domid, uint32_t *refs, int prot)
{
	struct fake_map *m;
	char *addr;
	uint32_t i;

	(void)xgt;
	init();
	fake.map_calls++;
	if (due(&state.map))
		return NULL;
	for (i = 0; i < count; i++) {
		if (!allowed(domid, refs[i], prot & PROT_WRITE)) {
			errno = EINVAL;
			return NULL;
		}
	}
	m = malloc(sizeof(*m) + count * sizeof(m->refs[0]));
	addr = mmap(NULL, (size_t)count * FAKE_PAGE, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!m || addr == MAP_FAILED)
		abort();
	for (i = 0; i < count; i++) {
		if (mmap(addr + (size_t)i * FAKE_PAGE, FAKE_PAGE, prot,
			 MAP_SHARED | MAP_FIXED, state.fd,
			 (off_t)refs[i] * FAKE_PAGE) == MAP_FAILED)
			abort();
		state.maps_of[refs[i]]++;
		m->refs[i] = refs[i];
	}
	m->addr = addr;
	m->count = count;
	m->next = state.maps;
	state.maps = m;
	fake.mapped += count;
	if (fake.mapped > fake.mapped_peak)
		fake.mapped_peak = fake.mapped;
	return addr;
}

int xengnttab_unmap(xengnttab_handle *xgt, void *addr, uint32_t count)
{
	struct fake_map **link, *m;
	uint32_t i;

	(void)xgt;
	fake.unmap_calls++;
	if (due(&state.unmap))
		return -1;
	for (link = &state.maps; (m = *link); link = &m->next)
		if (m->addr == addr && m->count == count)
			break;
	if (!m) {
		fake.bad_unmaps++;
		errno = EINVAL;
		return -1;
	}
	*link = m->next;
	munmap(m->addr, (size_t)count * FAKE_PAGE);
	for (i = 0; i < count; i++)
		state.maps_of[m->refs[i]]--;
	fake.mapped -= count;
	free(m);
	return 0;
}

static int16_t copy_one(const xengnttab_grant_copy_segment_t *seg)
{
	bool to = seg->flags & GNTCOPY_dest_gref;
	uint32_t ref = to ? seg->dest.foreign.ref : seg->source.foreign.ref;
	uint32_t off = to ? seg->dest.foreign.offset
			  : seg->source.foreign.offset;
	uint32_t domid = to ? seg->dest.foreign.domid
			    : seg->source.foreign.domid;

	uintptr_t ours = (uintptr_t)(to ? seg->source.virt : seg->dest.virt);

	if (off + seg->len > FAKE_PAGE)
		return GNTST_bad_copy_arg;
	if (ours % FAKE_PAGE + seg->len > FAKE_PAGE)
		fake.cut_copies++;
	if (!allowed(domid, ref, to))
		return GNTST_permission_denied;
	if (to)
		memcpy((char *)fake_frame(ref) + off, seg->source.virt,
		       seg->len);
	else
		memcpy(seg->dest.virt, (char *)fake_frame(ref) + off, seg->len);
	return GNTST_okay;
}

int xengnttab_grant_copy(xengnttab_handle *xgt, uint32_t count,
			 xengnttab_grant_copy_segment_t *segs)
{
	uint32_t i;

	(void)xgt;
	fake.copy_calls++;
	if (due(&state.copy))
		return -1;
	if (due(&state.short_copy) && (uint32_t)state.short_copy.err < count)
		count = (uint32_t)state.short_copy.err;
	for (i = 0; i < count; i++)
		segs[i].status = copy_one(&segs[i]);
	return 0;
}

/* What is shared needs no handle; who asks for one is given none. */
xengntshr_handle *xengntshr_open(struct xentoollog_logger *logger,
				 unsigned int flags)
{
	(void)logger;
	(void)flags;
	return NULL;
}

int xengntshr_close(xengntshr_handle *xgs)
{
	(void)xgs;
	return 0;
}

void *xengntshr_share_pages(xengntshr_handle *xgs, uint32_t domid, int count,
			    uint32_t *refs, int writable)
{
	char *addr;
	int i;

	(void)xgs;
	init();
	fake.share_calls++;
	if (due(&state.share))
		return NULL;
	if (domid != FAKE_DOMID || count <= 0 ||
	    (uint32_t)count > FAKE_NR_REFS - state.next_shared) {
		errno = ENOSPC;
		return NULL;
	}
	addr = mmap(NULL, (size_t)count * FAKE_PAGE, PROT_READ | PROT_WRITE,
		    MAP_SHARED, state.fd, (off_t)state.next_shared * FAKE_PAGE);
	if (addr == MAP_FAILED)
		abort();
	for (i = 0; i < count; i++) {
		refs[i] = state.next_shared++;
		fake_grant(refs[i], writable);
	}
	fake.shared += (unsigned int)count;
	return addr;
}

int xengntshr_unshare(xengntshr_handle *xgs, void *addr, uint32_t count)
{
	(void)xgs;
	fake.shared -= count;
	return munmap(addr, (size_t)count * FAKE_PAGE);
}
