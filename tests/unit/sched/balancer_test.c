// Goal: only the busiest core gives, only when the difference is big and lasts, and what it gives
// brings the loads together without going to and fro. Method: the decision by itself at its bounds;
// then balancers on four cores whose load is their share of the items.
#include "sched/balancer.h"

#include "tests/unit/sched/cores.h"

static struct balancer_view view_of(uint32_t core, uint32_t a, uint32_t b, uint32_t c) {
    return (struct balancer_view){
        .core = core, .core_count = 3, .load_permille = {a, b, c}, .items = {1000, 1000, 1000}};
}

static uint32_t given(uint32_t core, uint32_t a, uint32_t b, uint32_t c) {
    struct balancer_view view = view_of(core, a, b, c);
    return balancer_decide(&view).count;
}

START_TEST(only_the_busiest_gives_and_to_the_idlest) {
    struct balancer_view view = view_of(1, 400, 900, 100);
    struct balancer_gift gift = balancer_decide(&view);
    ck_assert_uint_eq(gift.to_core, 2);
    ck_assert_uint_eq(gift.count, 1000 * 800 / 3600);
    ck_assert_uint_eq(given(0, 400, 900, 100), 0);
    ck_assert_uint_eq(given(2, 400, 900, 100), 0);
    ck_assert_uint_gt(given(0, 900, 900, 100), 0); // of equals the first
    ck_assert_uint_eq(given(1, 900, 900, 100), 0);
}
END_TEST

START_TEST(small_loads_and_small_gaps_are_left_alone) {
    ck_assert_uint_eq(given(0, BALANCER_LOAD_PERMILLE - 1, 0, 0), 0);
    ck_assert_uint_gt(given(0, BALANCER_LOAD_PERMILLE, 0, 0), 0);
    ck_assert_uint_eq(given(0, 900, 800, 900 - BALANCER_GAP_PERMILLE + 1), 0);
    ck_assert_uint_gt(given(0, 900, 800, 900 - BALANCER_GAP_PERMILLE), 0);
    ck_assert_uint_eq(given(0, 0, 0, 0), 0);
}
END_TEST

START_TEST(one_item_stays_and_a_gift_is_bounded) {
    struct balancer_view view = view_of(0, 1000, 0, 0);
    view.items[0] = 1;
    ck_assert_uint_eq(balancer_decide(&view).count, 0);
    view.items[0] = 2;
    ck_assert_uint_eq(balancer_decide(&view).count, 1);
    view.items[0] = 1000000;
    ck_assert_uint_eq(balancer_decide(&view).count, BALANCER_GIVE_MAX);
    view.core_count = 1;
    ck_assert_uint_eq(balancer_decide(&view).count, 0);
}
END_TEST

static struct balancer balancers[CORES_MAX];
static uint32_t gifts;

void balancer_port_move(void *port, uint32_t to_core, uint32_t count) {
    uint32_t from = (uint32_t)(uintptr_t)port;
    ck_assert_uint_ne(from, to_core);
    counter_subtract(&cores.counters[from], COUNTER_CONNECTIONS, count);
    counter_add(&cores.counters[to_core], COUNTER_CONNECTIONS, count);
    gifts++;
}

// A second in which each core uses CPU by its share of the items.
static void second(uint64_t per_item_ns) {
    for (uint32_t i = 0; i < cores.count; i++)
        counter_add(&cores.counters[i], COUNTER_CPU_NS,
                    counter_read(&cores.counters[i], COUNTER_CONNECTIONS) * per_item_ns);
    cores_pass(NS_PER_S);
}

static void open_balancers(void) {
    static const struct counters *all[CORES_MAX];
    cores_open(4, NULL);
    gifts = 0;
    for (uint32_t i = 0; i < 4; i++) {
        all[i] = &cores.counters[i];
        balancers[i] = (struct balancer){.scheduler = &cores.schedulers[i],
                                         .counters = all,
                                         .core_count = 4,
                                         .items = COUNTER_CONNECTIONS,
                                         .port = (void *)(uintptr_t)i,
                                         .period_ns = NS_PER_S};
        ck_assert_int_eq(balancer_register(&balancers[i]), 0);
        (void)cores_spawn(i, KIND_BALANCER);
    }
}

static void close_balancers(void) {
    for (uint32_t i = 0; i < 4; i++)
        scheduler_exit(&cores.schedulers[i], KIND_BALANCER, 0, EXIT_SHUTDOWN);
    cores_close();
}

START_TEST(loads_come_together_and_stay) {
    open_balancers();
    counter_set(&cores.counters[2], COUNTER_CONNECTIONS, 4000);
    for (uint32_t i = 0; i < 60; i++)
        second(225000); // 900 ‰ of one CPU, all on one core
    uint64_t most = 0, least = UINT64_MAX;
    for (uint32_t i = 0; i < 4; i++) {
        uint64_t items = counter_read(&cores.counters[i], COUNTER_CONNECTIONS);
        most = items > most ? items : most;
        least = items < least ? items : least;
    }
    ck_assert_uint_lt((most - least) * 225000, BALANCER_GAP_PERMILLE * NS_PER_MS);
    uint32_t until_now = gifts;
    ck_assert_uint_gt(until_now, 1);
    for (uint32_t i = 0; i < 60; i++)
        second(225000);
    ck_assert_uint_eq(gifts, until_now);
    close_balancers();
}
END_TEST

START_TEST(a_short_peak_moves_nobody) {
    open_balancers();
    for (uint32_t i = 0; i < 4; i++)
        counter_set(&cores.counters[i], COUNTER_CONNECTIONS, 1000);
    for (uint32_t i = 0; i < 20; i++) {
        if (i % 4 == 0)
            counter_add(&cores.counters[1], COUNTER_CPU_NS, 900 * NS_PER_MS);
        second(50000);
    }
    ck_assert_uint_eq(gifts, 0);
    close_balancers();
}
END_TEST

UNIT_MAIN("sched/balancer", only_the_busiest_gives_and_to_the_idlest,
          small_loads_and_small_gaps_are_left_alone, one_item_stays_and_a_gift_is_bounded,
          loads_come_together_and_stay, a_short_peak_moves_nobody)
