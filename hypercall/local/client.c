// SPDX-License-Identifier: MIT
/*
 * The library side of the wire: open a handle, send a request, take the reply.
 */
#include "client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

union cmsg_fds {
	struct cmsghdr align;
	char buf[CMSG_SPACE(WIRE_MAX_FDS * sizeof(int))];
};

static int send_packet(int fd, const struct wire_msg *msg,
		       const struct client_io *io)
{
	struct iovec iov[2] = {
		{(void *)msg, sizeof(*msg)},
		{(void *)io->payload, msg->payload_len},
	};
	struct msghdr mh = {.msg_iov = iov,
			    .msg_iovlen = msg->payload_len ? 2 : 1};
	union cmsg_fds control;
	ssize_t n;

	if (io->nr_fds) {
		size_t len = io->nr_fds * sizeof(int);
		struct cmsghdr *cm;

		memset(&control, 0, sizeof(control));
		mh.msg_control = control.buf;
		mh.msg_controllen = CMSG_SPACE(len);
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(len);
		memcpy(CMSG_DATA(cm), io->fds, len);
	}
	do
		n = sendmsg(fd, &mh, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n >= 0)
		return 0;
	/* EPIPE, or restricted away by dup2: there is nobody to ask */
	return errno == EPIPE || errno == ECONNRESET ? -ENOTCONN : -errno;
}

/* Keep what fits; close what does not, and say so. */
static int take_fds(struct msghdr *mh, struct client_io *io)
{
	struct cmsghdr *cm;
	int ret = 0;

	for (cm = CMSG_FIRSTHDR(mh); cm; cm = CMSG_NXTHDR(mh, cm)) {
		size_t i, n;

		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(cm) + i * sizeof(int),
			       sizeof(fd));
			if (io->nr_reply_fds < io->reply_fds_max) {
				io->reply_fds[io->nr_reply_fds++] = fd;
			} else {
				close(fd);
				ret = -EPROTO;
			}
		}
	}
	return mh->msg_flags & MSG_CTRUNC ? -EMFILE : ret;
}

static int recv_packet(int fd, struct wire_msg *msg, struct client_io *io)
{
	struct iovec iov[2] = {
		{msg, sizeof(*msg)},
		{io->reply_payload, io->reply_max},
	};
	union cmsg_fds control;
	struct msghdr mh = {
		.msg_iov = iov,
		.msg_iovlen = io->reply_max ? 2 : 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	int reset = 0, ret;
	ssize_t n;

	io->nr_reply_fds = 0;
	/* reset: closed with our message unread.  That is reported once, and
	 * does not hide what was sent to us before */
	do
		n = recvmsg(fd, &mh, MSG_CMSG_CLOEXEC);
	while (n < 0 && (errno == EINTR || (errno == ECONNRESET && !reset++)));
	if (n < 0)
		return errno == ECONNRESET ? -ENOTCONN : -errno;
	if (n == 0)
		return -ENOTCONN;
	ret = take_fds(&mh, io);
	if (ret)
		return ret;
	if ((mh.msg_flags & MSG_TRUNC) || (size_t)n < sizeof(*msg) ||
	    msg->payload_len != (size_t)n - sizeof(*msg))
		return -EPROTO;
	return msg->err > 0 ? -EPROTO : msg->err;
}

int client_call(struct client *c, struct wire_msg *msg, struct client_io *io)
{
	struct client_io none = {0};
	int ret;

	if (!io)
		io = &none;
	io->nr_reply_fds = 0;
	if (msg->payload_len > WIRE_MAX_PAYLOAD || io->nr_fds > WIRE_MAX_FDS)
		return -E2BIG;
	pthread_mutex_lock(&c->lock);
	ret = send_packet(c->fd, msg, io);
	/* a refused handle was closed, but the reason is there to read */
	if (!ret || ret == -ENOTCONN)
		ret = recv_packet(c->fd, msg, io);
	pthread_mutex_unlock(&c->lock);
	return ret;
}

static int domain_socket(void)
{
	const char *text = getenv(WIRE_FD_ENV);
	int type;
	socklen_t len = sizeof(type);
	char *end;
	long fd;

	if (!text || !*text)
		return -ENOENT;
	errno = 0;
	fd = strtol(text, &end, 10);
	if (errno || *end || fd < 0 || fd > 1 << 20)
		return -ENOENT;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) ||
	    type != SOCK_SEQPACKET)
		return -ENOENT;
	return fd;
}

/* The first exchange: learn the domain, or why there is no handle. */
static int hello(struct client *c)
{
	struct wire_msg msg = {.op = WIRE_DOMAIN_SELF};
	int ret = client_call(c, &msg, NULL);

	if (!ret)
		c->domid = msg.domid;
	return ret;
}

int client_adopt(struct client *c, int fd)
{
	int ret;

	c->fd = fd;
	pthread_mutex_init(&c->lock, NULL);
	ret = hello(c);
	if (ret)
		client_close(c);
	return ret;
}

int client_open(struct client *c, bool cloexec)
{
	struct wire_msg msg = {.op = WIRE_OPEN};
	int pair[2], dom, ret;
	struct client_io io = {.fds = &pair[1], .nr_fds = 1};

	c->fd = -1;
	dom = domain_socket();
	if (dom < 0)
		return dom;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | (cloexec ? SOCK_CLOEXEC : 0),
		       0, pair))
		return -errno;
	ret = send_packet(dom, &msg, &io);
	close(pair[1]);
	if (ret) {
		close(pair[0]);
		return ret;
	}
	return client_adopt(c, pair[0]);
}

int client_open_control(struct client *c, const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	c->fd = -1;
	c->domid = WIRE_DOMID_NONE;
	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	strcpy(sun.sun_path, path);
	c->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return -errno;
	if (connect(c->fd, (struct sockaddr *)&sun, sizeof(sun))) {
		int ret = -errno;

		close(c->fd);
		c->fd = -1;
		return ret;
	}
	pthread_mutex_init(&c->lock, NULL);
	return 0;
}

void client_close(struct client *c)
{
	if (c->fd < 0)
		return;
	close(c->fd);
	c->fd = -1;
	pthread_mutex_destroy(&c->lock);
}

const char *client_explain(int err)
{
	switch (err) {
	case -ENOENT:
		return "this process is in no domain of embedded Xen "
		       "($" WIRE_FD_ENV " names no domain socket; start it "
		       "with xenlocal exec --domid N)";
	case -ENOTCONN:
		return "the hypervisor process of embedded Xen has gone, or "
		       "the domain was destroyed";
	case -EMFILE:
		return "too many open handles in this domain, or too many "
		       "open files";
	default:
		return strerror(-err);
	}
}
