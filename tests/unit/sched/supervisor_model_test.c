// Goal: under any ends, kills, failing starts and orders, at any depth, supervisors do what OTP's
// would: who is started and ended, with which reason, in which order, who gives up. Method: random
// walks beside a model that is OTP's supervisor.erl in short (it waits where ours goes in steps);
// what the workers note must be the same, step by step, and so must the trees.
#include "tests/unit/sched/supervisor_rig.h"

#include <errno.h>

#include "sched/base/rng.h"

#define SEEDS 1500
#define STEPS 40
#define SUPERVISORS_MAX 6
#define CHILDREN_MAX 12
#define PERIOD_MS 50
#define TIMES_MAX 64

struct model_child {
    char name[16];
    uint32_t letter; // of a worker, 0: a supervisor
    uint32_t supervisor;
    uint8_t kind;
    enum supervisor_restart restart;
    bool is_alive;
    uint32_t life; // which start of all that is
};

struct model_supervisor {
    enum supervisor_strategy strategy;
    uint32_t intensity;
    struct model_child spec[CHILDREN_MAX];
    uint32_t spec_count;
    // While it is alive:
    struct model_child children[CHILDREN_MAX];
    uint32_t child_count;
    uint64_t times[TIMES_MAX];
    uint32_t restarts;
    uint32_t parent; // SLAB_NONE: the root
};

static struct {
    struct rng rng;
    struct model_supervisor supervisors[SUPERVISORS_MAX];
    uint32_t supervisor_count;
    uint32_t letter_count;
    uint32_t lives;
    uint32_t declines[128];
    bool is_root_alive;
    char notes[NOTES_SIZE];
    uint64_t steps, gave_up, retries, groups;
} m;

static uint32_t chance(uint32_t bound) {
    return rng_below(&m.rng, bound);
}

static void model_note(const char *format, uint32_t letter, const char *reason) {
    size_t size = strlen(m.notes);
    if (size + 40 < sizeof(m.notes))
        snprintf(m.notes + size, sizeof(m.notes) - size, format, letter, reason);
}

// --- the model -----------------------------------------------------------------------------------

static bool model_start(uint32_t index);

static bool start_child(struct model_child *child) {
    if (!child->letter) {
        child->is_alive = model_start(child->supervisor);
    } else if (m.declines[child->letter] > 0) {
        m.declines[child->letter]--;
        model_note("%c! ", child->letter, "");
        child->is_alive = false;
    } else {
        model_note("+%c ", child->letter, "");
        child->is_alive = true;
    }
    child->life = ++m.lives;
    return child->is_alive;
}

static void end_children(uint32_t index, uint32_t first, enum exit_reason reason) {
    struct model_supervisor *supervisor = &m.supervisors[index];
    for (uint32_t at = supervisor->child_count; at > first; at--) {
        struct model_child *child = &supervisor->children[at - 1];
        if (!child->is_alive)
            continue;
        child->is_alive = false;
        if (child->letter)
            model_note("-%c:%s ", child->letter, exit_reason_name(reason));
        else
            end_children(child->supervisor, 0, reason);
    }
}

static bool model_start(uint32_t index) {
    struct model_supervisor *supervisor = &m.supervisors[index];
    memcpy(supervisor->children, supervisor->spec, sizeof(supervisor->spec));
    memset(supervisor->times, 0, sizeof(supervisor->times));
    supervisor->child_count = supervisor->spec_count;
    supervisor->restarts = 0;
    for (uint32_t at = 0; at < supervisor->child_count; at++) {
        if (start_child(&supervisor->children[at]))
            continue;
        end_children(index, 0, EXIT_SHUTDOWN);
        return false;
    }
    return true;
}

static void remove_child(struct model_supervisor *supervisor, uint32_t at) {
    supervisor->child_count--;
    memmove(&supervisor->children[at], &supervisor->children[at + 1],
            (supervisor->child_count - at) * sizeof(struct model_child));
}

