#include "loadgen/phases.h"

#include <math.h>

#include "loadgen/churn.h"
#include "loadgen/client.h"
#include "loadgen/comeback.h"
#include "loadgen/scenario.h"
#include "loadgen/throttle.h"

#define TURNS_TRIED_MAX 64 // connections, for one that may end

// So that publishes, pings and churn of each phase have random numbers of their own.
enum stream_of_numbers {
    NUMBERS_PUBLISH,
    NUMBERS_PING,
    NUMBERS_CHURN,
    NUMBERS_TURN,
    NUMBERS_COUNT,
};

static const struct phase *phase_of(const struct run *run, uint32_t index) {
    return &run->plan->phases[index];
}

static uint64_t end_of(const struct run *run, uint32_t index) {
    return run->phases.from_ns[index + 1];
}

// --- the schedules of a phase --------------------------------------------------------------------

static void schedule_rate(const struct run *run, struct schedule *s, const struct plan_rate *rate,
                          enum stream_of_numbers numbers) {
    uint32_t index = run->phases.at;
    uint64_t from_ns = run->phases.from_ns[index], to_ns = end_of(run, index);
    const struct schedule_shape shape = {
        .start_ns = from_ns,
        .duration_ns = to_ns == SCHEDULE_NEVER ? SCHEDULE_NEVER : to_ns - from_ns,
        .rate_per_s = rate->begin,
        .rate_end_per_s = rate->end,
        .is_poisson = phase_of(run, index)->is_poisson,
        .seed = ((uint64_t)run->options.seed << 32) + index * NUMBERS_COUNT + numbers,
    };
    schedule_init_shape(s, &shape);
}

// Even, so many that the share is reached at the end.
static void schedule_moves(struct run *run) {
    struct phases *p = &run->phases;
    uint32_t target = phases_up_at(run, phase_of(run, p->at)->connections_percent);
    uint32_t count = target > p->up ? target - p->up : p->up - target;
    schedule_init(&p->moves, p->from_ns[p->at], 0);
    if (count == 0 || end_of(run, p->at) == SCHEDULE_NEVER)
        return;
    double duration_s = (double)(end_of(run, p->at) - p->from_ns[p->at]) / (double)NS_PER_S;
    schedule_init(&p->moves, p->from_ns[p->at], fmin(count / duration_s, SCHEDULE_RATE_MAX));
    schedule_stop_at(&p->moves, end_of(run, p->at));
}

static void move_one(struct run *run, uint64_t intended_ns) {
    struct phases *p = &run->phases;
    uint32_t target = phases_up_at(run, phase_of(run, p->at)->connections_percent);
    if (p->up < target)
        comeback_enter(run, client_of_rank(run, p->up++), intended_ns);
    else if (p->up > target && comeback_may_go(run, client_of_rank(run, p->up - 1)))
        client_depart(run, client_of_rank(run, --p->up));
}

// Who waits for an answer stays: its message might not have been read yet, and would end with it.
static bool may_turn(const struct run *run, uint32_t index) {
    return run->clients[index].state == CLIENT_LIVE && run->clients[index].unanswered == 0;
}

// The connection whose turn it is ends, and comes anew at once.
static void turn_one(struct run *run, uint64_t intended_ns) {
    struct phases *p = &run->phases;
    if (p->up == 0)
        return;
    uint32_t index = client_of_rank(run, p->next_turn++ % p->up);
    for (uint32_t i = 1; i < TURNS_TRIED_MAX && !may_turn(run, index); i++)
        index = client_of_rank(run, p->next_turn++ % p->up);
    if (!may_turn(run, index)) {
        run->result->turnover_skipped++;
        return;
    }
    client_depart(run, index);
    run->result->turnovers++;
    comeback_enter(run, index, intended_ns);
}

// --- beginnings and ends -------------------------------------------------------------------------

static void begin_phase(struct run *run, uint32_t index, uint64_t now_ns) {
    struct phases *p = &run->phases;
    const struct phase *phase = phase_of(run, index);
    const uint32_t burst = run->options.burst;
    const struct plan_rate publish = {phase->publish.begin / burst, phase->publish.end / burst};
    const struct plan_rate churn = {phase->churn_rate, phase->churn_rate};
    const struct plan_rate turn = {phase->turnover_rate, phase->turnover_rate};
    p->at = index;
    p->absent = 0;
    run->result->phase_rows[index].begin_ns = p->from_ns[index];
    schedule_rate(run, &p->publishes, &publish, NUMBERS_PUBLISH);
    schedule_rate(run, &p->pings, &phase->ping, NUMBERS_PING);
    schedule_rate(run, &p->churns, &churn, NUMBERS_CHURN);
    schedule_rate(run, &p->turns, &turn, NUMBERS_TURN);
    schedule_moves(run);
    throttle_set(run, phase->slow_percent, phase->slow_bytes_per_s);
    p->cut_is_due = phase->cut_percent > 0;
    if (phase->is_closed != run->sends_load)
        scenario_set_closed(run, phase->is_closed, now_ns);
}

