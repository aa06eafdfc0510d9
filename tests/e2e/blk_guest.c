// SPDX-License-Identifier: MIT
/*
 * A guest that knows what it wrote: commands on one connection of a disk, with
 * every read compared to what was acknowledged before, in this run or, with
 * --record, in an earlier one.
 *
 * What it is not: a benchmark (that is blkfront_io).
 *
 * Exits with 0, 1 (wrong data; or I/O errors without --tolerate), 2 (cannot
 * open the disk) or 64 (usage).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/blkfront.h"
#include "tests/e2e/blk_guest.h"
#include "tests/e2e/guest_record.h"

#define MAX_LANES 16u
#define WAIT_MS   100
#define SIZE_MS   10000
#define TICK_MS   10

enum pass { FILL, VERIFY, LOAD, BARRIER, DISCARD };

struct counts {
	uint64_t reads, writes, others;
	uint64_t read_errors, write_errors, other_errors, refused, wrong;
};

struct lane;

struct job {
	struct blkfront_io io;
	struct lane *lane;
	uint32_t block;
	bool busy, held;
};

/* A queue and its part of the blocks. */
struct lane {
	pthread_t thread;
	struct blkfront_queue *q;
	struct job *jobs;
	unsigned int nr_jobs, nr_busy;
	uint32_t first, nr, next;
	uint64_t rng, left; /* requests of a load that are to be started */
	bool gone;          /* the disk refuses everything */
	enum pass pass;
	struct counts counts;
};

static struct blkfront *disk;
static struct guest_record *record;
static uint8_t *block_busy; /* [blocks of record] */
static struct lane lanes[MAX_LANES];
static unsigned int nr_lanes;
static atomic_uint nr_running;
static volatile sig_atomic_t stopped;
static bool bad;

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

/* ---- requests ---- */

static void count_error(struct lane *l, enum blkfront_op op, int err)
{
	struct counts *c = &l->counts;

	if (op == BLKFRONT_READ)
		c->read_errors++;
	else if (op == BLKFRONT_WRITE || op == BLKFRONT_WRITE_BARRIER)
		c->write_errors++;
	else
		c->other_errors++;
	if (!blk_guest_cfg.tolerate)
		fprintf(stderr, "blk_guest: operation %d: %s\n", op,
			strerror(-err));
}

static void release(struct job *j)
{
	j->busy = false;
	block_busy[j->block] = 0;
	j->lane->nr_busy--;
}

static void job_done(struct blkfront_io *io, int res)
{
	struct job *j = io->user;
	struct lane *l = j->lane;

	release(j);
	if (res) {
		count_error(l, io->op, res);
		return;
	}
	switch (io->op) {
	case BLKFRONT_READ:
		l->counts.reads++;
		if (!guest_record_check(record, j->block, io->buf))
			l->counts.wrong++;
		break;
	case BLKFRONT_WRITE:
	case BLKFRONT_WRITE_BARRIER:
		l->counts.writes++;
		guest_record_written(record, j->block);
		break;
	default:
		l->counts.others++;
		break;
	}
}

static enum blkfront_op choose_op(struct lane *l)
{
	switch (l->pass) {
	case FILL:
		return BLKFRONT_WRITE;
	case VERIFY:
		return BLKFRONT_READ;
	case BARRIER:
		return BLKFRONT_WRITE_BARRIER;
	case DISCARD:
		return BLKFRONT_DISCARD;
	case LOAD:
		break;
	}
	return next_random(&l->rng) & 1024 ? BLKFRONT_WRITE : BLKFRONT_READ;
}

/* A block that no request is under way for; there are more than jobs. */
static uint32_t choose_block(struct lane *l)
{
	uint32_t at;

	if (l->pass != LOAD)
		return l->first + l->next++;
	at = next_random(&l->rng) % l->nr;
	while (block_busy[l->first + at])
		at = (at + 1) % l->nr;
	return l->first + at;
}

