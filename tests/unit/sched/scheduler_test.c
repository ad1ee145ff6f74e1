// Goal: every message is handled once, in order, by its own actor or discarded by name; budgets and
// bounds hold; actors may end anywhere. Method: one rule per test, the whole state validated after
// each turn. The random walk against a model queue is in scheduler_model_test.
#include "sched/scheduler.h"

#include <errno.h>

#include "sched/base/clock.h"
#include "tests/unit/unit.h"

enum {
    KIND_A = 1,
    KIND_B = 15,
    NOTE = MESSAGE_USER,
    DO_EXIT,
    DO_SELF_MAIL, // words[0] more of the same
    DO_EXIT_OTHER,
    DO_CONTINUE, // then each slice consumes words[0], words[1] slices in all
    DO_PAUSE,
    DO_EXIT_AND_SPAWN, // words[0]: what to write to the new one, 0: nothing
};

#define MAILBOX_MAX 10
#define SLOTS_MAX 100
#define CELLS_MAX 160
#define LOG_MAX 4096

struct state {
    struct actor actor;
    struct timer timer;
    uint32_t slice_cost;
    uint32_t slices_left;
    uint32_t exit_on_timer;
};

// What happened, in order: who got what.
struct entry {
    uint64_t pid;
    uint32_t type;
    uint64_t value;
};

static struct memory_ledger ledger;
static struct blocks blocks;
static struct counters counters;
static struct scheduler scheduler;
static struct entry events[LOG_MAX];
static uint32_t event_count;
static uint32_t terminated_count;
static uint32_t discarded_count;
static enum exit_reason last_reason;

static void send_to(uint64_t target, uint16_t type, uint64_t value) {
    struct message message = {.target = target, .type = type, .words = {value}};
    scheduler_send(&scheduler, &message);
}

static int on_init(void *context, void *state, uint32_t index, const void *argument) {
    uint8_t kind = (uint8_t)(uintptr_t)context;
    if (!argument)
        return 0;
    // Declines, after it has put itself into everything.
    scheduler_arm(&scheduler, kind, index, scheduler.now_ns + NS_PER_MS);
    scheduler_continue(&scheduler, kind, index);
    send_to(scheduler_pid(&scheduler, kind, index), NOTE, 1);
    (void)state;
    return -ENOMEM;
}

static void on_handle(void *context, void *data, uint32_t index, const struct message *message) {
    uint8_t kind = (uint8_t)(uintptr_t)context;
    struct state *state = data;
    CHECK(message->target == scheduler_pid(&scheduler, kind, index) && event_count < LOG_MAX);
    events[event_count++] = (struct entry){message->target, message->type, message->words[0]};
    struct message copy = *message;
    switch (message->type) {
    case MESSAGE_TIMER:
        if (state->exit_on_timer)
            scheduler_exit(&scheduler, kind, index, EXIT_PEER);
        return;
    case MESSAGE_CONTINUE:
        scheduler_consume(&scheduler, state->slice_cost);
        if (state->slices_left == UINT32_MAX)
            scheduler_exit(&scheduler, kind, index, EXIT_BUDGET);
        else if (--state->slices_left > 0)
            scheduler_continue(&scheduler, kind, index);
        return;
    case DO_EXIT:
        scheduler_exit(&scheduler, kind, index, EXIT_NORMAL);
        return;
    case DO_SELF_MAIL:
        if (copy.words[0]-- > 0)
            scheduler_send(&scheduler, &copy);
        return;
    case DO_EXIT_OTHER:
        scheduler_exit(&scheduler, pid_kind(copy.words[0]), pid_slot(copy.words[0]).index,
                       EXIT_KILLED);
        return;
    case DO_CONTINUE:
        state->slice_cost = (uint32_t)copy.words[0];
        state->slices_left = (uint32_t)copy.words[1];
        scheduler_continue(&scheduler, kind, index);
        return;
    case DO_PAUSE:
        scheduler_pause(&scheduler, kind, index);
        return;
    case DO_EXIT_AND_SPAWN: {
        scheduler_exit(&scheduler, kind, index, EXIT_NORMAL);
        uint64_t next = scheduler_spawn(&scheduler, kind, NULL);
        CHECK(next != PID_NONE);
        if (copy.words[0])
            send_to(next, NOTE, copy.words[0]);
        return;
    }
    default:
        return;
    }
}

