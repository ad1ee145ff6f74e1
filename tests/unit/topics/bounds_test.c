// Goal: what one client asks for does not take the core: memory of publishes under way, groups of
// one filter. Method: one core on one thread, limits at their edges.
#include "tests/unit/topics/topics_rig.h"

static const struct rig_config one_core = {.core_count = 1};

START_TEST(topics_hold_little_for_publishes_that_match_several_filters) {
    struct world *world = world_open(&one_core);
    const struct blocks *blocks = &world->cores[0].blocks;
    for (uint32_t i = 0; i < 32; i++) {
        (void)client_subscribe_to(world, i, "a/+");
        (void)client_subscribe_to(world, i, "a/#");
    }
    world_settle(world);
    size_t bytes_before = blocks->bytes_used;
    for (uint32_t i = 0; i < 2000; i++) { // within one turn
        char topic[16];
        snprintf(topic, sizeof(topic), "a/%u", i % 1000);
        ck_assert_uint_ne(client_publish(world, &(struct publish){.by = 40, .topic = topic}), 0);
    }
    ck_assert_uint_lt(blocks->bytes_used - bytes_before, 2000 * 512);
    world_settle(world);
    ck_assert_uint_lt(blocks->bytes_high_water - bytes_before,
                      2000 * 512 + FANOUT_COPIES_MAX * 4096);
    for (uint32_t i = 0; i < 32; i++)
        ck_assert_uint_eq(world->clients[i].log_count, 2000);
    world_close(world);
}
END_TEST

START_TEST(topics_refuse_more_groups_of_one_filter_than_may_be) {
    struct world *world = world_open(&one_core);
    struct topics *topics = &world->cores[0].topics;
    uint32_t node;
    (void)client_subscribe(world, 0, &(struct held){.filter = "a", .group = "g"});
    world_settle(world);
    node = topic_group_at(&topics->groups, 0)->node;
    for (uint32_t i = 1; i <= TOPIC_GROUPS_OF_FILTER_MAX; i++) {
        char name[8];
        snprintf(name, sizeof(name), "%u", i);
        uint32_t group = topic_group_open(&topics->groups, node, bytes_from_string(name));
        ck_assert((group == SLAB_NONE) == (i == TOPIC_GROUPS_OF_FILTER_MAX));
    }
    ck_assert_uint_eq(topic_group_open(&topics->groups, node, BYTES_LITERAL("g")), 0); // is there
    for (uint32_t i = 1; i < TOPIC_GROUPS_OF_FILTER_MAX; i++)
        ck_assert(topic_group_prune(&topics->groups, i));
    world_close(world);
}
END_TEST

UNIT_MAIN("topics/bounds", topics_hold_little_for_publishes_that_match_several_filters,
          topics_refuse_more_groups_of_one_filter_than_may_be)
