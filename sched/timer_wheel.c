// A timer's level is that of the highest 6-bit digit in which its deadline differs from now_tick;
// its slot is that digit. As now_tick reaches the start of an occupied slot of a higher level, its
// timers move down; until all have, now_tick stays there. So a higher level's slot of now_tick is
// occupied only in the middle of that, and every timer of a lower level is due before those of a
// higher one.
//
//   disarmed --arm--> listed --expire--> disarmed          listed --disarm--> disarmed
#include "sched/timer_wheel.h"

#define TIMER_LIST 0x80000000u
#define LEVEL_BITS 6

static struct timer *timer_at(const struct timer_wheel *wheel, uint32_t index) {
    return (struct timer *)((uint8_t *)slab_at(wheel->slab, index) + wheel->timer_offset);
}

void timer_wheel_init(struct timer_wheel *wheel, const struct slab *slab, uint32_t timer_offset,
                      uint64_t tick_ns, uint64_t now_ns) {
    CHECK(tick_ns > 0 && timer_offset % 4 == 0);
    *wheel = (struct timer_wheel){.slab = slab,
                                  .timer_offset = timer_offset,
                                  .tick_ns = tick_ns,
                                  .tick_inverse = UINT64_MAX / tick_ns,
                                  .now_tick = now_ns / tick_ns};
}

// The tick at or after a moment. The product's upper half is the quotient or one less: tick_inverse
// is short of 2^64 / tick_ns by at most one, which times ns is less than 2^64.
static uint64_t tick_from(const struct timer_wheel *wheel, uint64_t ns) {
    uint64_t tick = (uint64_t)((unsigned __int128)ns * wheel->tick_inverse >> 64);
    uint64_t rest_ns = ns - tick * wheel->tick_ns;
    return tick + (rest_ns > 0) + (rest_ns > wheel->tick_ns);
}

// now_tick ≤ deadline < now_tick + 2^32 for every listed timer: the high half follows.
static uint64_t deadline_of(const struct timer_wheel *wheel, const struct timer *timer) {
    uint64_t deadline = (wheel->now_tick & ~0xffffffffull) | timer->deadline;
    return deadline < wheel->now_tick ? deadline + (1ull << 32) : deadline;
}

static uint32_t head_for(const struct timer_wheel *wheel, uint64_t deadline) {
    uint64_t differing = (deadline ^ wheel->now_tick) | (TIMER_WHEEL_SLOTS - 1);
    uint32_t level = (63u - (uint32_t)__builtin_clzll(differing)) / LEVEL_BITS;
    // A carry into a sixth digit: the delay limit keeps such a deadline less than a lap of the top
    // level away.
    if (level >= TIMER_WHEEL_LEVELS)
        level = TIMER_WHEEL_LEVELS - 1;
    uint32_t slot = (uint32_t)(deadline >> (LEVEL_BITS * level)) & (TIMER_WHEEL_SLOTS - 1);
    return level * TIMER_WHEEL_SLOTS + slot;
}

static inline void list(struct timer_wheel *wheel, uint32_t index, struct timer *timer,
                        uint64_t deadline) {
    uint32_t head = head_for(wheel, deadline);
    timer->next = wheel->heads[head];
    timer->previous = TIMER_LIST | head;
    timer->deadline = (uint32_t)deadline;
    if (timer->next)
        timer_at(wheel, timer->next - 1)->previous = index + 1;
    wheel->heads[head] = index + 1;
    wheel->occupied[head / TIMER_WHEEL_SLOTS] |= 1ull << (head % TIMER_WHEEL_SLOTS);
}

static inline void unlist(struct timer_wheel *wheel, struct timer *timer) {
    if (timer->next)
        timer_at(wheel, timer->next - 1)->previous = timer->previous;
    if (timer->previous & TIMER_LIST) {
        uint32_t head = timer->previous & ~TIMER_LIST;
        wheel->heads[head] = timer->next;
        if (!timer->next)
            wheel->occupied[head / TIMER_WHEEL_SLOTS] &= ~(1ull << (head % TIMER_WHEEL_SLOTS));
    } else {
        timer_at(wheel, timer->previous - 1)->next = timer->next;
    }
    *timer = (struct timer){0};
}

void timer_wheel_arm(struct timer_wheel *wheel, uint32_t index, uint64_t deadline_ns) {
    struct timer *timer = timer_at(wheel, index);
    if (timer_is_armed(timer))
        unlist(wheel, timer);
    else
        wheel->armed_count++;
    uint64_t deadline = tick_from(wheel, deadline_ns);
    // A deadline already past expires with the next tick: a list of "now" could starve its expirer.
    if (deadline <= wheel->now_tick)
        deadline = wheel->now_tick + 1;
    if (deadline - wheel->now_tick > TIMER_WHEEL_DELAY_MAX)
        deadline = wheel->now_tick + TIMER_WHEEL_DELAY_MAX;
    list(wheel, index, timer, deadline);
}

