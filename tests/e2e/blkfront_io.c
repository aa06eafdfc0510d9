// SPDX-License-Identifier: MIT
/*
 * Load and verification through libblkfront, without anything between: what
 * end-to-end tests and benchmarks run in a guest.
 *
 * One thread a queue, each keeping --depth requests in flight in its own part
 * of the disk.  Prints one line of results, or JSON; exits with 0, 1 (I/O
 * errors or wrong data), 2 (cannot open the disk) or 64 (usage).
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "tests/e2e/blkfront_io.h"

/* Latency: powers of two of nanoseconds, each in 64 steps. */
#define HIST_BITS  6u
#define HIST_STEPS (1u << HIST_BITS)
#define HIST_SIZE  (64u * HIST_STEPS)

struct worker;

struct job {
	struct blkfront_io io;
	struct worker *w;
	struct job *next; /* idle ones */
	uint64_t start_ns;
};

struct worker {
	pthread_t thread;
	struct blkfront_queue *q;
	struct job *jobs, *idle;
	struct job *held;      /* prepared, but found no room on the ring */
	uint64_t base, blocks; /* its part of the disk */
	uint64_t next;         /* sequential position, in blocks */
	uint64_t rng, since_flush;
	uint64_t due_ns; /* --rate: when the next request is to start */
	uint64_t done, bytes, errors, mismatches;
	uint64_t hist[HIST_SIZE];
	unsigned int busy;
	enum mode mode;
};

static struct config cfg;
static struct blkfront *disk;
static uint64_t deadline_ns;
static atomic_uint_fast64_t budget; /* requests that may still be started */
static volatile sig_atomic_t stopped;

/* How long a stopped run waits for what is in flight; closing the disk ends
 * the rest. */
#define STOP_MS 2000u
#define WAIT_MS 100

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* ---- data ---- */

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

/* Each sector says which it is, in every word. */
static void stamp(uint64_t *buf, uint64_t len, uint64_t offset)
{
	uint64_t i;

	for (i = 0; i < len / 8; i++) {
		uint64_t sector = (offset + i * 8) / SECTOR;

		buf[i] = mix(sector ^ mix(cfg.seed)) + i % (SECTOR / 8);
	}
}

static bool check(const uint64_t *buf, uint64_t len, uint64_t offset)
{
	uint64_t i;

	for (i = 0; i < len / 8; i++) {
		uint64_t at = offset + i * 8;
		uint64_t want = mix(at / SECTOR ^ mix(cfg.seed)) +
				i % (SECTOR / 8);

		if (buf[i] == want)
			continue;
		fprintf(stderr,
			"blkfront_io: wrong data at byte %" PRIu64
			": %016" PRIx64 ", not %016" PRIx64 "\n",
			at, buf[i], want);
		return false;
	}
	return true;
}

/* ---- latency ---- */

static unsigned int hist_index(uint64_t ns)
{
	unsigned int log2, step;

	if (ns < HIST_STEPS)
		return ns;
	log2 = 63 - __builtin_clzll(ns);
	step = (ns >> (log2 - HIST_BITS)) & (HIST_STEPS - 1);
	return log2 * HIST_STEPS + step;
}

static double hist_value_us(unsigned int index)
{
	unsigned int log2 = index / HIST_STEPS, step = index % HIST_STEPS;

	if (index < HIST_STEPS)
		return index / 1e3;
	return (double)((uint64_t)(HIST_STEPS + step) << (log2 - HIST_BITS)) /
	       1e3;
}

static double percentile(const uint64_t *hist, double p)
{
	uint64_t total = 0, seen = 0;
	unsigned int i;

	for (i = 0; i < HIST_SIZE; i++)
		total += hist[i];
	for (i = 0; i < HIST_SIZE; i++) {
		seen += hist[i];
		if (seen && seen >= total * p)
			return hist_value_us(i);
	}
	return 0;
}

/* ---- requests ---- */

static bool is_write(enum mode mode)
{
	return mode == MODE_WRITE || mode == MODE_RANDWRITE;
}

static bool is_random(enum mode mode)
{
	return mode == MODE_RANDREAD || mode == MODE_RANDWRITE;
}

static void job_idle(struct worker *w, struct job *job)
{
	job->next = w->idle;
	w->idle = job;
	w->busy--;
}

