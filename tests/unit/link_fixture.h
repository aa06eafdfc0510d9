/* SPDX-License-Identifier: MIT */
/*
 * For the tests of the links: one queue of a link on a loop without a
 * hypervisor, and frames.
 */
#ifndef XENSPLIT_TESTS_UNIT_LINK_FIXTURE_H
#define XENSPLIT_TESTS_UNIT_LINK_FIXTURE_H

#include "backend/link.h"

#define WAIT_MS 10000

extern const uint8_t guest_mac[6];
extern struct io_loop link_loop;

/* Around each test. */
void link_fixture_start(void);
void link_fixture_end(void);

struct queue {
	struct link_ctx ctx;
	bool readable;
};

/* Must work. */
void desc_open(struct link_desc *desc, const char *target, unsigned int queues,
	       uint32_t mtu);
/* Must not; the reason, in static memory. */
const char *desc_refused(const char *target, unsigned int queues, uint32_t mtu);
void queue_attach(struct queue *q, const struct link_desc *desc,
		  unsigned int number);

/* One frame of one piece; true if it went. */
bool queue_send(struct queue *q, const void *data, uint32_t len);
/* Wait for the next frame; false after ms. */
bool queue_receive(struct queue *q, struct net_frame *f, int ms);
/* Turn the loop until it has nothing more to do now. */
void loop_turn(void);

/* An Ethernet, IPv4, UDP or TCP frame of the guest's with len bytes of payload
 * (pattern), checksums complete unless partial; its length.  TCP: no options.
 * Addresses and ports in host order. */
struct flow {
	const uint8_t *to_mac;
	uint32_t from, to;
	uint16_t from_port, to_port;
	uint32_t seq, ack;
	uint8_t tcp_flags; /* 0: UDP */
	bool partial;
};
uint32_t make_frame(uint8_t *out, const struct flow *flow, const void *payload,
		    uint32_t len);

#endif
