# SPDX-License-Identifier: MIT
#
# libblkfront (static and shared), the nbdkit plugin on top of it, and the load
# generator of the end-to-end tests.

# Shared objects are made of the same objects as programs.
ALL_CFLAGS += -fPIC

FRONTEND := $(BUILD)/frontend
LIBBLKFRONT := $(FRONTEND)/libblkfront.a
LIBBLKFRONT_SO := $(BUILD)/lib/libblkfront.so.0
NBDKIT_PLUGIN := $(BUILD)/lib/nbdkit-xensplit-plugin.so
# What libblkfront.a needs beside it, in the order of linking.
FRONTEND_DEPS := $(LIBGRANT) $(LIBRING) $(BUILD)/hypercall/libhypercall.a
FRONTEND_LIBS := -lev -lxenstore -lxenevtchn -lxengnttab

LIB_OBJS_frontend := $(patsubst %.c,$(BUILD)/%.o, \
	$(wildcard frontend/blkfront*.c))
$(eval $(call archive,$(LIBBLKFRONT),$(LIB_OBJS_frontend)))

$(LIBBLKFRONT_SO): $(LIB_OBJS_frontend) $(FRONTEND_DEPS) frontend/blkfront.map
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) $(ALL_LDFLAGS) -shared -Wl,-z,defs \
		-Wl,-soname,$(@F) -Wl,--version-script,frontend/blkfront.map \
		-o $@ $(filter %.o %.a,$^) $(FRONTEND_LIBS)

# nbdkit provides nbdkit_*() when it loads the plugin: no -z defs.
$(NBDKIT_PLUGIN): $(FRONTEND)/nbdkit_blkfront.o $(FRONTEND)/nbdkit_queue.o \
		$(LIBBLKFRONT) $(FRONTEND_DEPS) frontend/nbdkit.map
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) $(ALL_LDFLAGS) -shared \
		-Wl,--version-script,frontend/nbdkit.map \
		-o $@ $(filter %.o %.a,$^) $(FRONTEND_LIBS)

BLKFRONT_IO := $(BUILD)/tests/e2e/blkfront_io
$(eval $(call program,$(BLKFRONT_IO),$(BLKFRONT_IO).o \
	$(BLKFRONT_IO)_args.o $(LIBBLKFRONT) $(FRONTEND_DEPS),$(FRONTEND_LIBS)))

ALL += $(LIBBLKFRONT) $(LIBBLKFRONT_SO) $(NBDKIT_PLUGIN) $(BLKFRONT_IO)