// supervisor.erl, add_restart/1.
static bool add_restart(struct model_supervisor *supervisor) {
    uint32_t count = 1;
    for (uint32_t i = 0; i < supervisor->restarts; i++)
        count += rig.now_ns - supervisor->times[i] <= PERIOD_MS * NS_PER_MS;
    CHECK(supervisor->restarts < TIMES_MAX);
    supervisor->times[supervisor->restarts++] = rig.now_ns;
    return count <= supervisor->intensity;
}

// supervisor.erl, restart/3 with its try_again_restart. False: too many.
static bool restart(uint32_t index, uint32_t at) {
    struct model_supervisor *supervisor = &m.supervisors[index];
    for (;;) {
        if (!add_restart(supervisor))
            return false;
        if (supervisor->strategy == SUPERVISOR_ONE_FOR_ONE) {
            if (start_child(&supervisor->children[at]))
                return true;
            m.retries++;
            continue;
        }
        uint32_t first = supervisor->strategy == SUPERVISOR_ONE_FOR_ALL ? 0 : at;
        m.groups++;
        end_children(index, first, EXIT_SHUTDOWN);
        for (uint32_t i = supervisor->child_count; i > first; i--)
            if (supervisor->children[i - 1].restart == SUPERVISOR_TEMPORARY)
                remove_child(supervisor, i - 1);
        for (at = first; at < supervisor->child_count; at++)
            if (!start_child(&supervisor->children[at]))
                break;
        if (at == supervisor->child_count)
            return true;
        m.retries++;
    }
}

// supervisor.erl, restart_child/3 of an 'EXIT': the child is dead already. Up the tree when a
// supervisor gives up.
static void model_exit(uint32_t index, uint32_t at, uint32_t reason) {
    for (;;) {
        struct model_supervisor *supervisor = &m.supervisors[index];
        struct model_child *child = &supervisor->children[at];
        child->is_alive = false;
        bool is_restarted = child->restart == SUPERVISOR_PERMANENT ||
                            (child->restart == SUPERVISOR_TRANSIENT && exit_is_abnormal(reason));
        if (!is_restarted && child->restart == SUPERVISOR_TEMPORARY)
            remove_child(supervisor, at);
        if (!is_restarted || restart(index, at))
            return;
        m.gave_up++;
        end_children(index, 0, EXIT_SHUTDOWN);
        if (supervisor->parent == SLAB_NONE) {
            m.is_root_alive = false;
            return;
        }
        uint32_t parent = supervisor->parent;
        for (at = 0; m.supervisors[parent].children[at].letter ||
                     m.supervisors[parent].children[at].supervisor != index;)
            at++;
        index = parent;
        reason = EXIT_SHUTDOWN;
    }
}

// --- the same for both ---------------------------------------------------------------------------

static enum supervisor_restart any_restart(void) {
    static const enum supervisor_restart weights[] = {SUPERVISOR_PERMANENT, SUPERVISOR_PERMANENT,
                                                      SUPERVISOR_TRANSIENT, SUPERVISOR_TRANSIENT,
                                                      SUPERVISOR_TEMPORARY};
    return weights[chance(5)];
}

static struct model_child any_worker(void) {
    struct model_child child = {.letter = 'A' + m.letter_count++,
                                .kind = chance(2) ? KIND_WORKER : KIND_TRAPPER,
                                .restart = any_restart()};
    CHECK(child.letter < 127);
    if (child.letter == 'A')
        child.kind = KIND_SERVICE;
    snprintf(child.name, sizeof(child.name), "%c", (char)child.letter);
    return child;
}

static void any_tree(void) {
    m.supervisor_count = 1 + chance(SUPERVISORS_MAX);
    for (uint32_t i = 0; i < m.supervisor_count; i++) {
        struct model_supervisor *supervisor = &m.supervisors[i];
        supervisor->strategy = (enum supervisor_strategy)chance(3);
        supervisor->intensity = chance(6);
        supervisor->parent = i == 0 ? SLAB_NONE : chance(i);
        for (uint32_t n = chance(4); n > 0; n--)
            supervisor->spec[supervisor->spec_count++] = any_worker();
        if (i == 0)
            continue;
        struct model_supervisor *parent = &m.supervisors[supervisor->parent];
        struct model_child child = {
            .supervisor = i, .kind = KIND_SUPERVISOR, .restart = any_restart()};
        snprintf(child.name, sizeof(child.name), "s%u", i);
        uint32_t at = chance(parent->spec_count + 1);
        memmove(&parent->spec[at + 1], &parent->spec[at],
                (parent->spec_count++ - at) * sizeof(child));
        parent->spec[at] = child;
    }
}

