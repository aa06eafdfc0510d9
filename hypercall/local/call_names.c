// SPDX-License-Identifier: MIT
/*
 * Names of hypercalls and their sub-ops, for the log.
 *
 * After the public headers; nothing is decided here.
 */
#define __XEN_TOOLS__ 1
#include <stdint.h>

#include <xen/xen.h>
#include <xen/domctl.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/physdev.h>
#include <xen/sched.h>
#include <xen/sysctl.h>
#include <xen/version.h>
#include <xen/hvm/dm_op.h>

#include "hypercall.h"

#define NAMED(prefix, name) [prefix##name] = #name

static const char *const hypercall_names[] = {
	NAMED(__HYPERVISOR_, set_trap_table),
	NAMED(__HYPERVISOR_, mmu_update),
	NAMED(__HYPERVISOR_, set_gdt),
	NAMED(__HYPERVISOR_, stack_switch),
	NAMED(__HYPERVISOR_, set_callbacks),
	NAMED(__HYPERVISOR_, fpu_taskswitch),
	NAMED(__HYPERVISOR_, platform_op),
	NAMED(__HYPERVISOR_, set_debugreg),
	NAMED(__HYPERVISOR_, get_debugreg),
	NAMED(__HYPERVISOR_, update_descriptor),
	NAMED(__HYPERVISOR_, memory_op),
	NAMED(__HYPERVISOR_, multicall),
	NAMED(__HYPERVISOR_, update_va_mapping),
	NAMED(__HYPERVISOR_, set_timer_op),
	NAMED(__HYPERVISOR_, xen_version),
	NAMED(__HYPERVISOR_, console_io),
	NAMED(__HYPERVISOR_, grant_table_op),
	NAMED(__HYPERVISOR_, vm_assist),
	NAMED(__HYPERVISOR_, update_va_mapping_otherdomain),
	NAMED(__HYPERVISOR_, iret),
	NAMED(__HYPERVISOR_, vcpu_op),
	NAMED(__HYPERVISOR_, set_segment_base),
	NAMED(__HYPERVISOR_, mmuext_op),
	NAMED(__HYPERVISOR_, xsm_op),
	NAMED(__HYPERVISOR_, nmi_op),
	NAMED(__HYPERVISOR_, sched_op),
	NAMED(__HYPERVISOR_, callback_op),
	NAMED(__HYPERVISOR_, xenoprof_op),
	NAMED(__HYPERVISOR_, event_channel_op),
	NAMED(__HYPERVISOR_, physdev_op),
	NAMED(__HYPERVISOR_, hvm_op),
	NAMED(__HYPERVISOR_, sysctl),
	NAMED(__HYPERVISOR_, domctl),
	NAMED(__HYPERVISOR_, kexec_op),
	NAMED(__HYPERVISOR_, tmem_op),
	NAMED(__HYPERVISOR_, argo_op),
	NAMED(__HYPERVISOR_, xenpmu_op),
	NAMED(__HYPERVISOR_, dm_op),
	NAMED(__HYPERVISOR_, hypfs_op),
};

