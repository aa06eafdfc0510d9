# SPDX-License-Identifier: MIT
LIB_OBJS_ring := $(patsubst %.c,$(BUILD)/%.o,$(wildcard ring/*.c))
$(eval $(call archive,$(LIBRING),$(LIB_OBJS_ring)))
ALL += $(LIBRING)
