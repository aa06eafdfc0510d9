// SPDX-License-Identifier: MIT
/*
 * See store_map.h.
 *
 * All queues of a disk share one mapping and one account of what holds data, so
 * that one finds what another wrote, and does not fill again what another
 * discarded.
 *
 * A touch may still fail: the file was cut off, or another program punched a
 * hole and there is no memory to fill it.  That is a SIGBUS.  Such a page is
 * left to the descriptor from then on, which knows what is there.
 */
#include "backend/store_map.h"

#include <linux/magic.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PAGE      UINT64_C(4096)
#define WORD_BITS 64u

/* A file, mapped once for all queues; touched by their threads at once. */
struct store_map {
	struct store_map *next;
	unsigned int users; /* under lock, as the list */
	dev_t dev;
	ino_t ino;
	bool read_only;
	char *base;
	uint64_t size;               /* whole pages */
	_Atomic uint64_t has_data[]; /* a bit a page */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct store_map *maps;

/* ---- touches that fail ---- */

static __thread sigjmp_buf failed_touch;
static __thread volatile sig_atomic_t touching;

static void on_sigbus(int sig)
{
	if (touching) {
		touching = 0;
		siglongjmp(failed_touch, 1);
	}
	/* not ours: it happens again, and ends the process */
	signal(sig, SIG_DFL);
}

static bool catch_sigbus(void)
{
	struct sigaction sa = {.sa_handler = on_sigbus};

	sigemptyset(&sa.sa_mask);
	return !sigaction(SIGBUS, &sa, NULL);
}

/* The handler was left, not returned from: signals are still blocked.  (To have
 * siglongjmp() see to it would be a system call for each request.) */
static void after_sigbus(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGBUS);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* ---- what holds data ---- */

/* The pages from..to - 1 that are in the word of the first, as its bits; *nr:
 * how many. */
static uint64_t bits_of(uint64_t from, uint64_t to, uint64_t *nr)
{
	unsigned int first = from % WORD_BITS;

	*nr = WORD_BITS - first < to - from ? WORD_BITS - first : to - from;
	return ~UINT64_C(0) >> (WORD_BITS - *nr) << first;
}

static uint64_t word_at(const struct store_map *m, uint64_t page)
{
	return atomic_load_explicit(&m->has_data[page / WORD_BITS],
				    memory_order_relaxed);
}

static void set_word(struct store_map *m, uint64_t page, uint64_t mask, bool on)
{
	uint64_t now = word_at(m, page);

	/* most often there is nothing to do, and memory that was never written
	 * stays so */
	if ((now & mask) == (on ? mask : 0))
		return;
	if (on)
		atomic_fetch_or(&m->has_data[page / WORD_BITS], mask);
	else
		atomic_fetch_and(&m->has_data[page / WORD_BITS], ~mask);
}

/* The range, cut to what is mapped, in pages that it touches. */
static void set_range(struct store_map *m, uint64_t offset, uint64_t len,
		      bool on)
{
	uint64_t end = offset + len, from = offset / PAGE, to, nr;

	if (end > m->size)
		end = m->size;
	to = (end + PAGE - 1) / PAGE;
	for (; offset < end && from < to; from += nr)
		set_word(m, from, bits_of(from, to, &nr), on);
}

void store_map_filled(struct store_map *m, uint64_t offset, uint64_t len)
{
	set_range(m, offset, len, true);
}

void store_map_emptied(struct store_map *m, uint64_t offset, uint64_t len)
{
	set_range(m, offset, len, false);
}

static void find_data(struct store_map *m, int fd)
{
	off_t at = 0, end;

	while ((uint64_t)at < m->size) {
		at = lseek(fd, at, SEEK_DATA);
		if (at < 0 || (uint64_t)at >= m->size)
			return;
		end = lseek(fd, at, SEEK_HOLE);
		if (end <= at)
			return;
		set_range(m, (uint64_t)at, (uint64_t)(end - at), true);
		at = end;
	}
}

static bool holds_data(const struct store_map *m, uint64_t offset, uint64_t len)
{
	uint64_t page = offset / PAGE, end = (offset + len + PAGE - 1) / PAGE;
	uint64_t nr;

	for (; page < end; page += nr)
		if (bits_of(page, end, &nr) & ~word_at(m, page))
			return false;
	return true;
}

/* ---- moving ---- */

static void copy_mapped(const struct store_map *m, const struct store_io *io)
{
	char *at = m->base + io->offset;
	uint32_t i;

	for (i = 0; i < io->nr_iov; i++) {
		const struct iovec *v = &io->iov[i];

		if (io->op == STORE_READ)
			memcpy(v->iov_base, at, v->iov_len);
		else
			memcpy(at, v->iov_base, v->iov_len);
		at += v->iov_len;
	}
}

bool store_map_move(struct store_map *m, const struct store_io *io)
{
	if (io->offset + io->len > m->size || !io->len ||
	    !holds_data(m, io->offset, io->len))
		return false;
	if (sigsetjmp(failed_touch, 0)) {
		after_sigbus();
		set_range(m, io->offset, io->len, false);
		return false;
	}
	touching = 1;
	atomic_signal_fence(memory_order_seq_cst);
	copy_mapped(m, io);
	atomic_signal_fence(memory_order_seq_cst);
	touching = 0;
	return true;
}

/* ---- life ---- */

/* ramfs and hugetlbfs do not say where their holes are. */
static bool on_tmpfs(int fd)
{
	struct statfs fs;

	return !fstatfs(fd, &fs) && fs.f_type == TMPFS_MAGIC;
}

static void *map_pages(int fd, uint64_t size, bool read_only)
{
	int prot = read_only ? PROT_READ : PROT_READ | PROT_WRITE;
	void *at = mmap(NULL, size, prot, MAP_SHARED | MAP_NORESERVE, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

/* Under lock. */
static struct store_map *find(const struct stat *st, uint64_t size,
			      bool read_only)
{
	struct store_map *m;

	for (m = maps; m; m = m->next)
		if (m->dev == st->st_dev && m->ino == st->st_ino &&
		    m->size == size && m->read_only == read_only)
			return m;
	return NULL;
}

/* Under lock. */
static struct store_map *make(int fd, const struct stat *st, uint64_t size,
			      bool read_only)
{
	uint64_t words = size / PAGE / WORD_BITS + 1;
	struct store_map *m = calloc(1, sizeof(*m) + words * sizeof(uint64_t));

	if (!m)
		return NULL;
	m->base = map_pages(fd, size, read_only);
	if (!m->base) {
		free(m);
		return NULL;
	}
	m->dev = st->st_dev;
	m->ino = st->st_ino;
	m->size = size;
	m->read_only = read_only;
	find_data(m, fd);
	m->next = maps;
	maps = m;
	return m;
}

struct store_map *store_map_create(int fd, uint64_t size, bool read_only)
{
	uint64_t whole = size / PAGE * PAGE;
	struct store_map *m;
	struct stat st;

	if (!whole || !on_tmpfs(fd) || fstat(fd, &st) || !catch_sigbus())
		return NULL;
	pthread_mutex_lock(&lock);
	m = find(&st, whole, read_only);
	if (!m)
		m = make(fd, &st, whole, read_only);
	if (m)
		m->users++;
	pthread_mutex_unlock(&lock);
	return m;
}

void store_map_destroy(struct store_map *m)
{
	struct store_map **at;

	if (!m)
		return;
	pthread_mutex_lock(&lock);
	if (!--m->users) {
		for (at = &maps; *at != m; at = &(*at)->next)
			;
		*at = m->next;
		munmap(m->base, m->size);
		free(m);
	}
	pthread_mutex_unlock(&lock);
}
