/* SPDX-License-Identifier: MIT */
/*
 * A frontend without manners, for tests: one ring of one page, its own
 * negotiation, everything in the caller's hands, nothing checked.
 *
 * Waits are on conditions, RAW_WAIT_MS at most.  One thread.
 */
#ifndef XENSPLIT_TESTS_RAW_FRONT_H
#define XENSPLIT_TESTS_RAW_FRONT_H

#include <stdbool.h>
#include <stdint.h>
#include <xenevtchn.h>
#include <xengnttab.h>

#include "grant/pool.h"
#include "hypercall/xs_store.h"
#include "ring/blk_ring.h"

#define RAW_WAIT_MS    10000
#define RAW_DATA_PAGES 300u

struct raw_front {
	struct xs_store *xs;
	xengntshr_handle *gntshr;
	xenevtchn_handle *xce;
	char fe[64], be[128];
	uint32_t be_domid;
	/* of a connection */
	struct grant_pool *ring_pool, *data_pool;
	int port; /* -1: none */
	struct blk_front_ring ring;
	uint8_t *data; /* RAW_DATA_PAGES */
	uint64_t next_id;
};

/* Find the device of class vbd or vif.  0 or -errno, said on standard error. */
int raw_open(struct raw_front *f, const char *class, unsigned int devid);
void raw_close(struct raw_front *f);

void raw_set_state(struct raw_front *f, enum xenbus_state state);
enum xenbus_state raw_back_state(struct raw_front *f);
/* Wait until the backend's state is one of those whose bits are set. */
#define RAW_BIT(state) (1u << (state))
int raw_wait_back(struct raw_front *f, unsigned int states);
/* Wait until the backend closes with an error, which is printed, and close as
 * it does; the connection is still to be dropped. */
int raw_wait_refusal(struct raw_front *f);

/* Make ring, data pages and event channel and write their keys, no state. */
int raw_make_ring(struct raw_front *f, bool persistent);
void raw_write_key(struct raw_front *f, const char *key, uint32_t value);
/* Take all that away again, keys too. */
void raw_drop_ring(struct raw_front *f);
/* From any state to Connected on both sides, or -ETIMEDOUT; and back to Closed
 * on both sides. */
int raw_connect(struct raw_front *f, bool persistent);
int raw_disconnect(struct raw_front *f);

/* The reference of a data page. */
uint32_t raw_ref(const struct raw_front *f, unsigned int page);
/* Put and publish a request with an id of our own, and notify. */
uint64_t raw_send(struct raw_front *f, struct blk_req *req);
void raw_notify(struct raw_front *f);
/* The next response; -ETIMEDOUT. */
int raw_receive(struct raw_front *f, struct blk_rsp *rsp);
/* raw_send(), raw_receive(): the status, or INT_MIN after a complaint. */
int raw_ask(struct raw_front *f, struct blk_req *req);

#endif
