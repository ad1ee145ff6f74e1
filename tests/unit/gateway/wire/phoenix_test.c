// Goal: messages are taken apart as docs/PROTOCOL.md and phoenix.js have it, each malformation gets
// its own name, and what is encoded is, byte for byte, what clients expect. Method: literal frames,
// every prefix, names at their limits, round trips.
#include "gateway/wire/phoenix.h"

#include "gateway/wire/json.h"
#include "tests/unit/unit.h"

static struct phoenix_scratch scratch;

static enum phoenix_status decode(const char *text, struct phoenix_message *message) {
    return phoenix_decode_text(bytes_from_string(text), &scratch, message);
}

START_TEST(text_malformations_are_told_apart) {
    const struct {
        const char *text;
        enum phoenix_status status;
    } cases[] = {
        {"", PHOENIX_BAD_JSON},
        {" ", PHOENIX_BAD_JSON},
        {"x", PHOENIX_BAD_JSON},
        {"{\"a\":1", PHOENIX_BAD_JSON},
        {"{}", PHOENIX_NOT_ARRAY},
        {" \"text\" ", PHOENIX_NOT_ARRAY},
        {"17", PHOENIX_NOT_ARRAY},
        {"[]", PHOENIX_TOO_FEW},
        {"[ ] ", PHOENIX_TOO_FEW},
        {"[]x", PHOENIX_BAD_JSON},
        {"[\"1\"]", PHOENIX_TOO_FEW},
        {"[null,null,\"t\",\"e\"]", PHOENIX_TOO_FEW},
        {"[null,null,\"t\",\"e\",]", PHOENIX_BAD_JSON},
        {"[null,null,\"t\",\"e\",{}", PHOENIX_BAD_JSON},
        {"[null,null,\"t\",\"e\",{},]", PHOENIX_BAD_JSON},
        {"[null,null,\"t\",\"e\",{}]]", PHOENIX_BAD_JSON},
        {"[null,null,\"t\",\"e\",{}] x", PHOENIX_BAD_JSON},
        {"[null,null,\"t\",\"e\",{},bad]", PHOENIX_BAD_JSON},
        {"[null,null,\"t\",\"e\",{\"a\":01}]", PHOENIX_BAD_JSON},
        {"[null,null,\"t\",\"e\",\"\xff\"]", PHOENIX_BAD_JSON},
        {"[null,null,\"t\" \"e\",{}]", PHOENIX_BAD_JSON},
        {"[1,null,\"t\",\"e\",{}]", PHOENIX_BAD_JOIN_REF},
        {"[true,null,\"t\",\"e\",{}]", PHOENIX_BAD_JOIN_REF},
        {"[{},null,\"t\",\"e\",{}]", PHOENIX_BAD_JOIN_REF},
        {"[\"\\ud800\",null,\"t\",\"e\",{}]", PHOENIX_BAD_JOIN_REF},
        {"[nul,null,\"t\",\"e\",{}]", PHOENIX_BAD_JSON},
        {"[null,2,\"t\",\"e\",{}]", PHOENIX_BAD_REF},
        {"[null,[],\"t\",\"e\",{}]", PHOENIX_BAD_REF},
        {"[null,null,null,\"e\",{}]", PHOENIX_BAD_TOPIC},
        {"[null,null,3,\"e\",{}]", PHOENIX_BAD_TOPIC},
        {"[null,null,\"\\udc00\",\"e\",{}]", PHOENIX_BAD_TOPIC},
        {"[null,null,\"t\",null,{}]", PHOENIX_BAD_EVENT},
        {"[null,null,\"t\",{},{}]", PHOENIX_BAD_EVENT},
    };
    struct phoenix_message message;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum phoenix_status status = decode(cases[i].text, &message);
        ck_assert_msg(status == cases[i].status, "%s: %s", cases[i].text,
                      phoenix_status_cause(status));
    }
}
END_TEST

START_TEST(text_refs_before_a_fault_are_known) {
    struct phoenix_message message;
    ck_assert_int_eq(decode("[\"7\",\"8\",null,\"e\",{}]", &message), PHOENIX_BAD_TOPIC);
    ck_assert(bytes_equal_string(message.join_ref, "7") && bytes_equal_string(message.ref, "8"));
    ck_assert_int_eq(decode("[\"7\",8,\"t\",\"e\",{}]", &message), PHOENIX_BAD_REF);
    ck_assert(bytes_equal_string(message.join_ref, "7") && !message.ref.data);
}
END_TEST

