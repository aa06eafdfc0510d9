// SPDX-License-Identifier: MIT
/*
 * The keys of a disk, as toolstacks and frontends may write them, as tables.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/vbd.h"
#include "tests/unit/keys_fixture.h"
#include "tests/unit/run_suite.h"

#define DIR KEYS_DIR

/* ---- the toolstack's ---- */

static const struct {
	const char *keys;
	int res;
	const char *target; /* or a part of the reason */
	enum image_mode mode;
} configs[] = {
	{"params=/a;mode=w", 0, "/a", IMAGE_WRITE},
	{"params=/a;mode=r", 0, "/a", IMAGE_READ},
	{"params=/a;mode=ro", 0, "/a", IMAGE_READ},
	{"params=/a;mode=rw", 0, "/a", IMAGE_WRITE},
	{"params=/a;mode=w!", 0, "/a", IMAGE_SHARED},
	{"params=nbd:unix:/s;mode=w", 0, "nbd:unix:/s", IMAGE_WRITE},
	{"params=/a;mode=W", -EINVAL, "mode", 0},
	{"params=/a;mode=", -EINVAL, "mode", 0},
	{"params=/a", -ENOENT, "mode", 0},
	{"mode=w", -ENOENT, "params", 0},
	{"params=;mode=r;device-type=cdrom", -ENOMEDIUM, "medium", 0},
	{"params=/a;mode=w;device-type=tape", -EINVAL, "device-type", 0},
	{"params=/a;mode=w;removable=2", -EINVAL, "removable", 0},
	{"params=/a;mode=w;discard-enable=no", -EINVAL, "discard-enable", 0},
	{"params=/a;mode=w;xensplit/sector-size=513", -EINVAL, "power", 0},
	{"params=/a;mode=w;xensplit/sector-size=256", -EINVAL, "sector", 0},
	/* hotplug scripts */
	{"params=/a;mode=w;script=block", -EAGAIN, "hotplug-status", 0},
	{"params=/a;mode=w;script=block;hotplug-status=", -EAGAIN,
	 "hotplug-status", 0},
	{"params=/a;mode=w;script=block;hotplug-status=error;"
	 "hotplug-error=no such LV",
	 -EIO, "no such LV", 0},
	{"params=/a;mode=w;script=block;hotplug-status=busy", -EIO, "reason",
	 0},
	{"params=/a;mode=w;script=block;hotplug-status=connected", 0, "/a",
	 IMAGE_WRITE},
	{"params=/a;mode=w;script=block;hotplug-status=connected;"
	 "physical-device-path=/dev/x;physical-device=7:1",
	 0, "/dev/x", IMAGE_WRITE},
	{"params=/a;mode=w;script=block;hotplug-status=connected;"
	 "physical-device=fd:1a",
	 0, "/dev/block/253:26", IMAGE_WRITE},
	{"params=/a;mode=w;script=block;hotplug-status=connected;"
	 "physical-device=7",
	 -EINVAL, "physical-device", 0},
	{"params=/a;mode=w;script=block;hotplug-status=connected;"
	 "physical-device=7:1:2",
	 -EINVAL, "physical-device", 0},
	{"params=/a;mode=w;script=block;hotplug-status=connected;"
	 "physical-device=7:",
	 -EINVAL, "physical-device", 0},
	{"params=/a;mode=w;script=block;hotplug-status=connected;"
	 "physical-device= 7:1",
	 -EINVAL, "physical-device", 0},
	/* without a script nobody has written it */
	{"params=/a;mode=w;physical-device-path=/dev/x", 0, "/a", IMAGE_WRITE},
};

START_TEST(config)
{
	struct vbd_config cfg;
	struct xs_err err = {""};
	char *text = strdup(configs[_i].keys);

	set_keys(text);
	ck_assert_int_eq(vbd_config_read(NULL, DIR, &cfg, &err),
			 configs[_i].res);
	if (configs[_i].res) {
		ck_assert_msg(strstr(err.text, configs[_i].target), "%s: '%s'",
			      configs[_i].keys, err.text);
	} else {
		ck_assert_str_eq(cfg.target, configs[_i].target);
		ck_assert_int_eq(cfg.mode, configs[_i].mode);
	}
	free(text);
}
END_TEST

START_TEST(config_values)
{
	struct vbd_config cfg;
	struct xs_err err;
	char none[] = "params=/a;mode=w";
	char all[] = "params=/a;mode=r;device-type=cdrom;removable=1;"
		     "discard-enable=0;direct-io-safe=1;dev=xvdb;"
		     "xensplit/sector-size=4096";

	set_keys(none);
	ck_assert_int_eq(vbd_config_read(NULL, DIR, &cfg, &err), 0);
	ck_assert(!cfg.cdrom && !cfg.removable && !cfg.direct_io_safe);
	ck_assert(cfg.discard);
	ck_assert_uint_eq(cfg.sector_size, 0);
	set_keys(all);
	ck_assert_int_eq(vbd_config_read(NULL, DIR, &cfg, &err), 0);
	ck_assert(cfg.cdrom && cfg.removable && cfg.direct_io_safe);
	ck_assert(!cfg.discard);
	ck_assert_uint_eq(cfg.sector_size, 4096);
	ck_assert_str_eq(cfg.dev, "xvdb");
}
END_TEST

/* ---- the frontend's ---- */