static void on_terminate(void *context, void *state, uint32_t index, enum exit_reason reason) {
    uint8_t kind = (uint8_t)(uintptr_t)context;
    terminated_count++;
    last_reason = reason;
    send_to(scheduler_pid(&scheduler, kind, index), NOTE, 0); // mail to the dying is discarded too
    (void)state;
}

static void on_discard(void *context, const struct message *message) {
    (void)context;
    CHECK(message->type >= MESSAGE_USER);
    discarded_count++;
}

static const struct behaviour behaviours[] = {
    {.name = "a",
     .kind = KIND_A,
     .mailbox_max = MAILBOX_MAX,
     .slot_size = sizeof(struct state),
     .timer_offset = offsetof(struct state, timer),
     .timer_tick_ns = NS_PER_MS,
     .init = on_init,
     .handle = on_handle,
     .terminate = on_terminate,
     .discard = on_discard},
    {.name = "b",
     .kind = KIND_B,
     .mailbox_max = MAILBOX_MAX,
     .slot_size = sizeof(struct state),
     .timer_offset = offsetof(struct state, timer),
     .timer_tick_ns = NS_PER_S,
     .init = on_init,
     .handle = on_handle,
     .terminate = on_terminate},
};

static void set_up(uint32_t reductions_per_turn, struct mesh *mesh) {
    event_count = terminated_count = discarded_count = 0;
    counters = (struct counters){0};
    struct scheduler_config config = {
        .core = 0, .message_cells_max = CELLS_MAX, .reductions_per_turn = reductions_per_turn};
    ck_assert_int_eq(blocks_init(&blocks, &ledger, 1 << 20), 0);
    ck_assert_int_eq(scheduler_init(&scheduler, &config, mesh, &ledger, &blocks, &counters, 0), 0);
    for (uint32_t i = 0; i < 2; i++)
        ck_assert_int_eq(scheduler_register(&scheduler, &behaviours[i],
                                            (void *)(uintptr_t)behaviours[i].kind, SLOTS_MAX),
                         0);
}

static bool turn(void) {
    bool more = scheduler_turn(&scheduler, scheduler.now_ns);
    scheduler_validate(&scheduler);
    return more;
}

// Ends all actors: every slab must be empty, the cells too.
static void tear_down(void) {
    for (uint8_t kind = 1; kind < ACTOR_KINDS_MAX; kind++) {
        const struct slab *slab = &scheduler.kinds[kind].slab;
        for (uint32_t i = 0; i < slab->touched_count; i++) {
            if (slab_is_used(slab, i))
                scheduler_exit(&scheduler, kind, i, EXIT_SHUTDOWN);
        }
        slab_check_empty(slab);
    }
    turn();
    for (uint8_t kind = 1; kind < ACTOR_KINDS_MAX; kind++)
        ck_assert_uint_eq(scheduler.kinds[kind].slab.retired_count, 0);
    slab_check_empty(&scheduler.cells);
    memory_release_all(&ledger);
}

static uint64_t spawn(uint8_t kind) {
    uint64_t pid = scheduler_spawn(&scheduler, kind, NULL);
    ck_assert(pid != PID_NONE);
    return pid;
}

static uint64_t count_of(enum counter which) {
    return counter_read(&counters, which);
}

START_TEST(scheduler_handles_mail_in_the_order_sent) {
    set_up(0, NULL);
    uint64_t a = spawn(KIND_A);
    uint64_t b = spawn(KIND_B);
    for (uint64_t i = 0; i < 30; i++)
        send_to(i % 3 ? a : b, NOTE, i);
    ck_assert_uint_eq(event_count, 0); // never inside the send
    scheduler_validate(&scheduler);
    ck_assert(!turn());
    ck_assert_uint_eq(event_count, 30);
    for (uint32_t i = 0; i < 10; i++)
        ck_assert(events[i].value == 3 * i); // b got the first message
    for (uint32_t i = 11; i < 30; i++)
        ck_assert(events[i].value > events[i - 1].value);
    tear_down();
}
END_TEST