static void job_done(struct blkfront_io *io, int res)
{
	struct job *job = io->user;
	struct worker *w = job->w;

	job_idle(w, job);
	if (res) {
		if (!w->errors++)
			fprintf(stderr,
				"blkfront_io: operation %d at byte %" PRIu64
				": %s\n",
				io->op, io->offset, strerror(-res));
		return;
	}
	w->hist[hist_index(now_ns() - job->start_ns)]++;
	w->done++;
	if (io->op == BLKFRONT_FLUSH)
		return;
	w->bytes += io->len;
	if (io->op == BLKFRONT_READ && cfg.pattern &&
	    !check(io->buf, io->len, io->offset))
		w->mismatches++;
}

/* --rate: sleep until the next request is due, or the run is over. */
static void pace(struct worker *w)
{
	uint64_t at;
	struct timespec ts;

	if (!w->due_ns)
		w->due_ns = now_ns();
	at = deadline_ns && deadline_ns < w->due_ns ? deadline_ns : w->due_ns;
	ts.tv_sec = at / 1000000000;
	ts.tv_nsec = at % 1000000000;
	while (!stopped && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts,
					   NULL) == EINTR)
		;
	w->due_ns += (uint64_t)(1e9 / cfg.rate);
}

/* May another request be started?  Sequential passes of verify end with the
 * last block. */
static bool may_start(struct worker *w, bool whole_pass)
{
	uint64_t left;

	if (stopped || w->errors || w->mismatches)
		return false;
	if (whole_pass)
		return w->next < w->blocks;
	if (deadline_ns)
		return now_ns() < deadline_ns;
	left = atomic_load(&budget);
	while (left)
		if (atomic_compare_exchange_weak(&budget, &left, left - 1))
			return true;
	return false;
}

static void job_prepare(struct worker *w, struct job *job)
{
	uint64_t block;

	if (is_write(w->mode) && cfg.flush_every &&
	    w->since_flush++ == cfg.flush_every) {
		w->since_flush = 0;
		job->io.op = BLKFRONT_FLUSH;
		return;
	}
	if (is_random(w->mode)) {
		w->rng = mix(w->rng);
		block = w->rng % w->blocks;
	} else {
		block = w->next++ % w->blocks;
	}
	job->io.op = is_write(w->mode) ? BLKFRONT_WRITE : BLKFRONT_READ;
	job->io.offset = w->base + block * cfg.block;
	job->io.len = cfg.block;
	if (job->io.op == BLKFRONT_WRITE && cfg.pattern)
		stamp(job->io.buf, job->io.len, job->io.offset);
}

/* Submit a prepared job; if the ring is full it is held.  False on error. */
static bool job_submit(struct worker *w, struct job *job)
{
	int err;

	job->start_ns = now_ns();
	err = blkfront_submit(w->q, &job->io);
	if (err == -EAGAIN) {
		w->held = job;
		return true;
	}
	w->held = NULL;
	if (!err)
		return true;
	fprintf(stderr, "blkfront_io: submit at byte %" PRIu64 ": %s\n",
		job->io.offset, strerror(-err));
	w->errors++;
	job_idle(w, job);
	return false;
}

/* Start what can be started; false if nothing is to be started any more. */
static bool start_jobs(struct worker *w, bool whole_pass)
{
	struct job *job;

	if (w->held && !job_submit(w, w->held))
		return false;
	while (w->idle && !w->held) {
		if (cfg.rate > 0)
			pace(w);
		if (!may_start(w, whole_pass))
			return false;
		job = w->idle;
		w->idle = job->next;
		w->busy++;
		job_prepare(w, job);
		if (!job_submit(w, job))
			return false;
	}
	return true;
}

static void run_pass(struct worker *w, bool whole_pass)
{
	unsigned int stopped_ms = 0;
	bool more = true;

	while ((more || w->busy) && stopped_ms < STOP_MS) {
		more = more && start_jobs(w, whole_pass);
		if (!more && w->held) {
			job_idle(w, w->held);
			w->held = NULL;
		}
		if (w->busy && blkfront_wait(w->q, WAIT_MS) <= 0 && stopped)
			stopped_ms += WAIT_MS;
	}
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	bool verify = w->mode == MODE_VERIFY;
	int err;

	if (!verify) {
		run_pass(w, false);
		return NULL;
	}
	w->mode = MODE_WRITE;
	run_pass(w, true);
	err = stopped ? 0 : blkfront_flush(w->q);
	if (err && err != -EOPNOTSUPP && !w->errors)
		w->errors++;
	w->mode = MODE_READ;
	w->next = 0;
	run_pass(w, true);
	return NULL;
}

