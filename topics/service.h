// KIND_TOPICS: one actor per core, to whom the others talk, and the messages. It has no state of
// its own (struct topics has it all), so that a restart loses nothing: what it held in its mailbox
// is acted upon as it is taken from it.
//
// While jobs_max are under way it takes no mail (scheduler_pause); topics_flush resumes it.
#ifndef FAIRLEAD_SERVICE_H
#define FAIRLEAD_SERVICE_H

#include "sched/actor.h"

// Not KIND_TOPICS itself, so that this header stands below topics.h.
#define SERVICE_KIND 7

enum topics_message_type {
    TOPICS_SUBSCRIBE = MESSAGE_USER, // core → owner: payload: filter; subscription; group's handle;
                                     // flags: SERVICE_SHARED, SERVICE_REPLAY
    TOPICS_SUBSCRIBED,  // owner → core: all of it back; its node or group; small: refusal
    TOPICS_UNSUBSCRIBE, // core → owner: its node or group; flags: SERVICE_SHARED
    TOPICS_CHANGED,     // core → itself: subscription; new options, nobody else to be asked
    TOPICS_PUBLISH,     // core → owner: payload: message; small: note
    TOPICS_PUBLISHED,   // owner → core: publisher; small: note; flags: SERVICE_MATCHED; refusal
    TOPICS_RELAY,       // owner → core with subscribers: payload: message
    TOPICS_RETAINED,    // owner → core: payload: message; subscription
    TOPICS_SHARE,       // owner → core: payload: message; group there; group at the owner; cores
                        // that had nobody; flags: SERVICE_ANYBODY
    TOPICS_SHARE_BACK,  // core → owner: all of it back: nobody here
};

#define SERVICE_SHARED 1u
#define SERVICE_REPLAY 2u
#define SERVICE_MATCHED 1u
#define SERVICE_ANYBODY 1u // also a member that is offline

static inline uint64_t service_pid(uint32_t core) {
    return pid_service((uint8_t)core, SERVICE_KIND);
}

extern const struct behaviour service_behaviour;

// After a job was made: no mail while jobs_max are under way.
struct topics;
void service_pause_if_full(struct topics *topics);

// The way to that core is free: its ring is not 3/4 full, and nothing waits for room in it. A
// message is then sure to find its place (scheduler_try_send: up to 7/8).
bool service_has_room(const struct topics *topics, uint32_t core);

#endif