// First with cells that were never used, then with such as were: they come by different ways.
START_TEST(scheduler_declines_room_mail_at_the_bound_and_takes_control) {
    set_up(0, NULL);
    uint64_t a = spawn(KIND_A);
    struct message message = {.target = a, .type = NOTE};
    for (uint32_t round = 1; round <= 2; round++) {
        for (uint32_t i = 0; i < MAILBOX_MAX; i++)
            ck_assert(scheduler_try_send(&scheduler, &message));
        ck_assert(!scheduler_try_send(&scheduler, &message));
        ck_assert_uint_eq(count_of(COUNTER_MAILBOX_FULL), round);
        ck_assert_uint_eq(discarded_count, 0); // the sender still has it
        for (uint32_t i = 0; i < MAILBOX_MAX; i++)
            scheduler_send(&scheduler, &message);
        turn();
        ck_assert_uint_eq(event_count, round * 2 * MAILBOX_MAX);
    }
    ck_assert(scheduler_try_send(&scheduler, &message));
    tear_down();
}
END_TEST

START_TEST(scheduler_keeps_the_last_eighth_of_the_cells_for_control) {
    set_up(0, NULL);
    struct message message = {.type = NOTE};
    for (uint32_t round = 1; round <= 2; round++) {
        uint32_t sent = 0;
        for (uint32_t i = 0; i < 40; i++) {
            message.target = spawn(KIND_A);
            while (scheduler_try_send(&scheduler, &message))
                sent++;
        }
        ck_assert_uint_eq(sent, CELLS_MAX - CELLS_MAX / 8);
        ck_assert_uint_gt(count_of(COUNTER_MESSAGE_CELLS_OUT), 0);
        for (uint32_t i = 0; i < CELLS_MAX / 8; i++)
            scheduler_send(&scheduler, &message);
        scheduler_validate(&scheduler);
        turn();
        ck_assert_uint_eq(event_count, round * CELLS_MAX);
    }
    tear_down();
}
END_TEST

START_TEST(scheduler_discards_mail_to_the_dead_by_name) {
    set_up(0, NULL);
    uint64_t a = spawn(KIND_A);
    send_to(a, NOTE, 1);
    scheduler_exit(&scheduler, KIND_A, pid_slot(a).index, EXIT_KILLED);
    ck_assert_int_eq((int)last_reason, EXIT_KILLED);
    ck_assert_uint_eq(discarded_count, 2); // what it had, and what its terminate wrote
    ck_assert_ptr_null(scheduler_lookup(&scheduler, a));
    scheduler_validate(&scheduler);
    send_to(a, NOTE, 2);
    ck_assert_uint_eq(discarded_count, 3);
    ck_assert_uint_eq(count_of(COUNTER_MESSAGES_TO_DEAD), 3);
    send_to(PID_NONE, NOTE, 3); // no such kind
    send_to(pid_of(0, 7, (struct handle){0, 0}), NOTE, 3);
    ck_assert_uint_eq(count_of(COUNTER_MESSAGES_TO_DEAD), 5);
    turn();
    ck_assert_uint_eq(event_count, 0);
    tear_down();
}
END_TEST

START_TEST(scheduler_looks_up_no_actor_of_another_core) {
    set_up(0, NULL);
    uint64_t a = spawn(KIND_A);
    ck_assert_ptr_nonnull(scheduler_lookup(&scheduler, a));
    ck_assert_ptr_null(scheduler_lookup(&scheduler, a | 1ull << 56));
    ck_assert_ptr_null(scheduler_lookup(&scheduler, PID_NONE));
    tear_down();
}
END_TEST

START_TEST(scheduler_spawns_to_the_limit_and_no_further) {
    set_up(0, NULL);
    for (uint32_t i = 0; i < SLOTS_MAX; i++)
        (void)spawn(KIND_A);
    ck_assert(scheduler_spawn(&scheduler, KIND_A, NULL) == PID_NONE);
    (void)spawn(KIND_B);
    tear_down();
}
END_TEST

START_TEST(scheduler_leaves_nothing_of_an_actor_whose_init_declined) {
    set_up(0, NULL);
    ck_assert(scheduler_spawn(&scheduler, KIND_A, "decline") == PID_NONE);
    scheduler_validate(&scheduler);
    slab_check_empty(&scheduler.cells);
    slab_check_empty(&scheduler.kinds[KIND_A].slab);
    ck_assert_uint_eq(terminated_count, 0);
    uint64_t next = spawn(KIND_A);
    scheduler.now_ns += NS_PER_S;
    turn();
    ck_assert_uint_eq(event_count, 0);
    ck_assert_ptr_nonnull(scheduler_lookup(&scheduler, next));
    tear_down();
}
END_TEST

