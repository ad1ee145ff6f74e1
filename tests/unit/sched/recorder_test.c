// Goal: the recorder tells the last events of the right actor, in order and dated right, and no
// others: not those of an earlier owner of its slot, nor those that were overwritten.
// Method: small rings; sequence numbers and clocks are set close to where they wrap; a run of
// random events is compared with a plain list.
#include "sched/recorder.h"

#include <errno.h>

#include "sched/base/clock.h"
#include "sched/base/rng.h"
#include "sched/scheduler.h"
#include "tests/unit/unit.h"

#define KIND 1
#define OTHER_KIND 2
#define SLOTS 16
#define ERA_NS ((1ull << 32) * NS_PER_MS)

static struct memory_ledger ledger;
static struct recorder recorder;
static uint64_t now_ns;
static struct recorder_mark marks[RECORDER_MARKS_MAX];

static void set_up(uint32_t events_max, uint32_t obituaries_max) {
    const struct recorder_config config = {events_max, obituaries_max};
    now_ns = 1000 * NS_PER_S;
    ck_assert_int_eq(recorder_init(&recorder, &config, &ledger, &now_ns), 0);
    ck_assert_int_eq(recorder_track(&recorder, &ledger, KIND, SLOTS), 0);
}

static void tear_down(void) {
    memory_release_all(&ledger);
}

static uint64_t pid_at(uint32_t index) {
    return pid_of(3, KIND, (struct handle){index, 7});
}

static void record(uint32_t index, uint32_t detail) {
    recorder_record(&recorder, recorder_actor(KIND, index), RECORDER_JOINED, detail);
}

static uint32_t read_last(uint32_t index) {
    memset(marks, 0xee, sizeof(marks));
    return recorder_read(&recorder, recorder_actor(KIND, index), marks);
}

START_TEST(a_recorder_that_is_off_records_nothing_and_does_no_harm) {
    struct recorder zero = {0};
    recorder_record(&zero, recorder_actor(KIND, 3), RECORDER_JOINED, 1);
    recorder_describe(&zero, pid_at(3), &(struct recorder_subject){0});
    recorder_obituary(&zero, pid_at(3), EXIT_NORMAL);
    ck_assert_uint_eq(recorder_read(&zero, recorder_actor(KIND, 3), marks), 0);
    ck_assert_ptr_null(recorder_lookup_obituary(&zero, 0));
    set_up(0, 8);
    ck_assert(!recorder_is_on(&recorder));
    ck_assert_uint_eq(ledger.entry_count, 0);
    record(0, 1);
    ck_assert_uint_eq(read_last(0), 0);
    tear_down();
}
END_TEST

START_TEST(a_kind_that_is_not_tracked_is_not_recorded) {
    set_up(64, 8);
    recorder_record(&recorder, recorder_actor(OTHER_KIND, 1), RECORDER_JOINED, 1);
    ck_assert_uint_eq(recorder_read(&recorder, recorder_actor(OTHER_KIND, 1), marks), 0);
    ck_assert_uint_eq(recorder.sequence, 0);
    tear_down();
}
END_TEST

START_TEST(events_are_told_newest_first_with_their_times) {
    set_up(64, 8);
    for (uint32_t i = 0; i < 3; i++) {
        record(5, 100 + i);
        record(6, 200 + i);
        now_ns += 1500 * NS_PER_US;
    }
    ck_assert_uint_eq(read_last(5), 3);
    static const uint32_t at_ms[] = {3, 1, 0}; // whole milliseconds
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(marks[i].type, RECORDER_JOINED);
        ck_assert_uint_eq(marks[i].detail, 102 - i);
        ck_assert_uint_eq(marks[i].time_ns, 1000 * NS_PER_S + at_ms[i] * NS_PER_MS);
    }
    ck_assert_uint_eq(read_last(7), 0);
    tear_down();
}
END_TEST

START_TEST(the_last_sixteen_are_told_and_no_more) {
    set_up(64, 8);
    for (uint32_t count = 1; count <= RECORDER_MARKS_MAX + 1; count++) {
        record(2, count);
        uint32_t expected = count < RECORDER_MARKS_MAX ? count : RECORDER_MARKS_MAX;
        ck_assert_uint_eq(read_last(2), expected);
        ck_assert_uint_eq(marks[0].detail, count);
        ck_assert_uint_eq(marks[expected - 1].detail, count - expected + 1);
    }
    tear_down();
}
END_TEST

