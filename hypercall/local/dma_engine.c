// SPDX-License-Identifier: MIT
/*
 * xenlocal-dma: a storage device that masters the bus, as a process.
 *
 *	xenlocal-dma --rundir DIR --sbdf 0000:00:04.0 --file IMG
 *
 * It has no memory of any domain.  All it can do is ask xenlocald to move
 * bytes to or from a bus address, which goes through the IOMMU table of the
 * domain that owns the device, or faults.  The protocol is in dma_device.h.
 *
 * It is not a driver, and no part of a backend.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "dma_device.h"
#include "wire.h"

/* As many channels as a domain can sensibly have open on one device. */
#define MAX_CHANNELS 16

struct engine {
	struct client control; /* registered as this device */
	int events;            /* xenlocald hands over new channels here */
	int image;
	uint64_t size;
	int channel[MAX_CHANNELS];
	unsigned int nr_channels;
};

/*
 * Move at most one payload between buf and the bus.  *len is what was moved
 * afterwards, also when it faulted on the way.
 */
static int dma(struct engine *e, uint64_t bus_addr, uint8_t *buf, uint32_t *len,
	       bool write)
{
	struct wire_msg msg = {.op = WIRE_DEVICE_DMA};
	struct client_io io = {0};
	int rc;

	msg.dma.bus_addr = bus_addr;
	msg.dma.len = *len;
	msg.dma.write = write;
	if (write) {
		msg.payload_len = *len;
		io.payload = buf;
	} else {
		io.reply_payload = buf;
		io.reply_max = *len;
	}
	rc = client_call(&e->control, &msg, &io);
	if (!rc && !write && msg.payload_len != *len)
		rc = -EPROTO;
	*len = rc && rc != -EFAULT ? 0 : msg.dma.len;
	return rc;
}

static int device_to_memory(struct engine *e, const struct dma_desc *d,
			    uint32_t done, uint32_t *len)
{
	uint8_t buf[WIRE_MAX_PAYLOAD];
	ssize_t n = pread(e->image, buf, *len, d->device_offset + done);
	int rc = 0;

	if (n < 0)
		rc = -errno;
	else if (n != (ssize_t)*len)
		rc = -EIO;
	if (!rc)
		return dma(e, d->bus_addr + done, buf, len, true);
	*len = 0;
	return rc;
}

/* What came before a fault is written, as it is on a bus. */
static int memory_to_device(struct engine *e, const struct dma_desc *d,
			    uint32_t done, uint32_t *len)
{
	uint8_t buf[WIRE_MAX_PAYLOAD];
	int rc = dma(e, d->bus_addr + done, buf, len, false);
	ssize_t n;

	if (!*len)
		return rc;
	n = pwrite(e->image, buf, *len, d->device_offset + done);
	if (n == (ssize_t)*len)
		return rc;
	rc = n < 0 ? -errno : -EIO;
	*len = 0;
	return rc;
}

static int do_desc(struct engine *e, const struct dma_desc *d, uint32_t *done)
{
	int rc = 0;

	*done = 0;
	if (d->op == DMA_FLUSH)
		return fdatasync(e->image) ? -errno : 0;
	if ((d->op != DMA_READ && d->op != DMA_WRITE) || d->len > DMA_MAX_LEN)
		return -EINVAL;
	if (d->device_offset > e->size || d->len > e->size - d->device_offset)
		return -ENOSPC;
	while (*done < d->len) {
		uint32_t len = d->len - *done;

		if (len > WIRE_MAX_PAYLOAD)
			len = WIRE_MAX_PAYLOAD;
		rc = d->op == DMA_READ ? device_to_memory(e, d, *done, &len)
				       : memory_to_device(e, d, *done, &len);
		*done += len;
		if (rc)
			break;
	}
	return rc;
}

/* Returns -errno when the channel must end. */
static int serve(struct engine *e, int fd)
{
	struct dma_completion completion[DMA_MAX_BATCH];
	struct dma_desc desc[DMA_MAX_BATCH + 1];
	ssize_t n = recv(fd, desc, sizeof(desc), MSG_DONTWAIT);
	size_t nr;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	nr = (size_t)n / sizeof(desc[0]);
	if (nr == 0 || nr > DMA_MAX_BATCH || (size_t)n % sizeof(desc[0]))
		return -EPIPE;
	for (size_t i = 0; i < nr; i++) {
		completion[i].tag = desc[i].tag;
		completion[i].status = do_desc(e, &desc[i], &completion[i].len);
	}
	/*
	 * A driver that does not read its completions must not stop the
	 * device for others: its channel ends.
	 */
	n = send(fd, completion, nr * sizeof(completion[0]),
		 MSG_DONTWAIT | MSG_NOSIGNAL);
	return n < 0 ? -errno : 0;
}

/*
 * xenlocald keeps a copy of our end, so closing alone would leave the owner
 * waiting.
 */
static void end_channel(int fd)
{
	shutdown(fd, SHUT_RDWR);
	close(fd);
}

