// SPDX-License-Identifier: MIT
/*
 * Handles and messages: who may ask for what, and the way there and back.
 *
 * Everything that arrives is hostile until it is checked: the length of the
 * packet, the number and the kind of the descriptors, the operation.  What the
 * operations mean is not known here.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "xenlocald.h"

static const struct {
	op_fn *fn;
	unsigned int flags;
} table[] = {
	[WIRE_OPEN] = {op_open, OP_DOMAIN},
	[WIRE_DOMAIN_SELF] = {op_domain_self, OP_LIBRARY},
	[WIRE_RESTRICT] = {op_restrict, OP_LIBRARY},

	[WIRE_EVTCHN_ALLOC_UNBOUND] = {op_evtchn_alloc_unbound, OP_LIBRARY},
	[WIRE_EVTCHN_BIND_INTERDOMAIN] = {op_evtchn_bind_interdomain,
					  OP_LIBRARY},
	[WIRE_EVTCHN_BIND_VIRQ] = {op_evtchn_bind_virq, OP_LIBRARY},
	[WIRE_EVTCHN_UNBIND] = {op_evtchn_unbind, OP_LIBRARY},
	[WIRE_EVTCHN_RESTRICT] = {op_restrict, OP_LIBRARY},
	[WIRE_EVTCHN_REOPEN] = {op_evtchn_reopen, OP_LIBRARY},
	[WIRE_XENBUS_CLAIM] = {op_xenbus_claim, OP_LIBRARY},
	[WIRE_XENBUS_INFO] = {op_xenbus_info, OP_LIBRARY | OP_PRIVILEGED},

	[WIRE_GNTTAB_SHARE] = {op_gnttab_share, OP_LIBRARY},
	[WIRE_GNTTAB_UNSHARE] = {op_gnttab_unshare, OP_LIBRARY},
	[WIRE_GNTTAB_SHARE_NOTIFY] = {op_gnttab_share_notify, OP_LIBRARY},
	[WIRE_GNTTAB_SHARE_REFS] = {op_gnttab_share_refs, OP_LIBRARY},
	[WIRE_GNTTAB_MAP] = {op_gnttab_map, OP_LIBRARY},
	[WIRE_GNTTAB_UNMAP] = {op_gnttab_unmap, OP_LIBRARY},
	[WIRE_GNTTAB_MAP_NOTIFY] = {op_gnttab_map_notify, OP_LIBRARY},
	[WIRE_GNTTAB_WINDOW] = {op_gnttab_window, OP_LIBRARY},

	[WIRE_HYPERCALL] = {op_hypercall, OP_LIBRARY},
	[WIRE_FOREIGN_MAP] = {op_foreign_map, OP_LIBRARY | OP_PRIVILEGED},

	[WIRE_DEVICE_REGISTER] = {op_device_register, OP_CONTROL},
	[WIRE_DEVICE_DMA] = {op_device_dma, OP_CONTROL},
	[WIRE_DEVICE_OPEN] = {op_device_open, OP_LIBRARY},

	[WIRE_CTL_DOMAIN_CREATE] = {op_ctl_domain_create, OP_CONTROL},
	[WIRE_CTL_DOMAIN_DESTROY] = {op_ctl_domain_destroy, OP_CONTROL},
	[WIRE_CTL_DOMAIN_SOCKET] = {op_ctl_domain_socket, OP_CONTROL},
	[WIRE_CTL_STATUS] = {op_ctl_status, OP_CONTROL},
	[WIRE_CTL_SHUTDOWN] = {op_ctl_shutdown, OP_CONTROL},
};

union cmsg_fds {
	struct cmsghdr align;
	char buf[CMSG_SPACE(WIRE_MAX_FDS * sizeof(int))];
};

static int epoll_fd = -1;
static struct handle_list control_handles;
static struct handle_list graveyard;
static void (*watch_fn)(int fd);
static int watch_fd = -1;

/* --- descriptors ---------------------------------------------------------- */

