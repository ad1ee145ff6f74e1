#include "loadgen/coordinator.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loadgen/address.h"
#include "loadgen/result_wire.h"
#include "loadgen/session.h"
#include "sched/base/clock.h"

#define SECONDS_OPEN 8 // an agent may be so many behind the first one
#define END_TIMEOUT_NS (10 * NS_PER_S)

_Static_assert(SPLIT_PARTS_MAX <= 64, "a bit for each agent");

enum peer_state {
    PEER_CONNECTING, // it has its order
    PEER_SETTLED,
    PEER_DONE, // its result is here
};

struct peer {
    struct address address;
    struct channel channel;
    enum peer_state state;
    uint64_t heard_ns;
    uint32_t seconds; // snapshots that came
    uint32_t settled_live;
    struct result *last; // NULL until the first
};

// A second that not all agents have told of yet.
struct second {
    uint64_t told_by; // bits
    struct result_interval row;
    struct histogram latency;
};

struct coordinator {
    const struct coordinator_config *config;
    char *error;
    struct peer peers[SPLIT_PARTS_MAX];
    uint32_t count;
    enum verdict_code failed_code;
    bool has_begun;
    bool has_stopped;
    struct second seconds[SECONDS_OPEN]; // by number
    uint32_t row_count;                  // closed; the number of the first open one
    struct result_interval *rows;        // RESULT_INTERVALS_MAX
    struct result *view;                 // the sum, for the live view
    struct result *incoming;
    struct result *merged;
};

// What others said is shown without control characters.
static void clean(char *text) {
    for (; *text != 0; text++)
        *text = (*text >= 0 && *text < 0x20) || *text == 0x7f ? '?' : *text;
}

static bool fail(struct coordinator *c, const char *format, ...) PRINTF_LIKE(2, 3);
static bool fail(struct coordinator *c, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(c->error, COORDINATOR_ERROR_BYTES, format, arguments);
    va_end(arguments);
    clean(c->error);
    return false;
}

static bool is_interrupted(const struct coordinator *c) {
    return *c->config->interrupts > 0;
}

// --- greeting ------------------------------------------------------------------------------------

static bool read_addresses(struct coordinator *c) {
    c->failed_code = VERDICT_USAGE;
    char error[ADDRESS_ERROR_BYTES];
    const char *at = c->config->options->agents;
    while (*at != 0) {
        size_t size = strcspn(at, ",");
        if (c->count == SPLIT_PARTS_MAX)
            return fail(c, "--agents names more than %d agents", SPLIT_PARTS_MAX);
        struct peer *peer = &c->peers[c->count];
        int code = address_parse(&peer->address, at, size, error);
        if (code != 0) {
            c->failed_code = (enum verdict_code)code;
            return fail(c, "--agents: %s", error);
        }
        for (uint32_t i = 0; i < c->count; i++)
            if (memcmp(&c->peers[i].address.socket, &peer->address.socket, peer->address.size) == 0)
                return fail(c, "--agents names %s twice", peer->address.text);
        peer->channel.fd = -1;
        c->count++;
        at += size + (at[size] == ',');
    }
    c->failed_code = VERDICT_TARGET;
    return true;
}

// Until the socket is ready, with the errno of a connection that failed; ETIMEDOUT, EINTR.
static int await(const struct coordinator *c, int fd, short events, double timeout_s) {
    uint64_t until_ns = clock_monotonic_ns() + (uint64_t)(timeout_s * (double)NS_PER_S);
    struct pollfd polled = {.fd = fd, .events = events};
    while (!is_interrupted(c)) {
        uint64_t now_ns = clock_monotonic_ns();
        if (now_ns >= until_ns)
            return ETIMEDOUT;
        if (poll(&polled, 1, (int)((until_ns - now_ns) / NS_PER_MS) + 1) > 0)
            return 0;
    }
    return EINTR;
}

