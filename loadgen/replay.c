#include "loadgen/replay.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MIX_FALLBACK_SIZE 50

// --- who is there --------------------------------------------------------------------------------

// What happened to members in some seconds.
struct flow {
    double joins;
    double churns; // left and joined, or the other way round, on connections that went on
    double goes;
};

static double sum_of(const struct shape *shape, enum shape_series series, uint32_t from,
                     uint32_t to) {
    uint64_t sum = 0;
    for (uint32_t i = from; i < to; i++)
        sum += shape->series[series][i];
    return (double)sum;
}

// Where nobody ever joined, connections stand for members.
static bool has_members(const struct shape *shape) {
    return shape->members > 0 || shape->sums[SHAPE_joins] > 0;
}

static struct flow flow_of(const struct shape *shape, uint32_t from, uint32_t to) {
    if (!has_members(shape))
        return (struct flow){.joins = sum_of(shape, SHAPE_connects, from, to),
                             .goes = sum_of(shape, SHAPE_disconnects, from, to)};
    double joins = sum_of(shape, SHAPE_joins, from, to);
    double leaves = sum_of(shape, SHAPE_leaves, from, to);
    double churns = fmin(joins, leaves);
    return (struct flow){.joins = joins - churns,
                         .churns = churns,
                         .goes = sum_of(shape, SHAPE_departures, from, to) + leaves - churns};
}

static double level_at_begin(const struct shape *shape) {
    return (double)(has_members(shape) ? shape->members : shape->connections);
}

// --- the plan ------------------------------------------------------------------------------------

// Seconds of the recording in one phase.
static uint32_t step_of(const struct shape *shape, double speed) {
    uint32_t by_count = (shape->second_count + PLAN_PHASES_MAX - 2) / (PLAN_PHASES_MAX - 1);
    double by_time = ceil(PLAN_DURATION_S_MIN * speed);
    return by_time > by_count ? (uint32_t)fmin(by_time, SHAPE_SECONDS_MAX) : by_count;
}

// A rate at which exactly `count` even arrivals fall into the time: the first at its begin, and the
// last a little later than evenly, so that no rounding makes it one more or less.
static double rate_for(double count, double duration_s) {
    return count > 0 ? (count - 0.25) / duration_s : 0;
}

static void set_rates(struct phase *phase, const struct shape *shape, uint32_t from, uint32_t to) {
    struct flow flow = flow_of(shape, from, to);
    double publishes = sum_of(shape, SHAPE_publishes, from, to);
    double pings = sum_of(shape, SHAPE_pings, from, to);
    phase->publish.begin = phase->publish.end = rate_for(publishes, phase->duration_s);
    phase->ping.begin = phase->ping.end = rate_for(pings, phase->duration_s);
    phase->churn_rate = rate_for(flow.churns, phase->duration_s);
    phase->turnover_rate = rate_for(fmin(flow.joins, flow.goes), phase->duration_s);
}

bool replay_make_plan(const struct shape *shape, double speed, struct plan *plan,
                      uint32_t *members_max, char error[LOAD_OPTIONS_ERROR_BYTES]) {
    if (shape->seconds / speed < PLAN_DURATION_S_MIN)
        return option_row_fail(error,
                               "--speed %.10g: its %.10g s would be over at once; --speed "
                               "%.10g at most",
                               speed, shape->seconds, shape->seconds / PLAN_DURATION_S_MIN);
    double levels[PLAN_PHASES_MAX], level = level_at_begin(shape), most = level;
    uint32_t step = step_of(shape, speed), count = shape->second_count;
    *plan = (struct plan){0};
    struct phase *before = plan_add(plan, "before");
    before->is_measured = false;
    before->duration_s = speed; // a second, whatever the speed
    levels[0] = level;
    for (uint32_t from = 0; from < count; from += step) {
        uint32_t to = count - from < step ? count : from + step;
        double left_s = shape->seconds - to;
        if (left_s > 0 && left_s < PLAN_DURATION_S_MIN * speed) // too short for a phase of its own
            to = count;
        struct flow flow = flow_of(shape, from, to);
        char name[PLAN_NAME_BYTES];
        snprintf(name, sizeof(name), "second %u", from + 1);
        struct phase *phase = plan_add(plan, name);
        phase->duration_s = fmin(shape->seconds, to) - from;
        set_rates(phase, shape, from, to);
        level = fmax(level + flow.joins - flow.goes, 0);
        levels[plan->count - 1] = level;
        most = fmax(most, level);
        if (to == count)
            break;
    }
    if (most < 1)
        return option_row_fail(error, "nobody was there in it, and nobody came: record it again "
                                      "while there is traffic");
    *members_max = (uint32_t)fmin(most, UINT32_MAX);
    for (uint32_t i = 0; i < plan->count; i++)
        plan->phases[i].connections_percent = fmin(levels[i] / most * 100, 100);
    return true;
}

