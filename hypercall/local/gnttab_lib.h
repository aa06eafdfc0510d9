/* SPDX-License-Identifier: MIT */
/*
 * The handle of libxengnttab.so.1 of embedded Xen, and what its files share.
 * Both halves of the library, gnttab (use grants) and gntshr (make grants),
 * have the same type of handle, as in Xen's header.
 */
#ifndef XENSPLIT_LOCAL_GNTTAB_LIB_H
#define XENSPLIT_LOCAL_GNTTAB_LIB_H

#include <sys/types.h>
#include <xengnttab.h>

#include "active_handle.h"
#include "client.h"

struct copy_cache;

struct xengntdev_handle {
	struct active_handle active; /* gnttab only */
	struct client client;
	struct xentoollog_logger *logger, *own_logger;
	pid_t pid; /* who opened it: a forked child has not the mappings */

	pthread_mutex_t lock;           /* the rest */
	void *regions;                  /* tsearch(3) tree of struct region */
	uint32_t nr_grants, max_grants; /* mapped; UINT32_MAX: no limit */
	struct copy_cache *copies;      /* made by the first copy */
};

/* A contiguous range that one call mapped or shared. */
struct region {
	char *start;
	uint32_t count;    /* pages */
	uint32_t share_id; /* gntshr */
	uint32_t handle[]; /* gnttab: of each page */
};

/* gnttab_lib.c */
xengnttab_handle *gnt_open(struct xentoollog_logger *logger, bool register_it);
int gnt_close(xengnttab_handle *h);
void gnt_error(xengnttab_handle *h, const char *what, int err);
int gnt_add_region(xengnttab_handle *h, struct region *r);
/* Take out the region of exactly these bounds; NULL: there is none. */
struct region *gnt_take_region(xengnttab_handle *h, void *start,
			       uint32_t count);
void gnt_close_fds(const int *fds, unsigned int nr);

/* grant_copy.c */
void copy_cache_free(struct copy_cache *cc);
/* Forget what other domains than domid granted. */
void copy_cache_restrict(struct copy_cache *cc, uint32_t domid);

#endif