START_TEST(scheduler_actor_may_exit_in_its_own_handle) {
    set_up(0, NULL);
    uint64_t a = spawn(KIND_A);
    uint64_t b = spawn(KIND_A);
    send_to(a, NOTE, 1);
    send_to(a, DO_EXIT, 0);
    send_to(a, NOTE, 2);
    send_to(b, NOTE, 3);
    turn();
    ck_assert_uint_eq(event_count, 3);
    ck_assert(events[2].value == 3);
    ck_assert_uint_eq(terminated_count, 1);
    ck_assert_uint_eq(discarded_count, 2);
    // Exits and a new actor takes the slot while the old one's mail still runs.
    send_to(b, DO_EXIT_AND_SPAWN, 0);
    send_to(b, NOTE, 4);
    turn();
    ck_assert_uint_eq(event_count, 4);
    ck_assert_ptr_null(scheduler_lookup(&scheduler, b));
    tear_down();
}
END_TEST

START_TEST(scheduler_successor_in_the_slot_waits_for_a_go_of_its_own) {
    set_up(0, NULL);
    uint64_t a = spawn(KIND_A);
    uint64_t b = spawn(KIND_A);
    send_to(a, DO_EXIT_AND_SPAWN, 7);
    send_to(b, NOTE, 8);
    turn();
    ck_assert_uint_eq(event_count, 3);
    ck_assert(events[1].value == 8 && events[2].value == 7);
    ck_assert_uint_eq(pid_slot(events[2].pid).index, pid_slot(a).index);
    tear_down();
}
END_TEST

START_TEST(scheduler_actor_may_exit_in_its_own_timer_or_slice) {
    set_up(0, NULL);
    uint64_t a = spawn(KIND_A);
    ((struct state *)scheduler_lookup(&scheduler, a))->exit_on_timer = 1;
    scheduler_arm(&scheduler, KIND_A, pid_slot(a).index, NS_PER_MS);
    send_to(a, NOTE, 1);
    scheduler.now_ns = NS_PER_MS;
    turn(); // timers come before mail
    ck_assert_uint_eq(event_count, 1);
    ck_assert_uint_eq(events[0].type, MESSAGE_TIMER);
    ck_assert_uint_eq(terminated_count, 1);
    uint64_t b = spawn(KIND_A);
    struct message message = {.target = b, .type = DO_CONTINUE, .words = {1, UINT32_MAX}};
    scheduler_send(&scheduler, &message);
    send_to(b, NOTE, 2);
    while (turn())
        ;
    ck_assert_ptr_null(scheduler_lookup(&scheduler, b));
    ck_assert_int_eq((int)last_reason, EXIT_BUDGET);
    tear_down();
}
END_TEST

START_TEST(scheduler_actors_may_be_ended_anywhere_in_the_run_queue) {
    for (uint32_t victim = 0; victim < 5; victim++) {
        set_up(0, NULL);
        uint64_t pids[5];
        for (uint32_t i = 0; i < 5; i++)
            pids[i] = spawn(i % 2 ? KIND_A : KIND_B);
        for (uint32_t i = 0; i < 5; i++)
            send_to(pids[i], NOTE, i);
        scheduler_exit(&scheduler, pid_kind(pids[victim]), pid_slot(pids[victim]).index,
                       EXIT_KILLED);
        scheduler_validate(&scheduler);
        uint64_t late = spawn(KIND_A); // must not take the slot that is still linked
        send_to(late, NOTE, 9);
        scheduler_validate(&scheduler);
        turn();
        ck_assert_uint_eq(event_count, 5);
        ck_assert(events[4].value == 9);
        for (uint32_t i = 0; i < 4; i++)
            ck_assert(events[i].value == i + (i >= victim));
        tear_down();
    }
}
END_TEST

START_TEST(scheduler_actor_may_end_another_that_waits_for_its_go) {
    set_up(0, NULL);
    uint64_t a = spawn(KIND_A);
    uint64_t b = spawn(KIND_A);
    send_to(a, DO_EXIT_OTHER, b);
    send_to(b, NOTE, 1);
    turn();
    ck_assert_uint_eq(event_count, 1);
    ck_assert_ptr_null(scheduler_lookup(&scheduler, b));
    tear_down();
}
END_TEST