// --- options -------------------------------------------------------------------------------------

static double members_of(const struct shape_histogram *rooms) {
    double sum = 0;
    for (uint32_t i = 0; i < rooms->cell_count; i++)
        sum += ((double)rooms->cells[i].low + rooms->cells[i].high) / 2 *
               (double)rooms->cells[i].count;
    return sum;
}

// The fullest that was seen; without any, rooms as large as messages found them.
static struct shape_histogram rooms_of(const struct shape *shape) {
    const struct shape_histogram *best = &shape->rooms_most;
    if (members_of(&shape->rooms_end) > members_of(best))
        best = &shape->rooms_end;
    if (members_of(&shape->rooms_begin) > members_of(best))
        best = &shape->rooms_begin;
    if (members_of(best) == 0)
        best = &shape->fan_out;
    if (members_of(best) > 0)
        return *best;
    return (struct shape_histogram){
        .cells = {{MIX_FALLBACK_SIZE, MIX_FALLBACK_SIZE, 1}}, .cell_count = 1, .total = 1};
}

// What share of the members who were there at most was there when a message was sent, on average.
static double fill_of(const struct shape *shape) {
    double level = level_at_begin(shape), most = level, sum = 0;
    for (uint32_t i = 0; i < shape->second_count; i++) {
        struct flow flow = flow_of(shape, i, i + 1);
        double after = fmax(level + flow.joins - flow.goes, 0);
        sum += (level + after) / 2 * shape->series[SHAPE_publishes][i];
        level = after;
        most = fmax(most, level);
    }
    double all = (double)shape->sums[SHAPE_publishes];
    return sum > 0 ? fmin(sum / all / most, 1) : 1;
}

static bool set_rooms(struct replay *replay, struct load_options *o, char *error) {
    if (load_options_is_given(o, "room-size") || load_options_is_given(o, "room-sizes"))
        return true;
    struct shape_histogram rooms = rooms_of(&replay->shape);
    const struct room_mix_config config = {.rooms = &rooms,
                                           .fan_out = &replay->shape.fan_out,
                                           .gaps = &replay->shape.publish_gap_us,
                                           .fill = fill_of(&replay->shape),
                                           .speed = o->speed,
                                           .members = o->connections,
                                           .seed = o->seed};
    if (!room_mix_init(&replay->rooms, &config))
        return option_row_fail(error, "no memory for the rooms of %u connections", o->connections);
    o->sizes = (struct layout_sizes){.min = replay->rooms.sizes[replay->rooms.room_count - 1],
                                     .max = replay->rooms.sizes[0],
                                     .list = replay->rooms.sizes,
                                     .list_count = replay->rooms.room_count};
    if (!load_options_is_given(o, "talkers"))
        o->talkers = o->sizes.max; // everybody in turn
    return true;
}