static const char *const domctl_names[] = {
	NAMED(XEN_DOMCTL_, createdomain),
	NAMED(XEN_DOMCTL_, destroydomain),
	NAMED(XEN_DOMCTL_, pausedomain),
	NAMED(XEN_DOMCTL_, unpausedomain),
	NAMED(XEN_DOMCTL_, getdomaininfo),
	NAMED(XEN_DOMCTL_, setvcpuaffinity),
	NAMED(XEN_DOMCTL_, shadow_op),
	NAMED(XEN_DOMCTL_, max_mem),
	NAMED(XEN_DOMCTL_, setvcpucontext),
	NAMED(XEN_DOMCTL_, getvcpucontext),
	NAMED(XEN_DOMCTL_, getvcpuinfo),
	NAMED(XEN_DOMCTL_, max_vcpus),
	NAMED(XEN_DOMCTL_, scheduler_op),
	NAMED(XEN_DOMCTL_, setdomainhandle),
	NAMED(XEN_DOMCTL_, setdebugging),
	NAMED(XEN_DOMCTL_, irq_permission),
	NAMED(XEN_DOMCTL_, iomem_permission),
	NAMED(XEN_DOMCTL_, ioport_permission),
	NAMED(XEN_DOMCTL_, hypercall_init),
	NAMED(XEN_DOMCTL_, settimeoffset),
	NAMED(XEN_DOMCTL_, getvcpuaffinity),
	NAMED(XEN_DOMCTL_, real_mode_area),
	NAMED(XEN_DOMCTL_, resumedomain),
	NAMED(XEN_DOMCTL_, sendtrigger),
	NAMED(XEN_DOMCTL_, subscribe),
	NAMED(XEN_DOMCTL_, gethvmcontext),
	NAMED(XEN_DOMCTL_, sethvmcontext),
	NAMED(XEN_DOMCTL_, set_address_size),
	NAMED(XEN_DOMCTL_, get_address_size),
	NAMED(XEN_DOMCTL_, assign_device),
	NAMED(XEN_DOMCTL_, bind_pt_irq),
	NAMED(XEN_DOMCTL_, memory_mapping),
	NAMED(XEN_DOMCTL_, ioport_mapping),
	NAMED(XEN_DOMCTL_, set_ext_vcpucontext),
	NAMED(XEN_DOMCTL_, get_ext_vcpucontext),
	NAMED(XEN_DOMCTL_, set_opt_feature),
	NAMED(XEN_DOMCTL_, test_assign_device),
	NAMED(XEN_DOMCTL_, set_target),
	NAMED(XEN_DOMCTL_, deassign_device),
	NAMED(XEN_DOMCTL_, unbind_pt_irq),
	NAMED(XEN_DOMCTL_, get_device_group),
	NAMED(XEN_DOMCTL_, debug_op),
	NAMED(XEN_DOMCTL_, gethvmcontext_partial),
	NAMED(XEN_DOMCTL_, vm_event_op),
	NAMED(XEN_DOMCTL_, mem_sharing_op),
	NAMED(XEN_DOMCTL_, gettscinfo),
	NAMED(XEN_DOMCTL_, settscinfo),
	NAMED(XEN_DOMCTL_, getpageframeinfo3),
	NAMED(XEN_DOMCTL_, setvcpuextstate),
	NAMED(XEN_DOMCTL_, getvcpuextstate),
	NAMED(XEN_DOMCTL_, set_access_required),
	NAMED(XEN_DOMCTL_, audit_p2m),
	NAMED(XEN_DOMCTL_, set_virq_handler),
	NAMED(XEN_DOMCTL_, set_broken_page_p2m),
	NAMED(XEN_DOMCTL_, setnodeaffinity),
	NAMED(XEN_DOMCTL_, getnodeaffinity),
	NAMED(XEN_DOMCTL_, cacheflush),
	NAMED(XEN_DOMCTL_, get_vcpu_msrs),
	NAMED(XEN_DOMCTL_, set_vcpu_msrs),
	NAMED(XEN_DOMCTL_, setvnumainfo),
	NAMED(XEN_DOMCTL_, psr_cmt_op),
	NAMED(XEN_DOMCTL_, monitor_op),
	NAMED(XEN_DOMCTL_, psr_alloc),
	NAMED(XEN_DOMCTL_, soft_reset),
	NAMED(XEN_DOMCTL_, vuart_op),
	NAMED(XEN_DOMCTL_, get_cpu_policy),
	NAMED(XEN_DOMCTL_, set_cpu_policy),
	NAMED(XEN_DOMCTL_, vmtrace_op),
	NAMED(XEN_DOMCTL_, get_paging_mempool_size),
	NAMED(XEN_DOMCTL_, set_paging_mempool_size),
};

static const char *const sysctl_names[] = {
	NAMED(XEN_SYSCTL_, readconsole),
	NAMED(XEN_SYSCTL_, tbuf_op),
	NAMED(XEN_SYSCTL_, physinfo),
	NAMED(XEN_SYSCTL_, sched_id),
	NAMED(XEN_SYSCTL_, perfc_op),
	NAMED(XEN_SYSCTL_, getdomaininfolist),
	NAMED(XEN_SYSCTL_, debug_keys),
	NAMED(XEN_SYSCTL_, getcpuinfo),
	NAMED(XEN_SYSCTL_, availheap),
	NAMED(XEN_SYSCTL_, get_pmstat),
	NAMED(XEN_SYSCTL_, cpu_hotplug),
	NAMED(XEN_SYSCTL_, pm_op),
	NAMED(XEN_SYSCTL_, page_offline_op),
	NAMED(XEN_SYSCTL_, lockprof_op),
	NAMED(XEN_SYSCTL_, cputopoinfo),
	NAMED(XEN_SYSCTL_, numainfo),
	NAMED(XEN_SYSCTL_, cpupool_op),
	NAMED(XEN_SYSCTL_, scheduler_op),
	NAMED(XEN_SYSCTL_, coverage_op),
	NAMED(XEN_SYSCTL_, psr_cmt_op),
	NAMED(XEN_SYSCTL_, pcitopoinfo),
	NAMED(XEN_SYSCTL_, psr_alloc),
	NAMED(XEN_SYSCTL_, get_cpu_levelling_caps),
	NAMED(XEN_SYSCTL_, get_cpu_featureset),
	NAMED(XEN_SYSCTL_, livepatch_op),
	NAMED(XEN_SYSCTL_, get_cpu_policy),
};