START_TEST(a_detail_keeps_its_low_24_bits) {
    set_up(64, 8);
    record(0, 0xffffff);
    record(0, 0x1000000);
    ck_assert_uint_eq(read_last(0), 2);
    ck_assert_uint_eq(marks[0].detail, 0);
    ck_assert_uint_eq(marks[1].detail, 0xffffff);
    ck_assert_uint_eq(recorder_clamp(0xffffff), 0xffffff);
    ck_assert_uint_eq(recorder_clamp(0x1000000), 0xffffff);
    tear_down();
}
END_TEST

START_TEST(a_chain_ends_where_the_ring_was_overwritten) {
    set_up(8, 8);
    record(0, 1);
    record(0, 2);
    for (uint32_t i = 0; i < 6; i++)
        record(1, i);
    ck_assert_uint_eq(read_last(0), 2); // 8 events ago is the oldest that is there
    record(1, 6);
    ck_assert_uint_eq(read_last(0), 1);
    ck_assert_uint_eq(marks[0].detail, 2);
    record(1, 7);
    ck_assert_uint_eq(read_last(0), 0);
    record(0, 3);
    ck_assert_uint_eq(read_last(0), 1);
    ck_assert_uint_eq(marks[0].detail, 3);
    tear_down();
}
END_TEST

START_TEST(a_ring_holds_the_power_of_two_below_what_was_asked_for) {
    set_up(15, 8);
    for (uint32_t i = 1; i <= 9; i++)
        record(0, i);
    ck_assert_uint_eq(read_last(0), 8);
    ck_assert_uint_eq(marks[7].detail, 2);
    tear_down();
}
END_TEST

START_TEST(the_next_owner_of_a_slot_begins_with_no_events) {
    set_up(64, 8);
    record(4, 1);
    recorder_obituary(&recorder, pid_at(4), EXIT_NORMAL);
    ck_assert_uint_eq(read_last(4), 0);
    record(4, 2);
    ck_assert_uint_eq(read_last(4), 1);
    ck_assert_uint_eq(marks[0].detail, 2);
    ck_assert_ptr_null(recorder_lookup_obituary(&recorder, 0)); // it was not described
    tear_down();
}
END_TEST

START_TEST(an_obituary_tells_who_when_why_and_what_before) {
    static const uint8_t address[16] = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 9};
    set_up(64, 8);
    record(4, 1);
    now_ns += 5 * NS_PER_MS;
    record(4, 2);
    now_ns += 2 * NS_PER_MS;
    recorder_describe(&recorder, pid_at(4),
                      &(struct recorder_subject){BYTES_LITERAL("alice"), address});
    recorder_obituary(&recorder, pid_at(4), EXIT_PEER);
    const struct recorder_obituary *obituary = recorder_lookup_obituary(&recorder, 0);
    ck_assert_ptr_nonnull(obituary);
    ck_assert_uint_eq(obituary->pid, pid_at(4));
    ck_assert_uint_eq(obituary->time_ns, now_ns);
    ck_assert_uint_eq(obituary->reason, EXIT_PEER);
    ck_assert(bytes_equal_string(bytes_of(obituary->name, obituary->name_size), "alice"));
    ck_assert(obituary->has_address);
    ck_assert_mem_eq(obituary->address, address, 16);
    ck_assert_uint_eq(obituary->mark_count, 2);
    ck_assert_uint_eq(obituary->marks[0].detail, 2);
    ck_assert_uint_eq(obituary->marks[0].time_ns, now_ns - 2 * NS_PER_MS);
    ck_assert_uint_eq(obituary->marks[1].detail, 1);
    // The slot's next owner does not inherit the description.
    recorder_obituary(&recorder, pid_of(3, KIND, (struct handle){4, 8}), EXIT_NORMAL);
    ck_assert_ptr_null(recorder_lookup_obituary(&recorder, 1));
    tear_down();
}
END_TEST

START_TEST(an_obituary_of_nobody_known_has_neither_name_nor_address) {
    set_up(64, 1);
    for (uint32_t i = 0; i < 3; i++) { // into slots that others had filled
        static const uint8_t address[16] = {1};
        const struct recorder_subject known = {BYTES_LITERAL("alice"), address};
        recorder_describe(&recorder, pid_at(1), i < 2 ? &known : &(struct recorder_subject){0});
        recorder_obituary(&recorder, pid_at(1), EXIT_KILLED);
    }
    const struct recorder_obituary *obituary = recorder_lookup_obituary(&recorder, 0);
    ck_assert_uint_eq(obituary->name_size, 0);
    ck_assert(!obituary->has_address);
    ck_assert_uint_eq(obituary->mark_count, 0);
    tear_down();
}
END_TEST