void timer_wheel_disarm(struct timer_wheel *wheel, uint32_t index) {
    struct timer *timer = timer_at(wheel, index);
    if (!timer_is_armed(timer))
        return;
    unlist(wheel, timer);
    wheel->armed_count--;
}

// The slot to look at next, and the tick at which it starts: one whose timers are moving down, else
// the earliest occupied one.
static bool next_slot(const struct timer_wheel *wheel, uint32_t *head, uint64_t *tick) {
    if (UNLIKELY(wheel->moving)) {
        *head = wheel->moving;
        *tick = wheel->now_tick;
        return true;
    }
    for (uint32_t level = 0; level < TIMER_WHEEL_LEVELS; level++) {
        uint64_t occupied = wheel->occupied[level];
        if (!occupied)
            continue;
        uint32_t shift = LEVEL_BITS * level;
        uint32_t here = (uint32_t)(wheel->now_tick >> shift) & (TIMER_WHEEL_SLOTS - 1);
        uint64_t rotated =
            here ? occupied >> here | occupied << (TIMER_WHEEL_SLOTS - here) : occupied;
        uint32_t ahead = (uint32_t)__builtin_ctzll(rotated);
        *head = level * TIMER_WHEEL_SLOTS + ((here + ahead) & (TIMER_WHEEL_SLOTS - 1));
        *tick = ((wheel->now_tick >> shift) + ahead) << shift;
        return true;
    }
    return false;
}

uint32_t timer_wheel_expire(struct timer_wheel *wheel, uint64_t now_ns) {
    uint64_t target = now_ns / wheel->tick_ns;
    uint32_t moves_left = TIMER_WHEEL_MOVES_MAX;
    uint32_t head;
    uint64_t tick;
    while (next_slot(wheel, &head, &tick) && tick <= target) {
        uint32_t index = wheel->heads[head] - 1;
        if (tick > wheel->now_tick)
            wheel->now_tick = tick;
        if (head < TIMER_WHEEL_SLOTS) {
            unlist(wheel, timer_at(wheel, index));
            wheel->armed_count--;
            return index;
        }
        // A higher slot begins: every timer in it moves to a lower level.
        wheel->moving = head;
        while (wheel->heads[head] && moves_left > 0) {
            index = wheel->heads[head] - 1;
            struct timer *timer = timer_at(wheel, index);
            uint64_t deadline = deadline_of(wheel, timer);
            unlist(wheel, timer);
            list(wheel, index, timer, deadline);
            moves_left--;
        }
        if (wheel->heads[head])
            return SLAB_NONE;
        wheel->moving = 0;
    }
    if (target > wheel->now_tick)
        wheel->now_tick = target;
    return SLAB_NONE;
}

uint64_t timer_wheel_next_ns(const struct timer_wheel *wheel) {
    uint32_t head;
    uint64_t tick;
    return next_slot(wheel, &head, &tick) ? tick * wheel->tick_ns : UINT64_MAX;
}

uint64_t timer_wheel_deadline_ns(const struct timer_wheel *wheel, uint32_t index) {
    const struct timer *timer = timer_at(wheel, index);
    return timer_is_armed(timer) ? deadline_of(wheel, timer) * wheel->tick_ns : 0;
}

void timer_wheel_validate(const struct timer_wheel *wheel) {
    uint32_t count = 0;
    for (uint32_t head = 0; head < TIMER_WHEEL_LEVELS * TIMER_WHEEL_SLOTS; head++) {
        bool occupied = wheel->occupied[head / TIMER_WHEEL_SLOTS] >> (head % TIMER_WHEEL_SLOTS) & 1;
        CHECK(occupied == (wheel->heads[head] != 0));
        uint32_t previous = TIMER_LIST | head;
        for (uint32_t link = wheel->heads[head]; link; link = timer_at(wheel, link - 1)->next) {
            const struct timer *timer = timer_at(wheel, link - 1);
            CHECKF(timer->previous == previous && slab_is_used(wheel->slab, link - 1),
                   "slab %s: timer of slot %u", wheel->slab->name, link - 1);
            CHECKF(head == wheel->moving || head == head_for(wheel, deadline_of(wheel, timer)),
                   "slab %s: timer of slot %u is in the wrong list", wheel->slab->name, link - 1);
            previous = link;
            count++;
        }
    }
    CHECKF(count == wheel->armed_count, "slab %s: %u timers are listed, %u counted",
           wheel->slab->name, count, wheel->armed_count);
}
