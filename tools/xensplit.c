// SPDX-License-Identifier: MIT
/*
 * xensplit: attach, detach and list paravirtual devices.  This file finds the
 * subcommand; each has a file of its own.  See docs/xensplit.md.
 */
#include "tools/xensplit.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hypercall/log.h"
#include "hypercall/xs_parse.h"
#include "tools/version.h"

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *synopsis;
	const char *help;
};

/* clang-format off */
static const struct command commands[] = {
	{"block-attach", cmd_block_attach,
	 "DOMAIN DISKSPEC... [--wait=connected|backend|none] [--class=vbd|xensplit-vbd] [--timeout SECONDS] [--json]",
	 "Give DOMAIN (id or name) a disk, described as in xl-disk-configuration(5):\n"
	 "  xensplit block-attach guest vdev=xvdb,access=rw,target=/srv/guest.img\n"
	 "backend=DOMAIN in it names the driver domain.  Ends with both ends\n"
	 "connected (or, by --wait, as soon as the backend is ready, or at once), or\n"
	 "with a reason and nothing left behind, within SECONDS (10).  The class is\n"
	 "vbd, but xensplit-vbd where this domain is the backend and its kernel\n"
	 "serves vbd.\n"},
	{"block-detach", cmd_block_detach,
	 "DOMAIN VDEV [--force] [--timeout SECONDS] [--json]",
	 "Ask DOMAIN to let go of disk VDEV (a name or number) and remove it.  If\n"
	 "it does not within SECONDS (10), the disk stays attached; --force removes\n"
	 "it without asking, within 5 seconds: requests in flight get errors.\n"},
	{"block-list", cmd_block_list,
	 "[DOMAIN...] [--json]",
	 "List the disks of all domains, or of those named.\n"},
	{"network-attach", cmd_network_attach,
	 "DOMAIN [NICSPEC...] [--wait=connected|backend|none] [--class=vif|xensplit-vif] [--timeout SECONDS] [--json]",
	 "Give DOMAIN (id or name) a NIC, described as in\n"
	 "xl-network-configuration(5):\n"
	 "  xensplit network-attach guest bridge=br0,ip=192.0.2.7,rate=10MB/s\n"
	 "and by keys of xensplitd: link= (what it is plugged into, instead of a\n"
	 "bridge: user:, tap:NAME, memory:echo; options are separated by ;), vlan=,\n"
	 "antispoof=on|mac|addr|off, rate-rx=, pps=, pps-rx=, csum-offload=0|1.\n"
	 "Runs the hotplug script if the backend is in this domain.  Ends as\n"
	 "block-attach does; the class is chosen as there, of vif and xensplit-vif.\n"},
	{"network-detach", cmd_network_detach,
	 "DOMAIN DEVID|MAC [--force] [--timeout SECONDS] [--json]",
	 "Ask DOMAIN to let go of the NIC with that number or address and remove\n"
	 "it; as block-detach.\n"},
	{"network-list", cmd_network_list,
	 "[DOMAIN...] [--json]",
	 "List the NICs of all domains, or of those named.\n"},
	{"network-pcap", cmd_network_pcap,
	 "DOMAIN DEVID FILE|stop [--snap-len BYTES] [--control PATH] [--json]",
	 "Have the xensplitd of this domain record all frames of a NIC to FILE, in\n"
	 "libpcap's format, or stop it.\n"},
	{"stats", cmd_stats,
	 "[DOMAIN [VDEV|vif/DEVID]] [--control PATH] [--json]",
	 "Show what the xensplitd of this domain has moved, by device.  PATH is its\n"
	 "control socket, by default $XENSPLIT_RUNDIR/control or\n"
	 "/run/xensplit/control.\n"},
};
/* clang-format on */
#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < NR_COMMANDS; i++) {
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	}
	return NULL;
}

static void print_overview(FILE *out)
{
	fprintf(out, "Usage: xensplit COMMAND ...\n\n");
	for (size_t i = 0; i < NR_COMMANDS; i++)
		fprintf(out, "  xensplit %s %s\n", commands[i].name,
			commands[i].synopsis);
	fprintf(out, "  xensplit help COMMAND\n"
		     "  xensplit --version\n");
}

static int help(const char *name)
{
	const struct command *c = name ? find_command(name) : NULL;

	if (name && !c) {
		complain("unknown command '%s'", name);
		return EXIT_USAGE;
	}
	if (c)
		printf("Usage: xensplit %s %s\n\n%s", c->name, c->synopsis,
		       c->help);
	else
		print_overview(stdout);
	return EXIT_OK;
}

int complain(const char *fmt, ...)
{
	char text[2048], shown[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	xs_printable(shown, sizeof(shown), text, strlen(text));
	fprintf(stderr, "xensplit: %s\n", shown);
	return EXIT_FAILED;
}

int usage_error(const char *command, const char *fmt, ...)
{
	const struct command *c = find_command(command);
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	complain("%s", text);
	fprintf(stderr, "Usage: xensplit %s %s\n", c->name, c->synopsis);
	return EXIT_USAGE;
}

bool parse_seconds(const char *text, double *seconds)
{
	char *end;
	double n;

	if (*text < '0' || *text > '9')
		return false;
	n = strtod(text, &end);
	if (*end || !isfinite(n) || n <= 0 || n > 86400)
		return false;
	*seconds = n;
	return true;
}

json_t *json_text(const char *text)
{
	json_t *j = json_string(text);
	char shown[2048];

	if (j)
		return j;
	xs_printable(shown, sizeof(shown), text, strlen(text));
	return json_string(shown);
}

void print_json(json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	putchar('\n');
	json_decref(value);
}

int main(int argc, char **argv)
{
	const struct command *c;
	int res;

	/* A reader that goes away, a daemon that does: an error, not a death
	 * half-way. */
	signal(SIGPIPE, SIG_IGN);
	log_init("xensplit", LOG_LEVEL_WARN);
	if (argc < 2) {
		print_overview(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--version")) {
		printf("xensplit %s\n", XENSPLIT_VERSION);
		return EXIT_OK;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
	    !strcmp(argv[1], "help"))
		return help(argc > 2 ? argv[2] : NULL);
	c = find_command(argv[1]);
	if (!c) {
		complain("unknown command '%s'; try xensplit --help", argv[1]);
		return EXIT_USAGE;
	}
	for (int i = 2; i < argc && strcmp(argv[i], "--"); i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return help(c->name);
	}
	res = c->run(argc - 1, argv + 1);
	if (fflush(stdout) || ferror(stdout))
		return complain("cannot write to standard output");
	return res;
}