START_TEST(a_name_is_cut_at_its_bound) {
    uint8_t name[RECORDER_NAME_BYTES_MAX + 1];
    memset(name, 'n', sizeof(name));
    set_up(64, 4);
    for (size_t size = RECORDER_NAME_BYTES_MAX - 1; size <= RECORDER_NAME_BYTES_MAX + 1; size++) {
        recorder_describe(&recorder, pid_at(1),
                          &(struct recorder_subject){.name = bytes_of(name, size)});
        recorder_obituary(&recorder, pid_at(1), EXIT_NORMAL);
        ck_assert_uint_eq(recorder_lookup_obituary(&recorder, 0)->name_size,
                          size < RECORDER_NAME_BYTES_MAX ? size : RECORDER_NAME_BYTES_MAX);
    }
    tear_down();
}
END_TEST

START_TEST(another_actors_end_within_leaves_the_description_alone) {
    set_up(64, 4);
    recorder_describe(&recorder, pid_at(1),
                      &(struct recorder_subject){.name = BYTES_LITERAL("bob")});
    recorder_obituary(&recorder, pid_at(2), EXIT_NORMAL);
    ck_assert_ptr_null(recorder_lookup_obituary(&recorder, 0));
    recorder_obituary(&recorder, pid_at(1), EXIT_NORMAL);
    ck_assert_uint_eq(recorder_lookup_obituary(&recorder, 0)->pid, pid_at(1));
    tear_down();
}
END_TEST

START_TEST(the_oldest_obituaries_make_room) {
    set_up(64, 3);
    for (uint32_t count = 1; count <= 5; count++) {
        record(count, count);
        recorder_describe(&recorder, pid_at(count), &(struct recorder_subject){0});
        recorder_obituary(&recorder, pid_at(count), EXIT_NORMAL);
        uint32_t kept = count < 3 ? count : 3;
        for (uint32_t age = 0; age < kept; age++) {
            const struct recorder_obituary *seen = recorder_lookup_obituary(&recorder, age);
            ck_assert_uint_eq(seen->pid, pid_at(count - age));
            ck_assert_uint_eq(seen->marks[0].detail, count - age);
        }
        ck_assert_ptr_null(recorder_lookup_obituary(&recorder, kept));
    }
    ck_assert_uint_eq(recorder.obituary_count, 5);
    tear_down();
}
END_TEST

START_TEST(a_description_under_way_spoils_no_obituary) {
    set_up(64, 2);
    for (uint32_t i = 1; i <= 2; i++) {
        recorder_describe(&recorder, pid_at(i),
                          &(struct recorder_subject){.name = BYTES_LITERAL("old")});
        recorder_obituary(&recorder, pid_at(i), EXIT_NORMAL);
    }
    recorder_describe(&recorder, pid_at(9),
                      &(struct recorder_subject){.name = BYTES_LITERAL("new one")});
    ck_assert_uint_eq(recorder_lookup_obituary(&recorder, 1)->name_size, 3);
    ck_assert_uint_eq(recorder_lookup_obituary(&recorder, 1)->pid, pid_at(1));
    tear_down();
}
END_TEST

START_TEST(sequence_numbers_wrap_without_a_seam) {
    set_up(32, 4);
    recorder.sequence = 0xfffffff0;
    for (uint32_t i = 0; i < 40; i++)
        record(i % 2, i);
    ck_assert_uint_eq(read_last(1), 16);
    for (uint32_t i = 0; i < 16; i++)
        ck_assert_uint_eq(marks[i].detail, 39 - 2 * i);
    ck_assert_uint_eq(recorder.events[0].type, RECORDER_NOTHING); // number 2^32 was skipped
    tear_down();
}
END_TEST

START_TEST(a_link_of_a_wrap_ago_is_not_followed_into_the_present) {
    set_up(32, 4);
    recorder.sequence = 9;
    record(1, 1); // number 10
    record(2, 1);
    // 2^32 events later, all but the last few of others:
    recorder.sequence = (1ull << 32) + 4;
    record(1, 2); // number 5, linked to number 10, which it becomes again in a moment
    for (uint32_t i = 0; i < 4; i++)
        record(3, i);
    record(1, 3); // number 10, linked to number 5
    ck_assert_uint_eq(read_last(1), 2);
    ck_assert_uint_eq(marks[0].detail, 3);
    ck_assert_uint_eq(marks[1].detail, 2);
    ck_assert_uint_eq(read_last(2), 0); // number 11 is not there yet
    record(3, 4);
    ck_assert_uint_eq(read_last(2), 0); // it is another's now
    tear_down();
}
END_TEST