START_TEST(scheduler_slot_of_a_queued_actor_is_free_after_its_go) {
    set_up(0, NULL);
    uint64_t pids[SLOTS_MAX];
    for (uint32_t i = 0; i < SLOTS_MAX; i++) {
        pids[i] = spawn(KIND_A);
        send_to(pids[i], NOTE, i);
    }
    for (uint32_t i = 0; i < SLOTS_MAX; i++)
        scheduler_exit(&scheduler, KIND_A, pid_slot(pids[i]).index, EXIT_PEER);
    scheduler_validate(&scheduler);
    ck_assert(scheduler_spawn(&scheduler, KIND_A, NULL) == PID_NONE);
    ck_assert(!turn());
    ck_assert_uint_eq(event_count, 0);
    for (uint32_t i = 0; i < SLOTS_MAX; i++)
        (void)spawn(KIND_A);
    tear_down();
}
END_TEST

START_TEST(scheduler_turn_ends_at_its_budget) {
    set_up(100, NULL);
    uint64_t a = spawn(KIND_A);
    uint64_t b = spawn(KIND_B);
    for (uint32_t i = 0; i < 75; i++) {
        send_to(a, NOTE, i);
        send_to(b, NOTE, i);
    }
    ck_assert(turn());
    ck_assert_uint_eq(event_count, 100);
    ck_assert_uint_eq(scheduler_wait_ns(&scheduler, 0), 0);
    // a had its 64, then b the rest of the turn.
    for (uint32_t i = 0; i < 100; i++)
        ck_assert(events[i].pid == (i < ACTOR_REDUCTIONS ? a : b));
    ck_assert(!turn());
    ck_assert_uint_eq(event_count, 150);
    ck_assert(scheduler_wait_ns(&scheduler, 0) == UINT64_MAX);
    ck_assert_uint_eq(count_of(COUNTER_REDUCTIONS), 150);
    tear_down();
}
END_TEST

START_TEST(scheduler_actor_that_writes_to_itself_does_not_hold_the_turn) {
    set_up(1000, NULL);
    uint64_t a = spawn(KIND_A);
    uint64_t b = spawn(KIND_A);
    send_to(a, DO_SELF_MAIL, 100000);
    send_to(b, NOTE, 7);
    ck_assert(turn());
    ck_assert_uint_eq(event_count, 1000);
    ck_assert(events[ACTOR_REDUCTIONS].value == 7);
    event_count = 0;
    ck_assert(turn());
    tear_down();
}
END_TEST

START_TEST(scheduler_slices_let_mail_and_others_pass) {
    set_up(100, NULL);
    uint64_t a = spawn(KIND_A);
    uint64_t b = spawn(KIND_A);
    struct message message = {.target = a, .type = DO_CONTINUE, .words = {1000, 50}};
    scheduler_send(&scheduler, &message);
    (void)turn();
    for (uint32_t i = 0; i < 5; i++)
        send_to(a, NOTE, i);
    send_to(b, NOTE, 9);
    event_count = 0;
    for (uint32_t i = 0; i < 12; i++)
        ck_assert(turn());
    uint32_t notes = 0;
    for (uint32_t i = 0; i < event_count; i++)
        notes += events[i].type == NOTE;
    ck_assert_uint_eq(notes,
                      6); // each slice used up a turn, and the mail came through all the same
    while (turn())
        ;
    tear_down();
}
END_TEST

START_TEST(scheduler_paused_actor_keeps_its_mail_until_resumed) {
    set_up(0, NULL);
    uint64_t a = spawn(KIND_A);
    uint32_t index = pid_slot(a).index;
    send_to(a, NOTE, 1);
    send_to(a, DO_PAUSE, 0);
    send_to(a, NOTE, 2);
    ck_assert(!turn());
    ck_assert_uint_eq(event_count, 2);
    send_to(a, NOTE, 3);
    scheduler_continue(&scheduler, KIND_A, index);
    ck_assert(!turn());
    ck_assert_uint_eq(event_count, 2);
    struct state *state = scheduler_lookup(&scheduler, a);
    state->slices_left = 1;
    scheduler_resume(&scheduler, KIND_A, index);
    scheduler_pause(&scheduler, KIND_A, index); // while it is in the run queue
    (void)turn();
    ck_assert_uint_eq(event_count, 2);
    scheduler_resume(&scheduler, KIND_A, index);
    scheduler_resume(&scheduler, KIND_A, index);
    ck_assert(!turn());
    ck_assert_uint_eq(event_count, 5);
    ck_assert(events[2].type == MESSAGE_CONTINUE && events[3].value == 2 && events[4].value == 3);
    scheduler_pause(&scheduler, KIND_A, index);
    scheduler_resume(&scheduler, KIND_A, index); // no mail: no go
    ck_assert(scheduler_wait_ns(&scheduler, 0) == UINT64_MAX);
    send_to(a, NOTE, 4);
    scheduler_pause(&scheduler, KIND_A, index);
    scheduler_exit(&scheduler, KIND_A, index, EXIT_PEER); // paused and queued
    scheduler_validate(&scheduler);
    tear_down();
}
END_TEST

