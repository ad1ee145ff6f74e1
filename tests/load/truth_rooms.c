// Rooms, replies, deliveries, and what is done wrong with them (truth.h).
//
// One delivery suffers one fault at most, in this order: dropped, announced as lost, said twice,
// held back. A fault is counted where it is done. "Said" is the order on the connection: the delay
// keeps it.
#include "tests/load/truth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HELD_MAX_NS (500 * TRUTH_NS_PER_MS)

// SplitMix64
bool truth_rooms_rolls(struct truth *truth, uint64_t one_in) {
    if (one_in == 0)
        return false;
    uint64_t z = truth->random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % one_in == 0;
}

// --- what is said about a room's messages --------------------------------------------------------

static void say_text(struct truth *truth, uint32_t fd, const char *text, size_t size) {
    struct truth_buffer frame = {0};
    truth_wire_frame(&frame, 1, text, size);
    truth_say(truth, fd, frame.data, frame.size);
    truth_buffer_fini(&frame);
}

static void say_gap(struct truth *truth, uint32_t fd, uint64_t from, uint64_t to) {
    struct truth_conn *conn = &truth->conns[fd];
    const struct truth_room *room = &truth->rooms[conn->room];
    char text[TRUTH_TOPIC_SIZE_MAX + 96];
    int size = snprintf(
        text, sizeof(text), "[null,null,\"%.*s\",\"gap\",{\"from\":%llu,\"to\":%llu}]",
        (int)room->topic_size, room->topic, (unsigned long long)from, (unsigned long long)to);
    truth->counts.gap_events++;
    truth->counts.gap_messages += to - from + 1;
    conn->tail_dropped = 0;
    if (truth->options.speaks != TRUTH_MQTT) {
        say_text(truth, fd, text, (size_t)size);
        return;
    }
    struct truth_buffer packet = {0};
    truth_mqtt_put_gap(truth, fd, from, to, &packet);
    truth_say(truth, fd, packet.data, packet.size);
    truth_buffer_fini(&packet);
}

static void release_held(struct truth *truth, uint32_t fd) {
    struct truth_conn *conn = &truth->conns[fd];
    if (conn->held.size > 0)
        truth_say(truth, fd, conn->held.data, conn->held.size);
    truth_buffer_fini(&conn->held);
    conn->held_for = 0;
    truth->held_count--;
}

// Something newer was said; the one held back may be next.
static void on_said(struct truth *truth, uint32_t fd) {
    struct truth_conn *conn = &truth->conns[fd];
    struct truth_counts *counts = &truth->counts;
    if (conn->held_for == 0 || --conn->held_for > 0)
        return;
    release_held(truth, fd);
    counts->reordered += !conn->holds_duplicate;
    counts->reordered_whole += !conn->holds_duplicate;
    counts->duplicated += conn->holds_duplicate;
    counts->deliveries += conn->holds_duplicate && conn->holds_delivery;
    counts->replies += conn->holds_duplicate && !conn->holds_delivery;
}

struct holding {
    uint64_t distance;
    bool is_duplicate;
    bool is_delivery;
};

// The bytes of one delivery; MQTT makes new ones for each, with its own packet identifier.
static void put_bytes(struct truth *truth, uint32_t fd, const struct truth_cast *cast,
                      uint64_t number, struct truth_buffer *out) {
    if (cast->frame)
        truth_buffer_append(out, cast->frame->data, cast->frame->size);
    else
        truth_mqtt_put_delivery(truth, fd, cast, number, out);
}

static void say_cast(struct truth *truth, uint32_t fd, const struct truth_cast *cast,
                     uint64_t number) {
    struct truth_buffer bytes = {0};
    put_bytes(truth, fd, cast, number, &bytes);
    truth_say(truth, fd, bytes.data, bytes.size);
    truth_buffer_fini(&bytes);
}

