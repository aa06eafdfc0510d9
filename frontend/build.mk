# SPDX-License-Identifier: MIT
#
# libblkfront and libnetfront (static and shared), the nbdkit plugin and the TAP
# front end on top of them, and the load generators of the end-to-end tests.

# Shared objects are made of the same objects as programs.
ALL_CFLAGS += -fPIC

FRONTEND := $(BUILD)/frontend
LIBBLKFRONT := $(FRONTEND)/libblkfront.a
LIBBLKFRONT_SO := $(BUILD)/lib/libblkfront.so.0
LIBNETFRONT := $(FRONTEND)/libnetfront.a
LIBNETFRONT_SO := $(BUILD)/lib/libnetfront.so.0
NBDKIT_PLUGIN := $(BUILD)/lib/nbdkit-xensplit-plugin.so
# What libblkfront.a and libnetfront.a need beside it, in the order of linking.
FRONTEND_DEPS := $(LIBGRANT) $(LIBRING) $(BUILD)/hypercall/libhypercall.a
FRONTEND_LIBS := -lev -lxenstore -lxenevtchn -lxengnttab

LIB_OBJS_front := $(patsubst %.c,$(BUILD)/%.o,$(wildcard frontend/front_*.c))
LIB_OBJS_frontend := $(LIB_OBJS_front) \
	$(patsubst %.c,$(BUILD)/%.o,$(wildcard frontend/blkfront*.c))
LIB_OBJS_netfront := $(LIB_OBJS_front) \
	$(patsubst %.c,$(BUILD)/%.o,$(filter-out frontend/netfront_tap%, \
	$(wildcard frontend/netfront*.c)))
$(eval $(call archive,$(LIBBLKFRONT),$(LIB_OBJS_frontend)))
$(eval $(call archive,$(LIBNETFRONT),$(LIB_OBJS_netfront)))

$(LIBBLKFRONT_SO): $(LIB_OBJS_frontend) frontend/blkfront.map
$(LIBNETFRONT_SO): $(LIB_OBJS_netfront) frontend/netfront.map
$(LIBBLKFRONT_SO) $(LIBNETFRONT_SO): $(FRONTEND_DEPS)
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) $(ALL_LDFLAGS) -shared -Wl,-z,defs \
		-Wl,-soname,$(@F) -Wl,--version-script,$(filter %.map,$^) \
		-o $@ $(filter %.o,$^) $(filter %.a,$^) $(FRONTEND_LIBS)

# nbdkit provides nbdkit_*() when it loads the plugin: no -z defs.
$(NBDKIT_PLUGIN): $(FRONTEND)/nbdkit_blkfront.o $(FRONTEND)/nbdkit_queue.o \
		$(LIBBLKFRONT) $(FRONTEND_DEPS) frontend/nbdkit.map
	@mkdir -p $(@D)
	$(call quiet,LD)$(CC) $(ALL_LDFLAGS) -shared \
		-Wl,--version-script,frontend/nbdkit.map \
		-o $@ $(filter %.o %.a,$^) $(FRONTEND_LIBS)

NETFRONT_TAP := $(BUILD)/bin/netfront-tap
LIB_OBJS_netfront_tap := $(patsubst %.c,$(BUILD)/%.o, \
	$(wildcard frontend/netfront_tap*.c))
$(eval $(call program,$(NETFRONT_TAP),$(LIB_OBJS_netfront_tap) \
	$(LIBNETFRONT) $(FRONTEND_DEPS),$(FRONTEND_LIBS)))

NET_PEER := $(BUILD)/tests/e2e/net_peer
$(eval $(call program,$(NET_PEER),$(NET_PEER).o $(NET_PEER)_args.o \
	$(NET_PEER)_frame.o $(LIBNETFRONT) $(FRONTEND_DEPS),$(FRONTEND_LIBS)))

BLKFRONT_IO := $(BUILD)/tests/e2e/blkfront_io
$(eval $(call program,$(BLKFRONT_IO),$(BLKFRONT_IO).o \
	$(BLKFRONT_IO)_args.o $(LIBBLKFRONT) $(FRONTEND_DEPS),$(FRONTEND_LIBS)))

ALL += $(LIBBLKFRONT) $(LIBBLKFRONT_SO) $(LIBNETFRONT) $(LIBNETFRONT_SO) \
	$(NBDKIT_PLUGIN) $(BLKFRONT_IO) $(NETFRONT_TAP) $(NET_PEER)
