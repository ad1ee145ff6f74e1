// One core with supervisors over workers that note what becomes of them: "+a" started, "a!"
// declined, "-a:killed" ended. A worker's letter is its argument; what it does at which moment
// stands in a table by letter, so that its successors do the same. Included by one program each.
#ifndef FAIRLEAD_TESTS_SUPERVISOR_RIG_H
#define FAIRLEAD_TESTS_SUPERVISOR_RIG_H

#include "sched/supervisor.h"

#include <stdio.h>
#include <string.h>

#include "sched/base/clock.h"
#include "sched/payload.h"
#include "sched/relation.h"
#include "sched/signal.h"
#include "sched/supervisor_tree.h"
#include "sched/timed.h"
#include "tests/unit/unit.h"

enum {
    KIND_WORKER = 1,
    KIND_TRAPPER, // traps exits
    KIND_SERVICE, // one slot
    KIND_POOL,    // of a simple_one_for_one
    KIND_TRAPPER_POOL,
};

#define WORKERS_MAX 4096
#define NOTES_SIZE 8192

struct worker {
    struct actor actor;
    uint32_t letter;
};

struct habits {
    uint32_t declines;      // so many of the next inits decline
    uint32_t exits_in_init; // … exit
    bool exits_in_terminate;
    bool ignores_exit;           // MESSAGE_EXIT of a trapper
    uint64_t lingers_ns;         // a trapper goes so long after it was told to
    uint64_t dooms_in_terminate; // this pid is told to go
    uint32_t starts;
};

static struct {
    struct memory_ledger ledger;
    struct blocks blocks;
    struct counters counters;
    struct scheduler scheduler;
    struct supervisor_config config;
    uint64_t now_ns;
    struct habits habits[128];
    char notes[NOTES_SIZE];
    uint32_t reports[SUPERVISOR_GAVE_UP + 1];
    bool has_no_successor;
} rig;

enum {
    DO_EXIT = MESSAGE_USER, // small: reason
    DO_SELF_MAIL_AND_EXIT,  // its slot is retired then
};

static inline void note(const char *format, uint32_t letter, const char *reason) {
    size_t size = strlen(rig.notes);
    if (size + 40 < sizeof(rig.notes))
        snprintf(rig.notes + size, sizeof(rig.notes) - size, format, letter, reason);
}

static int worker_init(void *context, void *state, uint32_t index, const void *argument) {
    uint8_t kind = (uint8_t)(uintptr_t)context;
    uint32_t letter = argument ? *(const uint32_t *)argument : '?';
    struct habits *habits = &rig.habits[letter];
    ((struct worker *)state)->letter = letter;
    if (habits->declines > 0) {
        habits->declines--;
        note("%c! ", letter, "");
        return -1;
    }
    if (habits->exits_in_init > 0) {
        habits->exits_in_init--;
        note("%c! ", letter, "");
        scheduler_exit(&rig.scheduler, kind, index, EXIT_NORMAL);
        return 0;
    }
    habits->starts++;
    note("+%c ", letter, "");
    return 0;
}

static void worker_handle(void *context, void *state, uint32_t index,
                          const struct message *message) {
    uint8_t kind = (uint8_t)(uintptr_t)context;
    struct scheduler *scheduler = &rig.scheduler;
    const struct habits *habits = &rig.habits[((struct worker *)state)->letter];
    struct message later = {
        .target = scheduler_pid(scheduler, kind, index), .type = DO_EXIT, .small = message->small};
    switch (message->type) {
    case DO_EXIT:
        scheduler_exit(scheduler, kind, index, (enum exit_reason)message->small);
        return;
    case DO_SELF_MAIL_AND_EXIT:
        scheduler_send(scheduler, &later);
        scheduler_exit(scheduler, kind, index, EXIT_FAILED);
        return;
    case MESSAGE_EXIT:
        if (habits->lingers_ns)
            ck_assert(timed_send_after(scheduler, &later, habits->lingers_ns, 0) != 0);
        else if (!habits->ignores_exit)
            scheduler_exit(scheduler, kind, index, (enum exit_reason)message->small);
        return;
    default:
        return;
    }
}