/* xenlocald passes a channel that the owner asked for. */
static int accept_channel(struct engine *e)
{
	struct dma_hello hello = {.version = DMA_VERSION, .size = e->size};
	union {
		struct cmsghdr hdr;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct wire_msg msg;
	struct iovec iov = {&msg, sizeof(msg)};
	struct msghdr mh = {.msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(e->events, &mh, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	struct cmsghdr *cmsg;
	int fd;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -EPIPE;
	cmsg = CMSG_FIRSTHDR(&mh);
	if (!cmsg || cmsg->cmsg_type != SCM_RIGHTS ||
	    cmsg->cmsg_len != CMSG_LEN(sizeof(int)))
		return 0;
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	if (e->nr_channels == MAX_CHANNELS ||
	    send(fd, &hello, sizeof(hello), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		end_channel(fd);
		return 0;
	}
	e->channel[e->nr_channels++] = fd;
	return 0;
}

static int run(struct engine *e)
{
	for (;;) {
		struct pollfd pfd[MAX_CHANNELS + 2] = {
			{e->events, POLLIN, 0},
			{e->control.fd, POLLIN, 0},
		};
		unsigned int nr = e->nr_channels;
		int rc;

		for (unsigned int i = 0; i < nr; i++)
			pfd[i + 2] = (struct pollfd){e->channel[i], POLLIN, 0};
		if (poll(pfd, nr + 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		/* nothing is ever sent here unasked: xenlocald has ended */
		if (pfd[1].revents)
			return 0;
		/* from the end, so that a channel's removal moves no other */
		for (unsigned int i = nr; i-- > 0;) {
			if (!pfd[i + 2].revents || !serve(e, e->channel[i]))
				continue;
			end_channel(e->channel[i]);
			e->channel[i] = e->channel[--e->nr_channels];
		}
		if (!pfd[0].revents)
			continue;
		rc = accept_channel(e);
		if (rc)
			return rc == -EPIPE ? 0 : rc;
	}
}

static int register_device(struct engine *e, uint32_t sbdf)
{
	struct wire_msg msg = {.op = WIRE_DEVICE_REGISTER};
	struct client_io io = {.nr_fds = 1};
	int pair[2], rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	msg.device.sbdf = sbdf;
	io.fds = &pair[1];
	rc = client_call(&e->control, &msg, &io);
	close(pair[1]);
	if (rc) {
		close(pair[0]);
		return rc;
	}
	e->events = pair[0];
	return 0;
}

static int open_image(struct engine *e, const char *path)
{
	off_t size;

	e->image = open(path, O_RDWR | O_CLOEXEC);
	if (e->image < 0)
		return -errno;
	size = lseek(e->image, 0, SEEK_END);
	if (size < 0)
		return -errno;
	e->size = (uint64_t)size;
	return 0;
}

static int parse_sbdf(const char *s, uint32_t *sbdf)
{
	unsigned int seg, bus, dev, fn;
	char end;

	if (sscanf(s, "%4x:%2x:%2x.%1x%c", &seg, &bus, &dev, &fn, &end) != 4 ||
	    dev > 0x1f || fn > 7)
		return -EINVAL;
	*sbdf = seg << 16 | bus << 8 | dev << 3 | fn;
	return 0;
}

static int fail(const char *what, int rc)
{
	fprintf(stderr, "xenlocal-dma: %s: %s\n", what, strerror(-rc));
	return 1;
}

static int usage(void)
{
	fprintf(stderr, "usage: xenlocal-dma --rundir DIR --sbdf "
			"SSSS:BB:DD.F --file IMAGE\n");
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"rundir", required_argument, NULL, 'r'},
		{"sbdf", required_argument, NULL, 's'},
		{"file", required_argument, NULL, 'f'},
		{NULL, 0, NULL, 0},
	};
	const char *rundir = getenv("XENLOCAL_RUNDIR"), *file = NULL;
	struct engine e = {.events = -1};
	uint32_t sbdf = UINT32_MAX;
	char path[128];
	int c, n, rc;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'r')
			rundir = optarg;
		else if (c == 'f')
			file = optarg;
		else if (c != 's' || parse_sbdf(optarg, &sbdf))
			return usage();
	}
	if (!rundir || !file || sbdf == UINT32_MAX || optind != argc)
		return usage();
	rc = open_image(&e, file);
	if (rc)
		return fail(file, rc);
	n = snprintf(path, sizeof(path), "%s/control", rundir);
	if (n < 0 || (size_t)n >= sizeof(path))
		return fail(rundir, -ENAMETOOLONG);
	rc = client_open_control(&e.control, path);
	if (rc)
		return fail(path, rc);
	rc = register_device(&e, sbdf);
	if (rc)
		return fail("registering the device", rc);
	/* whoever started us waits for this line */
	puts("ready");
	fflush(stdout);
	rc = run(&e);
	return rc ? fail("serving", rc) : 0;
}
