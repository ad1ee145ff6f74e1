#include "gateway/room_settings.h"

#include "tests/unit/unit.h"

static bool matches(const char *pattern, const char *topic) {
    return room_settings_pattern_matches(bytes_from_string(pattern), bytes_from_string(topic));
}

START_TEST(a_pattern_matches_the_whole_topic_only) {
    ck_assert(!matches("room:a", "room:ab"));
    ck_assert(!matches("room:ab", "room:a"));
    ck_assert(!matches("oom:a", "room:a"));
    ck_assert(!matches("", "room:a"));
    ck_assert(matches("room:a", "room:a"));
    ck_assert(matches("", ""));
}
END_TEST

START_TEST(a_star_takes_any_run_of_bytes) {
    ck_assert(matches("*", ""));
    ck_assert(matches("*", "room:x"));
    ck_assert(matches("room:lobby-*", "room:lobby-"));
    ck_assert(matches("room:lobby-*", "room:lobby-7"));
    ck_assert(!matches("room:lobby-*", "room:lobby"));
    ck_assert(matches("room:*-eu-*", "room:a-eu-b-eu-c"));
    ck_assert(matches("*ab", "room:aab"));
    ck_assert(!matches("*ab", "room:aba"));
    ck_assert(matches("room:**x**", "room:x"));
    ck_assert(!matches("room:a*b*c", "room:a-b-d"));
}
END_TEST

START_TEST(a_question_mark_takes_one_character_of_utf8) {
    ck_assert(matches("room:?", "room:\xc3\xa4"));
    ck_assert(matches("room:?", "room:\xf0\x9f\x98\x80"));
    ck_assert(!matches("room:?", "room:"));
    ck_assert(!matches("room:?", "room:ab"));
    ck_assert(!matches("room:??", "room:\xc3\xa4"));
    ck_assert(matches("room:*?b", "room:ab"));
}
END_TEST

START_TEST(the_first_rule_that_matches_wins) {
    static const struct config config = {
        .room = {CONFIG_PRESENCE_LIST, CONFIG_POLICY_DROP_OLDEST, 1000},
        .room_rules = {{"room:lobby-1", {CONFIG_PRESENCE_OFF, CONFIG_POLICY_CLOSE, 1}},
                       {"room:lobby-*", {CONFIG_PRESENCE_COUNTS, CONFIG_POLICY_CLOSE, 2}},
                       {"room:*", {CONFIG_PRESENCE_LIST, CONFIG_POLICY_CLOSE, 3}}},
        .room_rule_count = 2,
    };
    ck_assert_uint_eq(room_settings_lookup(&config, BYTES_LITERAL("lobby-1")).presence_list_max, 1);
    ck_assert_uint_eq(room_settings_lookup(&config, BYTES_LITERAL("lobby-2")).presence_list_max, 2);
    struct config_room_settings other = room_settings_lookup(&config, BYTES_LITERAL("42"));
    ck_assert_uint_eq(other.presence_list_max, 1000);
    ck_assert_int_eq(other.policy, CONFIG_POLICY_DROP_OLDEST);
}
END_TEST

START_TEST(the_longest_name_still_meets_its_rule) {
    static struct config config = {.room_rules = {{"room:*x", {.presence_list_max = 7}}},
                                   .room_rule_count = 1};
    uint8_t name[128];
    memset(name, 'a', sizeof(name));
    name[127] = 'x';
    ck_assert_uint_eq(room_settings_lookup(&config, bytes_of(name, 128)).presence_list_max, 7);
    name[126] = 'x';
    ck_assert_uint_eq(room_settings_lookup(&config, bytes_of(name, 127)).presence_list_max, 7);
}
END_TEST

UNIT_MAIN("gateway/room_settings", a_pattern_matches_the_whole_topic_only,
          a_star_takes_any_run_of_bytes, a_question_mark_takes_one_character_of_utf8,
          the_first_rule_that_matches_wins, the_longest_name_still_meets_its_rule)
