/* SPDX-License-Identifier: MIT */
/*
 * xenlocald's side of a hypercall: the caller's buffers, already copied out of
 * the packet, and one entry point for each family.
 *
 * Private to xenlocald.  Single-threaded, like all of xenlocald.  The buffers
 * belong to hypercall.c and last for one call.
 */
#ifndef XENSPLIT_LOCAL_HYPERCALL_H
#define XENSPLIT_LOCAL_HYPERCALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "callbuf.h"

struct domain;

struct hypercall {
	struct domain *caller;
	uint32_t op;
	uint64_t arg[5];
	uint32_t nr_bufs;
	struct {
		const uint8_t *in;
		uint32_t in_len;
		uint8_t *out;
		uint32_t out_max, out_len;
	} buf[CALLBUF_MAX];
};

/*
 * Copy `size` bytes from the start of buffer i of the caller.  -EFAULT when
 * the caller gave fewer.
 */
int hypercall_read(const struct hypercall *hc, uint32_t i, void *dst,
		   size_t size);

/*
 * Put `size` bytes at `offset` of buffer i of the caller; what is skipped
 * becomes 0.  -EFAULT when there is no room.
 */
int hypercall_write(struct hypercall *hc, uint32_t i, size_t offset,
		    const void *src, size_t size);

/* Room in buffer i, in bytes; 0 for a null handle. */
uint32_t hypercall_room(const struct hypercall *hc, uint32_t i);

/* Write `count` set bits to the bitmap in buffer i, cut to its room. */
int hypercall_write_bits(struct hypercall *hc, uint32_t i, uint32_t count);

/*
 * A sub-op that embedded Xen does not have: logs the hypercall, the sub-op by
 * name and number and the calling domain, and returns -ENOSYS.
 */
int hypercall_refuse(const struct hypercall *hc, uint32_t cmd);

/* The families.  Each returns the hypercall's result, or -errno. */
int64_t hypercall_version(struct hypercall *hc);
int64_t hypercall_memory(struct hypercall *hc);
int64_t hypercall_sysctl(struct hypercall *hc);
int64_t hypercall_domctl(struct hypercall *hc);
int64_t hypercall_own(struct hypercall *hc); /* iommu_call.h */

/* call_names.c: "domctl" of 36, "createdomain" of (36, 1); never NULL. */
const char *hypercall_name(uint32_t op);
const char *hypercall_sub_name(uint32_t op, uint32_t cmd);

/* host.c: what this machine is, read once. */
struct host_info {
	uint32_t nr_cpus, cpu_khz;
	uint64_t total_pages;
};
const struct host_info *host_info(void);
uint64_t host_free_pages(void);

#endif
