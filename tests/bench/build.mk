# SPDX-License-Identifier: MIT
#
# make bench: this stack beside its peers, side by side in one run; see
# docs/benchmarks.md.  ONLY=pattern, PEERS=a,b, ROUNDS=n, BUDGET=seconds.

BENCH_PROGRAMS := $(BUILD)/tests/bench/probe $(BUILD)/tests/bench/vub_client \
	$(BUILD)/tests/bench/tap_forward
$(eval $(call program,$(BUILD)/tests/bench/probe,\
	$(BUILD)/tests/bench/probe.o,))
$(eval $(call program,$(BUILD)/tests/bench/vub_client,\
	$(BUILD)/tests/bench/vub_client.o $(BUILD)/tests/bench/vub_proto.o,))
$(eval $(call program,$(BUILD)/tests/bench/tap_forward,\
	$(BUILD)/tests/bench/tap_forward.o,))

ROUNDS ?= 5
BUDGET ?= 840

bench-programs: $(BENCH_PROGRAMS)

bench:
	@mk/packages.sh bench
	@$(MAKE) --no-print-directory -j2 all bench-programs
	@/usr/bin/python3 tests/bench/bench.py --build=$(BUILD) \
		--rounds=$(ROUNDS) --budget=$(BUDGET) \
		$(if $(ONLY),--only='$(ONLY)') $(if $(PEERS),--peers='$(PEERS)')

.PHONY: bench bench-programs
