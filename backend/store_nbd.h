/* SPDX-License-Identifier: MIT */
/*
 * Between the two halves of the NBD store; for nobody else.
 */
#ifndef XENSPLIT_BACKEND_STORE_NBD_H
#define XENSPLIT_BACKEND_STORE_NBD_H

#include <libnbd.h>

#include "backend/store.h"

/* store_ops.open, .size and .renew */
int store_nbd_open(const char *target, const struct store_open_how *how,
		   struct store_desc *desc, struct xs_err *err);
int store_nbd_size(const struct store_desc *desc, uint64_t *size_bytes);
int store_nbd_renew(const char *target, struct store_desc *desc,
		    struct xs_err *err);

/*
 * A handle that starts to negotiate with the server at the other end of sock
 * (taken over, also on failure).  opt_mode: stop before choosing the export.
 * NULL with err set.
 */
struct nbd_handle *store_nbd_start(int sock, const struct store_desc *desc,
				   bool opt_mode, struct xs_err *err);
/* Drive the handle until there(h) or until_ms on clock_ms()'s clock.
 * 0, -ETIMEDOUT or -ECONNABORTED; err set. */
int store_nbd_wait(struct nbd_handle *h, int (*there)(struct nbd_handle *h),
		   uint64_t until_ms, const struct store_desc *desc,
		   struct xs_err *err);

#endif
