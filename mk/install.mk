# SPDX-License-Identifier: MIT
#
# make install, uninstall, deb.  What is installed is said by lines
#
#   INSTALL += MODE:FILE:DIRECTORY       a file, made by make where need be
#   INSTALL_LINKS += TARGET:LINK         a symbolic link
#
# in this file.  Of FILE.in, FILE is installed, with the values of the @WORDS@
# that SUBST names.  Directories can be set as usual, and DESTDIR is put before
# all of them.  Nothing that is installed knows the build tree.

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
SBINDIR ?= $(PREFIX)/sbin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/xensplit
PKGCONFIGDIR ?= $(LIBDIR)/pkgconfig
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSCONFDIR ?= /etc
XEN_SCRIPTS ?= $(SYSCONFDIR)/xen/scripts
# nbdkit finds plugins by their short name only there
NBDKIT_PLUGINDIR ?= $(or $(shell $(PKG_CONFIG) --variable=plugindir nbdkit \
	2>/dev/null),$(LIBDIR)/nbdkit/plugins)
INSTALL_PROGRAM ?= install

VERSION := $(shell sed -n 's/^\#define XENSPLIT_VERSION "\(.*\)"/\1/p' \
	tools/version.h)
SUBST := PREFIX SBINDIR LIBDIR INCLUDEDIR SYSCONFDIR VERSION

# ---- commands and the daemon ----

INSTALL += 755:$(XENSPLIT):$(BINDIR)
INSTALL += 755:$(XENSPLITD):$(SBINDIR)
INSTALL += 644:dist/xensplitd.service.in:$(UNITDIR)
INSTALL += 755:dist/block-xensplit:$(XEN_SCRIPTS)
INSTALL += 755:tools/scripts/vif-xensplit:$(XEN_SCRIPTS)
INSTALL += 755:$(NETFRONT_TAP):$(BINDIR)

# ---- embedded Xen: a tree of its own, in which xenlocal finds its parts
# beside itself; its libraries have the names of Xen's and must never be found
# by anyone else ----

LOCALDIR := $(LIBDIR)/xensplit
INSTALL += 755:$(XENLOCAL):$(LOCALDIR)/bin
INSTALL += $(patsubst %,755:%:$(LOCALDIR)/libexec,$(XENLOCALD) \
	$(XENLOCAL_DMA) $(LOCAL_XENBUS))
INSTALL += $(patsubst %,644:%:$(LOCALDIR)/lib,$(LOCAL_ABI))
INSTALL += 644:$(LOCAL_PROC_XEN):$(LOCALDIR)/lib/xenlocal
INSTALL_LINKS += $(LOCALDIR)/bin/xenlocal:$(BINDIR)/xenlocal

# ---- frontend libraries ----
#
#   $(call install_library,NAME,HEADER,SONAME,MAP,ARCHIVES)
#
# NAME is that of lib$(NAME).a and of lib$(NAME).pc.  Of the objects within,
# only what the version script MAP calls global can be seen by others.

define install_library
$(BUILD)/dist/lib$(1).a: $(5) $(4)
	@mkdir -p $$(@D)
	$$(call quiet,AR)$$(CC) -r -nostdlib -Wl,--whole-archive \
		$$(firstword $(5)) -Wl,--no-whole-archive \
		-Wl,--start-group $$(wordlist 2,9,$(5)) -Wl,--end-group \
		-o $$(@D)/lib$(1).o
	@sed -n '/global:/,/local:/s/^[ \t]*\([a-z0-9_]*\);$$$$/\1/p' $(4) \
		>$$(@D)/lib$(1).symbols
	@objcopy --keep-global-symbols=$$(@D)/lib$(1).symbols $$(@D)/lib$(1).o
	@rm -f $$@
	@$$(AR) rcsD $$@ $$(@D)/lib$(1).o
ALL += $(BUILD)/dist/lib$(1).a
INSTALL += 644:$(2):$(INCLUDEDIR)/xensplit
INSTALL += 644:$(BUILD)/dist/lib$(1).a:$(LIBDIR)
INSTALL += 644:dist/lib$(1).pc.in:$(PKGCONFIGDIR)
INSTALL += 644:$(BUILD)/lib/$(3):$(LIBDIR)
INSTALL_LINKS += $(LIBDIR)/$(3):$(LIBDIR)/lib$(1).so
endef

$(eval $(call install_library,blkfront,frontend/blkfront.h,libblkfront.so.0,\
	frontend/blkfront.map,$(LIBBLKFRONT) $(FRONTEND_DEPS)))
$(eval $(call install_library,netfront,frontend/netfront.h,libnetfront.so.0,\
	frontend/netfront.map,$(LIBNETFRONT) $(FRONTEND_DEPS)))
INSTALL += 755:$(NBDKIT_PLUGIN):$(NBDKIT_PLUGINDIR)

# ---- manual pages ----

MANUALS := $(wildcard man/*.[1-8])
INSTALL += $(foreach page,$(MANUALS),\
	644:$(page):$(MANDIR)/man$(subst .,,$(suffix $(page))))

# ---- how ----

field = $(word $(1),$(subst :, ,$(2)))
destination = $(call field,3,$(1))/$(patsubst %.in,%,$(notdir \
	$(call field,2,$(1))))
SOURCES = $(foreach line,$(INSTALL),$(call field,2,$(line)))
INSTALLED = $(foreach line,$(INSTALL),\
	$(call destination,$(line))) \
	$(foreach line,$(INSTALL_LINKS),$(call field,2,$(line)))
# Directories of our own, innermost first; others stay.
OWN_DIRS = $(LOCALDIR)/lib/xenlocal $(LOCALDIR)/lib $(LOCALDIR)/libexec \
	$(LOCALDIR)/bin $(LOCALDIR) $(INCLUDEDIR)/xensplit

fill_in = sed -i $(foreach word,$(SUBST),-e 's|@$(word)@|$($(word))|g')

define newline


endef

install: $(SOURCES)
ifneq ($(SAN),)
	$(error sanitizer builds cannot be installed)
endif
	$(foreach line,$(INSTALL),@$(INSTALL_PROGRAM) -D -m \
		$(call field,1,$(line)) $(call field,2,$(line)) \
		'$(DESTDIR)$(call destination,$(line))'$(newline))
	$(foreach line,$(INSTALL),$(if $(filter %.in,$(call field,2,$(line))),\
		@$(fill_in) '$(DESTDIR)$(call destination,$(line))'$(newline)))
	$(foreach line,$(INSTALL_LINKS),@mkdir -p \
		'$(DESTDIR)$(dir $(call field,2,$(line)))' && ln -sfr \
		'$(DESTDIR)$(call field,1,$(line))' \
		'$(DESTDIR)$(call field,2,$(line))'$(newline))
	@echo 'installed below $(DESTDIR)$(PREFIX)'

uninstall:
	@rm -f $(INSTALLED:%='$(DESTDIR)%')
	@rmdir --ignore-fail-on-non-empty $(OWN_DIRS:%='$(DESTDIR)%') \
		2>/dev/null || :

# ---- Debian packages ----

deb:
	@mk/packages.sh deb
	@BUILD=$(BUILD) dist/make-deb.sh

check-deb: deb
	@BUILD=$(BUILD) tests/deb.sh

.PHONY: install uninstall deb check-deb
