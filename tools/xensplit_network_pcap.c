// SPDX-License-Identifier: MIT
/* xensplit network-pcap: has the xensplitd of this domain record a NIC. */
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hypercall/xs_parse.h"
#include "tools/xensplit.h"
#include "tools/xensplit_nic.h"

#define SNAP_MAX 65535u

/* The daemon has another working directory. */
static bool absolute(const char *file, char out[PATH_MAX])
{
	char cwd[PATH_MAX];
	int n;

	if (*file == '/')
		n = snprintf(out, PATH_MAX, "%s", file);
	else if (getcwd(cwd, sizeof(cwd)))
		n = snprintf(out, PATH_MAX, "%s/%s", cwd, file);
	else
		return false;
	return n < PATH_MAX;
}

static int ask(const char *control, uint32_t domid, uint32_t devid,
	       const char *file, uint64_t snap_len, bool json)
{
	char device[48];
	const char *error;
	json_t *question, *answer;

	snprintf(device, sizeof(device), "vif/%" PRIu32 "/%" PRIu32, domid,
		 devid);
	question = json_pack("{s:s, s:s, s:I}", "command", "pcap", "device",
			     device, "snap_len", (json_int_t)snap_len);
	if (file)
		json_object_set_new(question, "file", json_string(file));
	answer = control_ask(control, question);
	if (!answer)
		return EXIT_FAILED;
	error = json_string_value(json_object_get(answer, "error"));
	if (error)
		complain("%s: %s", device, error);
	if (json)
		print_json(json_incref(answer));
	json_decref(answer);
	return error ? EXIT_FAILED : EXIT_OK;
}

static int choose_domain(const char *text, uint32_t *domid)
{
	struct xs_err why;
	struct ctl ctl;
	int res;

	if (ctl_open(&ctl))
		return EXIT_FAILED;
	res = ctl_domain(&ctl, text, domid, &why);
	if (res)
		complain("%s", why.text);
	ctl_close(&ctl);
	return res ? EXIT_FAILED : EXIT_OK;
}

int cmd_network_pcap(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"control", required_argument, NULL, 'c'},
		{"snap-len", required_argument, NULL, 's'},
		{NULL, 0, NULL, 0},
	};
	char file[PATH_MAX];
	const char *control = NULL;
	uint64_t snap_len = 0;
	uint32_t domid, devid;
	bool json = false, stop;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'j')
			json = true;
		else if (c == 'c')
			control = optarg;
		else if (c == 's' && xs_parse_u64(optarg, strlen(optarg), 1,
						  SNAP_MAX, &snap_len))
			return usage_error(argv[0], "--snap-len %s: bytes",
					   optarg);
		else if (c == '?')
			return usage_error(argv[0], "see the usage");
	}
	if (argc - optind != 3)
		return usage_error(argv[0],
				   "a domain, a NIC, and a file or 'stop' are "
				   "needed");
	if (nic_parse_devid(argv[optind + 1], &devid))
		return usage_error(argv[0], "'%s' is not a NIC's number",
				   argv[optind + 1]);
	stop = !strcmp(argv[optind + 2], "stop");
	if (!stop && !absolute(argv[optind + 2], file))
		return complain("the path is too long");
	if (choose_domain(argv[optind], &domid))
		return EXIT_FAILED;
	return ask(control, domid, devid, stop ? NULL : file, snap_len, json);
}