// [join_ref, ref, topic, event, {}] where the element `which` has `size` bytes, escaped or plain.
static enum phoenix_status decode_sized(size_t which, size_t size, const char *character) {
    char text[2048];
    struct writer w = writer_on(text, sizeof(text));
    for (size_t element = 0; element < 4; element++) {
        writer_put_string(&w, element == 0 ? "[\"" : ",\"");
        for (size_t i = 0; i < (element == which ? size : 1); i++)
            writer_put_string(&w, element == which ? character : "x");
        writer_put_byte(&w, '"');
    }
    writer_put_string(&w, ",{}]");
    ck_assert(!w.overflow);
    struct phoenix_message message;
    enum phoenix_status status = phoenix_decode_text(writer_bytes(&w), &scratch, &message);
    const struct bytes *const names[4] = {&message.join_ref, &message.ref, &message.topic,
                                          &message.event};
    if (status == PHOENIX_OK)
        ck_assert_uint_eq(names[which]->size, size);
    return status;
}

START_TEST(text_names_are_bounded_after_decoding) {
    const struct {
        size_t max;
        enum phoenix_status too_long;
    } limits[4] = {{WIRE_REF_BYTES_MAX, PHOENIX_LONG_JOIN_REF},
                   {WIRE_REF_BYTES_MAX, PHOENIX_LONG_REF},
                   {WIRE_TOPIC_BYTES_MAX, PHOENIX_LONG_TOPIC},
                   {WIRE_EVENT_BYTES_MAX, PHOENIX_LONG_EVENT}};
    const char *const characters[] = {"a", "\\u0061", "\\n"};
    for (size_t which = 0; which < 4; which++)
        for (size_t c = 0; c < 3; c++) {
            size_t max = limits[which].max;
            ck_assert_int_eq(decode_sized(which, max - 1, characters[c]), PHOENIX_OK);
            ck_assert_int_eq(decode_sized(which, max, characters[c]), PHOENIX_OK);
            ck_assert_int_eq(decode_sized(which, max + 1, characters[c]), limits[which].too_long);
        }
}
END_TEST

START_TEST(text_all_names_escaped_at_their_limit_fit_the_scratch) {
    char text[4096] = "[\"", unit[] = "\\u0041";
    const size_t sizes[4] = {WIRE_REF_BYTES_MAX, WIRE_REF_BYTES_MAX, WIRE_TOPIC_BYTES_MAX,
                             WIRE_EVENT_BYTES_MAX};
    for (size_t which = 0; which < 4; which++) {
        for (size_t i = 0; i < sizes[which]; i++)
            strncat(text, unit, sizeof(text) - strlen(text) - 1);
        strncat(text, which < 3 ? "\",\"" : "\",[1]]", sizeof(text) - strlen(text) - 1);
    }
    struct phoenix_message message;
    ck_assert_int_eq(decode(text, &message), PHOENIX_OK);
    const struct bytes *const names[4] = {&message.join_ref, &message.ref, &message.topic,
                                          &message.event};
    for (size_t which = 0; which < 4; which++) {
        ck_assert_uint_eq(names[which]->size, sizes[which]);
        for (size_t i = 0; i < sizes[which]; i++)
            ck_assert_uint_eq(names[which]->data[i], 'A');
    }
}
END_TEST

START_TEST(text_message_gives_its_five_elements) {
    struct phoenix_message message;
    ck_assert_int_eq(decode(" [ \"1\" , null , \"room:\\u00e9\\\"x\" , \"sh\\nout\" , "
                            "{ \"a\" : [1, \"\\ud800\"] } , 17 , {\"more\":[]} ] \n",
                            &message),
                     PHOENIX_OK);
    ck_assert(bytes_equal_string(message.join_ref, "1") && !message.ref.data);
    ck_assert(bytes_equal_string(message.topic, "room:\xc3\xa9\"x"));
    ck_assert(bytes_equal_string(message.event, "sh\nout"));
    ck_assert(bytes_equal_string(message.payload, "{ \"a\" : [1, \"\\ud800\"] }"));
    ck_assert(!message.is_binary);
    ck_assert_int_eq(decode("[\"\",\"\",\"\",\"\",0]", &message), PHOENIX_OK);
    ck_assert(message.ref.data && message.ref.size == 0 && message.topic.size == 0);
    ck_assert(bytes_equal_string(message.payload, "0"));
}
END_TEST