static void worker_terminate(void *context, void *state, uint32_t index, enum exit_reason reason) {
    uint8_t kind = (uint8_t)(uintptr_t)context;
    uint32_t letter = ((struct worker *)state)->letter;
    note("-%c:%s ", letter, exit_reason_name(reason));
    if (rig.habits[letter].exits_in_terminate)
        scheduler_exit(&rig.scheduler, kind, index, EXIT_BUDGET);
    if (rig.habits[letter].dooms_in_terminate)
        signal_exit(&rig.scheduler, PID_NONE, rig.habits[letter].dooms_in_terminate, EXIT_PEER);
}

static uint64_t worker_succession(void *context, const void *state, uint32_t index) {
    if (rig.has_no_successor)
        return PAYLOAD_NONE;
    uint64_t payload = payload_acquire(&rig.scheduler, sizeof(uint32_t));
    ck_assert(payload != PAYLOAD_NONE);
    memcpy(payload_data(&rig.scheduler, payload), &((const struct worker *)state)->letter,
           sizeof(uint32_t));
    return payload;
}

#define WORKER(behaviour_name, behaviour_kind, traps, successor)                                   \
    {                                                                                              \
        .name = behaviour_name, .kind = behaviour_kind, .version = 1, .mailbox_max = 16,           \
        .traps_exit = traps, .slot_size = sizeof(struct worker), .init = worker_init,              \
        .handle = worker_handle, .terminate = worker_terminate, .succession = successor            \
    }

static const struct behaviour behaviours[] = {
    WORKER("worker", KIND_WORKER, false, NULL),
    WORKER("trapper", KIND_TRAPPER, true, NULL),
    WORKER("service", KIND_SERVICE, false, NULL),
    WORKER("pool", KIND_POOL, false, worker_succession),
    WORKER("trappers", KIND_TRAPPER_POOL, true, NULL),
};

static void on_report(void *context, const struct supervisor_report *report) {
    ck_assert(context == &rig && report->supervisor[0] && report->pid != PID_NONE);
    ck_assert_int_eq(report->event == SUPERVISOR_GAVE_UP, report->child[0] == 0);
    rig.reports[report->event]++;
}

static inline void rig_open(uint32_t relations_max) {
    memset(&rig, 0, sizeof(rig));
    rig.now_ns = 1000 * NS_PER_S;
    ck_assert_int_eq(blocks_init(&rig.blocks, &rig.ledger, 64 << 20), 0);
    const struct scheduler_config config = {.message_cells_max = 1 << 16,
                                            .relations_max = relations_max};
    ck_assert_int_eq(scheduler_init(&rig.scheduler, &config, NULL, &rig.ledger, &rig.blocks,
                                    &rig.counters, rig.now_ns),
                     0);
    for (size_t i = 0; i < sizeof(behaviours) / sizeof(behaviours[0]); i++)
        ck_assert_int_eq(scheduler_register(&rig.scheduler, &behaviours[i],
                                            (void *)(uintptr_t)behaviours[i].kind, // NOLINT
                                            behaviours[i].kind == KIND_SERVICE ? 1 : WORKERS_MAX),
                         0);
    rig.config = (struct supervisor_config){
        .scheduler = &rig.scheduler, .supervisors_max = 64, .report = on_report, .context = &rig};
    ck_assert_int_eq(supervisor_register(&rig.config), 0);
}

// Nothing is left; what blocks held is given back.
static inline void rig_close(void) {
    for (uint8_t kind = 1; kind < ACTOR_KINDS_MAX; kind++)
        if (rig.scheduler.kinds[kind].behaviour)
            slab_check_empty(&rig.scheduler.kinds[kind].slab);
    slab_check_empty(&rig.scheduler.relations);
    slab_check_empty(&rig.scheduler.timed);
    slab_check_empty(&rig.scheduler.cells);
    blocks_check_empty(&rig.blocks);
    blocks_fini(&rig.blocks);
    memory_release_all(&rig.ledger);
}

