// SPDX-License-Identifier: MIT
/*
 * xenlocal stop: ends everything that runs in one directory.
 */
#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include "tools/xenlocal.h"

#define GUESTS_MS 5000

int cmd_stop(int argc, char **argv)
{
	static const struct option options[] = {
		{"rundir", required_argument, NULL, 'r'},
		{NULL, 0, NULL, 0},
	};
	const char *rundir = NULL;
	struct host h;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt != 'r')
			return 2;
		rundir = optarg;
	}
	if (optind != argc) {
		say("stop takes no argument: %s", argv[optind]);
		return 2;
	}
	if (host_recall_locked(&h, rundir) < 0)
		return 1;
	if (h.dir.lock_fd < 0) {
		say("%s: nothing runs there", h.dir.path);
		return 0;
	}
	host_sweep(&h, GUESTS_MS, true);
	host_close(&h);
	return 0;
}
