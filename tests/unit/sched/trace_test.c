// Goal: a trace shows what the traced actor does, in order, and nothing of anybody else; it ends by
// itself, its buffer keeps the newest. Method: actors that do as they are told by their mail.
#include "sched/trace.h"

#include <stdio.h>

#include "sched/base/clock.h"
#include "sched/scheduler.h"
#include "tests/unit/unit.h"

enum {
    KIND = 3,
    SAY = MESSAGE_USER, // words[0]: to whom, words[1]: what type
    EXIT,
    NOTHING,
    SLICE,
};

struct state {
    struct actor actor;
    struct timer timer;
};

static struct memory_ledger ledger;
static struct blocks blocks;
static struct counters counters;
static struct mesh mesh;
static struct scheduler scheduler;
static uint32_t handled;

static int on_init(void *context, void *state, uint32_t index, const void *argument) {
    (void)context, (void)state, (void)index, (void)argument;
    return 0;
}

static void on_handle(void *context, void *state, uint32_t index, const struct message *message) {
    (void)context, (void)state;
    handled++;
    if (message->type == SAY)
        scheduler_send(&scheduler, &(struct message){.target = message->words[0],
                                                     .type = (uint16_t)message->words[1],
                                                     .small = 7});
    if (message->type == EXIT)
        scheduler_exit(&scheduler, KIND, index, EXIT_BUDGET);
    if (message->type == SLICE)
        scheduler_continue(&scheduler, KIND, index);
}

static void on_terminate(void *context, void *state, uint32_t index, enum exit_reason reason) {
    (void)context, (void)state, (void)index, (void)reason;
}

static const struct behaviour behaviour = {.name = "a",
                                           .kind = KIND,
                                           .mailbox_max = 1000,
                                           .slot_size = sizeof(struct state),
                                           .timer_offset = offsetof(struct state, timer),
                                           .timer_tick_ns = NS_PER_MS,
                                           .init = on_init,
                                           .handle = on_handle,
                                           .terminate = on_terminate};

static void set_up(void) {
    const struct mesh_config mesh_config = {.scheduler_count = 2, .ring_cells = 16};
    const struct scheduler_config config = {.message_cells_max = 4096};
    handled = 0;
    ck_assert_int_eq(mesh_init(&mesh, &mesh_config), 0);
    ck_assert_int_eq(blocks_init(&blocks, &ledger, 1 << 20), 0);
    ck_assert_int_eq(scheduler_init(&scheduler, &config, &mesh, &ledger, &blocks, &counters, 0), 0);
    ck_assert_int_eq(trace_init(&scheduler.trace, &ledger), 0);
    ck_assert_int_eq(scheduler_register(&scheduler, &behaviour, NULL, 100), 0);
}

static void tear_down(void) {
    ck_assert_uint_eq(scheduler.near_core, scheduler.core);
    scheduler_validate(&scheduler);
    mesh_fini(&mesh);
    memory_release_all(&ledger);
}

static uint64_t spawn(void) {
    uint64_t pid = scheduler_spawn(&scheduler, KIND, NULL);
    ck_assert(pid != PID_NONE);
    return pid;
}

static uint64_t spawn_traced(void) {
    uint64_t pid = spawn();
    trace_start(&scheduler, 1000 * NS_PER_S);
    ck_assert(trace_add(&scheduler, pid));
    return pid;
}

static void tell(uint64_t pid, uint16_t type, uint64_t whom, uint64_t what) {
    scheduler_send(&scheduler,
                   &(struct message){.target = pid, .type = type, .words = {whom, what}});
}

static void turn(void) {
    (void)scheduler_turn(&scheduler, scheduler.now_ns + NS_PER_MS);
}

// "mail 64, in, receive 64, …": the oldest first, with the message's type.
static const char *story(void) {
    static char text[2048];
    size_t used = 0;
    text[0] = 0;
    for (uint32_t age = trace_count(&scheduler.trace); age-- > 0;) {
        const struct trace_event *event = trace_at(&scheduler.trace, age);
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", used ? ", " : "",
                                 trace_what_name(event->what));
        if (event->type)
            used += (size_t)snprintf(text + used, sizeof(text) - used, " %u", event->type);
    }
    return text;
}

START_TEST(nobody_is_traced_before_it_is_asked_for) {
    set_up();
    uint64_t pid = spawn();
    ck_assert(!trace_add(&scheduler, pid)); // there is no trace to add it to
    tell(pid, NOTHING, 0, 0);
    turn();
    ck_assert_uint_eq(handled, 1);
    ck_assert_uint_eq(trace_count(&scheduler.trace), 0);
    ck_assert(!trace_is_on(&scheduler));
    tear_down();
}
END_TEST

