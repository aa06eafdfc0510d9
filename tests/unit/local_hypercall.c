// SPDX-License-Identifier: MIT
/*
 * Hypercalls of embedded Xen as programs make them: Debian's libxenctrl on our
 * libraries, in domain 0 and in an unprivileged domain.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define __XEN_TOOLS__ 1
#include <xenctrl.h>
#include <xencall.h>
#include <xendevicemodel.h>
#include <xenforeignmemory.h>
#include <xengnttab.h>
#include <xentoolcore.h>
#include <xen/domctl.h>
#include <xen/sysctl.h>
#include <xen/version.h>

#include "hypercall/local/client.h"
#include "tests/unit/local_fixture.h"
#include "tests/unit/run_suite.h"

static xc_interface *xch;

static void setup(void)
{
	fixture_start();
	fixture_domain(1);
	fixture_enter(0);
	xch = xc_interface_open(NULL, NULL, 0);
	ck_assert_ptr_nonnull(xch);
}

static void teardown(void)
{
	xc_interface_close(xch);
	fixture_stop();
}

/* Make domains, by the control socket; returns the last's xenstore gfn. */
static uint64_t host_create(uint32_t first, uint32_t last)
{
	struct wire_msg msg;
	struct client c;
	char path[128];
	uint64_t gfn = 0;

	snprintf(path, sizeof(path), "%s/control", fixture_rundir());
	ck_assert_int_eq(client_open_control(&c, path), 0);
	for (uint32_t domid = first; domid <= last; domid++) {
		memset(&msg, 0, sizeof(msg));
		msg.op = WIRE_CTL_DOMAIN_CREATE;
		msg.domain.domid = domid;
		ck_assert_int_eq(client_call(&c, &msg, NULL), 0);
		gfn = msg.domain.xenstore_gfn;
	}
	client_close(&c);
	return gfn;
}

#define ck_assert_fails(expr, err)            \
	do {                                  \
		errno = 0;                    \
		ck_assert_int_lt((expr), 0);  \
		ck_assert_int_eq(errno, err); \
	} while (0)

START_TEST(version)
{
	xen_extraversion_t extra;
	xen_capabilities_info_t caps;
	xen_commandline_t line;
	xen_feature_info_t fi = {.submap_idx = 0};

	ck_assert_int_eq(xc_version(xch, XENVER_version, NULL), 4 << 16 | 17);
	ck_assert_int_eq(xc_version(xch, XENVER_pagesize, NULL), 4096);
	ck_assert_int_eq(xc_version(xch, XENVER_extraversion, &extra), 0);
	ck_assert_str_eq(extra, ".embedded");
	ck_assert_int_eq(xc_version(xch, XENVER_capabilities, &caps), 0);
	ck_assert_str_eq(caps, "xen-3.0-x86_64");
	ck_assert_int_eq(xc_version(xch, XENVER_commandline, &line), 0);
	ck_assert_str_eq(line, "");
	ck_assert_int_eq(xc_version(xch, XENVER_get_features, &fi), 0);
	ck_assert_uint_ne(fi.submap, 0);
}
END_TEST

START_TEST(domain_info)
{
	xc_domaininfo_t list[8];
	xc_dominfo_t info;

	ck_assert_int_eq(xc_domain_getinfo(xch, 1, 1, &info), 1);
	ck_assert_uint_eq(info.domid, 1);
	ck_assert_uint_eq(info.blocked, 1);
	/* the next one, for an id that is not there */
	fixture_domain(7);
	ck_assert_int_eq(xc_domain_getinfo(xch, 2, 1, &info), 1);
	ck_assert_uint_eq(info.domid, 7);
	ck_assert_int_eq(xc_domain_getinfolist(xch, 0, 8, list), 3);
	ck_assert_uint_eq(list[0].domain, 0);
	ck_assert_uint_eq(list[0].flags & XEN_DOMINF_running,
			  XEN_DOMINF_running);
	ck_assert_uint_eq(list[2].domain, 7);
	ck_assert_int_eq(xc_domain_getinfolist(xch, 0, 2, list), 2);
	ck_assert_int_eq(xc_domain_getinfolist(xch, 8, 8, list), 0);
}
END_TEST

/* More domains than one message has room for. */
START_TEST(long_list)
{
	static xc_domaininfo_t list[1024];

	host_create(2, 149);
	ck_assert_int_eq(xc_domain_getinfolist(xch, 0, 1024, list), 150);
	for (uint32_t i = 0; i < 150; i++)
		ck_assert_uint_eq(list[i].domain, i);
	ck_assert_int_eq(xc_domain_getinfolist(xch, 3, 100, list), 100);
	ck_assert_uint_eq(list[99].domain, 102);
}
END_TEST

