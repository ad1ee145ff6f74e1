# The programs of docs/RUNTIME.md: over sched and sched/base alone, each with what it prints beside it.
EXAMPLES := $(patsubst docs/examples/%.c,$(B)/examples/%,$(wildcard docs/examples/*.c))

$(B)/examples/%: $(B)/obj/docs/examples/%.o $(B)/libsched.a $(B)/libbase.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $< $(call group,sched base) -lxxhash -lpthread

.PHONY: examples
examples: $(EXAMPLES)
$(B)/unit/docs/examples_test: $(EXAMPLES)
