// SPDX-License-Identifier: MIT
/* xensplit block-attach: what a disk's two directories say. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/xensplit_attach.h"
#include "tools/xensplit_disk.h"

static int write_backend(struct xs_store *xs, xs_transaction_t t,
			 const struct pvdev *dev, const struct disk_spec *disk)
{
	const struct attach_key keys[] = {
		{"params", disk->target},
		{"removable", disk->removable ? "1" : "0"},
		{"bootable", "1"},
		{"dev", disk->vdev},
		{"type", "phy"},
		{"mode", disk->mode},
		{"device-type", disk->cdrom ? "cdrom" : "disk"},
		{"direct-io-safe", disk->direct_io_safe ? "1" : NULL},
		{"discard-enable", disk->discard ? "1" : "0"},
		{"specification", "xen"},
		{NULL, NULL},
	};

	return attach_write_keys(xs, t, dev->be_dir, keys);
}

static int write_frontend(struct xs_store *xs, xs_transaction_t t,
			  const struct pvdev *dev, const struct disk_spec *disk)
{
	char devid[16];
	const struct attach_key keys[] = {
		{"virtual-device", devid},
		{"device-type", disk->cdrom ? "cdrom" : "disk"},
		{"trusted", disk->trusted ? "1" : "0"},
		{NULL, NULL},
	};

	snprintf(devid, sizeof(devid), "%" PRIu32, dev->devid);
	return attach_write_keys(xs, t, dev->fe_dir, keys);
}

static int write_keys(struct attach *a, struct xs_store *xs, xs_transaction_t t)
{
	int res = write_backend(xs, t, &a->dev, a->spec);

	return res ? res : write_frontend(xs, t, &a->dev, a->spec);
}

static int parse(struct attach *a, unsigned int nr, const char *const *words)
{
	struct disk_spec *disk = a->spec;
	int res = disk_spec_parse(disk, nr, words, &a->why);

	if (res)
		return res;
	a->dev.devid = disk->devid;
	a->backend = disk->backend;
	a->label = disk->vdev;
	return 0;
}

int cmd_block_attach(int argc, char **argv)
{
	struct disk_spec disk = {.target = NULL};
	const struct attach_class class = {
		.kind = &vbd_kind,
		.needs = "a domain and a disk specification are needed",
		.parse = parse,
		.write_keys = write_keys,
	};
	int res = attach_main(argc, argv, &class, &disk);

	disk_spec_free(&disk);
	return res;
}
