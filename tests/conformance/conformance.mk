# make conformance: a public WebSocket conformance suite (Autobahn|Testsuite: `wstest` from PATH or $WSTEST)
# against /echo. CASES="5.* 6.*" runs only those; MODE=debug runs the gateway under the sanitizers.
CASES ?=

.PHONY: conformance
conformance: $(B)/fairlead
	@set -f; tests/conformance/run $(B)/fairlead $(CASES)
