#include "loadgen/session.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loadgen/result_wire.h"
#include "sched/base/clock.h"

#define SEND_TIMEOUT_NS (60 * NS_PER_S)

// --- the order -----------------------------------------------------------------------------------

bool session_add_word(struct session *s, const char *word) {
    if (s->argc + 1 >= (int)(sizeof(s->argv) / sizeof(s->argv[0])))
        return false;
    char *copy = strdup(word);
    if (copy != NULL)
        s->argv[s->argc++] = copy;
    return copy != NULL;
}

// A file of the coordinator as one of this process, without a name on any disk.
static bool add_file(struct session *s, const json_t *word, char *error) {
    const char *name = json_string_value(json_object_get(word, "file"));
    const json_t *text = json_object_get(word, "text");
    if (name == NULL || !json_is_string(text))
        return option_row_fail(error, "the order has a file without a name or a text");
    const char *slash = strrchr(name, '/');
    char label[64], path[64];
    snprintf(label, sizeof(label), "%s", slash ? slash + 1 : name);
    int fd = memfd_create(label, 0);
    if (fd < 0)
        return option_row_fail(error, "no memory for the file %.60s: %s", label, strerror(errno));
    s->files[s->file_count++] = fd;
    size_t size = json_string_length(text), written = 0;
    while (written < size) {
        ssize_t n = write(fd, json_string_value(text) + written, size - written);
        if (n <= 0)
            return option_row_fail(error, "no memory for the file %.60s: %s", label,
                                   strerror(errno));
        written += (size_t)n;
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return session_add_word(s, path) || option_row_fail(error, "no memory for the order");
}

static bool take_word(struct session *s, const json_t *word, char *error) {
    if (json_is_object(word))
        return add_file(s, word, error);
    const char *text = json_string_value(word);
    if (text == NULL)
        return option_row_fail(error, "the order has a word that is no text");
    if (load_options_stays(text))
        return option_row_fail(error, "an agent does not take %.60s from afar", text);
    return session_add_word(s, text) || option_row_fail(error, "no memory for the order");
}

static bool take_order(struct session *s, const json_t *order, char *error) {
    json_int_t part = json_integer_value(json_object_get(order, "part"));
    json_int_t parts = json_integer_value(json_object_get(order, "parts"));
    const json_t *words = json_object_get(order, "words");
    const char *type = json_string_value(json_object_get(order, "type"));
    if (type == NULL || strcmp(type, "order") != 0 || !json_is_array(words) ||
        json_array_size(words) > SESSION_WORDS_MAX || parts < 1 || parts > SPLIT_PARTS_MAX ||
        part < 0 || part >= parts)
        return option_row_fail(error, "what came is no order of a coordinator");
    s->part = (uint32_t)part;
    s->parts = (uint32_t)parts;
    for (size_t i = 0; i < json_array_size(words); i++)
        if (!take_word(s, json_array_get(words, i), error))
            return false;
    return true;
}

// Waits until the socket has something to read (or takes more), until_ns at the latest.
static void wait_for(struct session *s, short events, uint64_t until_ns) {
    uint64_t now_ns = clock_monotonic_ns();
    struct pollfd poll_fd = {.fd = s->channel.fd, .events = events};
    if (now_ns < until_ns)
        poll(&poll_fd, 1, (int)((until_ns - now_ns) / NS_PER_MS) + 1);
}

static bool await_order(struct session *s, char *error) {
    uint64_t until_ns = clock_monotonic_ns() + SESSION_ORDER_TIMEOUT_S * NS_PER_S;
    json_t *order = NULL;
    enum channel_outcome outcome;
    while ((outcome = channel_receive(&s->channel, &order)) == CHANNEL_NOTHING &&
           clock_monotonic_ns() < until_ns)
        wait_for(s, POLLIN, until_ns);
    bool is_good = false;
    switch (outcome) {
    case CHANNEL_MESSAGE:
        is_good = take_order(s, order, error);
        break;
    case CHANNEL_NOTHING:
        option_row_fail(error, "no order came within %d s", SESSION_ORDER_TIMEOUT_S);
        break;
    case CHANNEL_CLOSED:
        option_row_fail(error, "the coordinator left before it gave an order");
        break;
    case CHANNEL_NOT_JSON:
    case CHANNEL_TOO_LONG:
        option_row_fail(error, "what came is no order of a coordinator: %s",
                        channel_peek(&s->channel));
        break;
    }
    json_decref(order);
    return is_good;
}

static json_t *greeting(void) {
    char fingerprint[24];
    snprintf(fingerprint, sizeof(fingerprint), "%016llx",
             (unsigned long long)result_wire_fingerprint());
    return json_pack("{s:s, s:s, s:s}", "type", SESSION_GREETING, "version", FAIRLEAD_VERSION,
                     "fingerprint", fingerprint);
}

bool session_open(struct session *s, int fd, char error[LOAD_OPTIONS_ERROR_BYTES]) {
    *s = (struct session){0};
    int on = 1, idle_s = 10, every_s = 5, times = 4;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    // A coordinator whose machine died says nothing: then the run ends within half a minute.
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every_s, sizeof(every_s));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof(times));
    channel_init(&s->channel, fd, SESSION_ORDER_BYTES_MAX);
    if (!session_add_word(s, "fairlead-load"))
        return option_row_fail(error, "no memory for the order");
    if (!channel_send(&s->channel, greeting()))
        return option_row_fail(error, "the coordinator left at once");
    if (await_order(s, error))
        return true;
    session_fail(s, VERDICT_USAGE, error);
    return false;
}

