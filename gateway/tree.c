#include "gateway/tree.h"

#include <errno.h>

#include "chat/message.h"
#include "sched/base/clock.h"
#include "sched/base/log.h"
#include "sched/supervisor_tree.h"
#include "topics/topics.h"

#define SERVICE_MS 1000
#define PACKED_SIZE 1024

// An operator may end many rooms at once; as many that fail by themselves are a fault of chat's.
#define ROOMS_INTENSITY 1000
#define ROOMS_PERIOD_MS 10000

// Services restart more often only when something is wrong for good.
#define INTENSITY 5
#define PERIOD_MS 10000

// The children have their time once it runs; a longer end is none of theirs.
#define END_TURNS_MAX 1000000u

static void log_report(void *context, const struct supervisor_report *report) {
    static const char *const events[] = {
        [SUPERVISOR_CHILD_RESTARTED] = "child_restarted",
        [SUPERVISOR_START_FAILED] = "child_start_failed",
        [SUPERVISOR_CHILD_KILLED] = "child_killed",
        [SUPERVISOR_GAVE_UP] = "supervisor_gave_up",
    };
    struct tree *tree = context;
    uint64_t now_s = tree->scheduler->now_ns / NS_PER_S;
    if (tree->lines_s != now_s) {
        tree->lines_s = now_s;
        tree->lines = 0;
    }
    if (tree->lines++ >= TREE_LINES_PER_S && report->event != SUPERVISOR_GAVE_UP) {
        tree->lines_left_out++;
        return;
    }
    log_line(LOG_WARN,
             "event=%s scheduler=%u supervisor=%s child=%s reason=%s restarts=%u left_out=%u",
             events[report->event], tree->scheduler->core, report->supervisor,
             report->child[0] ? report->child : "-", exit_reason_name(report->reason),
             report->restarts, tree->lines_left_out);
    tree->lines_left_out = 0;
}

// A spec as the argument of a child, in `packed`.
static struct supervisor_child_spec nested(const struct supervisor_spec *spec, uint8_t *packed) {
    struct writer w = writer_on(packed, PACKED_SIZE);
    bool fits = supervisor_pack(spec, &w);
    CHECKF(fits, "the supervisors of %s", spec->name);
    return (struct supervisor_child_spec){.name = spec->name,
                                          .kind = KIND_SUPERVISOR,
                                          .restart = SUPERVISOR_PERMANENT,
                                          .shutdown_ms = SUPERVISOR_INFINITY,
                                          .argument = packed,
                                          .argument_size = (uint32_t)w.size};
}

static struct supervisor_child_spec service(const char *name, uint8_t kind) {
    return (struct supervisor_child_spec){
        .name = name, .kind = kind, .restart = SUPERVISOR_PERMANENT, .shutdown_ms = SERVICE_MS};
}

static struct supervisor_child_spec all_of(const char *name, uint8_t kind,
                                           enum supervisor_restart restart, uint8_t *packed) {
    return nested(&(struct supervisor_spec){.name = name,
                                            .strategy = SUPERVISOR_SIMPLE_ONE_FOR_ONE,
                                            .intensity = ROOMS_INTENSITY,
                                            .period_ms = ROOMS_PERIOD_MS,
                                            .kind = kind,
                                            .restart = restart,
                                            .shutdown_ms = SUPERVISOR_SHUTDOWN_MS},
                  packed);
}

static struct supervisor_child_spec chat(uint8_t *packed) {
    uint8_t rooms[PACKED_SIZE], leaves[PACKED_SIZE];
    const struct supervisor_child_spec children[] = {
        all_of("rooms", KIND_ROOM, SUPERVISOR_TRANSIENT, rooms),
        all_of("leaves", KIND_LEAF, SUPERVISOR_TEMPORARY, leaves),
        service("service", KIND_CHAT),
    };
    return nested(&(struct supervisor_spec){.name = "chat",
                                            .strategy = SUPERVISOR_REST_FOR_ONE,
                                            .intensity = INTENSITY,
                                            .period_ms = PERIOD_MS,
                                            .children = children,
                                            .child_count = sizeof(children) / sizeof(children[0])},
                  packed);
}

int tree_open(struct tree *tree, struct scheduler *scheduler, bool has_balancer) {
    *tree = (struct tree){
        .scheduler = scheduler,
        .config = {
            .scheduler = scheduler, .supervisors_max = 64, .report = log_report, .context = tree}};
    int result = supervisor_register(&tree->config);
    if (result < 0)
        return result;
    uint8_t packed_chat[PACKED_SIZE], packed_connections[PACKED_SIZE];
    uint8_t packed_sessions[PACKED_SIZE];
    const struct supervisor_child_spec children[] = {
        service("control", KIND_CONTROL),
        service("moves", KIND_MOVE),
        chat(packed_chat),
        service("topics", KIND_TOPICS),
        all_of("sessions", KIND_MQTT_SESSION, SUPERVISOR_TEMPORARY, packed_sessions),
        all_of("connections", KIND_CONNECTION, SUPERVISOR_TEMPORARY, packed_connections),
        service("balancer", KIND_BALANCER), // last: it is left out without --balance
    };
    const uint32_t child_count = sizeof(children) / sizeof(children[0]);
    const struct supervisor_spec root = {.name = "fairlead",
                                         .strategy = SUPERVISOR_ONE_FOR_ONE,
                                         .intensity = INTENSITY,
                                         .period_ms = PERIOD_MS,
                                         .children = children,
                                         .child_count = child_count - !has_balancer};
    tree->root = supervisor_start(scheduler, &root);
    return tree->root == PID_NONE ? -ENOMEM : 0;
}

void tree_end(struct tree *tree) {
    uint64_t now_ns = tree->scheduler->now_ns;
    supervisor_shutdown(tree->scheduler, tree->root);
    for (uint32_t i = 0; tree_is_up(tree) && i < END_TURNS_MAX; i++) {
        (void)scheduler_turn(tree->scheduler, now_ns);
        now_ns += NS_PER_MS;
    }
    CHECKF(!tree_is_up(tree), "scheduler %u: its supervisors do not end", tree->scheduler->core);
}

void tree_print(const struct tree *tree, struct writer *w) {
    supervisor_tree_print(tree->scheduler, tree->root, w);
}
