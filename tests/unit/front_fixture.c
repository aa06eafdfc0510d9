// SPDX-License-Identifier: MIT
/*
 * A disk of one queue with its backend in the same process: front_fixture.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/unit/front_fixture.h"
#include "tests/unit/run_suite.h"

#define PORT 5

/* ---- event channels: one channel, two ends ---- */

int to_front = -1, to_back = -1, notifies;

xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *logger,
				 unsigned int flags)
{
	(void)logger;
	(void)flags;
	to_front = eventfd(0, EFD_CLOEXEC);
	to_back = eventfd(0, EFD_CLOEXEC);
	return (xenevtchn_handle *)&to_front;
}

int xenevtchn_close(xenevtchn_handle *xce)
{
	(void)xce;
	close(to_front);
	close(to_back);
	return 0;
}

int xenevtchn_fd(xenevtchn_handle *xce)
{
	(void)xce;
	return to_front;
}

void ring_bell(int fd)
{
	uint64_t one = 1;

	ck_assert_int_eq(write(fd, &one, sizeof(one)), sizeof(one));
}

int xenevtchn_notify(xenevtchn_handle *xce, evtchn_port_t port)
{
	(void)xce;
	ck_assert_int_eq(port, PORT);
	__atomic_add_fetch(&notifies, 1, __ATOMIC_RELAXED);
	ring_bell(to_back);
	return 0;
}

xenevtchn_port_or_error_t xenevtchn_bind_unbound_port(xenevtchn_handle *xce,
						      uint32_t domid)
{
	(void)xce;
	ck_assert_int_eq(domid, FAKE_DOMID);
	return PORT;
}

int xenevtchn_unbind(xenevtchn_handle *xce, evtchn_port_t port)
{
	(void)xce;
	(void)port;
	return 0;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *xce)
{
	uint64_t count;

	(void)xce;
	return read(to_front, &count, sizeof(count)) < 0 ? -1 : PORT;
}

int xenevtchn_unmask(xenevtchn_handle *xce, evtchn_port_t port)
{
	(void)xce;
	(void)port;
	return 0;
}

/* ---- a disk of one queue and its backend ---- */

struct blkfront *bf;
struct blkfront_queue *q;
struct blk_back_ring back;
struct blkfront_geometry geo;

void attach_back(void)
{
	ck_assert_int_eq(blk_back_ring_init(&back, q->ring_mem, q->ring_pages,
					    bf->abi, 0, 0),
			 0);
}

static void setup_abi(enum blk_abi abi)
{
	notifies = 0;
	bf = calloc(1, sizeof(*bf));
	ck_assert_ptr_nonnull(bf);
	front_dev_init(&bf->dev, &blkfront_class, 51712, 1000);
	bf->abi = abi;
	bf->gntshr = (xengntshr_handle *)bf; /* only ever passed on */
	bf->opt.buffer_pages = 512;
	ck_assert_int_eq(blkfront_queue_create(&q, bf, 0, FAKE_DOMID,
					       blk_ring_entries(abi, 1)),
			 0);
	bf->queues[0] = q;
	bf->nr_queues = 1;
	ck_assert_int_eq(blkfront_queue_connect(q, 1), 0);
	geo = (struct blkfront_geometry){
		.nr_sects_512 = DISK / 512,
		.sector_size = 512,
		.max_segs = MAX_SEGS,
		.max_io_bytes = MAX_IO,
		.flush = true,
		.barrier = true,
		.discard = true,
	};
	blkfront_queue_start(q, &geo);
	attach_back();
}

static void setup(void)
{
	setup_abi(BLK_ABI_X86_64);
}

/* Before a request that is in flight goes out of scope. */
void finish(void)
{
	front_end(&bf->dev, -ENODEV, "the test is over");
	blkfront_queue_finish(q);
}

static void teardown(void)
{
	ck_assert_int_eq(atomic_load(&q->nr_in_flight), 0);
	blkfront_queue_destroy(q);
	front_dev_destroy(&bf->dev);
	free(bf);
	ck_assert_int_eq(fake.shared, 0);
}

int done_count, last_res;

static void count_done(struct blkfront_io *io, int res)
{
	(void)io;
	done_count++;
	last_res = res;
}

struct blkfront_io make_io(enum blkfront_op op, void *buf, uint64_t len,
			   uint64_t offset)
{
	done_count = 0;
	last_res = 1;
	return (struct blkfront_io){
		.op = op,
		.offset = offset,
		.len = len,
		.buf = buf,
		.done = count_done,
	};
}

struct blk_req take_one(void)
{
	struct blk_req req;

	ck_assert_int_ge(blk_back_ring_avail(&back), 1);
	blk_back_ring_get(&back, &req);
	return req;
}

void answer(uint64_t id, uint8_t op, int16_t status)
{
	struct blk_rsp rsp = {.id = id, .op = op, .status = status};

	blk_back_ring_put(&back, &rsp);
	if (blk_back_ring_publish(&back))
		ring_bell(to_front);
}

struct blk_req send(struct blkfront_io *io)
{
	ck_assert_int_eq(blkfront_submit(q, io), 0);
	ck_assert_int_eq(blkfront_kick(q), 0);
	return take_one();
}

/* ---- running ---- */

static void setup_32(void)
{
	setup_abi(BLK_ABI_X86_32);
}

int run_for_all_abis(const char *suite, void (*add)(TCase *tc))
{
	Suite *s = suite_create(suite);

	suite_add(s, "x86_64", 30, setup, teardown, add);
	suite_add(s, "x86_32", 30, setup_32, teardown, add);
	return run_suite(s);
}
