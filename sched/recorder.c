// Sequence numbers are compared by their distance from the newest one, modulo 2^32: an event at
// distance d <= mask is in the ring. Going back along a chain the distance must grow: a link that
// is 2^32 events old may show into the ring again, but only to a place that is another actor's, or
// that is newer than the event it stands in.
#include "sched/recorder.h"

#include <errno.h>

#include "sched/base/clock.h"

static const struct {
    const char *name;
    const char *detail;
} types[RECORDER_TYPE_COUNT] = {[RECORDER_NOTHING] = {"unknown", ""},
#define X(id, event_name, detail_name) [RECORDER_##id] = {event_name, detail_name},
                                RECORDER_EVENTS(X)
#undef X
};

const char *recorder_event_name(uint32_t type) {
    return type < RECORDER_TYPE_COUNT ? types[type].name : types[RECORDER_NOTHING].name;
}

const char *recorder_event_detail_name(uint32_t type) {
    return type < RECORDER_TYPE_COUNT ? types[type].detail : "";
}

int recorder_init(struct recorder *recorder, const struct recorder_config *config,
                  struct memory_ledger *ledger, const uint64_t *now_ns) {
    *recorder = (struct recorder){.now_ns = now_ns, .begin_ns = *now_ns};
    if (config->events_max == 0)
        return 0;
    uint32_t count = RECORDER_EVENTS_MAX;
    while (count > config->events_max)
        count /= 2;
    size_t size = count * sizeof(struct recorder_event);
    recorder->events = memory_reserve(ledger, "recorder events", size);
    if (!recorder->events)
        return -ENOMEM;
    memset(recorder->events, 0, size); // touched now: no event waits for the kernel later
    recorder->mask = count - 1;
    if (config->obituaries_max == 0)
        return 0;
    recorder->obituaries =
        memory_reserve(ledger, "obituaries",
                       ((size_t)config->obituaries_max + 1) * sizeof(struct recorder_obituary));
    if (!recorder->obituaries)
        return -ENOMEM;
    recorder->obituaries_max = config->obituaries_max;
    return 0;
}

int recorder_track(struct recorder *recorder, struct memory_ledger *ledger, uint8_t kind,
                   uint32_t slots_max) {
    CHECKF(kind > 0 && kind < ACTOR_KINDS_MAX && !recorder->last[kind],
           "kind %u is tracked twice, or is none", kind);
    if (!recorder_is_on(recorder))
        return 0;
    recorder->last[kind] =
        memory_reserve(ledger, "recorder chains", (size_t)slots_max * sizeof(uint32_t));
    return recorder->last[kind] ? 0 : -ENOMEM;
}

static uint32_t *last_of(const struct recorder *recorder, uint32_t actor) {
    uint32_t *last = recorder->last[actor >> RECORDER_INDEX_BITS];
    return last ? last + (actor & ((1u << RECORDER_INDEX_BITS) - 1)) : NULL;
}

// 2^32 ms have passed since the era began, or more.
static void begin_era(struct recorder *recorder, uint32_t era) {
    for (; recorder->era != era; recorder->era++)
        recorder->eras[recorder->era % RECORDER_ERAS] = recorder->sequence;
}

void recorder_record(struct recorder *recorder, uint32_t actor, enum recorder_event_type type,
                     uint32_t detail) {
    uint32_t *last = last_of(recorder, actor);
    if (UNLIKELY(!last))
        return;
    uint64_t time_ms = (*recorder->now_ns - recorder->begin_ns) / NS_PER_MS;
    if (UNLIKELY((uint32_t)(time_ms >> 32) != recorder->era))
        begin_era(recorder, (uint32_t)(time_ms >> 32));
    uint32_t sequence = (uint32_t)++recorder->sequence;
    if (UNLIKELY(sequence == 0))
        sequence = (uint32_t)++recorder->sequence;
    recorder->events[sequence & recorder->mask] =
        (struct recorder_event){.previous = *last,
                                .actor = actor,
                                .time_ms = (uint32_t)time_ms,
                                .type = (uint8_t)type,
                                .detail = detail & RECORDER_DETAIL_MAX};
    *last = sequence;
}

// --- reading -------------------------------------------------------------------------------------

// How many events ago; of links that are 2^32 events old, so many fewer.
static uint32_t distance(const struct recorder *recorder, uint32_t sequence) {
    return (uint32_t)recorder->sequence - sequence;
}

