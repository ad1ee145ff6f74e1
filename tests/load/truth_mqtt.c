// MQTT 3.1.1 and 5.0 of the truth server (truth.h), written anew on purpose: as much of it as the
// tool uses. A topic that somebody subscribes to is a room; one whose last level begins with
// "echo-" takes requests. Sources: OASIS MQTT Version 5.0 and 3.1.1, section 3.
#include "tests/load/truth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum packet_type {
    CONNECT = 1,
    CONNACK,
    PUBLISH,
    PUBACK,
    PUBREC,
    PUBREL,
    PUBCOMP,
    SUBSCRIBE,
    SUBACK,
    UNSUBSCRIBE,
    UNSUBACK,
    PINGREQ,
    PINGRESP,
    DISCONNECT,
};

enum { VERSION_5 = 5, QUOTA_EXCEEDED = 0x97, NOT_AUTHORIZED = 0x87 };

// --- fields --------------------------------------------------------------------------------------

struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool is_bad;
};

static uint32_t read_number(struct reader *in, int bytes) {
    uint32_t value = 0;
    for (int i = 0; i < bytes; i++) {
        in->is_bad |= in->at >= in->end;
        value = value << 8 | (in->is_bad ? 0u : *in->at++);
    }
    return value;
}

static uint32_t read_variable(struct reader *in) {
    uint32_t value = 0;
    for (int shift = 0; shift < 28; shift += 7) {
        uint32_t byte = read_number(in, 1);
        value |= (byte & 127) << shift;
        if (byte < 128)
            return value;
    }
    in->is_bad = true;
    return 0;
}

static struct truth_text read_bytes(struct reader *in, size_t size) {
    if (in->is_bad || (size_t)(in->end - in->at) < size) {
        in->is_bad = true;
        return (struct truth_text){"", 0};
    }
    in->at += size;
    return (struct truth_text){(const char *)in->at - size, size};
}

static struct truth_text read_string(struct reader *in) {
    size_t size = read_number(in, 2);
    return read_bytes(in, size);
}

static void skip_properties(struct reader *in, uint8_t version) {
    if (version == VERSION_5)
        (void)read_bytes(in, read_variable(in));
}

static void put_number(struct truth_buffer *out, int bytes, uint32_t value) {
    for (int i = bytes - 1; i >= 0; i--)
        truth_buffer_append(out, &(uint8_t){(uint8_t)(value >> 8 * i)}, 1);
}

static void put_variable(struct truth_buffer *out, size_t value) {
    do {
        uint8_t byte = value & 127;
        value >>= 7;
        put_number(out, 1, value > 0 ? byte | 128u : byte);
    } while (value > 0);
}

static void put_string(struct truth_buffer *out, struct truth_text text) {
    put_number(out, 2, (uint32_t)text.size);
    truth_buffer_append(out, text.at, text.size);
}

static void put_user_property(struct truth_buffer *out, const char *name, const char *value) {
    put_number(out, 1, 0x26);
    put_string(out, (struct truth_text){name, strlen(name)});
    put_string(out, (struct truth_text){value, strlen(value)});
}

static void put_packet(struct truth_buffer *out, uint8_t first, const struct truth_buffer *body) {
    put_number(out, 1, first);
    put_variable(out, body->size);
    truth_buffer_append(out, body->data, body->size);
}

static void say_packet(struct truth *truth, uint32_t fd, uint8_t first, struct truth_buffer *body) {
    struct truth_buffer packet = {0};
    put_packet(&packet, first, body);
    truth_say(truth, fd, packet.data, packet.size);
    truth_buffer_fini(&packet);
    truth_buffer_fini(body);
}

// --- deliveries ----------------------------------------------------------------------------------

struct delivery {
    const struct truth_cast *cast;
    const char *property; // NULL: none
    const char *value;
    uint16_t packet_id;
    bool is_repeated;
};

