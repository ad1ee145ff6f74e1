// Goal: a delivery read fast is read as the codec reads it, and everything else is left to the
// codec. Method: packets made by the codec, whole and cut at every byte, both ways compared.
#include "loadgen/mqtt_scan.h"
#include "tests/unit/unit.h"

#define TOPIC "room/bench-12"

static struct mqtt_scan_expected expected;
static uint8_t packet[4096];
static struct bytes body;
static uint8_t flags;

static void put(struct mqtt_publish publish, const uint8_t *user, size_t user_size) {
    struct writer w = writer_on(packet, sizeof(packet));
    struct mqtt_header header;
    struct mqtt_error error;
    publish.payload = BYTES_LITERAL("payload");
    mqtt_encode_publish_head(&w, &publish, bytes_of(user, user_size));
    writer_put(&w, publish.payload);
    ck_assert_int_eq(mqtt_decode_header(writer_bytes(&w), 0, &header, &error), MQTT_OK);
    body = bytes_skip(writer_bytes(&w), header.size);
    flags = header.flags;
    mqtt_scan_expect(&expected, BYTES_LITERAL(TOPIC));
}

static size_t user(uint8_t *out, const char *name, const char *value) {
    struct writer w = writer_on(out, 200);
    writer_put_byte(&w, MQTT_PROPERTY_user);
    mqtt_put_binary(&w, bytes_from_string(name));
    mqtt_put_binary(&w, bytes_from_string(value));
    return w.size;
}

// Both readers understand the same.
static void is_usual(uint8_t qos, enum mqtt_version version, uint64_t sequence) {
    struct mqtt_scan_delivery d;
    struct mqtt_publish decoded;
    struct mqtt_error error;
    ck_assert(mqtt_scan_usual(&expected, body, qos, version, &d));
    ck_assert_int_eq(mqtt_decode_publish(body, flags, version, &decoded, &error), MQTT_OK);
    ck_assert_uint_eq(d.sequence, sequence);
    ck_assert_uint_eq(d.packet_id, decoded.packet_id);
    ck_assert(bytes_equal(d.payload, decoded.payload));
}

static bool is_seen(uint8_t qos, enum mqtt_version version) {
    struct mqtt_scan_delivery d;
    return mqtt_scan_usual(&expected, body, qos, version, &d);
}

START_TEST(mqtt_scan_reads_every_qos_and_version_as_the_codec_does) {
    uint8_t seq[200];
    size_t seq_size = user(seq, "seq", "18446744073709551615");
    for (uint8_t qos = 0; qos <= 2; qos++) {
        struct mqtt_publish publish = {
            .version = MQTT_3_1_1, .qos = qos, .packet_id = 513, .topic = BYTES_LITERAL(TOPIC)};
        put(publish, NULL, 0);
        is_usual(qos, MQTT_3_1_1, 0);
        publish.version = MQTT_5;
        put(publish, NULL, 0);
        is_usual(qos, MQTT_5, 0);
        put(publish, seq, seq_size);
        is_usual(qos, MQTT_5, UINT64_MAX);
    }
}
END_TEST

START_TEST(mqtt_scan_leaves_what_is_unusual_to_the_codec) {
    uint8_t more[400];
    struct mqtt_publish publish = {.version = MQTT_5, .topic = BYTES_LITERAL("room/bench-1")};
    put(publish, NULL, 0);
    ck_assert(!is_seen(0, MQTT_5)); // a topic that ours begins with
    publish.topic = BYTES_LITERAL(TOPIC "3");
    put(publish, NULL, 0);
    ck_assert(!is_seen(0, MQTT_5)); // one that begins with ours
    publish.topic = BYTES_LITERAL(TOPIC);
    put(publish, more, user(more, "gap", "1-2"));
    ck_assert(!is_seen(0, MQTT_5));
    put(publish, more, user(more, "sea", "1"));
    ck_assert(!is_seen(0, MQTT_5));
    put(publish, more, user(more, "seq", "1x"));
    ck_assert(!is_seen(0, MQTT_5));
    put(publish, more, user(more, "seq", ""));
    ck_assert(!is_seen(0, MQTT_5));
    put(publish, more, user(more, "seq", "18446744073709551616"));
    ck_assert(!is_seen(0, MQTT_5));
    size_t size = user(more, "seq", "5");
    put(publish, more, size + user(more + size, "event", "msg"));
    ck_assert(!is_seen(0, MQTT_5));
    size = user(more, "event", "msg");
    put(publish, more, size + user(more + size, "seq", "5"));
    ck_assert(!is_seen(0, MQTT_5));
    MQTT_PROPERTIES_SET(&publish.properties, message_expiry_s, 5);
    put(publish, NULL, 0);
    ck_assert(!is_seen(0, MQTT_5));
    publish = (struct mqtt_publish){
        .version = MQTT_5, .qos = 1, .packet_id = 1, .topic = BYTES_LITERAL(TOPIC)};
    put(publish, NULL, 0);
    packet[2 + 2 + sizeof(TOPIC) - 1] = packet[2 + 2 + sizeof(TOPIC)] = 0; // identifier 0
    ck_assert(!is_seen(1, MQTT_5));
    ck_assert(!is_seen(3, MQTT_5));
}
END_TEST

START_TEST(mqtt_scan_never_reads_beyond_a_body_that_was_cut) {
    uint8_t seq[200];
    struct mqtt_publish publish = {
        .version = MQTT_5, .qos = 2, .packet_id = 7, .topic = BYTES_LITERAL(TOPIC)};
    put(publish, seq, user(seq, "seq", "12"));
    size_t whole = body.size, head = whole - 7; // the payload
    for (size_t size = 0; size < whole; size++) {
        uint8_t *copy = malloc(size ? size : 1); // of its exact size: sanitizers see an overrun
        memcpy(copy, body.data, size);
        struct mqtt_scan_delivery d;
        bool is_whole = mqtt_scan_usual(&expected, bytes_of(copy, size), 2, MQTT_5, &d);
        ck_assert_int_eq(is_whole, size >= head);
        free(copy);
    }
}
END_TEST

START_TEST(mqtt_scan_finds_what_a_gateway_says) {
    static const struct {
        const char *gap;
        bool is_one;
    } gaps[] = {{"3-17", true}, {"3", false}, {"-", false},    {"3-", false},
                {"x-4", false}, {"", false},  {"3-17-", false}};
    for (size_t i = 0; i < sizeof(gaps) / sizeof(gaps[0]); i++) {
        uint8_t more[400];
        struct mqtt_publish publish = {.version = MQTT_5, .topic = BYTES_LITERAL(TOPIC)};
        struct mqtt_publish decoded;
        struct mqtt_error error;
        struct mqtt_scan_said said;
        size_t size = user(more, "event", "msg");
        size += user(more + size, "seq", "41");
        put(publish, more, size + user(more + size, "gap", gaps[i].gap));
        ck_assert_int_eq(mqtt_decode_publish(body, flags, MQTT_5, &decoded, &error), MQTT_OK);
        mqtt_scan_properties(&decoded.properties, &said);
        ck_assert_uint_eq(said.sequence, 41);
        ck_assert_int_eq(said.has_gap, gaps[i].is_one);
        if (gaps[i].is_one)
            ck_assert(said.gap_from == 3 && said.gap_to == 17);
    }
}
END_TEST

UNIT_MAIN("loadgen/mqtt_scan", mqtt_scan_reads_every_qos_and_version_as_the_codec_does,
          mqtt_scan_leaves_what_is_unusual_to_the_codec,
          mqtt_scan_never_reads_beyond_a_body_that_was_cut, mqtt_scan_finds_what_a_gateway_says)