static bool connect_peer(struct coordinator *c, struct peer *peer) {
    int family = peer->address.socket.ss_family, on = 1;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(c, "agent %s: %s", peer->address.text, strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    channel_init(&peer->channel, fd, RESULT_WIRE_BYTES_MAX);
    int error = 0;
    socklen_t error_size = sizeof(error);
    if (connect(fd, (const struct sockaddr *)&peer->address.socket, peer->address.size) < 0)
        error = errno;
    if (error == EINPROGRESS) {
        error = await(c, fd, POLLOUT, COORDINATOR_CONNECT_TIMEOUT_S);
        if (error == 0)
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_size);
    }
    if (error == 0)
        return true;
    return fail(c, "agent %s cannot be reached: %s%s", peer->address.text, strerror(error),
                error == ECONNREFUSED ? " (is `fairlead load agent` running there?)" : "");
}

// What an agent says instead of what was asked.
static bool fail_by_word(struct coordinator *c, struct peer *peer, const json_t *message) {
    const char *sentence = json_string_value(json_object_get(message, "sentence"));
    json_int_t code = json_integer_value(json_object_get(message, "exit"));
    if (code >= VERDICT_FAILED && code <= VERDICT_TARGET)
        c->failed_code = (enum verdict_code)code;
    return fail(c, "agent %s: %s", peer->address.text,
                sentence ? sentence : "it said something else");
}

static bool check_greeting(struct coordinator *c, struct peer *peer, const json_t *message) {
    char ours[24];
    snprintf(ours, sizeof(ours), "%016llx", (unsigned long long)result_wire_fingerprint());
    const char *type = json_string_value(json_object_get(message, "type"));
    const char *version = json_string_value(json_object_get(message, "version"));
    const char *theirs = json_string_value(json_object_get(message, "fingerprint"));
    if (type != NULL && strcmp(type, "error") == 0)
        return fail_by_word(c, peer, message);
    if (type == NULL || strcmp(type, SESSION_GREETING) != 0 || version == NULL || theirs == NULL)
        return fail(c, "%s is no fairlead load agent: it speaks JSON of another kind",
                    peer->address.text);
    if (strcmp(version, FAIRLEAD_VERSION) != 0 || strcmp(theirs, ours) != 0)
        return fail(c,
                    "agent %s is version %.20s/%.16s, this is %s/%s: install the same version on "
                    "all machines",
                    peer->address.text, version, theirs, FAIRLEAD_VERSION, ours);
    return true;
}

static bool greet(struct coordinator *c, struct peer *peer) {
    json_t *message = NULL;
    enum channel_outcome outcome;
    uint64_t until_ns = clock_monotonic_ns() + COORDINATOR_GREETING_TIMEOUT_S * NS_PER_S;
    while ((outcome = channel_receive(&peer->channel, &message)) == CHANNEL_NOTHING &&
           clock_monotonic_ns() < until_ns && !is_interrupted(c))
        (void)await(c, peer->channel.fd, POLLIN, COORDINATOR_GREETING_TIMEOUT_S);
    const char *said = channel_peek(&peer->channel);
    bool is_good = false;
    switch (outcome) {
    case CHANNEL_MESSAGE:
        is_good = check_greeting(c, peer, message);
        break;
    case CHANNEL_NOTHING:
        fail(c, "%s is no fairlead load agent: it said %s%s%s within %d s", peer->address.text,
             said[0] ? "\"" : "nothing", said, said[0] ? "\" and no more" : "",
             COORDINATOR_GREETING_TIMEOUT_S);
        break;
    case CHANNEL_CLOSED:
        fail(c,
             "%s is no fairlead load agent, or one that ended just now: it closed the connection",
             peer->address.text);
        break;
    case CHANNEL_NOT_JSON:
    case CHANNEL_TOO_LONG:
        fail(c, "%s is no fairlead load agent: it said \"%s\"", peer->address.text, said);
        break;
    }
    json_decref(message);
    return is_good;
}

// --- orders --------------------------------------------------------------------------------------

// The word as it travels: a file of this machine by its content.
static json_t *encode_word(struct coordinator *c, const char *word) {
    const char *file = c->config->options->plan_file;
    if (file == NULL || strcmp(word, file) != 0)
        return json_string(word);
    FILE *in = fopen(file, "r");
    char *text = in == NULL ? NULL : malloc(SESSION_FILE_BYTES_MAX + 1);
    size_t size = text == NULL ? 0 : fread(text, 1, SESSION_FILE_BYTES_MAX + 1, in);
    bool fits = text != NULL && size <= SESSION_FILE_BYTES_MAX && !ferror(in);
    json_t *content = fits ? json_stringn(text, size) : NULL;
    free(text);
    if (in != NULL)
        fclose(in);
    return content == NULL ? NULL : json_pack("{s:s, s:o}", "file", file, "text", content);
}