static void put_publish(const struct truth_conn *conn, const struct delivery *d,
                        struct truth_buffer *out) {
    struct truth_buffer body = {0}, properties = {0};
    put_string(&body, d->cast->topic);
    if (conn->qos > 0)
        put_number(&body, 2, d->packet_id);
    if (d->property)
        put_user_property(&properties, d->property, d->value);
    if (conn->version == VERSION_5) {
        put_variable(&body, properties.size);
        truth_buffer_append(&body, properties.data, properties.size);
    }
    truth_buffer_append(&body, d->cast->payload.at, d->cast->payload.size);
    put_packet(out, (uint8_t)(PUBLISH << 4 | conn->qos << 1 | (d->is_repeated ? 8 : 0)), &body);
    truth_buffer_fini(&properties);
    truth_buffer_fini(&body);
}

static uint16_t next_id(struct truth_conn *conn) {
    conn->last_id = conn->last_id < UINT16_MAX ? conn->last_id + 1 : 1;
    return conn->last_id;
}

void truth_mqtt_put_delivery(struct truth *truth, uint32_t fd, const struct truth_cast *cast,
                             uint64_t number, struct truth_buffer *out) {
    struct truth_conn *conn = &truth->conns[fd];
    char value[32];
    struct delivery d = {.cast = cast, .value = value, .packet_id = next_id(conn)};
    snprintf(value, sizeof(value), "%llu", (unsigned long long)number);
    if (conn->version == VERSION_5 && !truth->options.has_no_numbers)
        d.property = "seq";
    put_publish(conn, &d, out);
    if (conn->qos > 0 && truth_rooms_rolls(truth, truth->options.redeliver_one_in)) {
        truth->counts.redelivered++;
        d.is_repeated = true;
        put_publish(conn, &d, out);
    }
}

void truth_mqtt_put_gap(struct truth *truth, uint32_t fd, uint64_t from, uint64_t to,
                        struct truth_buffer *out) {
    struct truth_conn *conn = &truth->conns[fd];
    const struct truth_room *room = &truth->rooms[conn->room];
    char value[48];
    snprintf(value, sizeof(value), "%llu-%llu", (unsigned long long)from, (unsigned long long)to);
    struct truth_cast cast = {.topic = {room->topic, room->topic_size}};
    put_publish(conn,
                &(struct delivery){
                    .cast = &cast, .property = "gap", .value = value, .packet_id = next_id(conn)},
                out);
}

// --- wills ---------------------------------------------------------------------------------------

void truth_mqtt_on_closed(struct truth *truth, uint32_t fd) {
    struct truth_conn *conn = &truth->conns[fd];
    const struct truth_options *o = &truth->options;
    if (conn->will.size == 0)
        return;
    struct truth_buffer will = conn->will;
    conn->will = (struct truth_buffer){0};
    struct truth_cast cast = {.topic = {(const char *)will.data, conn->will_topic_size},
                              .payload = {(const char *)will.data + conn->will_topic_size,
                                          will.size - conn->will_topic_size}};
    const struct truth_room *room = &truth->rooms[truth_rooms_find(truth, cast.topic)];
    bool is_counted = o->wills_max == 0 || truth->counts.wills < o->wills_max;
    truth->counts.wills += is_counted;
    for (uint32_t i = 0; is_counted && i < room->member_count; i++) {
        struct truth_buffer packet = {0};
        bool is_dropped = truth_rooms_rolls(truth, o->drop_will_one_in);
        bool is_doubled = !is_dropped && truth_rooms_rolls(truth, o->double_will_one_in);
        struct truth_conn *watcher = &truth->conns[room->members[i]];
        for (int k = 0; k < (is_dropped ? 0 : is_doubled ? 2 : 1); k++)
            put_publish(watcher, &(struct delivery){.cast = &cast, .packet_id = next_id(watcher)},
                        &packet);
        truth->counts.wills_dropped += is_dropped;
        truth->counts.wills_doubled += is_doubled;
        if (packet.size > 0)
            truth_say(truth, room->members[i], packet.data, packet.size);
        truth_buffer_fini(&packet);
    }
    truth_buffer_fini(&will);
}

// --- packets of a client -------------------------------------------------------------------------

static void say_ack(struct truth *truth, uint32_t fd, enum packet_type type, uint32_t packet_id,
                    uint8_t reason) {
    struct truth_buffer body = {0};
    put_number(&body, 2, packet_id);
    if (reason > 0 && truth->conns[fd].version == VERSION_5)
        put_number(&body, 1, reason);
    say_packet(truth, fd, (uint8_t)(type << 4 | (type == PUBREL ? 2 : 0)), &body);
}

