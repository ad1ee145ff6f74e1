// Goal: every timer fires once, never early, at most a tick late, in the order of the ticks,
// however far the clock jumps. Method: hand-made limits of each level and of the delay, then random
// walks against a plain array of deadlines with small steps, long jumps and budgets, across the
// wrap of the low 32 bits and of the top level.
#include "sched/timer_wheel.h"

#include "sched/base/rng.h"
#include "tests/unit/unit.h"

struct slot {
    uint32_t slab_word;
    uint32_t value;
    struct timer timer;
};

#define SLOTS 300
#define TICK 1000ull

static struct memory_ledger ledger;
static struct slab slab;
static struct timer_wheel wheel;

static void set_up(uint32_t slots, uint64_t now_ns) {
    ck_assert_int_eq(slab_init(&slab, &ledger, "timers", sizeof(struct slot), slots), 0);
    timer_wheel_init(&wheel, &slab, offsetof(struct slot, timer), TICK, now_ns);
    for (uint32_t i = 0, index; i < slots; i++)
        ck_assert_ptr_nonnull(slab_acquire(&slab, &index));
}

static void tear_down(void) {
    timer_wheel_validate(&wheel);
    memory_release_all(&ledger);
}

static bool is_armed(uint32_t index) {
    return timer_is_armed(&((struct slot *)slab_at(&slab, index))->timer);
}

START_TEST(timer_wheel_without_timers_asks_for_nothing) {
    set_up(1, 5);
    ck_assert(timer_wheel_next_ns(&wheel) == UINT64_MAX);
    ck_assert_uint_eq(timer_wheel_expire(&wheel, UINT64_MAX / 2), SLAB_NONE);
    timer_wheel_disarm(&wheel, 0);
    ck_assert_uint_eq(wheel.armed_count, 0);
    tear_down();
}
END_TEST

// The wheel multiplies where a division is meant: around multiples of the tick, for ticks of any
// size and moments up to the last.
START_TEST(timer_wheel_rounds_as_a_division_does) {
    set_up(1, 0);
    struct rng rng = {.state = 7};
    for (uint32_t i = 0; i < 200000; i++) {
        uint64_t tick_ns = 1 + (rng_next(&rng) >> (i % 3 ? 24 + rng_below(&rng, 40) : 1));
        uint64_t now_ns = rng_next(&rng) >> rng_below(&rng, 64);
        uint64_t deadline_ns = now_ns - now_ns % tick_ns + (uint64_t)rng_below(&rng, 4) - 1;
        if (deadline_ns < now_ns || deadline_ns - now_ns > (1ull << 62))
            deadline_ns = UINT64_MAX - rng_below(&rng, 3);
        timer_wheel_init(&wheel, &slab, offsetof(struct slot, timer), tick_ns, now_ns);
        timer_wheel_arm(&wheel, 0, deadline_ns);
        uint64_t now_tick = now_ns / tick_ns;
        uint64_t due = deadline_ns / tick_ns + (deadline_ns % tick_ns != 0);
        due = due > now_tick ? due : now_tick + 1;
        if (due - now_tick > TIMER_WHEEL_DELAY_MAX)
            due = now_tick + TIMER_WHEEL_DELAY_MAX;
        const struct slot *slot = slab_at(&slab, 0);
        ck_assert_msg(slot->timer.deadline == (uint32_t)due, "%lu ns in ticks of %lu", deadline_ns,
                      tick_ns);
        timer_wheel_disarm(&wheel, 0);
    }
    tear_down();
}
END_TEST

