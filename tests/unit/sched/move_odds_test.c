// Goal: what meets an actor on the way to another core and is neither mail nor the move itself
// (ends, ties made meanwhile, kept calls, what a core notes of its slot) comes out as if it had
// stayed. Method: the steps of one move turned one core at a time, and something done in between.
#include "tests/unit/sched/cores.h"

#include <errno.h>

#include "sched/names.h"
#include "sched/server.h"

static uint64_t now_at(uint64_t pid) {
    return move_translate(&cores.schedulers[0], pid);
}

// From core 0 to `to`: its state has left, and nothing has arrived.
static uint64_t depart(uint8_t kind, uint8_t to) {
    uint64_t pid = cores_spawn(0, kind);
    ck_assert_int_eq(move_begin(&cores.schedulers[0], pid, to), 0);
    cores_turn(0);
    return pid;
}

START_TEST(ties_to_one_that_is_killed_on_the_way_end_with_its_reason) {
    cores_open(2, NULL);
    uint64_t mover = depart(MOVER, 1);
    uint64_t watcher = cores_spawn(0, TRAPPER);
    signal_exit(&cores.schedulers[0], PID_NONE, mover, EXIT_KILLED);
    cores_send(PID_NONE, watcher, DO_MONITOR, mover);
    cores_send(PID_NONE, watcher, DO_LINK, mover);
    cores_settle();
    struct cores_entry entry;
    ck_assert_uint_eq(cores_logged(watcher, MESSAGE_DOWN, &entry), 1);
    ck_assert_uint_eq(entry.small, EXIT_KILLED);
    ck_assert_uint_eq(cores_logged(watcher, MESSAGE_EXIT, &entry), 1);
    ck_assert_uint_eq(entry.small, EXIT_KILLED);
    cores_close();
}
END_TEST

START_TEST(ties_to_one_that_cannot_come_back_end_with_its_reason) {
    cores_open(2, NULL);
    cores.arrivals_to_decline = 2;
    uint64_t carrier = depart(CARRIER, 1);
    uint64_t watcher = cores_spawn(0, TRAPPER);
    cores_send(PID_NONE, watcher, DO_MONITOR, carrier);
    cores_send(PID_NONE, watcher, DO_LINK, carrier);
    cores_settle();
    struct cores_entry entry;
    ck_assert_uint_eq(cores_logged(watcher, MESSAGE_DOWN, &entry), 1);
    ck_assert_uint_eq(entry.small, EXIT_SYSTEM_LIMIT);
    ck_assert_uint_eq(cores_logged(watcher, MESSAGE_EXIT, NULL), 1);
    cores_close();
}
END_TEST

START_TEST(the_next_owner_of_its_slot_has_no_events) {
    cores_open(2, NULL);
    struct scheduler *first = &cores.schedulers[0];
    const struct recorder_config config = {.events_max = 1024, .obituaries_max = 4};
    ck_assert_int_eq(recorder_init(&first->recorder, &config, &cores.ledger[0], &cores.now_ns), 0);
    ck_assert_int_eq(recorder_track(&first->recorder, &cores.ledger[0], MOVER, CORES_SLOTS), 0);
    uint64_t mover = cores_spawn(0, MOVER);
    uint32_t index = pid_slot(mover).index;
    recorder_record(&first->recorder, recorder_actor(MOVER, index), 1, 0);
    ck_assert_int_eq(move_begin(first, mover, 1), 0);
    cores_settle();
    ck_assert_uint_eq(pid_slot(cores_spawn(0, MOVER)).index, index);
    struct recorder_mark marks[RECORDER_MARKS_MAX];
    ck_assert_uint_eq(recorder_read(&first->recorder, recorder_actor(MOVER, index), marks), 0);
    ck_assert_ptr_null(recorder_lookup_obituary(&first->recorder, 0));
    cores_close();
}
END_TEST

