#include "loadgen/comeback.h"

#include <errno.h>

#include "loadgen/client.h"

#define TICK_NS NS_PER_MS // the finest back-off is 10 ms

static struct comeback *comeback_at(const struct run *run, uint32_t index) {
    return slab_get(&run->comebacks.slab, index);
}

static uint64_t backoff_ns(struct run *run, uint32_t attempt) {
    return backoff_delay_ns(&run->options.backoff, attempt, &run->jitter);
}

int comeback_init(struct run *run, uint64_t now_ns) {
    struct comebacks *c = &run->comebacks;
    run->jitter.state = run->options.seed;
    if (!run->phases.needs.returns && !run->options.reconnects)
        return 0;
    c->slab.chosen_by_kernel = true; // "chosen by us": the client's index
    int status = slab_init(&c->slab, &run->ledger, "clients that are away", sizeof(struct comeback),
                           run->client_count);
    if (status < 0)
        return status;
    c->slab.chosen_by_kernel = true;
    timer_wheel_init(&c->wheel, &c->slab, offsetof(struct comeback, timer), TICK_NS, now_ns);
    c->is_on = true;
    return 0;
}

static void begin(struct run *run, uint32_t index, enum comeback_why why, uint64_t since_ns,
                  uint64_t delay_ns) {
    struct comebacks *c = &run->comebacks;
    struct comeback *comeback = slab_acquire_at(&c->slab, index);
    comeback->attempt = 1;
    comeback->why = why;
    comeback->since_ns = since_ns;
    c->away++;
    timer_wheel_arm(&c->wheel, index, since_ns + delay_ns);
}

static void finish(struct run *run, uint32_t index) {
    struct comebacks *c = &run->comebacks;
    timer_wheel_disarm(&c->wheel, index);
    slab_release(&c->slab, index);
    c->away--;
}

bool comeback_may_go(const struct run *run, uint32_t index) {
    return run->numbers == RUN_NUMBERS_SERVER || !run->phases.needs.rooms ||
           run->clients[index].unanswered == 0;
}

static void cut_one(struct run *run, uint32_t index, uint64_t now_ns) {
    client_depart(run, index);
    run->result->storm_cut++;
    begin(run, index, COMEBACK_CUT, now_ns, backoff_ns(run, 1));
}

static void cut_some(struct run *run, uint64_t now_ns) {
    struct comebacks *c = &run->comebacks;
    uint32_t count = 0;
    while (c->cut_next < run->options.connections && count < COMEBACK_CUTS_PER_TURN_MAX) {
        uint32_t index = c->cut_next++;
        if (run->clients[index].state != CLIENT_LIVE)
            continue;
        c->cut_share += c->cut_percent;
        if (c->cut_share < 100 || !comeback_may_go(run, index))
            continue;
        c->cut_share -= 100;
        cut_one(run, index, now_ns);
        count++;
    }
    c->is_cutting = c->cut_next < run->options.connections;
}

void comeback_cut(struct run *run, double percent, uint64_t now_ns) {
    struct comebacks *c = &run->comebacks;
    while (c->is_cutting) // the last cut, when phases are very short
        cut_some(run, now_ns);
    c->cut_percent = percent;
    c->cut_share = 0;
    c->cut_next = 0;
    cut_some(run, now_ns);
}

void comeback_enter(struct run *run, uint32_t index, uint64_t intended_ns) {
    if (comeback_has(run, index) || run->clients[index].state == CLIENT_LIVE)
        return;
    begin(run, index, COMEBACK_ENTERS, intended_ns, 0);
}

void comeback_forget(struct run *run, uint32_t index) {
    if (!comeback_has(run, index))
        return;
    run->result->storm_cut -= comeback_at(run, index)->why == COMEBACK_CUT;
    finish(run, index);
}

bool comeback_has(const struct run *run, uint32_t index) {
    return run->comebacks.is_on && slab_is_used(&run->comebacks.slab, index);
}

