// SPDX-License-Identifier: MIT
/*
 * xenlocal create: one domain, without a program in it yet.
 */
#include <getopt.h>
#include <stdio.h>

#include "tools/xenlocal.h"

int cmd_create(int argc, char **argv)
{
	static const struct option options[] = {
		{"rundir", required_argument, NULL, 'r'},
		{"domid", required_argument, NULL, 'd'},
		{"name", required_argument, NULL, 'n'},
		{"driver-domain", no_argument, NULL, 'b'},
		{NULL, 0, NULL, 0},
	};
	struct domain_spec spec = {.domid = ADMIN_DOMID_END};
	const char *rundir = NULL;
	struct host h;
	int opt, rc;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'r')
			rundir = optarg;
		else if (opt == 'n')
			spec.name = optarg;
		else if (opt == 'b')
			spec.driver_domain = true;
		else if (opt != 'd' || parse_domid(optarg, &spec.domid) < 0)
			return 2;
	}
	if (optind != argc) {
		say("create takes options only: %s", argv[optind]);
		return 2;
	}
	if (host_open(&h, rundir) < 0)
		return 1;
	rc = rundir_lock(&h.dir);
	if (rc == 0)
		rc = domain_create(&h, &spec);
	host_close(&h);
	if (rc == 0)
		printf("%u\n", spec.domid);
	return rc < 0 ? 1 : 0;
}
