/* SPDX-License-Identifier: MIT */
/*
 * For tests of the user-mode network: a guest that speaks ARP, UDP and a little
 * more, and sockets on the host.
 */
#ifndef XENSPLIT_TESTS_UNIT_LINK_USER_GUEST_H
#define XENSPLIT_TESTS_UNIT_LINK_USER_GUEST_H

#include <check.h>

#include "tests/unit/link_fixture.h"

#define GUEST   0x0a00020fu /* 10.0.2.15 */
#define GATEWAY 0x0a000202u

extern const uint8_t broadcast[6];
extern struct link_desc desc;
extern struct queue guest;

/* Open the link and attach the guest to it; and the other way. */
void start(const char *target);
void stop(void);

uint16_t get16(const uint8_t *p);
uint32_t get32(const uint8_t *p);

/* The next frame of an Ethernet type for the guest; others pass by. */
uint8_t *expect(uint16_t type, struct net_frame *f);
/* Until the link takes a frame. */
void wait_room(void);
/* Ask for the gateway's address: when it is answered, what was sent before is
 * done with. */
void find_gateway(void);
/* From the guest to a port of the host. */
struct flow flow_to(uint16_t port);
/* A datagram to the host and back. */
void udp_round(void);

/* A socket on the host's loopback, on a port of its own. */
int host_socket(int type, uint16_t *port);
/* Whether fd is readable within ms. */
bool wait_fd(int fd, int ms);

/* Run the tests that add() adds; for main(). */
int run_link_user(int argc, char **argv, const char *suite,
		  void (*add)(TCase *tc));

#endif
