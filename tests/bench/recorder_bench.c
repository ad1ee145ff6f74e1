// What the flight recorder costs the core's thread: an event of an actor that is in cache, of one
// of a million in random order, and a death with 16 events, described, in random order.
#include <stdio.h>
#include <stdlib.h>

#include "sched/base/clock.h"
#include "sched/base/rng.h"
#include "sched/recorder.h"

#define KIND 1
#define SLOTS (1u << 20)
#define EVENTS (4u << 20) // per pass
#define DEATHS 100000u
#define PASSES 5

static struct memory_ledger ledger;
static struct recorder recorder;
static uint64_t now_ns = NS_PER_S;
static uint32_t order[SLOTS];

static double pass_events(uint32_t actors) {
    uint64_t begin_ns = clock_monotonic_ns();
    for (uint32_t i = 0; i < EVENTS; i++)
        recorder_record(&recorder, recorder_actor(KIND, order[i % actors]), RECORDER_JOINED, i);
    return (double)(clock_monotonic_ns() - begin_ns) / EVENTS;
}

// As a connection's life: its events lie among those of all others.
static double pass_deaths(void) {
    static const uint8_t address[16] = {1};
    const struct recorder_subject subject = {BYTES_LITERAL("user-12345"), address};
    const uint32_t alive = 8192; // 16 events each fill half of the ring
    uint64_t spent_ns = 0;
    for (uint32_t done = 0; done < DEATHS; done += alive) {
        for (uint32_t event = 0; event < RECORDER_MARKS_MAX; event++)
            for (uint32_t i = 0; i < alive; i++)
                recorder_record(&recorder, recorder_actor(KIND, order[i]), RECORDER_JOINED, event);
        uint64_t begin_ns = clock_monotonic_ns();
        for (uint32_t i = 0; i < alive; i++) {
            uint64_t pid = pid_of(0, KIND, (struct handle){order[i], 1});
            recorder_describe(&recorder, pid, &subject);
            recorder_obituary(&recorder, pid, EXIT_PEER);
        }
        spent_ns += clock_monotonic_ns() - begin_ns;
    }
    return (double)spent_ns / (double)((DEATHS + alive - 1) / alive * alive);
}

static int compare(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

static void report(const char *name, double *passes) {
    qsort(passes, PASSES, sizeof(*passes), compare);
    printf("%-28s %6.1f ns best, %6.1f median, %6.1f worst\n", name, passes[0], passes[PASSES / 2],
           passes[PASSES - 1]);
}

int main(void) {
    const struct recorder_config config = {.events_max = 1u << 18, .obituaries_max = 1024};
    struct rng rng = {1};
    double near[PASSES], far[PASSES], deaths[PASSES];
    CHECK(recorder_init(&recorder, &config, &ledger, &now_ns) == 0);
    CHECK(recorder_track(&recorder, &ledger, KIND, SLOTS) == 0);
    for (uint32_t i = 0; i < SLOTS; i++) {
        uint32_t at = rng_below(&rng, i + 1);
        order[i] = order[at];
        order[at] = i;
    }
    for (uint32_t i = 0; i < PASSES; i++) {
        near[i] = pass_events(64);
        far[i] = pass_events(SLOTS);
        deaths[i] = pass_deaths();
    }
    report("event, 64 actors", near);
    report("event, a million actors", far);
    report("death with 16 events", deaths);
    memory_release_all(&ledger);
    return 0;
}
