// SPDX-License-Identifier: MIT
/*
 * xenlocal: runs embedded Xen, its domains, and programs in them.
 * The subcommands are in xenlocal_*.c.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tools/xenlocal.h"

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{"start", cmd_start,
	 "start [--rundir DIR]\n"
	 "    Start the hypervisor process and xenstored; return when both "
	 "answer.\n"},
	{"stop", cmd_stop,
	 "stop [--rundir DIR]\n"
	 "    End all domains and their processes, xenstored, the hypervisor.\n"},
	{"create", cmd_create,
	 "create [--rundir DIR] [--domid N] [--name NAME] [--driver-domain]\n"
	 "    Make a domain; prints its number.\n"},
	{"destroy", cmd_destroy,
	 "destroy [--rundir DIR] N\n"
	 "    End a domain and its processes.\n"},
	{"exec", cmd_exec,
	 "exec [--rundir DIR] --domid N [--net] [--host-caps] [--] CMD...\n"
	 "    Run CMD in a domain (made if missing); its exit status is "
	 "ours.\n"},
	{"status", cmd_status,
	 "status [--rundir DIR] [--json]\n"
	 "    Domains, processes, ports, grants, devices, faults.  Exit status "
	 "1\n"
	 "    when a part has died, 3 when nothing is running.\n"},
};

#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

void say(const char *format, ...)
{
	va_list ap;

	fputs("xenlocal: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static void help(FILE *to)
{
	fputs("Embedded Xen: Xen's interfaces between processes of one "
	      "machine.\n\nusage: xenlocal COMMAND ...\n\n",
	      to);
	for (size_t i = 0; i < NR_COMMANDS; i++)
		fputs(commands[i].help, to);
	fputs("\nDIR, where all of it lives, is --rundir, else "
	      "$XENLOCAL_RUNDIR, else\n$XDG_RUNTIME_DIR/xenlocal, else, for "
	      "root, /run/xenlocal.\n",
	      to);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	if (!strcmp(name, "--help") || !strcmp(name, "-h") ||
	    !strcmp(name, "help")) {
		help(stdout);
		return 0;
	}
	for (size_t i = 0; i < NR_COMMANDS; i++) {
		if (strcmp(name, commands[i].name))
			continue;
		if (argc > 2 && !strcmp(argv[2], "--help")) {
			printf("usage: xenlocal %s", commands[i].help);
			return 0;
		}
		return commands[i].run(argc - 1, argv + 1);
	}
	if (*name)
		say("no such command: %s", name);
	help(stderr);
	return 2;
}
