// A made-up MQTT server, for tests of the load tool: its packets are put one behind the other and
// fed as reads, what the tool sends is taken apart.
#ifndef FAIRLEAD_TESTS_UNIT_LOADGEN_MQTT_FIXTURE_H
#define FAIRLEAD_TESTS_UNIT_LOADGEN_MQTT_FIXTURE_H

#include "tests/unit/loadgen/fake_streams.h"

#define SERVER_BYTES_MAX 65536
#define TOPIC "room/bench-0"

// --- a run with a server made of bytes -----------------------------------------------------------

static uint8_t server_bytes[SERVER_BYTES_MAX];
static struct writer server;

static inline void begin(char *const *argv, int argc) {
    fake_begin(argv, argc);
    run.measure_from_ns = 0;
    run.measure_to_ns = SCHEDULE_NEVER;
    client_connect_due(&run, NS_PER_S);
    server = writer_on(server_bytes, sizeof(server_bytes));
}

// Two clients that are connecting; the second stays so.
#define BEGIN(...)                                                                                 \
    begin((char *[]){"fairlead-load", "--connections", "2", "--room-size", "2", __VA_ARGS__,       \
                     "mqtt://127.0.0.1:1"},                                                        \
          (int)(sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)) + 6)

static inline enum mqtt_version version(void) {
    return (enum mqtt_version)run.options.mqtt_version;
}

static inline void put_connack(uint8_t code, uint16_t receive_max) {
    struct mqtt_connack connack = {.version = (uint8_t)version(), .code = code};
    if (receive_max > 0 && version() == MQTT_5)
        MQTT_PROPERTIES_SET(&connack.properties, receive_max, receive_max);
    mqtt_encode_connack(&server, &connack);
}

static inline void put_suback(uint16_t packet_id, uint8_t code) {
    struct mqtt_suback suback = {
        .version = (uint8_t)version(), .packet_id = packet_id, .codes = bytes_of(&code, 1)};
    mqtt_encode_suback(&server, MQTT_SUBACK, &suback);
}

static inline void put_ack(enum mqtt_type type, uint16_t packet_id, uint8_t reason) {
    struct mqtt_ack ack = {.version = (uint8_t)version(), .reason = reason, .packet_id = packet_id};
    mqtt_encode_ack(&server, type, &ack);
}

static inline void put_empty(enum mqtt_type type) {
    mqtt_encode_header(&server, type, 0, 0);
}

static inline size_t user(uint8_t *out, const char *name, const char *value) {
    struct writer w = writer_on(out, 64);
    writer_put_byte(&w, MQTT_PROPERTY_user);
    mqtt_put_binary(&w, bytes_from_string(name));
    mqtt_put_binary(&w, bytes_from_string(value));
    return w.size;
}

struct made {
    uint8_t qos;
    uint16_t packet_id;
    uint32_t publisher;
    uint32_t number; // 0: another's message
    uint64_t sequence;
    const char *gap;
    const char *topic;
    bool is_duplicate;
    bool is_retained;
};

static inline void put_publish(struct made made) {
    uint8_t payload[64], more[128];
    char text[32];
    size_t more_size = 0;
    struct stamp stamp = {.intended_ns = 5, .publisher = made.publisher, .number = made.number};
    stamp_encode(payload, sizeof(payload), &stamp);
    snprintf(text, sizeof(text), "%llu", (unsigned long long)made.sequence);
    if (made.sequence > 0)
        more_size = user(more, "seq", text);
    if (made.gap)
        more_size += user(more + more_size, "gap", made.gap);
    struct mqtt_publish publish = {.version = (uint8_t)version(),
                                   .qos = made.qos,
                                   .packet_id = made.packet_id,
                                   .is_duplicate = made.is_duplicate,
                                   .is_retained = made.is_retained,
                                   .topic = bytes_from_string(made.topic ? made.topic : TOPIC),
                                   .payload = made.gap ? bytes_of(NULL, 0)
                                              : made.number == 0
                                                  ? BYTES_LITERAL("hello")
                                                  : bytes_of(payload, sizeof(payload))};
    mqtt_encode_publish_head(&server, &publish, bytes_of(more, more_size));
    writer_put(&server, publish.payload);
}

// A fresh copy in memory of its exact size: sanitizers see an overrun.
static inline void feed_to(uint32_t client, size_t from, size_t to) {
    uint8_t *copy = malloc(to - from ? to - from : 1);
    memcpy(copy, server_bytes + from, to - from);
    receive_data(&run, client, copy, to - from);
    free(copy);
}

