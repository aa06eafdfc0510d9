// SPDX-License-Identifier: MIT
/*
 * Asking the xensplitd of this domain over its control socket: one JSON line
 * each way.  See backend/control.h.
 */
#include "tools/xensplit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MAX      (16u << 20)
#define ANSWER_SECONDS  10
#define DEFAULT_CONTROL "/run/xensplit/control"

static int control_connect(const char *path)
{
	const struct timeval limit = {.tv_sec = ANSWER_SECONDS};
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd, err;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

/* A line of at most ANSWER_MAX bytes; free(). */
static int read_line(int fd, char **line, size_t *len)
{
	size_t size = 0;
	char *buf = NULL, *end = NULL, *more;
	ssize_t n = 1;
	int res = 0;

	*len = 0;
	while (!end && !res && n) {
		if (*len == size) {
			size = size ? size * 2 : 65536;
			more = size > ANSWER_MAX ? NULL : realloc(buf, size);
			if (!more) {
				res = -EMSGSIZE;
				break;
			}
			buf = more;
		}
		n = recv(fd, buf + *len, size - *len, 0);
		if (n < 0) {
			if (errno != EINTR)
				res = errno == EAGAIN ? -ETIMEDOUT : -errno;
			continue;
		}
		end = memchr(buf + *len, '\n', (size_t)n);
		*len += (size_t)n;
	}
	if (end)
		*len = (size_t)(end - buf);
	if (!res && !*len)
		res = -ECONNRESET;
	if (res)
		free(buf);
	else
		*line = buf;
	return res;
}

static int exchange(const char *path, const char *question, char **line,
		    size_t *len)
{
	int fd = control_connect(path), res;

	if (fd < 0) {
		complain("cannot reach xensplitd at %s: %s (is it running in "
			 "this domain?)",
			 path, strerror(-fd));
		return fd;
	}
	res = send(fd, question, strlen(question), MSG_NOSIGNAL) < 0 ||
			      send(fd, "\n", 1, MSG_NOSIGNAL) < 0
		      ? -errno
		      : read_line(fd, line, len);
	close(fd);
	if (res)
		complain("no answer from xensplitd at %s: %s", path,
			 strerror(-res));
	return res;
}

static void control_path(const char *control, char *path, size_t size)
{
	const char *rundir = getenv("XENSPLIT_RUNDIR");

	if (control)
		snprintf(path, size, "%s", control);
	else if (rundir && *rundir)
		snprintf(path, size, "%s/control", rundir);
	else
		snprintf(path, size, DEFAULT_CONTROL);
}

json_t *control_ask(const char *control, json_t *question)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
	char *text = json_dumps(question, JSON_COMPACT), *line = NULL;
	json_t *answer = NULL;
	json_error_t error;
	size_t len = 0;

	json_decref(question);
	control_path(control, path, sizeof(path));
	if (!text) {
		complain("out of memory, or text that is not UTF-8");
	} else if (!exchange(path, text, &line, &len)) {
		answer = json_loadb(line, len, 0, &error);
		free(line);
		if (!answer)
			complain("the answer from %s is not JSON: %s", path,
				 error.text);
	}
	free(text);
	return answer;
}