static void read_will(struct truth_conn *conn, struct reader *in) {
    skip_properties(in, conn->version);
    struct truth_text topic = read_string(in), payload = read_string(in);
    truth_buffer_append(&conn->will, topic.at, topic.size);
    truth_buffer_append(&conn->will, payload.at, payload.size);
    conn->will_topic_size = topic.size;
}

static bool on_connect(struct truth *truth, uint32_t fd, struct reader *in) {
    struct truth_conn *conn = &truth->conns[fd];
    struct truth_text name = read_string(in);
    conn->version = (uint8_t)read_number(in, 1);
    uint32_t flags = read_number(in, 1);
    (void)read_number(in, 2);
    skip_properties(in, conn->version);
    struct truth_text client_id = read_string(in);
    if (flags & 4)
        read_will(conn, in);
    if (in->is_bad || name.size != 4 || memcmp(name.at, "MQTT", 4) != 0)
        return false;
    char text[16] = "";
    memcpy(text, client_id.at, client_id.size < 15 ? client_id.size : 15);
    unsigned long user = text[0] == 'u' ? strtoul(text + 1, NULL, 10) : TRUTH_USERS_MAX;
    conn->user = user < TRUTH_USERS_MAX ? (uint32_t)user : TRUTH_USERS_MAX;
    bool is_refused = truth_rooms_refuses(truth, conn->user);
    struct truth_buffer body = {0};
    put_number(&body, 1, 0);
    put_number(&body, 1, !is_refused ? 0 : conn->version == VERSION_5 ? NOT_AUTHORIZED : 5);
    if (conn->version == VERSION_5)
        put_variable(&body, 0);
    say_packet(truth, fd, CONNACK << 4, &body);
    conn->is_upgraded = !is_refused;
    truth->counts.upgrades += !is_refused;
    truth->counts.refused_connack += is_refused;
    if (is_refused)
        truth_buffer_fini(&conn->will);
    return !is_refused;
}

// $share/group/topic
static struct truth_text without_group(struct truth_text filter) {
    static const char share[] = "$share/";
    if (filter.size < sizeof(share) || memcmp(filter.at, share, sizeof(share) - 1) != 0)
        return filter;
    const char *group = filter.at + sizeof(share) - 1, *end = filter.at + filter.size;
    const char *slash = memchr(group, '/', (size_t)(end - group));
    if (slash == NULL)
        return filter;
    return (struct truth_text){slash + 1, (size_t)(end - slash - 1)};
}

static bool on_subscribe(struct truth *truth, uint32_t fd, struct reader *in) {
    struct truth_conn *conn = &truth->conns[fd];
    uint32_t packet_id = read_number(in, 2);
    skip_properties(in, conn->version);
    struct truth_text filter = read_string(in), topic = without_group(filter);
    uint8_t qos = read_number(in, 1) & 3;
    if (in->is_bad || topic.size >= TRUTH_TOPIC_SIZE_MAX)
        return false;
    struct truth_buffer body = {0};
    put_number(&body, 2, packet_id);
    if (conn->version == VERSION_5)
        put_variable(&body, 0);
    bool is_refused = truth_rooms_refuses_join(truth);
    put_number(&body, 1, !is_refused ? qos : conn->version == VERSION_5 ? NOT_AUTHORIZED : 0x80);
    say_packet(truth, fd, SUBACK << 4, &body);
    if (is_refused)
        return true;
    conn->qos = qos;
    uint32_t room = truth_rooms_find(truth, topic);
    truth->rooms[room].is_shared = topic.at != filter.at;
    truth_rooms_enter(truth, fd, room);
    return true;
}

static bool on_unsubscribe(struct truth *truth, uint32_t fd, struct reader *in) {
    const struct truth_conn *conn = &truth->conns[fd];
    uint32_t packet_id = read_number(in, 2);
    truth->counts.leaves++;
    truth_rooms_leave(truth, fd);
    struct truth_buffer body = {0};
    put_number(&body, 2, packet_id);
    if (conn->version == VERSION_5) {
        put_variable(&body, 0);
        put_number(&body, 1, 0);
    }
    say_packet(truth, fd, UNSUBACK << 4, &body);
    return !in->is_bad;
}

