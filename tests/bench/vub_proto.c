// SPDX-License-Identifier: MIT
/*
 * See vub_proto.h.  Messages: "Vhost-user Protocol" in QEMU's documentation.
 */
#include "tests/bench/vub_proto.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum request {
	GET_FEATURES = 1,
	SET_FEATURES = 2,
	SET_OWNER = 3,
	SET_MEM_TABLE = 5,
	SET_VRING_NUM = 8,
	SET_VRING_ADDR = 9,
	SET_VRING_BASE = 10,
	GET_VRING_BASE = 11,
	SET_VRING_KICK = 12,
	SET_VRING_CALL = 13,
	GET_PROTOCOL_FEATURES = 15,
	SET_PROTOCOL_FEATURES = 16,
	SET_VRING_ENABLE = 18,
	GET_CONFIG = 24,
};

#define VERSION             1u
#define F_EVENT_IDX         (1ull << 29)
#define F_PROTOCOL_FEATURES (1ull << 30)
#define F_VERSION_1         (1ull << 32)
#define P_CONFIG            (1ull << 9)
#define CONFIG_SIZE         60u /* of struct virtio_blk_config */

struct message {
	uint32_t request, flags, size;
	union {
		uint64_t u64;
		struct {
			uint32_t index, num;
		} state;
		struct {
			uint32_t index, flags;
			uint64_t desc, used, avail, log;
		} addr;
		struct {
			uint32_t count, padding;
			uint64_t guest, size, user, offset;
		} memory;
		struct {
			uint32_t offset, size, flags;
			uint8_t data[CONFIG_SIZE];
		} config;
	} __attribute__((packed));
} __attribute__((packed));

#define HEADER offsetof(struct message, u64)

static void die(const char *what)
{
	fprintf(stderr, "vub_client: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void put(const struct vub_device *dev, struct message *m, int fd)
{
	struct iovec iov = {m, HEADER + m->size};
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c;

	if (fd >= 0) {
		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	m->flags = VERSION;
	if (sendmsg(dev->sock, &msg, MSG_NOSIGNAL) != (ssize_t)iov.iov_len)
		die("sending a message");
}

static void get(const struct vub_device *dev, struct message *m)
{
	uint32_t request = m->request;

	if (recv(dev->sock, m, HEADER, MSG_WAITALL) != (ssize_t)HEADER)
		die("receiving a message");
	if (m->request != request || m->size > sizeof(*m) - HEADER) {
		fprintf(stderr, "vub_client: answer %u of %u bytes to %u\n",
			m->request, m->size, request);
		exit(1);
	}
	if (m->size && recv(dev->sock, (char *)m + HEADER, m->size,
			    MSG_WAITALL) != (ssize_t)m->size)
		die("receiving a message");
}

static uint64_t ask(const struct vub_device *dev, enum request request)
{
	struct message m = {.request = request};

	put(dev, &m, -1);
	get(dev, &m);
	return m.u64;
}

static void tell(const struct vub_device *dev, enum request request,
		 uint64_t value, int fd)
{
	struct message m = {.request = request, .size = sizeof(uint64_t)};

	m.u64 = value;
	put(dev, &m, fd);
}

/* Of queue 0. */
static void tell_state(const struct vub_device *dev, enum request request,
		       uint32_t num)
{
	tell(dev, request, (uint64_t)num << 32, -1);
}

static void connect_to(struct vub_device *dev, const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		die(path);
	}
	strcpy(addr.sun_path, path);
	dev->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (dev->sock < 0 ||
	    connect(dev->sock, (struct sockaddr *)&addr, sizeof(addr)))
		die(path);
}

static void negotiate(struct vub_device *dev, bool want_event_idx)
{
	uint64_t offered = ask(dev, GET_FEATURES), protocol = 0, capacity;
	struct message m = {.request = SET_OWNER};

	put(dev, &m, -1);
	if (offered & F_PROTOCOL_FEATURES)
		protocol = ask(dev, GET_PROTOCOL_FEATURES);
	if (!(protocol & P_CONFIG)) {
		fprintf(stderr,
			"vub_client: no block device: features "
			"%" PRIx64 ", of the protocol %" PRIx64 "\n",
			offered, protocol);
		exit(1);
	}
	tell(dev, SET_PROTOCOL_FEATURES, P_CONFIG, -1);
	dev->event_idx = want_event_idx && (offered & F_EVENT_IDX);
	tell(dev, SET_FEATURES,
	     F_VERSION_1 | F_PROTOCOL_FEATURES |
		     (dev->event_idx ? F_EVENT_IDX : 0),
	     -1);
	m = (struct message){.request = GET_CONFIG, .size = 12 + CONFIG_SIZE};
	m.config.size = CONFIG_SIZE;
	put(dev, &m, -1);
	get(dev, &m);
	memcpy(&capacity, m.config.data, sizeof(capacity));
	dev->size_bytes = capacity * 512;
}

static void share_memory(struct vub_device *dev)
{
	struct message m = {.request = SET_MEM_TABLE, .size = 8 + 32};
	int fd = memfd_create("vub_client", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)dev->memory_size))
		die("memfd");
	dev->memory = mmap(NULL, dev->memory_size, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_POPULATE, fd, 0);
	if (dev->memory == MAP_FAILED)
		die("mmap");
	m.memory.count = 1;
	m.memory.guest = 0;
	m.memory.size = dev->memory_size;
	m.memory.user = (uintptr_t)dev->memory;
	put(dev, &m, fd);
	close(fd);
}

void vub_open(struct vub_device *dev, const char *path, size_t memory_size,
	      bool want_event_idx)
{
	memset(dev, 0, sizeof(*dev));
	dev->memory_size = (memory_size + 4095) & ~(size_t)4095;
	dev->kick = eventfd(0, EFD_CLOEXEC);
	dev->call = eventfd(0, EFD_CLOEXEC);
	if (dev->kick < 0 || dev->call < 0)
		die("eventfd");
	connect_to(dev, path);
	negotiate(dev, want_event_idx);
	share_memory(dev);
}

void vub_start(struct vub_device *dev, const struct vub_queue_at *at)
{
	struct message m = {.request = SET_VRING_ADDR, .size = 40};
	uint64_t base = (uintptr_t)dev->memory;

	tell_state(dev, SET_VRING_NUM, at->size);
	tell_state(dev, SET_VRING_BASE, 0);
	m.addr.desc = base + at->desc;
	m.addr.avail = base + at->avail;
	m.addr.used = base + at->used;
	put(dev, &m, -1);
	tell(dev, SET_VRING_CALL, 0, dev->call);
	tell(dev, SET_VRING_KICK, 0, dev->kick);
	tell_state(dev, SET_VRING_ENABLE, 1);
}

void vub_close(struct vub_device *dev)
{
	struct message m = {.request = GET_VRING_BASE, .size = 8};

	/* stops the queue */
	put(dev, &m, -1);
	get(dev, &m);
	close(dev->sock);
	close(dev->kick);
	close(dev->call);
	munmap(dev->memory, dev->memory_size);
}