static const char *const memory_op_names[] = {
	NAMED(XENMEM_, increase_reservation),
	NAMED(XENMEM_, decrease_reservation),
	NAMED(XENMEM_, populate_physmap),
	NAMED(XENMEM_, exchange),
	NAMED(XENMEM_, maximum_ram_page),
	NAMED(XENMEM_, current_reservation),
	NAMED(XENMEM_, maximum_reservation),
	NAMED(XENMEM_, maximum_gpfn),
	NAMED(XENMEM_, machphys_mfn_list),
	NAMED(XENMEM_, machphys_compat_mfn_list),
	NAMED(XENMEM_, machphys_mapping),
	NAMED(XENMEM_, add_to_physmap),
	NAMED(XENMEM_, add_to_physmap_batch),
	NAMED(XENMEM_, remove_from_physmap),
	NAMED(XENMEM_, memory_map),
	NAMED(XENMEM_, machine_memory_map),
	NAMED(XENMEM_, set_memory_map),
	NAMED(XENMEM_, set_pod_target),
	NAMED(XENMEM_, get_pod_target),
	NAMED(XENMEM_, get_sharing_freed_pages),
	NAMED(XENMEM_, get_sharing_shared_pages),
	NAMED(XENMEM_, paging_op),
	NAMED(XENMEM_, access_op),
	NAMED(XENMEM_, sharing_op),
	NAMED(XENMEM_, claim_pages),
	NAMED(XENMEM_, reserved_device_memory_map),
	NAMED(XENMEM_, acquire_resource),
	NAMED(XENMEM_, get_vnumainfo),
};

static const char *const dm_op_names[] = {
	NAMED(XEN_DMOP_, create_ioreq_server),
	NAMED(XEN_DMOP_, get_ioreq_server_info),
	NAMED(XEN_DMOP_, map_io_range_to_ioreq_server),
	NAMED(XEN_DMOP_, unmap_io_range_from_ioreq_server),
	NAMED(XEN_DMOP_, set_ioreq_server_state),
	NAMED(XEN_DMOP_, destroy_ioreq_server),
	NAMED(XEN_DMOP_, track_dirty_vram),
	NAMED(XEN_DMOP_, set_pci_intx_level),
	NAMED(XEN_DMOP_, set_isa_irq_level),
	NAMED(XEN_DMOP_, set_pci_link_route),
	NAMED(XEN_DMOP_, modified_memory),
	NAMED(XEN_DMOP_, set_mem_type),
	NAMED(XEN_DMOP_, inject_event),
	NAMED(XEN_DMOP_, inject_msi),
	NAMED(XEN_DMOP_, map_mem_type_to_ioreq_server),
	NAMED(XEN_DMOP_, remote_shutdown),
	NAMED(XEN_DMOP_, relocate_memory),
	NAMED(XEN_DMOP_, pin_memory_cacheattr),
	NAMED(XEN_DMOP_, set_irq_level),
	NAMED(XEN_DMOP_, nr_vcpus),
};

static const char *const grant_table_op_names[] = {
	NAMED(GNTTABOP_, map_grant_ref), NAMED(GNTTABOP_, unmap_grant_ref),
	NAMED(GNTTABOP_, setup_table),   NAMED(GNTTABOP_, dump_table),
	NAMED(GNTTABOP_, transfer),      NAMED(GNTTABOP_, copy),
	NAMED(GNTTABOP_, query_size),    NAMED(GNTTABOP_, unmap_and_replace),
	NAMED(GNTTABOP_, set_version),   NAMED(GNTTABOP_, get_status_frames),
	NAMED(GNTTABOP_, get_version),   NAMED(GNTTABOP_, swap_grant_ref),
	NAMED(GNTTABOP_, cache_flush),
};

