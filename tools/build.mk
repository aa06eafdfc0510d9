# SPDX-License-Identifier: MIT
# tools/: the commands.

XENLOCAL := $(BUILD)/bin/xenlocal
XENLOCAL_OBJS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tools/xenlocal*.c)) \
		 $(BUILD)/hypercall/local/admin.o \
		 $(BUILD)/hypercall/local/client.o

ALL += $(XENLOCAL)
$(eval $(call program,$(XENLOCAL),$(XENLOCAL_OBJS),-lxenstore -ljansson))

# xensplit: attach, detach, list, stats of disks and NICs
XENSPLIT := $(BUILD)/bin/xensplit
XENSPLIT_OBJS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tools/xensplit.c \
		 tools/xensplit_*.c))
$(eval $(call program,$(XENSPLIT),$(XENSPLIT_OBJS) \
	$(BUILD)/backend/hotplug.o $(LIBHYPERCALL),-lxlutil -lxenlight -lxenstore -lxenevtchn -lev -ljansson -lkmod -lm))
ALL += $(XENSPLIT)

# The hotplug script, where xensplit looks for it first
VIF_SCRIPT := $(BUILD)/bin/vif-xensplit
$(VIF_SCRIPT): tools/scripts/vif-xensplit
	@mkdir -p $(@D)
	$(call quiet,CP)install -m 755 $< $@
ALL += $(VIF_SCRIPT)

# xensplitd: supervisor and worker
XENSPLITD := $(BUILD)/bin/xensplitd
$(eval $(call program,$(XENSPLITD),$(BUILD)/tools/xensplitd.o \
	$(BUILD)/tools/notify.o $(LIBBACKEND) $(LIBRING) $(LIBGRANT) \
	$(LIBHYPERCALL),$(BACKEND_LIBS)))
ALL += $(XENSPLITD)
