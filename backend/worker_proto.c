// SPDX-License-Identifier: MIT
/* Packets with descriptors between supervisor and worker. */
#include "backend/worker_proto.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int worker_send(int sock, const struct worker_msg *msg, const int *fds,
		unsigned int nr_fds)
{
	union {
		char buf[CMSG_SPACE(WORKER_MAX_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {(void *)msg, sizeof(*msg)};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (nr_fds > WORKER_MAX_FDS)
		return -EPROTO;
	if (nr_fds) {
		struct cmsghdr *c;

		memset(&control, 0, sizeof(control));
		mh.msg_control = control.buf;
		mh.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nr_fds * sizeof(int));
	}
	do {
		n = sendmsg(sock, &mh, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EPIPE ? -ECONNRESET : -errno;
	return (size_t)n == sizeof(*msg) ? 0 : -EPROTO;
}

static unsigned int take_fds(struct msghdr *mh, int *fds, unsigned int room,
			     bool *too_many)
{
	struct cmsghdr *c;
	unsigned int nr = 0;

	for (c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		unsigned int i, n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (unsigned int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		for (i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (nr < room) {
				fds[nr++] = fd;
			} else {
				close(fd);
				*too_many = true;
			}
		}
	}
	return nr;
}

int worker_recv(int sock, struct worker_msg *msg, int *fds,
		unsigned int *nr_fds)
{
	union {
		char buf[CMSG_SPACE(WORKER_MAX_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {msg, sizeof(*msg)};
	struct msghdr mh = {.msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.buf,
			    .msg_controllen = sizeof(control.buf)};
	unsigned int room = *nr_fds;
	bool bad = false;
	ssize_t n;

	do {
		n = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	*nr_fds = 0;
	if (n < 0)
		return -errno;
	/* an empty packet reads as the end, and may yet carry descriptors */
	*nr_fds = take_fds(&mh, fds, room, &bad);
	if (n == 0 && !*nr_fds && !bad)
		return -ECONNRESET;
	if (bad || (size_t)n != sizeof(*msg) ||
	    (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		while (*nr_fds)
			close(fds[--*nr_fds]);
		return -EPROTO;
	}
	return 0;
}