START_TEST(text_every_prefix_is_refused) {
    struct bytes text = BYTES_LITERAL("[\"1\",\"2\",\"room:\\u0041\",\"e\",{\"a\":[1,2]},3]");
    struct phoenix_message message;
    for (size_t size = 0; size < text.size; size++) {
        uint8_t *exact = malloc(size ? size : 1);
        memcpy(exact, text.data, size);
        ck_assert_int_eq(phoenix_decode_text(bytes_of(exact, size), &scratch, &message),
                         PHOENIX_BAD_JSON);
        free(exact);
    }
    ck_assert_int_eq(phoenix_decode_text(text, &scratch, &message), PHOENIX_OK);
}
END_TEST

START_TEST(text_payload_depth_is_bounded) {
    for (size_t depth = WIRE_JSON_DEPTH_MAX - 1; depth <= WIRE_JSON_DEPTH_MAX + 1; depth++) {
        char text[256] = "[null,null,\"t\",\"e\",";
        size_t at = strlen(text);
        memset(text + at, '[', depth);
        memset(text + at + depth, ']', depth + 1);
        struct phoenix_message message;
        ck_assert_int_eq(decode(text, &message),
                         depth > WIRE_JSON_DEPTH_MAX ? PHOENIX_TOO_DEEP : PHOENIX_OK);
    }
}
END_TEST

START_TEST(binary_push_gives_names_and_payload) {
    struct phoenix_message message;
    struct bytes data = BYTES_LITERAL("\0\1\2\6\5"
                                      "7"
                                      "42"
                                      "room:a"
                                      "photo"
                                      "\0\xff\1");
    ck_assert_int_eq(phoenix_decode_binary(data, &message), PHOENIX_OK);
    ck_assert(message.is_binary && bytes_equal_string(message.join_ref, "7"));
    ck_assert(bytes_equal_string(message.ref, "42") && bytes_equal_string(message.topic, "room:a"));
    ck_assert(bytes_equal_string(message.event, "photo"));
    ck_assert(bytes_equal(message.payload, BYTES_LITERAL("\0\xff\1")));
    for (size_t size = 0; size < data.size - 3; size++)
        ck_assert_int_eq(phoenix_decode_binary(bytes_of(data.data, size), &message),
                         PHOENIX_BINARY_CUT);
    ck_assert_int_eq(phoenix_decode_binary(bytes_of(data.data, data.size - 3), &message),
                     PHOENIX_OK);
    ck_assert_uint_eq(message.payload.size, 0);
    ck_assert_int_eq(phoenix_decode_binary(BYTES_LITERAL("\0\0\0\1\1te"), &message), PHOENIX_OK);
    ck_assert(!message.join_ref.data && !message.ref.data);
}
END_TEST

START_TEST(binary_malformations_are_told_apart) {
    struct phoenix_message message;
    ck_assert_int_eq(phoenix_decode_binary(BYTES_LITERAL("\1\0\0\1\1te"), &message),
                     PHOENIX_BINARY_KIND);
    ck_assert_int_eq(phoenix_decode_binary(BYTES_LITERAL("\2"), &message), PHOENIX_BINARY_KIND);
    ck_assert_int_eq(phoenix_decode_binary(BYTES_LITERAL("\0\0\0\1\1\xff"
                                                         "e"),
                                           &message),
                     PHOENIX_BINARY_NAME);
    const struct {
        uint8_t max;
        enum phoenix_status too_long;
    } limits[4] = {{WIRE_REF_BYTES_MAX, PHOENIX_LONG_JOIN_REF},
                   {WIRE_REF_BYTES_MAX, PHOENIX_LONG_REF},
                   {WIRE_TOPIC_BYTES_MAX, PHOENIX_LONG_TOPIC},
                   {WIRE_EVENT_BYTES_MAX, PHOENIX_LONG_EVENT}};
    for (size_t which = 0; which < 4; which++)
        for (int more = -1; more <= 1; more++) {
            uint8_t data[512] = {0};
            memset(data + 5, 'a', sizeof(data) - 5);
            data[1 + which] = (uint8_t)(limits[which].max + more);
            ck_assert_int_eq(phoenix_decode_binary(bytes_of(data, sizeof(data)), &message),
                             more > 0 ? limits[which].too_long : PHOENIX_OK);
        }
}
END_TEST

static enum phoenix_topic topic_of(const char *topic) {
    struct bytes room = {0};
    enum phoenix_topic kind = phoenix_room_of_topic(bytes_from_string(topic), &room);
    if (kind == PHOENIX_TOPIC_ROOM)
        ck_assert(bytes_equal_string(room, topic + WIRE_TOPIC_PREFIX_BYTES));
    return kind;
}

