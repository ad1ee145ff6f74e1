// A few cores on one thread for tests of the runtime: schedulers, a mesh, and "puppets": actors
// that do what they are told and write down what they get. cores_settle turns all cores until
// nothing is left to do, validating after each turn.
#ifndef FAIRLEAD_TEST_CORES_H
#define FAIRLEAD_TEST_CORES_H

#include "sched/base/clock.h"
#include "sched/move.h"
#include "sched/payload.h"
#include "sched/signal.h"
#include "sched/timed.h"
#include "tests/unit/unit.h"

#define CORES_MAX 4
#define CORES_SLOTS 64
#define CORES_LOG 4096

enum {
    PUPPET = 1,  // goes with what it is linked to
    TRAPPER = 2, // traps exits
    WALL = 3,    // mailbox of 4, declines
    LEAKY = 4,   // mailbox of 4, drops the newest
    SLIDING = 5, // mailbox of 4, drops the oldest
    BRITTLE = 6, // mailbox of 4, exits
    MOVER = 12,  // moves as it is
    CARRIER = 7, // moves by depart and arrive; traps exits; private
};

enum {
    SAY = MESSAGE_USER, // written down
    DO_LINK,            // words[0]: pid
    DO_UNLINK,
    DO_MONITOR,   // the monitor is in puppet_monitor
    DO_EXIT_SELF, // words[0]: reason
};

struct puppet {
    struct actor actor;
    struct timer timer;
    uint32_t value;
};

struct cores_entry {
    uint64_t pid;
    uint64_t sender;
    uint16_t type; // SAY, MESSAGE_EXIT, MESSAGE_DOWN, MESSAGE_TIMER …; 0: terminated
    uint32_t small;
    uint64_t word;
};

struct cores {
    uint32_t count;
    uint64_t now_ns;
    struct mesh mesh;
    struct memory_ledger ledger[CORES_MAX];
    struct blocks blocks[CORES_MAX];
    struct counters counters[CORES_MAX];
    struct scheduler schedulers[CORES_MAX];
    struct cores_entry log[CORES_LOG];
    uint32_t log_count;
    uint32_t discarded;
    uint64_t monitor; // of the latest DO_MONITOR
    int (*on_init)(struct scheduler *scheduler, uint8_t kind, uint32_t index); // or NULL
    void (*on_say)(struct scheduler *scheduler, uint8_t kind, uint32_t index,
                   const struct message *message); // or NULL
    uint32_t arrivals_to_decline;                  // of carriers
    uint32_t departed;                             // carriers that are away
    void (*on_terminate)(struct scheduler *scheduler, uint8_t kind, uint32_t index);
};

static struct cores cores;

static inline struct scheduler *cores_of(uint64_t pid) {
    return &cores.schedulers[pid_core(pid)];
}

static inline void cores_note(uint64_t pid, const struct message *message) {
    ck_assert_uint_lt(cores.log_count, CORES_LOG);
    cores.log[cores.log_count++] = (struct cores_entry){pid, message->sender, message->type,
                                                        message->small, message->words[0]};
}

// A puppet's context: its kind and core.
struct puppet_context {
    struct scheduler *scheduler;
    uint8_t kind;
};

static struct puppet_context puppet_contexts[CORES_MAX][ACTOR_KINDS_MAX];

static int puppet_init(void *context, void *state, uint32_t index, const void *argument) {
    const struct puppet_context *my = context;
    ((struct puppet *)state)->value = argument ? *(const uint32_t *)argument : 0;
    return cores.on_init ? cores.on_init(my->scheduler, my->kind, index) : 0;
}

static void puppet_handle(void *context, void *state, uint32_t index,
                          const struct message *message) {
    const struct puppet_context *my = context;
    (void)state;
    switch (message->type) {
    case DO_LINK:
        ck_assert_int_eq(signal_link(my->scheduler, my->kind, index, message->words[0]), 0);
        return;
    case DO_UNLINK:
        signal_unlink(my->scheduler, my->kind, index, message->words[0]);
        return;
    case DO_MONITOR:
        cores.monitor = signal_monitor(my->scheduler, my->kind, index, message->words[0]);
        return;
    case DO_EXIT_SELF:
        scheduler_exit(my->scheduler, my->kind, index, (enum exit_reason)message->words[0]);
        return;
    default:
        if (message->type == SAY && cores.on_say)
            cores.on_say(my->scheduler, my->kind, index, message);
        cores_note(scheduler_pid(my->scheduler, my->kind, index), message);
    }
}

