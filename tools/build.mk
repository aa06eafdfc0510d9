# SPDX-License-Identifier: MIT
# tools/: the commands.

XENLOCAL := $(BUILD)/bin/xenlocal
XENLOCAL_OBJS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tools/xenlocal*.c)) \
		 $(BUILD)/hypercall/local/admin.o \
		 $(BUILD)/hypercall/local/client.o

ALL += $(XENLOCAL)
$(eval $(call program,$(XENLOCAL),$(XENLOCAL_OBJS),-lxenstore -ljansson))

# xensplit: attach, detach, list, stats
XENSPLIT := $(BUILD)/bin/xensplit
XENSPLIT_OBJS := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tools/xensplit.c \
		 tools/xensplit_*.c))
$(eval $(call program,$(XENSPLIT),$(XENSPLIT_OBJS) $(LIBHYPERCALL),-lxlutil -lxenlight -lxenstore -lxenevtchn -lev -ljansson -lkmod -lm))
ALL += $(XENSPLIT)

# xensplitd: supervisor and worker
XENSPLITD := $(BUILD)/bin/xensplitd
$(eval $(call program,$(XENSPLITD),$(BUILD)/tools/xensplitd.o \
	$(BUILD)/tools/notify.o $(LIBBACKEND) $(LIBRING) $(LIBGRANT) \
	$(LIBHYPERCALL),$(BACKEND_LIBS)))
ALL += $(XENSPLITD)
