# make sim: the simulator. SEED=42 replays one seed, SEEDS=1000 is a campaign from SEED on, FIRST=1
# stops it at the first seed that fails; CORES= and STEPS= instead of what the seed says, TRACE=1
# tells the story. make sim-mutations: see tests/sim/README.md.
SIM_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/sim/*.c))
LAYERS_sim := gateway chat topics wire sched io ring_sim base
SIM_ARGS = $(foreach v,SEED SEEDS CORES STEPS JOBS TRACE FIRST,$(if $($(v)),$(v)=$($(v))))

$(B)/sim: $(SIM_OBJ) $(foreach l,$(LAYERS_sim),$(B)/lib$(l).a)
	@echo "  link $@"
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $(SIM_OBJ) $(call group,$(LAYERS_sim)) $(LIBS_gateway)

.PHONY: sim sim-test sim-mutations
# The stage of make test: seeds 1 to SIM_SEEDS, and some of them twice.
SIM_SEEDS ?= 250
sim-test: $(B)/sim
	@tests/sim/run.sh $(B)/sim $(SIM_SEEDS)

sim: $(B)/sim
	@$(B)/sim $(SIM_ARGS)
sim-mutations:
	@tests/sim/mutate.sh $(MUTATIONS)
