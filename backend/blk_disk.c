// SPDX-License-Identifier: MIT
/* A disk in a worker: adding, connecting, stopping, resizing. */
#include "backend/blk_disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/blk_queue.h"

/* Pages of a guest that stay mapped: what domain 0 or a driver domain may map
 * in all is bounded, and one guest must not use it up. */
#define DISK_CACHE_PAGES      4096u
#define QUEUE_CACHE_PAGES_MIN 512u

struct queue_ref {
	struct blk_disk *disk;
	struct blk_queue *queue;
	struct io_loop *loop;
};

struct blk_disk {
	uint32_t number;
	struct worker_blk_add add;
	struct blk_disk_host host;
	struct blk_disk_stats *stats;
	unsigned int nr_queues; /* connected */
	struct queue_ref queue[BLK_MAX_QUEUES];
	/* written by loop threads */
	_Atomic(const char *) violation;
	atomic_uint nr_stopped;
};

/* ---- called on loop threads ---- */

static void on_violation(void *arg, const char *text)
{
	struct blk_disk *d = arg;

	atomic_store(&d->violation, text);
	d->host.wake(d->host.arg);
}

static void on_stopped(void *arg)
{
	struct blk_disk *d = arg;

	atomic_fetch_add(&d->nr_stopped, 1);
	d->host.wake(d->host.arg);
}

struct open_call {
	struct queue_ref *ref;
	struct blk_queue_config cfg;
	struct xs_err *err;
	int result;
};

static void do_open(void *arg)
{
	struct open_call *c = arg;

	c->result = blk_queue_open(&c->ref->queue, &c->cfg, c->err);
}

static void do_start(void *arg)
{
	blk_queue_start(((struct queue_ref *)arg)->queue);
}

static void do_close(void *arg)
{
	struct queue_ref *ref = arg;

	blk_queue_close(ref->queue);
	ref->queue = NULL;
}

struct stop_call {
	struct blk_queue *queue;
	bool abort;
};

static void do_stop(void *arg)
{
	struct stop_call *c = arg;

	blk_queue_stop(c->queue, c->abort);
}

struct size_call {
	struct blk_queue *queue;
	uint64_t nr_sects_512;
};

static void do_set_size(void *arg)
{
	struct size_call *c = arg;

	blk_queue_set_size(c->queue, c->nr_sects_512);
}

/* ---- control thread ---- */

static int check_add(const struct worker_blk_add *add, unsigned int nr_fds,
		     struct xs_err *err)
{
	if (add->store.nr_fds > STORE_MAX_FDS ||
	    nr_fds != add->store.nr_fds + 1 ||
	    !memchr(add->name, 0, sizeof(add->name)) ||
	    !memchr(add->store.store, 0, sizeof(add->store.store))) {
		xs_err_set(err, "malformed description of a disk");
		return -EPROTO;
	}
	return 0;
}

int blk_disk_add(struct blk_disk **out, uint32_t number,
		 const struct worker_blk_add *add, const int *fds,
		 unsigned int nr_fds, const struct blk_disk_host *host,
		 struct xs_err *err)
{
	struct blk_disk *d;
	unsigned int i;
	int e = check_add(add, nr_fds, err);

	if (e)
		return e;
	d = calloc(1, sizeof(*d));
	if (!d) {
		xs_err_set(err, "no memory for a disk");
		return -ENOMEM;
	}
	d->number = number;
	d->add = *add;
	d->host = *host;
	d->stats = mmap(NULL, sizeof(*d->stats), PROT_READ | PROT_WRITE,
			MAP_SHARED, fds[0], 0);
	if (d->stats == MAP_FAILED) {
		e = -errno;
		xs_err_set(err, "cannot map the statistics: %s", strerror(-e));
		free(d);
		return e;
	}
	close(fds[0]);
	for (i = 0; i < add->store.nr_fds; i++)
		d->add.store.fd[i] = fds[i + 1];
	*out = d;
	return 0;
}

void blk_disk_remove(struct blk_disk *d)
{
	if (!d)
		return;
	store_close(&d->add.store);
	munmap(d->stats, sizeof(*d->stats));
	free(d);
}

uint32_t blk_disk_number(const struct blk_disk *d)
{
	return d->number;
}

static void close_queues(struct blk_disk *d)
{
	while (d->nr_queues) {
		struct queue_ref *ref = &d->queue[--d->nr_queues];

		io_loop_call(ref->loop, do_close, ref);
	}
}

static struct io_loop *loop_of(const struct blk_disk *d, unsigned int queue)
{
	if (d->add.store.single_loop)
		queue = 0;
	return d->host.loop[(d->number + queue) % d->host.nr_loops];
}