static void hold(struct truth *truth, uint32_t fd, const struct truth_cast *cast, uint64_t number,
                 const struct holding *holding) {
    struct truth_conn *conn = &truth->conns[fd];
    put_bytes(truth, fd, cast, number, &conn->held);
    conn->holds_duplicate = holding->is_duplicate;
    conn->holds_delivery = holding->is_delivery;
    conn->held_for = holding->distance;
    conn->held_since_ns = truth_now_ns();
    truth->held_count++;
}

static bool is_behind(const struct truth *truth, const struct truth_conn *conn) {
    uint64_t max = truth->options.queue_bytes_max;
    return max > 0 && conn->queued_bytes > max;
}

void truth_rooms_on_drained(struct truth *truth, uint32_t fd) {
    struct truth_conn *conn = &truth->conns[fd];
    if (conn->gap_from == 0 || conn->room == TRUTH_NO_ROOM)
        return;
    uint64_t from = conn->gap_from;
    conn->gap_from = 0;
    say_gap(truth, fd, from, conn->gap_to);
}

// One checked message to one connection: a delivery with its room's number, or the reply to a
// request (number 0). False when it was dropped.
static bool deliver(struct truth *truth, uint32_t fd, const struct truth_cast *cast,
                    uint64_t number) {
    const struct truth_options *o = &truth->options;
    struct truth_conn *conn = &truth->conns[fd];
    uint64_t *said = number > 0 ? &truth->counts.deliveries : &truth->counts.replies;
    if (number > 0 && is_behind(truth, conn)) {
        conn->gap_from = conn->gap_from ? conn->gap_from : number;
        conn->gap_to = number;
        return true;
    }
    truth_rooms_on_drained(truth, fd);
    if (truth_rooms_rolls(truth, o->drop_one_in)) {
        truth->counts.dropped++;
        conn->tail_dropped++;
        return false;
    }
    if (number > 0 && truth_rooms_rolls(truth, o->gap_one_in)) {
        say_gap(truth, fd, number, number);
        on_said(truth, fd);
        return true;
    }
    (*said)++;
    conn->tail_dropped = 0;
    if (conn->held_for == 0 && truth_rooms_rolls(truth, o->reorder_one_in)) {
        hold(truth, fd, cast, number, &(struct holding){o->reorder_distance, false, number > 0});
        return true;
    }
    say_cast(truth, fd, cast, number);
    bool is_again = truth_rooms_rolls(truth, o->duplicate_one_in);
    bool is_later = is_again && o->duplicate_distance > 0 && conn->held_for == 0;
    if (is_again && !is_later) {
        (*said)++;
        truth->counts.duplicated++;
        say_cast(truth, fd, cast, number);
    }
    on_said(truth, fd);
    if (is_later)
        hold(truth, fd, cast, number, &(struct holding){o->duplicate_distance, true, number > 0});
    return true;
}

// A second time is not said when nothing comes after which it could be: it would come to a run that
// is over.
void truth_rooms_release_old(struct truth *truth, uint64_t now_ns) {
    for (uint32_t fd = 0; truth->held_count > 0 && fd < truth->conn_max; fd++) {
        struct truth_conn *conn = &truth->conns[fd];
        if (conn->held_for == 0 || now_ns <= conn->held_since_ns + HELD_MAX_NS)
            continue;
        if (conn->holds_duplicate)
            conn->held.size = 0;
        else
            truth->counts.reordered += conn->held_for < truth->options.reorder_distance;
        release_held(truth, fd);
    }
}

void truth_rooms_finish(struct truth *truth) {
    for (uint32_t fd = 0; fd < truth->conn_max; fd++)
        if (truth->conns[fd].is_open)
            truth_rooms_leave(truth, fd);
}

// --- rooms ---------------------------------------------------------------------------------------

uint32_t truth_rooms_find(struct truth *truth, struct truth_text text) {
    const char *topic = text.at;
    uint32_t size = (uint32_t)text.size, hash = 2166136261u;
    for (uint32_t i = 0; i < size; i++)
        hash = (hash ^ (uint8_t)topic[i]) * 16777619u;
    for (uint32_t probe = 0; probe < TRUTH_ROOMS_MAX; probe++) {
        uint32_t index = (hash + probe) & (TRUTH_ROOMS_MAX - 1);
        struct truth_room *room = &truth->rooms[index];
        if (room->topic_size == 0) {
            memcpy(room->topic, topic, size);
            room->topic_size = size;
            return index;
        }
        if (room->topic_size == size && memcmp(room->topic, topic, size) == 0)
            return index;
    }
    abort();
}

