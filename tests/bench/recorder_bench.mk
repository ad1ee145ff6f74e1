# What the flight recorder costs: ns per event and per death (docs/DECISIONS.md).
#   make recorder-bench   5 passes, best and median of each
.PHONY: recorder-bench
recorder-bench: $(B)/bench/recorder_bench
	@$<
$(B)/bench/recorder_bench: $(B)/obj/tests/bench/recorder_bench.o $(B)/libsched.a $(B)/libbase.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $< $(call group,sched base) -lxxhash -lpthread
