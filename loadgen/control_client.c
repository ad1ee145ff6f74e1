#include "loadgen/control_client.h"

#include <curl/curl.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_BYTES_MAX 200 // of a refusal's text

struct body {
    char *text;
    size_t size;
    size_t size_max;
    bool is_too_big;
};

static void PRINTF_LIKE(2, 3) fail(char *error, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, CONTROL_CLIENT_ERROR_BYTES, format, arguments);
    va_end(arguments);
}

// "http://host:port/" or "host:port", and a path: the whole URL. False when it is no such thing.
static bool make_url(const struct control_client_request *request, char *url, size_t url_size,
                     char *error) {
    const char *base = request->url;
    const char *scheme_end = strstr(base, "://");
    bool is_plain = scheme_end == NULL || strncasecmp(base, "http://", strlen("http://")) == 0;
    if (scheme_end && is_plain)
        base += strlen("http://");
    size_t host_size = strcspn(base, "/?#");
    const char *rest = base + host_size;
    bool is_good = host_size > 0 && host_size < CONTROL_CLIENT_URL_BYTES_MAX &&
                   strcspn(base, " \t\r\n@\\") >= host_size &&
                   (*rest == '\0' || strcmp(rest, "/") == 0);
    if (!is_plain || !is_good) {
        fail(error,
             "'%.*s' is no address of a control plane: want http://HOST:PORT, such as "
             "http://127.0.0.1:8081",
             SHOWN_BYTES_MAX, request->url);
        return false;
    }
    int size = snprintf(url, url_size, "http://%.*s%s", (int)host_size, base, request->path);
    CHECKF(size > 0 && (size_t)size < url_size, "path of %zu bytes", strlen(request->path));
    return true;
}

static size_t on_body(char *data, size_t unit, size_t count, void *context) {
    struct body *body = context;
    size_t size = unit * count;
    if (size > body->size_max - body->size) {
        body->is_too_big = true;
        return 0;
    }
    char *text = realloc(body->text, body->size + size + 1);
    if (!text)
        return 0;
    memcpy(text + body->size, data, size);
    body->text = text;
    body->size += size;
    body->text[body->size] = '\0';
    return size;
}

static CURLcode perform(CURL *curl, const struct control_client_request *request, const char *url,
                        struct body *body, char *reason) {
    uint32_t timeout_ms =
        request->timeout_ms > 0 ? request->timeout_ms : CONTROL_CLIENT_TIMEOUT_MS_DEFAULT;
    const char *method = request->method ? request->method : "GET";
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "fairlead-load/" FAIRLEAD_VERSION);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    if (strcmp(method, "POST") == 0) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, 0L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
    } else if (strcmp(method, "GET") != 0) {
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    }
    return curl_easy_perform(curl);
}

// The first line of what a server said, as much of it as a sentence bears.
static int first_line_size(const struct body *body) {
    if (!body->text)
        return 0;
    size_t size = strcspn(body->text, "\r\n");
    return (int)(size < SHOWN_BYTES_MAX ? size : SHOWN_BYTES_MAX);
}

static enum control_client_result explain(CURLcode code, uint32_t status, const char *url,
                                          const struct body *body, const char *reason,
                                          const struct control_client_request *request,
                                          char *error) {
    if (body->is_too_big) {
        fail(error, "%s answers with more than %zu bytes: is that a control plane?", url,
             body->size_max);
        return CONTROL_CLIENT_TOO_BIG;
    }
    if (code == CURLE_OPERATION_TIMEDOUT) {
        fail(error, "%s does not answer within %u ms: is it overloaded, or another kind of server?",
             url,
             request->timeout_ms > 0 ? request->timeout_ms : CONTROL_CLIENT_TIMEOUT_MS_DEFAULT);
        return CONTROL_CLIENT_TIMED_OUT;
    }
    if (code != CURLE_OK) {
        fail(error,
             "cannot ask %s: %s; is that the control port (fairlead serve --control, 8081 by "
             "default)?",
             url, *reason ? reason : curl_easy_strerror(code));
        return CONTROL_CLIENT_UNREACHABLE;
    }
    if (status >= 200 && status < 300)
        return CONTROL_CLIENT_OK;
    int size = first_line_size(body);
    fail(error, "%s answers %u%s%.*s", url, status, size > 0 ? ": " : "", size,
         size > 0 ? body->text : "");
    return CONTROL_CLIENT_REFUSED;
}

enum control_client_result control_client_ask(const struct control_client_request *request,
                                              struct control_client_answer *answer, char *error) {
    char url[2 * CONTROL_CLIENT_URL_BYTES_MAX];
    char reason[CURL_ERROR_SIZE] = "";
    struct body body = {.size_max = request->answer_bytes_max > 0
                                        ? request->answer_bytes_max
                                        : CONTROL_CLIENT_ANSWER_BYTES_MAX_DEFAULT};
    *answer = (struct control_client_answer){.text = calloc(1, 1)};
    CHECKF(answer->text, "no memory for one byte");
    *error = '\0';
    if (!make_url(request, url, sizeof(url), error))
        return CONTROL_CLIENT_BAD_URL;
    CURL *curl = curl_easy_init();
    if (!curl) {
        fail(error, "no memory for a request to %s", url);
        return CONTROL_CLIENT_UNREACHABLE;
    }
    long status = 0;
    CURLcode code = perform(curl, request, url, &body, reason);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    answer->status = (uint32_t)status;
    if (body.text) {
        free(answer->text);
        answer->text = body.text;
        answer->size = body.size;
    }
    return explain(code, answer->status, url, &body, reason, request, error);
}

void control_client_answer_fini(struct control_client_answer *answer) {
    free(answer->text);
    *answer = (struct control_client_answer){0};
}

json_t *control_client_ask_json(const struct control_client_request *request,
                                enum control_client_result *result, char *error) {
    struct control_client_answer answer;
    json_error_t json_error;
    json_t *root = NULL;
    enum control_client_result got = control_client_ask(request, &answer, error);
    if (got == CONTROL_CLIENT_OK) {
        root = json_loadb(answer.text, answer.size, 0, &json_error);
        if (!root)
            fail(error, "%s%s answers with something else than JSON: is that a Fairlead?",
                 request->url, request->path);
    }
    if (result)
        *result = got;
    control_client_answer_fini(&answer);
    return root;
}

json_t *control_client_info(const char *url, uint32_t timeout_ms, char *error) {
    struct control_client_request request = {.url = url, .path = "/info", .timeout_ms = timeout_ms};
    struct control_client_answer answer;
    json_t *root = NULL;
    enum control_client_result result = control_client_ask(&request, &answer, error);
    if (result == CONTROL_CLIENT_OK)
        root = json_loadb(answer.text, answer.size, 0, NULL);
    const char *name = json_string_value(json_object_get(root, "name"));
    bool is_fairlead = name && strcmp(name, "fairlead") == 0;
    if (result == CONTROL_CLIENT_OK && !is_fairlead)
        fail(error, "%s answers, but is no control plane of Fairlead", url);
    else if (answer.status == 404)
        fail(error,
             "%s has no /info: it is no control plane of Fairlead, or one older than this tool",
             url);
    control_client_answer_fini(&answer);
    if (is_fairlead)
        return root;
    json_decref(root);
    return NULL;
}
