// Goal: a new version of a behaviour takes over every actor of its kind with its mail, timers and
// ties, or is refused and changes nothing. Method: version 1 counts in 32 bits, version 2 in 64
// with a field before it, in a slot that version 1 left room in; a server, a state machine and an
// event manager change their callbacks with it.
#include <errno.h>

#include "sched/event.h"
#include "sched/fsm.h"
#include "sched/server.h"
#include "tests/unit/sched/cores.h"

enum { COUNTER = 8, LAMP = 9, BUS = 10 };
enum { ADD = 1, GET };

struct counter_1 {
    struct actor actor;
    struct timer timer;
    uint32_t count;
    uint32_t ticks;
    _Alignas(8) uint8_t room[24]; // for the versions to come, and aligned for them
};

struct counter_2 {
    struct actor actor;
    struct timer timer;
    uint64_t upgraded_ns; // where version 1 had its numbers
    uint64_t count;
    uint32_t ticks;
};

_Static_assert(sizeof(struct counter_2) <= sizeof(struct counter_1), "it fits");

struct context {
    struct scheduler *scheduler; // first: server_handle reads it
};

static struct context contexts[2];
static uint32_t upgrades;
static uint32_t info_by[4]; // by version

static int on_init(void *context, void *state, uint32_t index, const void *argument) {
    (void)context, (void)state, (void)index, (void)argument;
    return 0;
}

static void on_terminate(void *context, void *state, uint32_t index, enum exit_reason reason) {
    (void)context, (void)state, (void)index, (void)reason;
}

static enum server_next on_call_1(void *context, void *state, uint32_t index,
                                  const struct message *request, struct server_answer *answer,
                                  enum exit_reason *stop_reason) {
    (void)context, (void)index, (void)request, (void)stop_reason;
    answer->code = 1;
    answer->words[0] = ((struct counter_1 *)state)->count;
    return SERVER_REPLY;
}

static enum server_next on_call_2(void *context, void *state, uint32_t index,
                                  const struct message *request, struct server_answer *answer,
                                  enum exit_reason *stop_reason) {
    (void)context, (void)index, (void)request, (void)stop_reason;
    answer->code = 2;
    answer->words[0] = ((struct counter_2 *)state)->count;
    return SERVER_REPLY;
}

static void on_cast_1(void *context, void *state, uint32_t index, const struct message *request) {
    (void)context, (void)index;
    ((struct counter_1 *)state)->count += (uint32_t)request->words[0];
}

static void on_cast_2(void *context, void *state, uint32_t index, const struct message *request) {
    (void)context, (void)index;
    ((struct counter_2 *)state)->count += request->words[0] << 32;
}

static void on_info_1(void *context, void *state, uint32_t index, const struct message *message) {
    (void)context, (void)index;
    info_by[1]++;
    ((struct counter_1 *)state)->ticks += message->type == MESSAGE_TIMER;
}

static void on_info_2(void *context, void *state, uint32_t index, const struct message *message) {
    (void)context, (void)index;
    info_by[2]++;
    ((struct counter_2 *)state)->ticks += message->type == MESSAGE_TIMER;
}

static void upgrade_to_2(void *context, void *state, uint32_t index) {
    const struct context *my = context;
    const struct counter_1 *old = state;
    struct counter_2 *new = state;
    uint32_t count = old->count;
    uint32_t ticks = old->ticks;
    (void)index;
    new->upgraded_ns = my->scheduler->now_ns;
    new->count = count;
    new->ticks = ticks;
    upgrades++;
}

#define COUNTER_BEHAVIOUR(version_, state_, call_, cast_, info_, ...)                              \
    {                                                                                              \
        .behaviour = {.name = "counters",                                                          \
                      .kind = COUNTER,                                                             \
                      .version = version_,                                                         \
                      .mailbox_max = 100,                                                          \
                      .slot_size = sizeof(state_),                                                 \
                      .timer_offset = offsetof(state_, timer),                                     \
                      .timer_tick_ns = NS_PER_MS,                                                  \
                      .init = on_init,                                                             \
                      .handle = server_handle,                                                     \
                      .terminate = on_terminate,                                                   \
                      __VA_ARGS__},                                                                \
        .callbacks = {call_, cast_, info_},                                                        \
    }

