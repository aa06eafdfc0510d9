// SPDX-License-Identifier: MIT
/*
 * Frames that the link gave to one queue, and the guest's hash to another: the
 * queue that got them copies them into the other's inbox.  Two buffers, one
 * being filled by anyone, one being read by its owner.
 */
#include "backend/net_queue_priv.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define BUF_BYTES  (512u << 10)
#define BUF_FRAMES 256u

struct buffer {
	unsigned int nr;
	size_t len;
	struct net_frame frame[BUF_FRAMES];
	struct iovec iov[BUF_FRAMES];
	uint8_t *mem;
};

struct net_inbox {
	pthread_mutex_t lock; /* of fill */
	struct buffer *fill;
	atomic_bool some; /* in fill */
	ev_async wake;
	struct ev_loop *ev;
	/* the owner's */
	struct buffer *out;
	unsigned int out_next;
	struct buffer buf[2];
};

static void on_wake(struct ev_loop *ev, ev_async *w, int revents)
{
	/* the loop polls before it sleeps again */
	(void)ev;
	(void)w;
	(void)revents;
}

int net_inbox_create(struct net_inbox **out, struct net_queue *q)
{
	struct net_inbox *in = calloc(1, sizeof(*in));

	if (!in)
		return -ENOMEM;
	in->buf[0].mem = malloc(BUF_BYTES);
	in->buf[1].mem = malloc(BUF_BYTES);
	if (!in->buf[0].mem || !in->buf[1].mem) {
		free(in->buf[0].mem);
		free(in->buf[1].mem);
		free(in);
		return -ENOMEM;
	}
	in->fill = &in->buf[0];
	in->out = &in->buf[1];
	pthread_mutex_init(&in->lock, NULL);
	in->ev = q->loop->ev;
	ev_async_init(&in->wake, on_wake);
	ev_async_start(in->ev, &in->wake);
	*out = in;
	return 0;
}

void net_inbox_destroy(struct net_inbox *in)
{
	if (!in)
		return;
	ev_async_stop(in->ev, &in->wake);
	pthread_mutex_destroy(&in->lock);
	free(in->buf[0].mem);
	free(in->buf[1].mem);
	free(in);
}

static bool append(struct buffer *b, const struct net_frame *f)
{
	struct net_frame *copy = &b->frame[b->nr];
	uint8_t *to = b->mem + b->len;
	unsigned int i;

	if (b->nr == BUF_FRAMES || f->len > BUF_BYTES - b->len)
		return false;
	*copy = *f;
	copy->iov = &b->iov[b->nr];
	copy->nr_iov = 1;
	b->iov[b->nr] = (struct iovec){to, f->len};
	for (i = 0; i < f->nr_iov; i++) {
		memcpy(to, f->iov[i].iov_base, f->iov[i].iov_len);
		to += f->iov[i].iov_len;
	}
	/* all of it is private memory now */
	copy->head_len = f->len < UINT16_MAX ? (uint16_t)f->len : UINT16_MAX;
	b->len = (size_t)(to - b->mem + NET_LINE - 1) & ~(size_t)(NET_LINE - 1);
	if (b->len > BUF_BYTES)
		b->len = BUF_BYTES;
	b->nr++;
	return true;
}

bool net_inbox_put(struct net_inbox *in, const struct net_frame *frame)
{
	bool was_empty, ok;

	pthread_mutex_lock(&in->lock);
	was_empty = !in->fill->nr;
	ok = append(in->fill, frame);
	if (was_empty)
		atomic_store_explicit(&in->some, true, memory_order_relaxed);
	pthread_mutex_unlock(&in->lock);
	if (was_empty)
		ev_async_send(in->ev, &in->wake);
	return ok;
}

unsigned int net_inbox_take(struct net_inbox *in, struct net_frame *frames,
			    unsigned int nr)
{
	struct buffer *b;

	if (!in)
		return 0;
	if (in->out_next == in->out->nr) {
		if (!atomic_load_explicit(&in->some, memory_order_relaxed))
			return 0;
		in->out->nr = 0;
		in->out->len = 0;
		pthread_mutex_lock(&in->lock);
		b = in->fill;
		in->fill = in->out;
		in->out = b;
		atomic_store_explicit(&in->some, false, memory_order_relaxed);
		pthread_mutex_unlock(&in->lock);
		in->out_next = 0;
	}
	b = in->out;
	if (nr > b->nr - in->out_next)
		nr = b->nr - in->out_next;
	memcpy(frames, &b->frame[in->out_next], nr * sizeof(*frames));
	in->out_next += nr;
	return nr;
}
