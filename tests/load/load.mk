# The load tool held against known truth: `make load-test`, or one file: make load-test LOAD_TEST=tests/load/faults.test.mjs
LOAD_TEST ?=
TRUTH_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/load/truth_*.c))

$(B)/truth_server: $(TRUTH_OBJ)
	@echo "  link $@"
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ -lcrypto

.PHONY: load-test
load-test: $(B)/fairlead $(B)/fairlead-load $(B)/truth_server $(E2E_MODULES)
	$(Q)MODE=$(MODE) node tests/e2e/run.mjs --as load-test $(if $(LOAD_TEST),$(LOAD_TEST),$(sort $(wildcard tests/load/*.test.mjs)))