/* ---- workers ---- */

static int worker_init(struct worker *w, unsigned int index, unsigned int nr,
		       uint64_t size)
{
	uint64_t blocks = size / cfg.block / nr;
	unsigned int i;

	w->q = blkfront_queue(disk, index);
	w->mode = cfg.mode;
	w->blocks = blocks;
	w->base = cfg.offset + blocks * index * cfg.block;
	w->rng = mix(cfg.seed + index);
	w->jobs = calloc(cfg.depth, sizeof(*w->jobs));
	if (!w->jobs)
		return -ENOMEM;
	if (!blocks)
		return -ENOSPC;
	for (i = 0; i < cfg.depth; i++) {
		struct job *job = &w->jobs[i];

		job->w = w;
		job->io.done = job_done;
		job->io.user = job;
		job->next = w->idle;
		w->idle = job;
		job->io.buf = blkfront_alloc(w->q, cfg.block);
		if (!job->io.buf)
			return -ENOMEM;
		memset(job->io.buf, 0x5a, cfg.block);
	}
	return 0;
}

static void add_stats(struct blkfront_stats *sum, struct blkfront_queue *q)
{
	struct blkfront_stats s;

	blkfront_queue_stats(q, &s);
	sum->requests += s.requests;
	sum->responses += s.responses;
	sum->bytes_read += s.bytes_read;
	sum->bytes_written += s.bytes_written;
	sum->kicks_sent += s.kicks_sent;
	sum->kicks_suppressed += s.kicks_suppressed;
	sum->events += s.events;
	sum->sleeps += s.sleeps;
	sum->errors += s.errors;
}

/* CPU time and sleeps of all threads, of the measured part. */
struct usage {
	double cpu_us;
	uint64_t sleeps;
};

