#include "gateway/life_words.h"

#include "gateway/conn.h"
#include "gateway/session.h"
#include "io/stream_port.h"
#include "sched/recorder_events.h"

#define WORD(table, detail)                                                                        \
    ((detail) < sizeof(table) / sizeof((table)[0]) ? (table)[detail] : "unknown")

const char *life_words_of_detail(uint32_t type, uint32_t detail) {
    static const char *const admissions[] = {"normal", "over_limit"};
    static const char *const protocols[] = {"phoenix", "echo", "mqtt"};
    static const char *const carriers[] = {"tcp", "websocket"};
    static const char *const pauses[] = {"unsent_replies"};
    static const char *const dooms[] = {"over_budget", "out_of_memory"};
    static const char *const ends[] = {
        [STREAM_END_PEER_CLOSED] = "peer_closed",
        [STREAM_END_RESET] = "reset",
        [STREAM_END_ERROR] = "error",
        [STREAM_END_LOCAL] = "server",
    };
    switch (type) {
    case RECORDER_ACCEPTED:
        return WORD(admissions, detail);
    case RECORDER_UPGRADED:
        return WORD(protocols, detail);
    case RECORDER_MQTT_OPENED:
        return WORD(carriers, detail);
    case RECORDER_PAUSED:
    case RECORDER_RESUMED:
        return WORD(pauses, detail);
    case RECORDER_DOOMED:
        return WORD(dooms, detail);
    case RECORDER_ENDED:
        return WORD(ends, detail);
    case RECORDER_JOIN_REFUSED:
    case RECORDER_PUBLISH_REFUSED:
        return session_refusal_reason(detail);
    default:
        return NULL;
    }
}

const char *life_words_of_state(uint32_t state) {
    static const char *const states[] = {
        [CONN_HANDSHAKE] = "handshake",
        [CONN_OPEN] = "open",
        [CONN_ECHO] = "echo",
        [CONN_CLOSING] = "closing",
        [CONN_OVER_LIMIT] = "over_limit",
        [CONN_ARRIVING] = "arriving",
    };
    return WORD(states, state);
}

const char *life_words_of_protocol(uint32_t state) {
    return state == CONN_OPEN ? "phoenix" : state == CONN_ECHO ? "echo" : NULL;
}