START_TEST(host)
{
	xc_physinfo_t info = {0};
	xc_cpumap_t hard, soft;
	xc_vcpuinfo_t vcpu;
	xc_cpupoolinfo_t *pool;
	unsigned int num = 8;
	xc_cputopo_t topo[8];
	int id;

	ck_assert_int_eq(xc_physinfo(xch, &info), 0);
	ck_assert_uint_gt(info.nr_cpus, 0);
	ck_assert_uint_gt(info.total_pages, 0);
	ck_assert_int_eq(xc_cputopoinfo(xch, &num, topo), 0);
	ck_assert_int_eq(xc_sched_id(xch, &id), 0);
	ck_assert_int_eq(xc_vcpu_getinfo(xch, 1, 0, &vcpu), 0);
	ck_assert_uint_eq(vcpu.online, 1);
	ck_assert_fails(xc_vcpu_getinfo(xch, 1, 1, &vcpu), EINVAL);
	hard = xc_cpumap_alloc(xch);
	soft = xc_cpumap_alloc(xch);
	ck_assert_int_eq(xc_vcpu_getaffinity(xch, 1, 0, hard, soft,
					     XEN_VCPUAFFINITY_HARD |
						     XEN_VCPUAFFINITY_SOFT),
			 0);
	ck_assert_int_eq(hard[0] & 1, 1);
	ck_assert_int_eq(soft[0] & 1, 1);
	free(hard);
	free(soft);
	pool = xc_cpupool_getinfo(xch, 0);
	ck_assert_ptr_nonnull(pool);
	ck_assert_uint_eq(pool->cpupool_id, 0);
	xc_cpupool_infofree(xch, pool);
	ck_assert_ptr_null(xc_cpupool_getinfo(xch, 1));
	ck_assert_int_eq(errno, ENOENT);
	/* by multicall */
	ck_assert_int_eq(xc_sharing_freed_pages(xch), 0);
}
END_TEST

START_TEST(unprivileged)
{
	xc_interface *guest;
	xc_domaininfo_t list[4];
	xc_physinfo_t info = {0};
	xen_commandline_t line;
	xen_pfn_t gfn = 0;
	xenforeignmemory_handle *fmem;

	fixture_enter(1);
	guest = xc_interface_open(NULL, NULL, 0);
	ck_assert_ptr_nonnull(guest);
	ck_assert_fails(xc_domain_getinfolist(guest, 0, 4, list), EPERM);
	ck_assert_fails(xc_physinfo(guest, &info), EPERM);
	ck_assert_fails(xc_domain_destroy(guest, 0), EPERM);
	ck_assert_fails(xc_assign_device(guest, 1, 0x20, 0), EPERM);
	ck_assert_int_eq(xc_version(guest, XENVER_version, NULL), 4 << 16 | 17);
	ck_assert_int_eq(xc_version(guest, XENVER_commandline, &line), 0);
	ck_assert_str_eq(line, "<denied>");
	fmem = xenforeignmemory_open(NULL, 0);
	ck_assert_ptr_nonnull(fmem);
	ck_assert_ptr_null(
		xenforeignmemory_map(fmem, 0, PROT_READ, 1, &gfn, NULL));
	ck_assert_int_eq(errno, EPERM);
	xenforeignmemory_close(fmem);
	xc_interface_close(guest);
}
END_TEST

START_TEST(not_provided)
{
	struct xen_domctl_createdomain create = {.max_vcpus = 1};
	xendevicemodel_handle *dmod;
	uint32_t domid = 0;
	ioservid_t id;

	ck_assert_fails(xc_domain_create(xch, &domid, &create), ENOSYS);
	ck_assert_fails(xc_domain_pause(xch, 1), ENOSYS);
	ck_assert_fails(xc_domain_unpause(xch, 1), EINVAL);
	ck_assert_fails(xc_domain_setmaxmem(xch, 1, 4096), ENOSYS);
	dmod = xendevicemodel_open(NULL, 0);
	ck_assert_ptr_nonnull(dmod);
	ck_assert_fails(xendevicemodel_create_ioreq_server(dmod, 1, 0, &id),
			ENOSYS);
	xendevicemodel_close(dmod);
	/* the log says what it was */
	fixture_log_has("domctl (36), createdomain (1): not provided");
	fixture_log_has("domctl (36), pausedomain (3): not provided");
	fixture_log_has("dm_op (41), create_ioreq_server (1): not provided");
}
END_TEST

