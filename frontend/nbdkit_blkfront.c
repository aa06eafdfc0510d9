// SPDX-License-Identifier: MIT
/*
 * nbdkit plugin: a paravirtual disk of this domain as an NBD export, for every
 * NBD client (qemu-img, nbdcopy, fio, nbd-client).
 *
 *   nbdkit .../nbdkit-xensplit-plugin.so vdev=xvda [queues=N] ...
 *
 * All clients share one connection to the backend.  As many requests are in
 * flight as nbdkit has threads for a connection (its option -t).
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/nbdkit_queue.h"

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

#define PREFERRED_MIN 4096u
#define REQUEST_MAX   (32u << 20)

static struct blkfront_options options = {.size = sizeof(options)};
static int devid = -1;
static unsigned int poll_us;

static struct blkfront *disk;
static struct nbd_queue **queues;
static unsigned int nr_queues;
static atomic_uint next_queue;

/* A write that begins or ends within a sector reads and writes it whole: no
 * other write may come between. */
static pthread_rwlock_t sector_lock = PTHREAD_RWLOCK_INITIALIZER;

/* A thread keeps to its queue. */
static struct nbd_queue *my_queue(void)
{
	static __thread unsigned int mine;

	if (!mine)
		mine = 1 + atomic_fetch_add(&next_queue, 1) % nr_queues;
	return queues[mine - 1];
}

static int fail(const char *what, int err)
{
	nbdkit_error("%s: %s", what, strerror(-err));
	nbdkit_set_error(-err);
	return -1;
}

/* ---- configuration ---- */

static int parse_devid(const char *value)
{
	devid = blkfront_devid(value);
	if (devid >= 0)
		return 0;
	nbdkit_error("'%s' is not a virtual device (xvda, 51712)", value);
	return -1;
}

static int plugin_config(const char *key, const char *value)
{
	unsigned int seconds;

	if (!strcmp(key, "vdev") || !strcmp(key, "devid"))
		return parse_devid(value);
	if (!strcmp(key, "queues"))
		return nbdkit_parse_unsigned(key, value, &options.nr_queues);
	if (!strcmp(key, "ring-pages"))
		return nbdkit_parse_unsigned(key, value, &options.ring_pages);
	if (!strcmp(key, "buffer-pages"))
		return nbdkit_parse_unsigned(key, value, &options.buffer_pages);
	if (!strcmp(key, "poll-us"))
		return nbdkit_parse_unsigned(key, value, &poll_us);
	if (!strcmp(key, "wait")) {
		if (nbdkit_parse_unsigned(key, value, &seconds))
			return -1;
		if (seconds > 86400) {
			nbdkit_error("wait=%s is more than a day", value);
			return -1;
		}
		options.wait_ms = seconds * 1000;
		return 0;
	}
	nbdkit_error("unknown parameter '%s'", key);
	return -1;
}

static int plugin_config_complete(void)
{
	if (devid >= 0)
		return 0;
	nbdkit_error("which disk? Say vdev=xvda, or devid=51712");
	return -1;
}

/* ---- life ---- */

/* The library has a thread, so the disk is opened after nbdkit has forked. */
static int plugin_after_fork(void)
{
	char why[512];
	unsigned int i;

	if (blkfront_open(&disk, devid, &options, why, sizeof(why))) {
		nbdkit_error("%s", why);
		return -1;
	}
	nr_queues = blkfront_nr_queues(disk);
	queues = calloc(nr_queues, sizeof(queues[0]));
	if (!queues)
		return fail("queues", -ENOMEM);
	for (i = 0; i < nr_queues; i++) {
		queues[i] = nbd_queue_new(disk, i, poll_us);
		if (!queues[i])
			return fail("queues", -ENOMEM);
	}
	return 0;
}

static void plugin_cleanup(void)
{
	unsigned int i;

	for (i = 0; queues && i < nr_queues; i++)
		nbd_queue_free(queues[i]);
	free(queues);
	queues = NULL;
	blkfront_close(disk);
	disk = NULL;
}

static void *plugin_open(int readonly)
{
	int err = blkfront_status(disk);

	(void)readonly;
	if (err) {
		fail("the disk is not usable", err);
		return NULL;
	}
	return NBDKIT_HANDLE_NOT_NEEDED;
}

/* ---- what the disk is ---- */

static struct blkfront_info get_info(void)
{
	struct blkfront_info info;

	blkfront_get_info(disk, &info);
	return info;
}

static int64_t plugin_get_size(void *handle)
{
	(void)handle;
	return (int64_t)get_info().size_bytes;
}

static int plugin_can_write(void *handle)
{
	(void)handle;
	return !get_info().read_only;
}

static int plugin_can_flush(void *handle)
{
	struct blkfront_info info = get_info();

	(void)handle;
	return info.flush || info.barrier;
}

static int plugin_can_fua(void *handle)
{
	return plugin_can_flush(handle) ? NBDKIT_FUA_EMULATE : NBDKIT_FUA_NONE;
}

static int plugin_can_trim(void *handle)
{
	(void)handle;
	return get_info().discard;
}

static int plugin_is_rotational(void *handle)
{
	(void)handle;
	return 0;
}

/* One connection to the backend behind all clients: a flush covers every
 * write that was answered. */
static int plugin_can_multi_conn(void *handle)
{
	(void)handle;
	return 1;
}

