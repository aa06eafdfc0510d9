/* SPDX-License-Identifier: MIT */
/*
 * netfront-tap: what its files share.
 */
#ifndef XENSPLIT_NETFRONT_TAP_H
#define XENSPLIT_NETFRONT_TAP_H

#include <net/if.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "frontend/netfront.h"

#define TAP_MAX_QUEUES 8u
/* A frame that the backend takes, at most; the interface is told to keep to
 * it, with its Ethernet header and tags. */
#define TAP_MAX_FRAME 65535u
#define TAP_L2_MAX    22u /* Ethernet header and two tags */

/* ---- netfront_tap_if.c: the interface ---- */

struct tap_if {
	char name[IFNAMSIZ]; /* in: wanted, may hold %d; out: as it is */
	unsigned int nr_queues;
	int fd[TAP_MAX_QUEUES];
};

/* Make the interface, as multi-queue if nr_queues > 1, with the address, MTU
 * and offloads of info; down and without carrier.  0 or -errno, with a text
 * that says what to do about it. */
int tap_if_open(struct tap_if *t, const struct netfront_info *info, char *err,
		size_t err_size);
void tap_if_close(struct tap_if *t);
int tap_if_set_mtu(const struct tap_if *t, uint32_t mtu);
int tap_if_set_carrier(const struct tap_if *t, bool on);
int tap_if_set_up(const struct tap_if *t);

/* ---- netfront_tap_queue.c: frames both ways ---- */

struct tap_queue {
	pthread_t thread;
	unsigned int index;
	int tap_fd, stop_fd;
	struct netfront_queue *q;
	struct netfront *nf;
	struct tap_if *tap;
	unsigned int poll_us; /* spin at most so long before sleeping */
	uint32_t max_frame;   /* that the interface gives us */
	atomic_uint_fast64_t out, in, out_dropped, in_dropped, sleeps;
	int result; /* why it ended: 0 asked to */
	void (*ended)(void);
	uint32_t spin_us;
	bool starved;
	/* queue 0: what the interface was told */
	bool carrier;
	uint32_t mtu;
};

/* Until stop_fd is readable or the interface of the backend ends. */
void *tap_queue_run(void *queue);

#endif
