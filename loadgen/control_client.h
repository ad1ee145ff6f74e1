// A small blocking client of a control plane: one HTTP request, one answer, by libcurl. For what is
// asked a few times in a run (GET /info, /metrics, /traffic), before it, after it or from a thread
// of its own; never from the thread that turns the loop.
//
// Bounds: timeout_ms for the whole exchange, answer_bytes_max for the body. No redirects, no proxy
// (the environment's would send loopback addresses elsewhere), plain HTTP only. Errors are one
// sentence with the cause and the cure, in `error` (CONTROL_CLIENT_ERROR_BYTES).
//
// Threads: any, each request for itself; the first one before other threads start, or in one thread
// alone (curl_global_init). The caller owns the answer: control_client_answer_fini frees it.
#ifndef FAIRLEAD_LOADGEN_CONTROL_CLIENT_H
#define FAIRLEAD_LOADGEN_CONTROL_CLIENT_H

#include <jansson.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sched/base/check.h"

#define CONTROL_CLIENT_ERROR_BYTES 768
#define CONTROL_CLIENT_URL_BYTES_MAX 256
#define CONTROL_CLIENT_TIMEOUT_MS_DEFAULT 3000
#define CONTROL_CLIENT_ANSWER_BYTES_MAX_DEFAULT (4u << 20)

enum control_client_result {
    CONTROL_CLIENT_OK,          // answered with 2xx
    CONTROL_CLIENT_BAD_URL,     // nothing was asked
    CONTROL_CLIENT_UNREACHABLE, // nobody listens, no such host, reset, something else than HTTP
    CONTROL_CLIENT_TIMED_OUT,
    CONTROL_CLIENT_TOO_BIG,
    CONTROL_CLIENT_REFUSED, // answered with another status than 2xx: answer->status says which
};

struct control_client_request {
    const char *url;     // "http://127.0.0.1:8081", "127.0.0.1:8081": the control plane's address
    const char *path;    // "/info", with its query
    const char *method;  // NULL: GET
    uint32_t timeout_ms; // 0: the default
    uint32_t answer_bytes_max; // 0: the default
};

struct control_client_answer {
    uint32_t status; // HTTP's, 0 when there was no answer
    size_t size;
    char *text; // the body, 0-terminated; never NULL
};

// `answer` is initialised in any case, and holds the body of a refusal, too.
MUST_USE enum control_client_result control_client_ask(const struct control_client_request *request,
                                                       struct control_client_answer *answer,
                                                       char *error);

void control_client_answer_fini(struct control_client_answer *answer);

// The same, and the answer as JSON (the caller's to json_decref). NULL: `error` says why, also when
// the answer is no JSON. `result` may be NULL.
MUST_USE json_t *control_client_ask_json(const struct control_client_request *request,
                                         enum control_client_result *result, char *error);

// GET /info of a Fairlead at `url`. NULL: `error` says whether nobody is there, something else than
// Fairlead answers, or one from before /info.
MUST_USE json_t *control_client_info(const char *url, uint32_t timeout_ms, char *error);

#endif
