// SPDX-License-Identifier: MIT
/*
 * libxengnttab.so.1 of embedded Xen, second half: making grants.
 *
 * Every call makes a memfd of its own and seals it, so what a grantee gets is
 * these pages and nothing else, and no one can take them from under it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gnttab_lib.h"

#define SEALS_SIZE (F_SEAL_GROW | F_SEAL_SHRINK)

struct share_call {
	uint32_t domid, count;
	uint32_t *refs;
	bool writable;
	bool clear_byte, send_event;
	uint32_t offset;
	evtchn_port_t port;
};

xengntshr_handle *xengntshr_open(struct xentoollog_logger *logger,
				 unsigned open_flags)
{
	if (open_flags) {
		errno = EINVAL;
		return NULL;
	}
	return gnt_open(logger, false);
}

int xengntshr_close(xengntshr_handle *xgs)
{
	return xgs ? gnt_close(xgs) : 0;
}

int xengntshr_fd(xengntshr_handle *xgs)
{
	return xgs->client.fd;
}

/* The mapping is made first: a read-only grant's seal allows none after. */
static int make_memory(struct region *r, uint32_t count)
{
	size_t size = (size_t)count * WIRE_PAGE_SIZE;
	int fd = memfd_create("xengntshr", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int ret;

	if (fd < 0)
		return -errno;
	if (!ftruncate(fd, (off_t)size)) {
		r->start = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
				fd, 0);
		if (r->start != MAP_FAILED &&
		    !fcntl(fd, F_ADD_SEALS, SEALS_SIZE)) {
			r->count = count;
			return fd;
		}
	}
	ret = -errno;
	if (r->start && r->start != MAP_FAILED)
		munmap(r->start, size);
	close(fd);
	return ret;
}

static int share_message(xengntshr_handle *h, const struct share_call *sc,
			 uint32_t stage, const int *fd, struct region *r,
			 struct wire_share *reply)
{
	struct wire_msg msg = {.op = WIRE_GNTTAB_SHARE};
	struct client_io io = {.fds = fd, .nr_fds = fd ? 1 : 0};
	int ret;

	msg.share.domid = sc->domid;
	msg.share.count = sc->count;
	msg.share.writable = sc->writable;
	msg.share.share_id = r->share_id;
	msg.share.stage = stage;
	ret = client_call(&h->client, &msg, &io);
	if (!ret) {
		*reply = msg.share;
		r->share_id = msg.share.share_id;
	}
	return ret;
}

/* See WIRE_SHARE_PREPARE in wire.h for the two ways. */
static int share_memory(xengntshr_handle *h, const struct share_call *sc,
			int fd, struct region *r, struct wire_share *reply)
{
	int seals = F_SEAL_SEAL | (sc->writable ? 0 : F_SEAL_FUTURE_WRITE);
	bool two_steps = sc->clear_byte && !sc->writable;
	int ret;

	if (two_steps) {
		ret = share_message(h, sc, WIRE_SHARE_PREPARE, &fd, r, reply);
		if (ret)
			return ret;
	}
	if (fcntl(fd, F_ADD_SEALS, seals))
		return -errno;
	if (two_steps)
		return share_message(h, sc, WIRE_SHARE_COMMIT, NULL, r, reply);
	return share_message(h, sc, WIRE_SHARE_AT_ONCE, &fd, r, reply);
}

static int fetch_refs(xengntshr_handle *h, const struct share_call *sc,
		      const struct wire_share *reply)
{
	uint32_t i, n;

	for (i = 0; !reply->scattered && i < sc->count; i++)
		sc->refs[i] = reply->first_ref + i;
	for (; i < sc->count; i += n) {
		struct wire_msg msg = {.op = WIRE_GNTTAB_SHARE_REFS};
		uint32_t some[WIRE_MAX_PAYLOAD / sizeof(uint32_t)];
		struct client_io io = {.reply_payload = some,
				       .reply_max = sizeof(some)};
		int ret;

		msg.share.share_id = reply->share_id;
		msg.share.first_page = i;
		ret = client_call(&h->client, &msg, &io);
		if (ret)
			return ret;
		n = msg.payload_len / (uint32_t)sizeof(uint32_t);
		if (n == 0 || n > sc->count - i)
			return -EPROTO;
		memcpy(sc->refs + i, some, n * sizeof(uint32_t));
	}
	return 0;
}

