# The measuring sticks and the runner of docs/BENCHMARKS.md.
BENCH_FLOORS := $(B)/bench/floor_uring $(B)/bench/floor_epoll

$(B)/bench/floor_%: $(B)/obj/tests/bench/floor_%.o $(B)/obj/tests/bench/floor.o
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ -luring -lcrypto

.PHONY: floors
floors: $(BENCH_FLOORS)