// A core's trace ends with it, and knows whom to let go.
START_TEST(a_traced_one_is_traced_where_a_trace_is_on) {
    for (uint32_t is_on = 0; is_on < 2; is_on++) {
        cores_open(2, NULL);
        for (uint32_t i = 0; i < 2; i++)
            ck_assert_int_eq(trace_init(&cores.schedulers[i].trace, &cores.ledger[i]), 0);
        trace_start(&cores.schedulers[0], cores.now_ns + NS_PER_S);
        if (is_on)
            trace_start(&cores.schedulers[1], cores.now_ns + NS_PER_S);
        uint64_t mover = cores_spawn(0, MOVER);
        ck_assert(trace_add(&cores.schedulers[0], mover));
        ck_assert_int_eq(move_begin(&cores.schedulers[0], mover, 1), 0);
        cores_settle();
        struct actor_info info;
        ck_assert(scheduler_actor_info(&cores.schedulers[1], now_at(mover), &info));
        ck_assert_int_eq(info.is_traced, is_on);
        trace_stop(&cores.schedulers[1]);
        ck_assert(scheduler_actor_info(&cores.schedulers[1], now_at(mover), &info));
        ck_assert(!info.is_traced);
        cores_close();
    }
}
END_TEST

START_TEST(a_trace_that_ends_while_it_is_away_lets_it_go) {
    cores_open(2, NULL);
    struct scheduler *first = &cores.schedulers[0];
    ck_assert_int_eq(trace_init(&first->trace, &cores.ledger[0]), 0);
    trace_start(first, cores.now_ns + NS_PER_S);
    uint64_t carrier = cores_spawn(0, CARRIER);
    ck_assert(trace_add(first, carrier));
    cores.arrivals_to_decline = 1;
    ck_assert_int_eq(move_begin(first, carrier, 1), 0);
    cores_turn(0);
    trace_stop(first);
    cores_settle();
    struct actor_info info;
    ck_assert(scheduler_actor_info(first, carrier, &info));
    ck_assert(!info.is_traced);
    cores_close();
}
END_TEST

START_TEST(a_kept_call_that_runs_out_after_the_move_leaves_no_record) {
    cores_open(2, NULL);
    struct scheduler *first = &cores.schedulers[0];
    uint64_t server = cores_spawn(0, MOVER);
    uint64_t caller = cores_spawn(0, PUPPET);
    for (uint32_t i = 0; i < 3; i++) // records have other places there
        cores_send(PID_NONE, cores_spawn(1, PUPPET), DO_MONITOR, cores_spawn(1, PUPPET));
    cores_settle();
    const struct server_request request = {.type = 1};
    uint64_t call = server_call(first, PUPPET, pid_slot(caller).index, server, &request, NS_PER_S);
    const struct message asked = {.sender = caller, .target = server, .words = {0, 0, 0, call}};
    struct server_from from = server_later(first, MOVER, pid_slot(server).index, &asked);
    ck_assert_uint_ne(from.record, 0);
    ck_assert_int_eq(move_begin(first, server, 1), 0);
    cores_settle();
    cores_pass(2 * NS_PER_S);
    ck_assert_uint_eq(cores_logged(caller, MESSAGE_CALL_FAILED, NULL), 1);
    struct actor_info info;
    ck_assert(scheduler_actor_info(&cores.schedulers[1], now_at(server), &info));
    ck_assert_uint_eq(info.monitored_count, 0);
    cores_close();
}
END_TEST

START_TEST(a_kept_call_answered_while_its_server_is_away_leaves_no_record) {
    cores_open(2, NULL);
    struct scheduler *first = &cores.schedulers[0];
    uint64_t server = cores_spawn(0, MOVER);
    uint64_t caller = cores_spawn(0, PUPPET);
    const struct server_request request = {.type = 1};
    uint64_t call = server_call(first, PUPPET, pid_slot(caller).index, server, &request, NS_PER_S);
    const struct message asked = {.sender = caller, .target = server, .words = {0, 0, 0, call}};
    struct server_from from = server_later(first, MOVER, pid_slot(server).index, &asked);
    ck_assert_int_eq(move_begin(first, server, 1), 0);
    cores_turn(0);
    server_reply(first, &from, &(struct server_answer){.code = 1});
    cores_settle();
    ck_assert_uint_eq(cores_logged(caller, MESSAGE_REPLY, NULL), 1);
    struct actor_info info;
    ck_assert(scheduler_actor_info(&cores.schedulers[1], now_at(server), &info));
    ck_assert_uint_eq(info.monitored_count, 0);
    cores_close();
}
END_TEST

