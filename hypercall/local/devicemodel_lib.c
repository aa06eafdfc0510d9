// SPDX-License-Identifier: MIT
/*
 * libxendevicemodel.so.1 of embedded Xen.
 *
 * Device emulation for HVM guests.  Embedded Xen runs none, so xenlocald
 * refuses every operation by its name with ENOSYS; what is sent is the
 * operation's number and the domain, never its arguments.  Opening, closing
 * and restricting work, which is all that QEMU's PV machine needs.
 */
#define __XEN_TOOLS__ 1
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xencall.h>
#include <xendevicemodel.h>
#include <xentoolcore.h>

/* Every operation below ignores what it would have to pass on. */
#pragma GCC diagnostic ignored "-Wunused-parameter"

int xentoolcore__restrict_by_dup2_null(int fd);

struct xendevicemodel_handle {
	/* registered with xentoolcore by libxencall itself */
	xencall_handle *xcall;
};

xendevicemodel_handle *xendevicemodel_open(struct xentoollog_logger *logger,
					   unsigned int open_flags)
{
	xendevicemodel_handle *dmod = calloc(1, sizeof(*dmod));

	if (!dmod)
		return NULL;
	dmod->xcall = xencall_open(logger, open_flags);
	if (!dmod->xcall) {
		int err = errno;

		free(dmod);
		errno = err;
		return NULL;
	}
	return dmod;
}

int xendevicemodel_close(xendevicemodel_handle *dmod)
{
	int rc;

	if (!dmod)
		return 0;
	rc = xencall_close(dmod->xcall);
	free(dmod);
	return rc;
}

/*
 * No operation exists that could be left to the one domain, so the handle is
 * made useless, as xentoolcore's rules ask where a choice is not possible.
 */
int xendevicemodel_restrict(xendevicemodel_handle *dmod, domid_t domid)
{
	return xentoolcore__restrict_by_dup2_null(xencall_fd(dmod->xcall));
}

static int dm_op(xendevicemodel_handle *dmod, domid_t domid, uint32_t op)
{
	struct {
		xen_dm_op_buf_t buf;
		struct xen_dm_op op;
	} * call;
	int rc, err;

	call = xencall_alloc_buffer(dmod->xcall, sizeof(*call));
	if (!call) {
		errno = ENOMEM;
		return -1;
	}
	memset(call, 0, sizeof(*call));
	call->op.op = op;
	set_xen_guest_handle_raw(call->buf.h, &call->op);
	call->buf.size = sizeof(call->op);
	rc = xencall3(dmod->xcall, __HYPERVISOR_dm_op, domid, 1,
		      (uintptr_t)&call->buf);
	err = errno;
	xencall_free_buffer(dmod->xcall, call);
	errno = err;
	return rc;
}

#define DM_OP(function, number, ...)                             \
	int function(xendevicemodel_handle *dmod, domid_t domid, \
		     ##__VA_ARGS__)                              \
	{                                                        \
		return dm_op(dmod, domid, number);               \
	}

DM_OP(xendevicemodel_create_ioreq_server, XEN_DMOP_create_ioreq_server,
      int handle_bufioreq, ioservid_t *id)
DM_OP(xendevicemodel_get_ioreq_server_info, XEN_DMOP_get_ioreq_server_info,
      ioservid_t id, xen_pfn_t *ioreq_gfn, xen_pfn_t *bufioreq_gfn,
      evtchn_port_t *bufioreq_port)
DM_OP(xendevicemodel_map_io_range_to_ioreq_server,
      XEN_DMOP_map_io_range_to_ioreq_server, ioservid_t id, int is_mmio,
      uint64_t start, uint64_t end)
DM_OP(xendevicemodel_unmap_io_range_from_ioreq_server,
      XEN_DMOP_unmap_io_range_from_ioreq_server, ioservid_t id, int is_mmio,
      uint64_t start, uint64_t end)
DM_OP(xendevicemodel_map_mem_type_to_ioreq_server,
      XEN_DMOP_map_mem_type_to_ioreq_server, ioservid_t id, uint16_t type,
      uint32_t flags)
DM_OP(xendevicemodel_map_pcidev_to_ioreq_server,
      XEN_DMOP_map_io_range_to_ioreq_server, ioservid_t id, uint16_t segment,
      uint8_t bus, uint8_t device, uint8_t function)
DM_OP(xendevicemodel_unmap_pcidev_from_ioreq_server,
      XEN_DMOP_unmap_io_range_from_ioreq_server, ioservid_t id,
      uint16_t segment, uint8_t bus, uint8_t device, uint8_t function)
DM_OP(xendevicemodel_destroy_ioreq_server, XEN_DMOP_destroy_ioreq_server,
      ioservid_t id)
DM_OP(xendevicemodel_set_ioreq_server_state, XEN_DMOP_set_ioreq_server_state,
      ioservid_t id, int enabled)
DM_OP(xendevicemodel_set_pci_intx_level, XEN_DMOP_set_pci_intx_level,
      uint16_t segment, uint8_t bus, uint8_t device, uint8_t intx,
      unsigned int level)
DM_OP(xendevicemodel_set_isa_irq_level, XEN_DMOP_set_isa_irq_level, uint8_t irq,
      unsigned int level)
DM_OP(xendevicemodel_set_irq_level, XEN_DMOP_set_irq_level, unsigned int irq,
      unsigned int level)
DM_OP(xendevicemodel_set_pci_link_route, XEN_DMOP_set_pci_link_route,
      uint8_t link, uint8_t irq)
DM_OP(xendevicemodel_inject_msi, XEN_DMOP_inject_msi, uint64_t msi_addr,
      uint32_t msi_data)
DM_OP(xendevicemodel_track_dirty_vram, XEN_DMOP_track_dirty_vram,
      uint64_t first_pfn, uint32_t nr, unsigned long *dirty_bitmap)
DM_OP(xendevicemodel_modified_memory, XEN_DMOP_modified_memory,
      uint64_t first_pfn, uint32_t nr)
DM_OP(xendevicemodel_modified_memory_bulk, XEN_DMOP_modified_memory,
      struct xen_dm_op_modified_memory_extent extents[], uint32_t nr)
DM_OP(xendevicemodel_set_mem_type, XEN_DMOP_set_mem_type,
      hvmmem_type_t mem_type, uint64_t first_pfn, uint32_t nr)
DM_OP(xendevicemodel_inject_event, XEN_DMOP_inject_event, int vcpu,
      uint8_t vector, uint8_t type, uint32_t error_code, uint8_t insn_len,
      uint64_t extra)
DM_OP(xendevicemodel_shutdown, XEN_DMOP_remote_shutdown, unsigned int reason)
DM_OP(xendevicemodel_relocate_memory, XEN_DMOP_relocate_memory, uint32_t size,
      uint64_t src_gfn, uint64_t dst_gfn)
DM_OP(xendevicemodel_pin_memory_cacheattr, XEN_DMOP_pin_memory_cacheattr,
      uint64_t start, uint64_t end, uint32_t type)
DM_OP(xendevicemodel_nr_vcpus, XEN_DMOP_nr_vcpus, unsigned int *vcpus)