static struct usage usage_now(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	return (struct usage){
		(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1e6 +
			ru.ru_utime.tv_usec + ru.ru_stime.tv_usec,
		ru.ru_nvcsw,
	};
}

static void print_json(const struct worker *t, const struct blkfront_info *info,
		       const struct blkfront_stats *s, double seconds,
		       const struct usage *used)
{
	printf("{\"mode\":\"%s\",\"block\":%" PRIu64 ",\"depth\":%u,"
	       "\"queues\":%u,\"ring_entries\":%u,\"max_segs\":%u,"
	       "\"size_bytes\":%" PRIu64 ",\"sector_size\":%u,"
	       "\"persistent\":%s,\"seconds\":%.6f,"
	       "\"completed\":%" PRIu64 ",\"bytes\":%" PRIu64 ","
	       "\"iops\":%.1f,\"mb_per_s\":%.2f,"
	       "\"errors\":%" PRIu64 ",\"mismatches\":%" PRIu64 ",",
	       mode_names[cfg.mode], cfg.block, cfg.depth, info->nr_queues,
	       info->ring_entries, info->max_segs, info->size_bytes,
	       info->sector_size, info->persistent ? "true" : "false", seconds,
	       t->done, t->bytes, t->done / seconds, t->bytes / seconds / 1e6,
	       t->errors, t->mismatches);
	printf("\"latency_us\":{\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,"
	       "\"p999\":%.3f,\"max\":%.3f},",
	       percentile(t->hist, .5), percentile(t->hist, .9),
	       percentile(t->hist, .99), percentile(t->hist, .999),
	       percentile(t->hist, 1));
	printf("\"cpu_us\":%.0f,\"context_switches\":%" PRIu64 ",",
	       used->cpu_us, used->sleeps);
	printf("\"front\":{\"requests\":%" PRIu64 ",\"responses\":%" PRIu64
	       ",\"kicks_sent\":%" PRIu64 ",\"kicks_suppressed\":%" PRIu64
	       ",\"events\":%" PRIu64 ",\"sleeps\":%" PRIu64
	       ",\"errors\":%" PRIu64 "},\"status\":%d}\n",
	       s->requests, s->responses, s->kicks_sent, s->kicks_suppressed,
	       s->events, s->sleeps, s->errors, blkfront_status(disk));
}

static void print_line(const struct worker *t, const struct blkfront_stats *s,
		       double seconds)
{
	printf("%s: %" PRIu64 " requests, %" PRIu64 " bytes in %.3f s: "
	       "%.0f IOPS, %.1f MB/s; p50 %.1f us, p99 %.1f us; "
	       "%" PRIu64 " errors, %" PRIu64 " mismatches; "
	       "%" PRIu64 " kicks, %" PRIu64 " events\n",
	       mode_names[cfg.mode], t->done, t->bytes, seconds,
	       t->done / seconds, t->bytes / seconds / 1e6,
	       percentile(t->hist, .5), percentile(t->hist, .99), t->errors,
	       t->mismatches, s->kicks_sent, s->events);
}

static void add_worker(struct worker *total, const struct worker *w)
{
	unsigned int i;

	total->done += w->done;
	total->bytes += w->bytes;
	total->errors += w->errors;
	total->mismatches += w->mismatches;
	for (i = 0; i < HIST_SIZE; i++)
		total->hist[i] += w->hist[i];
}

static int run_workers(struct worker *workers, unsigned int nr)
{
	struct worker *total = calloc(1, sizeof(*total));
	struct blkfront_stats stats = {0};
	struct blkfront_info info;
	struct usage before = usage_now(), used;
	uint64_t start = now_ns();
	unsigned int i;
	double seconds;
	int res;

	if (!total)
		return 1;
	if (cfg.seconds > 0)
		deadline_ns = start + (uint64_t)(cfg.seconds * 1e9);
	for (i = 0; i < nr; i++)
		if (pthread_create(&workers[i].thread, NULL, worker_main,
				   &workers[i]))
			abort();
	for (i = 0; i < nr; i++)
		pthread_join(workers[i].thread, NULL);
	seconds = (now_ns() - start) / 1e9;
	used = usage_now();
	used.cpu_us -= before.cpu_us;
	used.sleeps -= before.sleeps;
	for (i = 0; i < nr; i++) {
		add_worker(total, &workers[i]);
		add_stats(&stats, workers[i].q);
	}
	blkfront_get_info(disk, &info);
	if (cfg.json)
		print_json(total, &info, &stats, seconds, &used);
	else
		print_line(total, &stats, seconds);
	res = total->errors || total->mismatches;
	free(total);
	return res;
}

static int run(void)
{
	unsigned int nr = blkfront_nr_queues(disk), i;
	struct worker *workers = calloc(nr, sizeof(*workers));
	struct blkfront_info info;
	uint64_t size;
	int err = 0, res = 1;

	blkfront_get_info(disk, &info);
	if (cfg.block > info.max_io_bytes || cfg.block % info.sector_size) {
		fprintf(stderr,
			"blkfront_io: a block of %" PRIu64 " bytes; the disk "
			"takes %u to %u\n",
			cfg.block, info.sector_size, info.max_io_bytes);
		goto out;
	}
	if (!workers || cfg.offset >= info.size_bytes) {
		fprintf(stderr, "blkfront_io: the disk has %" PRIu64 " bytes\n",
			info.size_bytes);
		goto out;
	}
	size = info.size_bytes - cfg.offset;
	if (cfg.size && cfg.size < size)
		size = cfg.size;
	for (i = 0; i < nr && !err; i++)
		err = worker_init(&workers[i], i, nr, size);
	if (err)
		fprintf(stderr, "blkfront_io: buffers: %s\n", strerror(-err));
	else
		res = run_workers(workers, nr);
out:
	/* This ends what is in flight, before the jobs go. */
	blkfront_close(disk);
	for (i = 0; workers && i < nr; i++)
		free(workers[i].jobs);
	free(workers);
	return res;
}

/* ---- main ---- */

static void on_signal(int sig)
{
	(void)sig;
	stopped = 1;
}

int main(int argc, char **argv)
{
	struct sigaction sa = {.sa_handler = on_signal};
	char why[512];

	parse_args(argc, argv, &cfg);
	atomic_store(&budget, cfg.requests);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	if (blkfront_open(&disk, cfg.devid, &cfg.front, why, sizeof(why))) {
		fprintf(stderr, "blkfront_io: %s\n", why);
		return 2;
	}
	return run();
}
