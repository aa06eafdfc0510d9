// SPDX-License-Identifier: MIT
/*
 * See link_user.h.  Here: starting and ending the process, its watcher, and
 * the worker's end of the socket.
 */
#include "backend/link_user.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "backend/link_fd.h"
#include "hypercall/log.h"
#include "hypercall/xs_parse.h"

#define SOCK_FD  3 /* in the process */
#define READY_FD 4
#define FREE_FD  5

#define READY_MS    5000
#define MTU_DEFAULT 1500u
#define SOCK_BUFFER (4 << 20)

/* between starts of a process that ends: each twice the one before */
#define AGAIN_MS     100u
#define AGAIN_MAX_MS 10000u
#define LIVED_S      60

/* supervisor */

/* Between fork and exec: async-signal-safe calls only. */
static void run_child(int sock, int ready, char *const argv[])
{
	sigset_t none;
	int null;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* systemd tells it to all of us; this one is ended by the supervisor */
	signal(SIGTERM, SIG_IGN);
	null = open("/dev/null", O_RDONLY);
	if (null > 0)
		dup2(null, STDIN_FILENO);
	sock = fcntl(sock, F_DUPFD, FREE_FD);
	ready = fcntl(ready, F_DUPFD, FREE_FD);
	if (dup2(sock, SOCK_FD) < 0 || dup2(ready, READY_FD) < 0)
		_exit(127);
	close_range(FREE_FD, ~0u, CLOSE_RANGE_CLOEXEC);
	execv("/proc/self/exe", argv);
	_exit(127);
}

/* What the process says of its start: "" or a reason. */
static int read_ready(int fd, const struct link_desc *desc, struct xs_err *err)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char text[XS_ERR_MAX];
	ssize_t n = -1;
	int res;

	do {
		res = poll(&p, 1, READY_MS);
	} while (res < 0 && errno == EINTR);
	if (res > 0)
		n = read(fd, text, sizeof(text) - 1);
	if (n == 1)
		return 0;
	if (n <= 0) {
		xs_err_set(err, "%s: the process of the link did not start",
			   desc->label);
		return res ? -EIO : -ETIMEDOUT;
	}
	text[n - 1] = '\0'; /* the line's end */
	xs_err_set(err, "%s: %s", desc->label, text);
	return -EINVAL;
}

static void end_process(struct link_desc *desc)
{
	if (!desc->pid || desc->pid_of != (uint32_t)getpid())
		return;
	kill((pid_t)desc->pid, SIGKILL);
	while (waitpid((pid_t)desc->pid, NULL, 0) < 0 && errno == EINTR)
		;
	desc->pid = 0;
}

static int start_process(const char *options, struct link_desc *desc, int sock,
			 struct xs_err *err)
{
	char mtu[16], domid[16];
	char *argv[] = {"xensplitd", LINK_USER_ARG, (char *)options,
			mtu,         domid,         NULL};
	int ready[2], res;
	pid_t pid;

	snprintf(mtu, sizeof(mtu), "%" PRIu32, desc->mtu);
	snprintf(domid, sizeof(domid), "%" PRIu32, desc->domid);
	if (pipe2(ready, O_CLOEXEC)) {
		xs_err_set(err, "%s: %s", desc->label, strerror(errno));
		return -EMFILE;
	}
	pid = fork();
	if (!pid)
		run_child(sock, ready[1], argv);
	close(ready[1]);
	if (pid > 0) {
		desc->pid = (uint32_t)pid;
		desc->pid_of = (uint32_t)getpid();
		res = read_ready(ready[0], desc, err);
		if (res)
			end_process(desc);
	} else {
		xs_err_set(err, "%s: no process: %s", desc->label,
			   strerror(errno));
		res = -EAGAIN;
	}
	close(ready[0]);
	return res;
}

static void set_buffer(int fd)
{
	int size = SOCK_BUFFER;

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

/* The worker's end in *fd. */
static int start(const char *options, struct link_desc *desc, int *fd,
		 struct xs_err *err)
{
	int pair[2], res;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		res = -errno;
		xs_err_set(err, "%s: %s", desc->label, strerror(-res));
		return res;
	}
	set_buffer(pair[0]);
	set_buffer(pair[1]);
	res = start_process(options, desc, pair[1], err);
	close(pair[1]);
	if (res)
		close(pair[0]);
	else
		*fd = pair[0];
	return res;
}

static int user_open(const char *target, const struct link_open_how *how,
		     struct link_desc *desc, struct xs_err *err)
{
	struct link_user_config cfg;
	int res = link_user_parse(target, &cfg, err);