static const struct server_behaviour counters_1 =
    COUNTER_BEHAVIOUR(1, struct counter_1, on_call_1, on_cast_1, on_info_1, .discard = NULL);
static const struct server_behaviour counters_2 = COUNTER_BEHAVIOUR(
    2, struct counter_2, on_call_2, on_cast_2, on_info_2, .upgrade = upgrade_to_2);

// --- a machine and a manager ---------------------------------------------------------------------

enum { OFF, ON, BLINKING };

struct lamp {
    struct actor actor;
    struct fsm fsm;
};

static struct fsm_context lamp_context;
static uint32_t lamp_saw[3];

static struct fsm_action on_off(void *context, void *state, uint32_t index,
                                const struct message *event) {
    (void)context, (void)state, (void)index;
    lamp_saw[OFF]++;
    return event->words[0] ? fsm_postpone_next(ON) : fsm_postpone();
}

static struct fsm_action on_on(void *context, void *state, uint32_t index,
                               const struct message *event) {
    (void)context, (void)state, (void)index;
    lamp_saw[ON]++;
    return event->type == MESSAGE_TIMEOUT ? fsm_next(OFF) : fsm_keep();
}

static struct fsm_action on_off_2(void *context, void *state, uint32_t index,
                                  const struct message *event) {
    (void)context, (void)state, (void)index, (void)event;
    lamp_saw[OFF] += 100;
    return fsm_next(BLINKING);
}

static struct fsm_action on_blinking(void *context, void *state, uint32_t index,
                                     const struct message *event) {
    (void)context, (void)state, (void)index, (void)event;
    lamp_saw[BLINKING]++;
    return fsm_keep();
}

static const struct fsm_state lamp_states_1[] = {
    [OFF] = {"off", 1u << ON, NULL, on_off},
    [ON] = {"on", 1u << OFF, NULL, on_on},
};

static const struct fsm_state lamp_states_2[] = {
    [OFF] = {"off", 1u << BLINKING, NULL, on_off_2},
    [ON] = {"on", 1u << OFF, NULL, on_on},
    [BLINKING] = {"blinking", 1u << OFF, NULL, on_blinking},
};

#define LAMP_BEHAVIOUR(version_, states_, count_)                                                  \
    {                                                                                              \
        .behaviour = {.name = "lamps",                                                             \
                      .kind = LAMP,                                                                \
                      .version = version_,                                                         \
                      .mailbox_max = 100,                                                          \
                      .slot_size = sizeof(struct lamp),                                            \
                      .init = fsm_init,                                                            \
                      .handle = fsm_handle,                                                        \
                      .terminate = fsm_terminate},                                                 \
        .states = states_, .state_count = count_, .initial = OFF, .postponed_max = 10,             \
    }

static const struct fsm_behaviour lamps_1 = LAMP_BEHAVIOUR(1, lamp_states_1, 2);
static const struct fsm_behaviour lamps_2 = LAMP_BEHAVIOUR(2, lamp_states_2, 3);

struct bus {
    struct actor actor;
    struct event_manager manager;
};

static uint32_t bus_saw[3];

static int on_passenger(void *context, void *manager, void *handler, uint64_t argument,
                        uint64_t inherited) {
    (void)context, (void)manager, (void)inherited;
    *(uint64_t *)handler = argument;
    return 0;
}

static enum event_result on_stop_1(void *context, void *manager, void *handler,
                                   const struct message *event) {
    (void)context, (void)manager, (void)event;
    bus_saw[1] += (uint32_t) * (uint64_t *)handler;
    return EVENT_KEEP;
}

