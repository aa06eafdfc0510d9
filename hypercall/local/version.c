// SPDX-License-Identifier: MIT
/*
 * __HYPERVISOR_xen_version and __HYPERVISOR_memory_op: the few sub-ops that
 * tools of a host need.
 *
 * The version is that of the interface which the libraries implement: what
 * libxenctrl of Debian 12 is built for.
 */
#define __XEN_TOOLS__ 1
#include <errno.h>
#include <string.h>

#include "xenlocald.h"

#include <xen/xen.h>
#include <xen/features.h>
#include <xen/memory.h>
#include <xen/version.h>

#include "hypercall.h"

#define XEN_MAJOR 4
#define XEN_MINOR 17

/* Strings of the interface are of fixed size and zero-padded. */
static int write_string(struct hypercall *hc, const char *s, size_t size)
{
	char buf[sizeof(xen_capabilities_info_t)] = "";

	strncpy(buf, s, size - 1);
	return hypercall_write(hc, 0, 0, buf, size);
}

static int write_compile_info(struct hypercall *hc)
{
	xen_compile_info_t info = {
		.compile_by = "xensplit",
		.compile_domain = "embedded",
		.compile_date = "unknown",
	};

	strncpy(info.compiler, "gcc " __VERSION__, sizeof(info.compiler) - 1);
	return hypercall_write(hc, 0, 0, &info, sizeof(info));
}

static int write_features(struct hypercall *hc)
{
	xen_feature_info_t fi;
	int rc = hypercall_read(hc, 0, &fi, sizeof(fi));

	if (rc)
		return rc;
	if (fi.submap_idx >= XENFEAT_NR_SUBMAPS)
		return -EINVAL;
	fi.submap = hc->caller->privileged ? 1u << XENFEAT_dom0 : 0;
	return hypercall_write(hc, 0, 0, &fi, sizeof(fi));
}

int64_t hypercall_version(struct hypercall *hc)
{
	xen_platform_parameters_t pp = {.virt_start = 0};

	switch (hc->arg[0]) {
	case XENVER_version:
		return XEN_MAJOR << 16 | XEN_MINOR;
	case XENVER_pagesize:
		return WIRE_PAGE_SIZE;
	case XENVER_extraversion:
		return write_string(hc, ".embedded",
				    sizeof(xen_extraversion_t));
	case XENVER_compile_info:
		return write_compile_info(hc);
	case XENVER_capabilities:
		return write_string(hc, "xen-3.0-x86_64",
				    sizeof(xen_capabilities_info_t));
	case XENVER_changeset:
		return write_string(hc, "unavailable",
				    sizeof(xen_changeset_info_t));
	case XENVER_commandline:
		return write_string(hc,
				    hc->caller->privileged ? "" : "<denied>",
				    sizeof(xen_commandline_t));
	case XENVER_platform_parameters:
		return hypercall_write(hc, 0, 0, &pp, sizeof(pp));
	case XENVER_get_features:
		return write_features(hc);
	case XENVER_guest_handle:
		return hypercall_write(hc, 0, 0, hc->caller->uuid,
				       sizeof(xen_domain_handle_t));
	case XENVER_build_id:
		/* as a Xen that was linked without one */
		return hc->caller->privileged ? -ENODATA : -EPERM;
	}
	return hypercall_refuse(hc, hc->arg[0]);
}

int64_t hypercall_memory(struct hypercall *hc)
{
	switch (hc->arg[0]) {
	case XENMEM_maximum_ram_page:
		return host_info()->total_pages;
	case XENMEM_get_sharing_freed_pages:
	case XENMEM_get_sharing_shared_pages:
		return 0; /* no page sharing: as a Xen built without it */
	}
	return hypercall_refuse(hc, hc->arg[0]);
}
