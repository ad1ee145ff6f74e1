// What is encoded is decoded again by the codec, whose own tests hold it against the specification;
// payloads and the connection's parcel are stand-ins. Sizes at the borders of the length fields.
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "chat/publish.h"
#include "gateway/mqtt_conn.h"
#include "gateway/mqtt_format.h"
#include "gateway/wire/mqtt_publish.h"
#include "sched/base/clock.h"
#include "topics/topic_message.h"

static struct memory_ledger ledger;
static struct blocks blocks;
static struct scheduler scheduler; // its clock alone
static struct gateway gateway;
static struct chat_publish published;
static struct topic_message message;

#define ROOM_PAYLOAD 1u
#define TOPIC_PAYLOAD 2u

struct chat_publish publish_view(const struct scheduler *unused, uint64_t payload) {
    ck_assert_uint_eq(payload, ROOM_PAYLOAD);
    return published;
}

struct topic_message topic_message_view(const struct scheduler *unused, uint64_t payload) {
    ck_assert_uint_eq(payload, TOPIC_PAYLOAD);
    return message;
}

uint32_t mqtt_conn_parcel(struct blocks *from, bool is_ws, size_t packet_size,
                          enum parcel_class parcel_class, struct writer *w) {
    size_t header_size = is_ws ? websocket_header_size(packet_size) : 0;
    uint32_t id = parcel_acquire(from, header_size + packet_size, parcel_class);
    if (id == BLOCK_NONE)
        return BLOCK_NONE;
    *w = writer_on(parcel_at(from, id)->data, header_size + packet_size);
    if (is_ws)
        websocket_encode_header(
            w, &(struct websocket_frame){.opcode = WEBSOCKET_BINARY, .payload_size = packet_size});
    return id;
}

static void open(void) {
    ck_assert_int_eq(blocks_init(&blocks, &ledger, 16 << 20), 0);
    scheduler.now_ns = 1000 * NS_PER_S;
    gateway = (struct gateway){.parts = {.scheduler = &scheduler, .blocks = &blocks}};
    published = (struct chat_publish){.event = BYTES_LITERAL("shout"),
                                      .body = BYTES_LITERAL("{\"a\":1}"),
                                      .room = BYTES_LITERAL("lobby")};
    message = (struct topic_message){.topic = BYTES_LITERAL("a/b"), .body = BYTES_LITERAL("x")};
}

static void close(void) {
    blocks_check_empty(&blocks);
    blocks_fini(&blocks);
    memory_release_all(&ledger);
}

// --- looking at it -------------------------------------------------------------------------------

static uint8_t seen_bytes[1 << 20];
static struct mqtt_publish seen;
static size_t seen_size; // of the MQTT packet

// Takes the parcel apart; the frame and the packet must fill it exactly.
static void look(uint32_t parcel, uint32_t format, enum parcel_class parcel_class) {
    ck_assert_uint_ne(parcel, BLOCK_NONE);
    const struct parcel *slot = parcel_at(&blocks, parcel);
    ck_assert_uint_eq(slot->refs, 1);
    ck_assert_int_eq(slot->class, parcel_class);
    ck_assert_uint_eq(slot->room, SLAB_NONE);
    memcpy(seen_bytes, slot->data, slot->size);
    struct bytes all = bytes_of(seen_bytes, slot->size);
    ck_assert_uint_eq(mqtt_format_packet_size(format, all.size),
                      all.size - (mqtt_format_is_ws(format) ? (seen_bytes[1] < 126    ? 2
                                                               : seen_bytes[1] == 126 ? 4
                                                                                      : 10)
                                                            : 0));
    if (mqtt_format_is_ws(format)) {
        ck_assert_uint_eq(seen_bytes[0], 0x82); // FIN, binary, not masked
        all = bytes_skip(all, seen_bytes[1] < 126 ? 2 : seen_bytes[1] == 126 ? 4 : 10);
    }
    struct mqtt_header header;
    struct mqtt_error error;
    ck_assert_int_eq(mqtt_decode_header(all, 0, &header, &error), MQTT_OK);
    ck_assert_int_eq(header.type, MQTT_PUBLISH);
    ck_assert_uint_eq(header.size + header.remaining_size, all.size);
    seen_size = all.size;
    enum mqtt_version version = mqtt_format_is_5(format) ? MQTT_5 : MQTT_3_1_1;
    ck_assert_int_eq(
        mqtt_decode_publish(bytes_skip(all, header.size), header.flags, version, &seen, &error),
        MQTT_OK);
    parcel_unref(&blocks, parcel);
}

