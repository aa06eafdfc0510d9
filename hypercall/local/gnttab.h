/* SPDX-License-Identifier: MIT */
/*
 * Grants inside xenlocald: shares (the owner's memfds), grants (table entries)
 * and views (what a grantee's library can read of the table).  Shared by
 * gnttab.c (owner's side), gnttab_map.c (grantee's side), gnttab_frame.c and
 * view.c only.
 */
#ifndef XENSPLIT_LOCAL_GNTTAB_H
#define XENSPLIT_LOCAL_GNTTAB_H

#include "xenlocald.h"

/* What happens to one page when it is unmapped or unshared. */
struct notify {
	bool clear;
	uint32_t page, offset;
	struct port *port; /* pinned; NULL: no event */
};

/* The pages of one share call: one memfd, one grantee. */
struct share {
	LIST_ENTRY(share) link; /* of owner->shares */
	struct domain *owner;   /* NULL: the domain is gone */
	struct handle *h;       /* NULL: revoked, or the kernel's own */
	uint32_t id;            /* of h */
	uint32_t granter, grantee;
	int fd;
	bool writable;
	uint32_t count;
	uint32_t first_frame;
	uint32_t *refs; /* of each page; 0: cleared.  NULL: not granted yet */
	uint32_t holds; /* the handle, each entry, each mapping, frame_get() */
	uint8_t *prepared; /* mapping of a read-only grant with notification */
	struct notify notify;
};

/* What the domain's table says of one reference. */
struct grant {
	struct share *share; /* NULL: free */
	uint32_t page;
	uint32_t readers, writers; /* mappings */
	bool revoked;              /* clear it with the last unmap */
};

/* A grant in use by a handle of the grantee. */
struct mapping {
	struct handle *h;
	struct share *share;
	uint32_t page, ref;
	bool writable;
	struct notify notify;
};

/* --- gnttab.c --- */
void share_put(struct share *s);
void grant_clear(struct domain *owner, uint32_t ref);
/* Set up, do, or drop a notification. */
int notify_set(struct domain *d, struct notify *n, const struct wire_notify *w,
	       uint32_t page);
void notify_fire(struct notify *n, struct share *s);

/* --- gnttab_frame.c --- */
struct frame share_frame(struct share *s, uint32_t page);

/* --- gnttab_map.c --- */
void gnttab_maps_release(struct handle *h);

/* --- view.c --- */
/* Make the entry of a reference say what the table says. */
void view_update(struct domain *granter, uint32_t ref);
/* Zero it; called before the table forgets the share. */
void view_clear(struct domain *granter, uint32_t ref);
/* The descriptor of what `granter` grants to `grantee`, or -errno. */
int view_fd(struct domain *grantee, struct domain *granter);
void view_domain_release(struct domain *grantee);

#endif
