/* SPDX-License-Identifier: MIT */
/*
 * The DMA storage device of embedded Xen: what its driver and the device
 * model, xenlocal-dma, say to each other.
 *
 * Public.  The device stands for one that masters the bus: the driver writes
 * descriptors with bus addresses, the device moves the data by itself, and
 * only the IOMMU of embedded Xen is between it and memory.  The driver runs
 * in the domain that the device is assigned to (xc_assign_device), learns bus
 * addresses from XENLOCAL_BUS_FRAME (iommu_call.h) and never passes data.
 *
 * The channel is a SOCK_SEQPACKET socket, xenlocal_dma_open()'s.  The device
 * sends one struct dma_hello first.  Then each packet of the driver is 1 to
 * DMA_MAX_BATCH descriptors, and each of the device's 1 to DMA_MAX_BATCH
 * completions.  Descriptors are done in the order of sending; one that fails
 * does not stop the next.  A packet of any other size ends the channel, as
 * does the device's removal from the domain.  All integers are the host's.
 */
#ifndef XENLOCAL_DMA_DEVICE_H
#define XENLOCAL_DMA_DEVICE_H

#include <stdint.h>

#define DMA_VERSION   1u
#define DMA_MAX_BATCH 64u
#define DMA_MAX_LEN   (1u << 20) /* bytes in one descriptor */

struct dma_hello {
	uint32_t version; /* DMA_VERSION */
	uint32_t pad;
	uint64_t size; /* of the device, in bytes */
};

enum dma_op {
	DMA_READ = 1, /* device to memory */
	DMA_WRITE,    /* memory to device */
	DMA_FLUSH,    /* what was written before is on stable storage */
};

struct dma_desc {
	uint64_t tag; /* the driver's, comes back in the completion */
	uint64_t device_offset;
	uint64_t bus_addr;
	uint32_t len;
	uint32_t op; /* enum dma_op */
};

struct dma_completion {
	uint64_t tag;
	/*
	 * 0; -EFAULT: the IOMMU refused (then len is what was moved before);
	 * -EINVAL: unknown op or too long; -ENOSPC: past the device's end;
	 * -EIO and others: the file's.
	 */
	int32_t status;
	uint32_t len; /* bytes moved */
};

/*
 * Open the channel to a device of the calling domain (libxenlocal-dma.a).
 *
 * sbdf: segment << 16 | bus << 8 | device << 3 | function.  Returns a
 * descriptor to close(), or -errno: -ENODEV (no such device, or another
 * domain's: a caller cannot tell), -EBUSY (device model not answering),
 * -ENXIO (not in a domain of embedded Xen).  Thread safe.
 */
int xenlocal_dma_open(uint32_t sbdf);

#endif