#define EXPECT_BYTES(view, text) ck_assert(bytes_equal(view, BYTES_LITERAL(text)))

// The user properties as "name=value;…".
static const char *users(void) {
    static char text[1024];
    size_t at = 0, size = 0;
    struct mqtt_pair pair;
    text[0] = 0;
    while (mqtt_properties_next_user(&seen.properties, &at, &pair))
        size +=
            (size_t)snprintf(text + size, sizeof(text) - size, "%.*s=%.*s;", (int)pair.name.size,
                             pair.name.data, (int)pair.value.size, pair.value.data);
    return text;
}

static bool has(enum mqtt_property id) {
    return mqtt_properties_has(&seen.properties, id);
}

static const uint32_t formats[] = {FORMAT_MQTT_3, FORMAT_MQTT_5, FORMAT_MQTT_3_WS,
                                   FORMAT_MQTT_5_WS};
#define EACH_FORMAT(format)                                                                        \
    for (uint32_t format##_at = 0, format = 0;                                                     \
         format##_at < 4 && (format = formats[format##_at], true); format##_at++)

static void look_at_room(uint32_t format, uint64_t sequence) {
    look(mqtt_format_room_message(&gateway, format, BYTES_LITERAL("lobby"), &published, sequence),
         format, PARCEL_ROOM);
}

static void look_at_topic(uint32_t format) {
    look(mqtt_format_topic_message(&gateway, format, &message), format, PARCEL_ROOM);
}

// --- shared formats ------------------------------------------------------------------------------

START_TEST(a_room_message_is_a_publish_of_qos_0_on_room_and_name) {
    open();
    EACH_FORMAT(format) {
        look_at_room(format, 7);
        EXPECT_BYTES(seen.topic, "room/lobby");
        EXPECT_BYTES(seen.payload, "{\"a\":1}");
        ck_assert_uint_eq(seen.qos, 0);
        ck_assert(!seen.is_retained && !seen.is_duplicate); // [MQTT-3.3.1-12]
    }
    close();
}
END_TEST

START_TEST(five_is_told_the_sequence_number_and_events_other_than_shout) {
    open();
    look_at_room(FORMAT_MQTT_5, UINT64_MAX);
    ck_assert_str_eq(users(), "seq=18446744073709551615;");
    published.event = BYTES_LITERAL("typing");
    look_at_room(FORMAT_MQTT_5_WS, 1);
    ck_assert_str_eq(users(), "seq=1;event=typing;");
    look_at_room(FORMAT_MQTT_5, 0); // not in the sequence
    ck_assert_str_eq(users(), "event=typing;");
    look_at_room(FORMAT_MQTT_3, 1);
    EXPECT_BYTES(seen.payload, "{\"a\":1}");
    close();
}
END_TEST

// Payload format 1, content type "t", response topic "r", correlation "c", users b=1, a=2.
static const uint8_t block[] = {0x01, 1, 0x03, 0,   1, 't', 0x08, 0,    1, 'r', 0x09, 0, 1, 'c',
                                0x26, 0, 1,    'b', 0, 1,   '1',  0x26, 0, 1,   'a',  0, 1, '2'};

START_TEST(what_the_publisher_said_reaches_5_unaltered_and_in_order) { // [MQTT-3.3.2-4, -15, -16,
                                                                       // -17, -18, -20]
    open();
    message.properties = published.properties = bytes_of(block, sizeof(block));
    for (int i = 0; i < 2; i++) {
        if (i == 0)
            look_at_room(FORMAT_MQTT_5, 3);
        else
            look_at_topic(FORMAT_MQTT_5_WS);
        ck_assert_uint_eq(seen.properties.payload_format, 1);
        EXPECT_BYTES(seen.properties.content_type, "t");
        EXPECT_BYTES(seen.properties.response_topic, "r");
        EXPECT_BYTES(seen.properties.correlation_data, "c");
        ck_assert_str_eq(users(), i == 0 ? "b=1;a=2;seq=3;" : "b=1;a=2;");
        ck_assert(!has(MQTT_PROPERTY_topic_alias) && !has(MQTT_PROPERTY_message_expiry_s));
    }
    look_at_topic(FORMAT_MQTT_3);
    EXPECT_BYTES(seen.payload, "x");
    close();
}
END_TEST

START_TEST(the_expiry_told_is_what_was_given_less_whole_seconds_passed) { // [MQTT-3.3.2-6]
    const struct {
        uint64_t passed_ns;
        uint32_t left_s;
    } table[] = {{0, 60},
                 {1, 60},
                 {NS_PER_S - 1, 60},
                 {NS_PER_S, 59},
                 {NS_PER_S + 1, 59},
                 {59 * NS_PER_S, 1},
                 {60 * NS_PER_S, 0},
                 {61 * NS_PER_S, 0}};
    open();
    message.expires_ns = published.expires_ns = scheduler.now_ns + 60 * NS_PER_S;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        scheduler.now_ns = 1000 * NS_PER_S + table[i].passed_ns;
        look_at_topic(FORMAT_MQTT_5);
        ck_assert(has(MQTT_PROPERTY_message_expiry_s));
        ck_assert_uint_eq(seen.properties.message_expiry_s, table[i].left_s);
        look_at_room(FORMAT_MQTT_5, 1);
        ck_assert_uint_eq(seen.properties.message_expiry_s, table[i].left_s);
    }
    message.expires_ns = 0;
    look_at_topic(FORMAT_MQTT_5);
    ck_assert(!has(MQTT_PROPERTY_message_expiry_s));
    message.expires_ns = UINT64_MAX;
    look_at_topic(FORMAT_MQTT_5);
    ck_assert_uint_eq(seen.properties.message_expiry_s, UINT32_MAX);
    close();
}
END_TEST