static int plugin_block_size(void *handle, uint32_t *minimum,
			     uint32_t *preferred, uint32_t *maximum)
{
	struct blkfront_info info = get_info();

	(void)handle;
	*minimum = info.sector_size;
	*preferred = info.physical_sector_size;
	if (*preferred < PREFERRED_MIN)
		*preferred = PREFERRED_MIN;
	if (*preferred > REQUEST_MAX)
		*preferred = REQUEST_MAX;
	*maximum = REQUEST_MAX;
	return 0;
}

/* ---- requests ---- */

/* What a client asks for that is not whole sectors, as whole sectors in a
 * buffer of our own. */
struct widened {
	uint64_t start, len;
	uint32_t head;
	uint8_t *buf;
};

static int widen(struct widened *w, uint32_t count, uint64_t offset)
{
	uint32_t sector = get_info().sector_size;

	w->head = offset % sector;
	w->start = offset - w->head;
	w->len = ((uint64_t)w->head + count + sector - 1) / sector * sector;
	w->buf = malloc(w->len);
	return w->buf ? 0 : -ENOMEM;
}

static bool is_whole(uint32_t count, uint64_t offset)
{
	return !((count | offset) & (get_info().sector_size - 1));
}

static int read_widened(void *buf, uint32_t count, uint64_t offset)
{
	struct widened w;
	int err = widen(&w, count, offset);

	if (err)
		return err;
	err = nbd_queue_transfer(my_queue(), BLKFRONT_READ, w.buf, w.len,
				 w.start);
	if (!err)
		memcpy(buf, w.buf + w.head, count);
	free(w.buf);
	return err;
}

static int write_widened(const void *buf, uint32_t count, uint64_t offset)
{
	struct nbd_queue *nq = my_queue();
	uint32_t sector = get_info().sector_size;
	struct widened w;
	int err = widen(&w, count, offset);

	if (err)
		return err;
	pthread_rwlock_wrlock(&sector_lock);
	err = nbd_queue_transfer(nq, BLKFRONT_READ, w.buf, sector, w.start);
	if (!err && w.len > sector)
		err = nbd_queue_transfer(nq, BLKFRONT_READ,
					 w.buf + w.len - sector, sector,
					 w.start + w.len - sector);
	if (!err) {
		memcpy(w.buf + w.head, buf, count);
		err = nbd_queue_transfer(nq, BLKFRONT_WRITE, w.buf, w.len,
					 w.start);
	}
	pthread_rwlock_unlock(&sector_lock);
	free(w.buf);
	return err;
}

static int plugin_pread(void *handle, void *buf, uint32_t count,
			uint64_t offset, uint32_t flags)
{
	int err;

	(void)handle;
	(void)flags;
	if (is_whole(count, offset))
		err = nbd_queue_transfer(my_queue(), BLKFRONT_READ, buf, count,
					 offset);
	else
		err = read_widened(buf, count, offset);
	return err ? fail("read", err) : 0;
}

static int plugin_pwrite(void *handle, const void *buf, uint32_t count,
			 uint64_t offset, uint32_t flags)
{
	int err;

	(void)handle;
	(void)flags;
	if (is_whole(count, offset)) {
		pthread_rwlock_rdlock(&sector_lock);
		err = nbd_queue_transfer(my_queue(), BLKFRONT_WRITE,
					 (void *)buf, count, offset);
		pthread_rwlock_unlock(&sector_lock);
	} else {
		err = write_widened(buf, count, offset);
	}
	return err ? fail("write", err) : 0;
}

static int plugin_flush(void *handle, uint32_t flags)
{
	int err = nbd_queue_command(my_queue(), BLKFRONT_FLUSH, 0, 0);

	(void)handle;
	(void)flags;
	return err ? fail("flush", err) : 0;
}

/* A hint: what is not whole sectors at the ends stays. */
static int plugin_trim(void *handle, uint32_t count, uint64_t offset,
		       uint32_t flags)
{
	uint32_t sector = get_info().sector_size;
	uint64_t first = (offset + sector - 1) / sector * sector;
	uint64_t end = (offset + count) / sector * sector;
	int err;

	(void)handle;
	(void)flags;
	if (first >= end)
		return 0;
	err = nbd_queue_command(my_queue(), BLKFRONT_DISCARD, end - first,
				first);
	return err ? fail("trim", err) : 0;
}

static struct nbdkit_plugin plugin = {
	.name = "xensplit",
	.longname = "xensplit paravirtual disk",
	.description = "a Xen paravirtual disk of this domain",
	.magic_config_key = "vdev",
	.config = plugin_config,
	.config_complete = plugin_config_complete,
	.config_help = "vdev=NAME       the disk: xvda (or devid=51712)\n"
		       "queues=N        rings to use, if offered (default 1)\n"
		       "ring-pages=N    pages a ring, 1 to 16 (default: most)\n"
		       "buffer-pages=N  shared pages a queue (default 512)\n"
		       "poll-us=N       poll so long before sleeping\n"
		       "wait=SECONDS    wait for the disk (default 10)",
	.after_fork = plugin_after_fork,
	.cleanup = plugin_cleanup,
	.open = plugin_open,
	.get_size = plugin_get_size,
	.can_write = plugin_can_write,
	.can_flush = plugin_can_flush,
	.can_fua = plugin_can_fua,
	.can_trim = plugin_can_trim,
	.can_multi_conn = plugin_can_multi_conn,
	.is_rotational = plugin_is_rotational,
	.block_size = plugin_block_size,
	.pread = plugin_pread,
	.pwrite = plugin_pwrite,
	.flush = plugin_flush,
	.trim = plugin_trim,
};

NBDKIT_REGISTER_PLUGIN(plugin)
