// One churning thread: keeps `concurrent` connections going through a small life each, most of
// which ends by a reset at a random moment: while connecting, in the request, in a frame, joined,
// talking. Plain epoll, nothing of the gateway's own code, so that a fault in that cannot hide
// itself.
#ifndef FAIRLEAD_TESTS_CHURN_CLIENT_H
#define FAIRLEAD_TESTS_CHURN_CLIENT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

// X(name, share of 100, what happens)
#define CHURN_FATES(X)                                                                             \
    X(CONNECTED, 8, "reset as soon as connected")                                                  \
    X(IN_REQUEST, 8, "reset in the middle of the request")                                         \
    X(UPGRADED, 8, "reset after the upgrade")                                                      \
    X(IN_FRAME, 10, "reset in the middle of the join's frame")                                     \
    X(JOINING, 10, "reset with the join on its way")                                               \
    X(JOINED, 10, "reset once joined")                                                             \
    X(TALKING, 20, "reset right after publishing")                                                 \
    X(LATER, 10, "reset some time after publishing, while messages come in")                       \
    X(DEAF, 4, "publishes, never reads, reset")                                                    \
    X(HALF_CLOSED, 4, "stops sending, reads to the end")                                           \
    X(LEFT, 4, "leaves the room, then closes with a close frame")                                  \
    X(DROPPED, 4, "plain close without a word")

enum churn_fate {
#define X(name, share, what) CHURN_##name,
    CHURN_FATES(X)
#undef X
        CHURN_FATE_COUNT
};

// X(name, what the connection waited for)
#define CHURN_WAITS(X)                                                                             \
    X(CONNECTING, "the connection")                                                                \
    X(UPGRADING, "the answer to its request")                                                      \
    X(JOINING, "the reply to its join")                                                            \
    X(JOINED, "its own time")                                                                      \
    X(ENDING, "the other side's end")

enum churn_wait {
#define X(name, what) CHURN_WAIT_##name,
    CHURN_WAITS(X)
#undef X
        CHURN_WAIT_COUNT
};

struct churn_config {
    struct sockaddr_in target;
    uint32_t connections; // to be made by this thread
    uint32_t concurrent;
    uint32_t rooms;
    uint32_t thread; // number, for source addresses and names
    uint64_t seed;
};

struct churn_result {
    uint64_t fates[CHURN_FATE_COUNT]; // lives that came to their planned end
    uint64_t ended_early;             // by the server or the network before that
    uint64_t refused;                 // an answer other than 101
    uint64_t stuck[CHURN_WAIT_COUNT]; // no progress within 20 s, by what it waited for
    uint64_t published;
    uint64_t bytes_received;
    const char *trouble; // static string, or NULL
};

// Runs to the end of its connections.
void churn_client_run(const struct churn_config *config, struct churn_result *result);

#endif