static const char *const event_channel_op_names[] = {
	NAMED(EVTCHNOP_, bind_interdomain),
	NAMED(EVTCHNOP_, bind_virq),
	NAMED(EVTCHNOP_, bind_pirq),
	NAMED(EVTCHNOP_, close),
	NAMED(EVTCHNOP_, send),
	NAMED(EVTCHNOP_, status),
	NAMED(EVTCHNOP_, alloc_unbound),
	NAMED(EVTCHNOP_, bind_ipi),
	NAMED(EVTCHNOP_, bind_vcpu),
	NAMED(EVTCHNOP_, unmask),
	NAMED(EVTCHNOP_, reset),
	NAMED(EVTCHNOP_, init_control),
	NAMED(EVTCHNOP_, expand_array),
	NAMED(EVTCHNOP_, set_priority),
};

static const char *const sched_op_names[] = {
	NAMED(SCHEDOP_, yield),           NAMED(SCHEDOP_, block),
	NAMED(SCHEDOP_, shutdown),        NAMED(SCHEDOP_, poll),
	NAMED(SCHEDOP_, remote_shutdown), NAMED(SCHEDOP_, shutdown_code),
	NAMED(SCHEDOP_, watchdog),        NAMED(SCHEDOP_, pin_override),
};

static const char *const xen_version_names[] = {
	NAMED(XENVER_, version),      NAMED(XENVER_, extraversion),
	NAMED(XENVER_, compile_info), NAMED(XENVER_, capabilities),
	NAMED(XENVER_, changeset),    NAMED(XENVER_, platform_parameters),
	NAMED(XENVER_, get_features), NAMED(XENVER_, pagesize),
	NAMED(XENVER_, guest_handle), NAMED(XENVER_, commandline),
	NAMED(XENVER_, build_id),
};

static const char *const physdev_op_names[] = {
	NAMED(PHYSDEVOP_, eoi),
	NAMED(PHYSDEVOP_, irq_status_query),
	NAMED(PHYSDEVOP_, set_iopl),
	NAMED(PHYSDEVOP_, set_iobitmap),
	NAMED(PHYSDEVOP_, apic_read),
	NAMED(PHYSDEVOP_, apic_write),
	NAMED(PHYSDEVOP_, alloc_irq_vector),
	NAMED(PHYSDEVOP_, free_irq_vector),
	NAMED(PHYSDEVOP_, map_pirq),
	NAMED(PHYSDEVOP_, unmap_pirq),
	NAMED(PHYSDEVOP_, manage_pci_add),
	NAMED(PHYSDEVOP_, manage_pci_remove),
	NAMED(PHYSDEVOP_, restore_msi),
	NAMED(PHYSDEVOP_, manage_pci_add_ext),
	NAMED(PHYSDEVOP_, setup_gsi),
	NAMED(PHYSDEVOP_, get_free_pirq),
	NAMED(PHYSDEVOP_, pci_mmcfg_reserved),
	NAMED(PHYSDEVOP_, pci_device_add),
	NAMED(PHYSDEVOP_, pci_device_remove),
	NAMED(PHYSDEVOP_, restore_msi_ext),
	NAMED(PHYSDEVOP_, prepare_msix),
	NAMED(PHYSDEVOP_, release_msix),
	NAMED(PHYSDEVOP_, dbgp_op),
};

#define TABLE(name)                                           \
	{                                                     \
		__HYPERVISOR_##name, name##_names,            \
			sizeof(name##_names) / sizeof(char *) \
	}

static const struct {
	uint32_t op;
	const char *const *names;
	size_t nr;
} tables[] = {
	TABLE(domctl),   TABLE(sysctl),         TABLE(memory_op),
	TABLE(dm_op),    TABLE(grant_table_op), TABLE(event_channel_op),
	TABLE(sched_op), TABLE(xen_version),    TABLE(physdev_op),
};

const char *hypercall_name(uint32_t op)
{
	size_t nr = sizeof(hypercall_names) / sizeof(hypercall_names[0]);

	if (op < nr && hypercall_names[op])
		return hypercall_names[op];
	return "unknown";
}

const char *hypercall_sub_name(uint32_t op, uint32_t cmd)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		if (tables[i].op != op)
			continue;
		if (cmd < tables[i].nr && tables[i].names[cmd])
			return tables[i].names[cmd];
	}
	return "unknown";
}