/* What no library of ours would send. */
START_TEST(raw)
{
	xencall_handle *xcall = xencall_open(NULL, 0);
	struct xen_domctl *op;
	xen_feature_info_t *fi;

	ck_assert_ptr_nonnull(xcall);
	op = xencall_alloc_buffer(xcall, sizeof(*op));
	memset(op, 0, sizeof(*op));
	op->cmd = XEN_DOMCTL_getdomaininfo;
	op->interface_version = XEN_DOMCTL_INTERFACE_VERSION - 1;
	ck_assert_fails(xencall1(xcall, __HYPERVISOR_domctl, (uintptr_t)op),
			EACCES);
	op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	op->domain = DOMID_INVALID;
	ck_assert_fails(xencall1(xcall, __HYPERVISOR_domctl, (uintptr_t)op),
			EINVAL);
	op->cmd = 9999;
	op->domain = 0;
	ck_assert_fails(xencall1(xcall, __HYPERVISOR_domctl, (uintptr_t)op),
			ENOSYS);
	op->cmd = XEN_DOMCTL_destroydomain;
	ck_assert_fails(xencall1(xcall, __HYPERVISOR_domctl, (uintptr_t)op),
			EINVAL);
	ck_assert_fails(xencall1(xcall, __HYPERVISOR_domctl, 0), EFAULT);
	ck_assert_fails(xencall0(xcall, 1234), ENOSYS);
	ck_assert_fails(xencall2(xcall, __HYPERVISOR_xen_version, 77, 0),
			ENOSYS);
	fixture_log_has("hypercall unknown (1234)");
	fi = (xen_feature_info_t *)op;
	fi->submap_idx = 1;
	ck_assert_fails(xencall2(xcall, __HYPERVISOR_xen_version,
				 XENVER_get_features, (uintptr_t)fi),
			EINVAL);
	xencall_free_buffer(xcall, op);
	xencall_close(xcall);
}
END_TEST

START_TEST(destroy)
{
	xc_dominfo_t info;

	ck_assert_int_eq(xc_domain_destroy(xch, 1), 0);
	ck_assert_fails(xc_domain_getinfo(xch, 1, 1, &info), ESRCH);
	ck_assert_fails(xc_domain_destroy(xch, 1), ESRCH);
}
END_TEST

START_TEST(foreign_map)
{
	xenforeignmemory_handle *fmem = xenforeignmemory_open(NULL, 0);
	xen_pfn_t gfn[2] = {host_create(3, 3), 0xffffff};
	xen_pfn_t other = host_create(4, 4);
	size_t size;
	int err[2];
	void *p, *addr = NULL;

	ck_assert_ptr_nonnull(fmem);
	p = xenforeignmemory_map(fmem, 3, PROT_READ | PROT_WRITE, 1, gfn, NULL);
	ck_assert_ptr_nonnull(p);
	memset(p, 0, 16);
	ck_assert_int_eq(xenforeignmemory_unmap(fmem, p, 1), 0);
	ck_assert_ptr_null(
		xenforeignmemory_map(fmem, 3, PROT_READ, 2, gfn, NULL));
	ck_assert_int_eq(errno, EINVAL);
	p = xenforeignmemory_map(fmem, 3, PROT_READ, 2, gfn, err);
	ck_assert_ptr_nonnull(p);
	ck_assert_int_eq(err[0], 0);
	ck_assert_int_eq(err[1], -EINVAL);
	ck_assert_int_eq(xenforeignmemory_unmap(fmem, p, 2), 0);
	ck_assert_ptr_null(xenforeignmemory_map_resource(fmem, 3, 1, 0, 0, 1,
							 &addr, PROT_READ, 0));
	ck_assert_int_eq(errno, ENOSYS);
	ck_assert_fails(xenforeignmemory_resource_size(fmem, 3, 1, 0, &size),
			ENOSYS);
	/* another domain's frame number is nothing in this one */
	ck_assert_int_eq(xenforeignmemory_restrict(fmem, 3), 0);
	gfn[0] = other;
	ck_assert_ptr_null(
		xenforeignmemory_map(fmem, 3, PROT_READ, 1, gfn, NULL));
	ck_assert_ptr_null(
		xenforeignmemory_map(fmem, 0, PROT_READ, 1, gfn, NULL));
	ck_assert_int_eq(errno, EACCES);
	xenforeignmemory_close(fmem);
}
END_TEST

START_TEST(restricted)
{
	xc_dominfo_t info;

	ck_assert_int_eq(xc_domain_getinfo(xch, 1, 1, &info), 1);
	ck_assert_int_eq(xentoolcore_restrict_all(1), 0);
	ck_assert_int_lt(xc_version(xch, XENVER_version, NULL), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("local_hypercall");
	TCase *tc = tcase_create("hypercalls");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 20);
	tcase_add_test(tc, version);
	tcase_add_test(tc, domain_info);
	tcase_add_test(tc, long_list);
	tcase_add_test(tc, host);
	tcase_add_test(tc, unprivileged);
	tcase_add_test(tc, not_provided);
	tcase_add_test(tc, raw);
	tcase_add_test(tc, destroy);
	tcase_add_test(tc, foreign_map);
	tcase_add_test(tc, restricted);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
