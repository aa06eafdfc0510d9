// SPDX-License-Identifier: MIT
/* libblkfront: names of virtual devices and their numbers. */
#include <errno.h>
#include <limits.h>

#include "frontend/blkfront.h"
#include "hypercall/vdev.h"

int blkfront_devid(const char *vdev)
{
	uint32_t devid;
	int err = vdev_parse(vdev, &devid);

	if (err)
		return err;
	return devid <= INT_MAX ? (int)devid : -EINVAL;
}
