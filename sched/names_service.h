// The names service of a core (sched/names.h): the actor that decides about the names whose home is
// here, and keeps this core's replica.
#ifndef FAIRLEAD_NAMES_SERVICE_H
#define FAIRLEAD_NAMES_SERVICE_H

#include "sched/names.h"

enum names_message {
    NAMES_REGISTER = MESSAGE_USER, // words: name, pid, requester, request; flags: NAMES_SPAWNED
    NAMES_UNREGISTER,              // the same
    NAMES_SET,     // words: name, pid, requester or none, request; flags: NAMES_SPAWNED
    NAMES_FORGET,  // words: hash, pid
    NAMES_ANSWER,  // words: holder, pid, requester, request; small: names_answer; flags
    NAMES_FETCH,   // words: mark; flags: NAMES_AGAIN
    NAMES_FETCHED, // words: mark
    NAMES_RETRY,
};

#define NAMES_SPAWNED 1u // by names_spawn: a loser ends
#define NAMES_AGAIN 1u   // of a fetch: not to be answered with a fetch

extern const struct behaviour names_service_behaviour;

static inline uint64_t names_service_pid(uint8_t core) {
    return pid_service(core, KIND_NAMES);
}

#endif