// What was on its way to the former pid, from a core that had not heard yet, is not lost.
START_TEST(a_private_one_hears_of_an_end_that_crosses_its_move) {
    cores_open(3, NULL);
    uint64_t carrier = cores_spawn(0, CARRIER);
    uint64_t watched = cores_spawn(1, PUPPET);
    cores_send(PID_NONE, carrier, DO_MONITOR, watched);
    cores_settle();
    ck_assert_int_eq(move_begin(&cores.schedulers[0], carrier, 2), 0);
    cores_turn(0); // departs
    cores_turn(2); // arrives
    cores_turn(0); // the former slot is given up
    scheduler_exit(&cores.schedulers[1], PUPPET, pid_slot(watched).index, EXIT_PEER);
    cores_settle();
    uint32_t downs = 0;
    for (uint32_t i = 0; i < cores.log_count; i++)
        downs += cores.log[i].type == MESSAGE_DOWN;
    ck_assert_uint_eq(downs, 1);
    for (uint32_t i = 0; i < 3; i++)
        ck_assert_uint_eq(cores.schedulers[i].moved_count, 0);
    cores_close();
}
END_TEST

START_TEST(a_link_made_while_it_was_away_names_its_new_pid) {
    cores_open(3, NULL);
    uint64_t mover = depart(MOVER, 1);
    uint64_t other = cores_spawn(0, TRAPPER);
    cores_send(PID_NONE, other, DO_LINK, mover);
    cores_settle();
    ck_assert_uint_eq(cores_logged(other, MESSAGE_MOVED, NULL), 1);
    cores_send(PID_NONE, mover, DO_UNLINK, other);
    cores_settle();
    struct actor_info info;
    ck_assert(scheduler_actor_info(&cores.schedulers[0], other, &info));
    ck_assert_uint_eq(info.link_count, 0);
    cores_close();
}
END_TEST

START_TEST(a_timed_message_to_a_former_pid_repeats) {
    cores_open(2, NULL);
    uint64_t mover = depart(MOVER, 1);
    cores_settle();
    uint64_t remaining_ns;
    uint64_t name = timed_send_after(
        &cores.schedulers[0], &(struct message){.target = mover, .type = SAY}, NS_PER_S, NS_PER_S);
    for (uint32_t i = 0; i < 3; i++)
        cores_pass(NS_PER_S + 2 * NS_PER_MS);
    ck_assert_uint_eq(cores_logged(now_at(mover), SAY, NULL), 3);
    ck_assert(timed_cancel(&cores.schedulers[0], mover, name, &remaining_ns));
    cores_close();
}
END_TEST

START_TEST(moves_under_way_count_towards_the_bound) {
    cores_open(2, NULL);
    struct scheduler *first = &cores.schedulers[0];
    uint64_t a = cores_spawn(0, MOVER);
    uint64_t b = cores_spawn(0, MOVER);
    first->moved_count = MOVE_TRANSLATIONS_MAX / 2 - 2; // each core may have one under way
    ck_assert_int_eq(move_begin(first, a, 1), 0);
    ck_assert_int_eq(move_begin(first, b, 1), -EBUSY);
    scheduler_exit(first, MOVER, pid_slot(a).index, EXIT_NORMAL);
    ck_assert_int_eq(move_begin(first, b, 1), 0);
    first->moved_count = 0;
    cores_settle();
    ck_assert_uint_eq(first->moved_count, 1);
    ck_assert_uint_eq(first->moving_count, 0);
    cores.arrivals_to_decline = 1;
    (void)depart(CARRIER, 1);
    ck_assert_uint_eq(first->moving_count, 1);
    cores_settle();
    ck_assert_uint_eq(first->moving_count, 0);
    cores_close();
}
END_TEST

enum { HASTY = 11 }; // moves as it is; mailbox of 4, exits

