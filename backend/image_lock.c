// SPDX-License-Identifier: MIT
/* See image_lock.h. */
#include "backend/image_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>

#define BUCKETS 1024u
#define WHO_MAX 48u

struct image_key {
	bool block; /* a block device: dev is its number, ino 0 */
	uint64_t dev, ino;
	char *name; /* of what is no file; else NULL */
};

struct image_lock {
	struct image_key key;
	enum image_mode mode;
	char who[WHO_MAX];
	LIST_ENTRY(image_lock) link;
};
LIST_HEAD(lock_list, image_lock);

struct image_locks {
	struct lock_list bucket[BUCKETS];
};

struct image_locks *image_locks_new(void)
{
	return calloc(1, sizeof(struct image_locks));
}

void image_locks_free(struct image_locks *locks)
{
	free(locks);
}

const char *image_mode_name(enum image_mode mode)
{
	switch (mode) {
	case IMAGE_READ:
		return "r";
	case IMAGE_WRITE:
		return "w";
	case IMAGE_SHARED:
		return "w!";
	}
	return "?";
}

static int make_key(struct image_key *key, int fd, const char *name,
		    struct xs_err *err)
{
	struct stat st;

	memset(key, 0, sizeof(*key));
	if (fd < 0) {
		key->name = strdup(name);
		return key->name ? 0 : -ENOMEM;
	}
	if (fstat(fd, &st)) {
		xs_err_set(err, "%s: %s", name, strerror(errno));
		return -errno;
	}
	key->block = S_ISBLK(st.st_mode);
	key->dev = key->block ? st.st_rdev : st.st_dev;
	key->ino = key->block ? 0 : st.st_ino;
	return 0;
}

static bool same_key(const struct image_key *a, const struct image_key *b)
{
	if (a->name || b->name)
		return a->name && b->name && !strcmp(a->name, b->name);
	return a->block == b->block && a->dev == b->dev && a->ino == b->ino;
}

static struct lock_list *bucket_of(struct image_locks *locks,
				   const struct image_key *key)
{
	uint64_t h = key->dev * 0x9e3779b97f4a7c15u ^
		     key->ino * 0xc2b2ae3d27d4eb4fu;
	const char *p;

	for (p = key->name; p && *p; p++)
		h = (h ^ (unsigned char)*p) * 0x100000001b3u;
	return &locks->bucket[(h >> 20) % BUCKETS];
}

/* As xl's block script judges a newcomer: w wants to be alone, whatever the
 * others let pass; r minds writers that expect to be alone. */
static bool conflict(enum image_mode newcomer, enum image_mode holder)
{
	switch (newcomer) {
	case IMAGE_SHARED:
		return false;
	case IMAGE_WRITE:
		return true;
	case IMAGE_READ:
		return holder == IMAGE_WRITE;
	}
	return true;
}

static int lock_file(int fd, enum image_mode mode, const char *name,
		     struct xs_err *err)
{
	struct flock fl = {.l_type = mode == IMAGE_READ ? F_RDLCK : F_WRLCK,
			   .l_whence = SEEK_SET};

	if (mode == IMAGE_SHARED || !fcntl(fd, F_OFD_SETLK, &fl))
		return 0;
	if (errno == EAGAIN || errno == EACCES) {
		xs_err_set(err, "%s is in use by another process", name);
		return -EAGAIN;
	}
	/* A file system without locks: the table above is what there is. */
	if (errno == ENOLCK || errno == EOPNOTSUPP || errno == EINVAL)
		return 0;
	xs_err_set(err, "cannot lock %s: %s", name, strerror(errno));
	return -errno;
}

int image_lock_take(struct image_locks *locks, int fd, const char *name,
		    enum image_mode mode, const char *who,
		    struct image_lock **out, struct xs_err *err)
{
	struct image_lock *l = calloc(1, sizeof(*l)), *other;
	int res;

	if (!l)
		return -ENOMEM;
	res = make_key(&l->key, fd, name, err);
	if (res)
		goto fail;
	for (other = LIST_FIRST(bucket_of(locks, &l->key)); other;
	     other = LIST_NEXT(other, link)) {
		if (!same_key(&l->key, &other->key) ||
		    !conflict(mode, other->mode))
			continue;
		xs_err_set(err,
			   "%s is attached as %s already (mode %s) and cannot "
			   "be attached with mode %s",
			   name, other->who, image_mode_name(other->mode),
			   image_mode_name(mode));
		res = -EBUSY;
		goto fail;
	}
	res = fd < 0 ? 0 : lock_file(fd, mode, name, err);
	if (res)
		goto fail;
	l->mode = mode;
	strncpy(l->who, who, sizeof(l->who) - 1);
	LIST_INSERT_HEAD(bucket_of(locks, &l->key), l, link);
	*out = l;
	return 0;
fail:
	free(l->key.name);
	free(l);
	return res;
}

void image_lock_drop(struct image_locks *locks, struct image_lock *lock)
{
	(void)locks;
	if (!lock)
		return;
	LIST_REMOVE(lock, link);
	free(lock->key.name);
	free(lock);
}