	(void)how;
	if (res)
		return res;
	if (!desc->mtu)
		desc->mtu = MTU_DEFAULT;
	res = start(target, desc, &desc->fd[0], err);
	if (res)
		return res;
	desc->nr_fds = 1;
	desc->offers = LINK_CSUM | LINK_TSO4 | LINK_TSO6 | LINK_SG;
	return 0;
}

/* libslirp takes its MTU at the start; to start it anew would end the guest's
 * connections. */
static int user_set_mtu(struct link_desc *desc, uint32_t mtu)
{
	return mtu == desc->mtu ? 0 : -EOPNOTSUPP;
}

/* The process, and with it the guest's connections, lives on. */
static int user_renew(const char *target, struct link_desc *desc,
		      struct xs_err *err)
{
	int res, fd;

	if (desc->pid && !waitpid((pid_t)desc->pid, NULL, WNOHANG))
		return 0;
	desc->pid = 0;
	res = start(target, desc, &fd, err);
	if (res)
		return res;
	close(desc->fd[0]);
	desc->fd[0] = fd;
	return 0;
}

/* the process and its watcher */

static bool is_alive(int sock)
{
	struct pollfd p = {.fd = sock};

	return poll(&p, 1, 0) <= 0 || !(p.revents & POLLHUP);
}

/* Keeps the socket, so that the worker notices nothing but lost frames. */
static int watch(struct link_user_process *p)
{
	unsigned int again_ms = AGAIN_MS;
	bool first;

	for (first = true;; first = false) {
		time_t began = time(NULL);
		int status = 0;
		pid_t pid = fork();

		if (!pid)
			_exit(link_user_run(p));
		if (p->ready_fd >= 0)
			close(p->ready_fd);
		p->ready_fd = -1;
		while (pid > 0 && waitpid(pid, &status, 0) < 0 &&
		       errno == EINTR)
			;
		if (pid > 0 && WIFEXITED(status) &&
		    (first || !WEXITSTATUS(status)))
			return WEXITSTATUS(status);
		if (time(NULL) - began > LIVED_S)
			again_ms = AGAIN_MS;
		log_warn("-",
			 "user-mode network of domain %" PRIu32
			 " ended (status %x), is started again",
			 p->domid, (unsigned int)status);
		if (poll(NULL, 0, (int)again_ms) < 0 || !is_alive(p->sock))
			return 1;
		again_ms = again_ms * 2 < AGAIN_MAX_MS ? again_ms * 2
						       : AGAIN_MAX_MS;
	}
}

void link_user_main(int argc, char *const argv[])
{
	static struct link_user_process p;
	struct xs_err err = {""};
	uint64_t mtu, domid;

	if (argc != 5 || strcmp(argv[1], LINK_USER_ARG))
		return;
	log_init("xensplitd", LOG_LEVEL_INFO);
	p.sock = SOCK_FD;
	p.ready_fd = READY_FD;
	if (link_user_parse(argv[2], &p.cfg, &err) ||
	    xs_parse_u64(argv[3], strlen(argv[3]), 1, NET_PACKET_MAX, &mtu) ||
	    xs_parse_u64(argv[4], strlen(argv[4]), 0, UINT32_MAX, &domid))
		_exit(2);
	p.mtu = (uint32_t)mtu;
	p.domid = (uint32_t)domid;
	_exit(watch(&p));
}

/* worker */

#define BATCH_MAX  32u
#define SLOT_ALIGN 64u
#define SLOTS_SIZE (256u << 10)

struct user_ctx {
	struct link_fd lfd;
	int fd;
	unsigned int batch;
	uint32_t room; /* of a slot; the frame is at SLOT_ALIGN in it */
	uint8_t *slots;
	struct iovec iov[BATCH_MAX];
	struct mmsghdr msg[BATCH_MAX];
};

static int user_attach(struct link_ctx *ctx, struct xs_err *err)
{
	struct user_ctx *u = calloc(1, sizeof(*u));
	uint32_t len = ctx->desc->mtu + 14u;

	if (u) {
		u->room = (len / SLOT_ALIGN + 2) * SLOT_ALIGN;
		u->batch = SLOTS_SIZE / u->room;
		if (u->batch > BATCH_MAX)
			u->batch = BATCH_MAX;
		u->slots = aligned_alloc(SLOT_ALIGN,
					 (size_t)u->room * u->batch);
	}
	if (!u || !u->slots) {
		free(u);
		xs_err_set(err, "%s: no memory for frames", ctx->desc->label);
		return -ENOMEM;
	}
	u->fd = ctx->desc->fd[0];
	link_fd_init(&u->lfd, ctx, u->fd);
	ctx->priv = u;
	return 0;
}