static const struct behaviour hasty_behaviour = PUPPET_BEHAVIOUR(
    HASTY, "hasty", .mailbox_max = 4, .mailbox_policy = MAILBOX_EXIT, .is_movable = true);

// A flood for one that goes by its mailbox's policy makes it go once.
START_TEST(a_flood_while_it_is_frozen_takes_one_cell_more) {
    const struct scheduler_config few = {.message_cells_max = 64, .relations_max = 64};
    for (uint32_t side = 0; side < 2; side++) {
        cores_open(2, &few);
        for (uint32_t i = 0; i < 2; i++) {
            struct puppet_context *context = &puppet_contexts[i][HASTY];
            *context = (struct puppet_context){&cores.schedulers[i], HASTY};
            ck_assert_int_eq(scheduler_register(context->scheduler, &hasty_behaviour, context, 4),
                             0);
        }
        uint64_t hasty = depart(HASTY, 1);
        struct scheduler *scheduler = &cores.schedulers[0];
        struct message say = {.target = hasty, .type = SAY};
        if (side == 1) { // frozen where it arrives
            cores_turn(1);
            scheduler = &cores.schedulers[1];
            say.target = scheduler_pid(scheduler, HASTY, 0);
        }
        uint32_t used = scheduler->cells.used_count;
        for (uint32_t i = 0; i < 1000; i++)
            ck_assert(scheduler_try_send(scheduler, &say));
        ck_assert_uint_eq(scheduler->cells.used_count, used + 4 + 1);
        cores_settle();
        uint32_t ends = 0;
        for (uint32_t i = 0; i < cores.log_count; i++)
            ends += cores.log[i].type == 0;
        ck_assert_uint_eq(ends, 1);
        cores_close();
    }
}
END_TEST

// A slot's generations come again after 2^24 actors; a former pid that is in use must not.
START_TEST(a_new_actor_never_gets_a_former_pid) {
    cores_open(2, NULL);
    uint64_t mover = depart(MOVER, 1);
    cores_settle();
    struct slab *slab = &cores.schedulers[0].kinds[MOVER].slab;
    uint32_t *word = slab_at(slab, pid_slot(mover).index);
    *word = pid_slot(mover).generation; // as if all had come and gone
    uint64_t other = cores_spawn(0, MOVER);
    ck_assert_uint_ne(other, mover);
    cores_send(PID_NONE, other, SAY, 1);
    cores_settle();
    ck_assert_uint_eq(cores_logged(other, SAY, NULL), 1);
    cores_close();
}
END_TEST

static struct names names[2];

static void open_names(void) {
    const struct names_config config = {.core_count = 2, .names_max = 16, .seed = 1};
    for (uint32_t i = 0; i < 2; i++) {
        ck_assert_int_eq(names_init(&names[i], &cores.schedulers[i], &config), 0);
        ck_assert_uint_ne(scheduler_spawn(&cores.schedulers[i], KIND_NAMES, NULL), PID_NONE);
    }
    cores_settle();
}

static void close_names(void) {
    for (uint32_t i = 0; i < 2; i++)
        scheduler_exit(&cores.schedulers[i], KIND_NAMES, 0, EXIT_SHUTDOWN);
    cores_settle();
    for (uint32_t i = 0; i < 2; i++)
        names_fini(&names[i]);
}

START_TEST(its_names_move_along_and_are_known_all_the_way) {
    const char *const texts[] = {"anna", "bert", "carl", "dora"}; // homes on both cores
    for (uint32_t at = 0; at < 4; at++) {
        cores_open(2, NULL);
        open_names();
        struct bytes name = bytes_of(texts[at], 4);
        uint64_t request;
        uint64_t mover = cores_spawn(0, MOVER);
        ck_assert_int_eq(names_register(&cores.schedulers[0], name, mover, PID_NONE, &request), 0);
        cores_settle();
        ck_assert_int_eq(move_begin(&cores.schedulers[0], mover, 1), 0);
        for (uint32_t turn = 0; turn < 20; turn++) {
            cores_turn(turn % 2);
            ck_assert_uint_ne(names_whereis(&cores.schedulers[0], name), PID_NONE);
            ck_assert_uint_ne(names_whereis(&cores.schedulers[1], name), PID_NONE);
        }
        uint64_t now = now_at(mover);
        ck_assert_uint_eq(pid_core(now), 1);
        const struct relation *cursor = NULL;
        struct bytes found = names_next_of(&cores.schedulers[1], now, &cursor);
        ck_assert_uint_eq(found.size, 4);
        ck_assert_mem_eq(found.data, texts[at], 4);
        ck_assert_uint_eq(names_next_of(&cores.schedulers[1], now, &cursor).size, 0);
        for (uint32_t i = 0; i < 2; i++)
            names_validate(&names[i]);
        close_names();
        cores_close();
    }
}
END_TEST