// Fires at `deadline` rounded up, and not a nanosecond before.
static void check_one(uint64_t now, uint64_t deadline) {
    set_up(1, now);
    timer_wheel_arm(&wheel, 0, deadline);
    timer_wheel_validate(&wheel);
    uint64_t due = (deadline + TICK - 1) / TICK * TICK;
    uint64_t at = now;
    for (uint32_t steps = 0; steps < 6; steps++) {
        uint64_t next = timer_wheel_next_ns(&wheel);
        ck_assert(next >= at && next <= due);
        ck_assert_uint_eq(timer_wheel_expire(&wheel, next - 1), SLAB_NONE);
        at = next;
        if (next == due)
            break;
        ck_assert_uint_eq(timer_wheel_expire(&wheel, next), SLAB_NONE);
        timer_wheel_validate(&wheel);
    }
    ck_assert(at == due);
    ck_assert(is_armed(0));
    ck_assert_uint_eq(timer_wheel_expire(&wheel, due - 1), SLAB_NONE);
    ck_assert_uint_eq(timer_wheel_expire(&wheel, due), 0);
    ck_assert(!is_armed(0));
    ck_assert_uint_eq(timer_wheel_expire(&wheel, due), SLAB_NONE);
    tear_down();
}

START_TEST(timer_wheel_fires_on_the_tick_at_every_level_limit) {
    static const uint64_t starts[] = {0, 1, 63, 64, 4095, 1ull << 30, (1ull << 32) - 1};
    for (uint32_t s = 0; s < sizeof(starts) / sizeof(starts[0]); s++) {
        for (uint32_t bits = 0; bits <= 28; bits++) {
            for (uint64_t off = 0; off < 3; off++) {
                uint64_t delay = (1ull << bits) + off - 1;
                if (delay > 0)
                    check_one(starts[s] * TICK, (starts[s] + delay) * TICK);
            }
        }
    }
}
END_TEST

START_TEST(timer_wheel_rounds_deadlines_up) {
    check_one(0, 1);
    check_one(500, 999);
    check_one(999, 1001);
    check_one(64 * TICK - 1, 64 * TICK + 1);
}
END_TEST

START_TEST(timer_wheel_cuts_delays_beyond_the_limit) {
    check_one(7 * TICK, (7 + TIMER_WHEEL_DELAY_MAX - 1) * TICK);
    check_one(7 * TICK, (7 + TIMER_WHEEL_DELAY_MAX) * TICK);
    static const uint64_t beyond[] = {(8 + TIMER_WHEEL_DELAY_MAX) * TICK, UINT64_MAX - TICK,
                                      UINT64_MAX - 1, UINT64_MAX};
    for (uint32_t i = 0; i < 4; i++) {
        set_up(1, 7 * TICK);
        timer_wheel_arm(&wheel, 0, beyond[i]);
        timer_wheel_validate(&wheel);
        uint64_t due = (7 + TIMER_WHEEL_DELAY_MAX) * TICK;
        ck_assert_uint_eq(timer_wheel_expire(&wheel, due - 1), SLAB_NONE);
        ck_assert_uint_eq(timer_wheel_expire(&wheel, due), 0);
        tear_down();
    }
}
END_TEST

START_TEST(timer_wheel_fires_a_past_deadline_at_the_next_tick) {
    set_up(1, 100 * TICK);
    timer_wheel_arm(&wheel, 0, 3);
    ck_assert_uint_eq(timer_wheel_expire(&wheel, 100 * TICK + 999), SLAB_NONE);
    ck_assert_uint_eq(timer_wheel_expire(&wheel, 101 * TICK), 0);
    tear_down();
}
END_TEST

START_TEST(timer_wheel_arm_again_replaces_the_deadline) {
    set_up(1, 0);
    timer_wheel_arm(&wheel, 0, 5 * TICK);
    timer_wheel_arm(&wheel, 0, 5000 * TICK);
    ck_assert_uint_eq(wheel.armed_count, 1);
    ck_assert_uint_eq(timer_wheel_expire(&wheel, 4999 * TICK), SLAB_NONE);
    timer_wheel_arm(&wheel, 0, 4999 * TICK + 1);
    ck_assert_uint_eq(timer_wheel_expire(&wheel, 5000 * TICK), 0);
    tear_down();
}
END_TEST

