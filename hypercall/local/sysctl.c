// SPDX-License-Identifier: MIT
/*
 * __HYPERVISOR_sysctl: what `xl list`, `xl info`, `xl vcpu-list` and
 * xenstat ask of the host.
 *
 * Privileged callers only, interface version checked, as in Xen.  Every CPU
 * is in the one pool 0; domains are processes, so the pool's scheduler is the
 * kernel's, reported as the null scheduler.
 */
#define __XEN_TOOLS__ 1
#include <errno.h>
#include <string.h>

#include "xenlocald.h"

#include <xen/xen.h>
#include <xen/physdev.h>
#include <xen/sysctl.h>

#include "device.h"
#include "domctl.h"
#include "hypercall.h"

static void fill_physinfo(struct xen_sysctl_physinfo *pi)
{
	const struct host_info *host = host_info();

	memset(pi, 0, sizeof(*pi));
	pi->threads_per_core = 1;
	pi->cores_per_socket = host->nr_cpus;
	pi->nr_cpus = host->nr_cpus;
	pi->max_cpu_id = host->nr_cpus - 1;
	pi->nr_nodes = 1;
	pi->cpu_khz = host->cpu_khz;
	pi->capabilities = XEN_SYSCTL_PHYSCAP_pv | XEN_SYSCTL_PHYSCAP_directio |
			   XEN_SYSCTL_PHYSCAP_gnttab_v1;
	pi->total_pages = host->total_pages;
	pi->free_pages = host_free_pages();
	pi->max_mfn = host->total_pages;
}

/* From the first domain on, as many as there is room for. */
static int domain_list(struct hypercall *hc,
		       struct xen_sysctl_getdomaininfolist *list)
{
	struct xen_domctl_getdomaininfo info;
	uint32_t max = hypercall_room(hc, 1) / sizeof(info), nr = 0;
	struct domain *d;

	if (max > list->max_domains)
		max = list->max_domains;
	for (d = domain_next(list->first_domain); d && nr < max;
	     d = domain_next(d->domid + 1)) {
		int rc;

		domctl_fill_info(hc->caller, d, &info);
		rc = hypercall_write(hc, 1, nr * sizeof(info), &info,
				     sizeof(info));
		if (rc)
			return rc;
		nr++;
	}
	list->num_domains = nr;
	return 0;
}

static int cpupool_op(struct hypercall *hc, struct xen_sysctl_cpupool_op *op)
{
	switch (op->op) {
	case XEN_SYSCTL_CPUPOOL_OP_INFO:
		/* the pool with this or the next higher id */
		if (op->cpupool_id != 0 &&
		    op->cpupool_id != XEN_SYSCTL_CPUPOOL_PAR_ANY)
			return -ENOENT;
		op->cpupool_id = 0;
		op->sched_id = XEN_SCHEDULER_NULL;
		op->n_dom = domain_count();
		return hypercall_write_bits(hc, 1, host_info()->nr_cpus);
	case XEN_SYSCTL_CPUPOOL_OP_FREEINFO:
		return hypercall_write_bits(hc, 1, 0);
	}
	return hypercall_refuse(hc, XEN_SYSCTL_cpupool_op);
}

static int cpu_topology(struct hypercall *hc,
			struct xen_sysctl_cputopoinfo *info)
{
	uint32_t nr = hypercall_room(hc, 1) / sizeof(struct xen_sysctl_cputopo);
	uint32_t nr_cpus = host_info()->nr_cpus;

	for (uint32_t i = 0; i < nr && i < nr_cpus; i++) {
		struct xen_sysctl_cputopo topo = {.core = i};
		int rc = hypercall_write(hc, 1, i * sizeof(topo), &topo,
					 sizeof(topo));
		if (rc)
			return rc;
	}
	info->num_cpus = nr && nr < nr_cpus ? nr : nr_cpus;
	return 0;
}

static int numa_info(struct hypercall *hc, struct xen_sysctl_numainfo *info)
{
	struct xen_sysctl_meminfo mem = {
		.memsize = host_info()->total_pages * WIRE_PAGE_SIZE,
		.memfree = host_free_pages() * WIRE_PAGE_SIZE,
	};
	uint32_t distance = 10; /* local, as in ACPI's SLIT */
	int rc = 0;

	if (hypercall_room(hc, 1))
		rc = hypercall_write(hc, 1, 0, &mem, sizeof(mem));
	if (!rc && hypercall_room(hc, 2))
		rc = hypercall_write(hc, 2, 0, &distance, sizeof(distance));
	info->num_nodes = 1;
	return rc;
}

/* Devices here are on node 0; the host's own are none of ours. */
static int pci_topology(struct hypercall *hc,
			struct xen_sysctl_pcitopoinfo *info)
{
	uint32_t nr = hc->buf[1].in_len / sizeof(struct physdev_pci_device);
	uint32_t room = hypercall_room(hc, 2) / sizeof(uint32_t);

	if (nr > room)
		nr = room;
	for (uint32_t i = 0; i < nr; i++) {
		struct physdev_pci_device pci;
		uint32_t node = 0;
		int rc;

		memcpy(&pci, hc->buf[1].in + i * sizeof(pci), sizeof(pci));
		if (device_assignable(pci.seg << 16 | pci.bus << 8 |
				      pci.devfn) == -ENODEV)
			node = XEN_INVALID_DEV;
		rc = hypercall_write(hc, 2, i * sizeof(node), &node,
				     sizeof(node));
		if (rc)
			return rc;
	}
	info->num_devs = nr;
	return 0;
}

/* The log of xenlocald is its own file; the console ring is empty. */
static int read_console(struct xen_sysctl_readconsole *rcons)
{
	rcons->count = 0;
	return 0;
}

int64_t hypercall_sysctl(struct hypercall *hc)
{
	struct xen_sysctl op;
	int rc = hypercall_read(hc, 0, &op, sizeof(op));

	if (rc)
		return rc;
	if (op.interface_version != XEN_SYSCTL_INTERFACE_VERSION)
		return -EACCES;
	if (!hc->caller->privileged)
		return -EPERM;
	switch (op.cmd) {
	case XEN_SYSCTL_readconsole:
		rc = read_console(&op.u.readconsole);
		break;
	case XEN_SYSCTL_physinfo:
		fill_physinfo(&op.u.physinfo);
		break;
	case XEN_SYSCTL_sched_id:
		op.u.sched_id.sched_id = XEN_SCHEDULER_NULL;
		break;
	case XEN_SYSCTL_getdomaininfolist:
		rc = domain_list(hc, &op.u.getdomaininfolist);
		break;
	case XEN_SYSCTL_availheap:
		op.u.availheap.avail_bytes = host_free_pages() * WIRE_PAGE_SIZE;
		break;
	case XEN_SYSCTL_cputopoinfo:
		rc = cpu_topology(hc, &op.u.cputopoinfo);
		break;
	case XEN_SYSCTL_numainfo:
		rc = numa_info(hc, &op.u.numainfo);
		break;
	case XEN_SYSCTL_pcitopoinfo:
		rc = pci_topology(hc, &op.u.pcitopoinfo);
		break;
	case XEN_SYSCTL_cpupool_op:
		rc = cpupool_op(hc, &op.u.cpupool_op);
		break;
	default:
		return hypercall_refuse(hc, op.cmd);
	}
	if (rc)
		return rc;
	return hypercall_write(hc, 0, 0, &op, sizeof(op));
}
