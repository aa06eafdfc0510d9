// SPDX-License-Identifier: MIT
/*
 * What a frontend wrote into its directory: hostile text, read in one
 * transaction so that it is of one moment, and copied before it is looked at.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/vbd.h"
#include "hypercall/xenbus_keys.h"

struct reader {
	struct xs_store *xs;
	xs_transaction_t t;
	const char *dir;
	unsigned int queues_max;
	struct worker_blk_connect *c;
	struct xs_err *err;
	bool multi_ref; /* ring-ref0, ring-ref1...; not ring-ref */
	int result;
};

static int read_number(const struct reader *r, const char *dir, const char *key,
		       uint32_t *out)
{
	uint64_t n;
	int e = xenbus_key_read(r->xs, r->t, vbd_keys, dir, key, &n, r->err);

	if (!e)
		*out = (uint32_t)n;
	return e;
}

static int too_much(const struct reader *r, const char *key, uint32_t value,
		    uint32_t most)
{
	xs_err_set(r->err,
		   "%s/%s: '%" PRIu32 "' is more than %" PRIu32
		   ", which was offered",
		   r->dir, key, value, most);
	return -EINVAL;
}

static int read_protocol(const struct reader *r)
{
	enum blk_abi abi;
	char text[32];
	int e = xenbus_key_read_str(r->xs, r->t, vbd_keys, r->dir, "protocol",
				    text, sizeof(text), r->err);

	if (e)
		return e;
	if (blk_abi_parse(text[0] ? text : NULL, &abi)) {
		xs_err_set(r->err,
			   "%s/protocol: '%s' is not x86_64-abi or x86_32-abi",
			   r->dir, text);
		return -EINVAL;
	}
	r->c->abi = abi;
	return 0;
}

static int read_queues(const struct reader *r)
{
	int e = read_number(r, r->dir, "multi-queue-num-queues",
			    &r->c->nr_queues);

	if (e || r->c->nr_queues <= r->queues_max)
		return e;
	return too_much(r, "multi-queue-num-queues", r->c->nr_queues,
			r->queues_max);
}

static bool has_key(const struct reader *r, const char *dir, const char *key)
{
	char path[DEVICE_PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/%s", dir, key);
	return xs_node_exists(r->xs, r->t, path);
}

/* The directory of queue n; of a single queue, the frontend's own. */
static void queue_dir(const struct reader *r, unsigned int n, char *out,
		      size_t size)
{
	if (r->c->nr_queues > 1)
		snprintf(out, size, "%s/queue-%u", r->dir, n);
	else
		snprintf(out, size, "%s", r->dir);
}

/* Frontends that have a ring of one page write ring-ref, and those that have
 * more ring-page-order and ring-ref0...; some write an order of 0 and
 * either. */
static int read_ring_size(struct reader *r)
{
	char dir[DEVICE_PATH_MAX + 16];
	uint32_t order;
	int e = read_number(r, r->dir, "ring-page-order", &order);

	if (e)
		return e;
	if (order > VBD_RING_ORDER_MAX)
		return too_much(r, "ring-page-order", order,
				VBD_RING_ORDER_MAX);
	queue_dir(r, 0, dir, sizeof(dir));
	r->c->ring_pages = 1u << order;
	r->multi_ref = order || (!has_key(r, dir, "ring-ref") &&
				 has_key(r, dir, "ring-ref0"));
	return 0;
}

static int read_queue(const struct reader *r, unsigned int n)
{
	struct worker_blk_queue *q = &r->c->queue[n];
	char dir[DEVICE_PATH_MAX + 16], key[24];
	unsigned int i;
	int e = 0;

	queue_dir(r, n, dir, sizeof(dir));
	for (i = 0; !e && i < r->c->ring_pages; i++) {
		if (r->multi_ref)
			snprintf(key, sizeof(key), "ring-ref%u", i);
		else
			snprintf(key, sizeof(key), "ring-ref");
		e = read_number(r, dir, key, &q->ring_ref[i]);
	}
	if (!e)
		e = read_number(r, dir, "event-channel", &q->event_channel);
	return e;
}

static int compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* The value that is in v twice, or -1. */
static int64_t find_twice(uint32_t *v, unsigned int nr)
{
	unsigned int i;

	qsort(v, nr, sizeof(*v), compare_u32);
	for (i = 1; i < nr; i++)
		if (v[i] == v[i - 1])
			return v[i];
	return -1;
}

/* Two rings in one page, or two queues on one port, would have two threads
 * work on what each believes its own. */
static int check_unique(const struct reader *r)
{
	uint32_t v[BLK_MAX_QUEUES * BLK_RING_MAX_PAGES];
	const struct worker_blk_connect *c = r->c;
	unsigned int i, nr = 0;
	int64_t twice;

	for (i = 0; i < c->nr_queues; i++) {
		memcpy(v + nr, c->queue[i].ring_ref,
		       c->ring_pages * sizeof(*v));
		nr += c->ring_pages;
	}
	twice = find_twice(v, nr);
	if (twice >= 0) {
		xs_err_set(r->err, "%s: ring-ref '%" PRIi64 "' is there twice",
			   r->dir, twice);
		return -EINVAL;
	}
	for (i = 0; i < c->nr_queues; i++)
		v[i] = c->queue[i].event_channel;
	twice = find_twice(v, c->nr_queues);
	if (twice >= 0) {
		xs_err_set(r->err,
			   "%s: event-channel '%" PRIi64 "' is there twice",
			   r->dir, twice);
		return -EINVAL;
	}
	return 0;
}

static int read_all(struct reader *r)
{
	unsigned int i;
	int e;

	memset(r->c, 0, sizeof(*r->c));
	e = read_protocol(r);
	if (!e)
		e = read_queues(r);
	if (!e)
		e = read_ring_size(r);
	if (!e)
		e = read_number(r, r->dir, "feature-persistent",
				&r->c->persistent);
	for (i = 0; !e && i < r->c->nr_queues; i++)
		e = read_queue(r, i);
	return e ? e : check_unique(r);
}

/*
 * xenstored's transactions are no snapshots: a frontend that writes meanwhile
 * can make half of its keys seem missing.  Only the commit tells, so there is
 * always one, and what was read counts if it succeeds.
 */
static int read_committed(struct xs_store *xs, xs_transaction_t t, void *arg)
{
	struct reader *r = arg;

	r->xs = xs;
	r->t = t;
	r->err->text[0] = '\0';
	r->result = read_all(r);
	return 0;
}

int vbd_connect_read(struct xs_store *xs, const char *dir,
		     unsigned int queues_max, struct worker_blk_connect *c,
		     struct xs_err *err)
{
	struct reader r = {
		.dir = dir, .queues_max = queues_max, .c = c, .err = err};
	int e;

	e = xs_transact(xs, read_committed, &r);
	if (!e)
		e = r.result;
	if (e && !err->text[0])
		xs_err_set(err, "cannot read %s: %s", dir, strerror(-e));
	return e;
}
