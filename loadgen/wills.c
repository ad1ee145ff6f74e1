#include "loadgen/wills.h"

#include <errno.h>

#include "loadgen/client.h"

static bool is_watcher(const struct run *run, uint32_t index) {
    return index >= run->options.connections;
}

static uint32_t *seen_of(const struct run *run, uint32_t watcher, uint32_t index) {
    uint32_t connections = run->options.connections;
    return &run->wills.seen[(size_t)(watcher - connections) * connections + index];
}

uint32_t wills_watcher_count(const struct run *run) {
    return run->options.has_will ? run->options.will_watchers : 0;
}

int wills_init(struct run *run) {
    size_t connections = run->options.connections;
    size_t watchers = wills_watcher_count(run);
    if (watchers == 0)
        return 0;
    run->wills.wills = memory_reserve(&run->ledger, "wills", connections * sizeof(struct will));
    run->wills.seen =
        memory_reserve(&run->ledger, "wills seen", connections * watchers * sizeof(uint32_t));
    return run->wills.wills != NULL && run->wills.seen != NULL ? 0 : -ENOMEM;
}

void wills_begin(struct run *run, uint32_t index, struct stamp *stamp) {
    struct will *will = &run->wills.wills[index];
    will->life++;
    will->is_alive = true;
    *stamp = (struct stamp){.intended_ns = clock_monotonic_ns(),
                            .publisher = run->options.first_user + index,
                            .number = will->life};
}

void wills_end(struct run *run, uint32_t index, bool was_accepted) {
    if (!wills_has(&run->wills) || is_watcher(run, index) || !run->wills.wills[index].is_alive)
        return;
    struct result *r = run->result;
    struct will *will = &run->wills.wills[index];
    will->is_alive = false;
    will->ended_ns = was_accepted ? clock_monotonic_ns() : will->ended_ns;
    will->due = (was_accepted ? will->life : will->due) & INT32_MAX;
    for (uint32_t w = run->options.connections; w < run->client_count; w++) {
        // It had ended already, and we had not read that yet.
        bool has_come = *seen_of(run, w, index) == will->life;
        bool is_due = was_accepted && (client_is_member(run, w) || has_come);
        r->wills_wrong -= has_come;
        r->wills_due += is_due;
        r->wills_received += is_due && has_come;
    }
}

void wills_take(struct run *run, uint32_t watcher, const struct stamp *stamp, bool is_repeated) {
    struct result *r = run->result;
    uint32_t index = stamp->publisher - run->options.first_user;
    if (index >= run->options.connections) {
        r->foreign++;
        return;
    }
    const struct will *will = &run->wills.wills[index];
    uint32_t *seen = seen_of(run, watcher, index);
    if (stamp->number == 0 || stamp->number > will->life) {
        r->strange++;
        return;
    }
    if (stamp->number <= *seen) {
        r->redelivered += is_repeated;
        r->wills_twice += !is_repeated;
        return;
    }
    *seen = stamp->number;
    if (stamp->number == will->due)
        histogram_record(&r->will,
                         run->read_ns > will->ended_ns ? run->read_ns - will->ended_ns : 0);
    if (stamp->number <= will->due)
        r->wills_received++;
    else if (will->is_alive && stamp->number == will->life)
        r->wills_wrong++;
}
