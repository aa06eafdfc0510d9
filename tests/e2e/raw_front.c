// SPDX-License-Identifier: MIT
/* See raw_front.h. */
#include "tests/e2e/raw_front.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TICK_MS 2

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int complain(const char *what, int err)
{
	fprintf(stderr, "raw_front: %s: %s\n", what, strerror(-err));
	return err;
}

int raw_open(struct raw_front *f, const char *class, unsigned int devid)
{
	uint64_t backend_id;
	struct xs_err why = {""};
	uint32_t domid;
	int err;

	memset(f, 0, sizeof(*f));
	f->port = -1;
	err = xs_store_open(&f->xs, NULL);
	if (!err)
		err = xs_store_domid(f->xs, &domid);
	if (err)
		return complain("xenstore", err);
	snprintf(f->fe, sizeof(f->fe), "/local/domain/%u/device/%s/%u", domid,
		 class, devid);
	err = xs_read_str(f->xs, XBT_NULL, f->fe, "backend", f->be,
			  sizeof(f->be), &why);
	if (!err)
		err = xs_read_u64(f->xs, XBT_NULL, f->fe, "backend-id", 0,
				  0x7fef, &backend_id, &why);
	if (err)
		return complain(f->fe, err);
	f->be_domid = (uint32_t)backend_id;
	f->gntshr = xengntshr_open(NULL, 0);
	f->xce = xenevtchn_open(NULL, 0);
	if (!f->gntshr || !f->xce)
		return complain("the hypervisor's devices", -errno);
	return 0;
}

void raw_close(struct raw_front *f)
{
	raw_drop_ring(f);
	if (f->xce)
		xenevtchn_close(f->xce);
	if (f->gntshr)
		xengntshr_close(f->gntshr);
	xs_store_close(f->xs);
}

/* ---- states ---- */

void raw_set_state(struct raw_front *f, enum xenbus_state state)
{
	int err = xs_writef(f->xs, XBT_NULL, f->fe, "state", "%d", state);

	if (err)
		complain("cannot write the state", err);
}

enum xenbus_state raw_back_state(struct raw_front *f)
{
	enum xenbus_state state = XenbusStateUnknown;

	xs_read_state(f->xs, XBT_NULL, f->be, &state, NULL);
	return state;
}

int raw_wait_back(struct raw_front *f, unsigned int states)
{
	int64_t end = now_ms() + RAW_WAIT_MS;

	while (!(RAW_BIT(raw_back_state(f)) & states)) {
		if (now_ms() > end) {
			fprintf(stderr,
				"raw_front: the backend is in state %d, not in "
				"one of 0x%x\n",
				raw_back_state(f), states);
			return -ETIMEDOUT;
		}
		poll(NULL, 0, TICK_MS);
	}
	return 0;
}

int raw_wait_refusal(struct raw_front *f)
{
	char error[256];
	int err = raw_wait_back(f, RAW_BIT(XenbusStateClosing) |
					   RAW_BIT(XenbusStateClosed));

	if (!err && xs_read_str(f->xs, XBT_NULL, f->be, "error", error,
				sizeof(error), NULL)) {
		fprintf(stderr, "no error node\n");
		err = -1;
	}
	if (err)
		return err;
	printf("%s\n", error);
	raw_set_state(f, XenbusStateClosed);
	return raw_wait_back(f, RAW_BIT(XenbusStateClosed));
}

/* ---- the connection ---- */

void raw_write_key(struct raw_front *f, const char *key, uint32_t value)
{
	int err = xs_writef(f->xs, XBT_NULL, f->fe, key, "%" PRIu32, value);

	if (err)
		complain(key, err);
}

static int make_pools(struct raw_front *f)
{
	int err = grant_pool_create(&f->ring_pool, f->gntshr, f->be_domid, 1,
				    true);
	void *page;

	if (!err)
		err = grant_pool_create(&f->data_pool, f->gntshr, f->be_domid,
					RAW_DATA_PAGES, true);
	if (err)
		return err;
	page = grant_pool_alloc(f->ring_pool, 1);
	f->data = grant_pool_alloc(f->data_pool, RAW_DATA_PAGES);
	return blk_front_ring_init(&f->ring, page, 1, BLK_ABI_X86_64);
}

