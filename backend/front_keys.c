// SPDX-License-Identifier: MIT
/* See front_keys.h. */
#include "backend/front_keys.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * xenstored's transactions are no snapshots: a frontend that writes meanwhile
 * can make half of its keys seem missing.  Only the commit tells, so there is
 * always one, and what was read counts if it succeeds.
 */
static int read_committed(struct xs_store *xs, xs_transaction_t t, void *arg)
{
	struct front_keys *r = arg;

	r->xs = xs;
	r->t = t;
	r->err->text[0] = '\0';
	r->result = r->read(r);
	return 0;
}

int front_keys_read(struct xs_store *xs, struct front_keys *r)
{
	int e = xs_transact(xs, read_committed, r);

	if (!e)
		e = r->result;
	if (e && !r->err->text[0])
		xs_err_set(r->err, "cannot read %s: %s", r->dir, strerror(-e));
	return e;
}

int front_key_u32(const struct front_keys *r, const char *dir, const char *key,
		  uint32_t *out)
{
	uint64_t n;
	int e = xenbus_key_read(r->xs, r->t, r->keys, dir, key, &n, r->err);

	if (!e)
		*out = (uint32_t)n;
	return e;
}

bool front_key_exists(const struct front_keys *r, const char *dir,
		      const char *key)
{
	char path[DEVICE_PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/%s", dir, key);
	return xs_node_exists(r->xs, r->t, path);
}

int front_too_much(const struct front_keys *r, const char *key, uint32_t value,
		   uint32_t most)
{
	xs_err_set(r->err,
		   "%s/%s: '%" PRIu32 "' is more than %" PRIu32
		   ", which was offered",
		   r->dir, key, value, most);
	return -EINVAL;
}

void front_queue_dir(const struct front_keys *r, unsigned int nr_queues,
		     unsigned int n, char out[FRONT_DIR_MAX])
{
	if (nr_queues > 1)
		snprintf(out, FRONT_DIR_MAX, "%s/queue-%u", r->dir, n);
	else
		snprintf(out, FRONT_DIR_MAX, "%s", r->dir);
}

static int compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

int front_unique(const struct front_keys *r, const char *what, uint32_t *v,
		 unsigned int nr)
{
	unsigned int i;

	qsort(v, nr, sizeof(*v), compare_u32);
	for (i = 1; i < nr; i++) {
		if (v[i] != v[i - 1])
			continue;
		xs_err_set(r->err, "%s: %s '%" PRIu32 "' is there twice",
			   r->dir, what, v[i]);
		return -EINVAL;
	}
	return 0;
}