START_TEST(a_trace_tells_mail_goes_messages_and_sends_in_order) {
    set_up();
    uint64_t other = spawn();
    uint64_t pid = spawn_traced();
    tell(pid, SAY, other, NOTHING);
    tell(other, SAY, other, NOTHING); // is not traced
    turn();
    ck_assert_str_eq(story(), "mail 64, in, receive 64, send 66, out");
    const struct trace_event *send = trace_at(&scheduler.trace, 1);
    ck_assert_uint_eq(send->actor, pid);
    ck_assert_uint_eq(send->other, other);
    ck_assert_uint_eq(send->small, 7);
    ck_assert_uint_eq(trace_at(&scheduler.trace, 0)->small, 1); // reductions
    ck_assert_uint_eq(trace_at(&scheduler.trace, 4)->words[0], other);
    ck_assert_uint_eq(handled, 4); // the message that was sent under trace arrived too
    tear_down();
}
END_TEST

START_TEST(a_send_to_another_core_is_traced_and_goes_there) {
    set_up();
    uint64_t pid = spawn_traced();
    tell(pid, SAY, pid_of(1, KIND, (struct handle){5, 0}), NOTHING);
    turn();
    (void)scheduler_publish(&scheduler);
    ck_assert_str_eq(story(), "mail 64, in, receive 64, send 66, out");
    struct message received;
    ck_assert(mesh_receive(&mesh, 1, &received));
    ck_assert_uint_eq(received.type, NOTHING);
    tear_down();
}
END_TEST

START_TEST(timers_slices_and_the_end_are_traced) {
    set_up();
    uint64_t pid = spawn_traced();
    scheduler_arm(&scheduler, KIND, pid_slot(pid).index, NS_PER_MS);
    turn();
    turn();
    ck_assert_str_eq(story(), "in, receive 1, out");
    tell(pid, SLICE, 0, 0);
    turn();
    ck_assert_str_eq(story(), "in, receive 1, out, mail 67, in, receive 67, out, in, receive 2, "
                              "out");
    trace_start(&scheduler, 1000 * NS_PER_S);
    ck_assert(trace_add(&scheduler, pid));
    tell(pid, EXIT, 0, 0);
    turn();
    ck_assert_str_eq(story(), "mail 65, in, receive 65, exit, out");
    ck_assert_uint_eq(trace_at(&scheduler.trace, 1)->small, EXIT_BUDGET);
    uint64_t next = spawn(); // in the same slot
    ck_assert_uint_eq(pid_slot(next).index, pid_slot(pid).index);
    tell(next, NOTHING, 0, 0);
    turn();
    ck_assert_str_eq(story(), "mail 65, in, receive 65, exit, out");
    ck_assert(!trace_add(&scheduler, pid)); // it is gone
    tear_down();
}
END_TEST

START_TEST(a_stopped_trace_keeps_its_events_and_takes_no_more) {
    set_up();
    uint64_t pid = spawn_traced();
    tell(pid, NOTHING, 0, 0);
    turn();
    trace_stop(&scheduler);
    tell(pid, NOTHING, 0, 0);
    turn();
    ck_assert_str_eq(story(), "mail 66, in, receive 66, out");
    trace_start(&scheduler, 1000 * NS_PER_S);
    ck_assert_uint_eq(trace_count(&scheduler.trace), 0);
    ck_assert_uint_eq(handled, 2);
    tear_down();
}
END_TEST

START_TEST(a_trace_ends_when_its_time_is_over) {
    set_up();
    uint64_t pid = spawn();
    trace_start(&scheduler, 2 * NS_PER_MS);
    ck_assert(trace_add(&scheduler, pid));
    tell(pid, NOTHING, 0, 0);
    turn(); // 1 ms
    ck_assert_str_eq(story(), "mail 66, in, receive 66, out");
    ck_assert(trace_is_on(&scheduler));
    tell(pid, SAY, pid, NOTHING); // put in before the time is over, handled after
    turn();                       // 2 ms
    ck_assert_str_eq(story(), "mail 66, in, receive 66, out, mail 64");
    ck_assert(!trace_is_on(&scheduler));
    ck_assert_uint_eq(scheduler.trace.actor_count, 0);
    const struct actor *actor = scheduler_lookup(&scheduler, pid);
    ck_assert(!(actor->slab_word & ACTOR_TRACED));
    turn();
    ck_assert_uint_eq(handled, 3);
    tear_down();
}
END_TEST