START_TEST(old_events_of_a_quiet_core_are_dated_right) {
    set_up(32, 4);
    uint64_t begin_ns = now_ns;
    for (uint32_t era = 0; era < RECORDER_ERAS + 1; era++) {
        now_ns = begin_ns + era * ERA_NS + NS_PER_MS * era;
        record(1, era);
    }
    ck_assert_uint_eq(read_last(1), RECORDER_ERAS + 1);
    for (uint32_t i = 0; i < RECORDER_ERAS + 1; i++) {
        uint64_t era = RECORDER_ERAS - i;
        ck_assert_uint_eq(marks[i].time_ns, begin_ns + era * ERA_NS + NS_PER_MS * era);
    }
    // Several eras in one step, and none of them with an event.
    now_ns = begin_ns + 20 * ERA_NS;
    record(2, 1);
    record(2, 2);
    ck_assert_uint_eq(read_last(2), 2);
    ck_assert_uint_eq(marks[0].time_ns, now_ns);
    ck_assert_uint_eq(marks[1].time_ns, now_ns);
    tear_down();
}
END_TEST

START_TEST(events_since_a_wrap_of_time_and_numbers_are_dated_right) {
    set_up(32, 4);
    uint64_t begin_ns = now_ns;
    recorder.sequence = 5;
    now_ns = begin_ns + ERA_NS;
    record(3, 1); // the era ended at number 5
    recorder.sequence = (1ull << 32) + 4;
    now_ns += NS_PER_S;
    record(1, 2);
    now_ns += NS_PER_S;
    record(1, 3);
    ck_assert_uint_eq(read_last(1), 2);
    ck_assert_uint_eq(marks[0].time_ns, now_ns);
    ck_assert_uint_eq(marks[1].time_ns, now_ns - NS_PER_S);
    tear_down();
}
END_TEST

// The plain list: all events there ever were.
#define MODEL_EVENTS 20000
static struct {
    uint32_t index;
    uint32_t life;
    uint32_t detail;
} model[MODEL_EVENTS];

START_TEST(random_lives_are_told_as_a_plain_list_would) {
    struct rng rng = {42};
    uint32_t lives[SLOTS] = {0};
    uint32_t count = 0;
    set_up(64, 4);
    recorder.sequence = (1ull << 32) - 500;
    while (count < MODEL_EVENTS) {
        uint32_t index = rng_below(&rng, SLOTS);
        if (rng_below(&rng, 20) == 0) {
            recorder_obituary(&recorder, pid_at(index), EXIT_NORMAL);
            lives[index]++;
        } else {
            model[count].index = index;
            model[count].life = lives[index];
            model[count].detail = count;
            record(index, count++);
        }
        uint32_t asked = rng_below(&rng, SLOTS);
        uint32_t seen = read_last(asked);
        uint32_t expected = 0;
        // The number that is skipped takes no place until its position is written again.
        uint32_t oldest = count > 64 ? count - 64 : 0;
        for (uint32_t i = count; i-- > oldest && expected < RECORDER_MARKS_MAX;) {
            if (model[i].index != asked || model[i].life != lives[asked])
                continue;
            if (expected < seen)
                ck_assert_uint_eq(marks[expected].detail, model[i].detail);
            else // the one that the skipped number pushed out
                ck_assert(i == oldest && count > 500 && count < 600);
            expected++;
        }
        ck_assert_uint_le(seen, expected);
    }
    tear_down();
}
END_TEST

START_TEST(every_type_has_a_name_of_its_own) {
    for (uint32_t type = 1; type < RECORDER_TYPE_COUNT; type++) {
        ck_assert_str_ne(recorder_event_name(type), "unknown");
        for (uint32_t other = 1; other < type; other++)
            ck_assert_str_ne(recorder_event_name(type), recorder_event_name(other));
        ck_assert_ptr_nonnull(recorder_event_detail_name(type));
    }
    ck_assert_str_eq(recorder_event_name(0), "unknown");
    ck_assert_str_eq(recorder_event_name(RECORDER_TYPE_COUNT), "unknown");
    ck_assert_str_eq(recorder_event_detail_name(RECORDER_TYPE_COUNT), "");
}
END_TEST

START_TEST(a_slot_costs_four_bytes_and_an_event_sixteen) {
    set_up(1 << 18, 0);
    ck_assert_uint_eq(ledger.entry_count, 2);
    ck_assert_uint_eq(ledger.entries[0].reserved_bytes, 4u << 20);
    ck_assert_uint_eq(ledger.entries[1].reserved_bytes, 4096); // 16 slots, one page
    tear_down();
}
END_TEST

// --- with a scheduler: actors that describe themselves when they end
// ------------------------------

static struct scheduler scheduler;

