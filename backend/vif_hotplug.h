/* SPDX-License-Identifier: MIT */
/*
 * The supervisor runs hotplug scripts of NICs itself, where it is told to: in
 * a driver domain in which no toolstack does (libxl in domain 0 runs those of
 * its own domain only).
 *
 * One thread, the supervisor's loop.
 */
#ifndef XENSPLIT_BACKEND_VIF_HOTPLUG_H
#define XENSPLIT_BACKEND_VIF_HOTPLUG_H

#include "backend/vif.h"

/* Have the script of a NIC run, if it has one ("" if not) and this supervisor
 * is to; one at a time for each NIC, the last wish counts.  A script that fails
 * to go online and left no reason gets one in hotplug-error. */
void vif_hotplug(struct device *dev, const char *script, bool online);
/*
 * The link is new.  If a script has put one somewhere already, that was the
 * link of a supervisor that has ended: have it run again, whoever ran it then,
 * and the frontend wait for it.
 */
void vif_hotplug_new_link(struct device *dev, const char *script);
/* Ends those that still run. */
void vif_hotplug_stop(struct supervisor *super);

#endif