START_TEST(the_buffer_keeps_the_newest_and_counts_the_rest) {
    set_up();
    uint64_t pid = spawn_traced();
    uint32_t mails = TRACE_EVENTS_MAX / 2 + 10; // a mail and a receive each, and goes
    for (uint32_t i = 0; i < mails; i++) {
        tell(pid, NOTHING, i, 0);
        if (i % 500 == 0)
            turn();
    }
    for (uint32_t i = 0; i < 100; i++)
        turn();
    ck_assert_uint_eq(handled, mails);
    ck_assert_uint_gt(scheduler.trace.event_count, TRACE_EVENTS_MAX);
    ck_assert_uint_eq(trace_count(&scheduler.trace), TRACE_EVENTS_MAX);
    ck_assert_uint_eq(trace_at(&scheduler.trace, 0)->what, TRACE_OUT);
    ck_assert_uint_eq(trace_at(&scheduler.trace, 1)->words[0], mails - 1);
    tear_down();
}
END_TEST

START_TEST(no_more_actors_are_traced_than_there_is_room_for) {
    set_up();
    trace_start(&scheduler, NS_PER_S);
    for (uint32_t i = 0; i < TRACE_ACTORS_MAX; i++) {
        uint64_t pid = spawn();
        ck_assert(trace_add(&scheduler, pid));
        ck_assert(trace_add(&scheduler, pid)); // once is enough
    }
    uint64_t beyond = spawn();
    ck_assert(!trace_add(&scheduler, beyond));
    tell(beyond, NOTHING, 0, 0);
    turn();
    ck_assert_uint_eq(trace_count(&scheduler.trace), 0);
    trace_stop(&scheduler);
    tear_down();
}
END_TEST

START_TEST(a_program_may_trace_what_comes_from_outside) {
    set_up();
    uint64_t pid = spawn_traced();
    uint64_t other = spawn();
    uint64_t before = trace_on_in(&scheduler, pid);
    trace_on_bytes(&scheduler, pid, 123);
    tell(other, NOTHING, 0, 0);
    trace_on_out(&scheduler, pid, before);
    tell(other, NOTHING, 0, 0);
    ck_assert_str_eq(story(), "in, bytes, send 66, out");
    ck_assert_uint_eq(trace_at(&scheduler.trace, 2)->small, 123);
    turn();
    ck_assert_uint_eq(handled, 2);
    tear_down();
}
END_TEST

START_TEST(a_trace_that_ends_within_a_go_leaves_the_near_way_open) {
    set_up();
    uint64_t pid = spawn_traced();
    uint64_t before = trace_on_in(&scheduler, pid);
    trace_stop(&scheduler);
    trace_on_out(&scheduler, pid, before);
    ck_assert_uint_eq(scheduler.near_core, scheduler.core);
    before = trace_on_in(&scheduler, pid); // the flag is gone, a caller may be late
    ck_assert_uint_eq(scheduler.near_core, scheduler.core);
    trace_on_out(&scheduler, pid, before);
    tear_down();
}
END_TEST

START_TEST(every_kind_of_event_and_runtime_message_has_a_name) {
    for (uint32_t what = 0; what < TRACE_WHAT_COUNT; what++)
        ck_assert_str_ne(trace_what_name(what), "unknown");
    ck_assert_str_eq(trace_what_name(TRACE_WHAT_COUNT), "unknown");
    for (uint16_t type = 0; type < MESSAGE_USER; type++)
        ck_assert_ptr_nonnull(trace_message_name(type));
    ck_assert_str_eq(trace_message_name(MESSAGE_TIMER), "timer");
    ck_assert_str_eq(trace_message_name(SIGNAL_DOWN), "down_signal");
    ck_assert_ptr_null(trace_message_name(MESSAGE_USER));
}
END_TEST

UNIT_MAIN("sched/trace", nobody_is_traced_before_it_is_asked_for,
          a_trace_tells_mail_goes_messages_and_sends_in_order,
          a_send_to_another_core_is_traced_and_goes_there, timers_slices_and_the_end_are_traced,
          a_stopped_trace_keeps_its_events_and_takes_no_more, a_trace_ends_when_its_time_is_over,
          the_buffer_keeps_the_newest_and_counts_the_rest,
          no_more_actors_are_traced_than_there_is_room_for,
          a_program_may_trace_what_comes_from_outside,
          a_trace_that_ends_within_a_go_leaves_the_near_way_open,
          every_kind_of_event_and_runtime_message_has_a_name)
