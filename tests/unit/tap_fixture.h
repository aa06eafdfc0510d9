/* SPDX-License-Identifier: MIT */
/*
 * For tests of TAP links: a network namespace of each test's own, a link whose
 * queues are attached, and at the other end of the interface a packet socket on
 * it, which sees frames as the host does, with their offloads.
 */
#ifndef XENSPLIT_TESTS_UNIT_TAP_FIXTURE_H
#define XENSPLIT_TESTS_UNIT_TAP_FIXTURE_H

#include <linux/virtio_net.h>
#include <net/if.h>
#include <sys/types.h>

#include "tests/unit/link_fixture.h"

#define NAME "xstap0"
/* a type that nothing on the host answers */
#define TEST_TYPE 0x88b5

extern const uint8_t host_mac[6];
extern struct link_desc desc;
extern struct queue q[LINK_MAX_QUEUES];
extern int ctl;  /* a socket for ioctls on interfaces */
extern int host; /* the host's end; start() opens it */

/* Whether this host lets us have a TAP in a namespace of our own. */
bool can_run(void);
/* Around each test. */
void tap_fixture_start(void);
void tap_fixture_end(void);

/* Open the link, attach all queues, open the host's end; and the other way,
 * after which the interface is gone. */
void start(unsigned int queues, uint32_t mtu);
void stop(void);

struct ifreq interface(const char *name);
void set_up(const char *name);
bool has_carrier(void);
int if_mtu(void);

void host_open(void);
void host_send(const struct virtio_net_hdr *h, const void *frame, uint32_t len);
/* The next frame from the guest; its length. */
ssize_t host_receive(struct virtio_net_hdr *h, uint8_t *frame, size_t size);

/* A frame of TEST_TYPE. */
uint32_t plain_frame(uint8_t *out, const uint8_t *to, uint8_t what,
		     uint32_t len);
/* The next frame for the guest of the type on a queue. */
bool guest_receive(struct queue *on, uint16_t type, struct net_frame *f,
		   int ms);

#endif