static void prepare(struct lane *l, struct job *j)
{
	j->block = choose_block(l);
	l->left -= l->pass == LOAD;
	j->io.op = choose_op(l);
	j->io.offset = guest_record_at(record, j->block);
	j->io.len = blk_guest_cfg.block;
	j->busy = true;
	block_busy[j->block] = 1;
	l->nr_busy++;
	if (j->io.op == BLKFRONT_WRITE || j->io.op == BLKFRONT_WRITE_BARRIER)
		guest_record_fill(record, j->block, j->io.buf);
	else if (j->io.op == BLKFRONT_DISCARD)
		guest_record_discarded(record, j->block);
	else
		memset(j->io.buf, 0xa5, blk_guest_cfg.block);
}

/* False: the ring is full. */
static bool submit(struct lane *l, struct job *j)
{
	int err = blkfront_submit(l->q, &j->io);

	j->held = err == -EAGAIN;
	if (!err)
		return true;
	if (j->held)
		return false;
	l->counts.refused++;
	release(j);
	count_error(l, j->io.op, err);
	l->gone |= err == -ENODEV || err == -EIO;
	return true;
}

static bool may_start(const struct lane *l)
{
	if (l->gone || stopped)
		return false;
	return l->pass == LOAD ? l->left > 0 : l->next < l->nr;
}

static void fill_ring(struct lane *l)
{
	unsigned int i;

	for (i = 0; i < l->nr_jobs; i++) {
		struct job *j = &l->jobs[i];

		if (j->busy && !j->held)
			continue;
		if (!j->busy && !may_start(l))
			continue;
		if (!j->busy)
			prepare(l, j);
		if (!submit(l, j))
			return;
	}
}

static void *lane_main(void *arg)
{
	struct lane *l = arg;

	do {
		fill_ring(l);
		if (l->nr_busy)
			blkfront_wait(l->q, WAIT_MS);
	} while (l->nr_busy || may_start(l));
	atomic_fetch_sub(&nr_running, 1);
	return NULL;
}

/* ---- passes ---- */

static void add_counts(struct counts *sum, const struct counts *c)
{
	sum->reads += c->reads;
	sum->writes += c->writes;
	sum->others += c->others;
	sum->read_errors += c->read_errors;
	sum->write_errors += c->write_errors;
	sum->other_errors += c->other_errors;
	sum->refused += c->refused;
	sum->wrong += c->wrong;
}

/* Requests are refused from the moment the backend wants to close; the disk's
 * status says so when the last one in flight has ended, a moment later. */
static int status_after(const struct counts *c)
{
	unsigned int left_ms;

	if (!disk)
		return 0;
	for (left_ms = 5000; c->refused && left_ms && !blkfront_status(disk);
	     left_ms -= 10)
		poll(NULL, 0, 10);
	return blkfront_status(disk);
}

static void report(const char *name, const struct counts *c)
{
	bad |= c->wrong != 0;
	bad |= !blk_guest_cfg.tolerate &&
	       c->read_errors + c->write_errors + c->other_errors;
	printf("%s reads=%" PRIu64 " writes=%" PRIu64 " others=%" PRIu64
	       " read_errors=%" PRIu64 " write_errors=%" PRIu64
	       " other_errors=%" PRIu64 " refused=%" PRIu64 " wrong=%" PRIu64
	       " status=%d\n",
	       name, c->reads, c->writes, c->others, c->read_errors,
	       c->write_errors, c->other_errors, c->refused, c->wrong,
	       status_after(c));
	fflush(stdout);
}

/* Until all lanes have ended; a line on standard input ends a load. */
static void wait_for_lanes(bool input)
{
	struct pollfd p = {.fd = 0, .events = POLLIN};
	char c;

	while (input && !stopped && atomic_load(&nr_running)) {
		if (poll(&p, 1, WAIT_MS) <= 0)
			continue;
		if (read(0, &c, 1) != 1 || c == '\n')
			stopped = 1;
	}
}

