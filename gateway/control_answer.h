// How the control plane answers: JSON, text and errors with the headers that all answers carry. The
// control plane's thread only. What is returned goes back to the library: MHD_NO closes the
// connection (memory was out).
#ifndef FAIRLEAD_CONTROL_ANSWER_H
#define FAIRLEAD_CONTROL_ANSWER_H

#include <jansson.h>
#include <microhttpd.h>

#include <stdint.h>

#include "gateway/config.h"
#include "sched/base/check.h"

#define CONTROL_ANSWER_TIME_SIZE 32

void control_answer_header(struct MHD_Response *response, const char *name, const char *value);

// Takes `response`, which may be NULL.
enum MHD_Result control_answer(struct MHD_Connection *connection, unsigned int status,
                               struct MHD_Response *response, const char *type, const char *policy);

// Takes `text`, which malloc gave.
enum MHD_Result control_answer_text(struct MHD_Connection *connection, unsigned int status,
                                    char *text, size_t size, const char *type);

// Takes `root`, which may be NULL when memory is out.
enum MHD_Result control_answer_json(struct MHD_Connection *connection, unsigned int status,
                                    json_t *root);

// The cause and the cure, one line.
enum MHD_Result control_answer_error(struct MHD_Connection *connection, unsigned int status,
                                     const char *format, ...) PRINTF_LIKE(3, 4);

// 405 with Allow.
enum MHD_Result control_answer_not_allowed(struct MHD_Connection *connection, const char *methods);

// ["core 1"] for a bit set: the cores that did not answer in time.
json_t *control_answer_silent(uint64_t cores_silent);

// "2026-01-02T03:04:05.678Z"
void control_answer_time(uint64_t realtime_ns, char text[CONTROL_ANSWER_TIME_SIZE]);

// True for a request of another site's page: a browser names the site of every page that posts or
// deletes; other clients send none.
bool control_answer_is_foreign(struct MHD_Connection *connection, const struct config *config);

#endif
