# make churn: CONNECTIONS (100,000) come and go with resets at random moments; the gateway must be
# as it was afterwards. MODE=debug runs the gateway under the sanitizers.
CHURN_CONNECTIONS ?= 100000
CHURN_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/churn/*.c))

$(B)/churn: $(CHURN_OBJ) $(B)/libbase.a
	@echo "  link $@"
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ -lpthread

.PHONY: churn
churn: $(B)/fairlead $(B)/churn
	@tests/churn/run.sh $(B)/fairlead $(B)/churn $(CHURN_CONNECTIONS)