static void user_detach(struct link_ctx *ctx)
{
	struct user_ctx *u = ctx->priv;

	link_fd_arm(&u->lfd, false);
	free(u->slots);
	free(u);
}

/* At most a batch; how many went, and how many were looked at in *tried. */
static unsigned int send_batch(struct user_ctx *u,
			       const struct net_frame *frames, unsigned int nr,
			       unsigned int *tried)
{
	struct virtio_net_hdr_v1 hdr[BATCH_MAX];
	struct iovec iov[BATCH_MAX][LINK_MAX_IOV + 1];
	unsigned int i;
	int n;

	if (nr > BATCH_MAX)
		nr = BATCH_MAX;
	for (i = 0; i < nr; i++) {
		const struct net_frame *f = &frames[i];

		link_vnet_put(&hdr[i], f);
		iov[i][0] = (struct iovec){&hdr[i], sizeof(hdr[i])};
		memcpy(&iov[i][1], f->iov, f->nr_iov * sizeof(*f->iov));
		u->msg[i].msg_hdr = (struct msghdr){
			.msg_iov = iov[i],
			.msg_iovlen = f->nr_iov + 1u,
		};
	}
	n = sendmmsg(u->fd, u->msg, nr, MSG_DONTWAIT | MSG_NOSIGNAL);
	/* a frame that cannot be sent does not hold up the next */
	*tried = n > 0 ? (unsigned int)n : errno == EAGAIN ? nr : 1;
	return n > 0 ? (unsigned int)n : 0;
}

static unsigned int user_send(struct link_ctx *ctx,
			      const struct net_frame *frames, unsigned int nr)
{
	struct user_ctx *u = ctx->priv;
	unsigned int done = 0, sent = 0, tried;

	for (; done < nr; done += tried)
		sent += send_batch(u, frames + done, nr - done, &tried);
	return sent;
}

static bool take(struct user_ctx *u, unsigned int i, struct net_frame *f)
{
	uint8_t *frame = u->slots + (size_t)i * u->room + SLOT_ALIGN;
	uint32_t len = u->msg[i].msg_len;

	if (len < LINK_VNET_LEN || u->msg[i].msg_hdr.msg_flags & MSG_TRUNC)
		return false;
	f->len = len - LINK_VNET_LEN;
	if (!link_vnet_get((void *)(frame - LINK_VNET_LEN), f))
		return false;
	f->head_len = (uint16_t)f->len;
	f->nr_iov = 1;
	f->iov = &u->iov[i];
	u->iov[i] = (struct iovec){frame, f->len};
	return true;
}

static unsigned int user_receive(struct link_ctx *ctx, struct net_frame *frames,
				 unsigned int nr)
{
	struct user_ctx *u = ctx->priv;
	unsigned int i, got = 0;
	int n;

	if (nr > u->batch)
		nr = u->batch;
	for (i = 0; i < nr; i++) {
		uint8_t *slot = u->slots + (size_t)i * u->room;

		u->iov[i] = (struct iovec){slot + SLOT_ALIGN - LINK_VNET_LEN,
					   u->room - SLOT_ALIGN +
						   LINK_VNET_LEN};
		u->msg[i].msg_hdr = (struct msghdr){
			.msg_iov = &u->iov[i],
			.msg_iovlen = 1,
		};
	}
	n = recvmmsg(u->fd, u->msg, nr, MSG_DONTWAIT, NULL);
	/* no packet is empty: nobody is there any more */
	u->lfd.dead |= n < 0 ? errno != EAGAIN && errno != EINTR
			     : n > 0 && !u->msg[n - 1].msg_len;
	for (i = 0; n > 0 && i < (unsigned int)n; i++)
		got += take(u, i, &frames[got]);
	return got;
}

static void user_arm(struct link_ctx *ctx, bool on)
{
	struct user_ctx *u = ctx->priv;

	link_fd_arm(&u->lfd, on);
}

const struct link_ops link_user = {
	.name = "user",
	.scheme = "user",
	.open = user_open,
	.set_mtu = user_set_mtu,
	.renew = user_renew,
	.close = end_process,
	.attach = user_attach,
	.detach = user_detach,
	.send = user_send,
	.receive = user_receive,
	.arm = user_arm,
};
