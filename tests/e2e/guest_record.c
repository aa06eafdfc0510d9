// SPDX-License-Identifier: MIT
/* See guest_record.h. */
#include "tests/e2e/guest_record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512u
#define WORDS  (SECTOR / sizeof(uint64_t))
#define MAGIC  UINT64_C(0x64726f6365727362)

struct block {
	uint32_t acked, tried;
	uint32_t zeroed; /* may be zeroes, too: it was discarded */
	uint32_t unused;
};

struct shape {
	uint64_t magic, offset;
	uint32_t block, nr_blocks;
};

struct guest_record {
	struct shape *shape;
	struct block *blocks;
	size_t size;
};

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

/* The first word of a sector; the others follow from it. */
static uint64_t stamp(uint64_t sector, uint32_t generation)
{
	return generation ? mix(sector * 0x10001 + mix(generation)) : 0;
}

static uint64_t word(uint64_t first, unsigned int i)
{
	return first ? first + i : 0;
}

static size_t size_of(uint32_t nr_blocks)
{
	return sizeof(struct shape) + (size_t)nr_blocks * sizeof(struct block);
}

static int map(struct guest_record *r, int fd, size_t size)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	r->size = size;
	r->shape = p;
	r->blocks = (void *)(r->shape + 1);
	return 0;
}

static int check_shape(const struct guest_record *r, const struct shape *want)
{
	const struct shape *s = r->shape;

	if (s->magic != MAGIC || r->size != size_of(s->nr_blocks))
		return -EINVAL;
	return want && memcmp(s, want, sizeof(*s)) ? -EEXIST : 0;
}

static int open_file(struct guest_record *r, const char *file, size_t size,
		     const struct shape *want)
{
	int fd = open(file, O_RDWR | O_CLOEXEC | (want ? O_CREAT : 0), 0666);
	struct stat st;
	int err = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		err = -errno;
	else if (want && !st.st_size && ftruncate(fd, (off_t)size))
		err = -errno;
	if (!err)
		err = map(r, fd, want ? size : (size_t)st.st_size);
	close(fd);
	if (err)
		return err;
	if (want && !r->shape->magic)
		*r->shape = *want;
	return check_shape(r, want);
}

static int record_new(struct guest_record **out, const char *file,
		      const struct shape *want)
{
	struct guest_record *r = calloc(1, sizeof(*r));
	size_t size = want ? size_of(want->nr_blocks) : 0;
	int err;

	if (!r)
		return -ENOMEM;
	if (file) {
		err = open_file(r, file, size, want);
	} else {
		err = map(r, -1, size);
		if (!err)
			*r->shape = *want;
	}
	if (err) {
		guest_record_close(r);
		return err;
	}
	*out = r;
	return 0;
}

int guest_record_open(struct guest_record **r, const char *file, uint32_t block,
		      uint64_t offset, uint32_t nr_blocks)
{
	struct shape want = {MAGIC, offset, block, nr_blocks};

	return record_new(r, file, &want);
}

int guest_record_load(struct guest_record **r, const char *file)
{
	return record_new(r, file, NULL);
}

void guest_record_close(struct guest_record *r)
{
	if (!r)
		return;
	if (r->shape)
		munmap(r->shape, r->size);
	free(r);
}

uint32_t guest_record_block(const struct guest_record *r)
{
	return r->shape->block;
}

uint32_t guest_record_nr(const struct guest_record *r)
{
	return r->shape->nr_blocks;
}

uint64_t guest_record_at(const struct guest_record *r, uint32_t index)
{
	return r->shape->offset + (uint64_t)index * r->shape->block;
}

void guest_record_fill(struct guest_record *r, uint32_t index, void *buf)
{
	uint64_t sector = guest_record_at(r, index) / SECTOR;
	uint32_t s, generation = ++r->blocks[index].tried;
	uint64_t *p = buf;
	unsigned int i;

	for (s = 0; s < r->shape->block / SECTOR; s++) {
		uint64_t first = stamp(sector + s, generation);

		for (i = 0; i < WORDS; i++)
			*p++ = word(first, i);
	}
}

void guest_record_written(struct guest_record *r, uint32_t index)
{
	r->blocks[index].acked = r->blocks[index].tried;
	r->blocks[index].zeroed = 0;
}

void guest_record_discarded(struct guest_record *r, uint32_t index)
{
	r->blocks[index].zeroed = 1;
}

static bool is_stamp(const uint64_t *p, uint64_t first)
{
	unsigned int i;

	for (i = 0; i < WORDS; i++)
		if (p[i] != word(first, i))
			return false;
	return true;
}

/* Newest first: mostly that is the one. */
static bool sector_right(const struct block *b, const uint64_t *p,
			 uint64_t sector)
{
	uint32_t g;

	for (g = b->tried;; g--) {
		if (is_stamp(p, stamp(sector, g)))
			return true;
		if (g == b->acked)
			break;
	}
	return b->zeroed && is_stamp(p, 0);
}

bool guest_record_check(const struct guest_record *r, uint32_t index,
			const void *buf)
{
	uint64_t sector = guest_record_at(r, index) / SECTOR;
	const struct block *b = &r->blocks[index];
	const uint64_t *p = buf;
	uint32_t s;

	for (s = 0; s < r->shape->block / SECTOR; s++, p += WORDS) {
		if (sector_right(b, p, sector + s))
			continue;
		fprintf(stderr,
			"wrong data in sector %" PRIu64 ": %016" PRIx64
			" %016" PRIx64 "...; generation %" PRIu32
			" was acknowledged, %" PRIu32 " tried\n",
			sector + s, p[0], p[1], b->acked, b->tried);
		return false;
	}
	return true;
}
