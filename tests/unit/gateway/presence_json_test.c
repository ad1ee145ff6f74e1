// Goal: presence records become the JSON that phoenix.js expects, within the bound that was told.
#include "tests/unit/unit.h"

#include "chat/message.h"
#include "gateway/presence_json.h"
#include "gateway/wire/json.h"

static uint8_t packed[4096];
static size_t packed_size;

static void add(enum presence_change change, uint32_t ref, const char *user, const char *meta) {
    struct presence_record record = {.ref = ref,
                                     .meta_size = (uint16_t)strlen(meta),
                                     .user_size = (uint8_t)strlen(user),
                                     .change = (uint8_t)change};
    memcpy(packed + packed_size, &record, sizeof(record));
    packed_size += sizeof(record);
    memcpy(packed + packed_size, user, strlen(user));
    packed_size += strlen(user);
    memcpy(packed + packed_size, meta, strlen(meta));
    packed_size += strlen(meta);
}

// What was added, encoded; the records are forgotten.
static void expect(bool is_state, const char *json) {
    static uint8_t text[8192];
    struct bytes records = bytes_of(packed, packed_size);
    struct writer w = writer_on(text, presence_json_size_max(records));
    presence_json_encode(&w, records, is_state);
    ck_assert(!w.overflow);
    ck_assert_int_eq(json_scan_text(writer_bytes(&w)), JSON_OK);
    ck_assert_msg(bytes_equal_string(writer_bytes(&w), json), "%.*s", (int)w.size,
                  (const char *)w.data);
    packed_size = 0;
}

START_TEST(nobody_is_an_empty_state) {
    expect(true, "{}");
    expect(false, "{\"joins\":{},\"leaves\":{}}");
}
END_TEST

START_TEST(devices_of_one_user_stand_together) {
    add(PRESENCE_IS, 1, "ada", "");
    add(PRESENCE_IS, 4294967295u, "ada", "{\"d\":1}");
    add(PRESENCE_IS, 3, "b\"b", "{ }");
    expect(true, "{\"ada\":{\"metas\":[{\"phx_ref\":\"1\"},{\"d\":1,\"phx_ref\":\"4294967295\"}]},"
                 "\"b\\\"b\":{\"metas\":[{\"phx_ref\":\"3\"}]}}");
}
END_TEST

START_TEST(a_diff_parts_joins_from_leaves) {
    add(PRESENCE_JOINS, 5, "ada", "{}");
    add(PRESENCE_LEAVES, 2, "ada", "{\"x\":{}}");
    add(PRESENCE_LEAVES, 3, "bob", "");
    expect(false, "{\"joins\":{\"ada\":{\"metas\":[{\"phx_ref\":\"5\"}]}},\"leaves\":{\"ada\":"
                  "{\"metas\":[{\"x\":{},\"phx_ref\":\"2\"}]},\"bob\":{\"metas\":[{\"phx_ref\":"
                  "\"3\"}]}}}");
}
END_TEST

START_TEST(a_phx_ref_of_the_client_stands_before_ours) {
    add(PRESENCE_IS, 9, "eve", "{\"phx_ref\":\"1\" }");
    expect(true, "{\"eve\":{\"metas\":[{\"phx_ref\":\"1\" ,\"phx_ref\":\"9\"}]}}");
}
END_TEST

START_TEST(the_largest_names_fit_the_bound) {
    char user[65] = {0}, meta[257] = {0};
    memset(user, '\\', 64);
    memset(meta, ' ', 256);
    memcpy(meta, "{\"a\":1", 6);
    meta[255] = '}';
    for (uint32_t i = 0; i < 8; i++)
        add(PRESENCE_IS, UINT32_MAX - i, user, meta);
    uint8_t text[8192];
    struct bytes records = bytes_of(packed, packed_size);
    struct writer w = writer_on(text, presence_json_size_max(records));
    ck_assert_uint_le(w.capacity, sizeof(text));
    presence_json_encode(&w, records, true);
    ck_assert(!w.overflow);
    ck_assert_int_eq(json_scan_text(writer_bytes(&w)), JSON_OK);
    packed_size = 0;
}
END_TEST

UNIT_MAIN("gateway/presence_json", nobody_is_an_empty_state, devices_of_one_user_stand_together,
          a_diff_parts_joins_from_leaves, a_phx_ref_of_the_client_stands_before_ours,
          the_largest_names_fit_the_bound)