START_TEST(timer_wheel_survives_a_clock_that_stands_or_goes_back) {
    set_up(2, 1000 * TICK);
    timer_wheel_arm(&wheel, 0, 1001 * TICK);
    timer_wheel_arm(&wheel, 1, 1001 * TICK);
    ck_assert_uint_ne(timer_wheel_expire(&wheel, 1001 * TICK), SLAB_NONE);
    ck_assert_uint_eq(timer_wheel_expire(&wheel, 900 * TICK), SLAB_NONE);
    timer_wheel_validate(&wheel);
    ck_assert_uint_ne(timer_wheel_expire(&wheel, 1001 * TICK), SLAB_NONE);
    tear_down();
}
END_TEST

// A million timers in one slot of level 1 must not all move in the turn in which it begins.
START_TEST(timer_wheel_moves_a_crowded_slot_in_slices) {
    const uint32_t count = TIMER_WHEEL_MOVES_MAX * 3 + 1;
    set_up(count + 1, 0);
    for (uint32_t i = 0; i < count; i++)
        timer_wheel_arm(&wheel, i, (64 + i % 64) * TICK);
    uint64_t now = 64 * TICK;
    for (uint32_t slice = 0; slice < 3; slice++) {
        ck_assert_uint_eq(timer_wheel_expire(&wheel, now), SLAB_NONE);
        ck_assert(timer_wheel_next_ns(&wheel) <= now);
        timer_wheel_validate(&wheel);
        now += 2 * TICK; // time goes on meanwhile; nothing may be passed over
    }
    timer_wheel_arm(&wheel, count, 65 * TICK); // armed in the middle of the move
    uint32_t fired = 0;
    uint64_t last = 0;
    uint32_t index;
    while ((index = timer_wheel_expire(&wheel, 127 * TICK)) != SLAB_NONE) {
        uint64_t deadline = index == count ? 65 : 64 + index % 64;
        ck_assert_uint_ge(deadline, last);
        last = deadline;
        fired++;
    }
    ck_assert_uint_eq(fired, count + 1);
    tear_down();
}
END_TEST

START_TEST(timer_wheel_forgets_timers_disarmed_in_the_middle_of_a_move) {
    const uint32_t count = TIMER_WHEEL_MOVES_MAX + 10;
    set_up(count, 0);
    for (uint32_t i = 0; i < count; i++)
        timer_wheel_arm(&wheel, i, 100 * TICK);
    ck_assert_uint_eq(timer_wheel_expire(&wheel, 64 * TICK), SLAB_NONE);
    for (uint32_t i = 0; i < count; i++) {
        timer_wheel_disarm(&wheel, i);
        timer_wheel_validate(&wheel);
    }
    ck_assert_uint_eq(timer_wheel_expire(&wheel, 200 * TICK), SLAB_NONE);
    ck_assert(timer_wheel_next_ns(&wheel) == UINT64_MAX);
    tear_down();
}
END_TEST

// The model: per slot the nanosecond at which it must have fired, 0 when disarmed.
struct model {
    uint64_t due[SLOTS];
    uint64_t now;
    struct rng rng;
    uint32_t fired;
};

static uint64_t delay_of(struct model *m) {
    return 1 + (rng_next(&m->rng) & ((1ull << (1 + rng_below(&m->rng, 41))) - 1));
}

static void model_arm(struct model *m, uint32_t i, uint64_t delay) {
    uint64_t deadline = m->now + delay;
    timer_wheel_arm(&wheel, i, deadline);
    uint64_t tick = (deadline + TICK - 1) / TICK;
    if (tick > wheel.now_tick + TIMER_WHEEL_DELAY_MAX)
        tick = wheel.now_tick + TIMER_WHEEL_DELAY_MAX;
    m->due[i] = (tick > wheel.now_tick ? tick : wheel.now_tick + 1) * TICK;
}

