/* SPDX-License-Identifier: MIT */
/*
 * Names and numbers of virtual disks: xvda is 51712.  The encoding is that of
 * xen-vbd-interface(7), the names those of xl-disk-configuration(5).
 * Pure functions, any thread.
 */
#ifndef XENSPLIT_HYPERCALL_VDEV_H
#define XENSPLIT_HYPERCALL_VDEV_H

#include <stddef.h>
#include <stdint.h>

#define VDEV_NAME_MAX 24u

/*
 * The number of xvdXX[P], hdX[P], sdX[P], dN[pP], or of a number itself
 * (decimal, 0x hexadecimal, 0 octal).  -EINVAL for anything else, and for
 * disks, partitions and numbers that the encoding has no place for.
 */
int vdev_parse(const char *name, uint32_t *devid);

/* The name that vdev_parse() turns into devid, "xvda"; the number itself for
 * numbers that have no name. */
void vdev_name(uint32_t devid, char out[VDEV_NAME_MAX]);

#endif
