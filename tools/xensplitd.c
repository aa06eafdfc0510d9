// SPDX-License-Identifier: MIT
/*
 * xensplitd: the backend daemon of a driver domain.  The same program is the
 * supervisor and, run by it, a worker (--worker) or the process of a NIC's
 * user-mode network (--user-link).
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "backend/control.h"
#include "backend/link_user.h"
#include "backend/super.h"
#include "backend/worker.h"
#include "backend/worker_proto.h"
#include "backend/worker_spawn.h"
#include "hypercall/log.h"
#include "tools/notify.h"
#include "tools/version.h"

#define DOMID_MAX       0x7fefu
#define WORKERS_MAX     256u
#define QUEUES_DEFAULT  4u
#define POLL_US_DEFAULT 50u
#define POLL_US_MAX     10000u

struct options {
	struct super_options super;
	enum log_level level;
	bool worker;
	unsigned int domid; /* of a worker */
};

static const char usage_text[] =
	"usage: xensplitd [OPTION...]\n"
	"Serve the paravirtual disks and NICs that xenstore lists below this\n"
	"domain's backend/ directory.  Log lines go to standard error.\n"
	"\n"
	"  --control PATH    control socket (default: $XENSPLIT_RUNDIR/control,\n"
	"                    else " CONTROL_PATH_DEFAULT "); empty: none\n"
	"  --workers-max N   guests served at the same time (default 256)\n"
	"  --queues-max N    queues offered per disk or NIC, 1 to 16 (default\n"
	"                    4; a NIC gets at most 8)\n"
	"  --loops N         data threads per guest (default: one a CPU, at\n"
	"                    most 4)\n"
	"  --poll-us N       microseconds to poll before sleeping, 0 to 10000\n"
	"                    (default 50)\n"
	"  --vbd WHICH       disks in backend/vbd: all; marked: those with\n"
	"                    xensplit/serve=1; auto (default): marked where this\n"
	"                    kernel's own backend serves the others, else all.\n"
	"                    Those in backend/xensplit-vbd are always served.\n"
	"  --vif WHICH       the same for NICs, backend/vif, backend/xensplit-vif\n"
	"  --run-scripts     run the hotplug scripts of NICs: in a driver domain\n"
	"                    where no toolstack (xl devd) does\n"
	"  --ready-fd N      write a line to descriptor N when ready\n"
	"  --log-level L     error, warning, info (default) or debug\n"
	"  --help, --version\n"
	"\n"
	"SIGTERM: close all devices and end.  SIGHUP: look again at the\n"
	"sizes of all disks and the policies of all NICs.\n";

static void die(const char *option, const char *value)
{
	fprintf(stderr, "xensplitd: %s: '%s' is not a value for it\n", option,
		value);
	exit(2);
}

static unsigned int number(const char *option, const char *value,
			   unsigned int min, unsigned int max)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(value, &end, 10);
	if (errno || *end || *value < '0' || *value > '9' || n < min || n > max)
		die(option, value);
	return (unsigned int)n;
}

static enum log_level level(const char *value)
{
	static const char *const names[] = {"error", "warning", "info",
					    "debug"};
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(value, names[i]))
			return (enum log_level)i;
	die("--log-level", value);
	return LOG_LEVEL_INFO;
}

static enum super_serve which(const char *option, const char *value)
{
	static const char *const names[] = {[SUPER_SERVE_AUTO] = "auto",
					    [SUPER_SERVE_ALL] = "all",
					    [SUPER_SERVE_MARKED] = "marked"};
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(value, names[i]))
			return (enum super_serve)i;
	die(option, value);
	return SUPER_SERVE_AUTO;
}

enum {
	OPT_CONTROL = 256,
	OPT_WORKERS_MAX,
	OPT_QUEUES_MAX,
	OPT_LOOPS,
	OPT_POLL_US,
	OPT_VBD,
	OPT_VIF,
	OPT_RUN_SCRIPTS,
	OPT_READY_FD,
	OPT_LOG_LEVEL,
	OPT_WORKER,
	OPT_HELP,
	OPT_VERSION,
};

