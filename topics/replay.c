#include "topics/replay.h"

#include "topics/service.h"
#include "topics/subscribing.h"
#include "topics/topics.h"

static struct replay *replay_at(const struct topics *topics, uint32_t index) {
    return (struct replay *)slab_get(&topics->replays.slab, index);
}

int replay_init(struct replays *replays, uint32_t replays_max, struct memory_ledger *ledger) {
    *replays = (struct replays){.head = SLAB_NONE, .tail = SLAB_NONE};
    return slab_init(&replays->slab, ledger, "topic replays", sizeof(struct replay), replays_max);
}

static void push(struct topics *topics, uint32_t index) {
    struct replays *replays = &topics->replays;
    replay_at(topics, index)->next = SLAB_NONE;
    if (replays->tail == SLAB_NONE)
        replays->head = index;
    else
        replay_at(topics, replays->tail)->next = index;
    replays->tail = index;
}

static uint32_t pop(struct topics *topics) {
    struct replays *replays = &topics->replays;
    uint32_t index = replays->head;
    replays->head = replay_at(topics, index)->next;
    if (replays->head == SLAB_NONE)
        replays->tail = SLAB_NONE;
    return index;
}

bool replay_begin(struct topics *topics, const struct topics_asked *asked) {
    uint32_t index;
    struct replay *replay = slab_acquire(&topics->replays.slab, &index);
    if (!replay)
        return false;
    struct retained_walk walk = retained_walk_begin(&topics->retained, &topics->path);
    replay->asked = *asked;
    replay->node = walk.node;
    replay->depth = walk.depth;
    push(topics, index);
    return true;
}

// False: it cannot go now.
static bool give(struct topics *topics, const struct topics_asked *asked, uint64_t payload) {
    if (asked->core == topics->scheduler->core) {
        subscribing_on_retained(topics, asked->subscription, payload);
        return true;
    }
    struct message message = {.target = service_pid(asked->core),
                              .sender = service_pid(topics->scheduler->core),
                              .type = TOPICS_RETAINED,
                              .words = {payload, asked->subscription}};
    payload_ref(topics->scheduler, payload, 1);
    if (scheduler_try_send(topics->scheduler, &message))
        return true;
    payload_unref(topics->scheduler, payload);
    return false;
}

// Returns whether it has ended.
static bool slice(struct topics *topics, struct replay *replay, uint32_t *budget) {
    struct bytes filter = subscribing_filter(topics->scheduler, replay->asked.filter);
    bool is_split = topic_levels_split(&topics->retained.levels, filter, &topics->path);
    CHECK(is_split);
    struct retained_walk walk = {&topics->path, replay->node, replay->depth};
    bool goes_on = service_has_room(topics, replay->asked.core);
    while (goes_on && *budget > 0 && !retained_walk_is_over(&walk)) {
        uint64_t payload = retained_walk_next(&topics->retained, &walk, budget);
        if (payload == PAYLOAD_NONE)
            continue;
        if (!give(topics, &replay->asked,
                  payload)) // service_has_room leaves more than a slice needs
            counter_add(topics->scheduler->counters, COUNTER_MQTT_RETAINED_LOST, 1);
        goes_on = service_has_room(topics, replay->asked.core);
    }
    replay->node = walk.node;
    replay->depth = walk.depth;
    return retained_walk_is_over(&walk);
}

bool replay_flush(struct topics *topics, uint32_t *budget) {
    struct replays *replays = &topics->replays;
    uint32_t last = replays->tail; // each has its go once
    while (replays->head != SLAB_NONE && *budget > 0) {
        uint32_t index = pop(topics);
        uint32_t part = *budget < REPLAY_SLICE ? *budget : REPLAY_SLICE;
        uint32_t left = part;
        bool has_ended = slice(topics, replay_at(topics, index), &left);
        *budget -= part - left;
        if (has_ended) {
            struct topics_asked asked = replay_at(topics, index)->asked;
            slab_release(&topics->replays.slab, index);
            subscribing_answer(topics, &asked, TOPICS_OK);
        } else {
            push(topics, index);
        }
        if (index == last)
            break;
    }
    return replays->head != SLAB_NONE;
}

void replay_fini(struct topics *topics) {
    while (topics->replays.head != SLAB_NONE) {
        uint32_t index = pop(topics);
        struct replay *replay = replay_at(topics, index);
        struct retained_walk walk = {&topics->path, replay->node, replay->depth};
        retained_walk_stop(&topics->retained, &walk);
        payload_unref(topics->scheduler, replay->asked.filter);
        slab_release(&topics->replays.slab, index);
    }
}
