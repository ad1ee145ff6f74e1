// Goal: under any mix of sends, ends, pauses, slices and timers, from outside and inside handlers,
// every message is handled in its order or discarded once, nobody waits for ever, and a turn keeps
// its budget. Method: random walks beside a model queue per actor; the whole state validated after
// each turn.
#include "sched/scheduler.h"

#include <string.h>

#include "sched/base/clock.h"
#include "sched/base/rng.h"
#include "tests/unit/unit.h"

#define KIND 3
#define SLOTS_MAX 24
#define MAILBOX_MAX 40
#define CELLS_MAX 400
#define REDUCTIONS 50
#define MODEL_QUEUE 1024

struct state {
    struct actor actor;
    struct timer timer;
};

struct model_actor {
    uint64_t pid; // PID_NONE: no actor
    uint64_t values[MODEL_QUEUE];
    uint32_t first;
    uint32_t count;
    bool is_paused;
    bool is_continued;
    uint64_t due_ns;      // of the timer, 0: none
    uint32_t ready_since; // turn
    bool was_ready;
};

static struct {
    struct scheduler scheduler;
    struct rng rng;
    struct model_actor actors[SLOTS_MAX];
    uint64_t next_value;
    uint64_t handled;
    uint64_t discarded;
    uint64_t refused;
    uint64_t timers;
    uint64_t slices;
    uint64_t consumed; // in this turn
    uint32_t turn;
} m;

static struct scheduler *const scheduler = &m.scheduler;

static uint32_t chance(uint32_t bound) {
    return rng_below(&m.rng, bound);
}

static struct model_actor *any_actor(void) {
    struct model_actor *actor = &m.actors[chance(SLOTS_MAX)];
    return actor->pid ? actor : NULL;
}

static uint32_t index_of(const struct model_actor *actor) {
    return pid_slot(actor->pid).index;
}

static void do_spawn(void) {
    uint64_t pid = scheduler_spawn(scheduler, KIND, NULL);
    if (pid == PID_NONE)
        return;
    struct model_actor *actor = &m.actors[pid_slot(pid).index];
    CHECK(actor->pid == PID_NONE);
    *actor = (struct model_actor){.pid = pid};
}

static void do_send(struct model_actor *actor) {
    struct message message = {.target = actor->pid, .type = MESSAGE_USER, .words = {m.next_value}};
    if (chance(2)) {
        const struct slab *cells = &scheduler->cells;
        bool fits = actor->count < MAILBOX_MAX && cells->used_count < CELLS_MAX - CELLS_MAX / 8;
        CHECK(scheduler_try_send(scheduler, &message) == fits);
        if (!fits) {
            m.refused++;
            return;
        }
    } else if (scheduler->cells.used_count == CELLS_MAX) {
        return;
    } else {
        scheduler_send(scheduler, &message);
    }
    CHECK(actor->count < MODEL_QUEUE);
    actor->values[(actor->first + actor->count++) % MODEL_QUEUE] = m.next_value++;
}

static void do_send_to_the_dead(void) {
    struct model_actor *actor = any_actor();
    if (!actor)
        return;
    struct message message = {.target = actor->pid ^ 1ull << 40, // another generation
                              .type = MESSAGE_USER};
    uint64_t before = m.discarded;
    CHECK(scheduler_try_send(scheduler, &message) && m.discarded == before + 1);
    m.next_value++;
}

static void one_action(struct model_actor *actor) {
    uint32_t index = index_of(actor);
    switch (chance(12)) {
    case 0:
        scheduler_exit(scheduler, KIND, index, EXIT_NORMAL);
        return;
    case 1:
        scheduler_pause(scheduler, KIND, index);
        actor->is_paused = true;
        return;
    case 2:
    case 3:
        scheduler_resume(scheduler, KIND, index);
        actor->is_paused = false;
        return;
    case 4:
        scheduler_continue(scheduler, KIND, index);
        actor->is_continued = true;
        return;
    case 5:
        actor->due_ns = scheduler->now_ns + 1 + chance(100) * NS_PER_MS;
        scheduler_arm(scheduler, KIND, index, actor->due_ns);
        return;
    case 6:
        scheduler_disarm(scheduler, KIND, index);
        actor->due_ns = 0;
        return;
    case 7:
        do_spawn();
        return;
    case 8:
        do_send_to_the_dead();
        return;
    default:
        do_send(actor);
    }
}

static int on_init(void *context, void *state, uint32_t index, const void *argument) {
    (void)context, (void)state, (void)index, (void)argument;
    return 0;
}

static void on_handle(void *context, void *state, uint32_t index, const struct message *message) {
    (void)context, (void)state;
    struct model_actor *actor = &m.actors[index];
    CHECK(actor->pid == message->target);
    switch (message->type) {
    case MESSAGE_TIMER:
        CHECK(actor->due_ns && actor->due_ns <= scheduler->now_ns);
        actor->due_ns = 0;
        m.timers++;
        break;
    case MESSAGE_CONTINUE:
        CHECK(actor->is_continued && !actor->is_paused);
        actor->is_continued = actor->was_ready = false;
        m.slices++;
        m.consumed++;
        break;
    default:
        CHECK(actor->count > 0 && !actor->is_paused);
        CHECK(message->words[0] == actor->values[actor->first++ % MODEL_QUEUE]);
        actor->count--;
        actor->was_ready = false;
        m.handled++;
        m.consumed++;
    }
    if (chance(20) == 0)
        scheduler_consume(scheduler, chance(2 * REDUCTIONS));
    // Others first: a handler may end its own actor only as its last deed.
    while (chance(3) == 0) {
        struct model_actor *other = any_actor();
        if (other && other != actor)
            one_action(other);
    }
    if (chance(3) == 0)
        one_action(actor);
}

static void on_terminate(void *context, void *state, uint32_t index, enum exit_reason reason) {
    (void)context, (void)state, (void)reason;
    CHECK(m.actors[index].pid != PID_NONE);
    m.actors[index].pid = PID_NONE;
}

static void on_discard(void *context, const struct message *message) {
    (void)context, (void)message;
    m.discarded++;
}

static const struct behaviour behaviour = {.name = "model",
                                           .kind = KIND,
                                           .mailbox_max = MAILBOX_MAX,
                                           .slot_size = sizeof(struct state),
                                           .timer_offset = offsetof(struct state, timer),
                                           .timer_tick_ns = NS_PER_MS,
                                           .init = on_init,
                                           .handle = on_handle,
                                           .terminate = on_terminate,
                                           .discard = on_discard};

// Each turn gives at least one actor its go, and there are SLOTS_MAX of them.
static void check_waiting(void) {
    uint64_t pending = 0;
    bool any_ready = false;
    for (uint32_t i = 0; i < SLOTS_MAX; i++) {
        struct model_actor *actor = &m.actors[i];
        if (!actor->pid)
            continue;
        pending += actor->count;
        bool is_ready = !actor->is_paused && (actor->count || actor->is_continued);
        if (is_ready && !actor->was_ready)
            actor->ready_since = m.turn;
        actor->was_ready = is_ready;
        any_ready = any_ready || is_ready;
        CHECK(!is_ready || m.turn - actor->ready_since <= SLOTS_MAX);
        CHECK(!actor->due_ns || actor->due_ns + NS_PER_MS > scheduler->now_ns);
    }
    CHECK(m.handled + m.discarded + pending == m.next_value);
    CHECK(!any_ready || scheduler_wait_ns(scheduler, scheduler->now_ns) == 0);
}

static void walk(uint64_t seed, uint32_t reductions_per_turn) {
    struct memory_ledger ledger = {0};
    struct blocks blocks;
    static struct counters counters;
    counters = (struct counters){0};
    memset(&m, 0, sizeof(m));
    m.rng.state = seed;
    struct scheduler_config config = {.message_cells_max = CELLS_MAX,
                                      .reductions_per_turn = reductions_per_turn};
    ck_assert_int_eq(blocks_init(&blocks, &ledger, 1 << 20), 0);
    ck_assert_int_eq(scheduler_init(scheduler, &config, NULL, &ledger, &blocks, &counters, 0), 0);
    ck_assert_int_eq(scheduler_register(scheduler, &behaviour, NULL, SLOTS_MAX), 0);
    for (m.turn = 0; m.turn < 3000; m.turn++) {
        for (uint32_t i = chance(30); i > 0; i--) {
            struct model_actor *actor = any_actor();
            if (actor)
                one_action(actor);
            else
                do_spawn();
        }
        scheduler_validate(scheduler);
        check_waiting();
        m.consumed = 0;
        (void)scheduler_turn(scheduler, scheduler->now_ns + chance(3 * NS_PER_MS));
        ck_assert_uint_le(m.consumed, reductions_per_turn + 1);
        scheduler_validate(scheduler);
        check_waiting();
    }
    ck_assert(m.handled > 1000 && m.discarded > 100 && m.timers > 10 && m.slices > 100);
    ck_assert(counter_read(&counters, COUNTER_MESSAGES_TO_DEAD) == m.discarded);
    for (uint32_t i = 0; i < SLOTS_MAX; i++) {
        if (m.actors[i].pid)
            scheduler_exit(scheduler, KIND, i, EXIT_SHUTDOWN);
    }
    (void)scheduler_turn(scheduler, scheduler->now_ns);
    scheduler_validate(scheduler);
    slab_check_empty(&scheduler->cells);
    slab_check_empty(&scheduler->kinds[KIND].slab);
    ck_assert_uint_eq(scheduler->kinds[KIND].timers.armed_count, 0);
    memory_release_all(&ledger);
}

START_TEST(scheduler_agrees_with_a_model_in_tight_turns) {
    for (uint64_t seed = 0; seed < 6; seed++)
        walk(seed, REDUCTIONS);
}
END_TEST

START_TEST(scheduler_agrees_with_a_model_one_reduction_a_turn) {
    walk(100, 1);
}
END_TEST

START_TEST(scheduler_agrees_with_a_model_in_wide_turns) {
    for (uint64_t seed = 200; seed < 206; seed++)
        walk(seed, 4096);
}
END_TEST

UNIT_MAIN("sched/scheduler_model", scheduler_agrees_with_a_model_in_tight_turns,
          scheduler_agrees_with_a_model_one_reduction_a_turn,
          scheduler_agrees_with_a_model_in_wide_turns)