// All that was put, and begins anew.
static inline void feed(void) {
    feed_to(0, 0, server.size);
    server.size = 0;
}

static inline void join(void) {
    client_on_open(&run, 0, 0);
    put_connack(0, 0);
    put_suback(65534, (uint8_t)run.options.qos);
    feed();
    ck_assert_int_eq(run.clients[0].state, CLIENT_LIVE);
    fake.pushes = 0;
}

// The packets of the last push, taken off one by one.
static struct bytes pushed;

static inline void take_last(void) {
    pushed = bytes_of(fake.raw, fake.raw_size);
}

static inline enum mqtt_type next_packet(struct bytes *body, uint8_t *flags) {
    struct mqtt_header header;
    struct mqtt_error error;
    if (pushed.size == 0)
        return 0;
    ck_assert_int_eq(mqtt_decode_header(pushed, 0, &header, &error), MQTT_OK);
    *body = bytes_of(pushed.data + header.size, header.remaining_size);
    *flags = header.flags;
    pushed = bytes_skip(pushed, (size_t)header.size + header.remaining_size);
    return (enum mqtt_type)header.type;
}

static inline void next_is_ack(enum mqtt_type type, uint16_t packet_id) {
    struct bytes body;
    struct mqtt_ack ack;
    struct mqtt_error error;
    uint8_t flags;
    ck_assert_int_eq(next_packet(&body, &flags), type);
    ck_assert_int_eq(mqtt_decode_ack(body, type, version(), &ack, &error), MQTT_OK);
    ck_assert_uint_eq(ack.packet_id, packet_id);
}

static inline struct mqtt_publish last_publish(void) {
    struct mqtt_publish publish;
    struct mqtt_error error;
    struct bytes body;
    uint8_t flags;
    take_last();
    ck_assert_int_eq(next_packet(&body, &flags), MQTT_PUBLISH);
    ck_assert_int_eq(mqtt_decode_publish(body, flags, version(), &publish, &error), MQTT_OK);
    ck_assert_uint_eq(pushed.size, 0);
    return publish;
}

static inline void nothing_is_wrong(void) {
    ck_assert_uint_eq(result.verify.lost + result.verify.missing + result.verify.duplicates, 0);
    ck_assert_uint_eq(result.verify.disordered + result.strange + result.rejected, 0);
    ck_assert_uint_eq(result_refused_count(&result) + result_dropped_count(&result), 0);
}

// --- a whole conversation ------------------------------------------------------------------------

static inline void put_everything(void) {
    bool is_5 = version() == MQTT_5;
    put_connack(0, 100);
    put_publish((struct made){.qos = 1, .packet_id = 1, .number = 1, .sequence = 10 * is_5});
    put_suback(65534, 2);
    put_publish((struct made){.number = 2, .is_retained = true});
    put_publish((struct made){.qos = 0, .number = 1, .sequence = 11 * is_5});
    put_publish((struct made){.qos = 1, .packet_id = 2, .number = 2, .sequence = 12 * is_5});
    put_publish((struct made){.qos = 2, .packet_id = 3, .number = 3, .sequence = 13 * is_5});
    put_ack(MQTT_PUBREL, 3, 0);
    if (is_5)
        put_publish((struct made){.gap = "14-16"});
    put_publish((struct made){.qos = 2, .packet_id = 3, .number = 4, .sequence = 17 * is_5});
}

static inline void everything_was_understood(void) {
    bool is_5 = version() == MQTT_5;
    ck_assert_int_eq(run.clients[0].state, CLIENT_LIVE);
    ck_assert_uint_eq(run.mqtt.flows.flows[0].cut, SLAB_NONE);
    ck_assert_uint_eq(result.received_all, 4);
    ck_assert_uint_eq(result.verify.received, 4);
    ck_assert_uint_eq(result.verify.announced, is_5 ? 3 : 0);
    ck_assert_int_eq(run.numbers, is_5 ? RUN_NUMBERS_SERVER : RUN_NUMBERS_OWN);
    nothing_is_wrong();
}

static inline void is_refused(enum result_failure why, const char *sentence) {
    feed();
    ck_assert_int_eq(run.clients[0].state, CLIENT_GONE);
    ck_assert_uint_eq(result.failures[why], 1);
    ck_assert_msg(strstr(result.detail, sentence) != NULL, "told: %s", result.detail);
    ck_assert_uint_eq(fake.closes, 1);
    ck_assert_uint_eq(run.mqtt.flows.entries.used_count, 0);
    fake_end();
}

#endif
