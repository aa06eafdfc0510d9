# SPDX-License-Identifier: MIT
# Users link with -lxengnttab, or with a double of it in unit tests.
LIB_OBJS_grant := $(patsubst %.c,$(BUILD)/%.o,$(wildcard grant/*.c))
$(eval $(call archive,$(LIBGRANT),$(LIB_OBJS_grant)))
ALL += $(LIBGRANT)
