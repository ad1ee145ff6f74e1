#include "sched/timed.h"

#include "sched/mailbox.h"
#include "sched/move.h"

#include <errno.h>
#include <string.h>

#define TIMED_PER_TURN 4096

int timed_init(struct scheduler *scheduler, uint32_t timed_max) {
    int result = slab_init(&scheduler->timed, scheduler->ledger, "timed messages",
                           sizeof(struct timed), timed_max);
    if (result == 0)
        timer_wheel_init(&scheduler->timed_wheel, &scheduler->timed, offsetof(struct timed, timer),
                         TIMED_TICK_NS, scheduler->now_ns);
    return result;
}

// Where the list begins that a message to `target` is in, or NULL: no living actor of this core.
static uint32_t *head_of(const struct scheduler *scheduler, uint64_t target) {
    return scheduler_lookup(scheduler, target)
               ? &scheduler->kinds[pid_kind(target)].timed[pid_slot(target).index]
               : NULL;
}

static ALWAYS_INLINE void list(struct scheduler *scheduler, uint32_t index, struct timed *timed,
                               uint64_t target) {
    uint32_t next = SLAB_NONE;
    struct actor *actor = scheduler_lookup(scheduler, target);
    if (LIKELY(actor != NULL)) {
        uint32_t *head = &scheduler->kinds[pid_kind(target)].timed[pid_slot(target).index];
        if (UNLIKELY(!(actor->slab_word & ACTOR_RELATED)))
            actor->slab_word |= ACTOR_RELATED;
        next = *head - 1; // 0, none, becomes SLAB_NONE
        if (next != SLAB_NONE)
            timed_at(scheduler, next)->previous = index;
        *head = index + 1;
    }
    timed->next = next;
    timed->previous = SLAB_NONE;
}

static void release(struct scheduler *scheduler, uint32_t index) {
    struct timed *timed = timed_at(scheduler, index);
    if (timed->next != SLAB_NONE)
        timed_at(scheduler, timed->next)->previous = timed->previous;
    if (timed->previous != SLAB_NONE) {
        timed_at(scheduler, timed->previous)->next = timed->next;
    } else {
        uint32_t *head = head_of(scheduler, timed->target);
        if (head && *head == index + 1)
            *head = timed->next + 1;
    }
    timer_wheel_disarm(&scheduler->timed_wheel, index);
    slab_release(&scheduler->timed, index);
}

uint64_t timed_send_after(struct scheduler *scheduler, const struct message *message,
                          uint64_t delay_ns, uint64_t interval_ns) {
    uint32_t index;
    struct timed *timed = slab_acquire_unfilled(&scheduler->timed, &index);
    if (!timed)
        return 0;
    timed->timer = (struct timer){0};
    timed->small = message->small;
    timed->type = message->type;
    timed->flags = message->flags;
    timed->target = message->target;
    if (UNLIKELY(scheduler->moved_count > 0))
        timed->target = move_translate(scheduler, message->target);
    timed->sender = message->sender;
    timed->name = pid_of((uint8_t)(scheduler->core + 1), 0, slab_handle(&scheduler->timed, index));
    timed->deadline_ns = scheduler->now_ns + delay_ns;
    timed->interval_ns = interval_ns;
    memcpy(timed->words, message->words, sizeof(timed->words));
    list(scheduler, index, timed, timed->target);
    timer_wheel_arm(&scheduler->timed_wheel, index, timed->deadline_ns);
    return timed->name;
}

static uint32_t find(const struct scheduler *scheduler, uint64_t target, uint64_t name) {
    const struct timed *timed = pid_core(name) == scheduler->core + 1
                                    ? slab_lookup(&scheduler->timed, pid_slot(name))
                                    : NULL;
    if (timed && timed->name == name)
        return pid_slot(name).index;
    const uint32_t *head = head_of(scheduler, move_translate(scheduler, target));
    uint32_t at = head ? *head - 1 : SLAB_NONE;
    while (at != SLAB_NONE && timed_at(scheduler, at)->name != name)
        at = timed_at(scheduler, at)->next;
    return at;
}

bool timed_cancel(struct scheduler *scheduler, uint64_t target, uint64_t name,
                  uint64_t *remaining_ns) {
    uint32_t index = find(scheduler, target, name);
    if (index == SLAB_NONE)
        return false;
    uint64_t deadline_ns = timed_at(scheduler, index)->deadline_ns;
    *remaining_ns = deadline_ns > scheduler->now_ns ? deadline_ns - scheduler->now_ns : 0;
    release(scheduler, index);
    return true;
}