void truth_rooms_leave(struct truth *truth, uint32_t fd) {
    struct truth_conn *conn = &truth->conns[fd];
    if (conn->room == TRUTH_NO_ROOM)
        return;
    struct truth_room *room = &truth->rooms[conn->room];
    uint32_t last = room->members[--room->member_count];
    room->members[conn->position] = last;
    truth->conns[last].position = conn->position;
    conn->room = TRUTH_NO_ROOM;
    if (conn->held_for > 0) {
        truth_buffer_fini(&conn->held);
        conn->held_for = 0;
        truth->held_count--;
    }
    // Whom this server ended misses nothing: the tool does not check it any more.
    truth->counts.dropped_last += conn->is_ending ? 0 : conn->tail_dropped;
    conn->tail_dropped = 0;
    conn->gap_from = 0;
}

static struct truth_text unquoted(struct truth_text quoted) {
    return (struct truth_text){quoted.at + 1, quoted.size - 2};
}

void truth_rooms_enter(struct truth *truth, uint32_t fd, uint32_t index) {
    struct truth_conn *conn = &truth->conns[fd];
    struct truth_user *user = conn->user < TRUTH_USERS_MAX ? &truth->users[conn->user] : NULL;
    truth_rooms_leave(truth, fd);
    truth->counts.joins++;
    if (user) {
        truth->counts.again_joins += user->has_joined;
        user->has_joined = true;
        user->refusals_left = (uint32_t)truth->options.refuse_again;
    }
    struct truth_room *room = &truth->rooms[index];
    if (room->member_count == room->member_max) {
        room->member_max = room->member_max ? 2 * room->member_max : 64;
        room->members = realloc(room->members, room->member_max * sizeof(*room->members));
        if (room->members == NULL)
            abort();
    }
    conn->room = index;
    conn->position = room->member_count;
    room->members[room->member_count++] = fd;
}

// --- one message ---------------------------------------------------------------------------------

static void make_reply(struct truth_buffer *frame, const struct truth_message *message,
                       const char *status, struct truth_text response) {
    static const char format[] =
        "[%.*s,%.*s,%.*s,\"phx_reply\",{\"status\":\"%s\",\"response\":%.*s}]";
    char *text = NULL;
    int size = asprintf(&text, format, (int)message->join_ref.size, message->join_ref.at,
                        (int)message->ref.size, message->ref.at, (int)message->topic.size,
                        message->topic.at, status, (int)response.size, response.at);
    if (size < 0)
        abort();
    truth_wire_frame(frame, 1, text, (size_t)size);
    free(text);
}

static void reply(struct truth *truth, uint32_t fd, const struct truth_message *message,
                  const char *status, const char *response) {
    struct truth_buffer frame = {0};
    make_reply(&frame, message, status, (struct truth_text){response, strlen(response)});
    truth_say(truth, fd, frame.data, frame.size);
    truth_buffer_fini(&frame);
}

bool truth_rooms_refuses_join(struct truth *truth) {
    bool refuses = truth_rooms_rolls(truth, truth->options.refuse_join_one_in);
    truth->counts.refused_join += refuses;
    return refuses;
}

static void on_join(struct truth *truth, uint32_t fd, const struct truth_message *message) {
    if (truth_rooms_refuses_join(truth)) {
        reply(truth, fd, message, "error", "{\"reason\":\"truth refuses\"}");
        return;
    }
    truth_rooms_leave(truth, fd);
    uint32_t index = truth_rooms_find(truth, unquoted(message->topic));
    char response[64] = "{}";
    if (!truth->options.has_no_numbers)
        snprintf(response, sizeof(response), "{\"epoch\":\"1\",\"seq\":%llu}",
                 (unsigned long long)truth->rooms[index].number);
    reply(truth, fd, message, "ok", response);
    truth_rooms_enter(truth, fd, index);
}

