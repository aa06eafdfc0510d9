// SPDX-License-Identifier: MIT
/*
 * xenlocal destroy: one domain and its processes.
 */
#include <getopt.h>
#include <stddef.h>

#include "tools/xenlocal.h"

int cmd_destroy(int argc, char **argv)
{
	static const struct option options[] = {
		{"rundir", required_argument, NULL, 'r'},
		{"domid", required_argument, NULL, 'd'},
		{NULL, 0, NULL, 0},
	};
	const char *rundir = NULL, *number = NULL;
	uint32_t domid;
	struct host h;
	int opt, rc;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'r')
			rundir = optarg;
		else if (opt == 'd')
			number = optarg;
		else
			return 2;
	}
	if (!number && optind < argc)
		number = argv[optind++];
	if (!number || optind != argc) {
		say("destroy takes one domain's number");
		return 2;
	}
	if (parse_domid(number, &domid) < 0)
		return 2;
	if (host_open(&h, rundir) < 0)
		return 1;
	rc = rundir_lock(&h.dir);
	if (rc == 0)
		rc = domain_destroy(&h, domid);
	host_close(&h);
	return rc < 0 ? 1 : 0;
}
