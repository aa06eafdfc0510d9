/* SPDX-License-Identifier: MIT */
/* A worker: the process that moves one guest's data.  See SECURITY.md for
 * what it can reach. */
#ifndef XENSPLIT_BACKEND_WORKER_H
#define XENSPLIT_BACKEND_WORKER_H

struct worker_options {
	unsigned int domid;       /* the guest's */
	unsigned int poll_max_us; /* 0: never poll */
};

/* Serve the supervisor on sock until it closes.  Opens all handles, then drops
 * privileges, then says WORKER_READY.  Returns an exit status. */
int worker_main(int sock, const struct worker_options *opt);

#endif
