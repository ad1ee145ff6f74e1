# The experiment behind parked and hot streams; its result is in docs/DECISIONS.md.
.PHONY: park-experiment
park-experiment: $(B)/bench/park_experiment
	$(Q)$<
$(B)/bench/park_experiment: $(B)/obj/tests/bench/park_experiment.o $(foreach l,io ring_uring base,$(B)/lib$(l).a)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $< $(call group,io ring_uring base) $(LIBS_core)
