// SPDX-License-Identifier: MIT
/* Names and numbers of virtual disks, after xen-vbd-interface(7). */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "hypercall/vdev.h"
#include "tests/unit/run_suite.h"

#define BAD UINT32_MAX

static const struct {
	const char *name;
	uint32_t devid;   /* BAD: refused */
	const char *back; /* NULL: the same name */
} names[] = {
	{"xvda", 51712, NULL},
	{"xvda1", 51713, NULL},
	{"xvda15", 51727, NULL},
	{"xvda16", 1u << 28 | 16, NULL},
	{"xvdb", 51728, NULL},
	{"xvdb2", 51730, NULL},
	{"xvdp", 51952, NULL},
	{"xvdp15", 51967, NULL},
	{"xvdq", 1u << 28 | 16 << 8, NULL},
	{"xvdz", 1u << 28 | 25 << 8, NULL},
	{"xvdaa", 1u << 28 | 26 << 8, NULL},
	{"xvdtq37", 1u << 28 | 536 << 8 | 37, NULL},
	{"xvdzz", 1u << 28 | 701 << 8, NULL},
	{"xvdaaa", 1u << 28 | 702 << 8, NULL},
	{"xvdbgqcv255", 1u << 28 | 1048575u << 8 | 255, NULL},
	{"d1048575p255", 1u << 28 | 1048575u << 8 | 255, "xvdbgqcv255"},
	{"xvda255", 1u << 28 | 255, NULL},
	{"hda", 768, NULL},
	{"hda63", 831, NULL},
	{"hdb1", 833, NULL},
	{"hdc2", 22 << 8 | 2, NULL},
	{"hdd", 22 << 8 | 64, NULL},
	{"sda", 2048, NULL},
	{"sdb3", 2067, NULL},
	{"sdp15", 2303, NULL},
	{"d0", 51712, "xvda"},
	{"d0p0", 51712, "xvda"},
	{"d1p2", 51730, "xvdb2"},
	{"d536p37", 1u << 28 | 536 << 8 | 37, "xvdtq37"},
	{"51712", 51712, "xvda"},
	{"0xca00", 51712, "xvda"},
	{"0145000", 51712, "xvda"},
	{"1", 1, "1"},
	{"0", 0, "0"},
	{"536870911", (2u << 28) - 1, "xvdbgqcv255"},
	/* the extended form of what the short form has room for */
	{"268435456", 1u << 28, "268435456"},
	{"", BAD, NULL},
	{"xvd", BAD, NULL},
	{"xvdA", BAD, NULL},
	{"xvda0", BAD, NULL},
	{"xvda01", BAD, NULL},
	{"xvda256", BAD, NULL},
	{"xvda-1", BAD, NULL},
	{"xvda+1", BAD, NULL},
	{"xvda 1", BAD, NULL},
	{"xvda1a", BAD, NULL},
	{"xvdbgqcw", BAD, NULL},
	{"xvdzzzzzzzzzzzzzzzzzzzz", BAD, NULL},
	{"xvda99999999999999999999", BAD, NULL},
	{"hde", BAD, NULL},
	{"hda64", BAD, NULL},
	{"sdq", BAD, NULL},
	{"sda16", BAD, NULL},
	{"d", BAD, NULL},
	{"dp1", BAD, NULL},
	{"d1p", BAD, NULL},
	{"d1p256", BAD, NULL},
	{"d1048576", BAD, NULL},
	{"d-1", BAD, NULL},
	{"d0x1", BAD, NULL},
	{"536870912", BAD, NULL},
	{"99999999999999999999999", BAD, NULL},
	{"-1", BAD, NULL},
	{" 1", BAD, NULL},
	{"08", BAD, NULL},
	{"51712 ", BAD, NULL},
	{"vda", BAD, NULL},
};

START_TEST(name)
{
	uint32_t devid = 7;
	char back[VDEV_NAME_MAX];
	int res = vdev_parse(names[_i].name, &devid);

	if (names[_i].devid == BAD) {
		ck_assert_msg(res == -EINVAL && devid == 7, "%s: %u",
			      names[_i].name, devid);
		return;
	}
	ck_assert_msg(!res && devid == names[_i].devid, "%s: %u",
		      names[_i].name, devid);
	vdev_name(devid, back);
	ck_assert_str_eq(back,
			 names[_i].back ? names[_i].back : names[_i].name);
}
END_TEST

/* Every name that a number is given leads back to that number. */
START_TEST(there_and_back)
{
	for (uint32_t i = 0; i < 200000; i++) {
		uint32_t devid = i < 60000 ? i : i * 2677u % (2u << 28), again;
		char text[VDEV_NAME_MAX];

		vdev_name(devid, text);
		ck_assert_msg(!vdev_parse(text, &again) && again == devid,
			      "%u %s", devid, text);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("vdev");
	TCase *tc = tcase_create("vdev");

	tcase_add_loop_test(tc, name, 0, sizeof(names) / sizeof(names[0]));
	tcase_add_test(tc, there_and_back);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
