# End-to-end tests against build/$(MODE)/fairlead: `make e2e`, or one file: make e2e E2E=tests/e2e/page.test.mjs
E2E ?=
E2E_MODULES := tests/e2e/node_modules/.package-lock.json

# Exactly what the lockfile names; nothing downloads a browser. A failed install leaves no marker.
$(E2E_MODULES): tests/e2e/package-lock.json tests/e2e/package.json
	@echo "  npm  tests/e2e"
	$(Q)cd tests/e2e && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error
	@touch $@

.PHONY: e2e
e2e: $(B)/fairlead $(B)/fairlead-load $(B)/fairlead-tune $(E2E_MODULES)
	$(Q)MODE=$(MODE) node tests/e2e/run.mjs $(E2E)
