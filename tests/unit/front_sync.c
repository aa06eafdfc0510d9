// SPDX-License-Identifier: MIT
/*
 * libblkfront's synchronous calls against a backend in a thread, and names of
 * devices.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/front_fixture.h"

/* ---- a backend with a disk, in a thread ---- */

static uint8_t disk[DISK];
static bool stop_disk;

static void serve(const struct blk_req *req)
{
	const struct blk_seg *segs = req->indirect
					     ? fake_frame(req->indirect_gref[0])
					     : req->seg;
	uint64_t at = req->sector_512 * 512;
	unsigned int i;

	for (i = 0; i < req->nr_segs; i++) {
		uint8_t *page = fake_frame(segs[i].gref);
		uint32_t from = segs[i].first_sect * 512;
		uint32_t len = (segs[i].last_sect + 1) * 512 - from;

		if (req->op == BLKIF_OP_READ)
			memcpy(page + from, disk + at, len);
		else
			memcpy(disk + at, page + from, len);
		at += len;
	}
	answer(req->id, req->op, BLKIF_RSP_OKAY);
}

static void *disk_main(void *arg)
{
	uint64_t count;
	struct blk_req req;
	int n;

	(void)arg;
	for (;;) {
		n = blk_back_ring_avail(&back);
		while (n-- > 0) {
			blk_back_ring_get(&back, &req);
			serve(&req);
		}
		if (blk_back_ring_arm(&back))
			continue;
		if (read(to_back, &count, sizeof(count)) < 0)
			break;
		if (__atomic_load_n(&stop_disk, __ATOMIC_ACQUIRE))
			break;
	}
	return NULL;
}

START_TEST(sync_any_alignment)
{
	static uint8_t model[DISK], buf[DISK];
	unsigned int i, j, seed = 12345 + _i;
	pthread_t thread;

	bf->opt.poll_us = _i * 20;
	stop_disk = false;
	memset(disk, 0, sizeof(disk));
	memset(model, 0, sizeof(model));
	ck_assert_int_eq(pthread_create(&thread, NULL, disk_main, NULL), 0);
	for (i = 0; i < 200; i++) {
		uint32_t offset = rand_r(&seed) % DISK;
		uint32_t len = rand_r(&seed) % (i % 10 ? 3000 : DISK);

		if (len > DISK - offset)
			len = DISK - offset;
		for (j = 0; j < len; j++)
			buf[j] = rand_r(&seed);
		memcpy(model + offset, buf, len);
		ck_assert_int_eq(blkfront_pwrite(q, buf, len, offset), 0);
		memset(buf, 0, len);
		ck_assert_int_eq(blkfront_pread(q, buf, len, offset), 0);
		ck_assert_int_eq(memcmp(buf, model + offset, len), 0);
	}
	ck_assert_int_eq(blkfront_flush(q), 0);
	ck_assert_int_eq(blkfront_pread(q, buf, DISK, 0), 0);
	ck_assert_int_eq(memcmp(buf, model, DISK), 0);
	ck_assert_int_eq(memcmp(disk, model, DISK), 0);
	ck_assert_int_eq(blkfront_pread(q, buf, 1, DISK), -EINVAL);
	ck_assert_int_eq(blkfront_pread(q, buf, 2, DISK - 1), -EINVAL);
	__atomic_store_n(&stop_disk, true, __ATOMIC_RELEASE);
	ring_bell(to_back);
	pthread_join(thread, NULL);
}
END_TEST

/* ---- names ---- */

START_TEST(device_numbers)
{
	static const struct {
		const char *name;
		int devid;
	} c[] = {
		{"xvda", 51712},       {"xvdb", 51728},
		{"xvda1", 51713},      {"xvdp15", 51967},
		{"xvdq", 268439552},   {"xvdaa", 268442112},
		{"xvda16", 268435472}, {"hda", 768},
		{"hdb1", 833},         {"hdc", 5632},
		{"sda", 2048},         {"sdb2", 2066},
		{"d0", 51712},         {"d5p2", 51794},
		{"51712", 51712},      {"0xca00", 51712},
		{"", -EINVAL},         {"xvd", -EINVAL},
		{"xvda0", -EINVAL},    {"xvda256", -EINVAL},
		{"xvdA", -EINVAL},     {"xvda1x", -EINVAL},
		{"hde", -EINVAL},      {"sdq", -EINVAL},
		{"51712x", -EINVAL},   {"99999999999999999999", -EINVAL},
		{"d1048576", -EINVAL}, {"xvdzzzzzzzzzz", -EINVAL},
	};
	unsigned int i;

	for (i = 0; i < sizeof(c) / sizeof(c[0]); i++)
		ck_assert_msg(blkfront_devid(c[i].name) == c[i].devid, "%s: %d",
			      c[i].name, blkfront_devid(c[i].name));
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_loop_test(tc, sync_any_alignment, 0, 2);
	tcase_add_test(tc, device_numbers);
}

int main(void)
{
	return run_for_all_abis("front_sync", add);
}
