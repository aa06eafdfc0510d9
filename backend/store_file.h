/* SPDX-License-Identifier: MIT */
/*
 * Between the two halves of the file store; for nobody else.
 */
#ifndef XENSPLIT_BACKEND_STORE_FILE_H
#define XENSPLIT_BACKEND_STORE_FILE_H

#include "backend/store.h"

/* desc->fd[]: with O_DIRECT (dio_offset_align is set) the direct descriptor,
 * then the one through the page cache; else that one alone. */
#define STORE_FILE_DIRECT 0u

/* store_ops.open and .size */
int store_file_open(const char *target, const struct store_open_how *how,
		    struct store_desc *desc, struct xs_err *err);
int store_file_size(const struct store_desc *desc, uint64_t *size_bytes);

#endif