static enum event_result on_stop_2(void *context, void *manager, void *handler,
                                   const struct message *event) {
    (void)context, (void)manager, (void)event;
    bus_saw[2] += (uint32_t) * (uint64_t *)handler;
    return EVENT_KEEP;
}

static uint64_t on_exit_bus(void *context, void *manager, void *handler, enum event_why why) {
    (void)context, (void)manager, (void)handler, (void)why;
    return 0;
}

static const struct event_handler_type passengers_1[] = {
    {"passenger", on_passenger, on_stop_1, on_exit_bus}};
static const struct event_handler_type passengers_2[] = {
    {"passenger", on_passenger, on_stop_2, on_exit_bus}};

#define BUS_BEHAVIOUR(version_, types_)                                                            \
    {                                                                                              \
        .behaviour = {.name = "buses",                                                             \
                      .kind = BUS,                                                                 \
                      .version = version_,                                                         \
                      .mailbox_max = 100,                                                          \
                      .slot_size = sizeof(struct bus),                                             \
                      .init = event_init,                                                          \
                      .handle = event_handle,                                                      \
                      .terminate = event_terminate},                                               \
        .types = types_, .type_count = 1,                                                          \
    }

static const struct event_behaviour buses_1 = BUS_BEHAVIOUR(1, passengers_1);
static const struct event_behaviour buses_2 = BUS_BEHAVIOUR(2, passengers_2);

// --- the frame -----------------------------------------------------------------------------------

static void open_all(void) {
    cores_open(2, NULL);
    upgrades = 0;
    memset(info_by, 0, sizeof(info_by));
    memset(lamp_saw, 0, sizeof(lamp_saw));
    memset(bus_saw, 0, sizeof(bus_saw));
    struct scheduler *scheduler = &cores.schedulers[0];
    contexts[0].scheduler = scheduler;
    ck_assert_int_eq(fsm_context_init(&lamp_context, scheduler, 100), 0);
    ck_assert_int_eq(scheduler_register(scheduler, &counters_1.behaviour, &contexts[0], 16), 0);
    ck_assert_int_eq(scheduler_register(scheduler, &lamps_1.behaviour, &lamp_context, 16), 0);
    ck_assert_int_eq(scheduler_register(scheduler, &buses_1.behaviour, &contexts[0], 16), 0);
}

static void close_all(void) {
    for (uint8_t kind = COUNTER; kind <= BUS; kind++)
        for (uint32_t at = 0; at < 16; at++)
            if (slab_is_used(&cores.schedulers[0].kinds[kind].slab, at))
                scheduler_exit(&cores.schedulers[0], kind, at, EXIT_SHUTDOWN);
    cores_close();
}

static void cast(uint64_t to, uint64_t amount) {
    ck_assert(server_cast(&cores.schedulers[0], PID_NONE, to,
                          &(struct server_request){.type = ADD, .words = {amount}}));
}

static void *state_of(uint64_t pid) {
    return scheduler_lookup(&cores.schedulers[0], pid);
}

