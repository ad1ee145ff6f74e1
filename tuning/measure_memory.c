#include "tuning/measure_memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sched/base/clock.h"
#include "tuning/measure_words.h"

#define FEW_SHARE 4        // the smaller size is a quarter of the larger
#define SETTLE_MS_MIN 3500 // quiet connections park after 2 s; the kernel frees some things later
#define SETTLE_MS_MAX 20000
#define SETTLE_STEP_MS 500
#define SETTLE_BYTES 65536.0 // of change in a step: it stands still
#define SETTLE_STILL 3       // steps in a row
#define CONNECT_TIMEOUT_S 60
#define QUIET_HEARTBEAT_S 3600
#define HEARTBEAT_S 4 // longer than parking takes: each finds its connection parked, as in life
#define HEARTBEAT_ROUNDS 2
#define HEARTBEAT_CONNECTIONS_MAX 200000u

// Everything that the memory part holds while it works.
struct weighing {
    struct measure_server server;
    struct measure_client clients[2];
    struct measure_samples samples;
    struct measure_memory empty, few, many;
    struct measure_growth growth;
};

static void hold_arguments(const struct tune_options *o, uint32_t connections, uint32_t first,
                           struct child_arguments *arguments) {
    *arguments = (struct child_arguments){0};
    child_argument(arguments, "hold");
    child_pair(arguments, "connections", "%u", connections);
    child_pair(arguments, "room-size", "%u", o->rooms_of);
    child_pair(arguments, "first-user", "%u", first);
    child_pair(arguments, "first-room", "%u", (first + o->rooms_of - 1) / o->rooms_of);
    child_pair(arguments, "connect-rate", "%u", MEASURE_WORDS_CONNECT_RATE);
    child_pair(arguments, "connect-timeout-s", "%u", CONNECT_TIMEOUT_S);
    child_pair(arguments, "warmup-s", "0");
    measure_words_append(o->load_words, arguments);
}

// Joins end after connects, connections park later still: until memory stands still. false:
// stopped.
static bool settle(const struct measure_rig *rig, const struct weighing *w) {
    double last = 0;
    uint32_t still = 0;
    for (uint32_t ms = 0; ms < SETTLE_MS_MAX; ms += SETTLE_STEP_MS) {
        if (!measure_rig_sleep(rig, SETTLE_STEP_MS))
            return false;
        double now = measure_resident_bytes(w->server.child.pid);
        still = fabs(now - last) < SETTLE_BYTES ? still + 1 : 0;
        last = now;
        if (ms >= SETTLE_MS_MIN && still >= SETTLE_STILL)
            break;
    }
    return true;
}

// Connects so many more, waits until they are quiet, weighs.
static bool fill(struct measure_rig *rig, const struct tune_options *o, struct weighing *w,
                 uint32_t which, uint32_t connections, uint32_t first,
                 struct measure_memory *memory, char *error) {
    struct child_arguments arguments;
    hold_arguments(o, connections, first, &arguments);
    child_pair(&arguments, "heartbeat-s", "%u", QUIET_HEARTBEAT_S);
    child_argument(&arguments, "--hold-until-signal");
    w->samples.count = 0;
    measure_samples_take(&w->samples, &w->server.cpus, w->server.child.pid, 0);
    if (!measure_client_start(rig, &w->server, &arguments, &w->clients[which], error) ||
        !measure_client_connected(rig, &w->server, &w->clients[which], &w->samples, error))
        return false;
    if (!settle(rig, w)) {
        snprintf(error, MEASURE_RIG_ERROR_BYTES, "stopped");
        return false;
    }
    measure_samples_take(&w->samples, &w->server.cpus, w->server.child.pid, 0);
    measure_memory_read(w->server.child.pid, w->clients[which].child.pid, memory);
    return true;
}

static void keep_causes(const struct measure_growth *growth, struct measure_result *result) {
    result->kernel_bytes = growth->bytes;
    result->kernel_client_bytes = growth->client_bytes;
    result->has_caches = growth->has_caches;
    for (uint32_t i = 0; i < growth->cache_count && i < MEASURE_CAUSES_MAX; i++)
        result->causes[result->cause_count++] = growth->caches[i];
}