static json_t *encode_words(struct coordinator *c) {
    char *words[SESSION_WORDS_MAX];
    int count =
        load_options_list_travelling(c->config->argc, c->config->argv, words, SESSION_WORDS_MAX);
    json_t *array = json_array();
    bool fits = array != NULL && count >= 0;
    for (int i = 0; i < count; i++) {
        fits = fits && json_array_append_new(array, encode_word(c, words[i])) == 0;
        free(words[i]);
    }
    if (fits)
        return array;
    json_decref(array);
    return NULL;
}

static bool send_orders(struct coordinator *c) {
    json_t *words = encode_words(c);
    if (words == NULL)
        return fail(c,
                    "the command line cannot be passed on: it is longer than %d words, not UTF-8, "
                    "or names a file that cannot be read or is larger than %zu MiB",
                    SESSION_WORDS_MAX, SESSION_FILE_BYTES_MAX >> 20);
    bool is_good = true;
    for (uint32_t i = 0; i < c->count && is_good; i++) {
        json_t *order = json_pack("{s:s, s:i, s:i, s:O}", "type", "order", "part", (int)i, "parts",
                                  (int)c->count, "words", words);
        is_good = channel_send(&c->peers[i].channel, order) ||
                  fail(c, "agent %s closed the connection", c->peers[i].address.text);
        c->peers[i].heard_ns = clock_monotonic_ns();
    }
    json_decref(words);
    return is_good;
}

// Of one that is gone, what it said last tells more than that it is.
static void tell_all(struct coordinator *c, const char *type) {
    for (uint32_t i = 0; i < c->count; i++)
        if (c->peers[i].state != PEER_DONE &&
            !channel_send(&c->peers[i].channel, json_pack("{s:s}", "type", type)))
            c->peers[i].channel.error = 0;
}

// --- the live view -------------------------------------------------------------------------------

// Of the agents that have not told of this second (and will not): their totals stay.
static void add_absent(struct coordinator *c, struct second *second) {
    for (uint32_t i = 0; i < c->count; i++) {
        const struct result *last = c->peers[i].last;
        if (last == NULL || second->told_by >> i & 1)
            continue;
        second->row.live += last->live;
        second->row.sent += last->sent_all;
        second->row.received += last->received_all;
        second->row.failures += result_refused_count(last) + result_dropped_count(last);
    }
}

static bool show(struct coordinator *c) {
    result_fini(c->view);
    result_init(c->view);
    for (uint32_t i = 0; i < c->count; i++)
        if (c->peers[i].last != NULL && !result_merge(c->view, c->peers[i].last))
            return fail(c, "agent %s follows another plan than the others",
                        c->peers[i].address.text);
    memcpy(c->view->intervals, c->rows, c->row_count * sizeof(c->rows[0]));
    c->view->interval_count = c->view->interval_stored = c->row_count;
    if (c->config->on_second != NULL)
        c->config->on_second(c->config->context, c->view);
    return true;
}

// The first open second is over: all that will be told of it has been.
static bool close_second(struct coordinator *c) {
    struct second *second = &c->seconds[c->row_count % SECONDS_OPEN];
    struct histogram *h = &second->latency;
    if (second->told_by == 0)
        second->row.at_s = c->row_count + 1;
    add_absent(c, second);
    second->row.p50_ns = histogram_quantile_ns(h, HISTOGRAM_P50);
    second->row.p90_ns = histogram_quantile_ns(h, HISTOGRAM_P90);
    second->row.p99_ns = histogram_quantile_ns(h, HISTOGRAM_P99);
    second->row.p999_ns = histogram_quantile_ns(h, HISTOGRAM_P999);
    second->row.max_ns = h->max_ns;
    c->rows[c->row_count++] = second->row;
    *second = (struct second){0};
    histogram_init(h);
    return show(c);
}

