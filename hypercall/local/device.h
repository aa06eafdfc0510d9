/* SPDX-License-Identifier: MIT */
/*
 * Devices behind the IOMMU and who owns them.
 *
 * Private to xenlocald.  sbdf: segment << 16 | bus << 8 | device << 3 |
 * function.  A device is there while its device model's connection to the
 * control socket is.  It belongs to one domain or to none (quarantined: all
 * of its DMA faults), which is also where it starts and returns to.
 */
#ifndef XENSPLIT_LOCAL_DEVICE_H
#define XENSPLIT_LOCAL_DEVICE_H

#include <stdio.h>

#include "xenlocald.h"

/* 0: it exists and has no owner.  -ENODEV, -EBUSY. */
int device_assignable(uint32_t sbdf);

/* Give it to d; counters start at 0.  0, -ENODEV, -EBUSY. */
int device_assign(uint32_t sbdf, struct domain *d);

/*
 * Take it from d (NULL: from quarantine, where it stays), and cut the
 * channels that d has to it.  -ENODEV: no such device, or not d's.
 */
int device_deassign(uint32_t sbdf, struct domain *d);

/* Assignment to nobody.  0, -ENODEV, -EBUSY: a domain has it. */
int device_quarantine(uint32_t sbdf);

/* Whether d owns any device. */
bool device_owned_by(const struct domain *d);

struct device_faults {
	uint64_t reads, writes; /* DMA operations that faulted */
	uint64_t last_addr;
};

/* Counters since assignment; d NULL: whoever owns it.  0 or -ENODEV. */
int device_faults(uint32_t sbdf, const struct domain *d,
		  struct device_faults *out);

/* A JSON array of all devices, for WIRE_CTL_STATUS. */
void device_status(FILE *out);

#endif