static const struct {
	const char *keys;
	const char *reason; /* NULL: accepted */
	unsigned int queues, pages;
	enum blk_abi abi;
} fronts[] = {
	{"ring-ref=8;event-channel=3", NULL, 1, 1, BLK_ABI_X86_64},
	{"ring-ref=8;event-channel=3;protocol=x86_32-abi", NULL, 1, 1,
	 BLK_ABI_X86_32},
	{"ring-ref=8;event-channel=3;protocol=x86_64-abi", NULL, 1, 1,
	 BLK_ABI_X86_64},
	{"ring-ref=8;event-channel=3;protocol=", NULL, 1, 1, BLK_ABI_X86_64},
	{"ring-ref=8;event-channel=3;protocol=arm-abi", "protocol", 0, 0, 0},
	/* an order of 0 with either name */
	{"ring-page-order=0;ring-ref=8;event-channel=3", NULL, 1, 1,
	 BLK_ABI_X86_64},
	{"ring-page-order=0;ring-ref0=8;event-channel=3", NULL, 1, 1,
	 BLK_ABI_X86_64},
	{"ring-page-order=1;ring-ref0=8;ring-ref1=9;event-channel=3", NULL, 1,
	 2, BLK_ABI_X86_64},
	{"ring-page-order=1;ring-ref=8;event-channel=3", "ring-ref0", 0, 0, 0},
	{"ring-page-order=5;ring-ref0=8;event-channel=3", "ring-page-order", 0,
	 0, 0},
	{"ring-ref=4294967295;event-channel=3", NULL, 1, 1, BLK_ABI_X86_64},
	{"ring-ref=4294967296;event-channel=3", "ring-ref", 0, 0, 0},
	{"ring-ref=8;event-channel=0", "event-channel", 0, 0, 0},
	{"ring-ref=8", "event-channel", 0, 0, 0},
	{"event-channel=3", "ring-ref", 0, 0, 0},
	{"", "ring-ref", 0, 0, 0},
	{"ring-ref=8;event-channel=3;feature-persistent=x", "persistent", 0, 0,
	 0},
	{"multi-queue-num-queues=1;ring-ref=8;event-channel=3", NULL, 1, 1,
	 BLK_ABI_X86_64},
	{"multi-queue-num-queues=2;queue-0/ring-ref=8;queue-0/event-channel=3;"
	 "queue-1/ring-ref=9;queue-1/event-channel=4",
	 NULL, 2, 1, BLK_ABI_X86_64},
	{"multi-queue-num-queues=2;ring-page-order=1;queue-0/ring-ref0=8;"
	 "queue-0/ring-ref1=9;queue-0/event-channel=3;queue-1/ring-ref0=10;"
	 "queue-1/ring-ref1=11;queue-1/event-channel=4",
	 NULL, 2, 2, BLK_ABI_X86_64},
	{"multi-queue-num-queues=2;ring-ref=8;event-channel=3",
	 "queue-0/ring-ref", 0, 0, 0},
	{"multi-queue-num-queues=0;ring-ref=8;event-channel=3", "num-queues", 0,
	 0, 0},
	{"multi-queue-num-queues=3;ring-ref=8;event-channel=3", "offered", 0, 0,
	 0},
	{"multi-queue-num-queues=2;queue-0/ring-ref=8;queue-0/event-channel=3;"
	 "queue-1/ring-ref=8;queue-1/event-channel=4",
	 "'8' is there twice", 0, 0, 0},
	{"multi-queue-num-queues=2;queue-0/ring-ref=8;queue-0/event-channel=3;"
	 "queue-1/ring-ref=9;queue-1/event-channel=3",
	 "'3' is there twice", 0, 0, 0},
	{"ring-page-order=1;ring-ref0=8;ring-ref1=8;event-channel=3",
	 "'8' is there twice", 0, 0, 0},
};

START_TEST(front)
{
	struct worker_blk_connect c;
	struct xs_err err;
	char *text = strdup(fronts[_i].keys);
	int res;

	set_keys(text);
	nr_transactions = 0;
	res = vbd_connect_read(NULL, DIR, 2, &c, &err);
	ck_assert_uint_eq(nr_transactions, 1);
	if (fronts[_i].reason) {
		ck_assert_int_lt(res, 0);
		ck_assert_msg(strstr(err.text, fronts[_i].reason), "%s: '%s'",
			      fronts[_i].keys, err.text);
	} else {
		ck_assert_msg(!res, "%s: '%s'", fronts[_i].keys, err.text);
		ck_assert_uint_eq(c.nr_queues, fronts[_i].queues);
		ck_assert_uint_eq(c.ring_pages, fronts[_i].pages);
		ck_assert_uint_eq(c.abi, fronts[_i].abi);
		ck_assert_uint_eq(c.queue[0].event_channel, 3);
		if (c.nr_queues > 1)
			ck_assert_uint_eq(c.queue[1].event_channel, 4);
	}
	free(text);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("vbd_config");
	TCase *tc = tcase_create("vbd_config");

	tcase_add_loop_test(tc, config, 0,
			    sizeof(configs) / sizeof(configs[0]));
	tcase_add_test(tc, config_values);
	tcase_add_loop_test(tc, front, 0, sizeof(fronts) / sizeof(fronts[0]));
	suite_add_tcase(s, tc);
	return run_suite(s);
}