START_TEST(scheduler_waits_for_the_first_timer_of_any_kind) {
    set_up(0, NULL);
    uint64_t a = spawn(KIND_A);
    uint64_t b = spawn(KIND_B);
    scheduler_arm(&scheduler, KIND_B, pid_slot(b).index, 2 * NS_PER_S);
    ck_assert(scheduler_wait_ns(&scheduler, 0) == 2 * NS_PER_S);
    scheduler_arm(&scheduler, KIND_A, pid_slot(a).index, 3 * NS_PER_MS);
    ck_assert(scheduler_wait_ns(&scheduler, 0) == 3 * NS_PER_MS);
    ck_assert(scheduler_wait_ns(&scheduler, 4 * NS_PER_MS) == 0);
    scheduler.now_ns = 3 * NS_PER_MS - 1;
    turn();
    ck_assert_uint_eq(event_count, 0);
    scheduler.now_ns = 3 * NS_PER_MS;
    turn();
    ck_assert_uint_eq(event_count, 1);
    scheduler_disarm(&scheduler, KIND_B, pid_slot(b).index);
    ck_assert(scheduler_wait_ns(&scheduler, 0) == UINT64_MAX);
    scheduler_arm(&scheduler, KIND_A, pid_slot(a).index, UINT64_MAX); // "never"
    scheduler.now_ns += NS_PER_S;
    turn();
    ck_assert_uint_eq(count_of(COUNTER_TIMERS_FIRED), 1);
    tear_down();
}
END_TEST

// Core 0 is the scheduler under test, the test plays core 1.
static void set_up_pair(struct mesh *mesh) {
    struct mesh_config config = {.scheduler_count = 2, .ring_cells = 16};
    ck_assert_int_eq(mesh_init(mesh, &config), 0);
    set_up(0, mesh);
}

START_TEST(scheduler_keeps_control_in_order_when_the_mesh_is_full) {
    static struct mesh mesh;
    set_up_pair(&mesh);
    struct message message = {.target = 1ull << 56 | 1ull << 52, .type = NOTE};
    uint64_t sent = 0;
    for (; scheduler_try_send(&scheduler, &message); sent++)
        message.words[0] = sent + 1;
    ck_assert_uint_eq(sent, 14);
    for (; sent < 40; sent++) {
        message.words[0] = sent;
        scheduler_send(&scheduler, &message);
    }
    scheduler_validate(&scheduler);
    ck_assert(!scheduler_try_send(&scheduler, &message)); // it would overtake
    ck_assert(scheduler_wait_ns(&scheduler, 0) < UINT64_MAX);
    uint64_t received = 0;
    for (uint32_t round = 0; round < 10; round++) {
        (void)scheduler_publish(&scheduler);
        scheduler_validate(&scheduler);
        mesh_validate(&mesh);
        struct message in;
        while (mesh_receive(&mesh, 1, &in))
            ck_assert(in.words[0] == received++);
    }
    ck_assert_uint_eq(received, 40);
    ck_assert_uint_eq(count_of(COUNTER_MESH_SENT), 40);
    ck_assert(scheduler_wait_ns(&scheduler, 0) == UINT64_MAX);
    message.words[0] = 40;
    ck_assert(scheduler_try_send(&scheduler, &message));
    slab_check_empty(&scheduler.cells);
    tear_down();
    mesh_fini(&mesh);
}
END_TEST

#define FLOODED 20

