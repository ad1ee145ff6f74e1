// Every answer says that it is no page of another site's: no sniffing, no referrer, no embedding.
#include "gateway/control_answer.h"

#include "gateway/control_request.h"

#include "sched/base/check.h"
#include "sched/base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define JSON_TYPE "application/json; charset=utf-8"
#define TEXT_TYPE "text/plain; charset=utf-8"
#define DATA_POLICY "default-src 'none'; frame-ancestors 'none'"

void control_answer_header(struct MHD_Response *response, const char *name, const char *value) {
    CHECKF(MHD_add_response_header(response, name, value) == MHD_YES, "%s", name);
}

enum MHD_Result control_answer(struct MHD_Connection *connection, unsigned int status,
                               struct MHD_Response *response, const char *type,
                               const char *policy) {
    if (!response)
        return MHD_NO; // no memory: the connection is closed
    control_answer_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    control_answer_header(response, "Content-Security-Policy", policy);
    control_answer_header(response, "X-Content-Type-Options", "nosniff");
    control_answer_header(response, "Referrer-Policy", "no-referrer");
    control_answer_header(response, "Cross-Origin-Resource-Policy", "same-origin");
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

enum MHD_Result control_answer_text(struct MHD_Connection *connection, unsigned int status,
                                    char *text, size_t size, const char *type) {
    struct MHD_Response *response =
        MHD_create_response_from_buffer(size, text, MHD_RESPMEM_MUST_FREE);
    if (!response) {
        free(text);
        return MHD_NO;
    }
    control_answer_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    return control_answer(connection, status, response, type, DATA_POLICY);
}

enum MHD_Result control_answer_json(struct MHD_Connection *connection, unsigned int status,
                                    json_t *root) {
    char *text = root ? json_dumps(root, JSON_INDENT(2) | JSON_PRESERVE_ORDER) : NULL;
    json_decref(root);
    return text ? control_answer_text(connection, status, text, strlen(text), JSON_TYPE) : MHD_NO;
}

enum MHD_Result control_answer_error(struct MHD_Connection *connection, unsigned int status,
                                     const char *format, ...) {
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int size = vasprintf(&text, format, arguments);
    va_end(arguments);
    return size < 0 ? MHD_NO
                    : control_answer_text(connection, status, text, (size_t)size, TEXT_TYPE);
}

enum MHD_Result control_answer_not_allowed(struct MHD_Connection *connection, const char *methods) {
    char *text = NULL;
    int size = asprintf(&text, "%s: no other method is answered here\n", methods);
    if (size < 0)
        return MHD_NO;
    struct MHD_Response *response =
        MHD_create_response_from_buffer((size_t)size, text, MHD_RESPMEM_MUST_FREE);
    if (!response) {
        free(text);
        return MHD_NO;
    }
    control_answer_header(response, MHD_HTTP_HEADER_ALLOW, methods);
    return control_answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, response, TEXT_TYPE,
                          DATA_POLICY);
}

json_t *control_answer_silent(uint64_t cores_silent) {
    json_t *silent = json_array();
    for (uint32_t core = 0; core < 64; core++)
        if (cores_silent >> core & 1)
            json_array_append_new(silent, json_sprintf("core %u", core));
    return silent;
}

void control_answer_time(uint64_t realtime_ns, char text[CONTROL_ANSWER_TIME_SIZE]) {
    time_t seconds = (time_t)(realtime_ns / NS_PER_S);
    struct tm parts;
    char date[24];
    gmtime_r(&seconds, &parts);
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text, CONTROL_ANSWER_TIME_SIZE, "%s.%03uZ", date,
             (unsigned int)(realtime_ns % NS_PER_S / NS_PER_MS));
}

bool control_answer_is_foreign(struct MHD_Connection *connection, const struct config *config) {
    const char *origin =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ORIGIN);
    if (!origin || config->allow_anonymous)
        return false;
    const char *host = strstr(origin, "://");
    return !host || !control_request_host_is_local(host + 3, &config->control);
}
