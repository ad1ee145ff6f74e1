// Goal: names, filters and shared subscriptions are told apart as section 4.7 and 4.8 say, and
// match as its examples say. Method: tables; a match by another way (regular-expression-like
// recursion) over all small filters and names.
#include "gateway/wire/mqtt_topic.h"
#include "tests/unit/unit.h"

#define B(text) bytes_from_string(text)

START_TEST(mqtt_topic_names_have_no_wildcards_and_are_not_empty) {
    ck_assert(mqtt_topic_is_name(B("a/b")) && mqtt_topic_is_name(B("/")) &&
              mqtt_topic_is_name(B("Accounts payable")) && mqtt_topic_is_name(B("$SYS/x")));
    ck_assert(!mqtt_topic_is_name(B("")));    // [MQTT-4.7.3-1]
    ck_assert(!mqtt_topic_is_name(B("a/+"))); // [MQTT-4.7.0-1]
    ck_assert(!mqtt_topic_is_name(B("a/#")) && !mqtt_topic_is_name(B("a+b")));
}
END_TEST

START_TEST(mqtt_topic_filters_have_wildcards_only_as_whole_levels) {
    static const char *const right[] = {"#",          "+",      "/",   "a/#",
                                        "+/tennis/#", "+/+",    "/+",  "sport/+/x",
                                        "a//b",       "$SYS/#", "a b", "a/b/c/"};
    static const char *const wrong[] = {"",       "sport/tennis#", "sport/tennis/#/ranking",
                                        "sport+", "#/a",           "a/+b",
                                        "##",     "a/b#/c"}; // [MQTT-4.7.1-1], -2
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++)
        ck_assert_msg(mqtt_topic_is_filter(B(right[i])), "%s", right[i]);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        ck_assert_msg(!mqtt_topic_is_filter(B(wrong[i])), "%s", wrong[i]);
}
END_TEST

START_TEST(mqtt_topic_has_at_most_65535_bytes) {
    static char text[MQTT_TOPIC_BYTES_MAX + 1];
    memset(text, 'a', sizeof(text));
    ck_assert(mqtt_topic_is_name(bytes_of(text, MQTT_TOPIC_BYTES_MAX))); // [MQTT-4.7.3-3]
    ck_assert(!mqtt_topic_is_name(bytes_of(text, MQTT_TOPIC_BYTES_MAX + 1)));
    ck_assert(mqtt_topic_is_filter(bytes_of(text, MQTT_TOPIC_BYTES_MAX)));
    ck_assert(!mqtt_topic_is_filter(bytes_of(text, MQTT_TOPIC_BYTES_MAX + 1)));
}
END_TEST

START_TEST(mqtt_topic_shared_subscriptions_come_apart) {
    struct bytes group, filter;
    ck_assert_int_eq(mqtt_topic_split_shared(B("$share/g/a/+"), &group, &filter),
                     MQTT_TOPIC_SHARED);
    ck_assert(bytes_equal_string(group, "g") && bytes_equal_string(filter, "a/+"));
    ck_assert_int_eq(mqtt_topic_split_shared(B("a/b"), &group, &filter), MQTT_TOPIC_NOT_SHARED);
    ck_assert(bytes_equal_string(filter, "a/b"));
    ck_assert_int_eq(mqtt_topic_split_shared(B("$shared/g/a"), &group, &filter),
                     MQTT_TOPIC_NOT_SHARED);
    static const char *const bad[] = {"$share/",    "$share/g",   "$share/g/",
                                      "$share//a",  "$share/+/a", "$share/g#/a", // [MQTT-4.8.2-1]
                                      "$share/g/a#"};                            // [MQTT-4.8.2-2]
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(mqtt_topic_split_shared(B(bad[i]), &group, &filter) == MQTT_TOPIC_SHARED_BAD,
                      "%s", bad[i]);
}
END_TEST

START_TEST(mqtt_topic_matches_the_examples_of_the_specification) {
    static const struct {
        const char *filter, *name;
        bool matches;
    } table[] = {
        {"sport/tennis/player1/#", "sport/tennis/player1", true}, // 4.7.1.2
        {"sport/tennis/player1/#", "sport/tennis/player1/ranking", true},
        {"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true},
        {"sport/tennis/player1/#", "sport/tennis/player2", false},
        {"#", "a/b/c", true},
        {"sport/tennis/+", "sport/tennis/player1", true}, // 4.7.1.3
        {"sport/tennis/+", "sport/tennis/player1/ranking", false},
        {"sport/+", "sport", false},
        {"sport/+", "sport/", true},
        {"+/+", "/finance", true},
        {"/+", "/finance", true},
        {"+", "/finance", false},
        {"#", "$SYS/monitor", false}, // [MQTT-4.7.2-1]
        {"+/monitor/Clients", "$SYS/monitor/Clients", false},
        {"$SYS/#", "$SYS/monitor", true},
        {"$SYS/monitor/+", "$SYS/monitor/Clients", true},
        {"ACCOUNTS", "Accounts", false}, // 4.7.3
        {"a", "a/", false},
        {"/", "/", true},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        ck_assert_msg(mqtt_topic_matches(B(table[i].filter), B(table[i].name)) == table[i].matches,
                      "%s of %s", table[i].filter, table[i].name);
}
END_TEST

// One character per level or slash: what a filter matches, character by character.
static bool matches_slowly(const char *filter, const char *name) {
    if (filter[0] == '#')
        return true;
    if (filter[0] == '/' && filter[1] == '#' && name[0] == 0)
        return true;
    if (filter[0] == '+') {
        while (*name && *name != '/')
            name++;
        return matches_slowly(filter + 1, name);
    }
    if (filter[0] == 0 || name[0] == 0)
        return filter[0] == name[0];
    return filter[0] == name[0] && matches_slowly(filter + 1, name + 1);
}

// The k-th text over an alphabet, of 1 to 5 characters.
static void text_of(uint32_t k, const char *alphabet, char text[8]) {
    uint32_t base = (uint32_t)strlen(alphabet), size = 0;
    do {
        text[size++] = alphabet[k % base];
        k /= base;
    } while (k > 0 && size < 6);
    text[size] = 0;
}

START_TEST(mqtt_topic_matches_as_a_slower_way_does) {
    char filter[8], name[8];
    uint32_t matched = 0;
    for (uint32_t f = 0; f < 1024; f++) {
        text_of(f, "a/+#", filter);
        if (!mqtt_topic_is_filter(B(filter)))
            continue;
        for (uint32_t n = 0; n < 243; n++) {
            text_of(n, "a/b", name);
            bool is_match = mqtt_topic_matches(B(filter), B(name));
            ck_assert_msg(is_match == matches_slowly(filter, name), "%s of %s", filter, name);
            matched += is_match;
        }
    }
    ck_assert_uint_gt(matched, 1000);
}
END_TEST

UNIT_MAIN("gateway/wire/mqtt_topic", mqtt_topic_names_have_no_wildcards_and_are_not_empty,
          mqtt_topic_filters_have_wildcards_only_as_whole_levels,
          mqtt_topic_has_at_most_65535_bytes, mqtt_topic_shared_subscriptions_come_apart,
          mqtt_topic_matches_the_examples_of_the_specification,
          mqtt_topic_matches_as_a_slower_way_does)
