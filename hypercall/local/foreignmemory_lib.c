// SPDX-License-Identifier: MIT
/*
 * libxenforeignmemory.so.1 of embedded Xen: a privileged domain's mappings of
 * another domain's frames.
 *
 * A domain of embedded Xen has no memory of its own that xenlocald could hand
 * out, other than the pages it granted and its xenstore page; those are the
 * frames there are.  Resources (acquire_resource) are not provided: xenlocald
 * refuses them with ENOSYS and says so in its log.
 */
#define __XEN_TOOLS__ 1
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xenforeignmemory.h>
#include <xen/memory.h>

#include "active_handle.h"
#include "client.h"

struct xenforeignmemory_handle {
	struct active_handle active;
	struct client client;
};

static int restrict_handle(struct active_handle *ah, domid_t domid)
{
	return xenforeignmemory_restrict(
		ACTIVE_CONTAINER(ah, struct xenforeignmemory_handle), domid);
}

xenforeignmemory_handle *xenforeignmemory_open(struct xentoollog_logger *logger,
					       unsigned open_flags)
{
	struct xenforeignmemory_handle *fmem = calloc(1, sizeof(*fmem));
	int rc;

	(void)open_flags;
	if (!fmem)
		return NULL;
	fmem->client.fd = -1;
	fmem->active.restrict_callback = restrict_handle;
	xentoolcore__register_active_handle(&fmem->active);
	rc = client_open(&fmem->client, true);
	if (rc) {
		xentoolcore__deregister_active_handle(&fmem->active);
		active_log_failure(logger, "xenforeignmemory", rc);
		free(fmem);
		errno = -rc;
		return NULL;
	}
	return fmem;
}

int xenforeignmemory_close(xenforeignmemory_handle *fmem)
{
	if (!fmem)
		return 0;
	xentoolcore__deregister_active_handle(&fmem->active);
	client_close(&fmem->client);
	free(fmem);
	return 0;
}

int xenforeignmemory_restrict(xenforeignmemory_handle *fmem, domid_t domid)
{
	struct wire_msg msg = {.op = WIRE_RESTRICT, .domid = domid};
	int rc = client_call(&fmem->client, &msg, NULL);

	if (!rc)
		return 0;
	errno = -rc;
	return -1;
}

/* Put the pages of one reply in place; per-page errors go to err. */
static void place(char *addr, int prot, const struct wire_foreign *f,
		  const int *fds, unsigned int nr_fds, uint32_t count, int *err)
{
	for (uint32_t i = 0; i < count; i++) {
		void *p;

		err[i] = f->err[i];
		if (err[i])
			continue;
		if (f->fd_index[i] >= nr_fds) {
			err[i] = -EPROTO;
			continue;
		}
		p = mmap(addr + (size_t)i * WIRE_PAGE_SIZE, WIRE_PAGE_SIZE,
			 prot, MAP_SHARED | MAP_FIXED, fds[f->fd_index[i]],
			 (off_t)f->page[i] * WIRE_PAGE_SIZE);
		if (p == MAP_FAILED)
			err[i] = -errno;
	}
}

static int map_chunk(struct xenforeignmemory_handle *fmem, uint32_t dom,
		     char *addr, int prot, uint32_t count, const xen_pfn_t *gfn,
		     int *err)
{
	int fds[WIRE_MAX_FDS], rc;
	struct client_io io = {.reply_fds = fds, .reply_fds_max = WIRE_MAX_FDS};
	struct wire_msg msg = {.op = WIRE_FOREIGN_MAP};

	msg.foreign.domid = dom;
	msg.foreign.count = count;
	msg.foreign.prot = prot;
	for (uint32_t i = 0; i < count; i++)
		msg.foreign.gfn[i] = gfn[i];
	rc = client_call(&fmem->client, &msg, &io);
	if (!rc)
		place(addr, prot, &msg.foreign, fds, io.nr_reply_fds, count,
		      err);
	for (unsigned int i = 0; i < io.nr_reply_fds; i++)
		close(fds[i]);
	return rc;
}

