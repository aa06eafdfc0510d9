/* SPDX-License-Identifier: MIT */
/*
 * The system call list of the sandbox; for sandbox.c only.
 */
#ifndef XENSPLIT_BACKEND_SANDBOX_CALLS_H
#define XENSPLIT_BACKEND_SANDBOX_CALLS_H

#include "hypercall/xs_store.h"

/* Load the filter for all threads; sets no_new_privs.  0 or -errno, err set. */
int sandbox_load_calls(struct xs_err *err);

#endif