static int set_notify(xengntshr_handle *h, const struct share_call *sc,
		      const struct region *r)
{
	struct wire_msg msg = {.op = WIRE_GNTTAB_SHARE_NOTIFY};

	if (!sc->clear_byte && !sc->send_event)
		return 0;
	msg.notify.handle_or_share = r->share_id;
	msg.notify.clear_byte = sc->clear_byte;
	msg.notify.offset = sc->offset;
	msg.notify.send_event = sc->send_event;
	msg.notify.port = sc->port;
	return client_call(&h->client, &msg, NULL);
}

static void end_share(xengntshr_handle *h, struct region *r)
{
	struct wire_msg msg = {.op = WIRE_GNTTAB_UNSHARE};

	munmap(r->start, (size_t)r->count * WIRE_PAGE_SIZE);
	msg.share.share_id = r->share_id;
	if (r->share_id)
		client_call(&h->client, &msg, NULL);
	free(r);
}

static int share(xengntshr_handle *h, const struct share_call *sc, void **out)
{
	struct region *r = calloc(1, sizeof(*r));
	struct wire_share reply;
	int fd, ret;

	if (!r)
		return -ENOMEM;
	fd = make_memory(r, sc->count);
	if (fd < 0) {
		free(r);
		return fd;
	}
	ret = share_memory(h, sc, fd, r, &reply);
	close(fd);
	if (!ret)
		ret = fetch_refs(h, sc, &reply);
	if (!ret)
		ret = set_notify(h, sc, r);
	if (!ret)
		ret = gnt_add_region(h, r);
	if (ret) {
		end_share(h, r);
		return ret;
	}
	*out = r->start;
	return 0;
}

static void *share_or_log(xengntshr_handle *h, const struct share_call *sc)
{
	void *p;
	int ret = share(h, sc, &p);

	if (!ret)
		return p;
	xtl_log(h->logger, XTL_ERROR, -ret, "xengntshr",
		"cannot share %u pages with domain %u", sc->count, sc->domid);
	errno = -ret;
	return NULL;
}

void *xengntshr_share_pages(xengntshr_handle *xgs, uint32_t domid, int count,
			    uint32_t *refs, int writable)
{
	struct share_call sc = {
		.domid = domid,
		.count = (uint32_t)count,
		.refs = refs,
		.writable = writable,
	};

	if (count <= 0 || (uint32_t)count > WIRE_MAX_SHARE) {
		errno = EINVAL;
		return NULL;
	}
	return share_or_log(xgs, &sc);
}

void *xengntshr_share_page_notify(xengntshr_handle *xgs, uint32_t domid,
				  uint32_t *ref, int writable,
				  uint32_t notify_offset,
				  evtchn_port_t notify_port)
{
	struct share_call sc = {
		.domid = domid,
		.count = 1,
		.refs = ref,
		.writable = writable,
		/* an offset outside of the page means none */
		.clear_byte = notify_offset < WIRE_PAGE_SIZE,
		.offset = notify_offset,
		.send_event = notify_port != (evtchn_port_t)-1,
		.port = notify_port,
	};

	return share_or_log(xgs, &sc);
}

int xengntshr_unshare(xengntshr_handle *xgs, void *start_address,
		      uint32_t count)
{
	struct region *r = gnt_take_region(xgs, start_address, count);

	if (!r) {
		errno = EINVAL;
		return -1;
	}
	end_share(xgs, r);
	return 0;
}
