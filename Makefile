# Fairlead: make targets. `make help` prints these lines.
#
#   make            build build/release/fairlead, fairlead-load and fairlead-tune
#   make run        install what is missing, build, start `fairlead serve`, print the address of the page
#   make test       every test: tidy, unit tests (release, ASan+UBSan, TSan), fuzz corpora, end to end, churn
#   make check      the quick part of it: tidy and unit tests of this MODE
#   make sim        the real gateway on a simulated kernel: SEED=42 replays one seed, SEEDS=1000 is a campaign
#   make sim-mutations  breaks the gateway in known ways; the simulator must notice each (minutes)
#   make load-test  fairlead load against a server whose faults are known: it must report exactly those
#   make bench      the rows of docs/BENCHMARKS.md, in the lab (root), 15 minutes; QUICK=1: 2 minutes
#   make bench-runtime  its rows about actors alone, beside Erlang/OTP; 3 minutes, no root
#   make bench-tune  does fairlead tune predict what this machine then holds? half an hour, quiet
#   make millions   N=1000000 connections and their clients on this machine, 10 minutes (root): what each takes, and the verdict
#   make examples   the programs of docs/RUNTIME.md, into build/release/examples/
#   make fuzz       every decoder under libFuzzer for SECONDS=60 each (TARGET=name for one)
#   make conformance  a public WebSocket conformance suite against the echo endpoint, where one is at hand
#   make tidy       layers, style and formatting, by script
#   make install    into PREFIX=/usr/local under DESTDIR= ; make uninstall takes it away
#   make deps       install the Debian packages that the build needs (make run does so by itself); DEPS=test|bench|dev: more
#   make docs       bring the tables of docs/OPERATING.md and docs/TUNING.md up to date
#   make clean      remove build/
#   make help       this text
#
# Knobs: MODE=release|debug|tsan|coverage  CC=gcc|clang  V=1 (show commands)  ARGS="..." (for make run)

MODE ?= release
CC := $(if $(filter default,$(origin CC)),gcc,$(CC))
B := build/$(MODE)
Q := $(if $(V),,@)

WARN := -Wall -Wextra -Werror -Wshadow -Wconversion -Wno-sign-conversion -Wvla -Wstrict-prototypes \
        -Wmissing-prototypes -Wswitch-enum -Wno-unused-parameter
FLAGS_release := -O2 -g
FLAGS_debug := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -DFAIRLEAD_DEBUG=1
FLAGS_tsan := -O1 -g -fsanitize=thread -DFAIRLEAD_DEBUG=1
FLAGS_coverage := -O0 -g --coverage -DFAIRLEAD_DEBUG=1
VERSION := 0.1.0
BUILD_ID := $(shell git describe --always --dirty 2>/dev/null || echo unknown)
CFLAGS_ALL = -std=gnu17 $(WARN) $(FLAGS_$(MODE)) -D_GNU_SOURCE -I. -MMD -MP $(CFLAGS)
LDFLAGS_ALL = $(FLAGS_$(MODE)) $(LDFLAGS)

LIBS_core := -luring -lxxhash -lpthread
LIBS_gateway := $(LIBS_core) -lcrypto -lmicrohttpd -ljansson -lcyaml -lyaml -lz -lm
LIBS_load := $(LIBS_core) -lcrypto -ljansson -lcurl -lyaml -lm
LIBS_tune := $(LIBS_load)

