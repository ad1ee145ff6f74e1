#include "tests/sim/faults.h"

#include "gateway/conn.h"

// A connection's stream is cut without a word, as gateway_stop does it.
static void cut_connection(struct world *world, struct core *core) {
    const struct slab *slab = &core->scheduler.kinds[KIND_CONNECTION].slab;
    if (slab->used_count == 0)
        return;
    uint32_t index = rng_below(&world->rng, slab->touched_count);
    if (!slab_is_used(slab, index))
        return;
    uint32_t stream = conn_at(&core->gateway, index)->stream;
    stream_close(&core->streams, stream_handle(&core->streams, stream), STREAM_CLOSE_ABORT);
    world->fault_count++;
    sim_trace("core %u cuts connection %u", core->id, index);
}

void faults_strike(struct world *world) {
    struct core *core = &world->cores[rng_below(&world->rng, world->core_count)].core;
    cut_connection(world, core);
}
