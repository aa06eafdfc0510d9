// SPDX-License-Identifier: MIT
/*
 * Which memory a hypercall touches: the argument structure and what the guest
 * handles in it point to, as a table.
 *
 * Library side.  It is not a check of the arguments; xenlocald makes those on
 * its private copy.  A pointer of the caller's own that is wrong faults here,
 * in the caller.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define __XEN_TOOLS__ 1
#include <xen/xen.h>
#include <xen/domctl.h>
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/sysctl.h>
#include <xen/version.h>
#include <xen/hvm/dm_op.h>

#include "callbuf.h"
#include "iommu_call.h"

/* More than any buffer that is ever cut to WIRE_MAX_PAYLOAD. */
#define MAX_EMBEDDED (64u << 20)

enum count_kind {
	COUNT_NONE,
	COUNT_ITEMS,  /* a uint32_t count of elements of `elem` bytes */
	COUNT_BITS,   /* a uint32_t number of bits */
	COUNT_SQUARE, /* count * count elements */
};

struct embedded {
	uint16_t handle, count; /* offsets in the argument structure */
	uint8_t kind, dir;
	uint16_t elem;
};

struct sub_op {
	uint32_t op, cmd;
	struct embedded embedded[2];
};

#define DOMCTL_OFF(field) offsetof(struct xen_domctl, u.field)
#define SYSCTL_OFF(field) offsetof(struct xen_sysctl, u.field)
#define BITMAP(OFF, field, dir)                                           \
	{                                                                 \
		OFF(field.bitmap), OFF(field.nr_bits), COUNT_BITS, dir, 1 \
	}
#define ARRAY(OFF, handle, count, type, dir)                            \
	{                                                               \
		OFF(handle), OFF(count), COUNT_ITEMS, dir, sizeof(type) \
	}

static const struct sub_op sub_ops[] = {
	{__HYPERVISOR_domctl,
	 XEN_DOMCTL_getvcpuaffinity,
	 {BITMAP(DOMCTL_OFF, vcpuaffinity.cpumap_hard, CALLBUF_OUT),
	  BITMAP(DOMCTL_OFF, vcpuaffinity.cpumap_soft, CALLBUF_OUT)}},
	{__HYPERVISOR_domctl,
	 XEN_DOMCTL_getnodeaffinity,
	 {BITMAP(DOMCTL_OFF, nodeaffinity.nodemap, CALLBUF_OUT)}},
	{__HYPERVISOR_domctl,
	 XEN_DOMCTL_get_device_group,
	 {ARRAY(DOMCTL_OFF, get_device_group.sdev_array,
		get_device_group.max_sdevs, uint32_t, CALLBUF_OUT)}},
	{__HYPERVISOR_sysctl,
	 XEN_SYSCTL_readconsole,
	 {ARRAY(SYSCTL_OFF, readconsole.buffer, readconsole.count, char,
		CALLBUF_OUT)}},
	{__HYPERVISOR_sysctl,
	 XEN_SYSCTL_getdomaininfolist,
	 {ARRAY(SYSCTL_OFF, getdomaininfolist.buffer,
		getdomaininfolist.max_domains, struct xen_domctl_getdomaininfo,
		CALLBUF_OUT)}},
	{__HYPERVISOR_sysctl,
	 XEN_SYSCTL_cputopoinfo,
	 {ARRAY(SYSCTL_OFF, cputopoinfo.cputopo, cputopoinfo.num_cpus,
		struct xen_sysctl_cputopo, CALLBUF_OUT)}},
	{__HYPERVISOR_sysctl,
	 XEN_SYSCTL_numainfo,
	 {ARRAY(SYSCTL_OFF, numainfo.meminfo, numainfo.num_nodes,
		struct xen_sysctl_meminfo, CALLBUF_OUT),
	  {SYSCTL_OFF(numainfo.distance), SYSCTL_OFF(numainfo.num_nodes),
	   COUNT_SQUARE, CALLBUF_OUT, sizeof(uint32_t)}}},
	{__HYPERVISOR_sysctl,
	 XEN_SYSCTL_pcitopoinfo,
	 {ARRAY(SYSCTL_OFF, pcitopoinfo.devs, pcitopoinfo.num_devs,
		struct physdev_pci_device, CALLBUF_IN),
	  ARRAY(SYSCTL_OFF, pcitopoinfo.nodes, pcitopoinfo.num_devs, uint32_t,
		CALLBUF_OUT)}},
	{__HYPERVISOR_sysctl,
	 XEN_SYSCTL_cpupool_op,
	 {BITMAP(SYSCTL_OFF, cpupool_op.cpumap, CALLBUF_OUT)}},
};

static const struct sub_op *find_sub_op(uint32_t op, uint32_t cmd)
{
	for (size_t i = 0; i < sizeof(sub_ops) / sizeof(sub_ops[0]); i++)
		if (sub_ops[i].op == op && sub_ops[i].cmd == cmd)
			return &sub_ops[i];
	return NULL;
}

