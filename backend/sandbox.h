/* SPDX-License-Identifier: MIT */
/*
 * What a worker gives up before it looks at anything a guest wrote.
 *
 * After sandbox_enter() the process has a user id of its own (if it was
 * root), no capabilities, no way to new privileges, and a short list of
 * system calls: it moves data through descriptors it has, maps memory, waits.
 * It cannot open, create, connect, execute, trace or fork anything, nor start
 * threads; a try ends the process (opening a path is merely refused, because
 * libc does that on its own in odd corners).  Its root directory is empty and
 * it is in a network, IPC and UTS namespace of its own where the host allows
 * that.
 *
 * Not here: what a descriptor that the worker has can do.  A handle of Linux's
 * gntdev maps what any guest granted to this domain.
 *
 * In builds with AddressSanitizer or ThreadSanitizer the system call list is
 * left out (their runtimes need more); the log says so.
 */
#ifndef XENSPLIT_BACKEND_SANDBOX_H
#define XENSPLIT_BACKEND_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "hypercall/xs_store.h"

/* Above every range that distributions and systemd give out: a worker for
 * domain N runs as this + N. */
#define SANDBOX_UID_BASE UINT32_C(0x70000000)

struct sandbox_how {
	uint32_t domid;    /* the guest */
	uint32_t uid_base; /* 0: SANDBOX_UID_BASE.  Used by root only. */
	/* NULL, or start one (mem_keeper.h) with keeper_fd; -1 if it cannot be
	 */
	int *keeper_pidfd;
	int keeper_fd;
};

/*
 * The first part: namespaces, and what must happen while there is one thread
 * and files can be opened.  First thing in main().  What the host refuses is
 * left out and logged by sandbox_enter(); so it cannot fail.
 */
void sandbox_early(void);

/*
 * The rest, for all threads of the process, for good.  Everything is open and
 * all threads run.  0, or -errno with err set: the process then must not go
 * on (it may have given up some of it).
 */
int sandbox_enter(const struct sandbox_how *how, struct xs_err *err);

/* Root, and of more than itself: in a user namespace that has one id there is
 * nobody to become.  Reads /proc. */
bool sandbox_is_root(void);

#endif
