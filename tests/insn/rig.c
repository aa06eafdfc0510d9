// SPDX-License-Identifier: MIT
/* Both ends of a disk in one process: see rig.h. */
#include "tests/insn/rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/fake_gnttab.h"

/* nobody would wake a sleeper */
#define NEVER_SLEEP_US 1000000000u
#define MAX_SEGS       64u
#define PORT           5u

/* ---- what the data threads of a worker would do ---- */

void io_loop_add_poller(struct io_loop *loop, struct io_poller *p)
{
	((struct rig_loop *)loop)->poller = p;
}

void io_loop_del_poller(struct io_loop *loop, struct io_poller *p)
{
	(void)p;
	((struct rig_loop *)loop)->poller = NULL;
}

/* ---- making the two ends ---- */

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "rig: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void on_done(struct blkfront_io *io, int res)
{
	struct rig *rig = io->user;

	rig->completed++;
	if (res)
		rig->failed++;
}

static void open_front(struct rig *rig)
{
	struct blkfront *bf = &rig->bf;
	unsigned int pages = rig->what->ring_pages, i;

	front_dev_init(&bf->dev, &blkfront_class, 51712, 1000);
	bf->gntshr = (xengntshr_handle *)bf; /* only ever passed on */
	/* few: the double of libxengnttab has a bounded number of pages */
	bf->opt.buffer_pages = rig->what->depth * rig->what->bytes / 4096;
	bf->opt.poll_us = NEVER_SLEEP_US;
	bf->dev.phase = FRONT_CONNECTED;
	need(!blkfront_queue_create(&rig->q, bf, 0, FAKE_DOMID,
				    blk_ring_entries(bf->abi, pages)),
	     "the frontend's queue");
	bf->queues[0] = rig->q;
	bf->nr_queues = 1;
	need(!blkfront_queue_connect(rig->q, pages), "the ring");
	for (i = 0; i < rig->what->depth; i++) {
		rig->buf[i] = blkfront_alloc(rig->q, rig->what->bytes);
		need(rig->buf[i], "buffers");
		memset(rig->buf[i], 1, rig->what->bytes);
	}
}

static void on_violation(void *arg, const char *text)
{
	(void)arg;
	fprintf(stderr, "rig: %s\n", text);
	exit(1);
}

static void on_stopped(void *arg)
{
	((struct rig *)arg)->stopped = true;
}

/* A disk that has been written: holes are read another way. */
static void fill(const struct store_desc *store)
{
	static char zero[1u << 20];
	uint64_t at;

	for (at = 0; at < store->size_bytes; at += sizeof(zero))
		need(pwrite(store->fd[0], zero, sizeof(zero), (off_t)at) > 0,
		     "cannot fill the disk");
}

static void open_store(struct rig *rig)
{
	const struct store_open_how how = {.discard = true};
	struct xs_err err = {""};

	need(!store_open(rig->what->target, &how, &rig->store, &err), err.text);
	rig->disk_bytes = rig->store.size_bytes;
	if (rig->store.in_memory)
		fill(&rig->store);
}

static void open_back(struct rig *rig)
{
	struct blk_queue_config cfg = {
		.name = "vbd/1/51712",
		.store = &rig->store,
		.limits =
			{
				.nr_sects_512 = rig->disk_bytes / 512,
				.sector_size = 512,
				.max_indirect_segs = BLK_MAX_INDIRECT_SEGS,
				.flush = true,
				.discard = true,
			},
		.loop = &rig->rl.loop,
		.fe_domid = FAKE_DOMID,
		.ring_pages = rig->what->ring_pages,
		.event_channel = PORT,
		.cache_pages = 4096,
		.persistent = rig->what->persistent,
		.violation = on_violation,
		.stopped = on_stopped,
		.arg = rig,
	};
	struct xs_err err = {""};
	unsigned int i;

	for (i = 0; i < cfg.ring_pages; i++)
		cfg.ring_ref[i] = grant_pool_ref(rig->q->ring_pool,
						 (char *)rig->q->ring_mem +
							 i * BLK_PAGE_SIZE);
	rig->stats = aligned_alloc(64, sizeof(*rig->stats));
	need(rig->stats, "counters");
	memset(rig->stats, 0, sizeof(*rig->stats));
	cfg.stats = rig->stats;
	rig->rl.loop.ev = ev_loop_new(EVFLAG_AUTO);
	need(rig->rl.loop.ev, "a loop");
	need(!evtchn_hub_open(&rig->rl.loop.hub, rig->rl.loop.ev),
	     "event channels");
	rig->journal_fd = blk_journal_create(
		1, blk_ring_entries(cfg.abi, cfg.ring_pages));
	need(rig->journal_fd >= 0, "the journal");
	cfg.journal_fd = rig->journal_fd;
	need(!blk_queue_open(&rig->bq, &cfg, &err), err.text);
	blk_queue_start(rig->bq);
}

void rig_open(struct rig *rig, const struct rig_case *what)
{
	struct blkfront_geometry geo = {
		.sector_size = 512,
		.max_segs = MAX_SEGS,
		.max_io_bytes = MAX_SEGS * BLK_PAGE_SIZE,
		.flush = true,
		.discard = true,
	};

	memset(rig, 0, sizeof(*rig));
	rig->what = what;
	rig->step = what->stride ? what->stride : what->bytes;
	open_store(rig);
	open_front(rig);
	open_back(rig);
	geo.nr_sects_512 = rig->disk_bytes / 512;
	blkfront_queue_start(rig->q, &geo);
}

static void close_front(struct rig *rig)
{
	unsigned int i;

	for (i = 0; i < rig->what->depth; i++)
		blkfront_free(rig->q, rig->buf[i], rig->what->bytes);
	blkfront_queue_destroy(rig->q);
	pthread_cond_destroy(&rig->bf.dev.changed);
	pthread_mutex_destroy(&rig->bf.dev.lock);
}

void rig_close(struct rig *rig)
{
	blk_queue_stop(rig->bq, false);
	need(rig->stopped, "the backend's queue does not stop");
	blk_queue_close(rig->bq);
	close(rig->journal_fd);
	evtchn_hub_close(rig->rl.loop.hub);
	ev_loop_destroy(rig->rl.loop.ev);
	close_front(rig);
	store_close(&rig->store);
	free(rig->stats);
	if (rig->failed || rig->submitted != rig->completed) {
		fprintf(stderr, "rig: %s: %llu of %llu requests failed\n",
			rig->what->name, (unsigned long long)rig->failed,
			(unsigned long long)rig->submitted);
		exit(1);
	}
}

/* ---- running ---- */

void rig_front_send(struct rig *rig)
{
	const struct rig_case *what = rig->what;
	uint32_t i;

	for (i = 0; i < what->depth; i++) {
		struct blkfront_io *io = &rig->io[i];

		io->op = what->op;
		io->offset = rig->next_offset;
		io->len = what->bytes;
		io->buf = rig->buf[i];
		io->done = on_done;
		io->user = rig;
		if (blkfront_submit(rig->q, io))
			abort();
		rig->next_offset += rig->step;
		if (rig->next_offset >= rig->disk_bytes)
			rig->next_offset -= rig->disk_bytes;
	}
	rig->submitted += what->depth;
	blkfront_kick(rig->q);
}

int rig_front_receive(struct rig *rig)
{
	return blkfront_poll(rig->q);
}

int rig_front_wait(struct rig *rig)
{
	return blkfront_wait(rig->q, -1);
}

int rig_back(struct rig *rig)
{
	return rig->rl.poller->poll(rig->rl.poller);
}
