/* SPDX-License-Identifier: MIT */
/*
 * Notices that a file's size changed, with inotify.
 *
 * A file that a worker writes to all the time must not cost the supervisor a
 * wake-up a write, so a watch fires once and is set up again a second later;
 * an idle disk costs nothing.  Only files: the size of a block device is
 * looked at when a tool says so.
 *
 * One thread, the loop's.
 */
#ifndef XENSPLIT_BACKEND_SIZE_WATCH_H
#define XENSPLIT_BACKEND_SIZE_WATCH_H

#include <ev.h>

struct size_watches;
struct size_watch;

int size_watches_open(struct size_watches **sizes, struct ev_loop *loop);
void size_watches_close(struct size_watches *sizes); /* NULL is fine */

/* cb(arg) when the file behind fd may have another size; not from within.
 * fd stays the caller's and must stay open.  0 or -errno; -EINVAL: no file. */
int size_watch_add(struct size_watches *sizes, int fd, void (*cb)(void *arg),
		   void *arg, struct size_watch **watch);
void size_watch_del(struct size_watch *watch); /* NULL is fine */

#endif
