/* SPDX-License-Identifier: MIT */
#ifndef XENSPLIT_TOOLS_NOTIFY_H
#define XENSPLIT_TOOLS_NOTIFY_H

/*
 * Tell the service manager that started this process something, such as
 * "READY=1"; see sd_notify(3).  Without one, nothing.  0 or -errno.
 */
int notify(const char *state);
/* Have later calls, and children, do nothing. */
void notify_end(void);

#endif