static bool is_told(const struct coordinator *c, const struct second *second) {
    if (second->told_by == 0)
        return false;
    for (uint32_t i = 0; i < c->count; i++)
        if (c->peers[i].state != PEER_DONE && !(second->told_by >> i & 1))
            return false;
    return true;
}

static bool close_seconds(struct coordinator *c) {
    while (c->row_count < RESULT_INTERVALS_MAX &&
           is_told(c, &c->seconds[c->row_count % SECONDS_OPEN]))
        if (!close_second(c))
            return false;
    return true;
}

static void add_to_second(struct second *second, const struct result *r, uint32_t peer) {
    const struct result_interval *row = &r->intervals[0];
    if (second->told_by == 0) {
        second->row = *row;
        histogram_init(&second->latency);
    } else {
#define ADD(name) second->row.name += row->name;
        RESULT_INTERVAL_SUMS(ADD)
        second->row.phase = row->phase < second->row.phase ? row->phase : second->row.phase;
        if (row->client_cpu > second->row.client_cpu)
            second->row.client_cpu = row->client_cpu;
    }
    histogram_merge(&second->latency, &r->interval);
    second->told_by |= 1ull << peer;
}

static bool take_snapshot(struct coordinator *c, uint32_t index, const json_t *json) {
    struct peer *peer = &c->peers[index];
    char error[RESULT_WIRE_ERROR_BYTES];
    if (!result_wire_decode(c->incoming, json, error))
        return fail(c, "agent %s sent a snapshot that is none: %s", peer->address.text, error);
    uint32_t number = peer->seconds++;
    bool is_kept = c->incoming->interval_stored == 1 && number < RESULT_INTERVALS_MAX;
    // One that is far ahead closes the seconds that the others still owe.
    while (is_kept && number >= c->row_count + SECONDS_OPEN)
        if (!close_second(c))
            return false;
    if (is_kept && number >= c->row_count)
        add_to_second(&c->seconds[number % SECONDS_OPEN], c->incoming, index);
    c->incoming->interval_stored = c->incoming->interval_count = 0;
    if (peer->last == NULL)
        peer->last = calloc(1, sizeof(*peer->last));
    if (peer->last == NULL)
        return fail(c, "no memory for what agent %s says", peer->address.text);
    struct result *before = peer->last;
    peer->last = c->incoming;
    c->incoming = before;
    result_fini(before);
    return close_seconds(c);
}

// --- results -------------------------------------------------------------------------------------

// A sentence of an agent, with its address before it.
static void sign(char text[RESULT_DETAIL_BYTES], const struct peer *peer) {
    char signed_text[RESULT_DETAIL_BYTES];
    if (text[0] == 0)
        return;
    snprintf(signed_text, sizeof(signed_text), "agent %.60s: %.250s", peer->address.text, text);
    memcpy(text, signed_text, RESULT_DETAIL_BYTES);
}

static void note_part(struct coordinator *c, uint32_t index, const json_t *message) {
    const struct peer *peer = &c->peers[index];
    const struct result *r = c->incoming;
    const char *machine = json_string_value(json_object_get(message, "machine"));
    struct result_part *part = &c->merged->parts[index];
    c->merged->part_count = c->count;
    *part = (struct result_part){
        .wanted = r->wanted,
        .live_max = r->live_max,
        .sent = r->sent,
        .received = r->received,
        .lag_p99_ns = histogram_quantile_ns(&r->send_lag, HISTOGRAM_P99),
        .late_max_ns = r->window.late_max_ns,
    };
    uint64_t window_ns = r->window.end_ns - r->window.begin_ns;
    if (r->window.end_ns > r->window.begin_ns)
        part->cpu = (double)r->window.cpu_ns / (double)window_ns;
    snprintf(part->address, sizeof(part->address), "%s", peer->address.text);
    snprintf(part->limit, sizeof(part->limit), "%s", r->limit);
    snprintf(part->machine, sizeof(part->machine), "%s", machine ? machine : "");
    clean(part->machine);
    clean(part->limit);
    part->is_here = json_is_true(json_object_get(message, "here"));
}