static void run_pass(const char *name, enum pass pass, uint64_t nr_requests)
{
	bool endless = pass == LOAD && !nr_requests;
	struct counts sum = {0};
	unsigned int i;

	atomic_store(&nr_running, nr_lanes);
	if (endless) {
		printf("%s begins\n", name);
		fflush(stdout);
	}
	for (i = 0; i < nr_lanes; i++) {
		struct lane *l = &lanes[i];

		l->pass = pass;
		l->next = 0;
		l->left = endless ? UINT64_MAX : nr_requests / nr_lanes;
		memset(&l->counts, 0, sizeof(l->counts));
		if (pthread_create(&l->thread, NULL, lane_main, l))
			abort();
	}
	wait_for_lanes(endless);
	for (i = 0; i < nr_lanes; i++) {
		pthread_join(lanes[i].thread, NULL);
		add_counts(&sum, &lanes[i].counts);
	}
	stopped = 0;
	report(name, &sum);
}

/* ---- the disk, or its image ---- */

static int open_region(uint64_t offset, uint64_t size, const char *file)
{
	uint32_t nr = size / blk_guest_cfg.block;
	unsigned int i;
	int err;

	free(block_busy);
	guest_record_close(record);
	record = NULL;
	err = guest_record_open(&record, file, blk_guest_cfg.block, offset, nr);
	block_busy = calloc(nr, 1);
	if (err || !block_busy) {
		fprintf(stderr, "blk_guest: the record: %s\n", strerror(-err));
		return err ? err : -ENOMEM;
	}
	for (i = 0; i < nr_lanes; i++) {
		lanes[i].first = nr / nr_lanes * i;
		lanes[i].nr = nr / nr_lanes;
		lanes[i].nr_jobs = blk_guest_cfg.depth < lanes[i].nr
					   ? blk_guest_cfg.depth
					   : lanes[i].nr;
	}
	return 0;
}

static int make_lane(unsigned int index)
{
	struct lane *l = &lanes[index];
	unsigned int i;

	l->q = blkfront_queue(disk, index);
	l->rng = blk_guest_cfg.seed * 2654435761u + index + 1;
	l->jobs = calloc(blk_guest_cfg.depth, sizeof(*l->jobs));
	for (i = 0; l->jobs && i < blk_guest_cfg.depth; i++) {
		struct job *j = &l->jobs[i];

		j->lane = l;
		j->io.done = job_done;
		j->io.user = j;
		j->io.buf = blkfront_alloc(l->q, blk_guest_cfg.block);
		if (!j->io.buf)
			return -ENOMEM;
	}
	return l->jobs ? 0 : -ENOMEM;
}

static int open_disk(void)
{
	struct blkfront_info info;
	char why[512];
	unsigned int i;

	if (blkfront_open(&disk, blk_guest_cfg.devid, &blk_guest_cfg.front, why,
			  sizeof(why))) {
		fprintf(stderr, "blk_guest: %s\n", why);
		return -ENODEV;
	}
	blkfront_get_info(disk, &info);
	nr_lanes = info.nr_queues < MAX_LANES ? info.nr_queues : MAX_LANES;
	for (i = 0; i < nr_lanes; i++) {
		if (make_lane(i)) {
			fprintf(stderr, "blk_guest: no buffers\n");
			return -ENOMEM;
		}
	}
	if (!blk_guest_cfg.size)
		blk_guest_cfg.size = info.size_bytes - blk_guest_cfg.offset;
	return open_region(blk_guest_cfg.offset, blk_guest_cfg.size,
			   blk_guest_cfg.record);
}

/* Without a frontend: the image as the backend's side has it. */
static int verify_image(void)
{
	struct counts c = {0};
	int fd, err = guest_record_load(&record, blk_guest_cfg.record);
	uint32_t i, block;
	char *buf;

	if (err) {
		fprintf(stderr, "blk_guest: %s: %s\n", blk_guest_cfg.record,
			strerror(-err));
		return 1;
	}
	block = guest_record_block(record);
	fd = open(blk_guest_cfg.image, O_RDONLY | O_CLOEXEC);
	buf = malloc(block);
	for (i = 0; buf && fd >= 0 && i < guest_record_nr(record); i++) {
		if (pread(fd, buf, block, (off_t)guest_record_at(record, i)) !=
		    (ssize_t)block)
			c.read_errors++;
		else if (!guest_record_check(record, i, buf))
			c.wrong++;
		else
			c.reads++;
	}
	if (fd < 0) {
		perror(blk_guest_cfg.image);
		c.read_errors++;
	}
	close(fd);
	free(buf);
	report("image", &c);
	return bad;
}