START_TEST(scheduler_leaves_cells_for_its_own_control_when_the_mesh_floods) {
    static struct mesh mesh;
    set_up_pair(&mesh);
    uint64_t flooded[FLOODED];
    for (uint32_t i = 0; i < FLOODED; i++) {
        flooded[i] = spawn(KIND_A);
        scheduler_pause(&scheduler, KIND_A, pid_slot(flooded[i]).index);
    }
    struct message message = {.target = flooded[0], .type = NOTE};
    uint64_t sent = 0;
    for (uint32_t i = 0; i < 40; i++) {
        while (mesh_send(&mesh, 1, 0, &message, MESH_ROOM)) {
            message.words[0] = ++sent;
            message.target = flooded[sent % FLOODED];
        }
        (void)mesh_publish(&mesh, 1);
        turn();
    }
    ck_assert(sent > CELLS_MAX - 20 && sent < CELLS_MAX + 40); // held back, not lost
    ck_assert_uint_le(scheduler.cells.used_count, CELLS_MAX - CELLS_MAX / 16);
    ck_assert(scheduler_wait_ns(&scheduler, 0) > 0);
    uint64_t b = spawn(KIND_B);
    for (uint32_t i = 0; i < CELLS_MAX / 16; i++)
        send_to(b, NOTE, 0);
    for (uint32_t i = 0; i < FLOODED; i++)
        scheduler_resume(&scheduler, KIND_A, pid_slot(flooded[i]).index);
    uint64_t got = 0;
    uint64_t last[FLOODED] = {0};
    do {
        event_count = 0;
        turn();
        for (uint32_t i = 0; i < event_count; i++) {
            if (events[i].pid == b)
                continue;
            uint64_t who = events[i].value % FLOODED;
            ck_assert(events[i].pid == flooded[who]);
            ck_assert(events[i].value == who || events[i].value == last[who] + FLOODED);
            last[who] = events[i].value;
            got++;
        }
    } while (event_count > 0);
    ck_assert_uint_eq(got, sent);
    tear_down();
    mesh_fini(&mesh);
}
END_TEST

START_TEST(scheduler_mailbox_takes_no_more_than_its_bound_from_the_mesh) {
    static struct mesh mesh;
    set_up_pair(&mesh);
    uint64_t a = spawn(KIND_A);
    scheduler_pause(&scheduler, KIND_A, pid_slot(a).index);
    struct message message = {.target = a, .type = NOTE};
    uint64_t sent = 0;
    for (uint32_t i = 0; i < 10; i++) {
        while (mesh_send(&mesh, 1, 0, &message, MESH_ROOM))
            message.words[0] = ++sent;
        (void)mesh_publish(&mesh, 1);
        turn();
    }
    ck_assert_uint_eq(sent, MAILBOX_MAX + 1 + 14); // one is held, 14 of 16 cells of the ring
    ck_assert_uint_eq(scheduler.cells.used_count, MAILBOX_MAX);
    event_count = 0;
    scheduler_resume(&scheduler, KIND_A, pid_slot(a).index);
    for (uint32_t i = 0; i < 10; i++)
        turn();
    ck_assert_uint_eq(event_count, sent);
    for (uint32_t i = 0; i < event_count; i++)
        ck_assert_uint_eq(events[i].value, i);
    tear_down();
    mesh_fini(&mesh);
}
END_TEST

UNIT_MAIN("sched/scheduler", scheduler_handles_mail_in_the_order_sent,
          scheduler_declines_room_mail_at_the_bound_and_takes_control,
          scheduler_keeps_the_last_eighth_of_the_cells_for_control,
          scheduler_discards_mail_to_the_dead_by_name, scheduler_looks_up_no_actor_of_another_core,
          scheduler_spawns_to_the_limit_and_no_further,
          scheduler_leaves_nothing_of_an_actor_whose_init_declined,
          scheduler_actor_may_exit_in_its_own_handle,
          scheduler_successor_in_the_slot_waits_for_a_go_of_its_own,
          scheduler_actor_may_exit_in_its_own_timer_or_slice,
          scheduler_actors_may_be_ended_anywhere_in_the_run_queue,
          scheduler_actor_may_end_another_that_waits_for_its_go,
          scheduler_slot_of_a_queued_actor_is_free_after_its_go, scheduler_turn_ends_at_its_budget,
          scheduler_actor_that_writes_to_itself_does_not_hold_the_turn,
          scheduler_slices_let_mail_and_others_pass,
          scheduler_paused_actor_keeps_its_mail_until_resumed,
          scheduler_waits_for_the_first_timer_of_any_kind,
          scheduler_keeps_control_in_order_when_the_mesh_is_full,
          scheduler_leaves_cells_for_its_own_control_when_the_mesh_floods,
          scheduler_mailbox_takes_no_more_than_its_bound_from_the_mesh)