// Packed from the last: children come after their parents.
static uint8_t packed[SUPERVISORS_MAX][SUPERVISOR_ARGUMENT_MAX];
static uint32_t packed_size[SUPERVISORS_MAX];

static struct supervisor_child_spec child_spec(const struct model_child *child) {
    bool is_worker = child->letter != 0;
    return (struct supervisor_child_spec){
        .name = child->name,
        .kind = child->kind,
        .restart = child->restart,
        .shutdown_ms = is_worker ? chance(3) * 100 + 1 : SUPERVISOR_INFINITY,
        .argument = is_worker ? (const void *)&child->letter : packed[child->supervisor],
        .argument_size = is_worker ? sizeof(uint32_t) : packed_size[child->supervisor]};
}

static uint64_t start_tree(void) {
    for (uint32_t i = m.supervisor_count; i-- > 0;) {
        const struct model_supervisor *supervisor = &m.supervisors[i];
        struct supervisor_child_spec children[CHILDREN_MAX];
        for (uint32_t at = 0; at < supervisor->spec_count; at++)
            children[at] = child_spec(&supervisor->spec[at]);
        const struct supervisor_spec spec = {.name = "sup",
                                             .strategy = supervisor->strategy,
                                             .intensity = supervisor->intensity,
                                             .period_ms = PERIOD_MS,
                                             .children = children,
                                             .child_count = supervisor->spec_count};
        struct writer w = writer_on(packed[i], sizeof(packed[i]));
        ck_assert(supervisor_pack(&spec, &w));
        packed_size[i] = (uint32_t)w.size;
        if (i == 0)
            return supervisor_start(&rig.scheduler, &spec);
    }
    return PID_NONE;
}

static uint64_t pid_of_supervisor(uint64_t root, uint32_t index) {
    uint32_t path[SUPERVISORS_MAX];
    uint32_t depth = 0;
    for (; index != 0; index = m.supervisors[index].parent)
        path[depth++] = index;
    uint64_t pid = root;
    while (depth > 0 && pid != PID_NONE) {
        char name[16];
        snprintf(name, sizeof(name), "s%u", path[--depth]);
        pid = child_pid(pid, name);
    }
    return pid;
}

static void compare(uint64_t root) {
    for (uint32_t i = 0; i < m.supervisor_count; i++) {
        const struct model_supervisor *supervisor = &m.supervisors[i];
        uint64_t pid = pid_of_supervisor(root, i);
        struct supervisor_child_info info;
        uint32_t cursor = 0;
        if (pid == PID_NONE)
            continue; // its parent says the same of it
        for (uint32_t at = 0; at < supervisor->child_count; at++) {
            const struct model_child *child = &supervisor->children[at];
            ck_assert(supervisor_child_next(&rig.scheduler, pid, &cursor, &info));
            ck_assert_str_eq(info.name, child->name);
            ck_assert_int_eq(info.restart, child->restart);
            ck_assert_msg((info.pid != PID_NONE) == child->is_alive, "%s of %u", child->name, i);
        }
        ck_assert(!supervisor_child_next(&rig.scheduler, pid, &cursor, &info));
        struct supervisor_info whole;
        ck_assert(supervisor_info(&rig.scheduler, pid, &whole));
        ck_assert_uint_eq(whole.restarts, supervisor->restarts);
    }
}

// --- steps ---------------------------------------------------------------------------------------

struct victim {
    uint32_t supervisor;
    uint32_t at;
    uint32_t life;
    char name[16];
};