# One archive per layer; a program links those below it. The ring has two bodies and is chosen at link time.
objects = $(patsubst %.c,$(B)/obj/%.o,$(1))
SRC_base := $(wildcard sched/base/*.c)
SRC_sched := $(wildcard sched/*.c)
SRC_io := $(filter-out io/ring_%.c,$(wildcard io/*.c))
SRC_ring_uring := $(wildcard io/ring_uring*.c)
SRC_ring_sim := $(wildcard io/ring_sim*.c)
SRC_wire := $(wildcard gateway/wire/*.c)
SRC_chat := $(wildcard chat/*.c)
SRC_topics := $(wildcard topics/*.c)
SRC_gateway := $(filter-out gateway/main.c,$(wildcard gateway/*.c))
SRC_load := $(filter-out loadgen/load.c,$(wildcard loadgen/*.c))
SRC_tune := $(filter-out tuning/tune.c,$(wildcard tuning/*.c))
LAYERS := base sched io ring_uring ring_sim wire chat topics gateway load tune
ARCHIVES := $(foreach l,$(LAYERS),$(B)/lib$(l).a)

.DEFAULT_GOAL := all
.PHONY: all
all: $(B)/fairlead $(B)/fairlead-load $(B)/fairlead-tune

define archive_rule
$(B)/lib$(1).a: $(call objects,$(SRC_$(1))) $(EXTRA_$(1))
	@mkdir -p $$(@D); rm -f $$@
	$$(Q)ar rcs $$@ $$^
endef

group = -Wl,--start-group $(foreach l,$(1),$(B)/lib$(l).a) -Wl,--end-group

$(B)/obj/%.o: %.c | build/host/deps_ok
	@mkdir -p $(@D)
	@$(if $(V),,echo "  cc   $<")
	$(Q)$(CC) $(CFLAGS_ALL) -DFAIRLEAD_VERSION='"$(VERSION)"' -c $< -o $@

# What this was built from, for GET /info and for reports: these objects alone are made anew when it changes.
$(B)/obj/gateway/control_info.o $(B)/obj/loadgen/environment.o: CFLAGS_ALL += -DFAIRLEAD_BUILD_ID='"$(BUILD_ID)"'
$(B)/obj/gateway/control_info.o $(B)/obj/loadgen/environment.o: build/host/build_id
$(if $(filter $(BUILD_ID),$(shell cat build/host/build_id 2>/dev/null)),,$(shell mkdir -p build/host && echo '$(BUILD_ID)' >build/host/build_id))
build/host/build_id:
	@mkdir -p $(@D) && echo '$(BUILD_ID)' >$@

# The console's pages, compressed and embedded at build time (gateway/console/README.md).
-include gateway/console/console.mk
# The plots of --html reports.
-include loadgen/html.mk
$(foreach l,$(LAYERS),$(eval $(call archive_rule,$(l))))

LAYERS_fairlead := gateway chat topics wire sched io ring_uring base
LAYERS_load := load wire sched io ring_uring base
LAYERS_tune := tune $(LAYERS_load)
$(B)/fairlead: $(B)/obj/gateway/main.o $(foreach l,$(LAYERS_fairlead),$(B)/lib$(l).a)
	@echo "  link $@"
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $< $(call group,$(LAYERS_fairlead)) $(LIBS_gateway)
$(B)/fairlead-load: $(B)/obj/loadgen/load.o $(foreach l,$(LAYERS_load),$(B)/lib$(l).a)
	@echo "  link $@"
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $< $(call group,$(LAYERS_load)) $(LIBS_load)
$(B)/fairlead-tune: $(B)/obj/tuning/tune.o $(foreach l,$(LAYERS_tune),$(B)/lib$(l).a)
	@echo "  link $@"
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $< $(call group,$(LAYERS_tune)) $(LIBS_tune)

# Unit tests: tests/unit/<path>/<file>_test.c mirrors <path>/<file>.c. They run on the simulated ring,
# except those named *_uring_test.c, which get the real one.
UNIT_SRC := $(sort $(shell find tests/unit -name '*_test.c' 2>/dev/null))
UNIT_BIN := $(patsubst tests/unit/%.c,$(B)/unit/%,$(UNIT_SRC))
$(B)/unit/%_uring_test: $(B)/obj/tests/unit/%_uring_test.o $(ARCHIVES)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $< $(call group,$(filter-out ring_sim,$(LAYERS))) $(LIBS_gateway) -lcurl -lcheck -lsubunit -lrt -lm
$(B)/unit/%_test: $(B)/obj/tests/unit/%_test.o $(ARCHIVES)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $< $(call group,$(filter-out ring_uring,$(LAYERS))) $(LIBS_gateway) -lcurl -lcheck -lsubunit -lrt -lm

.PHONY: unit check tidy
unit: $(UNIT_BIN)
	@tests/unit/run $(UNIT_BIN)
tidy:
	@tests/tidy/run
check: tidy unit

.PHONY: help clean
help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile
clean:
	rm -rf build

-include $(wildcard packaging/*.mk tests/*.mk tests/*/*.mk)
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
.SECONDARY:
