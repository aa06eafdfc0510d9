// SPDX-License-Identifier: MIT
/* See vbd_tune.h. */
#include "backend/vbd_tune.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "backend/super.h"
#include "backend/vbd.h"
#include "hypercall/log.h"
#include "hypercall/xenbus_keys.h"

void vbd_tune(struct vbd *v)
{
	struct xs_err err;
	uint64_t us;
	unsigned int us_1;

	if (!v->stats)
		return;
	if (xenbus_key_read(v->dev->super->xs, XBT_NULL, vbd_keys,
			    v->dev->be_dir, "xensplit/poll-us", &us, &err)) {
		log_warn(v->dev->name, "%s", err.text);
		return;
	}
	/* absent: out of range, which is 0 here, "not set" */
	us_1 = us > BLK_POLL_MAX_US ? 0 : (unsigned int)us + 1;
	if (us_1 == atomic_load_explicit(&v->stats->poll_max_us_1,
					 memory_order_relaxed))
		return;
	if (us_1)
		log_info(v->dev->name, "is polled for at most %u us", us_1 - 1);
	/* the mapping is for reading, the descriptor is not */
	if (pwrite(v->stats_fd, &us_1, sizeof(us_1),
		   offsetof(struct blk_disk_stats, poll_max_us_1)) !=
	    sizeof(us_1))
		log_warn(v->dev->name, "polling cannot be tuned: %s",
			 strerror(errno));
}
