// SPDX-License-Identifier: MIT
/*
 * Load for a vhost-user-blk export: the virtio way of the same job, driven like
 * blkfront_io drives a PV disk (closed loop, --depth requests in flight, one
 * notification a batch and only if it is asked for, the clock read when a
 * request starts and when it ends).
 *
 * One split virtqueue, three descriptors a request, event index if offered.
 * --poll spins on the used ring and wants no interrupts; without it the client
 * sleeps on the call eventfd whenever nothing has completed.  Prints one JSON
 * object.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/bench/hist.h"
#include "tests/bench/vub_proto.h"

#define DESCS_PER_JOB 3u
#define DESC_NEXT     1u
#define DESC_WRITE    2u
#define NO_INTERRUPT  1u /* avail.flags */
#define NO_NOTIFY     1u /* used.flags */
#define BLK_IN        0u
#define BLK_OUT       1u
#define STUCK_MS      5000

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

struct avail {
	_Atomic uint16_t flags, idx;
	uint16_t ring[]; /* then used_event */
};

struct used {
	_Atomic uint16_t flags, idx;
	struct {
		uint32_t id, len;
	} ring[]; /* then avail_event */
};

/* What a request says, and its answer, in the shared memory. */
struct slot {
	_Alignas(64) uint32_t type;
	uint32_t priority;
	uint64_t sector;
	uint8_t status;
};

struct config {
	const char *socket;
	unsigned int depth;
	uint64_t block;
	double seconds;
	bool poll, write, random, event_idx;
};

struct client {
	struct vub_device dev;
	unsigned int size; /* of the queue; a power of two */
	struct desc *desc;
	struct avail *avail;
	struct used *used;
	_Atomic uint16_t *used_event, *avail_event;
	struct slot *slot;
	uint16_t avail_idx, used_idx, kicked_idx;
	unsigned int *free, nr_free;
	uint64_t *start_ns;
	uint64_t blocks, next, rng, deadline_ns;
	uint64_t done, kicks_sent, kicks_suppressed, sleeps;
	struct hist hist;
};

static struct config cfg = {
	.depth = 1, .block = 4096, .seconds = 1, .event_idx = true};

/* ---- set-up ---- */

static size_t align_up(size_t n, size_t to)
{
	return (n + to - 1) & ~(to - 1);
}

static void fill_descs(struct client *c, size_t slots, size_t data)
{
	unsigned int i;

	for (i = 0; i < cfg.depth; i++) {
		struct desc *d = &c->desc[i * DESCS_PER_JOB];
		size_t at = slots + i * sizeof(struct slot);
		uint16_t head = i * DESCS_PER_JOB;

		d[0] = (struct desc){at, 16, DESC_NEXT, head + 1};
		d[1] = (struct desc){data + i * cfg.block, cfg.block,
				     DESC_NEXT | (cfg.write ? 0 : DESC_WRITE),
				     head + 2};
		d[2] = (struct desc){at + offsetof(struct slot, status), 1,
				     DESC_WRITE, 0};
		c->slot[i].type = cfg.write ? BLK_OUT : BLK_IN;
		c->free[c->nr_free++] = i;
	}
	memset(c->dev.memory + data, 0x5a, cfg.depth * cfg.block);
}

