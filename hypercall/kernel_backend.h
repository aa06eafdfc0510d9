/* SPDX-License-Identifier: MIT */
/*
 * Whether this domain's kernel serves a class of backends itself.
 */
#ifndef XENSPLIT_HYPERCALL_KERNEL_BACKEND_H
#define XENSPLIT_HYPERCALL_KERNEL_BACKEND_H

#include <stdbool.h>

/*
 * True if Linux's own backend for devices of a class ("vbd", "vif") is loaded,
 * or would be: udev loads it by the name that the kernel gives to a new
 * directory in xenstore, unless it is blacklisted.  Then a directory
 * backend/CLASS/F/D is the kernel's as soon as it is made.  Looks at files
 * each time (microseconds when it is loaded, a millisecond when not).  Any
 * thread.
 */
bool kernel_serves(const char *class);

#endif