// A child that lives; false: there is none where we looked.
static bool any_child(uint64_t root, uint32_t supervisor, struct victim *victim) {
    const struct model_supervisor *parent = &m.supervisors[supervisor];
    if (pid_of_supervisor(root, supervisor) == PID_NONE || parent->child_count == 0)
        return false;
    uint32_t at = chance(parent->child_count);
    const struct model_child *child = &parent->children[at];
    *victim = (struct victim){supervisor, at, child->life, ""};
    memcpy(victim->name, child->name, sizeof(victim->name));
    return child->is_alive;
}

static uint32_t end_one(uint64_t root, const struct victim *victim) {
    static const uint32_t reasons[] = {EXIT_NORMAL, EXIT_SHUTDOWN, EXIT_FAILED, EXIT_KILLED};
    const struct model_child *child = &m.supervisors[victim->supervisor].children[victim->at];
    uint64_t pid = child_pid(pid_of_supervisor(root, victim->supervisor), child->name);
    uint32_t reason = child->letter ? reasons[chance(4)] : (uint32_t)EXIT_KILLED;
    if (reason == EXIT_KILLED)
        signal_exit(&rig.scheduler, PID_NONE, pid, reason);
    else
        tell_to_exit(pid, reason);
    return reason;
}

static void model_end_one(const struct victim *victim, uint32_t reason) {
    const struct model_supervisor *supervisor = &m.supervisors[victim->supervisor];
    const struct model_child *child = &supervisor->children[victim->at];
    if (child->letter)
        model_note("-%c:%s ", child->letter, exit_reason_name(reason));
    else
        end_children(child->supervisor, 0, EXIT_KILLED);
    model_exit(victim->supervisor, victim->at, reason);
}

static void do_end(uint64_t root) {
    struct victim victim;
    if (any_child(root, chance(m.supervisor_count), &victim))
        model_end_one(&victim, end_one(root, &victim));
}

static bool has_declines(void) {
    for (uint32_t letter = 0; letter < 128; letter++)
        if (m.declines[letter] > 0)
            return true;
    return false;
}

// Two workers of one supervisor at the same time. What they note may mix; who lives may not. Not
// with starts that fail: OTP tries again behind the second end, which the model does not know.
static bool do_end_two(uint64_t root) {
    struct victim first, second;
    uint32_t supervisor = chance(m.supervisor_count);
    if (has_declines() || !any_child(root, supervisor, &first) ||
        !any_child(root, supervisor, &second) || first.at == second.at ||
        !m.supervisors[supervisor].children[first.at].letter ||
        !m.supervisors[supervisor].children[second.at].letter)
        return false;
    tell_to_exit(child_pid(pid_of_supervisor(root, supervisor), first.name), EXIT_FAILED);
    tell_to_exit(child_pid(pid_of_supervisor(root, supervisor), second.name), EXIT_FAILED);
    model_exit(supervisor, first.at, EXIT_FAILED);
    const struct model_supervisor *parent = &m.supervisors[supervisor];
    for (uint32_t at = 0; at < parent->child_count && m.is_root_alive; at++) {
        const struct model_child *child = &parent->children[at];
        if (strcmp(child->name, second.name) == 0 && child->is_alive && child->life == second.life)
            model_exit(supervisor, at, EXIT_FAILED);
    }
    return true;
}

static void do_start_child(uint64_t root, uint32_t index) {
    struct model_supervisor *supervisor = &m.supervisors[index];
    if (supervisor->child_count == CHILDREN_MAX || m.letter_count > 50)
        return;
    struct model_child child = any_worker();
    m.declines[child.letter] = rig.habits[child.letter].declines = chance(4) == 0;
    struct supervisor_child_spec spec = child_spec(&child);
    uint64_t pid;
    int result =
        supervisor_start_child(&rig.scheduler, pid_of_supervisor(root, index), &spec, &pid);
    ck_assert_int_eq(result, start_child(&child) ? 0 : -ECANCELED);
    if (result == 0)
        supervisor->children[supervisor->child_count++] = child;
}

