# SPDX-License-Identifier: MIT
#
# Unit tests: tests/unit/NAME.c with Check becomes $(BUILD)/tests/unit/NAME.
# Its main() ends in run_suite().
# One line a test:
#
#   $(eval $(call unit_test,NAME,OBJECTS AND ARCHIVES,LIBRARIES))
#
# A test program exits with 0 (pass), 77 (cannot run here) or anything else
# (fail), ends within UNIT_TIMEOUT seconds, needs no arguments, and leaves
# nothing behind.

UNIT := $(BUILD)/tests/unit
CHECK_CFLAGS := $(shell $(PKG_CONFIG) --cflags check 2>/dev/null)
CHECK_LIBS := $(shell $(PKG_CONFIG) --libs check 2>/dev/null)
CFLAGS_tests/unit := $(CHECK_CFLAGS)
UNIT_TESTS :=

define unit_test
UNIT_TESTS += $(1)
$(call program,$(UNIT)/$(1),$(UNIT)/$(1).o $(2),$(3) $(CHECK_LIBS))
endef

$(eval $(call unit_test,ring_abi,$(LIBRING)))
$(eval $(call unit_test,ring_index,$(LIBRING)))
$(eval $(call unit_test,ring_once))
$(eval $(call unit_test,ring_check,$(LIBRING)))
$(eval $(call unit_test,ring_stress,$(LIBRING)))
$(eval $(call unit_test,net_once))
$(eval $(call unit_test,net_ring,$(LIBRING)))
$(eval $(call unit_test,net_stress,$(LIBRING)))
$(eval $(call unit_test,net_check,$(LIBRING)))
$(eval $(call unit_test,net_csum,$(LIBRING)))
$(eval $(call unit_test,net_hash,$(BUILD)/backend/net_hash.o $(LIBRING)))
$(eval $(call unit_test,net_mcast,$(BUILD)/backend/net_mcast.o))
$(eval $(call unit_test,net_gref,$(UNIT)/fake_gnttab.o \
	$(BUILD)/backend/net_gref.o))
$(eval $(call unit_test,net_ctrl,$(UNIT)/fake_gnttab.o \
	$(addprefix $(BUILD)/backend/,net_ctrl.o net_gref.o net_hash.o) \
	$(LIBGRANT) $(LIBRING)))
$(eval $(call unit_test,grant_pool,$(UNIT)/fake_gnttab.o $(LIBGRANT)))
$(eval $(call unit_test,grant_cache,$(UNIT)/fake_gnttab.o $(LIBGRANT)))
$(eval $(call unit_test,grant_copy,$(UNIT)/fake_gnttab.o $(LIBGRANT)))
FRONT_TEST := $(UNIT)/front_fixture.o $(UNIT)/fake_gnttab.o $(LIBBLKFRONT) \
	$(FRONTEND_DEPS)
$(eval $(call unit_test,front_queue,$(FRONT_TEST),-lev -lxenstore))
$(eval $(call unit_test,front_hostile,$(FRONT_TEST),-lev -lxenstore))
$(eval $(call unit_test,front_lock,$(BUILD)/frontend/blkfront_lock.o))
$(eval $(call unit_test,front_sync,$(FRONT_TEST),-lev -lxenstore))
NETFRONT_TEST := $(UNIT)/netfront_fixture.o $(UNIT)/fake_gnttab.o \
	$(LIBNETFRONT) $(FRONTEND_DEPS)
$(eval $(call unit_test,netfront_queue,$(NETFRONT_TEST),-lev -lxenstore))
$(eval $(call unit_test,netfront_hostile,$(NETFRONT_TEST),-lev -lxenstore))
$(eval $(call unit_test,netfront_ctrl,$(NETFRONT_TEST),-lev -lxenstore))
$(eval $(call unit_test,mem_keeper,$(BUILD)/backend/mem_keeper.o \
	$(BUILD)/backend/worker_proto.o,-lseccomp))
$(eval $(call unit_test,log,$(LIBHYPERCALL)))
$(eval $(call unit_test,xenbus_state,$(LIBHYPERCALL)))
$(eval $(call unit_test,xs_parse,$(LIBHYPERCALL)))
$(eval $(call unit_test,xs_store,$(LIBHYPERCALL),-lev))
$(eval $(call unit_test,evtchn_hub,$(LIBHYPERCALL),-lev))
$(eval $(call unit_test,vdev,$(LIBHYPERCALL)))