START_TEST(packets_fill_their_parcel_at_every_border_of_the_length_fields) {
    static uint8_t body[70000];
    open();
    memset(body, 'y', sizeof(body));
    EACH_FORMAT(format) {
        const size_t borders[] = {0, 110, 128, 16370, 65520, sizeof(body) - 40};
        for (size_t b = 0; b < sizeof(borders) / sizeof(borders[0]); b++)
            for (size_t size = borders[b]; size < borders[b] + 40; size++) {
                message.body = bytes_of(body, size);
                look_at_topic(format);
                ck_assert(bytes_equal(seen.payload, message.body));
            }
    }
    close();
}
END_TEST

START_TEST(long_properties_have_a_length_of_two_bytes) {
    static uint8_t text[400];
    open();
    struct writer w = writer_on(text, sizeof(text));
    while (w.size < 300)
        mqtt_properties_put_user(&w, BYTES_LITERAL("name"), BYTES_LITERAL("value"));
    message.properties = writer_bytes(&w);
    look_at_topic(FORMAT_MQTT_5);
    ck_assert(bytes_equal(seen.properties.raw, message.properties));
    close();
}
END_TEST

START_TEST(a_gap_is_an_empty_publish_with_its_numbers) {
    open();
    for (uint32_t format = FORMAT_MQTT_5; format <= FORMAT_MQTT_5_WS; format += 2) {
        look(mqtt_format_gap(&gateway, format, BYTES_LITERAL("lobby"), 4, 19), format,
             PARCEL_CONTROL);
        EXPECT_BYTES(seen.topic, "room/lobby");
        ck_assert_uint_eq(seen.payload.size, 0);
        ck_assert_str_eq(users(), "gap=4-19;");
    }
    close();
}
END_TEST

static size_t put_record(uint8_t *to, const char *user, enum presence_change change) {
    struct presence_record record = {
        .ref = 5, .user_size = (uint8_t)strlen(user), .change = (uint8_t)change};
    memcpy(to, &record, sizeof(record));
    memcpy(to + sizeof(record), user, record.user_size);
    return sizeof(record) + record.user_size;
}

START_TEST(presence_is_json_on_its_own_topic_and_the_state_is_retained) {
    uint8_t records[256];
    open();
    EACH_FORMAT(format) {
        struct mqtt_format_presence how = {.format = format, .room = BYTES_LITERAL("lobby")};
        size_t size = put_record(records, "ada", PRESENCE_IS);
        look(mqtt_format_presence(&gateway, &how, bytes_of(records, size), true), format,
             PARCEL_STATE);
        EXPECT_BYTES(seen.topic, "room/lobby/$presence");
        EXPECT_BYTES(seen.payload, "{\"state\":{\"ada\":{\"metas\":[{\"phx_ref\":\"5\"}]}}}");
        ck_assert(seen.is_retained);
        size = put_record(records, "ada", PRESENCE_JOINS);
        size += put_record(records + size, "bob", PRESENCE_LEAVES);
        how.subscription_id = 300;
        look(mqtt_format_presence(&gateway, &how, bytes_of(records, size), false), format,
             PARCEL_STATE);
        EXPECT_BYTES(seen.payload, "{\"joins\":{\"ada\":{\"metas\":[{\"phx_ref\":\"5\"}]}},"
                                   "\"leaves\":{\"bob\":{\"metas\":[{\"phx_ref\":\"5\"}]}}}");
        ck_assert(!seen.is_retained);
        ck_assert_int_eq(has(MQTT_PROPERTY_subscription_id), mqtt_format_is_5(format));
        look(mqtt_format_count(&gateway, &how, 3, UINT32_MAX), format, PARCEL_STATE);
        EXPECT_BYTES(seen.payload, "{\"users\":3,\"connections\":4294967295}");
    }
    close();
}
END_TEST

