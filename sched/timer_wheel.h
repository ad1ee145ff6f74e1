// Hierarchical timing wheel (Varghese and Lauck 1987), tickless: five levels of 64 slots over ticks
// of the owner's choosing. Intrusive: a timer is 12 bytes inside a slab slot, linked by slot index.
// Arm and disarm are O(1); a timer moves down at most four times. Expiry is pulled one at a time,
// so that the caller can stop at its budget and go on in the next turn; so are the moves, or the
// start of a slot with a million timers would be a pause of a tenth of a second.
//
// Bounds: delays beyond 2^29 ticks (from the last expire) are cut to that. Deadlines round up:
// never early, at most a tick late (and what the caller's budgets add).
#ifndef FAIRLEAD_TIMER_WHEEL_H
#define FAIRLEAD_TIMER_WHEEL_H

#include "sched/base/slab.h"

#define TIMER_WHEEL_LEVELS 5
#define TIMER_WHEEL_SLOTS 64
#define TIMER_WHEEL_DELAY_MAX ((1ull << 29) - 1)
#define TIMER_WHEEL_MOVES_MAX 1024 // timers that one expire moves down

// All-zero is a disarmed timer.
struct timer {
    uint32_t next; // slot index + 1 of the next timer in the same list, 0 at its end
    uint32_t
        previous; // slot index + 1, or at a list's head TIMER_LIST | level * 64 + slot; 0: disarmed
    uint32_t deadline; // tick, low 32 bits
};

struct timer_wheel {
    const struct slab *slab;
    uint32_t timer_offset; // of struct timer in the slab's slots
    uint32_t armed_count;
    uint64_t tick_ns;
    uint64_t tick_inverse; // 2^64 / tick_ns, rounded down: a division is dearer than all the rest
    uint64_t now_tick;     // every timer up to here has expired or waits in `expired`
    uint32_t moving; // list whose timers are moving down, 0: none (a list of level 0 never does)
    uint64_t occupied[TIMER_WHEEL_LEVELS];
    uint32_t heads[TIMER_WHEEL_LEVELS * TIMER_WHEEL_SLOTS];
};

void timer_wheel_init(struct timer_wheel *wheel, const struct slab *slab, uint32_t timer_offset,
                      uint64_t tick_ns, uint64_t now_ns);

// Arms or re-arms the timer of a slot in use.
void timer_wheel_arm(struct timer_wheel *wheel, uint32_t index, uint64_t deadline_ns);

// Harmless on a disarmed timer. A slot must be disarmed before it is released.
void timer_wheel_disarm(struct timer_wheel *wheel, uint32_t index);

// Takes one timer whose deadline is at or before now_ns and disarms it: its slot index, or
// SLAB_NONE when there is none or the call has used up its moves: timer_wheel_next_ns tells which.
uint32_t timer_wheel_expire(struct timer_wheel *wheel, uint64_t now_ns);

// When expire must be called next: a lower bound on the first deadline; UINT64_MAX when nothing is
// armed.
uint64_t timer_wheel_next_ns(const struct timer_wheel *wheel);

static inline bool timer_is_armed(const struct timer *timer) {
    return timer->previous != 0;
}

// The deadline of an armed timer, to the tick; 0: it is not armed.
uint64_t timer_wheel_deadline_ns(const struct timer_wheel *wheel, uint32_t index);

void timer_wheel_validate(const struct timer_wheel *wheel);

#endif
