# SPDX-License-Identifier: MIT
# tests/e2e/: the programs that the end-to-end scripts run.

E2E_XS_CLIENT := $(BUILD)/tests/e2e/xs_client
E2E_OPEN_EVTCHN := $(BUILD)/tests/e2e/open_evtchn

ALL += $(E2E_XS_CLIENT) $(E2E_OPEN_EVTCHN)
$(eval $(call program,$(E2E_XS_CLIENT),$(BUILD)/tests/e2e/xs_client.o,))
$(eval $(call program,$(E2E_OPEN_EVTCHN),$(BUILD)/tests/e2e/open_evtchn.o,\
	-lxenevtchn))

# Frontends that know what they wrote, and that break every rule.
E2E_BLK_GUEST := $(BUILD)/tests/e2e/blk_guest
ALL += $(E2E_BLK_GUEST)
$(eval $(call program,$(E2E_BLK_GUEST),$(E2E_BLK_GUEST).o \
	$(E2E_BLK_GUEST)_args.o $(BUILD)/tests/e2e/guest_record.o \
	$(LIBBLKFRONT) $(FRONTEND_DEPS),\
	$(FRONTEND_LIBS)))

E2E_RAW := $(BUILD)/tests/e2e/raw_front.o $(FRONTEND_DEPS)
E2E_HOSTILE_FRONT := $(BUILD)/tests/e2e/hostile_front
E2E_FRONT_WALK := $(BUILD)/tests/e2e/front_walk
ALL += $(E2E_HOSTILE_FRONT) $(E2E_FRONT_WALK)
$(eval $(call program,$(E2E_HOSTILE_FRONT),$(E2E_HOSTILE_FRONT).o $(E2E_RAW),\
	$(FRONTEND_LIBS)))
$(eval $(call program,$(E2E_FRONT_WALK),$(E2E_FRONT_WALK).o $(E2E_RAW),\
	$(FRONTEND_LIBS)))

E2E_HOSTILE_NET := $(BUILD)/tests/e2e/hostile_net
ALL += $(E2E_HOSTILE_NET)
$(eval $(call program,$(E2E_HOSTILE_NET),$(E2E_HOSTILE_NET).o \
	$(E2E_HOSTILE_NET)_ends.o \
	$(BUILD)/tests/e2e/raw_net.o $(E2E_RAW),$(FRONTEND_LIBS)))