static uint64_t model_first(const struct model *m) {
    uint64_t first = UINT64_MAX;
    for (uint32_t i = 0; i < SLOTS; i++)
        first = m->due[i] && m->due[i] < first ? m->due[i] : first;
    return first;
}

// Takes up to `budget` timers; some re-arm themselves or others, as handlers do.
static void model_expire(struct model *m, uint32_t budget) {
    for (uint32_t i = 0; i < budget; i++) {
        uint32_t index = timer_wheel_expire(&wheel, m->now);
        uint64_t first = model_first(m);
        if (index == SLAB_NONE) {
            ck_assert(first > m->now);
            return;
        }
        ck_assert(m->due[index] == first && first <= m->now);
        m->due[index] = 0;
        m->fired++;
        if (rng_below(&m->rng, 3) == 0)
            model_arm(m, index, delay_of(m));
        if (rng_below(&m->rng, 9) == 0)
            model_arm(m, rng_below(&m->rng, SLOTS), delay_of(m));
    }
}

static void model_walk(uint64_t start_tick, uint64_t seed, uint32_t jump_bits) {
    set_up(SLOTS, start_tick * TICK);
    struct model m = {.now = start_tick * TICK, .rng = {seed}};
    for (uint32_t step = 0; step < 3000; step++) {
        uint32_t i = rng_below(&m.rng, SLOTS);
        if (rng_below(&m.rng, 4) == 0) {
            timer_wheel_disarm(&wheel, i);
            m.due[i] = 0;
        } else {
            model_arm(&m, i, delay_of(&m));
        }
        if (rng_below(&m.rng, 3) == 0) {
            m.now += rng_next(&m.rng) & ((1ull << (1 + rng_below(&m.rng, jump_bits))) - 1);
            model_expire(&m, rng_below(&m.rng, 4) == 0 ? 5 : 10 * SLOTS);
        }
        timer_wheel_validate(&wheel);
        uint64_t first = model_first(&m);
        uint64_t next = timer_wheel_next_ns(&wheel);
        ck_assert((next == UINT64_MAX) == (first == UINT64_MAX));
        ck_assert(next <= first); // a lower bound
    }
    ck_assert_uint_gt(m.fired, 100);
    tear_down();
}

START_TEST(timer_wheel_agrees_with_a_sorted_list_in_small_steps) {
    for (uint64_t seed = 0; seed < 5; seed++)
        model_walk(0, seed, 20);
}
END_TEST

START_TEST(timer_wheel_agrees_with_a_sorted_list_over_long_jumps) {
    for (uint64_t seed = 5; seed < 10; seed++)
        model_walk(12345, seed, 42);
}
END_TEST

START_TEST(timer_wheel_agrees_with_a_sorted_list_across_the_wraps) {
    for (uint64_t seed = 10; seed < 15; seed++) {
        model_walk((1ull << 30) - 1000, seed, 32);
        model_walk((1ull << 32) - 1000, seed, 32);
        model_walk((1ull << 32) - (1ull << 28), seed, 38);
        model_walk((1ull << 33) - 1, seed, 24);
    }
}
END_TEST

UNIT_MAIN("sched/timer_wheel", timer_wheel_without_timers_asks_for_nothing,
          timer_wheel_fires_on_the_tick_at_every_level_limit, timer_wheel_rounds_deadlines_up,
          timer_wheel_rounds_as_a_division_does, timer_wheel_cuts_delays_beyond_the_limit,
          timer_wheel_fires_a_past_deadline_at_the_next_tick,
          timer_wheel_arm_again_replaces_the_deadline,
          timer_wheel_survives_a_clock_that_stands_or_goes_back,
          timer_wheel_moves_a_crowded_slot_in_slices,
          timer_wheel_forgets_timers_disarmed_in_the_middle_of_a_move,
          timer_wheel_agrees_with_a_sorted_list_in_small_steps,
          timer_wheel_agrees_with_a_sorted_list_over_long_jumps,
          timer_wheel_agrees_with_a_sorted_list_across_the_wraps)
