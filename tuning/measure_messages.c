#include "tuning/measure_messages.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sched/base/clock.h"
#include "tuning/measure_words.h"

#define PROBE_LOAD 0.3
#define PROBE_S 1.0
#define WARMUP_S 0.5
#define CLIENT_LOAD_MAX 0.85
#define MERGED_IN_FLIGHT 30
#define MERGED_MEMBERS 100u
#define POINTS_MAX (MODEL_FANOUTS_MAX + 1)
#define FOREIGN_MAX 0.03  // CPUs' worth, of others on the server's CPUs
#define BESIDE_MAX 0.25   // of the server's own: more than soft interrupts beside it are
#define ROOM_STEP 100000u // rooms of one run are not those of the next

// What a message takes before anything was measured: 8 µs and 2 µs for each member.
static double guess_ns(double members) {
    return 8e3 + 2e3 * members;
}

struct fanout_run {
    const struct measure_server *server;
    uint32_t members;
    uint32_t first_room;
    double rate; // 0: closed loop, with MERGED_IN_FLIGHT under way in each room
    double seconds;
};

static bool run_once(struct measure_rig *rig, const struct tune_options *o,
                     const struct fanout_run *asked, struct measure_run *run, char *error) {
    struct child_arguments arguments = {0};
    child_argument(&arguments, "rooms");
    child_pair(&arguments, "connections", "%u", o->connections);
    child_pair(&arguments, "room-size", "%u", asked->members);
    child_pair(&arguments, "first-room", "%u", asked->first_room);
    if (asked->rate > 0)
        child_pair(&arguments, "rate", "%.6f", asked->rate);
    else
        child_pair(&arguments, "closed", "%u",
                   MERGED_IN_FLIGHT * ((o->connections - 1) / asked->members + 1));
    child_pair(&arguments, "connect-rate", "%u", MEASURE_WORDS_CONNECT_RATE);
    child_pair(&arguments, "warmup-s", "%g", WARMUP_S);
    child_pair(&arguments, "duration-s", "%g", asked->seconds);
    child_pair(&arguments, "straggler-s", "0.5");
    measure_words_append(o->load_words, &arguments);
    if (!measure_rig_run(rig, asked->server, &arguments, run, error))
        return false;
    if (run->has_usage && run->load.received > 0)
        return true;
    snprintf(error, MEASURE_RIG_ERROR_BYTES, "messages to %u members: %s", asked->members,
             run->load.verdict);
    return false;
}

static void read_fanout(const struct measure_run *run, const struct fanout_run *asked,
                        struct measure_fanout *fanout, struct measure_result *result) {
    const struct measure_usage *usage = &run->usage;
    double publishes = run->load.received / asked->members;
    // The whole CPU is the truth where only the server has it; what others took is not its cost.
    double beside_ns = usage->whole_ns - usage->server_ns;
    bool is_alone = !asked->server->shares_cpu &&
                    usage->foreign_ns < FOREIGN_MAX * usage->seconds * (double)NS_PER_S &&
                    beside_ns < BESIDE_MAX * usage->server_ns;
    if (!asked->server->shares_cpu && !is_alone)
        measure_remark(
            result,
            "noisy: others used %.2f of the server's CPU at %u members; its threads alone count",
            fmax(usage->foreign_ns, beside_ns) / (double)NS_PER_S / usage->seconds, asked->members);
    *fanout = (struct measure_fanout){
        .members = asked->members,
        .publishes_per_s = publishes / usage->seconds,
        .deliveries_per_s = run->load.received / usage->seconds,
        .process_ns = usage->server_ns / publishes,
        .measured_ns =
            (is_alone ? fmax(usage->whole_ns, usage->server_ns) : usage->server_ns) / publishes,
        .merge = run->has_window && run->window.sends > 0
                     ? run->window.delivered / run->window.sends
                     : 0,
        .server_cpu = usage->server_ns / (double)NS_PER_S / usage->seconds,
        .client_cpu = run->load.client_cpu,
        .p99_ns = run->load.p99_ns,
        .client_was_limit = run->load.client_was_limit,
    };
    fanout->publish_ns = fanout->measured_ns;
}

// What the parts are fitted to. Counters are read a moment after the client's window begins and
// ends, so that what they share is a ratio, not a number.
static struct model_point point_of(const struct measure_fanout *fanout) {
    return (struct model_point){.publishes = 1,
                                .sends = fanout->members / fanout->merge,
                                .deliveries = fanout->members,
                                .cpu_ns = fanout->measured_ns};
}

// The rate that takes `share` of the server's CPUs, or what the client can bear.
static double rate_for(double share, const struct measure_fanout *known, double cpus) {
    double server = share * cpus * (double)NS_PER_S / known->publish_ns;
    double client_ns = known->client_cpu * (double)NS_PER_S / known->publishes_per_s;
    return fmax(fmin(server, CLIENT_LOAD_MAX * (double)NS_PER_S / client_ns), 1);
}