static void client_open(struct client *c)
{
	struct vub_queue_at at = {.size = 128};
	size_t slots, data;

	while (at.size < cfg.depth * DESCS_PER_JOB)
		at.size *= 2;
	c->size = at.size;
	at.desc = 0;
	at.avail = align_up(at.size * sizeof(struct desc), 4096);
	at.used = align_up(at.avail + 6 + 2 * at.size, 4096);
	slots = align_up(at.used + 6 + 8 * at.size, 4096);
	data = align_up(slots + cfg.depth * sizeof(struct slot), 4096);
	vub_open(&c->dev, cfg.socket, data + cfg.depth * cfg.block,
		 cfg.event_idx);
	c->desc = (void *)(c->dev.memory + at.desc);
	c->avail = (void *)(c->dev.memory + at.avail);
	c->used = (void *)(c->dev.memory + at.used);
	c->used_event = (void *)&c->avail->ring[at.size];
	c->avail_event = (void *)&c->used->ring[at.size];
	c->slot = (void *)(c->dev.memory + slots);
	c->free = calloc(cfg.depth, sizeof(*c->free));
	c->start_ns = calloc(cfg.depth, sizeof(*c->start_ns));
	c->blocks = c->dev.size_bytes / cfg.block;
	c->rng = 1;
	if (!c->free || !c->start_ns || !c->blocks) {
		fputs("vub_client: no memory, or an empty disk\n", stderr);
		exit(1);
	}
	fill_descs(c, slots, data);
	if (cfg.poll)
		atomic_store(&c->avail->flags, NO_INTERRUPT);
	vub_start(&c->dev, &at);
}

/* ---- the queue ---- */

static void submit(struct client *c)
{
	unsigned int i = c->free[--c->nr_free];
	struct slot *slot = &c->slot[i];
	uint64_t block;

	if (cfg.random) {
		c->rng = mix(c->rng);
		block = c->rng % c->blocks;
	} else {
		block = c->next++ % c->blocks;
	}
	slot->sector = block * (cfg.block / 512);
	slot->status = 0xff;
	c->avail->ring[c->avail_idx++ & (c->size - 1)] = i * DESCS_PER_JOB;
	c->start_ns[i] = now_ns();
}

/* Does going from `from` to `to` pass `event`? */
static bool passes(uint16_t event, uint16_t from, uint16_t to)
{
	return (uint16_t)(to - event - 1) < (uint16_t)(to - from);
}

static void publish(struct client *c)
{
	uint64_t one = 1;
	bool kick;

	if (c->avail_idx == c->kicked_idx)
		return;
	atomic_store_explicit(&c->avail->idx, c->avail_idx,
			      memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);
	if (c->dev.event_idx)
		kick = passes(atomic_load(c->avail_event), c->kicked_idx,
			      c->avail_idx);
	else
		kick = !(atomic_load(&c->used->flags) & NO_NOTIFY);
	c->kicked_idx = c->avail_idx;
	if (!kick) {
		c->kicks_suppressed++;
		return;
	}
	c->kicks_sent++;
	if (write(c->dev.kick, &one, sizeof(one)) != sizeof(one)) {
		perror("vub_client: kick");
		exit(1);
	}
}

static unsigned int reap(struct client *c)
{
	uint16_t end = atomic_load_explicit(&c->used->idx,
					    memory_order_acquire);
	unsigned int n = 0;

	for (; c->used_idx != end; n++) {
		uint32_t id = c->used->ring[c->used_idx++ & (c->size - 1)].id;
		unsigned int i = id / DESCS_PER_JOB;

		if (i >= cfg.depth || c->slot[i].status) {
			fprintf(stderr,
				"vub_client: descriptor %u, status %u\n", id,
				i < cfg.depth ? c->slot[i].status : 0);
			exit(1);
		}
		hist_add(&c->hist, now_ns() - c->start_ns[i]);
		c->free[c->nr_free++] = i;
	}
	c->done += n;
	/* polling: keep the index that would interrupt half a round away */
	if (cfg.poll && n)
		atomic_store_explicit(c->used_event, c->used_idx + 0x8000,
				      memory_order_relaxed);
	return n;
}

static void stuck(void)
{
	fputs("vub_client: the export does not answer\n", stderr);
	exit(1);
}

static void wait_polling(const struct client *c)
{
	uint64_t spins = 0, begin = 0;

	while (atomic_load_explicit(&c->used->idx, memory_order_acquire) ==
	       c->used_idx) {
		__builtin_ia32_pause();
		if (++spins % (1u << 20))
			continue;
		if (!begin)
			begin = now_ns();
		else if (now_ns() - begin > STUCK_MS * 1000000ull)
			stuck();
	}
}