static bool take_result(struct coordinator *c, uint32_t index, const json_t *message) {
    struct peer *peer = &c->peers[index];
    char error[RESULT_WIRE_ERROR_BYTES];
    struct result *r = c->incoming;
    if (!result_wire_decode(r, json_object_get(message, "result"), error))
        return fail(c, "agent %s sent a result that is none: %s", peer->address.text, error);
    if (json_is_true(json_object_get(message, "stopped")) && !c->has_stopped)
        return fail(c, "agent %s was stopped on its machine before the run was over",
                    peer->address.text);
    const char *limit = json_string_value(json_object_get(message, "limit"));
    snprintf(r->limit, sizeof(r->limit), "%s", limit ? limit : "");
    clean(r->limit);
    note_part(c, index, message);
    sign(r->limit, peer);
    sign(r->detail, peer);
    sign(r->rejected_detail, peer);
    sign(r->flood_end, peer);
    bool is_merged = result_merge(c->merged, r);
    result_fini(r);
    peer->state = PEER_DONE;
    return is_merged
               ? close_seconds(c)
               : fail(c, "agent %s followed another plan than the others", peer->address.text);
}

// The rows of the live view have percentiles of all agents, those merged from results only bounds.
static void use_rows(struct coordinator *c) {
    for (uint32_t i = 0; i < c->row_count && i < c->merged->interval_stored; i++) {
        struct result_interval *row = &c->merged->intervals[i];
#define USE(name) row->name = c->rows[i].name;
        RESULT_INTERVAL_WORST(USE)
    }
}

// --- the run -------------------------------------------------------------------------------------

static bool take_message(struct coordinator *c, uint32_t index, const json_t *message) {
    struct peer *peer = &c->peers[index];
    const char *type = json_string_value(json_object_get(message, "type"));
    type = type ? type : "";
    if (strcmp(type, "snapshot") == 0)
        return take_snapshot(c, index, json_object_get(message, "result"));
    if (strcmp(type, "result") == 0)
        return take_result(c, index, message);
    if (strcmp(type, "connected") == 0) {
        json_int_t live = json_integer_value(json_object_get(message, "live"));
        peer->state = PEER_SETTLED;
        peer->settled_live = live > 0 && live <= RESULT_WIRE_LEVEL_MAX ? (uint32_t)live : 0;
        return true;
    }
    return fail_by_word(c, peer, message);
}

static bool read_peer(struct coordinator *c, uint32_t index) {
    struct peer *peer = &c->peers[index];
    json_t *message = NULL;
    enum channel_outcome outcome;
    while (peer->state != PEER_DONE &&
           (outcome = channel_receive(&peer->channel, &message)) != CHANNEL_NOTHING) {
        bool is_good = false;
        peer->heard_ns = clock_monotonic_ns();
        if (outcome == CHANNEL_MESSAGE)
            is_good = take_message(c, index, message);
        else if (outcome == CHANNEL_CLOSED)
            fail(c, "agent %s ended without a result%s%s", peer->address.text,
                 peer->channel.error ? ": " : " (it was stopped or died; its own output says more)",
                 peer->channel.error ? strerror(peer->channel.error) : "");
        else
            fail(c, "agent %s said what is no message: \"%s\"", peer->address.text,
                 channel_peek(&peer->channel));
        json_decref(message);
        if (!is_good)
            return false;
    }
    return true;
}

static bool are_all(const struct coordinator *c, enum peer_state state) {
    for (uint32_t i = 0; i < c->count; i++)
        if (c->peers[i].state < state)
            return false;
    return true;
}

static bool step(struct coordinator *c) {
    uint64_t now_ns = clock_monotonic_ns();
    for (uint32_t i = 0; i < c->count; i++)
        if (c->peers[i].state != PEER_DONE &&
            now_ns > c->peers[i].heard_ns + COORDINATOR_SILENCE_S * NS_PER_S)
            return fail(c, "agent %s has been silent for %d s: is its machine alive?",
                        c->peers[i].address.text, COORDINATOR_SILENCE_S);
    if (is_interrupted(c) && !c->has_stopped) {
        c->has_stopped = true;
        tell_all(c, "stop");
    }
    if (c->has_begun || !are_all(c, PEER_SETTLED))
        return true;
    c->has_begun = true;
    c->view->live = 0;
    for (uint32_t i = 0; i < c->count; i++)
        c->view->live += c->peers[i].settled_live;
    if (c->config->on_go != NULL)
        c->config->on_go(c->config->context, c->view);
    tell_all(c, "go");
    return true;
}