static int embedded_buf(const char *arg, const struct embedded *e,
			struct callbuf *buf)
{
	uint64_t handle, bytes;
	uint32_t count;

	memcpy(&handle, arg + e->handle, sizeof(handle));
	memcpy(&count, arg + e->count, sizeof(count));
	bytes = count;
	if (e->kind == COUNT_BITS)
		bytes = (bytes + 7) / 8;
	else if (e->kind == COUNT_SQUARE)
		bytes = count > 4096 ? MAX_EMBEDDED + 1 : bytes * count;
	bytes *= e->elem;
	if (!handle)
		bytes = 0;
	if (bytes > MAX_EMBEDDED)
		return -EINVAL;
	buf->addr = (void *)(uintptr_t)handle;
	buf->len = bytes;
	buf->dir = e->dir;
	return 0;
}

/* domctl and sysctl: a structure that starts with the command */
static int describe_ctl(uint32_t op, uint64_t addr, uint32_t size,
			struct callbuf *buf)
{
	const struct sub_op *s;
	int nr = 0, rc;

	if (!addr)
		return 0;
	buf[nr++] = (struct callbuf){(void *)(uintptr_t)addr, size,
				     CALLBUF_IN | CALLBUF_OUT};
	s = find_sub_op(op, *(const uint32_t *)buf[0].addr);
	for (int i = 0; s && i < 2 && s->embedded[i].kind; i++) {
		rc = embedded_buf(buf[0].addr, &s->embedded[i], &buf[nr]);
		if (rc)
			return rc;
		nr++;
	}
	return nr;
}

static uint32_t version_size(uint32_t cmd, uint64_t addr)
{
	switch (cmd) {
	case XENVER_extraversion:
		return sizeof(xen_extraversion_t);
	case XENVER_compile_info:
		return sizeof(xen_compile_info_t);
	case XENVER_capabilities:
		return sizeof(xen_capabilities_info_t);
	case XENVER_changeset:
		return sizeof(xen_changeset_info_t);
	case XENVER_platform_parameters:
		return sizeof(xen_platform_parameters_t);
	case XENVER_get_features:
		return sizeof(xen_feature_info_t);
	case XENVER_guest_handle:
		return sizeof(xen_domain_handle_t);
	case XENVER_commandline:
		return sizeof(xen_commandline_t);
	case XENVER_build_id:
		return addr ? sizeof(xen_build_id_t) : 0;
	}
	return 0;
}

static uint32_t memory_size(uint32_t cmd)
{
	switch (cmd) {
	case XENMEM_current_reservation:
	case XENMEM_maximum_reservation:
	case XENMEM_maximum_gpfn:
		return sizeof(domid_t);
	case XENMEM_acquire_resource:
		return sizeof(struct xen_mem_acquire_resource);
	}
	return 0;
}

static int describe_one(uint64_t addr, uint32_t size, struct callbuf *buf)
{
	if (!addr || !size)
		return 0;
	buf[0] = (struct callbuf){(void *)(uintptr_t)addr, size,
				  CALLBUF_IN | CALLBUF_OUT};
	return 1;
}

/* The first buffer holds the operation and its fixed arguments. */
static int describe_dm_op(const uint64_t arg[5], struct callbuf *buf)
{
	const xen_dm_op_buf_t *bufs = (const void *)(uintptr_t)arg[2];
	uint32_t size;

	if (!arg[1] || !bufs)
		return 0;
	size = bufs[0].size < sizeof(struct xen_dm_op)
		       ? (uint32_t)bufs[0].size
		       : (uint32_t)sizeof(struct xen_dm_op);
	return describe_one((uintptr_t)bufs[0].h.p, size, buf);
}

int call_describe(uint32_t op, const uint64_t arg[5], struct callbuf *buf)
{
	switch (op) {
	case __HYPERVISOR_domctl:
		return describe_ctl(op, arg[0], sizeof(struct xen_domctl), buf);
	case __HYPERVISOR_sysctl:
		return describe_ctl(op, arg[0], sizeof(struct xen_sysctl), buf);
	case __HYPERVISOR_platform_op:
	case __HYPERVISOR_xsm_op:
		return describe_one(arg[0], sizeof(uint32_t), buf);
	case __HYPERVISOR_xen_version:
		return describe_one(arg[1], version_size(arg[0], arg[1]), buf);
	case __HYPERVISOR_memory_op:
		return describe_one(arg[1], memory_size(arg[0]), buf);
	case __HYPERVISOR_dm_op:
		return describe_dm_op(arg, buf);
	case XENLOCAL_HYPERCALL:
		return describe_one(arg[1], sizeof(struct xenlocal_op), buf);
	}
	return 0;
}
