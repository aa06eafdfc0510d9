// SPDX-License-Identifier: MIT
/*
 * __HYPERVISOR_domctl: looking at domains, ending them, and giving them
 * devices.
 *
 * Privileged callers only, interface version checked, as in Xen.  Creating,
 * pausing and limiting a domain is not provided: a domain here is a set of
 * processes that xenlocald neither starts nor schedules.
 */
#define __XEN_TOOLS__ 1
#include <errno.h>
#include <string.h>

#include "domctl.h"

#include <xen/xen.h>
#include <xen/domctl.h>

#include "device.h"
#include "hypercall.h"

void domctl_fill_info(const struct domain *caller, const struct domain *d,
		      struct xen_domctl_getdomaininfo *info)
{
	memset(info, 0, sizeof(*info));
	info->domain = d->domid;
	/* who asks is running; of the others nothing is known but waiting */
	info->flags = d == caller ? XEN_DOMINF_running : XEN_DOMINF_blocked;
	if (d->dying)
		info->flags |= XEN_DOMINF_dying;
	if (d->shutdown)
		info->flags |= XEN_DOMINF_shutdown |
			       (d->shutdown_code & XEN_DOMINF_shutdownmask)
				       << XEN_DOMINF_shutdownshift;
	/* a process's memory is its own: what counts is what it granted */
	info->tot_pages = d->nr_refs;
	info->max_pages = d->max_pages ? d->max_pages : d->nr_refs;
	info->shared_info_frame = UINT64_MAX;
	info->nr_online_vcpus = 1;
	info->max_vcpu_id = 0;
	memcpy(info->handle, d->uuid, sizeof(info->handle));
	info->gpaddr_bits = 52;
}

/* As Xen: the domain, or the next one; the caller looks at the id. */
static int get_info(struct hypercall *hc, struct xen_domctl *op)
{
	struct domain *d;

	if (op->domain >= DOMID_FIRST_RESERVED)
		return -EINVAL;
	d = domain_next(op->domain);
	if (!d)
		return -ESRCH;
	domctl_fill_info(hc->caller, d, &op->u.getdomaininfo);
	op->domain = d->domid;
	return 0;
}

static int destroy(struct hypercall *hc, struct domain *d)
{
	if (d == hc->caller || d->domid == 0)
		return -EINVAL;
	domain_destroy(d);
	return 0;
}

static int get_vcpu_info(struct hypercall *hc, const struct domain *d,
			 struct xen_domctl_getvcpuinfo *info)
{
	if (info->vcpu != 0)
		return -EINVAL;
	info->online = 1;
	info->blocked = d != hc->caller;
	info->running = d == hc->caller;
	info->cpu_time = 0;
	info->cpu = 0;
	return 0;
}

/* Any CPU, and no preference. */
static int get_affinity(struct hypercall *hc,
			const struct xen_domctl_vcpuaffinity *aff)
{
	uint32_t cpus = host_info()->nr_cpus;
	int rc = 0;

	if (aff->vcpu != 0 || !aff->flags)
		return -EINVAL;
	if (aff->flags & XEN_VCPUAFFINITY_HARD)
		rc = hypercall_write_bits(hc, 1, cpus);
	if (!rc && aff->flags & XEN_VCPUAFFINITY_SOFT)
		rc = hypercall_write_bits(hc, 2, cpus);
	return rc;
}

/* The checks and their order are Xen's. */
static int device_op(struct hypercall *hc, const struct xen_domctl *op,
		     struct domain *d)
{
	const struct xen_domctl_assign_device *ad = &op->u.assign_device;
	uint32_t flags = ad->flags, sbdf = ad->u.pci.machine_sbdf;

	if (d == hc->caller)
		return -EINVAL;
	if (ad->dev != XEN_DOMCTL_DEV_PCI)
		return -ENODEV;
	if (op->cmd == XEN_DOMCTL_assign_device)
		flags &= ~XEN_DOMCTL_DEV_RDM_RELAXED;
	if (flags)
		return -EINVAL;
	switch (op->cmd) {
	case XEN_DOMCTL_assign_device:
		if (!d)
			return device_quarantine(sbdf);
		return d->dying ? -EINVAL : device_assign(sbdf, d);
	case XEN_DOMCTL_test_assign_device:
		return device_assignable(sbdf) ? -EINVAL : 0;
	default:
		return device_deassign(sbdf, d);
	}
}

/*
 * Which domain it is about: 0, or -errno; *d is NULL where the operation has
 * a meaning without one.
 */
static int find_domain(const struct xen_domctl *op, struct domain **d)
{
	*d = domain_find(op->domain);
	if (*d)
		return 0;
	switch (op->cmd) {
	case XEN_DOMCTL_getdomaininfo:
		return 0;
	case XEN_DOMCTL_assign_device:
	case XEN_DOMCTL_deassign_device:
		return op->domain == DOMID_IO ? 0 : -ESRCH;
	case XEN_DOMCTL_test_assign_device:
	case XEN_DOMCTL_createdomain:
		return op->domain == DOMID_INVALID ||
				       op->cmd == XEN_DOMCTL_createdomain
			       ? 0
			       : -ESRCH;
	}
	return -ESRCH;
}

static int run(struct hypercall *hc, struct xen_domctl *op, struct domain *d)
{
	switch (op->cmd) {
	case XEN_DOMCTL_getdomaininfo:
		return get_info(hc, op);
	case XEN_DOMCTL_destroydomain:
		return destroy(hc, d);
	case XEN_DOMCTL_unpausedomain:
		return -EINVAL; /* what Xen says of one that is not paused */
	case XEN_DOMCTL_setdomainhandle:
		memcpy(d->uuid, op->u.setdomainhandle.handle, sizeof(d->uuid));
		return 0;
	case XEN_DOMCTL_getvcpuinfo:
		return get_vcpu_info(hc, d, &op->u.getvcpuinfo);
	case XEN_DOMCTL_getvcpuaffinity:
		return get_affinity(hc, &op->u.vcpuaffinity);
	case XEN_DOMCTL_getnodeaffinity:
		return hypercall_write_bits(hc, 1, 1);
	case XEN_DOMCTL_assign_device:
	case XEN_DOMCTL_test_assign_device:
	case XEN_DOMCTL_deassign_device:
		return device_op(hc, op, d);
	case XEN_DOMCTL_get_device_group:
		/* every device is a group of its own, and not listed in it */
		op->u.get_device_group.num_sdevs = 0;
		return 0;
	}
	return hypercall_refuse(hc, op->cmd);
}

int64_t hypercall_domctl(struct hypercall *hc)
{
	struct xen_domctl op;
	struct domain *d;
	int rc = hypercall_read(hc, 0, &op, sizeof(op));

	if (rc)
		return rc;
	if (op.interface_version != XEN_DOMCTL_INTERFACE_VERSION)
		return -EACCES;
	if (!hc->caller->privileged)
		return -EPERM;
	rc = find_domain(&op, &d);
	if (!rc)
		rc = run(hc, &op, d);
	return rc ? rc : hypercall_write(hc, 0, 0, &op, sizeof(op));
}