int raw_make_ring(struct raw_front *f, bool persistent)
{
	int err = make_pools(f);

	if (err)
		return complain("cannot share pages", err);
	f->port = xenevtchn_bind_unbound_port(f->xce, f->be_domid);
	if (f->port < 0)
		return complain("no event channel", -errno);
	raw_write_key(f, "ring-ref",
		      grant_pool_ref(f->ring_pool, f->ring.shared));
	raw_write_key(f, "event-channel", (uint32_t)f->port);
	raw_write_key(f, "feature-persistent", persistent);
	return 0;
}

void raw_drop_ring(struct raw_front *f)
{
	static const char *const keys[] = {"ring-ref", "event-channel",
					   "feature-persistent"};
	char path[128];
	size_t i;

	if (f->port >= 0)
		xenevtchn_unbind(f->xce, (evtchn_port_t)f->port);
	f->port = -1;
	grant_pool_destroy(f->ring_pool);
	grant_pool_destroy(f->data_pool);
	f->ring_pool = f->data_pool = NULL;
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", f->fe, keys[i]);
		xs_remove(f->xs, XBT_NULL, path);
	}
}

int raw_connect(struct raw_front *f, bool persistent)
{
	int err;

	raw_set_state(f, XenbusStateInitialising);
	err = raw_wait_back(f, RAW_BIT(XenbusStateInitWait));
	if (!err)
		err = raw_make_ring(f, persistent);
	if (err)
		return err;
	raw_set_state(f, XenbusStateInitialised);
	err = raw_wait_back(f, RAW_BIT(XenbusStateConnected));
	if (!err)
		raw_set_state(f, XenbusStateConnected);
	return err;
}

int raw_disconnect(struct raw_front *f)
{
	int err;

	raw_set_state(f, XenbusStateClosing);
	err = raw_wait_back(f, RAW_BIT(XenbusStateClosing) |
				       RAW_BIT(XenbusStateClosed));
	raw_set_state(f, XenbusStateClosed);
	if (!err)
		err = raw_wait_back(f, RAW_BIT(XenbusStateClosed));
	raw_drop_ring(f);
	return err;
}

/* ---- requests ---- */

uint32_t raw_ref(const struct raw_front *f, unsigned int page)
{
	return grant_pool_ref(f->data_pool, f->data + page * BLK_PAGE_SIZE);
}

void raw_notify(struct raw_front *f)
{
	if (f->port >= 0)
		xenevtchn_notify(f->xce, (evtchn_port_t)f->port);
}

uint64_t raw_send(struct raw_front *f, struct blk_req *req)
{
	req->id = ++f->next_id;
	blk_front_ring_put(&f->ring, req);
	blk_front_ring_publish(&f->ring);
	raw_notify(f);
	return req->id;
}

/* Without blocking: a test's own condition has the limit. */
static void clear_events(struct raw_front *f)
{
	struct pollfd p = {.fd = xenevtchn_fd(f->xce), .events = POLLIN};
	xenevtchn_port_or_error_t port;

	if (poll(&p, 1, TICK_MS) <= 0)
		return;
	port = xenevtchn_pending(f->xce);
	if (port >= 0)
		xenevtchn_unmask(f->xce, (evtchn_port_t)port);
}

int raw_receive(struct raw_front *f, struct blk_rsp *rsp)
{
	int64_t end = now_ms() + RAW_WAIT_MS;

	while (blk_front_ring_avail(&f->ring) <= 0) {
		if (now_ms() > end)
			return -ETIMEDOUT;
		if (!blk_front_ring_arm(&f->ring))
			clear_events(f);
	}
	blk_front_ring_get(&f->ring, rsp);
	return 0;
}

int raw_ask(struct raw_front *f, struct blk_req *req)
{
	uint64_t id = raw_send(f, req);
	struct blk_rsp rsp;

	if (raw_receive(f, &rsp)) {
		fprintf(stderr, "raw_front: no response\n");
		return INT_MIN;
	}
	if (rsp.id != id || rsp.op != req->op) {
		fprintf(stderr,
			"raw_front: response %" PRIu64 " op %u to request "
			"%" PRIu64 " op %u\n",
			rsp.id, rsp.op, id, req->op);
		return INT_MIN;
	}
	return rsp.status;
}