static bool is_request(struct truth_text topic) {
    for (size_t i = topic.size; i > 0; i--)
        if (topic.at[i - 1] == '/')
            return topic.size - i > 5 && memcmp(topic.at + i, "echo-", 5) == 0;
    return false;
}

// The acknowledgement of a request is what faults are done to.
static void answer(struct truth *truth, uint32_t fd, uint32_t packet_id) {
    struct truth_buffer body = {0}, packet = {0};
    truth->counts.requests++;
    put_number(&body, 2, packet_id);
    put_packet(&packet, PUBACK << 4, &body);
    truth_rooms_answer(truth, fd, &packet);
    truth_buffer_fini(&packet);
    truth_buffer_fini(&body);
}

static bool on_publish(struct truth *truth, uint32_t fd, uint8_t flags, struct reader *in) {
    const struct truth_conn *conn = &truth->conns[fd];
    uint8_t qos = flags >> 1 & 3;
    struct truth_text topic = read_string(in);
    uint32_t packet_id = qos > 0 ? read_number(in, 2) : 0;
    skip_properties(in, conn->version);
    struct truth_text payload = read_bytes(in, in->is_bad ? 0 : (size_t)(in->end - in->at));
    if (in->is_bad)
        return false;
    enum packet_type ack = qos == 2 ? PUBREC : PUBACK;
    enum truth_fate fate = truth_rooms_admit(truth, fd, qos > 0 && conn->version == VERSION_5);
    if (fate == TRUTH_RESET)
        return true;
    if (fate == TRUTH_REJECTED) {
        say_ack(truth, fd, ack, packet_id, QUOTA_EXCEEDED);
        return true;
    }
    if (is_request(topic)) {
        answer(truth, fd, packet_id);
        return true;
    }
    if (qos > 0 && !truth->options.answers_no_publish)
        say_ack(truth, fd, ack, packet_id, 0);
    truth_rooms_publish(truth, truth_rooms_find(truth, topic),
                        &(struct truth_cast){.topic = topic, .payload = payload});
    return true;
}

static bool on_packet(struct truth *truth, uint32_t fd, uint8_t first, struct reader *in) {
    enum packet_type type = first >> 4;
    struct truth_buffer nothing = {0};
    if ((type == CONNECT) == truth->conns[fd].is_upgraded)
        return false;
    switch (type) {
    case CONNECT:
        return on_connect(truth, fd, in);
    case PUBLISH:
        return on_publish(truth, fd, first & 15, in);
    case SUBSCRIBE:
        return on_subscribe(truth, fd, in);
    case UNSUBSCRIBE:
        return on_unsubscribe(truth, fd, in);
    case PUBREC:
        say_ack(truth, fd, PUBREL, read_number(in, 2), 0);
        return !in->is_bad;
    case PUBREL:
        say_ack(truth, fd, PUBCOMP, read_number(in, 2), 0);
        return !in->is_bad;
    case PUBACK:
    case PUBCOMP:
        truth->counts.acks++;
        return true;
    case PINGREQ:
        truth->counts.heartbeats++;
        if (!truth->options.ignores_heartbeats)
            say_packet(truth, fd, PINGRESP << 4, &nothing);
        return true;
    case DISCONNECT:
        truth_buffer_fini(&truth->conns[fd].will);
        return false;
    case CONNACK:
    case SUBACK:
    case UNSUBACK:
    case PINGRESP:
        break;
    }
    truth->counts.strange++;
    return false;
}

long truth_mqtt_take(struct truth *truth, uint32_t fd, const uint8_t *data, size_t size) {
    struct reader in = {data + 1, data + size, false};
    uint32_t remaining = size > 1 ? read_variable(&in) : 0;
    if (size < 2 || (in.is_bad && size < 5))
        return 0;
    if (in.is_bad || remaining > TRUTH_MESSAGE_SIZE_MAX)
        return -1;
    if ((size_t)(in.end - in.at) < remaining)
        return 0;
    in.end = in.at + remaining;
    return on_packet(truth, fd, data[0], &in) ? (long)(in.end - data) : -1;
}
