// SPDX-License-Identifier: MIT
/*
 * Connects, reads a sector and closes with the states that real frontends
 * write:  front_walk DEVID grub|linux|minios
 *
 *   grub     3 at once, in its own time; closes with 6, then goes to 1 and
 *            expects the backend back at InitWait; never 5
 *   linux    waits for 2, 3, 4; 5, 6
 *   minios   4 at once; 5, 6, then 1 and waits for 2 to 5
 *
 * GRUB and Mini-OS expect to find what GRUB, Mini-OS or the toolstack left: 1
 * of their own, and 2 of the backend.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/io/blkif.h>

#include "tests/e2e/raw_front.h"

static int read_sector(struct raw_front *f)
{
	struct blk_req req = {
		.op = BLKIF_OP_READ,
		.nr_segs = 1,
		.seg[0] = {.gref = raw_ref(f, 0)},
	};

	return raw_ask(f, &req) == BLKIF_RSP_OKAY ? 0 : -1;
}

static int begin(struct raw_front *f, enum xenbus_state state)
{
	int err = raw_make_ring(f, false);

	if (!err) {
		raw_set_state(f, state);
		err = raw_wait_back(f, RAW_BIT(XenbusStateConnected));
	}
	return err ? err : read_sector(f);
}

static int as_grub(struct raw_front *f)
{
	int err = begin(f, XenbusStateInitialised);

	raw_set_state(f, XenbusStateClosed);
	if (!err)
		err = raw_wait_back(f, RAW_BIT(XenbusStateClosed));
	raw_drop_ring(f);
	raw_set_state(f, XenbusStateInitialising);
	return err ? err : raw_wait_back(f, RAW_BIT(XenbusStateInitWait));
}

static int as_linux(struct raw_front *f)
{
	int err = raw_connect(f, true);

	if (!err)
		err = read_sector(f);
	return err ? err : raw_disconnect(f);
}

static int as_minios(struct raw_front *f)
{
	int err = begin(f, XenbusStateConnected);

	if (!err)
		err = raw_disconnect(f);
	raw_set_state(f, XenbusStateInitialising);
	return err ? err
		   : raw_wait_back(f, RAW_BIT(XenbusStateInitWait) |
					      RAW_BIT(XenbusStateInitialised) |
					      RAW_BIT(XenbusStateConnected) |
					      RAW_BIT(XenbusStateClosing));
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*walk)(struct raw_front *f);
	} walks[] = {
		{"grub", as_grub}, {"linux", as_linux}, {"minios", as_minios}};
	struct raw_front f;
	int err = -1;
	size_t i;

	if (argc != 3)
		return 64;
	if (raw_open(&f, "vbd", (unsigned int)atoi(argv[1])))
		return 2;
	for (i = 0; i < sizeof(walks) / sizeof(walks[0]); i++)
		if (!strcmp(argv[2], walks[i].name))
			err = walks[i].walk(&f);
	raw_close(&f);
	return err != 0;
}
