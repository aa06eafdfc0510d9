# SPDX-License-Identifier: MIT
#
# make insn: instructions a request on both sides against tests/insn/limits;
# UPDATE=1 writes that file anew.  insn-programs: also tests/insn/trip and
# net_pps, which measure time (docs/profile.md says how).

INSN := $(BUILD)/tests/insn
RIG := $(INSN)/rig.o $(INSN)/net_rig.o $(INSN)/rig_evtchn.o \
	$(BUILD)/tests/unit/fake_gnttab.o \
	$(LIBBACKEND) $(LIBBLKFRONT) $(LIBNETFRONT) $(FRONTEND_DEPS)
# of libxengnttab only what the double does not have, and nobody calls
RIG_LIBS := -lxengnttab $(filter-out -lxengnttab -lxenevtchn,$(BACKEND_LIBS))
$(eval $(call program,$(INSN)/insn,$(INSN)/insn.o $(INSN)/net_insn.o $(RIG),\
	$(RIG_LIBS)))
$(eval $(call program,$(INSN)/trip,$(INSN)/trip.o $(RIG),$(RIG_LIBS)))
$(eval $(call program,$(INSN)/net_pps,$(INSN)/net_pps.o $(RIG),$(RIG_LIBS)))

insn-programs: $(INSN)/insn $(INSN)/trip $(INSN)/net_pps

insn: $(INSN)/insn
	@BUILD=$(BUILD) UPDATE=$(UPDATE) tests/insn/check.sh

.PHONY: insn insn-programs