static void do_order(uint64_t root) {
    uint32_t index = chance(m.supervisor_count);
    struct model_supervisor *supervisor = &m.supervisors[index];
    uint64_t pid = pid_of_supervisor(root, index), started;
    if (pid == PID_NONE)
        return;
    if (chance(3) == 0 || supervisor->child_count == 0) {
        do_start_child(root, index);
        return;
    }
    uint32_t at = chance(supervisor->child_count);
    struct model_child *child = &supervisor->children[at];
    struct scheduler *scheduler = &rig.scheduler;
    switch (chance(3)) {
    case 0:
        ck_assert_int_eq(supervisor_terminate_child(scheduler, pid, child->name), 0);
        if (!child->is_alive)
            return;
        child->is_alive = false;
        if (child->letter)
            model_note("-%c:%s ", child->letter, "shutdown");
        else
            end_children(child->supervisor, 0, EXIT_SHUTDOWN);
        if (child->restart == SUPERVISOR_TEMPORARY)
            remove_child(supervisor, at);
        return;
    case 1:
        if (child->is_alive)
            ck_assert_int_eq(supervisor_restart_child(scheduler, pid, child->name, &started),
                             -EEXIST);
        else
            ck_assert_int_eq(supervisor_restart_child(scheduler, pid, child->name, &started),
                             start_child(child) ? 0 : -ECANCELED);
        return;
    default:
        ck_assert_int_eq(supervisor_delete_child(scheduler, pid, child->name),
                         child->is_alive ? -EBUSY : 0);
        if (!child->is_alive)
            remove_child(supervisor, at);
    }
}

static void do_decline(void) {
    uint32_t letter = 'A' + chance(m.letter_count ? m.letter_count : 1);
    m.declines[letter] = rig.habits[letter].declines = chance(4);
}

static void do_stale(uint64_t root) {
    uint64_t pid = pid_of_supervisor(root, chance(m.supervisor_count));
    if (pid != PID_NONE)
        scheduler_send(&rig.scheduler,
                       &(struct message){.target = pid,
                                         .sender = pid_of(0, KIND_WORKER, (struct handle){1, 99}),
                                         .type = MESSAGE_CHILD_EXIT,
                                         .small = EXIT_FAILED});
}

static void step(uint64_t root) {
    bool is_order_known = true;
    m.steps++;
    switch (chance(10)) {
    case 0:
        rig_wait_ms(chance(PERIOD_MS * 2));
        break;
    case 1:
        do_decline();
        break;
    case 2:
    case 3:
        do_order(root);
        break;
    case 4:
        is_order_known = !do_end_two(root);
        break;
    case 5:
        do_stale(root);
        break;
    default:
        do_end(root);
    }
    rig_settle();
    if (is_order_known)
        ck_assert_str_eq(rig.notes, m.notes);
    rig.notes[0] = m.notes[0] = 0;
    ck_assert_int_eq(scheduler_lookup(&rig.scheduler, root) != NULL, m.is_root_alive);
    if (m.is_root_alive)
        compare(root);
}

START_TEST(trees_do_what_otp_would) {
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        uint64_t sums[] = {m.steps, m.gave_up, m.retries, m.groups};
        memset(&m, 0, sizeof(m));
        m.steps = sums[0], m.gave_up = sums[1], m.retries = sums[2], m.groups = sums[3];
        m.rng = (struct rng){seed};
        rig_open(0);
        rig.config.report = NULL;
        any_tree();
        if (chance(4) == 0)
            do_decline();
        uint64_t root = start_tree();
        m.is_root_alive = model_start(0);
        ck_assert_int_eq(root != PID_NONE, m.is_root_alive);
        for (uint32_t i = 0; i < STEPS && m.is_root_alive; i++)
            step(root);
        if (m.is_root_alive) {
            supervisor_shutdown(&rig.scheduler, root);
            end_children(0, 0, EXIT_SHUTDOWN);
        }
        rig_settle();
        ck_assert_str_eq(rig.notes, m.notes);
        rig_close();
    }
    // The walks were where it is interesting.
    ck_assert_uint_gt(m.steps, SEEDS * 5);
    ck_assert_uint_gt(m.gave_up, SEEDS / 4);
    ck_assert_uint_gt(m.retries, SEEDS / 4);
    ck_assert_uint_gt(m.groups, SEEDS / 2);
}
END_TEST

UNIT_MAIN("sched/supervisor_model", trees_do_what_otp_would)
