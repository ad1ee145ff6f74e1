// Goal: every code that the specification names has its words, and no other code has any. Method:
// all 256 of them against the codec's list.
#include "loadgen/mqtt_words.h"
#include "tests/unit/unit.h"

START_TEST(mqtt_words_name_every_reason_of_the_specification) {
    uint32_t named = 0;
    for (uint32_t code = 0; code < 256; code++)
        named += strcmp(mqtt_words_reason((uint8_t)code), "an unknown reason") != 0;
    // Table 2-6 has 43 codes; 0x01 and 0x02 are granted QoS, which nobody is refused with.
    ck_assert_uint_eq(named, 41);
    ck_assert_str_eq(mqtt_words_reason(0x87), "not authorized");
    ck_assert_str_eq(mqtt_words_reason(0x9e), "shared subscriptions not supported");
    ck_assert_str_eq(mqtt_words_reason(0xa3), "an unknown reason");
}
END_TEST

START_TEST(mqtt_words_name_the_codes_of_3_1_1) {
    ck_assert_str_eq(mqtt_words_connack_3_1_1(1), "unacceptable protocol version");
    ck_assert_str_eq(mqtt_words_connack_3_1_1(5), "not authorized");
    ck_assert_str_eq(mqtt_words_connack_3_1_1(6), "an unknown code");
    ck_assert_str_eq(mqtt_words_connack_3_1_1(255), "an unknown code");
}
END_TEST

UNIT_MAIN("loadgen/mqtt_words", mqtt_words_name_every_reason_of_the_specification,
          mqtt_words_name_the_codes_of_3_1_1)
