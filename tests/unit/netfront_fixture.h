/* SPDX-License-Identifier: MIT */
/*
 * For tests of libnetfront: a NIC of one queue with its backend in the same
 * process.  The backend's sides of the rings are on the same memory, event
 * channels are eventfds, grants come from fake_gnttab.  A backend that lies is
 * one that writes what it likes into the rings.
 */
#ifndef XENSPLIT_TESTS_NETFRONT_FIXTURE_H
#define XENSPLIT_TESTS_NETFRONT_FIXTURE_H

#include <check.h>

#include "frontend/netfront_int.h"
#include "tests/unit/fake_gnttab.h"

/* After stdint.h, which it needs and does not include. */
#include <xen/io/netif.h>

extern struct netfront *nf;
extern struct netfront_queue *q;
/* The backend's sides; attach_back() begins anew with the current rings. */
extern struct net_back_ring tx, rx;
void attach_back(void);

/* How often the frontend rang; ring the queue's bell. */
extern int notifies;
void ring_bell(void);

/* What both can; connect() hands over a connection made for it. */
extern struct netfront_features can;
void connect_queue(void);

/* The backend: take a transmit request, which must be there; answer. */
struct net_tx_req take_tx(void);
struct net_extra take_tx_extra(void);
void answer_tx(uint16_t id, int16_t status);

/* The backend: put a receive response into the next slot with the buffer's
 * content; publish() shows what was put. */
struct net_rx_req take_rx(void);
void *page_of(uint32_t gref);
void put_rx(uint16_t id, uint16_t offset, uint16_t flags, int16_t status);
void give_rx(const void *data, uint32_t len, uint16_t flags);
void publish(void);

/* What receive() was given. */
extern struct got {
	int frames;
	uint32_t len;
	unsigned int nr_iov;
	struct netfront_meta meta;
	uint8_t data[NET_PACKET_MAX];
} got;
void receive(void *user, const struct iovec *iov, unsigned int nr_iov,
	     uint32_t len, const struct netfront_meta *meta);
int poll_all(void);

/* The interface must have failed, saying text. */
void must_have_failed(const char *text);

/* Run the tests that add() adds, once for each way of the event channels; for
 * main(). */
int run_netfront(const char *suite, void (*add)(TCase *tc));

#endif