// --- for one client ------------------------------------------------------------------------------

static void look_at_one(const struct mqtt_format_one *one) {
    size_t size = mqtt_format_size(&gateway, one);
    look(mqtt_format_encode(&gateway, one), one->format, one->parcel_class);
    ck_assert_uint_eq(seen_size, size);
}

START_TEST(one_client_gets_its_packet_id_flags_and_identifiers) { // [MQTT-3.3.4-3 … 5]
    static const uint32_t ids[] = {1, MQTT_PROPERTIES_SUBSCRIPTION_ID_MAX};
    open();
    struct mqtt_delivery delivery = {.source = MQTT_FROM_ROOM,
                                     .payload = ROOM_PAYLOAD,
                                     .sequence = 9,
                                     .qos = 2,
                                     .is_retained = true,
                                     .id_count = 2,
                                     .ids = ids};
    EACH_FORMAT(format) {
        const struct mqtt_format_one one = {.delivery = &delivery,
                                            .format = format,
                                            .packet_id = 0x1234,
                                            .is_duplicate = true,
                                            .has_topic = true,
                                            .parcel_class = PARCEL_ROOM};
        look_at_one(&one);
        EXPECT_BYTES(seen.topic, "room/lobby");
        ck_assert_uint_eq(seen.packet_id, 0x1234);
        ck_assert(seen.qos == 2 && seen.is_duplicate && seen.is_retained);
        if (!mqtt_format_is_5(format))
            continue;
        size_t at = 0;
        uint32_t id = 0;
        ck_assert(mqtt_properties_next_subscription_id(&seen.properties, &at, &id) && id == 1);
        ck_assert(mqtt_properties_next_subscription_id(&seen.properties, &at, &id));
        ck_assert_uint_eq(id, MQTT_PROPERTIES_SUBSCRIPTION_ID_MAX);
        ck_assert(!mqtt_properties_next_subscription_id(&seen.properties, &at, &id));
        ck_assert_str_eq(users(), "seq=9;");
    }
    close();
}
END_TEST

START_TEST(an_alias_stands_for_the_topic_of_5_only) { // 3.3.2.3.4
    open();
    const struct mqtt_delivery delivery = {.source = MQTT_FROM_TOPIC, .payload = TOPIC_PAYLOAD};
    EACH_FORMAT(format) {
        struct mqtt_format_one one = {.delivery = &delivery,
                                      .format = format,
                                      .topic_alias = UINT16_MAX,
                                      .has_topic = true,
                                      .parcel_class = PARCEL_CONTROL};
        look_at_one(&one);
        EXPECT_BYTES(seen.topic, "a/b");
        ck_assert_uint_eq(seen.properties.topic_alias, mqtt_format_is_5(format) ? UINT16_MAX : 0);
        one.has_topic = false;
        look_at_one(&one);
        ck_assert_uint_eq(seen.topic.size, mqtt_format_is_5(format) ? 0 : 3);
    }
    close();
}
END_TEST

START_TEST(topic_and_expiry_of_a_delivery_are_those_of_its_message) {
    uint8_t text[64];
    open();
    const struct mqtt_delivery room = {.source = MQTT_FROM_ROOM, .payload = ROOM_PAYLOAD};
    const struct mqtt_delivery topic = {.source = MQTT_FROM_TOPIC, .payload = TOPIC_PAYLOAD};
    published.expires_ns = 5;
    message.expires_ns = 6;
    ck_assert_uint_eq(mqtt_format_expires_ns(&gateway, &room), 5);
    ck_assert_uint_eq(mqtt_format_expires_ns(&gateway, &topic), 6);
    struct writer w = writer_on(text, sizeof(text));
    mqtt_format_topic(&gateway, &room, &w);
    EXPECT_BYTES(writer_bytes(&w), "room/lobby");
    w = writer_on(text, sizeof(text));
    mqtt_format_topic(&gateway, &topic, &w);
    EXPECT_BYTES(writer_bytes(&w), "a/b");
    close();
}
END_TEST

// --- what came in --------------------------------------------------------------------------------