START_TEST(actors_keep_their_numbers_mail_timers_and_ties) {
    open_all();
    struct scheduler *scheduler = &cores.schedulers[0];
    uint64_t one = cores_spawn(0, COUNTER);
    uint64_t gone = cores_spawn(0, COUNTER);
    uint64_t two = cores_spawn(0, COUNTER);
    uint64_t watcher = cores_spawn(1, PUPPET);
    cores_send(PID_NONE, watcher, DO_MONITOR, two);
    cast(one, 5);
    cast(two, 7);
    cores_settle();
    scheduler_exit(scheduler, COUNTER, pid_slot(gone).index, EXIT_NORMAL);
    scheduler_arm(scheduler, COUNTER, pid_slot(one).index, cores.now_ns + 5 * NS_PER_MS);
    ck_assert_uint_ne(timed_send_after(scheduler, &(struct message){.target = two, .type = SAY},
                                       5 * NS_PER_MS, 0),
                      0);
    cast(one, 1); // waits in the mailbox
    ck_assert_uint_ne(server_call(&cores.schedulers[1], PUPPET, pid_slot(watcher).index, one,
                                  &(struct server_request){.type = GET}, SERVER_TIMEOUT_NS),
                      0);
    ck_assert_int_eq(scheduler_upgrade(scheduler, &counters_2.behaviour), 0);
    ck_assert_uint_eq(upgrades, 2);
    scheduler_validate(scheduler);
    cores_settle();
    struct cores_entry entry = {0};
    ck_assert_uint_eq(cores_logged(watcher, MESSAGE_REPLY, &entry), 1);
    ck_assert_uint_eq(entry.word, (1ull << 32) + 5); // by the new callbacks, mail and all
    ck_assert_uint_eq(((struct counter_2 *)state_of(two))->count, 7);
    cores_pass(6 * NS_PER_MS);
    ck_assert_uint_eq(((struct counter_2 *)state_of(one))->ticks, 1);
    ck_assert_uint_eq(info_by[1], 0);
    ck_assert_uint_eq(info_by[2], 2);
    struct actor_info info;
    ck_assert(scheduler_actor_info(scheduler, two, &info));
    ck_assert_uint_eq(info.version, 2);
    uint64_t young = cores_spawn(0, COUNTER); // begins as version 2: nothing to upgrade
    cast(young, 1);
    scheduler_exit(scheduler, COUNTER, pid_slot(two).index, EXIT_PEER);
    cores_settle();
    ck_assert_uint_eq(((struct counter_2 *)state_of(young))->count, 1ull << 32);
    ck_assert_uint_eq(cores_logged(watcher, MESSAGE_DOWN, NULL), 1);
    close_all();
}
END_TEST

START_TEST(what_does_not_fit_is_refused_and_changes_nothing) {
    open_all();
    struct scheduler *scheduler = &cores.schedulers[0];
    uint64_t pid = cores_spawn(0, COUNTER);
    cast(pid, 5);
    cores_settle();
    struct server_behaviour wrong[8];
    for (uint32_t i = 0; i < 8; i++)
        wrong[i] = counters_2;
    wrong[0].behaviour.version = 1;
    wrong[1].behaviour.version = 3;
    wrong[2].behaviour.slot_size = sizeof(struct counter_1) + 8;
    wrong[3].behaviour.timer_offset += 4;
    wrong[4].behaviour.timer_offset = 0;
    wrong[5].behaviour.timer_tick_ns = NS_PER_S;
    wrong[6].behaviour.kind = 14; // of which there is none
    wrong[7].behaviour.kind = PUPPET;
    for (uint32_t i = 0; i < 8; i++)
        ck_assert_int_eq(scheduler_upgrade(scheduler, &wrong[i].behaviour), -EINVAL);
    ck_assert_uint_eq(upgrades, 0);
    cast(pid, 1);
    cores_settle();
    ck_assert_uint_eq(((struct counter_1 *)state_of(pid))->count, 6);
    ck_assert_int_eq(scheduler_upgrade(scheduler, &counters_2.behaviour), 0);
    ck_assert_int_eq(scheduler_upgrade(scheduler, &counters_2.behaviour), -EINVAL); // is there
    ck_assert_int_eq(scheduler_upgrade(scheduler, &counters_1.behaviour), -EINVAL); // no way back
    close_all();
}
END_TEST

START_TEST(a_new_version_without_an_upgrade_keeps_the_layout) {
    open_all();
    struct server_behaviour same = counters_1;
    same.behaviour.version = 2;
    same.callbacks.handle_cast = on_cast_2;
    uint64_t pid = cores_spawn(0, COUNTER);
    cast(pid, 5);
    ck_assert_int_eq(scheduler_upgrade(&cores.schedulers[0], &same.behaviour), 0);
    ck_assert_uint_eq(((struct counter_1 *)state_of(pid))->count, 0);
    cores_settle();
    ck_assert_uint_eq(((struct counter_2 *)state_of(pid))->count, 5ull << 32); // by the new one
    close_all();
}
END_TEST