int request_take_fd(struct request *rq, uint32_t i)
{
	int fd;

	if (i >= rq->nr_in_fds || rq->in_fd[i] < 0)
		return -EPROTO;
	fd = rq->in_fd[i];
	rq->in_fd[i] = -1;
	return fd;
}

int request_put_fd(struct request *rq, int fd, bool close_after)
{
	uint32_t i = rq->nr_out_fds;

	if (i >= WIRE_MAX_FDS) {
		if (close_after)
			close(fd);
		return -ENOSPC;
	}
	rq->out_fd[i] = fd;
	rq->out_close[i] = close_after;
	rq->nr_out_fds++;
	return i;
}

static void *close_thread(void *arg)
{
	close((int)(intptr_t)arg);
	return NULL;
}

/*
 * Closing some files waits for whoever is behind them (FUSE's flush, a TCP
 * socket that lingers).  Only memory files and Unix sockets are closed here;
 * whatever else a domain sent is closed by a thread that may hang.
 */
void close_untrusted(int fd)
{
	int family;
	socklen_t len = sizeof(family);
	pthread_attr_t attr;
	pthread_t thread;

	if (fcntl(fd, F_GET_SEALS) >= 0 ||
	    (!getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) &&
	     family == AF_UNIX)) {
		close(fd);
		return;
	}
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 65536);
	if (pthread_create(&thread, &attr, close_thread, (void *)(intptr_t)fd))
		log_line(NULL, "no thread to close descriptor %d with", fd);
	pthread_attr_destroy(&attr);
}

static bool is_unix_seqpacket(int fd)
{
	int family, type;
	socklen_t len = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len))
		return false;
	len = sizeof(int);
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len))
		return false;
	return family == AF_UNIX && type == SOCK_SEQPACKET;
}

/* --- handles ----------------------------------------------------------------
 */

static void set_peer_pid(struct handle *h)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (!getsockopt(h->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		h->pid = cred.pid;
}

struct handle *handle_add(enum handle_kind kind, int fd, struct domain *dom)
{
	struct epoll_event ev = {.events = EPOLLIN};
	struct handle *h = NULL;

	if (!dom || domain_charge(dom, 1, "handles"))
		h = calloc(1, sizeof(*h));
	if (!h)
		return NULL;
	h->kind = kind;
	h->fd = fd;
	h->dom = dom;
	h->restrict_domid = WIRE_DOMID_NONE;
	ev.data.ptr = h;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev)) {
		if (dom)
			domain_uncharge(dom, 1);
		free(h);
		return NULL;
	}
	set_peer_pid(h);
	LIST_INIT(&h->ports);
	if (dom) {
		LIST_INSERT_HEAD(&dom->handles, h, link);
		dom->nr_handles++;
	} else {
		LIST_INSERT_HEAD(&control_handles, h, link);
	}
	return h;
}

void handle_close(struct handle *h)
{
	if (h->dead)
		return;
	h->dead = true;
	/* other processes may have the same file: take it out by hand */
	epoll_ctl(epoll_fd, EPOLL_CTL_DEL, h->fd, NULL);
	device_handle_release(h);
	gnttab_handle_release(h);
	evtchn_handle_release(h);
	if (h->dom) {
		h->dom->nr_handles--;
		domain_uncharge(h->dom, 1);
		if (h->dom->xenbus == h)
			h->dom->xenbus = NULL;
	}
	LIST_REMOVE(h, link);
	shutdown(h->fd, SHUT_RDWR);
	close(h->fd);
	free(h->status);
	LIST_INSERT_HEAD(&graveyard, h, link);
}

