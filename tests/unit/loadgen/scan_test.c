// Goal: the fast way and the general way read the same, and neither is fooled by content or reads
// past what it was given. Method: real texts, every prefix of them in exactly sized memory (so that
// the sanitizer sees one byte too many), and near misses.
#include "loadgen/scan.h"

#include <stdio.h>

#include "tests/unit/unit.h"

#define TOPIC "room:bench-7"
#define PAYLOAD "{\"t\":\"0000f3a1c2d4e5b6\",\"i\":\"0000002a\",\"n\":\"00000007\",\"p\":\"xxx\"}"
#define BROADCAST "[null,null,\"" TOPIC "\",\"msg\"," PAYLOAD

static struct scan_expected expected;

static void expect_room(void) {
    scan_expect(&expected, BYTES_LITERAL(TOPIC), BYTES_LITERAL("msg"), 64);
}

static bool matches(const char *text, uint64_t *sequence) {
    struct bytes payload;
    return scan_broadcast(&expected, bytes_from_string(text), &payload, sequence) &&
           bytes_equal_string(payload, PAYLOAD);
}

START_TEST(scan_broadcast_takes_the_room_s_own_with_and_without_number) {
    uint64_t sequence = 99;
    expect_room();
    ck_assert(matches(BROADCAST "]", &sequence));
    ck_assert_uint_eq(sequence, 0);
    ck_assert(matches(BROADCAST ",1]", &sequence));
    ck_assert_uint_eq(sequence, 1);
    ck_assert(matches(BROADCAST ",18446744073709551615]", &sequence));
    ck_assert_uint_eq(sequence, UINT64_MAX);
}
END_TEST

START_TEST(scan_broadcast_declines_whatever_is_otherwise) {
    uint64_t sequence;
    expect_room();
    ck_assert(!matches("", &sequence));
    ck_assert(!matches("[null,null,\"room:bench-8\",\"msg\"," PAYLOAD ",1]", &sequence));
    ck_assert(!matches("[null,null,\"" TOPIC "\",\"gap\",{\"from\":1,\"to\":2}]", &sequence));
    ck_assert(!matches("[\"1\",\"2\",\"" TOPIC "\",\"msg\"," PAYLOAD ",1]", &sequence));
    ck_assert(!matches(BROADCAST ",]", &sequence));
    ck_assert(!matches(BROADCAST ",1x]", &sequence));
    ck_assert(!matches(BROADCAST ",18446744073709551616]", &sequence));
    ck_assert(!matches(BROADCAST " ,1]", &sequence));
    ck_assert(!matches(BROADCAST ",1", &sequence));
}
END_TEST

START_TEST(scan_broadcast_of_any_size_takes_all_sizes_and_reads_as_the_others) {
    static const char *const payloads[] = {"{}", "{\"p\":\"1,2]\"}", PAYLOAD};
    static const char *const ends[] = {"]", ",7]", ",18446744073709551615]"};
    static const uint64_t numbers[] = {0, 7, UINT64_MAX};
    scan_expect(&expected, BYTES_LITERAL(TOPIC), BYTES_LITERAL("msg"), 0);
    for (size_t i = 0; i < 9; i++) {
        char text[256];
        struct bytes payload;
        uint64_t sequence;
        snprintf(text, sizeof(text), "[null,null,\"" TOPIC "\",\"msg\",%s%s", payloads[i / 3],
                 ends[i % 3]);
        ck_assert_msg(scan_broadcast(&expected, bytes_from_string(text), &payload, &sequence), "%s",
                      text);
        ck_assert(bytes_equal_string(payload, payloads[i / 3]));
        ck_assert_uint_eq(sequence, numbers[i % 3]);
    }
}
END_TEST

START_TEST(scan_broadcast_of_any_size_declines_whatever_is_otherwise) {
    static const char *const texts[] = {
        "]",      "7]",       ",7]",   "{}",     "{},",
        "{},]",   "{},7",     "{},x]", "[1],7]", "{} ,7]",
        "{},1x]", "\"a\",7]", "},7]",  "{,7]",   "{},18446744073709551616]"};
    scan_expect(&expected, BYTES_LITERAL(TOPIC), BYTES_LITERAL("msg"), 0);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char text[256];
        struct bytes payload;
        uint64_t sequence;
        int size = snprintf(text, sizeof(text), "[null,null,\"" TOPIC "\",\"msg\",%s", texts[i]);
        for (int cut = size; cut >= 0; cut--) { // in exactly sized memory
            uint8_t *exact = malloc(cut > 0 ? (size_t)cut : 1);
            memcpy(exact, text, (size_t)cut);
            ck_assert_msg(
                !scan_broadcast(&expected, bytes_of(exact, (size_t)cut), &payload, &sequence),
                "%.*s", cut, text);
            free(exact);
        }
    }
}
END_TEST

START_TEST(scan_broadcast_declines_every_prefix) {
    static const char text[] = BROADCAST ",123]";
    expect_room();
    for (size_t size = 0; size < sizeof(text) - 1; size++) {
        struct bytes payload;
        uint64_t sequence;
        uint8_t *exact = malloc(size ? size : 1);
        memcpy(exact, text, size);
        ck_assert(!scan_broadcast(&expected, bytes_of(exact, size), &payload, &sequence));
        free(exact);
    }
}
END_TEST

