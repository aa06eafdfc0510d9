/* SPDX-License-Identifier: MIT */
/*
 * The IOMMU tables: which frames the devices of a domain reach.
 *
 * Private to xenlocald.  What the core calls on every map and unmap is in
 * xenlocald.h; this is for device.c.  A bus address is frame number * 4096 +
 * the byte in the page.
 */
#ifndef XENSPLIT_LOCAL_IOMMU_H
#define XENSPLIT_LOCAL_IOMMU_H

#include "xenlocald.h"

/*
 * The frame with this number in d's table, and whether devices may write it.
 * 0 or -ENOENT.  Valid until the table changes.
 */
int iommu_lookup(const struct domain *d, uint64_t number, struct frame *f,
		 bool *writable);

/* Free the table of a domain that goes. */
void iommu_table_free(struct domain *d);

/* Frames in d's table, for the status text. */
uint32_t iommu_nr_frames(const struct domain *d);

#endif