static void set_bytes(struct replay *replay, struct load_options *o) {
    const struct shape_histogram *h = &replay->shape.publish_bytes;
    if (load_options_is_given(o, "payload-bytes") || h->total == 0)
        return;
    uint32_t highest = h->cells[h->cell_count - 1].high;
    uint32_t max =
        highest < LOAD_OPTIONS_PAYLOAD_BYTES_MAX ? highest : LOAD_OPTIONS_PAYLOAD_BYTES_MAX;
    max = max > REPLAY_PING_BYTES ? max : REPLAY_PING_BYTES;
    for (uint32_t i = 0; i < h->cell_count; i++) {
        replay->small += h->cells[i].high < LOAD_OPTIONS_PAYLOAD_BYTES_MIN ? h->cells[i].count : 0;
        replay->large += h->cells[i].low > max ? h->cells[i].count : 0;
    }
    sampler_init(&replay->bytes, &(struct sampler_config){.histogram = h,
                                                          .step = SAMPLER_STEP_SIZES,
                                                          .seed = o->seed + 1ull,
                                                          .min = LOAD_OPTIONS_PAYLOAD_BYTES_MIN,
                                                          .max = max});
    replay->has_bytes = true;
    o->payload_bytes = max;
}

// Rooms of one have nobody who leaves while others stay: their churn is people who come and go.
static void settle_churn(struct plan *plan, const struct load_options *o) {
    for (uint32_t i = 0; i < plan->count && o->sizes.max == 1; i++) {
        plan->phases[i].turnover_rate += plan->phases[i].churn_rate;
        plan->phases[i].churn_rate = 0;
    }
}

static bool prepare(struct replay *replay, struct plan *plan, struct load_options *o,
                    char error[LOAD_OPTIONS_ERROR_BYTES]) {
    char cause[LOAD_OPTIONS_ERROR_BYTES];
    const char *path = o->plan_file;
    uint32_t members_max;
    struct plan_fault fault;
    if (!shape_read(&replay->shape, path, error))
        return false;
    if (!replay_make_plan(&replay->shape, o->speed, plan, &members_max, cause))
        return option_row_fail(error, "%.200s: %.250s", path, cause);
    if (!load_options_is_given(o, "connections")) {
        if (members_max > LOAD_OPTIONS_CONNECTIONS_MAX)
            return option_row_fail(error,
                                   "%.200s: %u members are more than this tool opens (%u); "
                                   "--connections N plays a part of it",
                                   path, members_max, LOAD_OPTIONS_CONNECTIONS_MAX);
        o->connections = members_max;
    }
    if (!load_options_check(o, error) || !set_rooms(replay, o, error))
        return false;
    set_bytes(replay, o);
    settle_churn(plan, o);
    for (uint32_t i = 0; i < plan->count; i++)
        plan->phases[i].is_poisson = o->is_poisson;
    plan_scale(plan, &(struct plan_scale){.speed = o->speed, .rates = o->speed});
    if (plan_check(plan, o, &fault))
        return true;
    return option_row_fail(error, "%.200s: %s: %.220s", path, fault.key, fault.text);
}

struct replay *replay_read(struct plan *plan, struct load_options *o,
                           char error[LOAD_OPTIONS_ERROR_BYTES]) {
    struct replay *replay = calloc(1, sizeof(*replay));
    if (!replay) {
        option_row_fail(error, "no memory");
        return NULL;
    }
    if (prepare(replay, plan, o, error))
        return replay;
    replay_close(replay);
    return NULL;
}

void replay_close(struct replay *replay) {
    room_mix_fini(&replay->rooms);
    free(replay);
}

void replay_describe(const struct replay *replay, char *text, size_t text_size) {
    const struct shape *shape = &replay->shape;
    double total = (double)shape->publish_bytes.total;
    double connections = (double)(shape->connections + shape->sums[SHAPE_connects]);
    double members = (double)shape->members + flow_of(shape, 0, shape->second_count).joins;
    double per_connection = connections > 0 ? members / connections : 1;
    char small[120] = "", rooms[120] = "";
    if (replay->has_bytes && replay->small + replay->large > 0)
        snprintf(small, sizeof(small), "%.3g %% of the messages were below %d B or above %u B",
                 (double)(replay->small + replay->large) / total * 100,
                 LOAD_OPTIONS_PAYLOAD_BYTES_MIN, LOAD_OPTIONS_PAYLOAD_BYTES_MAX);
    if (has_members(shape) && (per_connection > 1.05 || per_connection < 0.95))
        snprintf(rooms, sizeof(rooms),
                 "connections were in %.2g rooms each; every membership is a connection here",
                 per_connection);
    snprintf(text, text_size, "%s%s%s", small, *small && *rooms ? "; " : "", rooms);
}
