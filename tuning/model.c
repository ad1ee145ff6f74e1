#include "tuning/model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_S_REAL 1e9

bool model_costs_validate(const struct model_costs *costs, char *why) {
    const char *missing = NULL;
    if (!(costs->user_bytes > 0) || !(costs->kernel_bytes >= 0) || !(costs->fixed_bytes >= 0))
        missing = "bytes per connection";
    else if (!(costs->heartbeat_ns >= 0) || !(costs->connect_ns >= 0))
        missing = "CPU per connect and heartbeat";
    else if (costs->fanout_count == 0 || costs->fanout_count > MODEL_FANOUTS_MAX)
        missing = "CPU per message at one fan-out at least";
    for (uint32_t i = 0; missing == NULL && i < costs->fanout_count; i++) {
        const struct model_fanout *at = &costs->fanouts[i];
        if (!(at->members >= 1) || !(at->publish_ns > 0) || !isfinite(at->publish_ns))
            missing = "a positive CPU time for each fan-out";
        else if (i > 0 && at->members <= at[-1].members)
            missing = "fan-outs in ascending order";
    }
    snprintf(why, MODEL_WHY_BYTES, "%s", missing ? missing : "");
    return missing == NULL;
}

// The power law through two measured points.
static double power_law(const struct model_fanout *low, const struct model_fanout *high,
                        double members) {
    double slope = log(high->publish_ns / low->publish_ns) / log(high->members / low->members);
    return low->publish_ns * pow(members / low->members, slope);
}

double model_publish_ns(const struct model_costs *costs, double members) {
    const struct model_fanout *all = costs->fanouts;
    uint32_t last = costs->fanout_count - 1;
    // One point says nothing of a slope: then every delivery costs the same.
    if (last == 0)
        return all[0].publish_ns * members / all[0].members;
    // Beyond the largest each further delivery costs what the last ones did.
    if (members > all[last].members) {
        double each = (all[last].publish_ns - all[last - 1].publish_ns) /
                      (all[last].members - all[last - 1].members);
        return all[last].publish_ns + fmax(each, 0) * (members - all[last].members);
    }
    uint32_t i = 1;
    while (i < last && members > all[i].members)
        i++;
    return power_law(&all[i - 1], &all[i], members);
}

// --- parts ---------------------------------------------------------------------------------------

#define PARTS 3
#define PIVOT_MIN 1e-9 // of a normal equation whose columns are scaled to 1

// Gauss with pivots over the parts in `used`; the others stay 0. false: they cannot be told apart.
static bool solve(double matrix[PARTS][PARTS + 1], const bool used[PARTS], double x[PARTS]) {
    uint32_t rows[PARTS], count = 0;
    for (uint32_t i = 0; i < PARTS; i++)
        if (used[i])
            rows[count++] = i;
    for (uint32_t step = 0; step < count; step++) {
        uint32_t pivot = rows[step];
        if (fabs(matrix[pivot][pivot]) < PIVOT_MIN)
            return false;
        for (uint32_t other = 0; other < count; other++) {
            uint32_t row = rows[other];
            double factor = matrix[row][pivot] / matrix[pivot][pivot];
            for (uint32_t column = 0; row != pivot && column <= PARTS; column++)
                matrix[row][column] -= factor * matrix[pivot][column];
        }
    }
    memset(x, 0, PARTS * sizeof(*x));
    for (uint32_t i = 0; i < count; i++)
        x[rows[i]] = matrix[rows[i]][PARTS] / matrix[rows[i]][rows[i]];
    return true;
}

// The normal equations of: parts · counts / cpu = 1, each column scaled to length 1.
static void normal_equations(const struct model_point *points, uint32_t point_count,
                             double matrix[PARTS][PARTS + 1], double scale[PARTS]) {
    memset(matrix, 0, sizeof(double[PARTS][PARTS + 1]));
    for (uint32_t pass = 0; pass < 2; pass++)
        for (uint32_t p = 0; p < point_count; p++) {
            const struct model_point *at = &points[p];
            double row[PARTS] = {at->publishes / at->cpu_ns, at->sends / at->cpu_ns,
                                 at->deliveries / at->cpu_ns};
            for (uint32_t i = 0; i < PARTS; i++) {
                scale[i] += pass == 0 ? row[i] * row[i] : 0;
                for (uint32_t j = 0; pass == 1 && j < PARTS; j++)
                    matrix[i][j] += row[i] * row[j] / sqrt(scale[i] * scale[j]);
                matrix[i][PARTS] += pass == 1 ? row[i] / sqrt(scale[i]) : 0;
            }
        }
}