int op_open(struct request *rq)
{
	struct wire_msg sorry = {.op = WIRE_OPEN, .err = -EMFILE};
	struct domain *d = rq->dom;
	int fd = request_take_fd(rq, 0);

	if (fd < 0)
		return fd;
	if (!is_unix_seqpacket(fd)) {
		log_line(d, "open: the descriptor is not a packet socket");
		close_untrusted(fd);
		return -EPROTO;
	}
	if (d->nr_handles > MAX_HANDLES)
		log_line(d, "open refused with %u handles open", d->nr_handles);
	else if (handle_add(HANDLE_LIBRARY, fd, d))
		return 0;
	d->count.refused++;
	(void)!send(fd, &sorry, sizeof(sorry), MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
	return -EMFILE;
}

int op_domain_self(struct request *rq)
{
	rq->reply->domid = rq->dom->domid;
	return 0;
}

int op_restrict(struct request *rq)
{
	bool evtchn = rq->msg->op == WIRE_EVTCHN_RESTRICT;
	uint32_t domid = evtchn ? rq->msg->evtchn.remote_domid : rq->msg->domid;

	if (domid == WIRE_DOMID_SELF)
		domid = rq->dom->domid;
	if (domid >= WIRE_DOMID_SELF)
		return -EINVAL;
	if (rq->h->restrict_domid != WIRE_DOMID_NONE &&
	    rq->h->restrict_domid != domid)
		return -EACCES;
	rq->h->restrict_domid = domid;
	return 0;
}

/* --- messages
 * ------------------------------------------------------------------ */

static void collect_fds(struct request *rq, struct msghdr *mh)
{
	struct cmsghdr *cm;

	for (cm = CMSG_FIRSTHDR(mh); cm; cm = CMSG_NXTHDR(mh, cm)) {
		size_t i, n;

		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(cm) + i * sizeof(int),
			       sizeof(fd));
			if (rq->nr_in_fds < WIRE_MAX_FDS)
				rq->in_fd[rq->nr_in_fds++] = fd;
			else
				close_untrusted(fd);
		}
	}
}

static int run_op(struct request *rq)
{
	static const unsigned int accepts[] = {
		[HANDLE_LIBRARY] = OP_LIBRARY,
		[HANDLE_DOMAIN] = OP_DOMAIN,
		[HANDLE_CONTROL] = OP_CONTROL,
	};
	uint32_t op = rq->msg->op;

	if (op >= sizeof(table) / sizeof(table[0]) || !table[op].fn ||
	    !(table[op].flags & accepts[rq->h->kind])) {
		log_line(rq->dom, "operation %u is not for this socket", op);
		return -ENOSYS;
	}
	if (rq->dom && (table[op].flags & OP_PRIVILEGED) &&
	    !rq->dom->privileged) {
		log_line(rq->dom, "operation %u is for privileged domains", op);
		return -EPERM;
	}
	/* a device model has given up being an administrator */
	if (rq->h->device && op != WIRE_DEVICE_DMA) {
		log_line(NULL, "operation %u is not for a device model", op);
		return -EPERM;
	}
	return table[op].fn(rq);
}