// --- the run -------------------------------------------------------------------------------------

bool session_may_begin(struct session *s, uint32_t live) {
    if (!s->has_settled)
        s->is_gone |= !channel_send(
            &s->channel, json_pack("{s:s, s:i}", "type", "connected", "live", (int)live));
    s->has_settled = true;
    return s->may_begin;
}

static void take_command(struct session *s, const json_t *message) {
    const char *type = json_string_value(json_object_get(message, "type"));
    if (type == NULL)
        s->is_gone = true;
    else if (strcmp(type, "go") == 0)
        s->may_begin = true;
    else if (strcmp(type, "stop") == 0)
        s->is_stopped = true;
    else
        s->is_gone = true;
}

void session_turn(struct session *s, uint64_t now_ns) {
    if (now_ns < s->next_poll_ns || s->is_gone)
        return;
    // At the barrier all agents begin together, as far as they look often.
    bool is_waiting = s->has_settled && !s->may_begin;
    s->next_poll_ns = now_ns + (is_waiting ? NS_PER_MS : SESSION_POLL_NS);
    json_t *message = NULL;
    enum channel_outcome outcome;
    while ((outcome = channel_receive(&s->channel, &message)) == CHANNEL_MESSAGE) {
        take_command(s, message);
        json_decref(message);
    }
    s->is_gone |= outcome != CHANNEL_NOTHING || !channel_flush(&s->channel);
}

void session_send_snapshot(struct session *s, const struct result *r) {
    // A coordinator that does not keep up gets fewer of them, and the result all the same.
    if (s->is_gone || channel_has_waiting(&s->channel))
        return;
    json_t *snapshot = result_wire_encode(r, &s->second);
    s->is_gone |=
        !channel_send(&s->channel, json_pack("{s:s, s:o}", "type", "snapshot", "result", snapshot));
}

static void send_last(struct session *s, json_t *message) {
    s->has_ended = true;
    uint64_t until_ns = clock_monotonic_ns() + SEND_TIMEOUT_NS;
    s->is_gone |= !channel_send(&s->channel, message);
    while (!s->is_gone && channel_has_waiting(&s->channel) && clock_monotonic_ns() < until_ns) {
        wait_for(s, POLLOUT, until_ns);
        s->is_gone |= !channel_flush(&s->channel);
    }
}

void session_send_result(struct session *s, const struct result *r, const struct verdict *v,
                         const struct environment *e) {
    char machine[2 * ENVIRONMENT_TEXT_BYTES];
    snprintf(machine, sizeof(machine), "%.60s: %u CPUs, %.80s", e->host, e->cpu_count, e->kernel);
    send_last(s, json_pack("{s:s, s:s, s:b, s:s, s:b, s:o}", "type", "result", "limit",
                           v->limit_cause, "stopped", (int)s->is_stopped_here, "machine", machine,
                           "here", (int)e->is_here, "result", result_wire_encode(r, NULL)));
}

void session_fail(struct session *s, enum verdict_code code, const char *sentence) {
    json_t *text = json_string(sentence);
    if (text == NULL) // not UTF-8
        text = json_string("it cannot be told in UTF-8");
    send_last(s,
              json_pack("{s:s, s:i, s:o}", "type", "error", "exit", (int)code, "sentence", text));
}

void session_close(struct session *s) {
    channel_fini(&s->channel);
    for (int i = 0; i < s->argc; i++)
        free(s->argv[i]);
    for (int i = 0; i < s->file_count; i++)
        close(s->files[i]);
    *s = (struct session){.channel.fd = -1};
}
