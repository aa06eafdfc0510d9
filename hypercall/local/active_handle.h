/* SPDX-License-Identifier: MIT */
/*
 * Registration of open handles with libxentoolcore, for
 * xentoolcore_restrict_all(), and the "logs errors" of the open functions.
 *
 * The functions are exported by libxentoolcore.so.1 for the other Xen
 * libraries; Debian installs no header for them.  Header only, as the library
 * side of this folder is otherwise one file a library.
 */
#ifndef XENSPLIT_LOCAL_ACTIVE_HANDLE_H
#define XENSPLIT_LOCAL_ACTIVE_HANDLE_H

#include <stddef.h>
#include <stdint.h>

#include <xen/xen.h>
#include <xen_list.h>
#include <xentoollog.h>

#include "client.h"

/*
 * The callback leaves the handle usable for domid only, or not at all.  It may
 * be called again; it must not register or deregister.
 */
struct active_handle {
	int (*restrict_callback)(struct active_handle *ah, domid_t domid);
	XEN_LIST_ENTRY(struct active_handle) entry;
};

/* Before the descriptor is opened, and before it is closed. */
void xentoolcore__register_active_handle(struct active_handle *ah);
void xentoolcore__deregister_active_handle(struct active_handle *ah);

/* Puts /dev/null in fd's place. */
int xentoolcore__restrict_by_dup2_null(int fd);

/* The structure whose member `active` it is. */
#define ACTIVE_CONTAINER(ah, type) \
	((type *)((char *)(ah)-offsetof(type, active)))

/* Say why open failed, to the caller's logger or to standard error. */
static inline void active_log_failure(struct xentoollog_logger *logger,
				      const char *library, int err)
{
	struct xentoollog_logger *own = NULL;

	if (!logger)
		logger = own = (struct xentoollog_logger *)
			xtl_createlogger_stdiostream(stderr, XTL_PROGRESS, 0);
	if (!logger)
		return;
	xtl_log(logger, XTL_ERROR, -1, library,
		"Could not open embedded Xen: %s", client_explain(err));
	xtl_logger_destroy(own);
}

#endif
