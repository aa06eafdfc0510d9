/* SPDX-License-Identifier: MIT */
/*
 * DISKSPEC, the words of xl-disk-configuration(5), as far as a PV disk served
 * by xensplitd can have them.  Parsed by libxlutil.
 */
#ifndef XENSPLIT_TOOLS_XENSPLIT_DISK_H
#define XENSPLIT_TOOLS_XENSPLIT_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "hypercall/xs_store.h"

struct disk_spec {
	char *target;  /* as given: a path, or SCHEME:REST */
	char *vdev;    /* as given: xvda */
	char *backend; /* domain, id or name; NULL: 0 */
	uint32_t devid;
	const char *mode; /* "r", "w" or "w!" */
	bool cdrom, removable, discard, direct_io_safe, trusted;
};

/*
 * All specs describe one disk, as for `xl block-attach`.  Beyond
 * xl-disk-configuration(5): access w! (writable although in use elsewhere),
 * and nbd: before a positional target means a store of xensplitd.
 *
 * 0, or -EINVAL or -ENOMEM with a reason.  disk_spec_free() in any case.
 */
int disk_spec_parse(struct disk_spec *disk, unsigned int nr,
		    const char *const *specs, struct xs_err *err);
void disk_spec_free(struct disk_spec *disk);

#endif
