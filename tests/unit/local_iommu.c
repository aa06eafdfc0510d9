// SPDX-License-Identifier: MIT
/*
 * The IOMMU of embedded Xen, with the real calls: libxenctrl assigns,
 * libxengnttab maps, and the DMA engine, a process of its own, moves the data
 * or faults.
 *
 * Domain 1 owns the device, domain 2 is a guest that grants to it.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <xenctrl.h>
#include <xencall.h>
#include <xengnttab.h>

#include "hypercall/local/client.h"
#include "hypercall/local/dma_device.h"
#include "hypercall/local/iommu_call.h"
#include "tests/unit/local_fixture.h"
#include "tests/unit/run_suite.h"

#define SBDF       0x20u /* 0000:00:04.0 */
#define SBDF_TEXT  "0000:00:04.0"
#define PAGE       4096u
#define IMAGE_SIZE (1u << 20)

static xc_interface *xch;
static pid_t engine;
static int image;

static uint8_t pattern(size_t i)
{
	return (i * 7 + i / 4096 * 31) & 0xff;
}

static void engine_path(char *path, size_t size)
{
	const char *given = getenv("XENLOCAL_DMA");
	char self[PATH_MAX] = "";

	if (given) {
		snprintf(path, size, "%s", given);
		return;
	}
	ck_assert_int_gt(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
	snprintf(path, size, "%s/../../libexec/xenlocal-dma", dirname(self));
}

static void engine_start(void)
{
	char path[PATH_MAX + 64], file[64], line[8] = "";
	uint8_t buf[PAGE];
	int out[2];

	image = memfd_create("image", 0);
	ck_assert_int_ge(image, 0);
	for (size_t at = 0; at < IMAGE_SIZE; at += PAGE) {
		for (size_t i = 0; i < PAGE; i++)
			buf[i] = pattern(at + i);
		ck_assert_int_eq(pwrite(image, buf, PAGE, at), PAGE);
	}
	snprintf(file, sizeof(file), "/proc/self/fd/%d", image);
	engine_path(path, sizeof(path));
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	engine = fork();
	if (!engine) {
		dup2(out[1], 1);
		execl(path, "xenlocal-dma", "--rundir", fixture_rundir(),
		      "--sbdf", SBDF_TEXT, "--file", file, NULL);
		_exit(127);
	}
	close(out[1]);
	ck_assert_int_eq(read(out[0], line, sizeof(line) - 1), 6);
	ck_assert_str_eq(line, "ready\n");
	close(out[0]);
}

static void engine_stop(void)
{
	if (engine > 0) {
		kill(engine, SIGKILL);
		waitpid(engine, NULL, 0);
	}
	engine = 0;
	close(image);
}

static void setup(void)
{
	fixture_start();
	fixture_domain(1);
	fixture_domain(2);
	engine_start();
	fixture_enter(0);
	xch = xc_interface_open(NULL, NULL, 0);
	ck_assert_ptr_nonnull(xch);
}

static void teardown(void)
{
	xc_interface_close(xch);
	engine_stop();
	fixture_stop();
}

/* --- one domain's things ---------------------------------------------------
 */

static int own_call(uint32_t domid, uint32_t cmd, struct xenlocal_op *op)
{
	xencall_handle *xcall;
	struct xenlocal_op *arg;
	int rc;

	fixture_enter(domid);
	xcall = xencall_open(NULL, 0);
	ck_assert_ptr_nonnull(xcall);
	arg = xencall_alloc_buffer(xcall, sizeof(*arg));
	*arg = *op;
	rc = xencall2(xcall, XENLOCAL_HYPERCALL, cmd, (uintptr_t)arg);
	if (rc < 0)
		rc = -errno;
	*op = *arg;
	xencall_free_buffer(xcall, arg);
	xencall_close(xcall);
	return rc;
}

static int bus_frame(uint32_t domid, uint32_t granter, uint32_t ref,
		     uint64_t *frame, bool *writable)
{
	struct xenlocal_op op = {0};
	int rc;

	op.u.bus_frame.domid = granter;
	op.u.bus_frame.ref = ref;
	rc = own_call(domid, XENLOCAL_BUS_FRAME, &op);
	*frame = op.u.bus_frame.frame;
	*writable = op.u.bus_frame.writable;
	return rc;
}

static struct xenlocal_device_faults faults(uint32_t domid)
{
	struct xenlocal_op op = {0};

	op.u.faults.sbdf = SBDF;
	ck_assert_int_eq(own_call(domid, XENLOCAL_DEVICE_FAULTS, &op), 0);
	return op.u.faults;
}

static int channel_open(void)
{
	struct dma_hello hello;
	int fd;

	fixture_enter(1);
	fd = xenlocal_dma_open(SBDF);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(recv(fd, &hello, sizeof(hello), 0), sizeof(hello));
	ck_assert_uint_eq(hello.version, DMA_VERSION);
	ck_assert_uint_eq(hello.size, IMAGE_SIZE);
	return fd;
}

static struct dma_completion dma(int fd, enum dma_op op, uint64_t offset,
				 uint64_t bus_addr, uint32_t len)
{
	struct dma_desc desc = {.tag = 0x1234567800000001,
				.device_offset = offset,
				.bus_addr = bus_addr,
				.len = len,
				.op = op};
	struct dma_completion done = {0};

	ck_assert_int_eq(send(fd, &desc, sizeof(desc), 0), sizeof(desc));
	ck_assert_int_eq(recv(fd, &done, sizeof(done), 0), sizeof(done));
	ck_assert_uint_eq(done.tag, desc.tag);
	return done;
}

#define ck_assert_dma(fd, op, offset, addr, length, err, moved)              \
	do {                                                                 \
		struct dma_completion c = dma(fd, op, offset, addr, length); \
		ck_assert_int_eq(c.status, err);                             \
		ck_assert_uint_eq(c.len, moved);                             \
	} while (0)

static void assign(void)
{
	fixture_enter(0);
	ck_assert_int_eq(xc_assign_device(xch, 1, SBDF, 0), 0);
}

/* Pages of the guest, granted to domain 1. */
struct granted {
	xengntshr_handle *sh;
	uint8_t *page;
	uint32_t ref[4];
	unsigned int count;
};

static struct granted grant(uint32_t from, uint32_t to, unsigned int count,
			    bool writable)
{
	struct granted g = {.count = count};

	fixture_enter(from);
	g.sh = xengntshr_open(NULL, 0);
	ck_assert_ptr_nonnull(g.sh);
	g.page = xengntshr_share_pages(g.sh, to, count, g.ref, writable);
	ck_assert_ptr_nonnull(g.page);
	return g;
}

static void ungrant(struct granted *g)
{
	xengntshr_unshare(g->sh, g->page, g->count);
	xengntshr_close(g->sh);
}

static xengnttab_handle *open_gnttab(void)
{
	xengnttab_handle *gt;

	fixture_enter(1);
	gt = xengnttab_open(NULL, 0);
	ck_assert_ptr_nonnull(gt);
	return gt;
}

/* --- the tests --------------------------------------------------------------
 */

START_TEST(assignment)
{
	uint32_t group[4], num = 9;

	ck_assert_int_eq(xc_test_assign_device(xch, DOMID_INVALID, SBDF), 0);
	ck_assert_int_eq(xc_test_assign_device(xch, 1, SBDF), 0);
	ck_assert_int_lt(xc_test_assign_device(xch, 1, SBDF + 1), 0);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_lt(xc_assign_device(xch, 0, SBDF, 0), 0);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_lt(xc_assign_device(xch, 1, SBDF + 1, 0), 0);
	ck_assert_int_eq(errno, ENODEV);
	ck_assert_int_lt(xc_assign_device(xch, 99, SBDF, 0), 0);
	ck_assert_int_eq(errno, ESRCH);
	assign();
	ck_assert_int_lt(xc_assign_device(xch, 2, SBDF, 0), 0);
	ck_assert_int_eq(errno, EBUSY);
	ck_assert_int_lt(xc_test_assign_device(xch, 2, SBDF), 0);
	ck_assert_int_eq(xc_get_device_group(xch, 1, SBDF, 4, &num, group), 0);
	ck_assert_uint_eq(num, 0);
	ck_assert_int_lt(xc_deassign_device(xch, 2, SBDF), 0);
	ck_assert_int_eq(errno, ENODEV);
	ck_assert_int_eq(xc_deassign_device(xch, 1, SBDF), 0);
	ck_assert_int_eq(xc_assign_device(xch, 2, SBDF, 0), 0);
	/* a domain that goes gives its devices back */
	fixture_destroy(2);
	ck_assert_int_eq(xc_test_assign_device(xch, 1, SBDF), 0);
}
END_TEST

START_TEST(mapped_grant)
{
	struct granted g = grant(2, 1, 2, true);
	xengnttab_handle *gt = open_gnttab();
	uint64_t frame[2];
	bool writable;
	uint8_t *map, buf[PAGE];
	int fd;

	/* the first page is mapped before the device is assigned */
	map = xengnttab_map_grant_ref(gt, 2, g.ref[0], PROT_READ | PROT_WRITE);
	ck_assert_ptr_nonnull(map);
	ck_assert_int_eq(bus_frame(1, 2, g.ref[0], &frame[0], &writable),
			 -ENODEV);
	assign();
	fd = channel_open();
	ck_assert_int_eq(bus_frame(1, 2, g.ref[0], &frame[0], &writable), 0);
	ck_assert(writable);
	ck_assert_dma(fd, DMA_READ, 8192 + 5, frame[0] * PAGE + 100, 1000, 0,
		      1000);
	for (size_t i = 0; i < 1000; i++) {
		ck_assert_uint_eq(g.page[100 + i], pattern(8192 + 5 + i));
		ck_assert_uint_eq(map[100 + i], pattern(8192 + 5 + i));
	}
	ck_assert_uint_eq(g.page[99] | g.page[1100], 0);
	memset(g.page, 0x5a, PAGE);
	ck_assert_dma(fd, DMA_WRITE, 64 * PAGE, frame[0] * PAGE, PAGE, 0, PAGE);
	ck_assert_dma(fd, DMA_FLUSH, 0, 0, 0, 0, 0);
	ck_assert_int_eq(pread(image, buf, PAGE, 64 * PAGE), PAGE);
	ck_assert_mem_eq(buf, g.page, PAGE);
	/* the second page is granted, but not mapped */
	ck_assert_int_eq(bus_frame(1, 2, g.ref[1], &frame[1], &writable),
			 -ENOENT);
	ck_assert_uint_eq(faults(1).reads + faults(1).writes, 0);
	ck_assert_int_eq(xengnttab_unmap(gt, map, 1), 0);
	xengnttab_close(gt);
	ungrant(&g);
	close(fd);
}
END_TEST

START_TEST(unmapped_faults)
{
	struct granted g = grant(2, 1, 2, true);
	xengnttab_handle *gt = open_gnttab();
	uint64_t addr;
	bool writable;
	void *map, *twice;
	int fd;

	assign();
	fd = channel_open();
	map = xengnttab_map_grant_ref(gt, 2, g.ref[0], PROT_READ | PROT_WRITE);
	twice = xengnttab_map_grant_ref(gt, 2, g.ref[0], PROT_READ);
	ck_assert_ptr_nonnull(map);
	ck_assert_ptr_nonnull(twice);
	ck_assert_int_eq(bus_frame(1, 2, g.ref[0], &addr, &writable), 0);
	addr *= PAGE;
	/* the pages are neighbours, and only the first is mapped */
	ck_assert_dma(fd, DMA_READ, 0, addr + 3000, 4096, -EFAULT, 1096);
	ck_assert_uint_eq(g.page[4095], pattern(1095));
	ck_assert_uint_eq(g.page[4096], 0);
	ck_assert_uint_eq(faults(1).writes, 1);
	ck_assert_uint_eq(faults(1).last_addr, addr + PAGE);
	/* one of two mappings gone, the writable one */
	ck_assert_int_eq(xengnttab_unmap(gt, map, 1), 0);
	ck_assert_dma(fd, DMA_WRITE, 0, addr, 512, 0, 512);
	ck_assert_dma(fd, DMA_READ, 0, addr, 512, -EFAULT, 0);
	fixture_log_has("mapped read-only");
	/* both */
	ck_assert_int_eq(xengnttab_unmap(gt, twice, 1), 0);
	ck_assert_dma(fd, DMA_WRITE, 0, addr, 512, -EFAULT, 0);
	fixture_log_has("device 0000:00:04.0 of domain 1, read of bus address");
	ck_assert_uint_eq(faults(1).writes, 2);
	ck_assert_uint_eq(faults(1).reads, 1);
	ck_assert_uint_eq(faults(0).reads, 1);
	xengnttab_close(gt);
	ungrant(&g);
	close(fd);
}
END_TEST

START_TEST(read_only_grant)
{
	struct granted g = grant(2, 1, 1, false);
	xengnttab_handle *gt = open_gnttab();
	uint64_t frame;
	bool writable;
	void *map;
	int fd;

	assign();
	fd = channel_open();
	memset(g.page, 0x77, PAGE);
	map = xengnttab_map_grant_ref(gt, 2, g.ref[0], PROT_READ);
	ck_assert_ptr_nonnull(map);
	ck_assert_int_eq(bus_frame(1, 2, g.ref[0], &frame, &writable), 0);
	ck_assert(!writable);
	ck_assert_dma(fd, DMA_READ, 0, frame * PAGE, PAGE, -EFAULT, 0);
	ck_assert_dma(fd, DMA_WRITE, 0, frame * PAGE, PAGE, 0, PAGE);
	for (size_t i = 0; i < PAGE; i++)
		ck_assert_uint_eq(g.page[i], 0x77);
	xengnttab_unmap(gt, map, 1);
	xengnttab_close(gt);
	ungrant(&g);
	close(fd);
}
END_TEST

/* A process that dies unmaps; the device must not go on. */
START_TEST(closed_handle)
{
	struct granted g = grant(2, 1, 1, true);
	xengnttab_handle *gt = open_gnttab();
	uint64_t frame;
	bool writable;
	int fd;

	assign();
	fd = channel_open();
	ck_assert_ptr_nonnull(xengnttab_map_grant_ref(gt, 2, g.ref[0],
						      PROT_READ | PROT_WRITE));
	ck_assert_int_eq(bus_frame(1, 2, g.ref[0], &frame, &writable), 0);
	xengnttab_close(gt);
	fixture_wait_for(bus_frame(1, 2, g.ref[0], &frame, &writable) ==
			 -ENOENT);
	ungrant(&g);
	close(fd);
}
END_TEST

START_TEST(own_pages)
{
	struct granted rw = grant(1, 2, 1, true), ro = grant(1, 2, 1, false);
	uint64_t frame, ro_frame;
	bool writable;
	int fd;

	assign();
	fd = channel_open();
	ck_assert_int_eq(bus_frame(1, DOMID_SELF, rw.ref[0], &frame, &writable),
			 0);
	ck_assert(writable);
	ck_assert_dma(fd, DMA_READ, 0, frame * PAGE, PAGE, 0, PAGE);
	ck_assert_uint_eq(rw.page[77], pattern(77));
	ck_assert_int_eq(bus_frame(1, 1, ro.ref[0], &ro_frame, &writable), 0);
	ck_assert_dma(fd, DMA_READ, 0, ro_frame * PAGE, PAGE, -EFAULT, 0);
	ungrant(&rw);
	ck_assert_dma(fd, DMA_READ, 0, frame * PAGE, PAGE, -EFAULT, 0);
	ungrant(&ro);
	close(fd);
}
END_TEST

START_TEST(not_the_owner)
{
	struct granted g = grant(1, 2, 1, true);
	struct xenlocal_op op = {0};
	uint64_t frame;
	bool writable;

	assign();
	fixture_enter(2);
	ck_assert_int_eq(xenlocal_dma_open(SBDF), -ENODEV);
	ck_assert_int_eq(xenlocal_dma_open(SBDF + 1), -ENODEV);
	op.u.faults.sbdf = SBDF;
	ck_assert_int_eq(own_call(2, XENLOCAL_DEVICE_FAULTS, &op), -ENODEV);
	ck_assert_int_eq(bus_frame(2, 1, g.ref[0], &frame, &writable), -ENODEV);
	ck_assert_int_eq(own_call(2, 99, &op), -ENOSYS);
	ungrant(&g);
}
END_TEST

START_TEST(taken_away)
{
	struct granted g = grant(1, 2, 1, true);
	struct dma_completion done;
	int fd;

	assign();
	fd = channel_open();
	fixture_enter(0);
	ck_assert_int_eq(xc_deassign_device(xch, 1, SBDF), 0);
	ck_assert_int_eq(recv(fd, &done, sizeof(done), 0), 0);
	close(fd);
	fixture_enter(1);
	ck_assert_int_eq(xenlocal_dma_open(SBDF), -ENODEV);
	ungrant(&g);
}
END_TEST

START_TEST(channel_limits)
{
	struct dma_desc desc[2] = {{.tag = 1, .op = 77}, {.tag = 2, .op = 1}};
	struct dma_completion done[2];
	int fd;

	assign();
	fd = channel_open();
	desc[1].len = DMA_MAX_LEN + 1;
	ck_assert_int_eq(send(fd, desc, sizeof(desc), 0), sizeof(desc));
	ck_assert_int_eq(recv(fd, done, sizeof(done), 0), sizeof(done));
	ck_assert_int_eq(done[0].status, -EINVAL);
	ck_assert_int_eq(done[1].status, -EINVAL);
	ck_assert_dma(fd, DMA_READ, IMAGE_SIZE, 0, 1, -ENOSPC, 0);
	ck_assert_dma(fd, DMA_READ, UINT64_MAX, 0, 2, -ENOSPC, 0);
	ck_assert_dma(fd, DMA_READ, 0, UINT64_MAX - 3, 8, -EFAULT, 0);
	ck_assert_dma(fd, DMA_READ, 0, UINT64_MAX - PAGE, 8, -EFAULT, 0);
	/* half a descriptor ends the channel, and only that */
	ck_assert_int_eq(send(fd, desc, 7, 0), 7);
	ck_assert_int_eq(recv(fd, done, sizeof(done), 0), 0);
	close(fd);
	/* more channels, one after the other, than may be open at once */
	for (int i = 0; i < 40; i++)
		close(channel_open());
}
END_TEST

/* A device model that is not the engine, on a device that nobody owns. */
START_TEST(unassigned_faults)
{
	struct wire_msg msg = {.op = WIRE_DEVICE_REGISTER};
	struct client model;
	char path[128], data[64] = "";
	int pair[2];
	struct client_io io = {.nr_fds = 1, .fds = &pair[1]};

	snprintf(path, sizeof(path), "%s/control", fixture_rundir());
	ck_assert_int_eq(client_open_control(&model, path), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	/* the engine has this one already */
	msg.device.sbdf = SBDF;
	ck_assert_int_eq(client_call(&model, &msg, &io), -EEXIST);
	msg = (struct wire_msg){.op = WIRE_DEVICE_DMA};
	ck_assert_int_eq(client_call(&model, &msg, NULL), -ENODEV);
	msg = (struct wire_msg){.op = WIRE_DEVICE_REGISTER};
	msg.device.sbdf = 0x28;
	ck_assert_int_eq(client_call(&model, &msg, &io), 0);
	msg = (struct wire_msg){.op = WIRE_DEVICE_DMA, .payload_len = 64};
	msg.dma.bus_addr = 8 * PAGE;
	msg.dma.len = 64;
	msg.dma.write = 1;
	io = (struct client_io){.payload = data};
	ck_assert_int_eq(client_call(&model, &msg, &io), -EFAULT);
	fixture_log_has("device 0000:00:05.0 of no domain, write of bus "
			"address 0x8000: the device is not assigned");
	/* not an administrator's connection any more */
	msg = (struct wire_msg){.op = WIRE_CTL_DOMAIN_SOCKET};
	ck_assert_int_eq(client_call(&model, &msg, NULL), -EPERM);
	/* gone with its connection */
	fixture_enter(0);
	ck_assert_int_eq(xc_test_assign_device(xch, 1, 0x28), 0);
	client_close(&model);
	fixture_wait_for(xc_test_assign_device(xch, 1, 0x28) < 0);
	close(pair[0]);
	close(pair[1]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("local_iommu");
	TCase *tc = tcase_create("iommu");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 20);
	tcase_add_test(tc, assignment);
	tcase_add_test(tc, mapped_grant);
	tcase_add_test(tc, unmapped_faults);
	tcase_add_test(tc, read_only_grant);
	tcase_add_test(tc, closed_handle);
	tcase_add_test(tc, own_pages);
	tcase_add_test(tc, not_the_owner);
	tcase_add_test(tc, taken_away);
	tcase_add_test(tc, channel_limits);
	tcase_add_test(tc, unassigned_faults);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