bool model_fit(const struct model_point *points, uint32_t point_count, struct model_parts *parts) {
    bool used[PARTS] = {true, true, true};
    *parts = (struct model_parts){0};
    if (point_count < PARTS)
        return false;
    for (uint32_t round = 0; round < PARTS; round++) {
        double matrix[PARTS][PARTS + 1], scale[PARTS] = {0}, x[PARTS];
        normal_equations(points, point_count, matrix, scale);
        if (!solve(matrix, used, x))
            return false;
        uint32_t worst = 0;
        for (uint32_t i = 1; i < PARTS; i++)
            worst = x[i] < x[worst] ? i : worst;
        if (x[worst] < 0) {
            used[worst] = false; // no part can be below zero: without it, then
            continue;
        }
        *parts = (struct model_parts){.own_ns = x[0] / sqrt(scale[0]),
                                      .send_ns = x[1] / sqrt(scale[1]),
                                      .frame_ns = x[2] / sqrt(scale[2])};
        for (uint32_t p = 0; p < point_count; p++)
            parts->merge_max = fmax(parts->merge_max, points[p].deliveries / points[p].sends);
        return isfinite(parts->own_ns + parts->send_ns + parts->frame_ns);
    }
    return false;
}

double model_unmerged_ns(const struct model_parts *parts, double members, double publish_ns,
                         double merge) {
    return merge > 1 ? publish_ns + members * parts->send_ns * (1 - 1 / merge) : publish_ns;
}

// Turns last half the bound at most: who comes as one begins waits for the next to end. What one
// member gets within a turn leaves in one send.
static void answer_knee(const struct model_costs *costs, const struct model_machine *machine,
                        const struct model_question *question, struct model_answer *answer) {
    const struct model_parts *parts = &costs->parts;
    double members = fmin(question->room_members, question->connections);
    double publish_ns = model_publish_ns(costs, members);
    answer->knee_publishes_per_s =
        machine->cpus * NS_PER_S_REAL * model_share_max(publish_ns, question->slo_ns) / publish_ns;
    answer->knee_merge = 1;
    double turn_s = question->slo_ns / 2 / NS_PER_S_REAL;
    double rooms = question->connections / members;
    double whole_ns = parts->own_ns + members * (parts->send_ns + parts->frame_ns);
    double merge = answer->knee_publishes_per_s / rooms * turn_s;
    if (merge <= 1 || whole_ns <= 0)
        return;
    // The parts are of all fan-outs together; this one's cost is what was measured.
    double factor = publish_ns / whole_ns / NS_PER_S_REAL;
    double sends_cpu = question->connections / turn_s * parts->send_ns * factor;
    double rest = (parts->own_ns + members * parts->frame_ns) * factor;
    double rate = (machine->cpus * MODEL_SHARE_MAX - sends_cpu) / fmax(rest, 1e-12);
    rate = fmin(rate, parts->merge_max * rooms / turn_s);
    if (rate <= answer->knee_publishes_per_s)
        return;
    answer->knee_publishes_per_s = rate;
    answer->knee_merge = rate / rooms * turn_s;
}

double model_share_max(double service_ns, double slo_ns) {
    if (slo_ns <= 0)
        return MODEL_SHARE_MAX;
    if (service_ns >= slo_ns)
        return 0;
    // wait_p99 = ln(100) · s · share / (2 (1 - share)), solved for share.
    double k = 2 * (slo_ns - service_ns) / (log(100) * service_ns);
    return fmin(k / (1 + k), MODEL_SHARE_MAX);
}

double model_idle_hour_ns(const struct model_costs *costs, double heartbeat_s) {
    return heartbeat_s > 0 ? costs->heartbeat_ns * 3600 / heartbeat_s : 0;
}

static double connection_bytes(const struct model_costs *costs) {
    return costs->user_bytes + costs->kernel_bytes;
}

double model_memory_bytes(const struct model_costs *costs, double connections) {
    return costs->fixed_bytes + connections * connection_bytes(costs);
}

double model_connections_in(const struct model_costs *costs, double bytes) {
    return fmax(floor((bytes - costs->fixed_bytes) / connection_bytes(costs)), 0);
}

