// SPDX-License-Identifier: MIT
/*
 * The bytes of a guest's xenstore ring and its event channel.
 * What the bytes mean is xenbus_mux.c's business.
 */
#include "xenbus_ring.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xen/io/xs_wire.h>

#include "chan.h"
#include "client.h"
#include "wire.h"

/* The reply's descriptors: the event channel's, then the page. */
enum { FD_PAGE = WIRE_EVT_NR_FDS, NR_FDS };

/* Takes over the descriptors in fds[], also when it fails. */
static int take_fds(struct xenbus_ring *ring, const int fds[NR_FDS],
		    unsigned int side)
{
	int rc = chan_open(&ring->chan, fds, side);
	void *page = mmap(NULL, WIRE_PAGE_SIZE, PROT_READ | PROT_WRITE,
			  MAP_SHARED, fds[FD_PAGE], 0);

	if (page != MAP_FAILED)
		ring->page = page;
	else if (rc == 0)
		rc = -errno;
	close(fds[FD_PAGE]);
	return rc;
}

static bool ring_is_fresh(const struct xenstore_domain_interface *page)
{
	return !page->req_prod && !page->req_cons && !page->rsp_prod &&
	       !page->rsp_cons;
}

int xenbus_ring_open(struct xenbus_ring *ring)
{
	struct wire_msg msg = {.op = WIRE_XENBUS_CLAIM};
	int fds[NR_FDS];
	struct client_io io = {.reply_fds = fds, .reply_fds_max = NR_FDS};
	int rc;

	memset(ring, 0, sizeof(*ring));
	ring->chan.bell = -1;
	rc = client_open(&ring->client, true);
	if (rc < 0)
		return rc;
	rc = client_call(&ring->client, &msg, &io);
	if (rc == 0 && io.nr_reply_fds != NR_FDS)
		rc = -EPROTO;
	if (rc < 0) {
		while (io.nr_reply_fds)
			close(fds[--io.nr_reply_fds]);
	} else {
		ring->domid = ring->client.domid;
		rc = take_fds(ring, fds, msg.evtchn.side);
	}
	if (rc == 0 && !ring_is_fresh(ring->page))
		rc = -EBUSY;
	if (rc < 0)
		xenbus_ring_close(ring);
	return rc;
}

void xenbus_ring_close(struct xenbus_ring *ring)
{
	if (ring->page)
		munmap(ring->page, WIRE_PAGE_SIZE);
	ring->page = NULL;
	chan_close(&ring->chan);
	client_close(&ring->client);
}

/* How far the peer's index may be from ours, whatever it says. */
static bool distance_ok(uint32_t cons, uint32_t prod)
{
	return prod - cons <= XENSTORE_RING_SIZE;
}

static int ring_given_up(const struct xenbus_ring *ring)
{
	return __atomic_load_n(&ring->page->error, __ATOMIC_RELAXED) !=
	       XENSTORE_ERROR_NONE;
}

ssize_t xenbus_ring_write(struct xenbus_ring *ring, const void *data,
			  size_t len)
{
	/* pairs with xenstored's barrier between its copy and req_cons */
	uint32_t cons = __atomic_load_n(&ring->page->req_cons,
					__ATOMIC_ACQUIRE);
	uint32_t at = MASK_XENSTORE_IDX(ring->req_prod);
	size_t space, first;

	if (ring_given_up(ring))
		return -EIO;
	if (!distance_ok(cons, ring->req_prod))
		return -EPROTO;
	space = XENSTORE_RING_SIZE - (ring->req_prod - cons);
	if (len > space)
		len = space;
	first = XENSTORE_RING_SIZE - at;
	if (first > len)
		first = len;
	memcpy(ring->page->req + at, data, first);
	memcpy(ring->page->req, (const char *)data + first, len - first);
	ring->req_prod += (uint32_t)len;
	__atomic_store_n(&ring->page->req_prod, ring->req_prod,
			 __ATOMIC_RELEASE);
	if (len)
		ring->unannounced = true;
	return (ssize_t)len;
}

ssize_t xenbus_ring_read(struct xenbus_ring *ring, void *data, size_t len)
{
	/* pairs with xenstored's barrier between its copy and rsp_prod */
	uint32_t prod = __atomic_load_n(&ring->page->rsp_prod,
					__ATOMIC_ACQUIRE);
	uint32_t at = MASK_XENSTORE_IDX(ring->rsp_cons);
	size_t first;

	if (!distance_ok(ring->rsp_cons, prod))
		return -EPROTO;
	if (len > prod - ring->rsp_cons)
		len = prod - ring->rsp_cons;
	first = XENSTORE_RING_SIZE - at;
	if (first > len)
		first = len;
	memcpy(data, ring->page->rsp + at, first);
	memcpy((char *)data + first, ring->page->rsp, len - first);
	ring->rsp_cons += (uint32_t)len;
	__atomic_store_n(&ring->page->rsp_cons, ring->rsp_cons,
			 __ATOMIC_RELEASE);
	if (len)
		ring->unannounced = true;
	return (ssize_t)len;
}

void xenbus_ring_notify(struct xenbus_ring *ring)
{
	if (!ring->unannounced)
		return;
	ring->unannounced = false;
	chan_notify(&ring->chan);
}

void xenbus_ring_ack(struct xenbus_ring *ring)
{
	chan_drain(&ring->chan);
	/*
	 * Nothing stays masked: from now on an event rings again, and what came
	 * before is on the ring when the caller looks.  Bounded, because the
	 * peer can set the word as often as it likes.
	 */
	for (int i = 0; i < 64; i++) {
		if (!chan_deliver(&ring->chan) || !chan_unmask(&ring->chan))
			return;
	}
}