// Who loses a name that it was spawned for goes, wherever it is by then.
START_TEST(one_that_moved_before_its_name_was_refused_ends) {
    cores_open(2, NULL);
    open_names();
    for (uint32_t i = 0; i < 16; i++) {
        char text[] = {'n', 'a', 'm', (char)('a' + i)};
        uint64_t request;
        ck_assert_int_eq(names_register(&cores.schedulers[1], bytes_of(text, 4),
                                        cores_spawn(1, PUPPET), PID_NONE, &request),
                         0);
        uint64_t loser;
        ck_assert_int_eq(
            names_spawn(&cores.schedulers[0], MOVER, NULL, bytes_of(text, 4), PID_NONE, &loser), 0);
        ck_assert_int_eq(move_begin(&cores.schedulers[0], loser, 1), 0);
        cores_turn(0);
        cores_settle();
        bool is_registered =
            names_whereis(&cores.schedulers[0], bytes_of(text, 4)) == now_at(loser);
        ck_assert(is_registered || !cores_is_alive(now_at(loser)));
    }
    close_names();
    cores_close();
}
END_TEST

// Whoever resumes it, or asks for a slice of it, may do so while it is away.
START_TEST(what_it_is_asked_while_away_holds_where_it_goes_on) {
    for (uint32_t is_refused = 0; is_refused < 2; is_refused++) {
        cores_open(2, NULL);
        struct scheduler *first = &cores.schedulers[0];
        uint64_t carrier = cores_spawn(0, CARRIER);
        uint32_t index = pid_slot(carrier).index;
        scheduler_pause(first, CARRIER, index);
        cores_send(PID_NONE, carrier, SAY, 7);
        cores.arrivals_to_decline = is_refused;
        ck_assert_int_eq(move_begin(first, carrier, 1), 0);
        cores_turn(0);
        scheduler_resume(first, CARRIER, index);
        scheduler_continue(first, CARRIER, index);
        cores_settle();
        uint32_t said = 0;
        uint32_t slices = 0;
        for (uint32_t i = 0; i < cores.log_count; i++) {
            said += cores.log[i].type == SAY;
            slices += cores.log[i].type == MESSAGE_CONTINUE;
        }
        ck_assert_uint_eq(said, 1);
        ck_assert_uint_eq(slices, 1);
        cores_close();
    }
}
END_TEST

UNIT_MAIN("sched/move", what_it_is_asked_while_away_holds_where_it_goes_on,
          a_flood_while_it_is_frozen_takes_one_cell_more, a_new_actor_never_gets_a_former_pid,
          ties_to_one_that_is_killed_on_the_way_end_with_its_reason,
          ties_to_one_that_cannot_come_back_end_with_its_reason,
          the_next_owner_of_its_slot_has_no_events, a_traced_one_is_traced_where_a_trace_is_on,
          a_trace_that_ends_while_it_is_away_lets_it_go,
          a_kept_call_that_runs_out_after_the_move_leaves_no_record,
          a_kept_call_answered_while_its_server_is_away_leaves_no_record,
          a_private_one_hears_of_an_end_that_crosses_its_move,
          a_link_made_while_it_was_away_names_its_new_pid, a_timed_message_to_a_former_pid_repeats,
          moves_under_way_count_towards_the_bound, its_names_move_along_and_are_known_all_the_way,
          one_that_moved_before_its_name_was_refused_ends)