static void puppet_terminate(void *context, void *state, uint32_t index, enum exit_reason reason) {
    const struct puppet_context *my = context;
    (void)state;
    cores_note(scheduler_pid(my->scheduler, my->kind, index),
               &(struct message){.small = (uint32_t)reason});
    if (cores.on_terminate)
        cores.on_terminate(my->scheduler, my->kind, index);
}

static void puppet_discard(void *context, const struct message *message) {
    (void)context;
    (void)message;
    cores.discarded++;
}

static uint64_t carrier_depart(void *context, void *state, uint32_t index, size_t *size) {
    const struct puppet_context *my = context;
    (void)index;
    *size = sizeof(uint32_t);
    uint64_t payload = payload_acquire(my->scheduler, *size);
    ck_assert_uint_ne(payload, PAYLOAD_NONE);
    memcpy(payload_data(my->scheduler, payload), &((struct puppet *)state)->value, *size);
    cores.departed++;
    return payload;
}

static int carrier_arrive(void *context, void *state, uint32_t index, const void *bytes,
                          size_t size) {
    (void)context;
    (void)index;
    ck_assert_uint_eq(size, sizeof(uint32_t));
    if (cores.arrivals_to_decline > 0) {
        cores.arrivals_to_decline--;
        return -1;
    }
    memcpy(&((struct puppet *)state)->value, bytes, size);
    cores.departed--;
    return 0;
}

#define PUPPET_BEHAVIOUR(kind_, name_, ...)                                                        \
    {                                                                                              \
        .name = name_, .kind = kind_, .version = 1, .slot_size = sizeof(struct puppet),            \
        .timer_offset = offsetof(struct puppet, timer), .timer_tick_ns = NS_PER_MS,                \
        .init = puppet_init, .handle = puppet_handle, .terminate = puppet_terminate,               \
        .discard = puppet_discard, __VA_ARGS__                                                     \
    }

static const struct behaviour puppet_behaviours[] = {
    PUPPET_BEHAVIOUR(PUPPET, "puppets", .mailbox_max = 1000),
    PUPPET_BEHAVIOUR(TRAPPER, "trappers", .mailbox_max = 1000, .traps_exit = true),
    PUPPET_BEHAVIOUR(WALL, "walls", .mailbox_max = 4),
    PUPPET_BEHAVIOUR(LEAKY, "leaky", .mailbox_max = 4, .mailbox_policy = MAILBOX_DROP_NEWEST),
    PUPPET_BEHAVIOUR(SLIDING, "sliding", .mailbox_max = 4, .mailbox_policy = MAILBOX_DROP_OLDEST),
    PUPPET_BEHAVIOUR(BRITTLE, "brittle", .mailbox_max = 4, .mailbox_policy = MAILBOX_EXIT),
    PUPPET_BEHAVIOUR(MOVER, "movers", .mailbox_max = 1000, .is_movable = true),
    PUPPET_BEHAVIOUR(CARRIER, "carriers", .mailbox_max = 1000, .is_movable = true,
                     .is_private = true, .depart = carrier_depart, .arrive = carrier_arrive),
};

#define PUPPET_BEHAVIOURS (sizeof(puppet_behaviours) / sizeof(puppet_behaviours[0]))

