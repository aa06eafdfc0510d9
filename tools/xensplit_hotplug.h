/* SPDX-License-Identifier: MIT */
/* Hotplug scripts, run as libxl runs them. */
#ifndef XENSPLIT_TOOLS_XENSPLIT_HOTPLUG_H
#define XENSPLIT_TOOLS_XENSPLIT_HOTPLUG_H

#include "tools/xensplit.h"

/* Absolute path of a script: of a bare name, as it is below Xen's directory of
 * scripts; NULL: ours, which is beside this program or there. */
void hotplug_path(const char *script, char out[PVDEV_VALUE_MAX]);

/*
 * Run the script of a NIC (its backend is in this domain) with `online` or
 * `offline`, at most so many seconds; its own messages go to standard error
 * when it fails.  0, or -errno with why set.
 */
int hotplug_run(struct ctl *ctl, const struct pvdev *dev, const char *script,
		bool online, double seconds, struct xs_err *why);

/* The script key of a device whose backend is in this domain; false: none. */
bool hotplug_script_of(struct ctl *ctl, const struct pvdev *dev,
		       char out[PVDEV_VALUE_MAX]);

#endif
