# The measuring sticks and the runner of docs/BENCHMARKS.md.
#   make floors     build the bare io_uring and epoll loops
#   make bench      QUICK=1, ROW=name[,name], PAIRS=5, WINDOW_S=4, WAIT_S=60
#   make bench-tune     does `fairlead tune --measure` predict what then happens (predict.mjs)? QUICK=1, ROUNDS=5
#   make bench-runtime  the rows about the actor runtime alone, beside Erlang/OTP: no lab, no root
BENCH_FLOORS := $(B)/bench/floor_uring $(B)/bench/floor_epoll

$(B)/bench/floor_%: $(B)/obj/tests/bench/floor_%.o $(B)/obj/tests/bench/floor.o $(B)/obj/tests/bench/floor_mqtt.o
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ -luring -lcrypto

# The actor runtime beside Erlang's.
RUNTIME_BENCH := $(B)/bench/runtime_bench
RUNTIME_BENCH_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/bench/runtime/*.c))
$(RUNTIME_BENCH): $(RUNTIME_BENCH_OBJ) $(B)/libsched.a $(B)/libbase.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $(RUNTIME_BENCH_OBJ) $(call group,sched base) -lxxhash -lpthread

BENCH_KNOBS = $(foreach k,QUICK ROW PAIRS WINDOW_S WAIT_S,$(if $($(k)),$(k)="$($(k))"))

# The runner stays on the client's CPU: what it does is not the server's cost.
.PHONY: floors bench bench-runtime
floors: $(BENCH_FLOORS)
bench: all floors $(RUNTIME_BENCH)
	@command -v node >/dev/null || \
	    { echo "make bench needs node, 18 or newer: apt-get install nodejs"; exit 1; }
	@BENCH_BUILD=$(B) $(BENCH_KNOBS) tests/bench/lab.sh with \
	    sh -c 'exec taskset -c "$$LAB_CLIENT_CPU" node tests/bench/run.mjs'
bench-runtime: $(RUNTIME_BENCH)
	@BENCH_BUILD=$(B) ROW=runtime $(BENCH_KNOBS) node tests/bench/run.mjs

# Both ends of very many connections on this machine: N=1000000, HEARTBEAT_S, PUBLISHES, HOLD_S, QUIET=1.
.PHONY: millions
millions: all
	@BENCH_BUILD=$(B) $(foreach k,N HEARTBEAT_S PUBLISHES HOLD_S ROOM_SIZE CONNECT_RATE SETTLE_S PARK_AFTER_S QUIET,$(if $($(k)),$(k)="$($(k))")) \
	    tests/bench/millions.sh

# Half an hour on a quiet machine; QUICK=1 tries the script. Knobs: predict.mjs.
PREDICT_KNOBS = $(foreach k,QUICK ROUNDS HOLD MEASURE_HOLD ROOMS CONNECTIONS STEP_S SLO_MS PORT,$(if $($(k)),$(k)="$($(k))"))
.PHONY: bench-tune
bench-tune: all
	@command -v node >/dev/null || \
	    { echo "make bench-tune needs node, 18 or newer: apt-get install nodejs"; exit 1; }
	@BENCH_BUILD=$(B) $(PREDICT_KNOBS) node tests/bench/predict.mjs