LOCAL_TEST := $(UNIT)/local_fixture.o $(sort $(EVTCHN_OBJS) $(GNTTAB_OBJS)) \
	$(XENLOCALD)
EVTCHN_TEST := $(UNIT)/evtchn_fixture.o $(LOCAL_TEST)
$(eval $(call unit_test,local_evtchn,$(EVTCHN_TEST),$(TOOLCORE)))
$(eval $(call unit_test,local_evtchn_threads,$(EVTCHN_TEST),$(TOOLCORE)))
$(eval $(call unit_test,local_gnttab,$(LOCAL_TEST),$(TOOLCORE)))
$(eval $(call unit_test,local_copy,$(LOCAL_TEST),$(TOOLCORE)))
ISOLATION_TEST := $(UNIT)/isolation_fixture.o $(LOCAL_TEST)
$(eval $(call unit_test,local_isolation,$(ISOLATION_TEST),$(TOOLCORE)))
$(eval $(call unit_test,local_forged,$(ISOLATION_TEST),$(TOOLCORE)))
$(eval $(call unit_test,local_xenbus,$(call local_objs,xenbus_mux \
	xenbus_client xenbus_ring client)))
$(eval $(call unit_test,local_hypercall,$(UNIT)/local_fixture.o \
	$(LOCAL)/client.o $(LOCAL_ABI) $(XENLOCALD),$(LOCAL_ABI_LIBS)))
$(eval $(call unit_test,local_iommu,$(UNIT)/local_fixture.o \
	$(LOCAL)/client.o $(LOCAL)/dma_client.o $(LOCAL_ABI) $(XENLOCALD) \
	$(XENLOCAL_DMA),$(LOCAL_ABI_LIBS)))

STORE_TEST := $(UNIT)/store_fixture.o $(LIBBACKEND) $(LIBHYPERCALL)
$(eval $(call unit_test,store,$(STORE_TEST),-lev -luring -lnbd -lxenstore))
$(eval $(call unit_test,store_map,$(STORE_TEST),-lev -luring -lnbd -lxenstore))
$(eval $(call unit_test,poll_window,$(BUILD)/backend/poll_window.o))
$(eval $(call unit_test,placement,$(BUILD)/backend/placement.o \
	$(BUILD)/backend/thread_cpu.o))
$(eval $(call unit_test,store_merge,$(STORE_TEST),-lev -luring -lnbd \
	-lxenstore))
$(eval $(call unit_test,store_nbd,$(STORE_TEST),-lev -luring -lnbd -lxenstore))
$(eval $(call unit_test,sandbox,$(STORE_TEST),-lev -luring -lnbd -lxenstore \
	-lseccomp -lcap-ng))

LINK_OWN := link link_fd link_memory link_tap link_user link_user_box \
	link_user_parse link_user_run mem_keeper sandbox sandbox_calls
LINK_TEST := $(UNIT)/link_fixture.o $(LINK_OWN:%=$(BUILD)/backend/%.o) \
	$(LIBRING) $(LIBHYPERCALL)
LINK_TEST_LIBS := -lev -lxenstore -lslirp -lseccomp -lcap-ng
$(eval $(call unit_test,link_memory,$(LINK_TEST),$(LINK_TEST_LIBS)))
$(eval $(call unit_test,link_tap,$(UNIT)/tap_fixture.o $(LINK_TEST),\
	$(LINK_TEST_LIBS)))
$(eval $(call unit_test,link_user_parse,$(BUILD)/backend/link_user_parse.o \
	$(LIBHYPERCALL),-lev -lxenstore))
$(eval $(call unit_test,link_user,$(UNIT)/link_user_guest.o $(LINK_TEST),\
	$(LINK_TEST_LIBS)))
$(eval $(call unit_test,link_user_process,$(UNIT)/link_user_guest.o \
	$(LINK_TEST),$(LINK_TEST_LIBS)))

POLICY_TEST := $(UNIT)/policy_fixture.o $(BUILD)/backend/net_policy.o \
	$(BUILD)/backend/net_policy_source.o
$(eval $(call unit_test,net_policy,$(POLICY_TEST)))
$(eval $(call unit_test,net_policy_source,$(POLICY_TEST)))
$(eval $(call unit_test,net_policy_parse,$(UNIT)/keys_fixture.o \
	$(addprefix $(BUILD)/backend/,net_policy.o net_policy_source.o \
	net_policy_parse.o) $(LIBHYPERCALL)))

$(eval $(call unit_test,image_lock,$(BUILD)/backend/image_lock.o \
	$(LIBHYPERCALL),-lev -lxenstore))
KEYS_TEST := $(UNIT)/keys_fixture.o $(BUILD)/backend/front_keys.o \
	$(BUILD)/backend/hotplug_status.o
$(eval $(call unit_test,vbd_config,$(BUILD)/backend/vbd_config.o \
	$(BUILD)/backend/vbd_connect.o $(KEYS_TEST) $(LIBRING) $(LIBHYPERCALL)))
$(eval $(call unit_test,vif_config,$(BUILD)/backend/vif_config.o \
	$(BUILD)/backend/vif_connect.o $(BUILD)/backend/net_policy_parse.o \
	$(KEYS_TEST) $(LIBHYPERCALL)))
$(eval $(call unit_test,nic_spec,$(BUILD)/tools/xensplit_nic.o \
	$(LIBHYPERCALL),-lxlutil -lxenlight -lxenstore -lev))
$(eval $(call unit_test,hotplug,$(BUILD)/backend/hotplug.o \
	$(LIBHYPERCALL),-lxenstore -lev))

$(eval $(call unit_test,blk_journal,$(BUILD)/backend/blk_journal.o \
	$(BUILD)/backend/blk_stats.o))

$(eval $(call unit_test,worker_proto,$(BUILD)/backend/worker_proto.o))

# Twice: the real objects, killed at any moment; and objects that call
# store_hooks.c before each store, which takes ThreadSanitizer's place.
RESUME_OWN := backend/blk_queue backend/blk_queue_open \
	backend/blk_request backend/blk_data ring/blk_ring ring/blk_abi
RESUME_TEST := $(UNIT)/blk_resume.o $(UNIT)/resume_world.o \
	$(UNIT)/fake_gnttab.o \
	$(BUILD)/backend/blk_journal.o $(BUILD)/backend/blk_stats.o \
	$(LIBGRANT) $(LIBRING) $(LIBHYPERCALL)
$(eval $(call program,$(UNIT)/blk_resume_kill,$(RESUME_OWN:%=$(BUILD)/%.o) \
	$(RESUME_TEST),-lev -lxenstore $(CHECK_LIBS)))
UNIT_TESTS += blk_resume_kill
ifneq ($(SAN),thread)
$(eval $(call program,$(UNIT)/blk_resume,$(UNIT)/store_hooks.o \
	$(RESUME_OWN:%=$(UNIT)/hooked/%.o) $(RESUME_TEST),\
	-lev -lxenstore $(CHECK_LIBS)))
UNIT_TESTS += blk_resume
# What is inline in headers is in the test itself, which is hooked, too.
$(eval $(call program,$(UNIT)/net_resume,$(UNIT)/store_hooks.o \
	$(patsubst %,$(UNIT)/hooked/%.o,tests/unit/net_resume ring/net_ring \
	ring/net_check),$(CHECK_LIBS)))
UNIT_TESTS += net_resume
$(UNIT)/hooked/%.o: %.c
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) \
		-fno-sanitize=all -fsanitize=thread -MMD -MP -c -o $@ $<
endif

# The queue of a NIC between a double of the guest and a double of the link.
NET_QUEUE_TEST := $(UNIT)/net_fixture.o $(UNIT)/fake_gnttab.o \
	$(foreach f,net_queue net_tx net_rx net_steer net_pcap net_policy net_policy_source \
	net_hash net_mcast net_gref,$(BUILD)/backend/$(f).o) \
	$(LIBGRANT) $(LIBRING) $(LIBHYPERCALL)
$(eval $(call unit_test,net_tx,$(NET_QUEUE_TEST),-lev -lxenstore -lpcap))
$(eval $(call unit_test,net_rx,$(NET_QUEUE_TEST),-lev -lxenstore -lpcap))
# A whole NIC on embedded Xen, whose libraries take the place of Xen's.
$(eval $(call unit_test,net_vif,$(LIBBACKEND) $(LIBNETFRONT) $(FRONTEND_DEPS) \
	$(LOCAL_TEST),$(TOOLCORE) \
	$(filter-out -lxenevtchn -lxengnttab,$(BACKEND_LIBS))))
$(eval $(call unit_test,net_pcap,$(BUILD)/backend/net_pcap.o,-lpcap))

TESTS ?= $(UNIT_TESTS)
unit: $(TESTS:%=$(UNIT)/%)
	@tests/run $(UNIT_TIMEOUT) $(UNIT)/logs $(JOBS) $^
