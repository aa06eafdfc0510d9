# SPDX-License-Identifier: MIT
#
# Top Makefile: flags, generic rules, targets.  What is built is said by the
# build.mk of each folder.  Variables and rules a fragment may use:
#
#   ALL += FILE...            built by `make`
#   LIB_OBJS_x := ...         its objects, $(BUILD)/DIR/NAME.o of DIR/NAME.c
#   CFLAGS_DIR := ...         more compiler flags for the .c files of DIR
#                             (CFLAGS_hypercall/local := -fPIC)
#   $(call archive,FILE.a,OBJECTS)           a rule for a static archive
#   $(call program,FILE,OBJECTS,LIBRARIES)   a rule for a program
#   $(call unit_test,NAME,OBJECTS,LIBRARIES) see tests/unit/build.mk
#
# the last three inside $(eval ...).
#
# Variants, each in a tree of its own:
#   make BUILD=build/asan SAN=address,undefined unit
#   make BUILD=build/tsan SAN=thread unit

BUILD ?= build
CFLAGS ?= -O2 -g
WARNINGS := -Wall -Wextra -Wmissing-prototypes -Wstrict-prototypes \
	    -Wold-style-definition -Wvla
PKG_CONFIG ?= pkg-config
# Limits against tests that hang, not for slow machines: Check's own (4 s a test
# unless it says otherwise) times the multiplier, and of a whole program.
UNIT_TIMEOUT ?= 400
export CK_TIMEOUT_MULTIPLIER ?= 6
JOBS ?= 2

ALL_CPPFLAGS := -I. -D_GNU_SOURCE $(CPPFLAGS)
ALL_CFLAGS := -std=gnu11 $(WARNINGS) $(CFLAGS) -pthread
ALL_LDFLAGS := $(CFLAGS) -pthread $(LDFLAGS)

ifneq ($(filter true 1,$(CI) $(WERROR)),)
ALL_CFLAGS += -Werror
endif
ifneq ($(SAN),)
ALL_CFLAGS += -fsanitize=$(SAN) -fno-sanitize-recover=all \
	      -fno-omit-frame-pointer
ALL_LDFLAGS += -fsanitize=$(SAN)
endif

ifneq ($(V),1)
quiet = @printf '  %-5s %s\n' '$(1)' '$@';
endif

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

define archive
$(1): $(2)
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(call quiet,AR)$$(AR) rcsD $$@ $$(filter %.o,$$^)
endef

define program
$(1): $(2)
	@mkdir -p $$(@D)
	$$(call quiet,LD)$$(CC) $$(ALL_LDFLAGS) -o $$@ $$(filter %.o %.a,$$^) $(3)
endef

# The archives that folders provide; named here because fragments refer to
# each other in any order.
LIBRING := $(BUILD)/ring/libring.a
LIBGRANT := $(BUILD)/grant/libgrant.a

include $(wildcard */build.mk hypercall/local/build.mk tests/*/build.mk)
include mk/install.mk

all: $(ALL)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) \
		$(CFLAGS_$(patsubst %/,%,$(dir $<))) -MMD -MP -c -o $@ $<

# ---- the two commands, and what they are made of ----

E2E_TIMEOUT ?= 400
E2E ?= $(filter-out lib% %-lib abi-check,\
	$(basename $(notdir $(wildcard tests/e2e/*.sh))))

e2e: all
	@tests/run $(E2E_TIMEOUT) $(BUILD)/tests/logs $(JOBS) $(E2E:%=tests/e2e/%.sh)

lint:
	@tests/includes.sh
	@tests/format.sh
	@BUILD=$(BUILD) tests/manuals.sh

demo:
	@mk/packages.sh demo
	@$(MAKE) --no-print-directory -j2 all
	@tools/demo/demo.sh

check:
	@mk/packages.sh check
	@BUILD=$(BUILD) MAKE='$(MAKE)' tests/check.sh

check-xen:
	@mk/packages.sh check-xen
	@$(MAKE) --no-print-directory -j2 all
	@BUILD=$(BUILD) tests/xen/run $(XEN)

clean:
	rm -rf $(BUILD)

help:
	@echo 'make            build everything below $(BUILD)/'
	@echo 'make unit       build and run the unit tests (TESTS="a b": some)'
	@echo 'make e2e         end-to-end tests on embedded Xen (E2E="a b": some)'
	@echo 'make insn        instructions a request, against their limits'
	@echo 'make lint        style, directions of includes, manual pages'
	@echo 'make check       all tests, with sanitizer builds, as CI runs them'
	@echo 'make check-xen  on a real Xen host, in emulation (XEN="a b": some)'
	@echo 'make demo        the main job from end to end'
	@echo 'make bench       side by side with other disks and NICs (ONLY=pattern)'
	@echo 'make install    DESTDIR, PREFIX (/usr/local) and more: mk/install.mk'
	@echo 'make uninstall  remove what install installed'
	@echo 'make deb        Debian packages in $(BUILD)/deb'
	@echo 'make check-deb  install, upgrade and purge them in a Debian of their own'
	@echo 'make clean      remove $(BUILD)/'
	@echo 'V=1             show the commands'
	@echo 'WERROR=1        warnings are errors (also with CI=true)'
	@echo 'BUILD=dir SAN=address,undefined|thread   a sanitizer build'

.PHONY: all clean help unit e2e lint demo check check-xen

# not of the tree that check-deb has there, which has directories of such names
-include $(shell test ! -d $(BUILD) || find $(BUILD) -path $(BUILD)/deb -prune \
	-o -name '*.d' -print)
