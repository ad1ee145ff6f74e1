// Goal: who subscribes to a topic gets what is published to it, from any core to any core. Method:
// one and three cores on one thread, the port writes down what each client gets.
#include "tests/unit/topics/topics_rig.h"

static const struct rig_config one_core = {.core_count = 1};
static const struct rig_config three_cores = {.core_count = 3};

static uint32_t publish_to(struct world *world, uint32_t by, const char *topic) {
    uint32_t number = client_publish(world, &(struct publish){.by = by, .topic = topic});
    ck_assert_uint_ne(number, 0);
    return number;
}

static void check_matches(const struct rig_config *config) {
    struct world *world = world_open(config);
    static const char *const filters[] = {"a/b", "a/+", "#", "a/b/#", "+/b", "a/c", "$x/b", "a"};
    static const bool wanted[] = {true, true, true, true, true, false, false, false};
    for (uint32_t i = 0; i < 8; i++)
        (void)client_subscribe_to(world, i, filters[i]);
    world_settle(world);
    for (uint32_t by = 8; by < 12; by++) {
        uint32_t number = publish_to(world, by, "a/b");
        world_settle(world);
        for (uint32_t i = 0; i < 8; i++) {
            ck_assert_uint_eq(world->clients[i].answer_count, 1);
            ck_assert_uint_eq(client_got(&world->clients[i], number), wanted[i]);
        }
    }
    uint32_t system = publish_to(world, 9, "$x/b");
    world_settle(world);
    for (uint32_t i = 0; i < 8; i++)
        ck_assert_uint_eq(client_got(&world->clients[i], system), i == 6);
    world_close(world);
}

START_TEST(topics_delivers_to_whom_the_filter_matches_and_to_nobody_else) {
    check_matches(&one_core);
    check_matches(&three_cores);
}
END_TEST

UNIT_MAIN("topics/topics", topics_delivers_to_whom_the_filter_matches_and_to_nobody_else)