// The event, or NULL when it was overwritten or is not this actor's.
static const struct recorder_event *lookup(const struct recorder *recorder, uint32_t sequence,
                                           uint32_t actor) {
    if (sequence == 0 || distance(recorder, sequence) > recorder->mask)
        return NULL;
    const struct recorder_event *event = &recorder->events[sequence & recorder->mask];
    return event->actor == actor && event->type != RECORDER_NOTHING ? event : NULL;
}

// Of an event in the ring. One that is older than all eras that are kept is dated as the oldest of
// them: it is a year old at least.
static uint64_t time_of(const struct recorder *recorder, uint32_t sequence, uint32_t time_ms) {
    uint64_t position = recorder->sequence - distance(recorder, sequence);
    uint32_t era = recorder->era;
    for (uint32_t i = 0; i < RECORDER_ERAS && era > 0; i++, era--) {
        if (position > recorder->eras[(era - 1) % RECORDER_ERAS])
            break;
    }
    return recorder->begin_ns + ((uint64_t)era << 32 | time_ms) * NS_PER_MS;
}

static uint32_t read_chain(const struct recorder *recorder, uint32_t sequence, uint32_t actor,
                           struct recorder_mark *marks) {
    uint32_t count = 0;
    const struct recorder_event *event;
    while (count < RECORDER_MARKS_MAX && (event = lookup(recorder, sequence, actor)) != NULL) {
        marks[count++] =
            (struct recorder_mark){.time_ns = time_of(recorder, sequence, event->time_ms),
                                   .type = event->type,
                                   .detail = event->detail};
        if (distance(recorder, event->previous) <= distance(recorder, sequence))
            break;
        sequence = event->previous;
    }
    return count;
}

void recorder_record_change(struct recorder *recorder, uint32_t actor,
                            enum recorder_event_type type, uint32_t detail) {
    const uint32_t *last = last_of(recorder, actor);
    const struct recorder_event *event = last ? lookup(recorder, *last, actor) : NULL;
    if (!event || event->type != type || event->detail != (detail & RECORDER_DETAIL_MAX))
        recorder_record(recorder, actor, type, detail);
}

uint32_t recorder_read(const struct recorder *recorder, uint32_t actor,
                       struct recorder_mark marks[RECORDER_MARKS_MAX]) {
    const uint32_t *last = last_of(recorder, actor);
    return last ? read_chain(recorder, *last, actor, marks) : 0;
}

// --- obituaries ----------------------------------------------------------------------------------

static struct recorder_obituary *next_obituary(const struct recorder *recorder) {
    return &recorder->obituaries[recorder->obituary_count % (recorder->obituaries_max + 1)];
}

void recorder_describe(struct recorder *recorder, uint64_t pid,
                       const struct recorder_subject *subject) {
    if (recorder->obituaries_max == 0)
        return;
    struct recorder_obituary *obituary = next_obituary(recorder);
    size_t size =
        subject->name.size < RECORDER_NAME_BYTES_MAX ? subject->name.size : RECORDER_NAME_BYTES_MAX;
    obituary->name_size = (uint8_t)size;
    if (size > 0)
        memcpy(obituary->name, subject->name.data, size);
    obituary->has_address = subject->address != NULL;
    if (subject->address)
        memcpy(obituary->address, subject->address, sizeof(obituary->address));
    recorder->described = pid;
}

void recorder_bury(struct recorder *recorder, uint64_t pid, uint32_t reason) {
    uint32_t actor = recorder_actor_of_pid(pid);
    uint32_t *last = last_of(recorder, actor);
    if (recorder->described == pid) {
        struct recorder_obituary *obituary = next_obituary(recorder);
        obituary->pid = pid;
        obituary->time_ns = *recorder->now_ns;
        obituary->reason = (uint16_t)reason;
        obituary->mark_count = (uint8_t)read_chain(recorder, *last, actor, obituary->marks);
        recorder->described = PID_NONE;
        recorder->obituary_count++;
    }
    *last = 0;
}

const struct recorder_obituary *recorder_lookup_obituary(const struct recorder *recorder,
                                                         uint32_t age) {
    if (age >= recorder->obituaries_max || age >= recorder->obituary_count)
        return NULL;
    return &recorder
                ->obituaries[(recorder->obituary_count - 1 - age) % (recorder->obituaries_max + 1)];
}
