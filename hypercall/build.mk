# SPDX-License-Identifier: MIT
# Users link with -lev -lxenstore -lxenevtchn -lkmod, or what they use of these.
LIBHYPERCALL := $(BUILD)/hypercall/libhypercall.a
LIB_OBJS_hypercall := $(patsubst %.c,$(BUILD)/%.o,$(wildcard hypercall/*.c))
$(eval $(call archive,$(LIBHYPERCALL),$(LIB_OBJS_hypercall)))
ALL += $(LIBHYPERCALL)
