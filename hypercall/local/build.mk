# SPDX-License-Identifier: MIT
#
# Embedded Xen: the hypervisor process and the libraries.
#
#   $(call xen_library,NAME,VERSION,OBJECTS,LIBRARIES)
#
# makes $(BUILD)/lib/NAME.so.VERSION with the soname NAME.so.1, the version
# script hypercall/local/STEM.map (STEM: NAME without libxen) and the link that
# the loader looks for.

LOCAL := $(BUILD)/hypercall/local
CFLAGS_hypercall/local := -fPIC
TOOLCORE := -lxentoolcore -lxentoollog

local_objs = $(patsubst %,$(LOCAL)/%.o,$(1))

# Sanitized code cannot be preloaded into other programs, so such builds have
# the objects only; tests link them.
ifeq ($(SAN),)
define xen_library
ALL += $(BUILD)/lib/$(1).so.1
$(BUILD)/lib/$(1).so.$(2): $(3) hypercall/local/$(1:libxen%=%).map
	@mkdir -p $$(@D)
	$$(call quiet,LD)$$(CC) $$(ALL_LDFLAGS) -shared -o $$@ \
		-Wl,-soname=$(1).so.1 -Wl,-z,defs \
		-Wl,--version-script=hypercall/local/$(1:libxen%=%).map $(3) $(4)
$(BUILD)/lib/$(1).so.1: $(BUILD)/lib/$(1).so.$(2)
	@ln -sf $$(<F) $$@
endef
endif

EVTCHN_OBJS := $(call local_objs,evtchn_lib client)
GNTTAB_OBJS := $(call local_objs,gnttab_lib gntshr_lib grant_copy client)

$(eval $(call xen_library,libxenevtchn,1.2,$(EVTCHN_OBJS),$(TOOLCORE)))
$(eval $(call xen_library,libxengnttab,1.2,$(GNTTAB_OBJS),$(TOOLCORE)))

# The core, then hypercalls, then the IOMMU and its devices.
XENLOCALD_OBJS := $(call local_objs,xenlocald dispatch domain evtchn gnttab \
	gnttab_map gnttab_frame view control log idtab)
XENLOCALD_OBJS += $(call local_objs,hypercall call_names version sysctl domctl \
	host foreign)
XENLOCALD_OBJS += $(call local_objs,iommu device)

XENLOCALD := $(BUILD)/libexec/xenlocald
ALL += $(XENLOCALD)
$(eval $(call program,$(XENLOCALD),$(XENLOCALD_OBJS)))

# The rest of the ABI, the DMA engine and what its driver links.
CALL_OBJS := $(call local_objs,call_lib call_marshal client)
FOREIGNMEMORY_OBJS := $(call local_objs,foreignmemory_lib client)
DEVICEMODEL_OBJS := $(call local_objs,devicemodel_lib)

$(eval $(call xen_library,libxencall,1.3,$(CALL_OBJS),$(TOOLCORE)))
$(eval $(call xen_library,libxenforeignmemory,1.4,$(FOREIGNMEMORY_OBJS),\
	$(TOOLCORE)))
$(eval $(call xen_library,libxendevicemodel,1.4,$(DEVICEMODEL_OBJS),\
	$(BUILD)/lib/libxencall.so.1 $(TOOLCORE)))
ifeq ($(SAN),)
$(BUILD)/lib/libxendevicemodel.so.1.4: $(BUILD)/lib/libxencall.so.1
endif

# For tests: the whole ABI under Xen's own libraries, found by the program's
# run path; in sanitizer builds inside the program, in front of Xen's.
ifeq ($(SAN),)
LOCAL_ABI := $(patsubst %,$(BUILD)/lib/libxen%.so.1,call evtchn gnttab \
	foreignmemory devicemodel)
LOCAL_ABI_LIBS := $(LOCAL_ABI) -lxenctrl $(TOOLCORE) \
	-Wl,--disable-new-dtags,-rpath,'$$$$ORIGIN/../../lib'
else
LOCAL_ABI := $(sort $(CALL_OBJS) $(FOREIGNMEMORY_OBJS) $(DEVICEMODEL_OBJS) \
	$(EVTCHN_OBJS) $(GNTTAB_OBJS))
LOCAL_ABI_LIBS := -rdynamic -lxenctrl $(TOOLCORE)
endif

XENLOCAL_DMA := $(BUILD)/libexec/xenlocal-dma
LIBXENLOCAL_DMA := $(BUILD)/lib/libxenlocal-dma.a
ALL += $(XENLOCAL_DMA) $(LIBXENLOCAL_DMA)
$(eval $(call program,$(XENLOCAL_DMA),$(call local_objs,dma_engine client)))
$(eval $(call archive,$(LIBXENLOCAL_DMA),$(call local_objs,dma_client client)))

# What makes the real xenstored run, and gives each guest its xenstore.
LOCAL_XENBUS := $(BUILD)/libexec/xenlocal-xenbus
ALL += $(LOCAL_XENBUS)
$(eval $(call program,$(LOCAL_XENBUS),$(call local_objs,xenbus_device \
	xenbus_mux xenbus_client xenbus_ring client)))

ifeq ($(SAN),)
LOCAL_PROC_XEN := $(BUILD)/lib/xenlocal/libxenlocal-proc.so
ALL += $(LOCAL_PROC_XEN)
$(LOCAL_PROC_XEN): $(call local_objs,proc_xen client)
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) $(ALL_LDFLAGS) -shared -o $@ -Wl,-z,defs \
		-Wl,--version-script=hypercall/local/proc_xen.map $^
endif

abi-check: $(LOCAL_ABI)
	@tests/e2e/abi-check.sh $(BUILD)/lib
.PHONY: abi-check