static int send_reply(struct request *rq)
{
	struct iovec iov[2] = {
		{rq->reply, sizeof(*rq->reply)},
		{rq->out, rq->out_len},
	};
	struct msghdr mh = {.msg_iov = iov, .msg_iovlen = rq->out_len ? 2 : 1};
	union cmsg_fds control;

	if (rq->nr_out_fds) {
		size_t len = rq->nr_out_fds * sizeof(int);
		struct cmsghdr *cm;

		memset(&control, 0, sizeof(control));
		mh.msg_control = control.buf;
		mh.msg_controllen = CMSG_SPACE(len);
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(len);
		memcpy(CMSG_DATA(cm), rq->out_fd, len);
	}
	/* a library reads its replies; one that does not is cut */
	if (sendmsg(rq->h->fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		log_line(rq->dom, "cannot answer pid %d: %s", (int)rq->h->pid,
			 strerror(errno));
		return -EPIPE;
	}
	return 0;
}

/* Run it and answer, if the socket is one that is answered on. */
static int handle_request(struct request *rq)
{
	uint32_t i;
	int ret = 0;

	if (rq->dom)
		rq->dom->count.messages++;
	rq->reply->op = rq->msg->op;
	rq->reply->err = run_op(rq);
	if (!rq->h->dead && rq->h->kind != HANDLE_DOMAIN) {
		uint32_t nr = rq->nr_out_fds;

		if (rq->reply->err)
			rq->nr_out_fds = 0;
		rq->reply->payload_len = rq->out_len;
		ret = send_reply(rq);
		rq->nr_out_fds = nr;
	}
	for (i = 0; i < rq->nr_out_fds; i++)
		if (rq->out_close[i])
			close(rq->out_fd[i]);
	return ret;
}

/* 0: handled; -EAGAIN: nothing there; otherwise the handle is at its end. */
static int receive(struct handle *h)
{
	static uint8_t in[WIRE_MAX_PAYLOAD], out[WIRE_MAX_PAYLOAD];
	struct wire_msg msg, reply;
	union cmsg_fds control;
	struct iovec iov[2] = {{&msg, sizeof(msg)}, {in, sizeof(in)}};
	struct msghdr mh = {
		.msg_iov = iov,
		.msg_iovlen = 2,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	struct request rq = {.h = h,
			     .dom = h->dom,
			     .msg = &msg,
			     .in = in,
			     .reply = &reply,
			     .out = out};
	uint32_t i;
	ssize_t n;
	int ret;

	n = recvmsg(h->fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	collect_fds(&rq, &mh);
	memset(&reply, 0, sizeof(reply));
	if (n == 0) {
		ret = -ENOTCONN;
	} else if (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ||
		   (size_t)n < sizeof(msg) ||
		   msg.payload_len != (size_t)n - sizeof(msg)) {
		log_line(h->dom, "malformed message of %zd bytes from pid %d",
			 n, (int)h->pid);
		if (h->dom)
			h->dom->count.refused++;
		ret = -EPROTO;
	} else {
		ret = handle_request(&rq);
	}
	for (i = 0; i < rq.nr_in_fds; i++)
		if (rq.in_fd[i] >= 0)
			close_untrusted(rq.in_fd[i]);
	return ret;
}

/* Only this user's processes; the directory's mode says the same. */
static void accept_control(struct handle *listener)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) ||
	    (cred.uid != geteuid() && cred.uid != 0)) {
		log_line(NULL, "control connection of uid %u refused",
			 (unsigned int)cred.uid);
		close(fd);
		return;
	}
	if (!handle_add(HANDLE_CONTROL, fd, NULL))
		close(fd);
}

static void serve(struct handle *h)
{
	int ret;

	if (h->kind == HANDLE_LISTENER) {
		accept_control(h);
		return;
	}
	ret = receive(h);
	if (!ret || ret == -EAGAIN || h->dead)
		return;
	if (h->kind == HANDLE_DOMAIN) {
		/* shared by all processes of the domain: one bad packet of
		 * one of them must not cut off the others */
		if (ret == -EPROTO)
			return;
		log_line(h->dom, "the domain socket was shut down; no more "
				 "handles can be opened");
	}
	handle_close(h);
}

int dispatch_init(void)
{
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return epoll_fd < 0 ? -errno : 0;
}

int dispatch_watch(int fd, void (*fn)(int fd))
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};

	watch_fd = fd;
	watch_fn = fn;
	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

static void bury(void)
{
	struct handle *h;

	while ((h = LIST_FIRST(&graveyard))) {
		LIST_REMOVE(h, link);
		free(h);
	}
}

void dispatch_round(int timeout_ms)
{
	struct epoll_event ev[64];
	int i, n = epoll_wait(epoll_fd, ev, 64, timeout_ms);

	for (i = 0; i < n; i++) {
		struct handle *h = ev[i].data.ptr;

		if (!h)
			watch_fn(watch_fd);
		else if (!h->dead)
			serve(h);
	}
	bury();
}

void dispatch_destroy(void)
{
	struct handle *h;

	while ((h = LIST_FIRST(&control_handles)))
		handle_close(h);
	bury();
	close(epoll_fd);
}