static void weigh(struct weighing *w, double few, double many, struct measure_result *result) {
    double more = many - few;
    const struct measure_samples *s = &w->samples;
    result->connections_few = few;
    result->connections_many = many;
    result->user_bytes = (w->many.server_bytes - w->few.server_bytes) / more;
    result->fixed_bytes = fmax(w->few.server_bytes - few * result->user_bytes, 0);
    measure_growth_decode(&w->few, &w->many, more, &w->growth);
    keep_causes(&w->growth, result);
    result->available_fell_bytes = (w->few.available_bytes - w->many.available_bytes) / more;
    // All of it: what follows a join (presence, parking) is a part of its cost.
    result->connect_ns = (s->all[s->count - 1].server_ns - s->all[0].server_ns) / more;
    if (!w->growth.has_caches)
        measure_remark(result,
                       "kernel memory by the growth of all slabs: /proc/slabinfo needs root");
    double others = w->many.sockets - w->few.sockets - 2 * more;
    if (fabs(others) > 0.02 * more)
        measure_remark(
            result,
            "others opened or closed %.0f sockets meanwhile: kernel memory is not only ours",
            fabs(others));
}

bool measure_memory_run(struct measure_rig *rig, const struct tune_options *o,
                        struct measure_result *result, char *error) {
    uint32_t few = o->hold / FEW_SHARE / o->rooms_of * o->rooms_of;
    few = few > 0 ? few : o->hold / FEW_SHARE;
    struct weighing *w = calloc(1, sizeof(*w));
    CHECKF(w, "no memory at start-up");
    struct child_arguments more = {0};
    measure_words_append(o->serve_words, &more);
    child_pair(&more, "idle-timeout-s", "%u", 2 * QUIET_HEARTBEAT_S);
    struct measure_server_order order = {.more = &more};
    measure_rig_say(rig, "memory: %u, then %u idle connections in rooms of %u", few, o->hold,
                    o->rooms_of);
    bool is_good = measure_server_start(rig, &order, &w->server, error);
    if (is_good)
        measure_memory_read(w->server.child.pid, 0, &w->empty);
    is_good = is_good && fill(rig, o, w, 0, few, 0, &w->few, error) &&
              fill(rig, o, w, 1, o->hold - few, few, &w->many, error);
    if (is_good)
        weigh(w, few, o->hold, result);
    measure_client_stop(&w->clients[0]);
    measure_client_stop(&w->clients[1]);
    measure_server_stop(&w->server);
    free(w);
    return is_good;
}

bool measure_heartbeats_run(struct measure_rig *rig, const struct tune_options *o,
                            struct measure_result *result, char *error) {
    uint32_t connections =
        o->hold < HEARTBEAT_CONNECTIONS_MAX ? o->hold : HEARTBEAT_CONNECTIONS_MAX;
    struct measure_server server;
    struct child_arguments arguments, more = {0};
    struct measure_run *run = malloc(sizeof(*run));
    CHECKF(run, "no memory at start-up");
    measure_words_append(o->serve_words, &more);
    struct measure_server_order order = {.more = &more};
    measure_rig_say(rig, "heartbeats: %u parked connections, each every %u s", connections,
                    HEARTBEAT_S);
    hold_arguments(o, connections, 0, &arguments);
    child_pair(&arguments, "heartbeat-s", "%u", HEARTBEAT_S);
    child_pair(&arguments, "duration-s", "%u", HEARTBEAT_S * HEARTBEAT_ROUNDS);
    child_pair(&arguments, "straggler-s", "0.5");
    bool is_good = measure_server_start(rig, &order, &server, error) &&
                   measure_rig_run(rig, &server, &arguments, run, error);
    if (is_good && (!run->has_usage || run->load.heartbeats <= 0)) {
        snprintf(error, MEASURE_RIG_ERROR_BYTES, "no heartbeat was answered: %s",
                 run->load.verdict);
        is_good = false;
    }
    if (is_good) {
        // Every connection beats once a period, whatever the moment at which it began.
        double expected = (double)connections * run->usage.seconds / HEARTBEAT_S;
        double count = fmin(run->load.heartbeats, expected);
        result->heartbeat_ns = run->usage.server_ns / count;
        result->heartbeats_per_s = count / run->usage.seconds;
        if (run->load.heartbeats < 0.7 * expected)
            measure_remark(result, "only %.0f of %.0f heartbeats came: their cost is a guess",
                           run->load.heartbeats, expected);
    }
    measure_server_stop(&server);
    free(run);
    return is_good;
}