// What the runtime itself reminds an actor of (a state's timeout) is no policy's to drop.
static bool send(struct scheduler *scheduler, const struct message *message) {
    if (message->type >= MESSAGE_SIGNALS)
        return scheduler_try_send(scheduler, message);
    if (!mailbox_has_cell(scheduler, MESH_ROOM))
        return false;
    scheduler_send(scheduler, message);
    return true;
}

static void fire(struct scheduler *scheduler, uint32_t index) {
    struct timed *timed = timed_at(scheduler, index);
    struct message message = {.target = timed->target,
                              .sender = timed->sender,
                              .type = timed->type,
                              .flags = timed->flags,
                              .small = timed->small};
    memcpy(message.words, timed->words, sizeof(message.words));
    counter_add(scheduler->counters, COUNTER_TIMERS_FIRED, 1);
    if (!send(scheduler, &message)) {
        counter_add(scheduler->counters, COUNTER_TIMED_LATE, 1);
        timer_wheel_arm(&scheduler->timed_wheel, index, scheduler->now_ns + TIMED_TICK_NS);
        return;
    }
    bool is_repeated = timed->interval_ns != 0;
    uint64_t target = move_translate(scheduler, timed->target);
    if (pid_core(target) == scheduler->core && !head_of(scheduler, target))
        is_repeated = false; // for an actor that is gone
    if (!is_repeated) {
        release(scheduler, index);
        return;
    }
    // Intervals that passed meanwhile (a clock that jumped, a core that stalled) are left out.
    uint64_t late_ns =
        scheduler->now_ns > timed->deadline_ns ? scheduler->now_ns - timed->deadline_ns : 0;
    timed->deadline_ns += (late_ns / timed->interval_ns + 1) * timed->interval_ns;
    timer_wheel_arm(&scheduler->timed_wheel, index, timed->deadline_ns);
}

void timed_run(struct scheduler *scheduler) {
    for (uint32_t i = 0; i < TIMED_PER_TURN; i++) {
        uint32_t index = timer_wheel_expire(&scheduler->timed_wheel, scheduler->now_ns);
        if (index == SLAB_NONE)
            return;
        fire(scheduler, index);
    }
}

uint32_t timed_first(const struct scheduler *scheduler, uint8_t kind, uint32_t index) {
    return scheduler->kinds[kind].timed[index] - 1;
}

void timed_ended(struct scheduler *scheduler, uint8_t kind, uint32_t index) {
    uint32_t at;
    while ((at = timed_first(scheduler, kind, index)) != SLAB_NONE)
        release(scheduler, at);
}

void timed_freeze(struct scheduler *scheduler, uint8_t kind, uint32_t index) {
    for (uint32_t at = timed_first(scheduler, kind, index); at != SLAB_NONE;
         at = timed_at(scheduler, at)->next)
        timer_wheel_disarm(&scheduler->timed_wheel, at);
}

void timed_thaw(struct scheduler *scheduler, uint8_t kind, uint32_t index) {
    for (uint32_t at = timed_first(scheduler, kind, index); at != SLAB_NONE;
         at = timed_at(scheduler, at)->next)
        timer_wheel_arm(&scheduler->timed_wheel, at, timed_at(scheduler, at)->deadline_ns);
}

bool timed_arrive(struct scheduler *scheduler, uint64_t pid, const struct timed *from) {
    uint32_t index;
    struct timed *timed = slab_acquire(&scheduler->timed, &index);
    if (!timed)
        return false;
    uint32_t word = timed->slab_word;
    *timed = *from;
    timed->slab_word = word;
    timed->timer = (struct timer){0};
    timed->target = pid;
    list(scheduler, index, timed, pid);
    return true;
}

void timed_validate(const struct scheduler *scheduler) {
    slab_validate(&scheduler->timed);
    timer_wheel_validate(&scheduler->timed_wheel);
    CHECKF(scheduler->timed_wheel.armed_count <= scheduler->timed.used_count, // some are frozen
           "%u timed messages, %u armed", scheduler->timed.used_count,
           scheduler->timed_wheel.armed_count);
    for (uint32_t i = 0; i < scheduler->timed.touched_count; i++) {
        const struct timed *timed = timed_at(scheduler, i);
        if (!slab_is_used(&scheduler->timed, i))
            continue;
        const uint32_t *head = head_of(scheduler, timed->target);
        bool is_first = timed->previous == SLAB_NONE;
        CHECKF(!head || !is_first || *head == i + 1, "timed message %u is in no list", i);
        CHECKF(is_first || timed_at(scheduler, timed->previous)->next == i, "timed message %u", i);
    }
}