/* A disk's pages are shared out among its queues; each can have a few of the
 * largest requests in flight. */
static uint32_t cache_pages(uint32_t nr_queues)
{
	uint32_t pages = DISK_CACHE_PAGES / nr_queues;

	return pages < QUEUE_CACHE_PAGES_MIN ? QUEUE_CACHE_PAGES_MIN : pages;
}

static int open_queue(struct blk_disk *d, const struct worker_blk_connect *c,
		      unsigned int index, int journal_fd, struct xs_err *err)
{
	struct queue_ref *ref = &d->queue[index];
	struct open_call call = {
		.ref = ref,
		.err = err,
		.cfg =
			{
				.name = d->add.name,
				.store = &d->add.store,
				.limits = d->add.limits,
				.stats = &d->stats->queue[index],
				.poll_max_us_1 = &d->stats->poll_max_us_1,
				.fe_domid = c->fe_domid,
				.abi = (enum blk_abi)c->abi,
				.index = index,
				.ring_pages = c->ring_pages,
				.event_channel = c->queue[index].event_channel,
				.cache_pages = cache_pages(c->nr_queues),
				.persistent = c->persistent,
				.resume = c->resume,
				.journal_fd = journal_fd,
				.violation = on_violation,
				.stopped = on_stopped,
				.arg = d,
			},
	};

	memcpy(call.cfg.ring_ref, c->queue[index].ring_ref,
	       sizeof(call.cfg.ring_ref));
	ref->disk = d;
	ref->loop = call.cfg.loop = loop_of(d, index);
	io_loop_call(ref->loop, do_open, &call);
	if (!call.result)
		d->nr_queues++;
	return call.result;
}

/* The mapping must not reach past the file: a touch there is a SIGBUS. */
static int check_journal(const struct worker_blk_connect *c, int fd)
{
	uint32_t slots = blk_ring_entries((enum blk_abi)c->abi, c->ring_pages);
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	return (uint64_t)st.st_size >= (uint64_t)c->nr_queues *
					       blk_journal_queue_size(slots)
		       ? 0
		       : -EINVAL;
}

int blk_disk_connect(struct blk_disk *d, const struct worker_blk_connect *c,
		     int journal_fd, struct xs_err *err)
{
	unsigned int i;
	int e;

	if (d->nr_queues) {
		xs_err_set(err, "connected already");
		return -EBUSY;
	}
	if (!c->nr_queues || c->nr_queues > BLK_MAX_QUEUES ||
	    (c->abi != BLK_ABI_X86_64 && c->abi != BLK_ABI_X86_32) ||
	    !blk_ring_entries((enum blk_abi)c->abi, c->ring_pages) ||
	    check_journal(c, journal_fd)) {
		xs_err_set(err, "malformed description of a connection");
		return -EPROTO;
	}
	atomic_store(&d->violation, NULL);
	atomic_store(&d->nr_stopped, 0);
	for (i = 0; i < c->nr_queues; i++) {
		e = open_queue(d, c, i, journal_fd, err);
		if (e) {
			close_queues(d);
			return e;
		}
	}
	for (i = 0; i < c->nr_queues; i++)
		io_loop_call(d->queue[i].loop, do_start, &d->queue[i]);
	return 0;
}

void blk_disk_stop(struct blk_disk *d, bool abort)
{
	unsigned int i;

	for (i = 0; i < d->nr_queues; i++) {
		struct stop_call call = {d->queue[i].queue, abort};

		io_loop_call(d->queue[i].loop, do_stop, &call);
	}
}

const char *blk_disk_take_violation(struct blk_disk *d)
{
	return atomic_exchange(&d->violation, NULL);
}

bool blk_disk_try_finish(struct blk_disk *d)
{
	if (!d->nr_queues)
		return true;
	if (atomic_load(&d->nr_stopped) < d->nr_queues)
		return false;
	close_queues(d);
	return true;
}

void blk_disk_resize(struct blk_disk *d, uint64_t size_bytes)
{
	unsigned int i;

	/* grow the store before the limits, shrink after: no request may be
	 * let through that the store would refuse */
	d->add.limits.nr_sects_512 = size_bytes / BLK_SECTOR_SIZE;
	if (size_bytes > d->add.store.size_bytes)
		d->add.store.size_bytes = size_bytes;
	for (i = 0; i < d->nr_queues; i++) {
		struct size_call call = {d->queue[i].queue,
					 d->add.limits.nr_sects_512};

		io_loop_call(d->queue[i].loop, do_set_size, &call);
	}
	d->add.store.size_bytes = size_bytes;
}
