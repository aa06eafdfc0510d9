/* SPDX-License-Identifier: MIT */
/*
 * Running a NIC's hotplug script with the arguments and the environment that
 * libxl gives it, so that Xen's own scripts work.  The script is named by the
 * toolstack and trusted.
 *
 * Used by the tool in the backend's domain, and by a supervisor that is told
 * to do it in a driver domain.
 */
#ifndef XENSPLIT_BACKEND_HOTPLUG_H
#define XENSPLIT_BACKEND_HOTPLUG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "hypercall/xs_store.h"

struct hotplug {
	pid_t pid; /* and of its process group; 0: not running */
	int pidfd; /* readable when it has ended */
	int log;   /* what it wrote */
};

/* Start it; 0 or -errno with err set.  class: the directory below
 * backend/.  netdev: gatewaydev of the NIC, "" if
 * none. */
int hotplug_start(struct hotplug *h, const char *script, const char *class,
		  uint32_t fe_domid, uint32_t devid, const char *netdev,
		  bool online, struct xs_err *err);
/* It has ended, or is killed (with all that it started): give everything back.
 * 0, or -EIO with err: the status and the last line of what it wrote. */
int hotplug_end(struct hotplug *h, struct xs_err *err);

#endif
