/* SPDX-License-Identifier: MIT */
/*
 * A double of libxengnttab for unit tests of grant/: one peer domain whose
 * pages are frames of a memfd, with the rules of gntdev that matter (all or
 * nothing, read-only grants, unmap of exactly what one call mapped), counters,
 * and failures on demand.  One thread.
 */
#ifndef XENSPLIT_TESTS_FAKE_GNTTAB_H
#define XENSPLIT_TESTS_FAKE_GNTTAB_H

#include <stdbool.h>
#include <stdint.h>

#define FAKE_DOMID   7u
#define FAKE_NR_REFS 8192u
#define FAKE_PAGE    4096u

struct fake_counters {
	unsigned int map_calls, unmap_calls, copy_calls, share_calls;
	unsigned int mapped;      /* pages now */
	unsigned int mapped_peak; /* most at any time */
	unsigned int shared;      /* pages now */
	unsigned int bad_unmaps;  /* of what no call had mapped so */
	unsigned int cut_copies;  /* segments across two pages of ours */
};

extern struct fake_counters fake;

/* The peer's own view of the page behind a reference. */
void *fake_frame(uint32_t ref);
void fake_grant(uint32_t ref, bool writable);
void fake_revoke(uint32_t ref);
/* How many times the reference is mapped now. */
unsigned int fake_maps_of(uint32_t ref);

/* The nth call from now (1: the next) fails with err; 0: none. */
void fake_fail_map(unsigned int nth, int err);
void fake_fail_unmap(unsigned int nth, int err);
void fake_fail_share(unsigned int nth, int err);
/* The nth copy call does nothing and returns an error. */
void fake_fail_copy(unsigned int nth, int err);
/* The nth copy call returns success but ends after done segments, without a
 * word about the others. */
void fake_short_copy(unsigned int nth, unsigned int done);

#endif