static inline void cores_open(uint32_t count, const struct scheduler_config *wanted) {
    memset(&cores, 0, sizeof(cores));
    cores.count = count;
    cores.now_ns = NS_PER_S;
    const struct mesh_config mesh = {.scheduler_count = count, .ring_cells = 64};
    ck_assert_int_eq(mesh_init(&cores.mesh, &mesh), 0);
    for (uint32_t i = 0; i < count; i++) {
        struct scheduler *scheduler = &cores.schedulers[i];
        struct scheduler_config config =
            wanted ? *wanted : (struct scheduler_config){.message_cells_max = 4096};
        config.core = (uint8_t)i;
        ck_assert_int_eq(blocks_init(&cores.blocks[i], &cores.ledger[i], 1 << 24), 0);
        ck_assert_int_eq(scheduler_init(scheduler, &config, &cores.mesh, &cores.ledger[i],
                                        &cores.blocks[i], &cores.counters[i], cores.now_ns),
                         0);
        for (uint32_t k = 0; k < PUPPET_BEHAVIOURS; k++) {
            const struct behaviour *behaviour = &puppet_behaviours[k];
            struct puppet_context *context = &puppet_contexts[i][behaviour->kind];
            *context = (struct puppet_context){scheduler, behaviour->kind};
            ck_assert_int_eq(scheduler_register(scheduler, behaviour, context, CORES_SLOTS), 0);
        }
    }
}

static inline uint64_t cores_spawn(uint32_t core, uint8_t kind) {
    uint64_t pid = scheduler_spawn(&cores.schedulers[core], kind, NULL);
    ck_assert_uint_ne(pid, PID_NONE);
    return pid;
}

static inline bool cores_is_alive(uint64_t pid) {
    return scheduler_lookup(cores_of(pid), pid) != NULL;
}

// Sends as a control message, from core 0.
static inline void cores_send(uint64_t sender, uint64_t to, uint16_t type, uint64_t word) {
    struct scheduler *scheduler = sender ? cores_of(sender) : &cores.schedulers[0];
    scheduler_send(scheduler, &(struct message){
                                  .target = to, .sender = sender, .type = type, .words = {word}});
}

static inline void cores_turn(uint32_t core) {
    struct scheduler *scheduler = &cores.schedulers[core];
    (void)scheduler_turn(scheduler, cores.now_ns);
    (void)scheduler_publish(scheduler);
    scheduler_validate(scheduler);
}

static inline void cores_settle(void) {
    for (uint32_t round = 0; round < 20; round++)
        for (uint32_t i = 0; i < cores.count; i++)
            cores_turn(i);
}

static inline void cores_pass(uint64_t duration_ns) {
    cores.now_ns += duration_ns;
    cores_settle();
}

// How many entries of this kind about `pid` there are; the latest is left in *entry if not NULL.
static inline uint32_t cores_logged(uint64_t pid, uint16_t type, struct cores_entry *entry) {
    uint32_t found = 0;
    for (uint32_t i = 0; i < cores.log_count; i++) {
        if (cores.log[i].pid != pid || cores.log[i].type != type)
            continue;
        found++;
        if (entry)
            *entry = cores.log[i];
    }
    return found;
}

// Ends all puppets; nothing may be left of anything.
static inline void cores_close(void) {
    cores.on_terminate = NULL;
    for (uint32_t i = 0; i < cores.count; i++)
        for (uint32_t k = 0; k < PUPPET_BEHAVIOURS; k++) {
            struct scheduler *scheduler = &cores.schedulers[i];
            uint8_t kind = puppet_behaviours[k].kind;
            for (uint32_t at = 0; at < CORES_SLOTS; at++)
                if (slab_is_used(&scheduler->kinds[kind].slab, at))
                    scheduler_exit(scheduler, kind, at, EXIT_SHUTDOWN);
        }
    cores_settle();
    for (uint32_t i = 0; i < cores.count; i++) {
        struct scheduler *scheduler = &cores.schedulers[i];
        ck_assert_uint_eq(scheduler->cells.used_count, 0);
        ck_assert_uint_eq(scheduler->relations.used_count, 0);
        ck_assert_uint_eq(scheduler->timed.used_count, 0);
        blocks_collect(scheduler->blocks);
        ck_assert_uint_eq(scheduler->blocks->bytes_used, 0);
        blocks_fini(&cores.blocks[i]);
        memory_release_all(&cores.ledger[i]);
    }
    mesh_fini(&cores.mesh);
}

#endif