/* The first page that could not be mapped, as -errno. */
static int first_error(const int *err, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		if (err[i])
			return err[i];
	return 0;
}

static void *map_pages(struct xenforeignmemory_handle *fmem, uint32_t dom,
		       void *addr, int prot, int flags, size_t pages,
		       const xen_pfn_t *gfn, int *err, bool all)
{
	char *base;
	int rc = 0;

	/* reserve the range: what fails to map must not be somebody else's */
	base = mmap(addr, pages * WIRE_PAGE_SIZE, PROT_NONE,
		    (flags & MAP_FIXED) | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (base == MAP_FAILED)
		return NULL;
	for (size_t done = 0; !rc && done < pages;) {
		size_t n = pages - done;

		if (n > WIRE_MAX_REFS)
			n = WIRE_MAX_REFS;
		rc = map_chunk(fmem, dom, base + done * WIRE_PAGE_SIZE, prot, n,
			       gfn + done, err + done);
		done += n;
	}
	if (!rc && all)
		rc = first_error(err, pages);
	if (!rc)
		return base;
	munmap(base, pages * WIRE_PAGE_SIZE);
	errno = -rc;
	return NULL;
}

void *xenforeignmemory_map2(xenforeignmemory_handle *fmem, uint32_t dom,
			    void *addr, int prot, int flags, size_t pages,
			    const xen_pfn_t arr[/*pages*/], int err[/*pages*/])
{
	int *own = NULL;
	void *p;

	if (!pages || pages > SIZE_MAX / WIRE_PAGE_SIZE) {
		errno = EINVAL;
		return NULL;
	}
	if (!err) {
		own = calloc(pages, sizeof(*own));
		if (!own)
			return NULL;
	}
	p = map_pages(fmem, dom, addr, prot, flags, pages, arr, err ? err : own,
		      own != NULL);
	free(own);
	return p;
}

void *xenforeignmemory_map(xenforeignmemory_handle *fmem, uint32_t dom,
			   int prot, size_t pages,
			   const xen_pfn_t arr[/*pages*/], int err[/*pages*/])
{
	return xenforeignmemory_map2(fmem, dom, NULL, prot, 0, pages, arr, err);
}

int xenforeignmemory_unmap(xenforeignmemory_handle *fmem, void *addr,
			   size_t pages)
{
	(void)fmem;
	return munmap(addr, pages * WIRE_PAGE_SIZE);
}

/* Ask for the resource, so that xenlocald's log says who wanted it. */
static int acquire_resource(struct xenforeignmemory_handle *fmem, domid_t domid)
{
	struct wire_msg msg = {.op = WIRE_HYPERCALL};
	int rc;

	msg.hypercall.op = __HYPERVISOR_memory_op;
	msg.hypercall.arg[0] = XENMEM_acquire_resource;
	msg.hypercall.arg[1] = domid;
	rc = client_call(&fmem->client, &msg, NULL);
	errno = rc ? -rc : ENOSYS;
	return -1;
}

xenforeignmemory_resource_handle *xenforeignmemory_map_resource(
	xenforeignmemory_handle *fmem, domid_t domid, unsigned int type,
	unsigned int id, unsigned long frame, unsigned long nr_frames,
	void **paddr, int prot, int flags)
{
	(void)type;
	(void)id;
	(void)frame;
	(void)nr_frames;
	(void)paddr;
	(void)prot;
	if (flags & ~(MAP_SHARED | MAP_PRIVATE))
		errno = EINVAL;
	else
		acquire_resource(fmem, domid);
	return NULL;
}

int xenforeignmemory_unmap_resource(xenforeignmemory_handle *fmem,
				    xenforeignmemory_resource_handle *fres)
{
	(void)fmem;
	if (!fres)
		return 0;
	errno = EINVAL; /* none was ever given out */
	return -1;
}

int xenforeignmemory_resource_size(xenforeignmemory_handle *fmem, domid_t domid,
				   unsigned int type, unsigned int id,
				   size_t *size)
{
	(void)type;
	(void)id;
	(void)size;
	return acquire_resource(fmem, domid);
}