START_TEST(a_doomed_and_a_paused_actor_are_upgraded_too) {
    open_all();
    struct scheduler *scheduler = &cores.schedulers[0];
    uint64_t paused = cores_spawn(0, COUNTER);
    uint64_t doomed = cores_spawn(0, COUNTER);
    scheduler_pause(scheduler, COUNTER, pid_slot(paused).index);
    cast(paused, 3);
    signal_exit(scheduler, PID_NONE, doomed, EXIT_KILLED);
    ck_assert_int_eq(scheduler_upgrade(scheduler, &counters_2.behaviour), 0);
    ck_assert_uint_eq(upgrades, 2);
    cores_settle();
    ck_assert_ptr_null(state_of(doomed));
    scheduler_resume(scheduler, COUNTER, pid_slot(paused).index);
    cores_settle();
    ck_assert_uint_eq(((struct counter_2 *)state_of(paused))->count, 3ull << 32);
    close_all();
}
END_TEST

START_TEST(a_machine_changes_its_table_and_keeps_state_timeouts_and_postponed_events) {
    open_all();
    struct scheduler *scheduler = &cores.schedulers[0];
    uint64_t dark = cores_spawn(0, LAMP);
    uint64_t lit = cores_spawn(0, LAMP);
    cores_send(PID_NONE, dark, SAY, 0); // postponed
    cores_send(PID_NONE, lit, SAY, 1);  // to on, and handled there
    cores_settle();
    ck_assert_int_eq(fsm_set_timeout(&lamp_context, state_of(lit), pid_slot(lit).index,
                                     FSM_STATE_TIMEOUT, 5 * NS_PER_MS),
                     0);
    ck_assert_int_eq(scheduler_upgrade(scheduler, &lamps_2.behaviour), 0);
    cores_send(PID_NONE, dark, SAY, 0); // goes to a state that version 1 had not
    cores_settle();
    ck_assert_uint_eq(fsm_state_of(state_of(dark)), BLINKING);
    ck_assert_uint_eq(lamp_saw[BLINKING], 1); // the postponed one
    ck_assert_uint_eq(lamp_saw[OFF], 102);
    cores_pass(6 * NS_PER_MS);
    ck_assert_uint_eq(fsm_state_of(state_of(lit)), OFF);
    close_all();
}
END_TEST

START_TEST(a_manager_changes_its_types_and_keeps_its_handlers) {
    open_all();
    uint64_t bus = cores_spawn(0, BUS);
    const struct event_addition passenger = {{0, 1}, 5, false};
    ck_assert_int_eq(event_add_here(&contexts[0], state_of(bus), PID_NONE, &passenger), EVENT_OK);
    ck_assert(event_notify(&cores.schedulers[0], PID_NONE, bus, &(struct server_request){0}));
    cores_settle();
    ck_assert(event_notify(&cores.schedulers[0], PID_NONE, bus, &(struct server_request){0}));
    ck_assert_int_eq(scheduler_upgrade(&cores.schedulers[0], &buses_2.behaviour), 0);
    cores_settle();
    ck_assert_uint_eq(bus_saw[1], 5);
    ck_assert_uint_eq(bus_saw[2], 5);
    close_all();
}
END_TEST

UNIT_MAIN("sched/upgrade", actors_keep_their_numbers_mail_timers_and_ties,
          what_does_not_fit_is_refused_and_changes_nothing,
          a_new_version_without_an_upgrade_keeps_the_layout,
          a_doomed_and_a_paused_actor_are_upgraded_too,
          a_machine_changes_its_table_and_keeps_state_timeouts_and_postponed_events,
          a_manager_changes_its_types_and_keeps_its_handlers)
