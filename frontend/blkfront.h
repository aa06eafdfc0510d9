/* SPDX-License-Identifier: MIT */
/*
 * libblkfront: a paravirtual disk's frontend as a library.
 *
 * Opens the virtual block device that the toolstack made for this domain
 * (/local/domain/self/device/vbd/DEVID), connects to whatever backend it names
 * (ours, Linux's blkback, QEMU's) and reads and writes it.  Asynchronous, many
 * queues, zero-copy from buffers of its own that are shared with the backend.
 *
 * Protocol: <xen/io/blkif.h>.  Multi-page rings, indirect segments, persistent
 * grants, flush, barrier and discard are used as the backend offers them.
 *
 * The backend is not trusted: responses are copied once and checked against
 * what is in flight; a violation fails the disk (-EIO from then on) and
 * nothing else.
 *
 * Threads: a queue (its requests, its polling, its buffers' requests) is used
 * by one thread at a time; different queues by different threads freely.
 * blkfront_open/close are called by one thread.  All lengths and offsets are
 * bytes unless the name says otherwise.  Functions return 0 or -errno.
 */
#ifndef XENSPLIT_BLKFRONT_H
#define XENSPLIT_BLKFRONT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct blkfront;
struct blkfront_queue;

struct blkfront_options {
	size_t size;             /* sizeof(struct blkfront_options) */
	unsigned int nr_queues;  /* 0: 1; at most what the backend offers */
	unsigned int ring_pages; /* 0: the most that is offered, to 16 */
	unsigned int max_indirect_segs; /* 0: the most offered, to 256; 1..11:
					 * do not use indirect requests */
	unsigned int buffer_pages; /* shared buffer pages per queue; 0: 512 */
	unsigned int wait_ms;      /* wait for device and backend; 0: 10000 */
	unsigned int poll_us; /* blkfront_wait polls so long before it sleeps,
			       * adapting downwards; 0: never */
	bool no_persistent;   /* do not use persistent grants */
	const char *protocol; /* NULL native; "x86_32-abi": as a 32-bit guest */
};

struct blkfront_info {
	uint64_t size_bytes;
	uint32_t sector_size, physical_sector_size;
	bool read_only, cdrom, removable;
	bool flush, barrier, discard, secure_discard, persistent;
	uint32_t discard_granularity, discard_alignment;
	uint32_t nr_queues, ring_entries; /* per queue */
	uint32_t max_segs;                /* pages of data in one request */
	uint32_t max_io_bytes; /* longest request that blkfront_submit takes */
};

enum blkfront_op {
	BLKFRONT_READ,
	BLKFRONT_WRITE,
	BLKFRONT_FLUSH,
	BLKFRONT_DISCARD,
	BLKFRONT_WRITE_BARRIER,
};

/*
 * A request.  The caller owns the struct and keeps it and its buffer until
 * done() ran.  buf must be inside a buffer of the same queue
 * (blkfront_alloc) and aligned to the sector size; offset and len are
 * multiples of it.  A read or write longer than max_io_bytes is refused
 * (-EMSGSIZE); shorter ones are one ring request if buf is page aligned, at
 * most two if not.  A barrier is always one ring request that is not indirect:
 * at most 11 pages, -EMSGSIZE beyond.  A flush has no offset, length or buffer;
 * where the backend offers only barriers it is sent as an empty one.
 * A discard may have any length.
 */
struct blkfront_io {
	enum blkfront_op op;
	uint64_t offset, len;
	void *buf;
	/* Runs in the thread that polls the queue.  res: 0 or -errno (-EIO from
	 * the backend, -EOPNOTSUPP, -ENODEV when the device went away). */
	void (*done)(struct blkfront_io *io, int res);
	void *user;
	uint32_t private_slot; /* the library's */
};

