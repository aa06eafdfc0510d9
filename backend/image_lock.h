/* SPDX-License-Identifier: MIT */
/*
 * Who may use an image together with whom, by xl's modes:
 *
 *   r    with other readers, and with w! users
 *   w    alone
 *   w!   with anybody
 *
 * Within this supervisor an image is known by what it is (device and inode of
 * a file, number of a block device), so that another path or a link to it is
 * the same image.  What is no file (an NBD export) is known by its name.
 * Against other processes, r and w take an open file description lock on the
 * file (F_OFD_SETLK over all of it): it lasts as long as any process holds
 * that description, a worker included.
 *
 * One thread.
 */
#ifndef XENSPLIT_BACKEND_IMAGE_LOCK_H
#define XENSPLIT_BACKEND_IMAGE_LOCK_H

#include "hypercall/xs_store.h"

enum image_mode { IMAGE_READ, IMAGE_WRITE, IMAGE_SHARED };

struct image_locks;
struct image_lock;

struct image_locks *image_locks_new(void);
void image_locks_free(struct image_locks *locks);

/*
 * Take the image behind fd (fd < 0: the image called name) for device `who`.
 * 0; -EBUSY: in conflict with another device, which err names; -EAGAIN:
 * another process holds the file.  fd stays the caller's.
 */
int image_lock_take(struct image_locks *locks, int fd, const char *name,
		    enum image_mode mode, const char *who,
		    struct image_lock **lock, struct xs_err *err);
/* Also when the descriptor is closed already.  NULL is fine. */
void image_lock_drop(struct image_locks *locks, struct image_lock *lock);

const char *image_mode_name(enum image_mode mode);

#endif
