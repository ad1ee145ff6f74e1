# make fuzz         every target under libFuzzer (clang) for SECONDS=60 each; TARGET=name for one
# make fuzz-replay  the same targets, built as MODE says, over the committed corpora
FUZZ_NAMES := $(patsubst tests/fuzz/%_fuzz.c,%,$(sort $(wildcard tests/fuzz/*_fuzz.c)))
FUZZ_SRC := $(SRC_wire) sched/base/check.c
FUZZ_CFLAGS := -std=gnu17 -O1 -g -D_GNU_SOURCE -DFAIRLEAD_DEBUG=1 -I. \
               -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
# A target outside gateway/wire names what else it takes.
FUZZ_SRC_result_wire := loadgen/result.c loadgen/result_wire.c loadgen/histogram.c sched/base/hash.c
FUZZ_SRC_plan_file := $(addprefix loadgen/,plan_file.c plan.c load_options.c load_options_check.c option_row.c wrap.c layout.c backoff.c expect.c \
                      result.c histogram.c protocol.c) sched/base/memory.c sched/base/nearest.c
FUZZ_LIBS := -lcrypto -ljansson -lxxhash -lyaml -lm
SECONDS ?= 60

build/fuzz/bin/%: tests/fuzz/%_fuzz.c tests/fuzz/fuzz.h $(FUZZ_SRC) $(wildcard gateway/wire/*.h sched/base/*.h loadgen/*.[ch])
	@command -v clang >/dev/null || { echo "make fuzz needs clang: apt install clang"; exit 2; }
	@mkdir -p $(@D)
	@echo "  fuzz $*"
	$(Q)clang $(FUZZ_CFLAGS) -o $@ $< $(FUZZ_SRC) $(FUZZ_SRC_$*) $(FUZZ_LIBS)

$(B)/fuzz/%: $(B)/obj/tests/fuzz/%_fuzz.o $(B)/obj/tests/fuzz/replay.o $(B)/libload.a $(B)/libwire.a $(B)/libbase.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_gateway) -lxxhash

.PHONY: fuzz fuzz-replay
fuzz: $(addprefix build/fuzz/bin/,$(if $(TARGET),$(TARGET),$(FUZZ_NAMES)))
	@tests/fuzz/run.sh $(SECONDS) $^
fuzz-replay: $(addprefix $(B)/fuzz/,$(FUZZ_NAMES))
	@tests/fuzz/replay.sh $^
