// SPDX-License-Identifier: MIT
/*
 * What this machine can do at best, in the same minute as the runs beside it:
 *
 *   probe line     a cache line there and back between two processes that spin
 *   probe eventfd  an eventfd there and back between two that sleep
 *   probe timer    one process that sleeps until its next turn, with --rate
 *   probe copy BLOCK FOOTPRINT BUFFERS
 *                  memcpy of BLOCK bytes at random places of FOOTPRINT bytes
 *                  to BUFFERS buffers in turn; FOOTPRINT = BLOCK and one
 *                  buffer: always the same ones
 *
 * --cpus=A,B pins the two sides (0 and 1 if not given), --seconds=S bounds the
 * run, --rate=N makes it N turns or eventfd round trips a second and shows the
 * CPU time of both sides.  Prints one JSON object.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/hist.h"

/* What is done between two looks at the clock, which cost some 20 ns; the
 * median is over these. */
#define LINE_BATCH 100u
#define COPY_BATCH 16u
/* On a machine that does something else, one batch may take all the time: go on
 * until there are some, but not for ever. */
#define LINE_MIN_BATCHES 50u
#define LINE_MAX_TIMES   20u
#define QUIT             UINT64_MAX

struct line {
	_Alignas(128) atomic_uint_fast64_t value;
};

struct shared {
	struct line there, back;
};

static int cpus[2] = {0, 1};
static double seconds = 0.02, rate;

