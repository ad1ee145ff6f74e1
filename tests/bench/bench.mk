# The measuring sticks and the runner of docs/BENCHMARKS.md.
#   make floors     build the bare io_uring and epoll loops
#   make bench      QUICK=1, ROW=name[,name], PAIRS=5, WINDOW_S=4
BENCH_FLOORS := $(B)/bench/floor_uring $(B)/bench/floor_epoll

$(B)/bench/floor_%: $(B)/obj/tests/bench/floor_%.o $(B)/obj/tests/bench/floor.o
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ -luring -lcrypto

# The runner stays on the client's CPU, the last one; the server's is CPU 0.
BENCH_NODE := $(shell command -v node 2>/dev/null)

.PHONY: floors bench
floors: $(BENCH_FLOORS)
bench: all floors
	@[ -n "$(BENCH_NODE)" ] || { echo "make bench needs node (18 or newer): apt-get install nodejs"; exit 1; }
	@BENCH_BUILD=$(B) QUICK="$(QUICK)" $(if $(ROW),ROW="$(ROW)") $(if $(PAIRS),PAIRS="$(PAIRS)") \
	    $(if $(WINDOW_S),WINDOW_S="$(WINDOW_S)") tests/bench/lab.sh with taskset -c 1 $(BENCH_NODE) tests/bench/run.mjs
