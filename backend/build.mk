# SPDX-License-Identifier: MIT
# Users link with $(BACKEND_LIBS), or with what they use of it.
LIBBACKEND := $(BUILD)/backend/libbackend.a
BACKEND_LIBS := -lev -lxenstore -lxenevtchn -lxengnttab -luring -lnbd \
		-lseccomp -lcap-ng -ljansson -lkmod -lpcap -lslirp
LIB_OBJS_backend := $(patsubst %.c,$(BUILD)/%.o,$(wildcard backend/*.c))
$(eval $(call archive,$(LIBBACKEND),$(LIB_OBJS_backend)))
ALL += $(LIBBACKEND)