static void die(const char *what)
{
	fprintf(stderr, "probe: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

static void *map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static pid_t fork_other_side(void)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static void spin_until(struct line *line, uint64_t value)
{
	while (atomic_load_explicit(&line->value, memory_order_acquire) !=
	       value)
		__builtin_ia32_pause();
}

static void set(struct line *line, uint64_t value)
{
	atomic_store_explicit(&line->value, value, memory_order_release);
}

static void answer_lines(struct shared *s)
{
	uint64_t last = 0, v;

	pin(cpus[1]);
	for (;;) {
		v = atomic_load_explicit(&s->there.value, memory_order_acquire);
		if (v == QUIT)
			_exit(0);
		if (v != last) {
			set(&s->back, v);
			last = v;
		} else {
			__builtin_ia32_pause();
		}
	}
}

static double cpu_us(int who)
{
	struct rusage ru;

	getrusage(who, &ru);
	return (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1e6 +
	       ru.ru_utime.tv_usec + ru.ru_stime.tv_usec;
}

/* The other side has ended; before: our CPU time at the beginning. */
static void print_round_trips(const struct hist *hist, double scale,
			      double before)
{
	double cpu = cpu_us(RUSAGE_SELF) - before + cpu_us(RUSAGE_CHILDREN);

	printf("{\"round_trip_ns\":%.1f,\"p99_ns\":%.1f,\"round_trips\":%" PRIu64
	       ",\"cpu_us\":%.0f}\n",
	       hist_quantile_us(hist, .5) * 1e3 / scale,
	       hist_quantile_us(hist, .99) * 1e3 / scale,
	       hist->total * (uint64_t)scale, cpu);
}

/* Sleep until *due, which goes on by a period. */
static void pace(uint64_t *due)
{
	struct timespec ts = {*due / 1000000000, *due % 1000000000};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
	*due += (uint64_t)(1e9 / rate);
}

static void probe_line(void)
{
	static struct hist hist;
	struct shared *s = map(sizeof(*s));
	uint64_t end, last, before, after, i, n = 0;
	double cpu = cpu_us(RUSAGE_SELF);
	pid_t pid = fork_other_side();

	if (!pid)
		answer_lines(s);
	pin(cpus[0]);
	set(&s->there, ++n);
	spin_until(&s->back, n);
	before = now_ns();
	end = before + (uint64_t)(seconds * 1e9);
	last = before + (uint64_t)(seconds * 1e9) * LINE_MAX_TIMES;
	do {
		for (i = 0; i < LINE_BATCH; i++) {
			set(&s->there, ++n);
			spin_until(&s->back, n);
		}
		after = now_ns();
		hist_add(&hist, after - before);
		before = after;
	} while (after < end ||
		 (hist.total < LINE_MIN_BATCHES && after < last));
	set(&s->there, QUIT);
	waitpid(pid, NULL, 0);
	print_round_trips(&hist, LINE_BATCH, cpu);
}

static uint64_t take(int fd)
{
	uint64_t v;

	if (read(fd, &v, sizeof(v)) != sizeof(v))
		die("read eventfd");
	return v;
}

static void give(int fd, uint64_t v)
{
	if (write(fd, &v, sizeof(v)) != sizeof(v))
		die("write eventfd");
}

static void probe_eventfd(void)
{
	static struct hist hist;
	int there = eventfd(0, 0), back = eventfd(0, 0);
	uint64_t before, after, end, due;
	double cpu = cpu_us(RUSAGE_SELF);
	pid_t pid;

	if (there < 0 || back < 0)
		die("eventfd");
	pid = fork_other_side();
	if (!pid) {
		pin(cpus[1]);
		give(back, 1);
		while (take(there) == 1)
			give(back, 1);
		_exit(0);
	}
	pin(cpus[0]);
	take(back);
	due = before = now_ns();
	end = before + (uint64_t)(seconds * 1e9);
	do {
		if (rate > 0) {
			pace(&due);
			before = now_ns();
		}
		give(there, 1);
		take(back);
		after = now_ns();
		hist_add(&hist, after - before);
		before = after;
	} while (after < end);
	give(there, 2);
	waitpid(pid, NULL, 0);
	print_round_trips(&hist, 1, cpu);
}

/* What being woken costs whoever does nothing then. */
static void probe_timer(void)
{
	uint64_t due = now_ns(), end = due + (uint64_t)(seconds * 1e9), n = 0;
	double cpu = cpu_us(RUSAGE_SELF);

	pin(cpus[1]);
	while (now_ns() < end) {
		pace(&due);
		n++;
	}
	printf("{\"turns\":%" PRIu64 ",\"cpu_us\":%.0f}\n", n,
	       cpu_us(RUSAGE_SELF) - cpu);
}

static void probe_copy(size_t block, size_t footprint, unsigned int buffers)
{
	static struct hist hist;
	char *from = map(footprint), *to = map(block * buffers);
	uint64_t before, after, start, end, n = 0, blocks = footprint / block;
	uint64_t random = 1, i;

	memset(from, 0x5a, footprint);
	pin(cpus[0]);
	start = before = now_ns();
	end = start + (uint64_t)(seconds * 1e9);
	do {
		for (i = 0; i < COPY_BATCH; i++) {
			random = mix(random);
			memcpy(to + n++ % buffers * block,
			       from + random % blocks * block, block);
			/* or the compiler drops copies that nobody reads */
			__asm__ volatile("" : : "r"(to) : "memory");
		}
		after = now_ns();
		hist_add(&hist, after - before);
		before = after;
	} while (after < end);
	printf("{\"completed\":%" PRIu64 ",\"seconds\":%.6f,\"p50_us\":%.3f,"
	       "\"p99_us\":%.3f}\n",
	       n, (after - start) / 1e9,
	       hist_quantile_us(&hist, .5) / COPY_BATCH,
	       hist_quantile_us(&hist, .99) / COPY_BATCH);
}

static void usage(void)
{
	fputs("usage: probe [--cpus=A,B] [--seconds=S] [--rate=N] line | eventfd |\n"
	      "       timer | copy BLOCK FOOTPRINT BUFFERS\n",
	      stderr);
	exit(64);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{"cpus", required_argument, NULL, 'c'},
		{"seconds", required_argument, NULL, 's'},
		{"rate", required_argument, NULL, 'r'},
		{NULL, 0, NULL, 0},
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 's')
			seconds = strtod(optarg, NULL);
		else if (opt == 'r')
			rate = strtod(optarg, NULL);
		else if (opt != 'c' ||
			 sscanf(optarg, "%d,%d", &cpus[0], &cpus[1]) != 2)
			usage();
	}
	if (optind == argc)
		usage();
}

int main(int argc, char **argv)
{
	const char *what;
	size_t block, footprint;
	unsigned int buffers;

	parse(argc, argv);
	what = argv[optind];
	if (!strcmp(what, "line")) {
		probe_line();
	} else if (!strcmp(what, "eventfd")) {
		probe_eventfd();
	} else if (!strcmp(what, "timer") && rate > 0) {
		probe_timer();
	} else if (!strcmp(what, "copy") && argc - optind == 4) {
		block = strtoull(argv[optind + 1], NULL, 0);
		footprint = strtoull(argv[optind + 2], NULL, 0);
		buffers = strtoul(argv[optind + 3], NULL, 0);
		if (!block || footprint < block || !buffers)
			usage();
		probe_copy(block, footprint, buffers);
	} else {
		usage();
	}
	return 0;
}
