/* SPDX-License-Identifier: MIT */
/*
 * The front-end's half of the vhost-user protocol, as far as one block device
 * with one split virtqueue needs it: what a virtual machine monitor says to an
 * export before the queue runs.  For measuring; it trusts the other end.
 */
#ifndef XENSPLIT_TESTS_BENCH_VUB_PROTO_H
#define XENSPLIT_TESTS_BENCH_VUB_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vub_device {
	int sock;
	int kick, call; /* eventfds: to the device, from it */
	bool event_idx; /* negotiated */
	uint64_t size_bytes;
	char *memory; /* shared with the device; "guest address" 0 */
	size_t memory_size;
};

/* Where the queue is, as offsets into the memory. */
struct vub_queue_at {
	unsigned int size;
	size_t desc, avail, used;
};

/* Connect to the export at path, negotiate, share memory_size bytes.  These
 * print why and exit(1) when something fails. */
void vub_open(struct vub_device *dev, const char *path, size_t memory_size,
	      bool want_event_idx);
/* The queue begins to run. */
void vub_start(struct vub_device *dev, const struct vub_queue_at *at);
void vub_close(struct vub_device *dev);

#endif
