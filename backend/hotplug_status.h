/* SPDX-License-Identifier: MIT */
/* What a hotplug script left in a backend directory. */
#ifndef XENSPLIT_BACKEND_HOTPLUG_STATUS_H
#define XENSPLIT_BACKEND_HOTPLUG_STATUS_H

#include "hypercall/xenbus_keys.h"

/* 0: connected; -EAGAIN: it has not finished; -EIO: it failed, with its own
 * reason; or as reading goes.  err is set in all but the first case. */
int hotplug_status_read(struct xs_store *xs, xs_transaction_t t,
			const struct xenbus_key *keys, const char *dir,
			struct xs_err *err);

#endif