/* ---- commands ---- */

static void do_info(void)
{
	struct blkfront_info i;

	blkfront_get_info(disk, &i);
	printf("info size=%" PRIu64 " sector=%u physical=%u read_only=%d "
	       "cdrom=%d removable=%d flush=%d barrier=%d discard=%d "
	       "persistent=%d queues=%u entries=%u segs=%u io=%u "
	       "granularity=%u\n",
	       i.size_bytes, i.sector_size, i.physical_sector_size, i.read_only,
	       i.cdrom, i.removable, i.flush, i.barrier, i.discard,
	       i.persistent, i.nr_queues, i.ring_entries, i.max_segs,
	       i.max_io_bytes, i.discard_granularity);
	fflush(stdout);
}

static void do_flush(void)
{
	struct counts c = {0};
	unsigned int i;

	for (i = 0; i < nr_lanes; i++) {
		if (blkfront_flush(lanes[i].q))
			c.other_errors++;
		else
			c.others++;
	}
	report("flush", &c);
}

static void do_pause(void)
{
	char c;

	printf("paused\n");
	fflush(stdout);
	while (!stopped && read(0, &c, 1) == 1 && c != '\n')
		;
	stopped = 0;
}

/* A condition with a limit: the size comes by xenstore. */
static void do_size(uint64_t want)
{
	struct blkfront_info info;
	int ms;

	for (ms = 0; ms < SIZE_MS; ms += TICK_MS) {
		blkfront_get_info(disk, &info);
		if (info.size_bytes == want)
			break;
		poll(NULL, 0, TICK_MS);
	}
	printf("size %" PRIu64 "\n", info.size_bytes);
	fflush(stdout);
	bad |= info.size_bytes != want;
}

static bool do_region(const char *arg)
{
	uint64_t offset = blk_guest_number(arg, &arg);

	return !open_region(offset, blk_guest_number(arg, NULL), NULL);
}

static bool has_prefix(const char *text, const char *prefix, const char **arg)
{
	size_t len = strlen(prefix);

	*arg = text + len;
	return !strncmp(text, prefix, len);
}

static bool run_command(const char *text)
{
	static const struct {
		const char *name;
		enum pass pass;
	} passes[] = {{"fill", FILL},
		      {"verify", VERIFY},
		      {"load", LOAD},
		      {"barrier", BARRIER},
		      {"discard", DISCARD}};
	const char *arg;
	unsigned int i;

	for (i = 0; i < sizeof(passes) / sizeof(passes[0]); i++) {
		if (strcmp(text, passes[i].name))
			continue;
		run_pass(text, passes[i].pass, 0);
		return true;
	}
	if (has_prefix(text, "load:", &arg))
		run_pass("load", LOAD, blk_guest_number(arg, NULL));
	else if (has_prefix(text, "size:", &arg))
		do_size(blk_guest_number(arg, NULL));
	else if (has_prefix(text, "region:", &arg))
		return do_region(arg);
	else if (!strcmp(text, "info"))
		do_info();
	else if (!strcmp(text, "flush"))
		do_flush();
	else if (!strcmp(text, "pause"))
		do_pause();
	else
		return false;
	return true;
}

static void on_signal(int sig)
{
	(void)sig;
	stopped = 1;
}

static void free_all(void)
{
	unsigned int i;

	blkfront_close(disk);
	for (i = 0; i < nr_lanes; i++)
		free(lanes[i].jobs);
	guest_record_close(record);
	free(block_busy);
}

int main(int argc, char **argv)
{
	struct sigaction sa = {.sa_handler = on_signal};
	int i = blk_guest_parse(argc, argv);

	if (blk_guest_cfg.image)
		return verify_image();
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	if (open_disk()) {
		free_all();
		return 2;
	}
	for (; i < argc; i++) {
		if (run_command(argv[i]))
			continue;
		fprintf(stderr, "blk_guest: '%s': no such command\n", argv[i]);
		bad = true;
	}
	free_all();
	return bad;
}