void comeback_on_dropped(struct run *run, uint32_t index, uint64_t now_ns) {
    if (run->comebacks.is_on && run->options.reconnects && index < run->options.connections)
        begin(run, index, COMEBACK_DROPPED, now_ns, backoff_ns(run, 1));
}

static void count_failure(struct result *r, enum result_failure why) {
    switch (why) {
    case RESULT_HTTP:
        r->storm_refused_http++;
        return;
    case RESULT_REFUSED:
        r->storm_refused_connack++;
        return;
    case RESULT_JOIN:
        r->storm_refused_join++;
        return;
    case RESULT_TIMEOUT:
        r->storm_timeouts++;
        return;
    case RESULT_UNREACHABLE:
        r->storm_unreachable++;
        return;
    case RESULT_LOCAL:
        r->storm_local++;
        return;
    case RESULT_NOT_HTTP:
    case RESULT_NOT_MQTT:
    case RESULT_CLOSED_EARLY:
    case RESULT_CLOSED:
    case RESULT_RESET:
    case RESULT_PROTOCOL:
    case RESULT_FAILURE_COUNT:
        r->storm_closed++;
        return;
    }
    UNREACHABLE();
}

bool comeback_on_failed(struct run *run, uint32_t index, enum result_failure why) {
    if (!comeback_has(run, index))
        return false;
    struct comeback *comeback = comeback_at(run, index);
    count_failure(run->result, why);
    comeback->attempt++;
    timer_wheel_arm(&run->comebacks.wheel, index,
                    clock_monotonic_ns() + backoff_ns(run, comeback->attempt));
    return true;
}

bool comeback_on_live(struct run *run, uint32_t index, uint64_t now_ns) {
    if (!comeback_has(run, index))
        return false;
    const struct comeback *comeback = comeback_at(run, index);
    uint64_t since_ns = comeback->since_ns;
    if (comeback->why == COMEBACK_ENTERS) {
        histogram_record(&run->result->connect, now_ns > since_ns ? now_ns - since_ns : 0);
    } else {
        run->result->storm_back += comeback->why == COMEBACK_CUT;
        run->result->dropped_back += comeback->why == COMEBACK_DROPPED;
        histogram_record(&run->result->recovery, now_ns > since_ns ? now_ns - since_ns : 0);
    }
    finish(run, index);
    return true;
}

static void try_connect(struct run *run, uint32_t index, uint64_t now_ns) {
    uint64_t timeout_ns = (uint64_t)(run->options.connect_timeout_s * (double)NS_PER_S);
    run->result->storm_attempts++;
    timer_wheel_arm(&run->comebacks.wheel, index, now_ns + timeout_ns);
    client_connect(run, index, now_ns, now_ns);
}

// Not while the first ones still connect: with a server that drops them one by one, that would
// never be over.
static bool may_try(const struct run *run) {
    return run->comebacks.is_on && run->phases.is_on;
}

void comeback_turn(struct run *run, uint64_t now_ns) {
    struct comebacks *c = &run->comebacks;
    if (!may_try(run))
        return;
    if (c->is_cutting)
        cut_some(run, now_ns);
    for (uint32_t i = 0; i < COMEBACK_CONNECTS_PER_TURN_MAX; i++) {
        uint32_t index = timer_wheel_expire(&c->wheel, now_ns);
        if (index == SLAB_NONE)
            return;
        enum client_state state = run->clients[index].state;
        if (state == CLIENT_NONE || state == CLIENT_GONE)
            try_connect(run, index, now_ns);
        else
            client_time_out(run, index);
    }
}

uint64_t comeback_next_ns(const struct run *run) {
    const struct comebacks *c = &run->comebacks;
    if (!may_try(run))
        return UINT64_MAX;
    return c->is_cutting ? 0 : timer_wheel_next_ns(&c->wheel);
}

void comeback_end(struct run *run) {
    run->comebacks.is_on = false;
}