/* Connect to vbd DEVID (51712 is xvda), waiting up to wait_ms for it to be
 * attached and connected.  opt may be NULL.  On failure, errbuf (if not NULL)
 * gets a reason a person can read, with the backend's own if it left one. */
int blkfront_open(struct blkfront **bf, unsigned int devid,
		  const struct blkfront_options *opt, char *errbuf,
		  size_t errbuf_size);
/* Closes as the protocol says (Closing, Closed), waits for the backend a
 * bounded time, ends grants.  Requests in flight get -ENODEV.  NULL is fine. */
void blkfront_close(struct blkfront *bf);

/* Current values (the size may change while connected). Any thread. */
void blkfront_get_info(struct blkfront *bf, struct blkfront_info *info);
/* 0 while usable, else why not (-EIO, -ENODEV).  Any thread. */
int blkfront_status(struct blkfront *bf);

/* The number of a virtual device by its name: xvda, xvdb3, hda, sdc1, d5p2,
 * or the number itself; -EINVAL for what is none. */
int blkfront_devid(const char *vdev);

unsigned int blkfront_nr_queues(struct blkfront *bf);
struct blkfront_queue *blkfront_queue(struct blkfront *bf, unsigned int index);

/* A buffer of len bytes (rounded up to pages) shared with the backend, page
 * aligned, contiguous; NULL when the queue's pool has no such run. */
void *blkfront_alloc(struct blkfront_queue *q, size_t len);
void blkfront_free(struct blkfront_queue *q, void *buf, size_t len);

/* Put a request on the ring; the backend sees it at the next kick.  0; -EAGAIN
 * when the ring is full (poll, then try again); -EINVAL, -EMSGSIZE, -EROFS,
 * -EOPNOTSUPP for what cannot be; -EIO, -ENODEV as blkfront_status(). */
int blkfront_submit(struct blkfront_queue *q, struct blkfront_io *io);
/* Show all that was submitted to the backend; notifies it if it asked. */
int blkfront_kick(struct blkfront_queue *q);
/* Run done() of what has completed; how many, or -errno.  Never sleeps and
 * makes no system call when there is nothing. */
int blkfront_poll(struct blkfront_queue *q);
/* Kick, then poll; if nothing completed, sleep until something does, at most
 * timeout_ms (-1: for ever).  How many completed, 0 on time-out or when
 * nothing is in flight, or -errno. */
int blkfront_wait(struct blkfront_queue *q, int timeout_ms);
/* For an event loop of the caller's: a descriptor that is readable when
 * completions may be there.  Before sleeping on it call blkfront_arm(): true
 * means poll again instead of sleeping. */
int blkfront_fd(struct blkfront_queue *q);
bool blkfront_arm(struct blkfront_queue *q);
/* For one who polls for a while before sleeping: does the backend run on this
 * thread's CPU?  Then polling only keeps it from working.  False where that
 * cannot be known, as on Xen itself. */
bool blkfront_backend_is_here(const struct blkfront_queue *q);

/* Synchronously, on queue q, through bounce buffers of the library's where buf
 * is not a shared one; any length and alignment.  A write that begins or ends
 * within a sector reads that sector first: not atomic against other writes of
 * it.  done() of other requests of the queue may run meanwhile. */
int blkfront_pread(struct blkfront_queue *q, void *buf, size_t len,
		   uint64_t offset);
int blkfront_pwrite(struct blkfront_queue *q, const void *buf, size_t len,
		    uint64_t offset);
int blkfront_flush(struct blkfront_queue *q);
int blkfront_discard(struct blkfront_queue *q, uint64_t offset, uint64_t len);

struct blkfront_stats {
	uint64_t requests, responses, bytes_read, bytes_written;
	uint64_t kicks_sent, kicks_suppressed, events, sleeps, errors;
};
/* Of one queue; by the queue's thread. */
void blkfront_queue_stats(struct blkfront_queue *q, struct blkfront_stats *s);

#ifdef __cplusplus
}
#endif
#endif