START_TEST(scan_message_splits_a_reply) {
    struct scan_message m;
    ck_assert(
        scan_message(BYTES_LITERAL("[\"1\",\"27\",\"" TOPIC "\",\"phx_reply\",{\"status\":"
                                   "\"ok\",\"response\":{\"epoch\":\"x]\\\",y\",\"seq\":42}}]"),
                     &m));
    ck_assert(bytes_equal_string(m.join_ref, "1") && bytes_equal_string(m.ref, "27"));
    ck_assert(bytes_equal_string(m.topic, TOPIC) && bytes_equal_string(m.event, "phx_reply"));
    ck_assert(m.is_whole && m.sequence == 0);
    uint64_t number;
    struct bytes string;
    ck_assert(scan_number(m.payload, "seq", &number) && number == 42);
    ck_assert(scan_string(m.payload, "status", &string) && bytes_equal_string(string, "ok"));
    ck_assert(scan_string(m.payload, "epoch", &string) && bytes_equal_string(string, "x]\\\",y"));
    ck_assert(!scan_number(m.payload, "status", &number));
    ck_assert(!scan_number(m.payload, "se", &number));
    ck_assert(!scan_string(m.payload, "seq", &string));
}
END_TEST

START_TEST(scan_message_reads_what_the_fast_way_reads) {
    static const char *const tails[] = {"]", ",7]", " , 7 ] ", ",7,\"later\"]", ",\"x\"]"};
    static const uint64_t numbers[] = {0, 7, 7, 7, 0};
    for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
        char text[256];
        struct scan_message m;
        snprintf(text, sizeof(text), "%s%s", BROADCAST, tails[i]);
        ck_assert(scan_message(bytes_from_string(text), &m));
        ck_assert_ptr_null(m.join_ref.data);
        ck_assert_ptr_null(m.ref.data);
        ck_assert(bytes_equal_string(m.payload, PAYLOAD));
        ck_assert_uint_eq(m.sequence, numbers[i]);
    }
}
END_TEST

START_TEST(scan_message_tells_the_event_of_a_cut_text_and_never_reads_past_it) {
    static const char text[] =
        "[\"1\",null,\"" TOPIC "\",\"presence_state\",{\"u1\":{\"metas\":[{}]}},5]";
    size_t event_end = strlen("[\"1\",null,\"" TOPIC "\",\"presence_state\",");
    for (size_t size = 0; size < sizeof(text); size++) {
        struct scan_message m;
        uint8_t *exact = malloc(size ? size : 1);
        memcpy(exact, text, size);
        bool taken = scan_message(bytes_of(exact, size), &m);
        ck_assert_int_eq(taken, size >= event_end);
        if (taken) {
            ck_assert(bytes_equal_string(m.event, "presence_state"));
            ck_assert_int_eq(m.is_whole, size == sizeof(text) - 1);
        }
        free(exact);
        if (size == sizeof(text) - 1)
            break;
    }
}
END_TEST

START_TEST(scan_message_refuses_what_is_none) {
    struct scan_message m;
    ck_assert(!scan_message(BYTES_LITERAL(""), &m));
    ck_assert(!scan_message(BYTES_LITERAL("{}"), &m));
    ck_assert(!scan_message(BYTES_LITERAL("[]"), &m));
    ck_assert(!scan_message(BYTES_LITERAL("[null,null,null,\"msg\",{}]"), &m));
    ck_assert(!scan_message(BYTES_LITERAL("[1,null,\"t\",\"msg\",{}]"), &m));
    ck_assert(!scan_message(BYTES_LITERAL("[null,null,\"t\",\"msg\"]"), &m));
}
END_TEST

START_TEST(scan_decimal_is_bounded) {
    uint64_t value;
    ck_assert(!scan_decimal(BYTES_LITERAL(""), &value));
    ck_assert(!scan_decimal(BYTES_LITERAL("-1"), &value));
    ck_assert(!scan_decimal(BYTES_LITERAL("99999999999999999999"), &value));
    ck_assert(scan_decimal(BYTES_LITERAL("18446744073709551614"), &value));
    ck_assert_uint_eq(value, UINT64_MAX - 1);
    ck_assert(scan_decimal(BYTES_LITERAL("0"), &value) && value == 0);
}
END_TEST

UNIT_MAIN("loadgen/scan", scan_broadcast_takes_the_room_s_own_with_and_without_number,
          scan_broadcast_declines_whatever_is_otherwise, scan_broadcast_declines_every_prefix,
          scan_broadcast_of_any_size_takes_all_sizes_and_reads_as_the_others,
          scan_broadcast_of_any_size_declines_whatever_is_otherwise, scan_message_splits_a_reply,
          scan_message_reads_what_the_fast_way_reads,
          scan_message_tells_the_event_of_a_cut_text_and_never_reads_past_it,
          scan_message_refuses_what_is_none, scan_decimal_is_bounded)
