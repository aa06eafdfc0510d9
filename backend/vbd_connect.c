// SPDX-License-Identifier: MIT
/* What a disk's frontend wrote into its directory; see front_keys.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backend/front_keys.h"
#include "backend/vbd.h"

struct reader {
	struct front_keys keys; /* first */
	unsigned int queues_max;
	struct worker_blk_connect *c;
	bool multi_ref; /* ring-ref0, ring-ref1...; not ring-ref */
};

static int read_number(const struct reader *r, const char *dir, const char *key,
		       uint32_t *out)
{
	return front_key_u32(&r->keys, dir, key, out);
}

static int read_protocol(const struct reader *r)
{
	enum blk_abi abi;
	char text[32];
	int e = xenbus_key_read_str(r->keys.xs, r->keys.t, vbd_keys,
				    r->keys.dir, "protocol", text, sizeof(text),
				    r->keys.err);

	if (e)
		return e;
	if (blk_abi_parse(text[0] ? text : NULL, &abi)) {
		xs_err_set(r->keys.err,
			   "%s/protocol: '%s' is not x86_64-abi or x86_32-abi",
			   r->keys.dir, text);
		return -EINVAL;
	}
	r->c->abi = abi;
	return 0;
}

static int read_queues(const struct reader *r)
{
	int e = read_number(r, r->keys.dir, "multi-queue-num-queues",
			    &r->c->nr_queues);

	if (e || r->c->nr_queues <= r->queues_max)
		return e;
	return front_too_much(&r->keys, "multi-queue-num-queues",
			      r->c->nr_queues, r->queues_max);
}

/* Frontends that have a ring of one page write ring-ref, and those that have
 * more ring-page-order and ring-ref0...; some write an order of 0 and
 * either. */
static int read_ring_size(struct reader *r)
{
	char dir[FRONT_DIR_MAX];
	uint32_t order;
	int e = read_number(r, r->keys.dir, "ring-page-order", &order);

	if (e)
		return e;
	if (order > VBD_RING_ORDER_MAX)
		return front_too_much(&r->keys, "ring-page-order", order,
				      VBD_RING_ORDER_MAX);
	front_queue_dir(&r->keys, r->c->nr_queues, 0, dir);
	r->c->ring_pages = 1u << order;
	r->multi_ref = order || (!front_key_exists(&r->keys, dir, "ring-ref") &&
				 front_key_exists(&r->keys, dir, "ring-ref0"));
	return 0;
}

static int read_queue(const struct reader *r, unsigned int n)
{
	struct worker_blk_queue *q = &r->c->queue[n];
	char dir[FRONT_DIR_MAX], key[24];
	unsigned int i;
	int e = 0;

	front_queue_dir(&r->keys, r->c->nr_queues, n, dir);
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

static int check_unique(const struct reader *r)
{
	uint32_t v[BLK_MAX_QUEUES * BLK_RING_MAX_PAGES];
	const struct worker_blk_connect *c = r->c;
	unsigned int i, nr = 0;
	int e;

	for (i = 0; i < c->nr_queues; i++) {
		memcpy(v + nr, c->queue[i].ring_ref,
		       c->ring_pages * sizeof(*v));
		nr += c->ring_pages;
	}
	e = front_unique(&r->keys, "ring-ref", v, nr);
	if (e)
		return e;
	for (i = 0; i < c->nr_queues; i++)
		v[i] = c->queue[i].event_channel;
	return front_unique(&r->keys, "event-channel", v, c->nr_queues);
}

static int read_all(struct front_keys *keys)
{
	struct reader *r = (struct reader *)keys;
	unsigned int i;
	int e;

	memset(r->c, 0, sizeof(*r->c));
	e = read_protocol(r);
	if (!e)
		e = read_queues(r);
	if (!e)
		e = read_ring_size(r);
	if (!e)
		e = read_number(r, r->keys.dir, "feature-persistent",
				&r->c->persistent);
	for (i = 0; !e && i < r->c->nr_queues; i++)
		e = read_queue(r, i);
	return e ? e : check_unique(r);
}

int vbd_connect_read(struct xs_store *xs, const char *dir,
		     unsigned int queues_max, struct worker_blk_connect *c,
		     struct xs_err *err)
{
	struct reader r = {.keys = {.keys = vbd_keys,
				    .dir = dir,
				    .err = err,
				    .read = read_all},
			   .queues_max = queues_max,
			   .c = c};

	return front_keys_read(xs, &r.keys);
}
