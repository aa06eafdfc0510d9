/* SPDX-License-Identifier: MIT */
/*
 * The one hypercall that is embedded Xen's own: what a domain that drives a
 * device behind the IOMMU has to know and real Xen's ABI has no call for.
 *
 * Public.  Issue it through Xen's own libxencall:
 *
 *	struct xenlocal_op *op = xencall_alloc_buffer(xcall, sizeof(*op));
 *	op->u.bus_frame = (struct xenlocal_bus_frame){.domid = 0, .ref = 8};
 *	rc = xencall2(xcall, XENLOCAL_HYPERCALL, XENLOCAL_BUS_FRAME,
 *		      (uintptr_t)op);
 *
 * On real Xen the number is not used on x86 and gives ENOSYS, which is how a
 * program tells the two hosts apart.  (On real Xen a PV driver domain knows
 * machine frames from its own page tables.)
 */
#ifndef XENLOCAL_IOMMU_CALL_H
#define XENLOCAL_IOMMU_CALL_H

#include <stdint.h>

#define XENLOCAL_HYPERCALL 55u /* __HYPERVISOR_arch_7 */

enum xenlocal_cmd {
	/*
	 * Bus frame of a page.  In: domid and ref, a grant that the calling
	 * domain has mapped; or domid DOMID_SELF or its own id, and a
	 * reference that it has granted to someone.  Out: frame, writable.
	 * The bus address of byte n of the page is frame * 4096 + n, good
	 * for the devices of the calling domain while the mapping (or the
	 * grant) lasts.
	 *
	 * -ENOENT: no such page in the domain's IOMMU table.
	 * -ENODEV: the domain owns no device, so it has no table.
	 */
	XENLOCAL_BUS_FRAME = 1,

	/*
	 * Fault counters of a device since it was assigned.  In: sbdf.  Out:
	 * the rest.  -ENODEV: no such device, or it is not the caller's;
	 * domain 0 may ask for any device.
	 */
	XENLOCAL_DEVICE_FAULTS,
};

struct xenlocal_bus_frame {
	uint32_t domid, ref;
	uint64_t frame;
	uint32_t writable, pad;
};

struct xenlocal_device_faults {
	uint32_t sbdf; /* segment << 16 | bus << 8 | device << 3 | function */
	uint32_t pad;
	uint64_t reads, writes; /* DMA reads and writes that faulted */
	uint64_t last_addr;     /* bus address of the latest */
};

struct xenlocal_op {
	union {
		struct xenlocal_bus_frame bus_frame;
		struct xenlocal_device_faults faults;
		uint64_t space[8];
	} u;
};

#endif
