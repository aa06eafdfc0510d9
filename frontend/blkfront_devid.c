// SPDX-License-Identifier: MIT
/*
 * libblkfront: names of virtual devices and their numbers.
 *
 * Xen's docs/man/xen-vbd-interface.7: a name is a disk and a partition under
 * one of four spellings; a number encodes both in one of the schemes below.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/blkfront.h"

#define DISKS_MAX      (1 << 20)
#define PARTITIONS_MAX 256

struct vdev {
	unsigned int disk, partition;
};

/* "a" to "z", "aa" and on: 0 and up. */
static int parse_letters(const char **s, unsigned int *disk)
{
	unsigned int n = 0;

	if (!islower((unsigned char)**s))
		return -EINVAL;
	for (; islower((unsigned char)**s); (*s)++) {
		n = n * 26 + (**s - 'a' + 1);
		if (n > DISKS_MAX)
			return -EINVAL;
	}
	*disk = n - 1;
	return 0;
}

static int parse_number(const char **s, unsigned int max, unsigned int *out)
{
	unsigned int n = 0;

	if (!isdigit((unsigned char)**s))
		return -EINVAL;
	for (; isdigit((unsigned char)**s); (*s)++) {
		n = n * 10 + (**s - '0');
		if (n >= max)
			return -EINVAL;
	}
	*out = n;
	return 0;
}

/* What follows "xvd", "sd" or "hd": letters, then perhaps a partition, which
 * counts from 1. */
static int parse_disk(const char *s, struct vdev *v)
{
	v->partition = 0;
	if (parse_letters(&s, &v->disk))
		return -EINVAL;
	if (*s &&
	    (*s == '0' || parse_number(&s, PARTITIONS_MAX, &v->partition)))
		return -EINVAL;
	return *s ? -EINVAL : 0;
}

static int xen_number(const struct vdev *v)
{
	if (v->disk < 16 && v->partition < 16)
		return 202 << 8 | v->disk << 4 | v->partition;
	return 1 << 28 | v->disk << 8 | v->partition;
}

static int ide_number(const struct vdev *v)
{
	if (v->disk > 3 || v->partition > 63)
		return -EINVAL;
	return (v->disk < 2 ? 3 : 22) << 8 | (v->disk & 1) << 6 | v->partition;
}

static int scsi_number(const struct vdev *v)
{
	if (v->disk > 15 || v->partition > 15)
		return -EINVAL;
	return 8 << 8 | v->disk << 4 | v->partition;
}

static int parse_dp(const char *s, struct vdev *v)
{
	v->partition = 0;
	if (*s++ != 'd' || parse_number(&s, DISKS_MAX, &v->disk))
		return -EINVAL;
	if (*s &&
	    (*s++ != 'p' || parse_number(&s, PARTITIONS_MAX, &v->partition)))
		return -EINVAL;
	return *s ? -EINVAL : 0;
}

int blkfront_devid(const char *vdev)
{
	struct vdev v;
	char *end;

	if (isdigit((unsigned char)*vdev)) {
		unsigned long n;

		errno = 0;
		n = strtoul(vdev, &end, 0);
		return errno || *end || n > (1u << 29) ? -EINVAL : (int)n;
	}
	if (!strncmp(vdev, "xvd", 3))
		return parse_disk(vdev + 3, &v) ? -EINVAL : xen_number(&v);
	if (!strncmp(vdev, "hd", 2))
		return parse_disk(vdev + 2, &v) ? -EINVAL : ide_number(&v);
	if (!strncmp(vdev, "sd", 2))
		return parse_disk(vdev + 2, &v) ? -EINVAL : scsi_number(&v);
	return parse_dp(vdev, &v) ? -EINVAL : xen_number(&v);
}
