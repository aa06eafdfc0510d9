// SPDX-License-Identifier: MIT
/* See hotplug.h. */
#include "backend/hotplug.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hypercall/xs_parse.h"

#define OWN_ENV 6u

extern char **environ;

static bool is_own(char *const own[OWN_ENV], const char *text)
{
	size_t len = strcspn(text, "=");
	unsigned int i;

	for (i = 0; i < OWN_ENV; i++)
		if (!strncmp(own[i], text, len + 1))
			return true;
	return false;
}

/* The caller's, with ours in place of those of the same names: which of two
 * counts is up to the script's shell. */
static char **make_env(char *const own[OWN_ENV])
{
	size_t nr = 0, i;
	char **env;

	while (environ[nr])
		nr++;
	env = calloc(nr + OWN_ENV + 1, sizeof(*env));
	if (!env)
		return NULL;
	memcpy(env, own, OWN_ENV * sizeof(*env));
	for (nr = OWN_ENV, i = 0; environ[i]; i++)
		if (!is_own(own, environ[i]))
			env[nr++] = environ[i];
	return env;
}

static int spawn(struct hotplug *h, const char *script, char **env, bool online)
{
	char *argv[] = {(char *)script, online ? "online" : "offline",
			"type_if=vif", NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, usual;
	int e;

	sigemptyset(&none);
	sigemptyset(&usual);
	sigaddset(&usual, SIGPIPE);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, h->log, 1);
	posix_spawn_file_actions_adddup2(&files, h->log, 2);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP |
						POSIX_SPAWN_SETSIGMASK |
						POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &usual);
	e = posix_spawn(&h->pid, script, &files, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return -e;
}

int hotplug_start(struct hotplug *h, const char *script, const char *class,
		  uint32_t fe_domid, uint32_t devid, const char *netdev,
		  bool online, struct xs_err *err)
{
	char path[64], vif[32], dev[256], name[512];
	char *own[OWN_ENV] = {name, path, "XENBUS_TYPE=vif",
			      dev,  vif,  "XENBUS_BASE_PATH=backend"};
	char **env;
	int e = -ENOMEM;

	*h = (struct hotplug){.pidfd = -1};
	snprintf(name, sizeof(name), "script=%s", script);
	snprintf(path, sizeof(path),
		 "XENBUS_PATH=backend/%s/%" PRIu32 "/%" PRIu32, class, fe_domid,
		 devid);
	snprintf(vif, sizeof(vif), "vif=vif%" PRIu32 ".%" PRIu32, fe_domid,
		 devid);
	snprintf(dev, sizeof(dev), "netdev=%s", netdev);
	h->log = memfd_create("hotplug-log", MFD_CLOEXEC);
	env = make_env(own);
	if (h->log >= 0 && env)
		e = spawn(h, script, env, online);
	free(env);
	if (!e) {
		h->pidfd = (int)syscall(SYS_pidfd_open, h->pid, 0);
		if (h->pidfd >= 0)
			return 0;
		e = -errno;
		hotplug_end(h, err);
	}
	xs_err_set(err, "cannot run the hotplug script %.160s: %s", script,
		   strerror(-e));
	if (h->log >= 0)
		close(h->log);
	h->pid = 0;
	h->log = -1;
	return e;
}

/* The last line that is not empty; "" if there is none. */
static void last_line(int log, char *out, size_t size)
{
	char text[1024];
	off_t end = lseek(log, 0, SEEK_END);
	off_t from = end > (off_t)sizeof(text) - 1
			     ? end - (off_t)sizeof(text) + 1
			     : 0;
	ssize_t n = pread(log, text, sizeof(text) - 1, from);
	char *line;

	out[0] = '\0';
	if (n <= 0)
		return;
	while (n && strchr(" \n", text[n - 1]))
		n--;
	text[n] = '\0';
	line = strrchr(text, '\n');
	line = line ? line + 1 : text;
	xs_printable(out, size, line, strlen(line));
}

int hotplug_end(struct hotplug *h, struct xs_err *err)
{
	siginfo_t info = {.si_code = 0};
	char line[160];
	int res = -EIO;

	if (waitid(P_PID, (id_t)h->pid, &info, WEXITED | WNOHANG) ||
	    !info.si_pid) {
		kill(-h->pid, SIGKILL);
		waitid(P_PID, (id_t)h->pid, &info, WEXITED);
		xs_err_set(err, "the hotplug script did not end");
	} else if (info.si_code == CLD_EXITED && !info.si_status) {
		res = 0;
	} else {
		last_line(h->log, line, sizeof(line));
		xs_err_set(err, "the hotplug script failed: %s%s(%s %d)", line,
			   line[0] ? " " : "",
			   info.si_code == CLD_EXITED ? "status" : "signal",
			   info.si_status);
	}
	if (h->pidfd >= 0)
		close(h->pidfd);
	if (h->log >= 0)
		close(h->log);
	h->pid = 0;
	h->pidfd = h->log = -1;
	return res;
}