static uint64_t offered_by_current(const struct run *run, uint64_t until_ns) {
    const struct phases *p = &run->phases;
    if (phase_of(run, p->at)->is_closed)
        return run->result->phase_rows[p->at].sent;
    uint64_t sum = schedule_offered(&p->publishes, until_ns) * run->options.burst +
                   schedule_offered(&p->pings, until_ns);
    int64_t asked = (int64_t)sum - p->absent;
    return asked > 0 ? (uint64_t)asked : 0;
}

static void end_phase(struct run *run, uint64_t now_ns) {
    struct phases *p = &run->phases;
    struct result_phase_row *row = &run->result->phase_rows[p->at];
    uint64_t until_ns = now_ns < end_of(run, p->at) ? now_ns : end_of(run, p->at);
    row->offered = offered_by_current(run, until_ns);
    row->end_ns = until_ns;
    if (row->is_measured)
        p->offered += row->offered;
}

bool phases_init(struct run *run) {
    struct phases *p = &run->phases;
    const struct plan *plan = run->plan;
    plan_measure(plan, &p->needs);
    p->up = phases_up_at(run, p->needs.first_percent);
    schedule_init(&p->publishes, 0, 0);
    schedule_init(&p->pings, 0, 0);
    schedule_init(&p->churns, 0, 0);
    schedule_init(&p->turns, 0, 0);
    schedule_init(&p->moves, 0, 0);
    for (uint32_t i = 0; i < plan->count; i++)
        if (result_add_phase(run->result, plan->phases[i].name, plan->phases[i].is_measured,
                             plan->phases[i].duration_s) == NULL)
            return false;
    return true;
}

uint32_t phases_up_at(const struct run *run, double percent) {
    return (uint32_t)(run->options.connections * percent / 100 + 0.5);
}

void phases_begin(struct run *run, uint64_t begin_ns) {
    struct phases *p = &run->phases;
    double at_s = 0;
    for (uint32_t i = 0; i < run->plan->count; i++) {
        p->from_ns[i] = begin_ns + (uint64_t)(at_s * (double)NS_PER_S);
        at_s += phase_of(run, i)->duration_s;
    }
    uint32_t last = run->plan->count - 1;
    p->from_ns[last + 1] = phase_of(run, last)->is_endless
                               ? SCHEDULE_NEVER
                               : begin_ns + (uint64_t)(at_s * (double)NS_PER_S);
    run->measure_from_ns = p->from_ns[p->needs.measured_first];
    run->measure_to_ns = p->from_ns[last + 1];
    p->is_on = true;
    begin_phase(run, 0, begin_ns);
}

// --- what is due ---------------------------------------------------------------------------------

static void send_due(struct run *run, uint64_t now_ns) {
    struct phases *p = &run->phases;
    uint64_t intended_ns;
    if (p->cut_is_due && now_ns >= p->from_ns[p->at]) {
        p->cut_is_due = false;
        comeback_cut(run, phase_of(run, p->at)->cut_percent, now_ns);
    }
    const uint32_t budget = PHASES_ARRIVALS_PER_TURN_MAX;
    for (uint32_t i = 0; i < budget && schedule_try_pop(&p->publishes, now_ns, &intended_ns); i++)
        scenario_send_publishes(run, intended_ns);
    for (uint32_t i = 0; i < budget && schedule_try_pop(&p->pings, now_ns, &intended_ns); i++)
        scenario_send_ping(run, intended_ns);
    for (uint32_t i = 0; i < budget && schedule_try_pop(&p->churns, now_ns, &intended_ns); i++)
        churn_step(run);
    for (uint32_t i = 0; i < budget && schedule_try_pop(&p->turns, now_ns, &intended_ns); i++)
        turn_one(run, intended_ns);
    for (uint32_t i = 0; i < budget && schedule_try_pop(&p->moves, now_ns, &intended_ns); i++)
        move_one(run, intended_ns);
}

void phases_turn(struct run *run, uint64_t now_ns) {
    struct phases *p = &run->phases;
    if (!p->is_on)
        return;
    send_due(run, now_ns);
    while (now_ns >= end_of(run, p->at)) {
        if (p->at + 1 == run->plan->count) {
            phases_end(run, now_ns);
            return;
        }
        end_phase(run, now_ns);
        begin_phase(run, p->at + 1, now_ns);
        send_due(run, now_ns);
    }
}

static uint64_t earlier(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

uint64_t phases_next_ns(const struct run *run) {
    const struct phases *p = &run->phases;
    if (!p->is_on)
        return SCHEDULE_NEVER;
    if (p->cut_is_due)
        return p->from_ns[p->at];
    return earlier(earlier(earlier(schedule_next_ns(&p->publishes), schedule_next_ns(&p->pings)),
                           earlier(schedule_next_ns(&p->churns), schedule_next_ns(&p->moves))),
                   earlier(schedule_next_ns(&p->turns), end_of(run, p->at)));
}

void phases_end(struct run *run, uint64_t now_ns) {
    if (!run->phases.is_on)
        return;
    end_phase(run, now_ns);
    run->phases.is_on = false;
    run->phases.absent = 0;
}

uint64_t phases_offered(const struct run *run, uint64_t until_ns) {
    const struct phases *p = &run->phases;
    uint64_t sum = p->offered;
    if (p->is_on && phase_of(run, p->at)->is_measured)
        sum += offered_by_current(run, until_ns);
    return sum;
}

void phases_note_absent(struct run *run, int32_t change) {
    run->phases.absent += change;
}