static void on_leave(struct truth *truth, uint32_t fd, const struct truth_message *message) {
    char text[TRUTH_TOPIC_SIZE_MAX + 96];
    truth->counts.leaves++;
    truth_rooms_leave(truth, fd);
    reply(truth, fd, message, "ok", "{}");
    // As Phoenix: phx_close carries the join's ref twice.
    int size =
        snprintf(text, sizeof(text), "[%.*s,%.*s,%.*s,\"phx_close\",{}]",
                 (int)message->join_ref.size, message->join_ref.at, (int)message->join_ref.size,
                 message->join_ref.at, (int)message->topic.size, message->topic.at);
    if (size < (int)sizeof(text))
        say_text(truth, fd, text, (size_t)size);
}

void truth_rooms_publish(struct truth *truth, uint32_t index, const struct truth_cast *cast) {
    struct truth_room *room = &truth->rooms[index];
    uint32_t count = room->member_count, first = 0;
    uint64_t dropped = 0;
    if (cast->frame == NULL) {
        room->number++;
        truth->counts.publishes++;
    }
    if (room->is_shared && count > 0) {
        first = (uint32_t)(room->number % count);
        count = 1;
    }
    truth->counts.due += count;
    for (uint32_t i = first; i < first + count; i++)
        dropped += !deliver(truth, room->members[i], cast, room->number);
    uint64_t dropped_ppm = count ? dropped * 1000000 / count : 0;
    truth->counts.dropped_messages += dropped > 0;
    if (dropped_ppm > truth->counts.dropped_worst_ppm)
        truth->counts.dropped_worst_ppm = dropped_ppm;
}

static void on_publish(struct truth *truth, uint32_t fd, const struct truth_message *message) {
    const struct truth_conn *conn = &truth->conns[fd];
    if (conn->room == TRUTH_NO_ROOM) {
        reply(truth, fd, message, "error", "{\"reason\":\"unmatched topic\"}");
        return;
    }
    struct truth_room *room = &truth->rooms[conn->room];
    room->number++;
    truth->counts.publishes++;
    char number[32] = "", response[48] = "{}";
    if (!truth->options.has_no_numbers) {
        snprintf(number, sizeof(number), ",%llu", (unsigned long long)room->number);
        snprintf(response, sizeof(response), "{\"seq\":%llu}", (unsigned long long)room->number);
    }
    if (!truth->options.answers_no_publish)
        reply(truth, fd, message, "ok", response);
    char *text = NULL;
    int size = asprintf(&text, "[null,null,%.*s,%.*s,%.*s%s]", (int)message->topic.size,
                        message->topic.at, (int)message->event.size, message->event.at,
                        (int)message->payload.size, message->payload.at, number);
    if (size < 0)
        abort();
    struct truth_buffer frame = {0};
    truth_wire_frame(&frame, 1, text, (size_t)size);
    truth_rooms_publish(truth, conn->room, &(struct truth_cast){.frame = &frame});
    truth_buffer_fini(&frame);
    free(text);
}

enum truth_fate truth_rooms_admit(struct truth *truth, uint32_t fd, bool may_reject) {
    if (truth->begin_ns == 0)
        truth->begin_ns = truth_now_ns();
    if (truth_rooms_rolls(truth, truth->options.reset_one_in)) {
        truth->counts.resets++;
        truth_reset(truth, fd);
        return TRUTH_RESET;
    }
    if (!may_reject || !truth_rooms_rolls(truth, truth->options.reject_one_in))
        return TRUTH_ADMITTED;
    truth->counts.rejected++;
    return TRUTH_REJECTED;
}

static bool admit(struct truth *truth, uint32_t fd, const struct truth_message *message) {
    enum truth_fate fate = truth_rooms_admit(truth, fd, message != NULL);
    if (fate == TRUTH_REJECTED)
        reply(truth, fd, message, "error", "{\"reason\":\"truth rejects\"}");
    return fate == TRUTH_ADMITTED;
}

