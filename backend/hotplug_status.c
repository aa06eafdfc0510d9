// SPDX-License-Identifier: MIT
/* See hotplug_status.h. */
#include "backend/hotplug_status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int hotplug_status_read(struct xs_store *xs, xs_transaction_t t,
			const struct xenbus_key *keys, const char *dir,
			struct xs_err *err)
{
	char status[64], text[160];
	int e = xenbus_key_read_str(xs, t, keys, dir, "hotplug-status", status,
				    sizeof(status), err);

	if (e)
		return e;
	if (!strcmp(status, "connected"))
		return 0;
	if (strcmp(status, "error") && strcmp(status, "busy")) {
		xs_err_set(err, "%s/hotplug-status is not yet connected", dir);
		return -EAGAIN;
	}
	if (xenbus_key_read_str(xs, t, keys, dir, "hotplug-error", text,
				sizeof(text), err) ||
	    !text[0])
		snprintf(text, sizeof(text), "no reason given");
	xs_err_set(err, "the hotplug script failed: %s", text);
	return -EIO;
}
