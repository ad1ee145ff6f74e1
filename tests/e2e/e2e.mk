# End-to-end tests against build/$(MODE)/fairlead: `make e2e`, or one file: make e2e E2E=tests/e2e/page.test.mjs
E2E ?=
E2E_MODULES := tests/e2e/node_modules/.package-lock.json

# Exactly what the lockfile names; nothing downloads a browser. A failed install leaves no marker.
$(E2E_MODULES): tests/e2e/package-lock.json tests/e2e/package.json
	@echo "  npm  tests/e2e"
	$(Q)cd tests/e2e && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error
	@touch $@

# Clients by Paho's two libraries: each has a copy of the other's insides, so they are not linked together.
E2E_PAHO := $(B)/e2e/mqtt_paho $(B)/e2e/mqtt_paho_async
$(B)/e2e/mqtt_paho: LIBS_paho := -lpaho-mqtt3c
$(B)/e2e/mqtt_paho_async: LIBS_paho := -lpaho-mqtt3a -lpthread
$(E2E_PAHO): $(B)/e2e/%: tests/e2e/%.c tests/e2e/mqtt_paho.h
	@mkdir -p $(@D)
	@$(if $(V),,echo "  cc   $<")
	$(Q)$(CC) -std=gnu17 $(WARN) -O2 -g -D_GNU_SOURCE -I. $(CFLAGS) $< -o $@ $(LIBS_paho)

.PHONY: e2e
e2e: $(B)/fairlead $(B)/fairlead-load $(B)/fairlead-tune $(E2E_PAHO) $(E2E_MODULES)
	$(Q)MODE=$(MODE) node tests/e2e/run.mjs $(E2E)