// What a message takes, roughly: as the other side had it, or by a short run at little load.
static bool learn(struct measure_rig *rig, const struct tune_options *o, struct fanout_run *asked,
                  const struct measure_fanout *other_side, struct measure_run *run,
                  struct measure_fanout *known, struct measure_result *result, char *error) {
    if (other_side->publish_ns > 0) {
        *known = *other_side;
        return true;
    }
    uint32_t remarks = result->remark_count;
    asked->rate = fmax(PROBE_LOAD * (double)NS_PER_S / guess_ns(asked->members), 1);
    asked->seconds = fmin(PROBE_S, o->step_s);
    if (!run_once(rig, o, asked, run, error))
        return false;
    read_fanout(run, asked, known, result);
    result->remark_count = remarks; // those of the run that counts are enough
    asked->first_room += ROOM_STEP;
    return true;
}

static bool measure_fanout_of(struct measure_rig *rig, const struct tune_options *o,
                              struct fanout_run *asked, const struct measure_fanout *other_side,
                              struct measure_run *run, struct measure_fanout *fanout,
                              struct measure_result *result, char *error) {
    struct measure_fanout known;
    double cpus = asked->server->shares_cpu && asked->server->cpu_count > 1
                      ? asked->server->cpu_count - 1 // the client needs its part of them
                      : asked->server->cpu_count;
    if (!learn(rig, o, asked, other_side, run, &known, result, error))
        return false;
    asked->rate = rate_for(MEASURE_MESSAGES_LOAD, &known, cpus);
    asked->seconds = o->step_s;
    measure_rig_say(rig, "messages to %u member%s: %.0f publishes/s, %u scheduler%s",
                    asked->members, asked->members == 1 ? "" : "s", asked->rate,
                    asked->server->schedulers, asked->server->schedulers == 1 ? "" : "s");
    if (!run_once(rig, o, asked, run, error))
        return false;
    read_fanout(run, asked, fanout, result);
    return true;
}

// One more run, in which much is merged: what tells a send from what it carries.
static bool measure_merged(struct measure_rig *rig, const struct tune_options *o,
                           const struct measure_server *server, struct measure_run *run,
                           struct measure_fanout *merged, struct measure_result *result,
                           char *error) {
    struct fanout_run asked = {
        .server = server,
        .members = o->connections < MERGED_MEMBERS ? o->connections : MERGED_MEMBERS,
        .first_room = 2 * MODEL_FANOUTS_MAX * ROOM_STEP,
        .seconds = fmin(o->step_s, 2),
    };
    measure_rig_say(rig, "messages to %u members, %u under way in each room, %u scheduler%s",
                    asked.members, MERGED_IN_FLIGHT, server->schedulers,
                    server->schedulers == 1 ? "" : "s");
    if (!run_once(rig, o, &asked, run, error))
        return false;
    read_fanout(run, &asked, merged, result);
    return true;
}

static void find_parts(struct measure_side *side, const struct measure_fanout *merged,
                       struct measure_result *result) {
    struct model_point points[POINTS_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < side->fanout_count; i++)
        if (side->fanouts[i].merge > 0)
            points[count++] = point_of(&side->fanouts[i]);
    if (merged->merge > 0)
        points[count++] = point_of(merged);
    if (!model_fit(points, count, &side->parts)) {
        measure_remark(result, "what merging saves could not be told (%u scheduler%s)",
                       side->schedulers, side->schedulers == 1 ? "" : "s");
        return;
    }
    for (uint32_t i = 0; i < side->fanout_count; i++) {
        struct measure_fanout *at = &side->fanouts[i];
        at->publish_ns = model_unmerged_ns(&side->parts, at->members, at->measured_ns, at->merge);
    }
}

bool measure_messages_run(struct measure_rig *rig, const struct tune_options *o,
                          enum measure_side_name side, struct measure_result *result, char *error) {
    static const uint32_t members[] = {1, 10, 100, 1000};
    struct measure_side *into = &result->sides[side];
    struct measure_server server;
    struct child_arguments more = {0};
    struct measure_run *run = malloc(sizeof(*run));
    CHECKF(run, "no memory at start-up");
    measure_words_append(o->serve_words, &more);
    struct measure_server_order order = {.has_all_cpus = side == MEASURE_ALL, .more = &more};
    bool is_good = measure_server_start(rig, &order, &server, error);
    into->schedulers = server.schedulers;
    into->shares_cpu = server.shares_cpu;
    for (uint32_t i = 0; is_good && i < sizeof(members) / sizeof(members[0]); i++) {
        if (members[i] > o->connections)
            break;
        struct fanout_run asked = {
            .server = &server, .members = members[i], .first_room = 2 * i * ROOM_STEP};
        is_good = measure_fanout_of(rig, o, &asked, &result->sides[MEASURE_ONE].fanouts[i], run,
                                    &into->fanouts[into->fanout_count], result, error);
        into->fanout_count += is_good;
    }
    into->is_measured = into->fanout_count > 0;
    struct measure_fanout merged = {0};
    is_good = is_good && measure_merged(rig, o, &server, run, &merged, result, error);
    if (is_good)
        find_parts(into, &merged, result);
    measure_server_stop(&server);
    free(run);
    return is_good;
}