static const struct option long_options[] = {
	{"control", required_argument, NULL, OPT_CONTROL},
	{"workers-max", required_argument, NULL, OPT_WORKERS_MAX},
	{"queues-max", required_argument, NULL, OPT_QUEUES_MAX},
	{"loops", required_argument, NULL, OPT_LOOPS},
	{"poll-us", required_argument, NULL, OPT_POLL_US},
	{"vbd", required_argument, NULL, OPT_VBD},
	{"vif", required_argument, NULL, OPT_VIF},
	{"run-scripts", no_argument, NULL, OPT_RUN_SCRIPTS},
	{"ready-fd", required_argument, NULL, OPT_READY_FD},
	{"log-level", required_argument, NULL, OPT_LOG_LEVEL},
	{"worker", required_argument, NULL, OPT_WORKER},
	{"help", no_argument, NULL, OPT_HELP},
	{"version", no_argument, NULL, OPT_VERSION},
	{NULL, 0, NULL, 0},
};

static void set_option(struct options *o, int opt)
{
	switch (opt) {
	case OPT_CONTROL:
		o->super.control = *optarg ? optarg : NULL;
		break;
	case OPT_WORKERS_MAX:
		o->super.workers_max = number("--workers-max", optarg, 1,
					      32768);
		break;
	case OPT_QUEUES_MAX:
		o->super.queues_max = number("--queues-max", optarg, 1,
					     BLK_MAX_QUEUES);
		break;
	case OPT_LOOPS:
		o->super.loops = number("--loops", optarg, 0, 4);
		break;
	case OPT_POLL_US:
		o->super.poll_us = number("--poll-us", optarg, 0, POLL_US_MAX);
		break;
	case OPT_VBD:
		o->super.vbd = which("--vbd", optarg);
		break;
	case OPT_VIF:
		o->super.vif = which("--vif", optarg);
		break;
	case OPT_RUN_SCRIPTS:
		o->super.run_scripts = true;
		break;
	case OPT_READY_FD:
		o->super.ready_fd = (int)number("--ready-fd", optarg, 0,
						1 << 20);
		break;
	case OPT_LOG_LEVEL:
		o->super.log_level = optarg;
		o->level = level(optarg);
		break;
	case OPT_WORKER:
		o->worker = true;
		o->domid = number("--worker", optarg, 0, DOMID_MAX);
		break;
	case OPT_HELP:
		fputs(usage_text, stdout);
		exit(0);
	case OPT_VERSION:
		puts("xensplitd " XENSPLIT_VERSION);
		exit(0);
	default:
		fputs("Try 'xensplitd --help'.\n", stderr);
		exit(2);
	}
}

static void parse(struct options *o, int argc, char **argv)
{
	const char *rundir = getenv(CONTROL_DIR_ENV);
	static char control[256];
	int opt;

	snprintf(control, sizeof(control), "%s", CONTROL_PATH_DEFAULT);
	if (rundir && *rundir)
		snprintf(control, sizeof(control), "%s/control", rundir);

	memset(o, 0, sizeof(*o));
	o->level = LOG_LEVEL_INFO;
	o->super = (struct super_options){
		.control = control,
		.workers_max = WORKERS_MAX,
		.queues_max = QUEUES_DEFAULT,
		.poll_us = POLL_US_DEFAULT,
		.log_level = "info",
		.version = XENSPLIT_VERSION,
		.ready_fd = -1,
	};
	while ((opt = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		set_option(o, opt);
	if (optind < argc) {
		fprintf(stderr, "xensplitd: '%s' is not an option\n",
			argv[optind]);
		exit(2);
	}
}

/* A few descriptors a disk, and thousands of disks. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int supervise(const struct super_options *opt)
{
	struct supervisor *super;
	int err;

	if (super_open(&super, opt))
		return 1;
	err = notify("READY=1");
	if (err)
		log_warn("-", "cannot tell the service manager: %s",
			 strerror(-err));
	notify_end();
	super_run(super);
	super_close(super);
	return 0;
}

int main(int argc, char **argv)
{
	struct options o;
	int err;

	link_user_main(argc, argv);
	parse(&o, argc, argv);
	log_init(o.worker ? "xensplitd-worker" : "xensplitd", o.level);
	signal(SIGPIPE, SIG_IGN);
	if (o.worker) {
		const struct worker_options w = {
			.domid = o.domid,
			.poll_max_us = o.super.poll_us,
		};

		return worker_main(WORKER_FD, &w);
	}
	err = worker_spawn_reserve_fd();
	if (err) {
		log_err("-", "descriptor %d: %s", WORKER_FD, strerror(-err));
		return 1;
	}
	raise_file_limit();
	return supervise(&o.super);
}