static int on_init(void *context, void *state, uint32_t index, const void *argument) {
    (void)context, (void)state;
    recorder_record(&scheduler.recorder, recorder_actor(KIND, index), RECORDER_ACCEPTED, 0);
    return argument ? -ENOMEM : 0;
}

static void on_handle(void *context, void *state, uint32_t index, const struct message *message) {
    (void)context, (void)state;
    recorder_record(&scheduler.recorder, recorder_actor(KIND, index), RECORDER_JOINED,
                    message->small);
}

static void on_terminate(void *context, void *state, uint32_t index, enum exit_reason reason) {
    (void)context, (void)state, (void)reason;
    recorder_describe(&scheduler.recorder, scheduler_pid(&scheduler, KIND, index),
                      &(struct recorder_subject){.name = BYTES_LITERAL("dead")});
}

START_TEST(a_schedulers_every_end_is_written_and_a_declined_init_is_not) {
    static const struct behaviour behaviour = {.name = "a",
                                               .kind = KIND,
                                               .mailbox_max = 8,
                                               .slot_size = sizeof(struct actor),
                                               .init = on_init,
                                               .handle = on_handle,
                                               .terminate = on_terminate};
    static struct blocks blocks;
    static struct counters counters;
    const struct scheduler_config config = {.message_cells_max = 64};
    const struct recorder_config recorder_config = {64, 8};
    ck_assert_int_eq(blocks_init(&blocks, &ledger, 1 << 20), 0);
    ck_assert_int_eq(scheduler_init(&scheduler, &config, NULL, &ledger, &blocks, &counters, 0), 0);
    ck_assert_int_eq(
        recorder_init(&scheduler.recorder, &recorder_config, &ledger, &scheduler.now_ns), 0);
    ck_assert_int_eq(recorder_track(&scheduler.recorder, &ledger, KIND, SLOTS), 0);
    ck_assert_int_eq(scheduler_register(&scheduler, &behaviour, NULL, SLOTS), 0);

    ck_assert_uint_eq(scheduler_spawn(&scheduler, KIND, &scheduler), PID_NONE);
    ck_assert_ptr_null(recorder_lookup_obituary(&scheduler.recorder, 0));
    uint64_t pid = scheduler_spawn(&scheduler, KIND, NULL); // in the declined one's slot
    scheduler_send(&scheduler, &(struct message){.target = pid, .type = MESSAGE_USER, .small = 77});
    (void)scheduler_turn(&scheduler, 5 * NS_PER_MS);
    scheduler_exit(&scheduler, KIND, pid_slot(pid).index, EXIT_BUDGET);
    const struct recorder_obituary *obituary = recorder_lookup_obituary(&scheduler.recorder, 0);
    ck_assert_ptr_nonnull(obituary);
    ck_assert_uint_eq(obituary->pid, pid);
    ck_assert_uint_eq(obituary->reason, EXIT_BUDGET);
    ck_assert_uint_eq(obituary->time_ns, 5 * NS_PER_MS);
    ck_assert_uint_eq(obituary->mark_count, 2);
    ck_assert_uint_eq(obituary->marks[0].detail, 77);
    ck_assert_uint_eq(obituary->marks[1].type, RECORDER_ACCEPTED);
    memory_release_all(&ledger);
}
END_TEST

UNIT_MAIN("sched/recorder", a_schedulers_every_end_is_written_and_a_declined_init_is_not,
          a_recorder_that_is_off_records_nothing_and_does_no_harm,
          a_kind_that_is_not_tracked_is_not_recorded, events_are_told_newest_first_with_their_times,
          the_last_sixteen_are_told_and_no_more, a_detail_keeps_its_low_24_bits,
          a_chain_ends_where_the_ring_was_overwritten,
          a_ring_holds_the_power_of_two_below_what_was_asked_for,
          the_next_owner_of_a_slot_begins_with_no_events,
          an_obituary_tells_who_when_why_and_what_before,
          an_obituary_of_nobody_known_has_neither_name_nor_address, a_name_is_cut_at_its_bound,
          another_actors_end_within_leaves_the_description_alone, the_oldest_obituaries_make_room,
          a_description_under_way_spoils_no_obituary, sequence_numbers_wrap_without_a_seam,
          a_link_of_a_wrap_ago_is_not_followed_into_the_present,
          old_events_of_a_quiet_core_are_dated_right,
          events_since_a_wrap_of_time_and_numbers_are_dated_right,
          random_lives_are_told_as_a_plain_list_would, every_type_has_a_name_of_its_own,
          a_slot_costs_four_bytes_and_an_event_sixteen)
