# The measuring sticks and the runner of docs/BENCHMARKS.md.
#   make floors     build the bare io_uring and epoll loops
#   make bench      QUICK=1, ROW=name[,name], PAIRS=5, WINDOW_S=4, WAIT_S=60
BENCH_FLOORS := $(B)/bench/floor_uring $(B)/bench/floor_epoll

$(B)/bench/floor_%: $(B)/obj/tests/bench/floor_%.o $(B)/obj/tests/bench/floor.o
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ -luring -lcrypto

BENCH_KNOBS = $(foreach k,QUICK ROW PAIRS WINDOW_S WAIT_S,$(if $($(k)),$(k)="$($(k))"))

# The runner stays on the client's CPU: what it does is not the server's cost.
.PHONY: floors bench
floors: $(BENCH_FLOORS)
bench: all floors
	@command -v node >/dev/null || \
	    { echo "make bench needs node, 18 or newer: apt-get install nodejs"; exit 1; }
	@BENCH_BUILD=$(B) $(BENCH_KNOBS) tests/bench/lab.sh with \
	    sh -c 'exec taskset -c "$$LAB_CLIENT_CPU" node tests/bench/run.mjs'
