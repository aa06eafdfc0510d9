/* SPDX-License-Identifier: MIT */
/* What the toolstack may change about a disk at any time. */
#ifndef XENSPLIT_BACKEND_VBD_TUNE_H
#define XENSPLIT_BACKEND_VBD_TUNE_H

struct vbd;

/* Read xensplit/poll-us and have the worker know; once the statistics are
 * there, and when the key has changed.  What makes no sense is logged, and
 * what was set before stays. */
void vbd_tune(struct vbd *v);

#endif