START_TEST(topics_name_rooms_by_the_rules) {
    ck_assert_int_eq(topic_of("phoenix"), PHOENIX_TOPIC_PHOENIX);
    const char *const other[] = {"", "room", "rooms:a", "Room:a", "phoenix:x", " room:a"};
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
        ck_assert_msg(topic_of(other[i]) == PHOENIX_TOPIC_OTHER, "%s", other[i]);
    const char *const bad[] = {"room:",     "room:a/b",      "room:a+",       "room:#",
                               "room:a\nb", "room:\x7f",     "room:\x1f",     "room:\xc2\x85",
                               "room:\xff", "room:\xc2\x80", "room:a\xc2\x9f"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(topic_of(bad[i]) == PHOENIX_TOPIC_BAD_ROOM, "case %zu", i);
    const char *const good[] = {"room:a",        "room:room:b",   "room: ",
                                "room:\xc2\xa0", "room:\xc3\x85", "room:\xf0\x9f\x98\x80"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        ck_assert_msg(topic_of(good[i]) == PHOENIX_TOPIC_ROOM, "%s", good[i]);
    for (size_t size = WIRE_ROOM_BYTES_MAX - 1; size <= WIRE_ROOM_BYTES_MAX + 1; size++) {
        char topic[256] = "room:";
        memset(topic + 5, 'n', size);
        ck_assert_int_eq(topic_of(topic),
                         size > WIRE_ROOM_BYTES_MAX ? PHOENIX_TOPIC_BAD_ROOM : PHOENIX_TOPIC_ROOM);
    }
    ck_assert(!phoenix_room_is_valid((struct bytes){0}));
    ck_assert(!phoenix_room_is_valid(BYTES_LITERAL("a\0b")));
}
END_TEST

static uint8_t encoded[4096];

#define ENCODES(expected, call)                                                                    \
    do {                                                                                           \
        struct writer w = writer_on(encoded, sizeof(encoded));                                     \
        call;                                                                                      \
        ck_assert(!w.overflow);                                                                    \
        ck_assert_msg(bytes_equal(writer_bytes(&w), BYTES_LITERAL(expected)), "%.*s", (int)w.size, \
                      (const char *)w.data);                                                       \
        struct writer small = writer_on(encoded, w.size - 1);                                      \
        w = small;                                                                                 \
        call;                                                                                      \
        ck_assert(w.overflow);                                                                     \
    } while (0)

static const struct phoenix_message request = {.join_ref = BYTES_LITERAL("1"),
                                               .ref = BYTES_LITERAL("5"),
                                               .topic = BYTES_LITERAL("room:42"),
                                               .event = BYTES_LITERAL("e"),
                                               .payload = BYTES_LITERAL("\0\xff")};

START_TEST(server_texts_are_what_clients_expect) {
    struct bytes topic = request.topic;
    ENCODES("[\"1\",\"5\",\"room:42\",\"phx_reply\",{\"status\":\"ok\",\"response\":{\"seq\":3}}]",
            phoenix_encode_reply(&w, &request, true, BYTES_LITERAL("{\"seq\":3}")));
    ENCODES("[\"1\",\"5\",\"room:42\",\"phx_reply\",{\"status\":\"error\",\"response\":{}}]",
            phoenix_encode_reply(&w, &request, false, BYTES_LITERAL("{}")));
    ENCODES("[\"1\",\"5\",\"room:42\",\"phx_reply\",{\"status\":\"error\","
            "\"response\":{\"reason\":\"unmatched topic\"}}]",
            phoenix_encode_error_reply(&w, &request, "unmatched topic"));
    struct phoenix_message broadcast = {
        .topic = topic, .event = BYTES_LITERAL("shout"), .payload = BYTES_LITERAL("{\"a\":1}")};
    ENCODES("[null,null,\"room:42\",\"shout\",{\"a\":1}]", phoenix_encode_text(&w, &broadcast, 0));
    ENCODES("[null,null,\"room:42\",\"shout\",{\"a\":1},18446744073709551615]",
            phoenix_encode_text(&w, &broadcast, UINT64_MAX));
    struct phoenix_message push = {.join_ref = request.join_ref,
                                   .topic = topic,
                                   .event = BYTES_LITERAL("presence_state"),
                                   .payload = BYTES_LITERAL("{}")};
    ENCODES("[\"1\",null,\"room:42\",\"presence_state\",{}]", phoenix_encode_text(&w, &push, 0));
    ENCODES("[\"1\",\"1\",\"room:42\",\"phx_close\",{}]",
            phoenix_encode_close(&w, request.join_ref, topic));
    ENCODES("[null,null,\"room:42\",\"gap\",{\"from\":4,\"to\":17}]",
            phoenix_encode_gap(&w, topic, ((struct phoenix_gap){.from = 4, .to = 17})));
    struct phoenix_message escaped = {.topic = BYTES_LITERAL("room:\"\\"),
                                      .event = BYTES_LITERAL("a\nb\1"),
                                      .payload = BYTES_LITERAL("0")};
    ENCODES("[null,null,\"room:\\\"\\\\\",\"a\\nb\\u0001\",0]",
            phoenix_encode_text(&w, &escaped, 0));
}
END_TEST

START_TEST(client_texts_are_what_phoenix_js_sends) {
    ENCODES("[\"1\",\"1\",\"room:42\",\"phx_join\",{}]",
            phoenix_encode_join(&w, BYTES_LITERAL("1"), request.topic, BYTES_LITERAL("{}")));
    ENCODES("[null,\"9\",\"phoenix\",\"heartbeat\",{}]",
            phoenix_encode_heartbeat(&w, BYTES_LITERAL("9")));
}
END_TEST

START_TEST(binary_frames_are_what_phoenix_js_reads) {
    ENCODES("\1\1\1\7\2"
            "15room:42ok{}",
            phoenix_encode_binary_reply(&w, &request, true, BYTES_LITERAL("{}")));
    ENCODES("\1\1\1\7\5"
            "15room:42error",
            phoenix_encode_binary_reply(&w, &request, false, (struct bytes){0}));
    ENCODES("\0\1\7\1"
            "1room:42e\0\xff",
            phoenix_encode_binary_push(&w, &request));
    ENCODES("\2\7\1room:42e\0\xff",
            phoenix_encode_binary_broadcast(&w, request.topic, request.event, request.payload));
    ENCODES("\0\1\1\7\1"
            "15room:42e\0\xff",
            phoenix_encode_binary_client_push(&w, &request));
}
END_TEST

START_TEST(text_survives_encode_and_decode_within_the_promised_size) {
    const struct bytes names[] = {BYTES_LITERAL("plain"), BYTES_LITERAL("q\"\\\n\1\xc3\xa9"),
                                  BYTES_LITERAL("")};
    for (size_t i = 0; i < 81; i++) {
        struct phoenix_message message = {.join_ref = i % 2 ? names[i % 3] : (struct bytes){0},
                                          .ref = names[i / 3 % 3],
                                          .topic = names[i / 9 % 3],
                                          .event = names[i / 27],
                                          .payload = BYTES_LITERAL("[{\"k\":\"v\"}]")};
        struct writer w = writer_on(encoded, phoenix_encoded_size(&message));
        phoenix_encode_text(&w, &message, UINT64_MAX);
        ck_assert(!w.overflow && json_scan_text(writer_bytes(&w)) == JSON_OK);
        struct phoenix_message again;
        ck_assert_int_eq(phoenix_decode_text(writer_bytes(&w), &scratch, &again), PHOENIX_OK);
        ck_assert((again.join_ref.data == NULL) == (message.join_ref.data == NULL));
        ck_assert(bytes_equal(again.join_ref, message.join_ref));
        ck_assert(bytes_equal(again.ref, message.ref) && bytes_equal(again.topic, message.topic));
        ck_assert(bytes_equal(again.event, message.event));
        ck_assert(bytes_equal(again.payload, message.payload));
    }
}
END_TEST

START_TEST(each_status_has_a_cause_of_its_own_that_fits_a_close_frame) {
    for (int i = PHOENIX_OK; i <= PHOENIX_BINARY_NAME; i++) {
        const char *cause = phoenix_status_cause((enum phoenix_status)i);
        ck_assert(strlen(cause) > 0 && strlen(cause) <= WIRE_CLOSE_REASON_BYTES_MAX);
        for (int other = PHOENIX_OK; other < i; other++)
            ck_assert_str_ne(cause, phoenix_status_cause((enum phoenix_status)other));
    }
}
END_TEST

UNIT_MAIN("gateway/wire/phoenix", each_status_has_a_cause_of_its_own_that_fits_a_close_frame,
          text_malformations_are_told_apart, text_refs_before_a_fault_are_known,
          text_names_are_bounded_after_decoding,
          text_all_names_escaped_at_their_limit_fit_the_scratch,
          text_message_gives_its_five_elements, text_every_prefix_is_refused,
          text_payload_depth_is_bounded, binary_push_gives_names_and_payload,
          binary_malformations_are_told_apart, topics_name_rooms_by_the_rules,
          server_texts_are_what_clients_expect, client_texts_are_what_phoenix_js_sends,
          binary_frames_are_what_phoenix_js_reads,
          text_survives_encode_and_decode_within_the_promised_size)