static bool drive(struct coordinator *c) {
    while (!are_all(c, PEER_DONE)) {
        struct pollfd polled[SPLIT_PARTS_MAX];
        for (uint32_t i = 0; i < c->count; i++) {
            struct peer *peer = &c->peers[i];
            polled[i] = (struct pollfd){.fd = peer->state == PEER_DONE ? -1 : peer->channel.fd,
                                        .events = POLLIN};
            if (channel_has_waiting(&peer->channel))
                polled[i].events |= POLLOUT;
        }
        poll(polled, c->count, 100);
        for (uint32_t i = 0; i < c->count; i++) {
            if (polled[i].revents & POLLOUT && !channel_flush(&c->peers[i].channel))
                return fail(c, "agent %s is gone", c->peers[i].address.text);
            if (polled[i].revents & ~POLLOUT && !read_peer(c, i))
                return false;
        }
        if (!step(c))
            return false;
    }
    return true;
}

// An agent closes its end when its run has left no socket behind: then it is free for the next.
static void await_ends(struct coordinator *c) {
    uint64_t until_ns = clock_monotonic_ns() + END_TIMEOUT_NS;
    for (uint32_t i = 0; i < c->count; i++) {
        json_t *message = NULL;
        struct pollfd polled = {.fd = c->peers[i].channel.fd, .events = POLLIN};
        while (clock_monotonic_ns() < until_ns &&
               channel_receive(&c->peers[i].channel, &message) == CHANNEL_NOTHING)
            poll(&polled, 1, 100);
        json_decref(message);
    }
}

static enum verdict_code run_all(struct coordinator *c) {
    if (!read_addresses(c))
        return c->failed_code;
    uint32_t rooms = load_options_room_count(c->config->options);
    if (rooms < c->count) {
        fail(c,
             "%u rooms cannot be split between %u agents, since no room is cut: name fewer "
             "agents, or make the rooms smaller (--room-size)",
             rooms, c->count);
        return VERDICT_USAGE;
    }
    if (c->config->options->closed > 0 && c->config->options->closed < c->count) {
        fail(c, "--closed %u cannot be split between %u agents: at least one request each",
             c->config->options->closed, c->count);
        return VERDICT_USAGE;
    }
    for (uint32_t i = 0; i < c->count; i++)
        if (!connect_peer(c, &c->peers[i]) || !greet(c, &c->peers[i])) {
            c->merged->was_interrupted = is_interrupted(c);
            return is_interrupted(c) ? VERDICT_OK : VERDICT_TARGET;
        }
    if (!send_orders(c) || !drive(c))
        return c->failed_code;
    use_rows(c);
    await_ends(c);
    return VERDICT_OK;
}

enum verdict_code coordinator_run(const struct coordinator_config *config, struct result *merged,
                                  char error[COORDINATOR_ERROR_BYTES]) {
    result_init(merged);
    struct coordinator *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        snprintf(error, COORDINATOR_ERROR_BYTES, "no memory");
        return VERDICT_CLIENT_LIMIT;
    }
    c->config = config;
    c->error = error;
    c->merged = merged;
    c->failed_code = VERDICT_TARGET;
    c->rows = calloc(RESULT_INTERVALS_MAX, sizeof(*c->rows));
    c->view = calloc(1, sizeof(*c->view));
    c->incoming = calloc(1, sizeof(*c->incoming));
    enum verdict_code code = VERDICT_CLIENT_LIMIT;
    if (c->rows == NULL || c->view == NULL || c->incoming == NULL)
        fail(c, "no memory");
    else
        code = run_all(c);
    for (uint32_t i = 0; i < c->count; i++) {
        channel_fini(&c->peers[i].channel);
        if (c->peers[i].last != NULL)
            result_fini(c->peers[i].last);
        free(c->peers[i].last);
    }
    if (c->view != NULL)
        result_fini(c->view);
    free(c->view);
    if (c->incoming != NULL)
        result_fini(c->incoming);
    free(c->incoming);
    free(c->rows);
    free(c);
    return code;
}
