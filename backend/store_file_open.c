// SPDX-License-Identifier: MIT
/*
 * Raw files and block devices, the supervisor's half: find out what the path
 * is, how to do I/O on it, and open it.  Never creates or changes anything.
 *
 * The path is looked up once, with O_PATH, which has no side effects whatever
 * it turns out to be; what is opened then is that very file.
 */
#include "backend/store_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "hypercall/log.h"

#ifndef STATX_DIOALIGN
#define STATX_DIOALIGN 0x2000U
#endif
/* where the kernel puts stx_dio_mem_align and, next to it, _offset_align */
#define STATX_DIO_OFFSET 0x98u

#define PROBE_SIZE 4096u

static const char *what_is(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "a directory";
	case S_IFIFO:
		return "a fifo";
	case S_IFCHR:
		return "a character device";
	case S_IFSOCK:
		return "a socket";
	default:
		return "something odd";
	}
}

static int find(const char *path, struct store_desc *desc, struct stat *st,
		struct xs_err *err)
{
	int fd = open(path, O_PATH | O_CLOEXEC), res;

	if (fd < 0) {
		res = -errno;
		xs_err_set(err, "cannot open %s: %s", desc->label,
			   strerror(-res));
		return res;
	}
	if (fstat(fd, st)) {
		res = -errno;
		xs_err_set(err, "cannot look at %s: %s", desc->label,
			   strerror(-res));
		close(fd);
		return res;
	}
	if (!S_ISREG(st->st_mode) && !S_ISBLK(st->st_mode)) {
		xs_err_set(err, "%s is %s; a disk is a file or a block device",
			   desc->label, what_is(st->st_mode));
		close(fd);
		return S_ISDIR(st->st_mode) ? -EISDIR : -ENOTBLK;
	}
	return fd;
}

/* Open again what an O_PATH descriptor stands for. */
static int reopen(int path_fd, int flags)
{
	char proc[40];
	int fd;

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", path_fd);
	fd = open(proc, flags | O_CLOEXEC | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

static bool on_memory(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs))
		return false;
	return fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC ||
	       fs.f_type == HUGETLBFS_MAGIC;
}

/* The alignments O_DIRECT wants; false: not known to this kernel.  *offset 0
 * says that the file cannot do it. */
static bool ask_alignment(int fd, uint32_t *mem, uint32_t *offset)
{
	struct {
		struct statx stx;
		char room[256]; /* whatever the headers know of it */
	} buf = {0};
	uint32_t dio[2];

	if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &buf.stx) ||
	    !(buf.stx.stx_mask & STATX_DIOALIGN))
		return false;
	/* glibc's struct may be older than the kernel's */
	memcpy(dio, (char *)&buf + STATX_DIO_OFFSET, sizeof(dio));
	*mem = dio[0];
	*offset = dio[1];
	return true;
}

/* A real read: some file systems take the flag at open and refuse later. */
static int try_direct_read(int fd, uint32_t len)
{
	void *buf;
	ssize_t n;
	int res;

	if (posix_memalign(&buf, PROBE_SIZE, PROBE_SIZE))
		return -ENOMEM;
	n = pread(fd, buf, len, 0);
	res = n < 0 ? -errno : 0;
	free(buf);
	return res;
}

static int probe_alignment(int fd, struct store_desc *desc)
{
	uint32_t mem, offset, size;
	int res = 0;

	if (ask_alignment(fd, &mem, &offset)) {
		if (!mem || !offset)
			return -EINVAL;
		res = try_direct_read(fd, PROBE_SIZE);
	} else {
		for (size = 512; size <= PROBE_SIZE; size *= 2) {
			res = try_direct_read(fd, size);
			if (res != -EINVAL)
				break;
		}
		mem = offset = size;
	}
	if (res)
		return res;
	desc->dio_mem_align = mem;
	desc->dio_offset_align = offset;
	return 0;
}

/* NULL when fd[0] is a working direct descriptor, else why it is not. */
static const char *open_direct(int path_fd, int mode, struct store_desc *desc)
{
	int fd, res;

	if (desc->in_memory)
		return "it is in memory anyway";
	fd = reopen(path_fd, mode | O_DIRECT);
	if (fd < 0)
		return "the file system has no O_DIRECT";
	res = probe_alignment(fd, desc);
	if (res) {
		close(fd);
		/* a bad first block is the guest's to see, not ours */
		return res == -EINVAL ? "O_DIRECT does not work on this file"
				      : "a first read with O_DIRECT failed";
	}
	desc->fd[desc->nr_fds++] = fd;
	return NULL;
}

static int open_both(int path_fd, bool read_only, struct store_desc *desc,
		     struct xs_err *err)
{
	int mode = read_only ? O_RDONLY : O_RDWR, fd;
	const char *why;

	fd = reopen(path_fd, mode);
	if (fd < 0) {
		xs_err_set(err, "cannot open %s for %s: %s", desc->label,
			   read_only ? "reading" : "writing", strerror(-fd));
		return fd;
	}
	/* (a device's node is on a file system in memory, too) */
	desc->in_memory = !desc->block_device && on_memory(fd);
	why = open_direct(path_fd, mode, desc);
	desc->fd[desc->nr_fds++] = fd;
	if (why)
		log_info(desc->label, "page cache, because %s", why);
	else
		log_info(desc->label,
			 "O_DIRECT, memory aligned to %u, offsets to %u",
			 desc->dio_mem_align, desc->dio_offset_align);
	return 0;
}

int store_file_size(const struct store_desc *desc, uint64_t *size_bytes)
{
	struct stat st;

	if (desc->block_device)
		return ioctl(desc->fd[0], BLKGETSIZE64, size_bytes) ? -errno
								    : 0;
	if (fstat(desc->fd[0], &st))
		return -errno;
	*size_bytes = (uint64_t)st.st_size;
	return 0;
}

/* Opening a read-only device for writing succeeds; writing then fails. */
static int check_writable(const struct store_desc *desc, struct xs_err *err)
{
	int read_only = 0;

	if (!desc->block_device || ioctl(desc->fd[0], BLKROGET, &read_only) ||
	    !read_only)
		return 0;
	xs_err_set(err, "cannot open %s for writing: the device is read-only",
		   desc->label);
	return -EROFS;
}

static int device_sectors(struct store_desc *desc, uint32_t wanted,
			  struct xs_err *err)
{
	unsigned int physical = 0;
	int logical = 0;

	if (ioctl(desc->fd[0], BLKSSZGET, &logical)) {
		int res = -errno;

		xs_err_set(err, "%s: sector size unknown: %s", desc->label,
			   strerror(-res));
		return res;
	}
	if (logical < 512 || logical > 4096) {
		xs_err_set(err, "%s has sectors of %d bytes, not 512 to 4096",
			   desc->label, logical);
		return -EINVAL;
	}
	if (wanted && wanted < (uint32_t)logical) {
		xs_err_set(err,
			   "%s has sectors of %d bytes; %u is less than that",
			   desc->label, logical, wanted);
		return -EINVAL;
	}
	if (ioctl(desc->fd[0], BLKPBSZGET, &physical))
		physical = 0;
	desc->sector_size = wanted ? wanted : (uint32_t)logical;
	desc->physical_sector_size = physical;
	return 0;
}

static int set_geometry(struct store_desc *desc, const struct stat *st,
			uint32_t wanted, struct xs_err *err)
{
	uint64_t size, tail;
	int res = 0;

	if (desc->block_device) {
		res = device_sectors(desc, wanted, err);
		if (res)
			return res;
	} else {
		desc->sector_size = wanted ? wanted : 512;
		desc->physical_sector_size = st->st_blksize > 4096
						     ? 4096
						     : (uint32_t)st->st_blksize;
	}
	if (desc->physical_sector_size < desc->sector_size ||
	    desc->physical_sector_size & (desc->physical_sector_size - 1))
		desc->physical_sector_size = desc->sector_size;
	res = store_file_size(desc, &size);
	if (res || size < desc->sector_size) {
		xs_err_set(err,
			   res ? "%s: size unknown"
			       : "%s is shorter than a sector",
			   desc->label);
		return res ? res : -EINVAL;
	}
	tail = size % desc->sector_size;
	if (tail)
		log_warn(desc->label,
			 "the last %llu bytes make no whole sector of %u and "
			 "are left out",
			 (unsigned long long)tail, desc->sector_size);
	desc->size_bytes = size - tail;
	return 0;
}

/* A number in sysfs about the device, or about the disk it is a part of. */
static uint64_t device_number(dev_t dev, const char *name)
{
	static const char *const dirs[] = {"", "../"};
	unsigned long long n = 0;
	char path[128];
	unsigned int i;
	FILE *f;

	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s%s",
			 major(dev), minor(dev), dirs[i], name);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fscanf(f, "%llu", &n) != 1)
			n = 0;
		fclose(f);
		break;
	}
	return n;
}

static void probe_device_discard(struct store_desc *desc, dev_t dev)
{
	uint64_t granularity = device_number(dev, "queue/discard_granularity");
	uint64_t alignment = device_number(dev, "discard_alignment");

	if (!granularity || granularity > UINT32_MAX ||
	    !device_number(dev, "queue/discard_max_bytes"))
		return;
	desc->discard = true;
	desc->discard_granularity = (uint32_t)granularity;
	desc->discard_alignment = (uint32_t)(alignment % granularity);
}

/* Holes are tried where there is nothing: well past the end of the file. */
static void probe_file_discard(struct store_desc *desc, const struct stat *st)
{
	off_t past = (st->st_size | 0xfffff) + 1;

	if (fallocate(desc->fd[desc->nr_fds - 1],
		      FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, past, 4096)) {
		log_info(desc->label, "no discard: %s", strerror(errno));
		return;
	}
	desc->discard = true;
	desc->discard_granularity = desc->physical_sector_size;
}

int store_file_open(const char *target, const struct store_open_how *how,
		    struct store_desc *desc, struct xs_err *err)
{
	struct stat st;
	int path_fd, res;

	path_fd = find(target, desc, &st, err);
	if (path_fd < 0)
		return path_fd;
	desc->block_device = S_ISBLK(st.st_mode);
	desc->flush = true;
	res = open_both(path_fd, how->read_only, desc, err);
	close(path_fd);
	if (!res && !how->read_only)
		res = check_writable(desc, err);
	if (!res)
		res = set_geometry(desc, &st, how->sector_size, err);
	if (res || how->read_only || !how->discard)
		return res;
	if (desc->block_device)
		probe_device_discard(desc, st.st_rdev);
	else
		probe_file_discard(desc, &st);
	return 0;
}