void truth_rooms_answer(struct truth *truth, uint32_t fd, const struct truth_buffer *frame) {
    deliver(truth, fd, &(struct truth_cast){.frame = frame}, 0);
}

static void on_echo(struct truth *truth, uint32_t fd, const char *text, size_t size) {
    if (!admit(truth, fd, NULL))
        return;
    struct truth_buffer frame = {0};
    truth->counts.requests++;
    if (truth->options.speaks == TRUTH_TCP_ECHO)
        truth_buffer_append(&frame, text, size);
    else
        truth_wire_frame(&frame, 1, text, size);
    truth_rooms_answer(truth, fd, &frame);
    truth_buffer_fini(&frame);
}

static void on_ping(struct truth *truth, uint32_t fd, const struct truth_message *message) {
    if (!admit(truth, fd, message))
        return;
    struct truth_buffer frame = {0};
    truth->counts.requests++;
    make_reply(&frame, message, "ok", message->payload);
    truth_rooms_answer(truth, fd, &frame);
    truth_buffer_fini(&frame);
}

bool truth_rooms_take(struct truth *truth, uint32_t fd, const char *text, size_t size) {
    struct truth_message message;
    if (truth->options.speaks == TRUTH_DEAF)
        return true;
    if (truth->conns[fd].is_echo) {
        on_echo(truth, fd, text, size);
        return true;
    }
    if (!truth_wire_scan(text, size, &message)) {
        truth->counts.strange++;
        return false;
    }
    if (truth_wire_is(message.event, "ping")) {
        on_ping(truth, fd, &message);
    } else if (truth_wire_is(message.event, "phx_join")) {
        on_join(truth, fd, &message);
    } else if (truth_wire_is(message.event, "phx_leave")) {
        on_leave(truth, fd, &message);
    } else if (truth_wire_is(message.event, "heartbeat")) {
        truth->counts.heartbeats++;
        if (!truth->options.ignores_heartbeats)
            reply(truth, fd, &message, "ok", "{}");
    } else if (admit(truth, fd, &message)) {
        on_publish(truth, fd, &message);
    }
    return true;
}

// --- the upgrade ---------------------------------------------------------------------------------

static uint32_t user_of(const char *head, size_t size) {
    const char *at = memmem(head, size, "user=u", 6);
    unsigned long number = at ? strtoul(at + 6, NULL, 10) : TRUTH_USERS_MAX;
    return number < TRUTH_USERS_MAX ? (uint32_t)number : TRUTH_USERS_MAX;
}

bool truth_rooms_refuses(struct truth *truth, uint32_t user_number) {
    struct truth_user *user = user_number < TRUTH_USERS_MAX ? &truth->users[user_number] : NULL;
    if (user && user->has_joined) {
        truth->counts.again_attempts++;
        if (user->refusals_left > 0) {
            user->refusals_left--;
            truth->counts.again_refused++;
            return true;
        }
    }
    return truth_rooms_rolls(truth, truth->options.refuse_one_in);
}

bool truth_rooms_upgrade(struct truth *truth, uint32_t fd, const char *head, size_t size) {
    static const char busy[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n"
                               "Content-Length: 13\r\nConnection: close\r\n\r\ntruth refuses";
    struct truth_conn *conn = &truth->conns[fd];
    conn->user = user_of(head, size);
    if (truth_rooms_refuses(truth, conn->user)) {
        truth->counts.refused_http++;
        truth_say(truth, fd, (const uint8_t *)busy, sizeof(busy) - 1);
        return false;
    }
    struct truth_buffer answer = {0};
    bool is_known = truth_wire_upgrade(&answer, head, size);
    if (is_known) {
        truth_say(truth, fd, answer.data, answer.size);
        conn->is_upgraded = true;
        conn->is_echo = size > 10 && memcmp(head, "GET /echo", 9) == 0;
        truth->counts.upgrades++;
    }
    truth_buffer_fini(&answer);
    return is_known;
}
