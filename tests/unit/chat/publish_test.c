// Goal: a publish is viewed as it was packed, whatever it has; one by a member pays for nothing
// that only others have. Method: every combination of what may be absent, at the limits of sizes.
#include "tests/unit/chat/chat_rig.h"

#include "chat/publish.h"

static const struct chat_publish full = {
    .ref = BYTES_LITERAL("7"),
    .event = BYTES_LITERAL("shout"),
    .body = BYTES_LITERAL("{}"),
    .room = BYTES_LITERAL("lobby"),
    .properties = BYTES_LITERAL("\x26"),
    .publisher = 0x1234567890abcdefull,
    .expires_ns = UINT64_MAX,
    .qos = 2,
    .is_retained = true,
    .is_binary = true,
    .is_whisper = true,
    .wants_reply = true,
};

static void check_same(const struct chat_publish *a, const struct chat_publish *b) {
    ck_assert(bytes_equal(a->ref, b->ref) && bytes_equal(a->event, b->event));
    ck_assert(bytes_equal(a->body, b->body) && bytes_equal(a->room, b->room));
    ck_assert(bytes_equal(a->properties, b->properties));
    ck_assert_uint_eq(a->publisher, b->publisher);
    ck_assert_uint_eq(a->expires_ns, b->expires_ns);
    ck_assert_uint_eq(a->qos, b->qos);
    ck_assert(a->is_retained == b->is_retained && a->is_binary == b->is_binary);
    ck_assert(a->is_whisper == b->is_whisper && a->wants_reply == b->wants_reply);
}

START_TEST(publish_is_viewed_as_it_was_packed) {
    struct world *world = world_open(1, list_settings, 64, 32768);
    struct scheduler *scheduler = &world->cores[0].scheduler;
    for (uint32_t bits = 0; bits < 1u << 11; bits++) {
        struct chat_publish publish = full;
        const struct bytes none = {0};
        publish.ref = bits & 1 ? publish.ref : none;
        publish.event = bits & 2 ? publish.event : none;
        publish.body = bits & 4 ? publish.body : none;
        publish.room = bits & 8 ? publish.room : none;
        publish.properties = bits & 16 ? publish.properties : none;
        publish.publisher *= bits >> 5 & 1;
        publish.expires_ns *= bits >> 6 & 1;
        publish.is_retained = bits >> 7 & 1;
        publish.is_binary = bits >> 8 & 1;
        publish.is_whisper = bits >> 9 & 1;
        publish.wants_reply = bits >> 10 & 1;
        uint64_t payload = publish_pack(scheduler, &publish);
        struct chat_publish viewed = publish_view(scheduler, payload);
        check_same(&viewed, &publish);
        payload_unref(scheduler, payload);
    }
    world_close(world);
}
END_TEST

START_TEST(publish_by_a_member_adds_8_bytes_to_its_own) {
    const struct chat_publish publish = {.ref = BYTES_LITERAL("7"),
                                         .event = BYTES_LITERAL("shout"),
                                         .body = BYTES_LITERAL("{\"text\":\"hello\"}"),
                                         .qos = 2,
                                         .is_binary = true,
                                         .wants_reply = true};
    ck_assert_uint_eq(publish_packed_size(&publish), 1 + 5 + 16 + 8);
}
END_TEST

START_TEST(publish_of_the_largest_parts_is_whole) {
    struct world *world = world_open(1, list_settings, 64, 32768);
    struct scheduler *scheduler = &world->cores[0].scheduler;
    static const uint8_t bytes[65536] = {[0] = 1, [127] = 2, [254] = 3, [65535] = 4};
    struct chat_publish publish = full;
    publish.ref = bytes_of(bytes, 255);
    publish.event = bytes_of(bytes, 255);
    publish.body = bytes_of(bytes, sizeof(bytes));
    publish.properties = bytes_of(bytes, sizeof(bytes));
    publish.room = bytes_of(bytes, CHAT_ROOM_BYTES_MAX);
    uint64_t payload = publish_pack(scheduler, &publish);
    struct chat_publish viewed = publish_view(scheduler, payload);
    check_same(&viewed, &publish);
    payload_unref(scheduler, payload);
    world_close(world);
}
END_TEST

START_TEST(publish_that_names_its_room_is_not_copied_and_another_is) {
    struct world *world = world_open(1, list_settings, 64, 32768);
    struct scheduler *scheduler = &world->cores[0].scheduler;
    struct chat_publish publish = full;
    uint64_t named = publish_pack(scheduler, &publish);
    uint64_t same = publish_name_room(scheduler, named, BYTES_LITERAL("other"));
    ck_assert_uint_eq(same, named);
    publish.room = (struct bytes){0};
    uint64_t nameless = publish_pack(scheduler, &publish);
    uint64_t copy = publish_name_room(scheduler, nameless, BYTES_LITERAL("lobby"));
    ck_assert_uint_ne(copy, nameless);
    struct chat_publish viewed = publish_view(scheduler, copy);
    check_same(&viewed, &full);
    const uint64_t all[] = {named, same, nameless, copy};
    for (uint32_t i = 0; i < 4; i++)
        payload_unref(scheduler, all[i]);
    world_close(world);
}
END_TEST

UNIT_MAIN("chat/publish", publish_is_viewed_as_it_was_packed,
          publish_by_a_member_adds_8_bytes_to_its_own, publish_of_the_largest_parts_is_whole,
          publish_that_names_its_room_is_not_copied_and_another_is)