static void wait_sleeping(struct client *c)
{
	struct pollfd pfd = {.fd = c->dev.call, .events = POLLIN};
	uint64_t n;

	atomic_store(c->used_event, c->used_idx);
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load(&c->used->idx) != c->used_idx)
		return;
	c->sleeps++;
	if (poll(&pfd, 1, STUCK_MS) <= 0)
		stuck();
	if (read(c->dev.call, &n, sizeof(n)) != sizeof(n))
		perror("vub_client: call");
}

static void run(struct client *c)
{
	bool more = true;

	c->deadline_ns = now_ns() + (uint64_t)(cfg.seconds * 1e9);
	while (more || c->nr_free < cfg.depth) {
		while (more && c->nr_free) {
			more = now_ns() < c->deadline_ns;
			if (more)
				submit(c);
		}
		publish(c);
		if (reap(c) || c->nr_free == cfg.depth)
			continue;
		if (cfg.poll)
			wait_polling(c);
		else
			wait_sleeping(c);
	}
}

/* ---- command line ---- */

static void usage(void)
{
	fputs("usage: vub_client --socket=PATH [--depth=N] [--block=BYTES]\n"
	      "  [--rw=read|write|randread|randwrite] [--seconds=S] [--poll]\n"
	      "  [--no-event-idx]\n",
	      stderr);
	exit(64);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{"socket", required_argument, NULL, 's'},
		{"depth", required_argument, NULL, 'd'},
		{"block", required_argument, NULL, 'b'},
		{"rw", required_argument, NULL, 'm'},
		{"seconds", required_argument, NULL, 't'},
		{"poll", no_argument, NULL, 'p'},
		{"no-event-idx", no_argument, NULL, 'e'},
		{NULL, 0, NULL, 0},
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 's':
			cfg.socket = optarg;
			break;
		case 'd':
			cfg.depth = strtoul(optarg, NULL, 0);
			break;
		case 'b':
			cfg.block = strtoull(optarg, NULL, 0);
			break;
		case 'm':
			cfg.random = !strncmp(optarg, "rand", 4);
			cfg.write = !!strstr(optarg, "write");
			break;
		case 't':
			cfg.seconds = strtod(optarg, NULL);
			break;
		case 'p':
			cfg.poll = true;
			break;
		case 'e':
			cfg.event_idx = false;
			break;
		default:
			usage();
		}
	}
	if (!cfg.socket || optind != argc || !cfg.depth || cfg.depth > 256 ||
	    !cfg.block || cfg.block % 512)
		usage();
}

static double cpu_us(uint64_t *switches)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	*switches = ru.ru_nvcsw;
	return (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1e6 +
	       ru.ru_utime.tv_usec + ru.ru_stime.tv_usec;
}

int main(int argc, char **argv)
{
	static struct client c;
	uint64_t begin, switches[2];
	double seconds, cpu;

	parse(argc, argv);
	client_open(&c);
	cpu = cpu_us(&switches[0]);
	begin = now_ns();
	run(&c);
	seconds = (now_ns() - begin) / 1e9;
	cpu = cpu_us(&switches[1]) - cpu;
	printf("{\"seconds\":%.6f,\"completed\":%" PRIu64 ",\"bytes\":%" PRIu64
	       ",\"latency_us\":{\"p50\":%.3f,\"p99\":%.3f},"
	       "\"cpu_us\":%.0f,\"context_switches\":%" PRIu64 ","
	       "\"event_idx\":%s,\"kicks_sent\":%" PRIu64 ","
	       "\"kicks_suppressed\":%" PRIu64 ",\"sleeps\":%" PRIu64 "}\n",
	       seconds, c.done, c.done * cfg.block,
	       hist_quantile_us(&c.hist, .5), hist_quantile_us(&c.hist, .99),
	       cpu, switches[1] - switches[0],
	       c.dev.event_idx ? "true" : "false", c.kicks_sent,
	       c.kicks_suppressed, c.sleeps);
	vub_close(&c.dev);
	free(c.free);
	free(c.start_ns);
	return 0;
}