// Properties of a PUBLISH as the codec gives them.
static struct mqtt_properties decoded(struct bytes raw) {
    static uint8_t text[512];
    struct writer w = writer_on(text, sizeof(text));
    mqtt_put_variable(&w, (uint32_t)raw.size);
    writer_put(&w, raw);
    struct mqtt_reader reader = mqtt_reader_on(writer_bytes(&w));
    struct mqtt_properties properties;
    mqtt_properties_decode(&reader, MQTT_IN(MQTT_PUBLISH), &properties);
    ck_assert(!reader.is_bad);
    return properties;
}

START_TEST(what_is_the_messages_own_travels_as_it_came) {
    open();
    struct mqtt_properties properties = decoded(bytes_of(block, sizeof(block)));
    struct mqtt_format_block taken;
    ck_assert(mqtt_format_block_take(&gateway, &properties, &taken));
    ck_assert_ptr_eq(taken.bytes.data, properties.raw.data);
    ck_assert_uint_eq(taken.bytes.size, sizeof(block));
    mqtt_format_block_release(&gateway, &taken);
    properties = (struct mqtt_properties){0};
    ck_assert(mqtt_format_block_take(&gateway, &properties, &taken));
    ck_assert_uint_eq(taken.bytes.size, 0);
    mqtt_format_block_release(&gateway, &taken);
    close();
}
END_TEST

START_TEST(aliases_and_expiry_stay_behind) {
    static uint8_t text[512];
    for (size_t size = 0; size < 140; size++) { // around a length of two bytes, too
        open();
        struct writer w = writer_on(text, sizeof(text));
        static const uint8_t expiry[] = {0x02, 0, 0, 0, 60}, alias[] = {0x23, 0, 7};
        static uint8_t value[140];
        memset(value, 'v', sizeof(value));
        writer_put(&w, bytes_of(expiry, sizeof(expiry)));
        if (size > 0)
            mqtt_properties_put_user(&w, BYTES_LITERAL("k"), bytes_of(value, size));
        writer_put(&w, bytes_of(alias, sizeof(alias)));
        struct mqtt_properties properties = decoded(writer_bytes(&w));
        struct mqtt_format_block taken;
        ck_assert(mqtt_format_block_take(&gateway, &properties, &taken));
        ck_assert_uint_eq(taken.bytes.size, size > 0 ? 6 + size : 0);
        if (size > 0)
            ck_assert(bytes_equal(taken.bytes, bytes_of(text + sizeof(expiry), 6 + size)));
        mqtt_format_block_release(&gateway, &taken);
        close();
    }
}
END_TEST

START_TEST(without_memory_there_is_no_parcel_and_nothing_is_held) {
    open();
    blocks.bytes_max = 0;
    ck_assert_uint_eq(mqtt_format_topic_message(&gateway, FORMAT_MQTT_5, &message), BLOCK_NONE);
    ck_assert_uint_eq(mqtt_format_gap(&gateway, FORMAT_MQTT_5, BYTES_LITERAL("lobby"), 1, 2),
                      BLOCK_NONE);
    const struct mqtt_format_presence how = {FORMAT_MQTT_5, BYTES_LITERAL("lobby"), 0};
    ck_assert_uint_eq(mqtt_format_presence(&gateway, &how, (struct bytes){0}, true), BLOCK_NONE);
    static const uint8_t mixed[] = {0x23, 0, 7, 0x01, 1};
    struct mqtt_properties properties = decoded(bytes_of(mixed, sizeof(mixed)));
    struct mqtt_format_block taken;
    ck_assert(!mqtt_format_block_take(&gateway, &properties, &taken));
    close();
}
END_TEST

UNIT_MAIN("gateway/mqtt_format", a_room_message_is_a_publish_of_qos_0_on_room_and_name,
          five_is_told_the_sequence_number_and_events_other_than_shout,
          what_the_publisher_said_reaches_5_unaltered_and_in_order,
          the_expiry_told_is_what_was_given_less_whole_seconds_passed,
          packets_fill_their_parcel_at_every_border_of_the_length_fields,
          long_properties_have_a_length_of_two_bytes, a_gap_is_an_empty_publish_with_its_numbers,
          presence_is_json_on_its_own_topic_and_the_state_is_retained,
          one_client_gets_its_packet_id_flags_and_identifiers,
          an_alias_stands_for_the_topic_of_5_only,
          topic_and_expiry_of_a_delivery_are_those_of_its_message,
          what_is_the_messages_own_travels_as_it_came, aliases_and_expiry_stay_behind,
          without_memory_there_is_no_parcel_and_nothing_is_held)