static inline bool rig_turn(void) {
    bool has_more = scheduler_turn(&rig.scheduler, rig.now_ns);
    scheduler_validate(&rig.scheduler);
    supervisor_validate(&rig.scheduler);
    return has_more;
}

// Until nobody is ready.
static inline void rig_settle(void) {
    for (uint32_t i = 0; i < 10000; i++)
        if (!rig_turn())
            return;
    ck_abort_msg("it does not settle");
}

static inline void rig_wait_ms(uint64_t ms) {
    for (uint64_t i = 0; i < ms; i++) {
        rig.now_ns += NS_PER_MS;
        rig_turn();
    }
    rig_settle();
}

#define RIG_COUNT(id) counter_read(&rig.counters, COUNTER_##id)

// What was noted since the last time.
#define RIG_EXPECT(expected)                                                                       \
    do {                                                                                           \
        ck_assert_str_eq(rig.notes, expected);                                                     \
        rig.notes[0] = 0;                                                                          \
    } while (0)

// A spec of children by their letters, all of one kind and restart type.
struct family {
    struct supervisor_child_spec children[26];
    char names[26][2];
    uint32_t letters[26];
    struct supervisor_spec spec;
};

static inline void family_of(struct family *family, const char *letters,
                             enum supervisor_strategy strategy) {
    memset(family, 0, sizeof(*family));
    for (uint32_t i = 0; letters[i]; i++) {
        family->letters[i] = (uint32_t)letters[i];
        family->names[i][0] = letters[i];
        family->children[i] = (struct supervisor_child_spec){.name = family->names[i],
                                                             .kind = KIND_WORKER,
                                                             .restart = SUPERVISOR_PERMANENT,
                                                             .shutdown_ms = 100,
                                                             .argument = &family->letters[i],
                                                             .argument_size = sizeof(uint32_t)};
        family->spec.child_count++;
    }
    family->spec.name = "sup";
    family->spec.strategy = strategy;
    family->spec.intensity = 3;
    family->spec.period_ms = 5000;
    family->spec.children = family->children;
}

// A nested supervisor as the next child of `family`; `packed` must live until it is started.
static inline void family_add(struct family *family, const char *name, const struct family *nested,
                              enum supervisor_restart restart, uint8_t packed[2048]) {
    struct writer w = writer_on(packed, 2048);
    ck_assert(supervisor_pack(&nested->spec, &w));
    family->children[family->spec.child_count++] =
        (struct supervisor_child_spec){.name = name,
                                       .kind = KIND_SUPERVISOR,
                                       .restart = restart,
                                       .shutdown_ms = SUPERVISOR_INFINITY,
                                       .argument = packed,
                                       .argument_size = (uint32_t)w.size};
}

static inline void tell_to_exit(uint64_t pid, uint32_t reason) {
    ck_assert(pid != PID_NONE);
    scheduler_send(&rig.scheduler,
                   &(struct message){.target = pid, .type = DO_EXIT, .small = reason});
}

static inline uint64_t child_pid(uint64_t supervisor, const char *name) {
    return supervisor_child_pid(&rig.scheduler, supervisor, name);
}

static inline uint64_t open_family(struct family *family, const char *letters,
                                   enum supervisor_strategy strategy) {
    rig_open(0);
    family_of(family, letters, strategy);
    uint64_t pid = supervisor_start(&rig.scheduler, &family->spec);
    ck_assert(pid != PID_NONE);
    return pid;
}

static inline uint64_t spawn(uint8_t kind, char letter) {
    uint32_t argument = (uint32_t)letter;
    uint64_t pid = scheduler_spawn(&rig.scheduler, kind, &argument);
    ck_assert(pid != PID_NONE);
    return pid;
}

// The ordered end of the tree, and of the rig.
static inline void rig_finish(uint64_t root) {
    supervisor_shutdown(&rig.scheduler, root);
    rig_settle();
    ck_assert(!scheduler_lookup(&rig.scheduler, root));
    rig_close();
}

#endif
