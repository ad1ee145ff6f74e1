#include "gateway/traffic.h"

#include "sched/actor.h"
#include "sched/base/clock.h"

#include <errno.h>
#include <string.h>

// When a room last published. Of an earlier recording exactly when it lies before its begin, so
// that nothing has to be cleared.
struct traffic_room {
    uint64_t pid;
    uint64_t at_ns;
};

_Static_assert((TRAFFIC_ROOMS_MAX & (TRAFFIC_ROOMS_MAX - 1)) == 0, "its places are masked");

int traffic_init(struct traffic *traffic, struct memory_ledger *ledger) {
    *traffic = (struct traffic){
        .shape = memory_reserve(ledger, "traffic shape", sizeof(struct traffic_shape)),
        .rooms = memory_reserve(ledger, "traffic rooms",
                                TRAFFIC_ROOMS_MAX * sizeof(struct traffic_room))};
    return traffic->shape && traffic->rooms ? 0 : -ENOMEM;
}

void traffic_begin(struct traffic *traffic, uint64_t begin_ns, uint64_t until_ns) {
    CHECK(until_ns > begin_ns && until_ns - begin_ns <= TRAFFIC_SECONDS_MAX * NS_PER_S);
    memset(traffic->shape, 0, sizeof(*traffic->shape));
    traffic->begin_ns = begin_ns;
    traffic->until_ns = until_ns;
    traffic->is_on = true;
}

void traffic_end(struct traffic *traffic, uint64_t now_ns) {
    if (traffic->is_on && now_ns < traffic->until_ns)
        traffic->until_ns = now_ns > traffic->begin_ns ? now_ns : traffic->begin_ns + 1;
    traffic->is_on = false;
}

// The second that is counted in; NULL once the time is over. What happens in the turn that the
// order came in may carry a time before the begin: it belongs to the first second.
static struct traffic_second *second_at(struct traffic *traffic, uint64_t now_ns) {
    if (now_ns >= traffic->until_ns) {
        traffic->is_on = false;
        return NULL;
    }
    uint64_t since_ns = now_ns > traffic->begin_ns ? now_ns - traffic->begin_ns : 0;
    return &traffic->shape->seconds[since_ns / NS_PER_S];
}

void traffic_count(struct traffic *traffic, uint64_t now_ns, enum traffic_series series) {
    struct traffic_second *second = second_at(traffic, now_ns);
    if (second)
        second->counts[series]++;
}

static void note_gap(struct traffic *traffic, uint64_t now_ns, uint64_t pid) {
    struct traffic_room *room = &traffic->rooms[pid_slot(pid).index & (TRAFFIC_ROOMS_MAX - 1)];
    uint64_t at_ns = now_ns > traffic->begin_ns ? now_ns : traffic->begin_ns;
    bool is_of_now = room->at_ns >= traffic->begin_ns;
    if (is_of_now && room->pid == pid) {
        uint64_t gap_us = (at_ns - room->at_ns) / NS_PER_US;
        traffic_histogram_add(&traffic->shape->publish_gap_us,
                              gap_us < UINT32_MAX ? (uint32_t)gap_us : UINT32_MAX);
    } else if (is_of_now) {
        traffic->shape->gaps_unknown++;
    }
    *room = (struct traffic_room){.pid = pid, .at_ns = at_ns};
}

void traffic_on_publish(struct traffic *traffic, uint64_t now_ns,
                        const struct traffic_publish *publish) {
    struct traffic_second *second = second_at(traffic, now_ns);
    if (!second)
        return;
    second->counts[TRAFFIC_publishes]++;
    second->counts[TRAFFIC_deliveries] += publish->fan_out;
    traffic_histogram_add(&traffic->shape->publish_bytes, publish->bytes);
    traffic_histogram_add(&traffic->shape->fan_out, publish->fan_out);
    note_gap(traffic, now_ns, publish->room);
}

uint32_t traffic_seconds(uint64_t begin_ns, uint64_t until_ns, uint64_t now_ns) {
    uint64_t end_ns = now_ns < until_ns ? now_ns : until_ns;
    if (end_ns <= begin_ns)
        return 0;
    uint64_t seconds = (end_ns - begin_ns + NS_PER_S - 1) / NS_PER_S;
    return seconds < TRAFFIC_SECONDS_MAX ? (uint32_t)seconds : TRAFFIC_SECONDS_MAX;
}

static void add_histogram(struct traffic_histogram *into, const struct traffic_histogram *from) {
    for (uint32_t i = 0; i < TRAFFIC_CELLS; i++)
        into->cells[i] += from->cells[i];
}

void traffic_add(struct traffic_shape *into, const struct traffic_shape *from, uint32_t seconds) {
    into->connections += from->connections;
    into->members += from->members;
    into->gaps_unknown += from->gaps_unknown;
    add_histogram(&into->publish_bytes, &from->publish_bytes);
    add_histogram(&into->publish_gap_us, &from->publish_gap_us);
    add_histogram(&into->fan_out, &from->fan_out);
    add_histogram(&into->rooms_begin, &from->rooms_begin);
    add_histogram(&into->rooms_end, &from->rooms_end);
    for (uint32_t i = 0; i < seconds; i++)
        for (uint32_t s = 0; s < TRAFFIC_SERIES_COUNT; s++)
            into->seconds[i].counts[s] += from->seconds[i].counts[s];
}