// Takes the smaller bound and remembers whose it is.
static void bound(double *value, enum model_limit *limit, double other, enum model_limit by) {
    if (*limit == MODEL_BY_NOTHING || other < *value) {
        *value = other;
        *limit = by;
    }
}

static double heartbeats_cpu(const struct model_costs *costs, double connections,
                             double heartbeat_s) {
    if (heartbeat_s <= 0)
        return 0;
    return connections / heartbeat_s * costs->heartbeat_ns / NS_PER_S_REAL;
}

static void bound_by_host(const struct model_costs *costs, const struct model_machine *machine,
                          double *connections, enum model_limit *limit) {
    bound(connections, limit, model_connections_in(costs, machine->memory_bytes), MODEL_BY_MEMORY);
    if (machine->connections_max > 0)
        bound(connections, limit, machine->connections_max, MODEL_BY_DESCRIPTORS);
}

static void answer_idle(const struct model_costs *costs, const struct model_machine *machine,
                        const struct model_question *question, struct model_answer *answer) {
    bound_by_host(costs, machine, &answer->idle_connections, &answer->idle_limit);
    double each = heartbeats_cpu(costs, 1, question->heartbeat_s);
    if (each > 0)
        bound(&answer->idle_connections, &answer->idle_limit,
              floor(machine->cpus * MODEL_SHARE_MAX / each), MODEL_BY_CPU);
    answer->idle_memory_bytes = model_memory_bytes(costs, answer->idle_connections);
    answer->idle_cpus = answer->idle_connections * each;
}

// CPUs' worth of one user: its messages to its room, and its heartbeats.
static double user_cpu(const struct model_costs *costs, const struct model_question *question,
                       double messages_per_minute) {
    return messages_per_minute / 60 * model_publish_ns(costs, question->room_members) /
               NS_PER_S_REAL +
           heartbeats_cpu(costs, 1, question->heartbeat_s);
}

static void answer_users(const struct model_costs *costs, const struct model_machine *machine,
                         const struct model_question *question, struct model_answer *answer) {
    double cpus = machine->cpus * answer->share_max;
    double fit = 0;
    enum model_limit limit = MODEL_BY_NOTHING;
    bound_by_host(costs, machine, &fit, &limit);
    double asked = question->messages_per_minute;
    double each = user_cpu(costs, question, asked);
    if (each > 0)
        bound(&fit, &limit, floor(cpus / each),
              answer->share_max > 0 ? MODEL_BY_CPU : MODEL_BY_SLO);
    answer->users = question->users > 0 ? question->users : fit;
    answer->users_fit = answer->users <= fit;
    answer->users_limit = limit;
    if (asked <= 0 && answer->users > 0) {
        double left = cpus / answer->users - heartbeats_cpu(costs, 1, question->heartbeat_s);
        double message = user_cpu(costs, question, 1) - user_cpu(costs, question, 0);
        asked = fmax(left / message, 0);
    }
    answer->users_messages_per_minute = asked;
    answer->users_memory_bytes = model_memory_bytes(costs, answer->users);
    answer->users_cpus = answer->users * user_cpu(costs, question, asked);
    answer->users_deliveries_per_s = answer->users * asked / 60 * question->room_members;
}

void model_answer(const struct model_costs *costs, const struct model_machine *machine,
                  const struct model_question *question, struct model_answer *answer) {
    *answer = (struct model_answer){0};
    double publish_ns = model_publish_ns(costs, question->room_members);
    answer->share_max = model_share_max(publish_ns, question->slo_ns);
    double cpus_ns = machine->cpus * NS_PER_S_REAL;
    answer->publishes_per_s = cpus_ns * answer->share_max / publish_ns;
    answer->deliveries_per_s = answer->publishes_per_s * question->room_members;
    if (costs->connect_ns > 0)
        answer->connects_per_s = cpus_ns * MODEL_SHARE_MAX / costs->connect_ns;
    if (question->connections > 0)
        answer_knee(costs, machine, question, answer);
    answer_idle(costs, machine, question, answer);
    answer_users(costs, machine, question, answer);
}

const char *model_limit_name(enum model_limit limit) {
    static const char *const names[MODEL_LIMIT_COUNT] = {
        [MODEL_BY_NOTHING] = "nothing",         [MODEL_BY_MEMORY] = "memory",
        [MODEL_BY_DESCRIPTORS] = "descriptors", [MODEL_BY_CPU] = "CPU",
        [MODEL_BY_SLO] = "the latency bound",
    };
    return names[limit];
}
