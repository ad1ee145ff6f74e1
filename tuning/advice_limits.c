// Rules about descriptors, threads and mappings.
#include <inttypes.h>

#include "tuning/advice_rules.h"

#define TASKS_BESIDE_SCHEDULERS 16 // control plane, log, supervisor, workers of the kernel
#define LANE_CONNECTIONS_MAX 15872 // of a table of 16,384, the next below a nofile of 20,000
#define NOFILE_USUAL 1048576       // the kernel's own fs.nr_open
#define MAPPINGS_PER_LANE 4
#define MAPPINGS_FIXED 1000

static void limit_text(uint64_t value, char *text, size_t text_size) {
    if (value == HOST_FILE_UNLIMITED)
        snprintf(text, text_size, "unlimited");
    else
        advice_exact_text(value, text, text_size);
}

static void rule_nofile(struct advice *a, const struct machine *m) {
    if (!m->nofile.is_known)
        return;
    struct advice_row *row = advice_add(a, "nofile");
    char soft[32], hard[32], lanes[32], others[32];
    uint64_t hard_limit = m->nofile.hard;
    row->connections = advice_lane_connections(hard_limit, a->schedulers);
    row->connections_others = m->nofile.soft > ADVICE_DESCRIPTORS_RESERVED
                                  ? m->nofile.soft - ADVICE_DESCRIPTORS_RESERVED
                                  : 0;
    limit_text(m->nofile.soft, soft, sizeof(soft));
    limit_text(hard_limit, hard, sizeof(hard));
    advice_count_text(row->connections, lanes, sizeof(lanes));
    advice_count_text(row->connections_others, others, sizeof(others));
    if (m->nofile.soft == hard_limit)
        advice_value(row, "%s", soft);
    else
        advice_value(row, "%s (hard %s)", soft, hard);
    advice_bounds(row, "%s · others %s", lanes, others);
    advice_why(
        row,
        "Fairlead: bounds a lane (a ring and its table of descriptors), not the server: %s "
        "connections in up to 256 lanes a scheduler, of which there %s %u. Other servers spend one "
        "of these on each connection: %s less %d for the rest is %s%s.",
        lanes, a->schedulers == 1 ? "is" : "are", a->schedulers, soft, ADVICE_DESCRIPTORS_RESERVED,
        others,
        m->nofile.soft < hard_limit ? "; a program may raise its soft limit to the hard one" : "");
    if (row->connections < a->wanted || row->connections_others < a->wanted) {
        row->verdict = ADVICE_LOW;
        if (hard_limit < NOFILE_USUAL)
            advice_lift(row, "LimitNOFILE=%d in the unit (shell: ulimit -n %d)", NOFILE_USUAL,
                        NOFILE_USUAL);
        else
            advice_lift(row, "more processes, or sysctl -w fs.nr_open=N and LimitNOFILE=N");
    }
    if (row->connections >= a->wanted && row->verdict == ADVICE_LOW)
        row->verdict = ADVICE_MIND; // of no consequence to Fairlead
}

static void rule_nr_open(struct advice *a, const struct machine *m) {
    if (!machine_has(m, MACHINE_NR_OPEN))
        return;
    struct advice_row *row = advice_add(a, "nr_open");
    char count[32];
    uint64_t value = machine_get(m, MACHINE_NR_OPEN);
    advice_count_text(value, count, sizeof(count));
    advice_value(row, "%s", count);
    advice_bounds(row, "nofile up to %s", count);
    advice_why(row, "How high a process's nofile may be set, by root too. Fairlead's lanes use at "
                    "most 1,048,576.");
    if (m->nofile.is_known && value < m->nofile.hard)
        row->verdict = ADVICE_MIND;
}

static void rule_file_max(struct advice *a, const struct machine *m) {
    if (!machine_has(m, MACHINE_FILE_MAX))
        return;
    uint64_t max = machine_get(m, MACHINE_FILE_MAX);
    const struct machine_numbers *nr = &m->sysctls[MACHINE_FILE_NR];
    // Second number: allocated and unused, which Linux 2.6 and later always has as 0.
    uint64_t used =
        nr->count > 1 && nr->values[0] >= nr->values[1] ? nr->values[0] - nr->values[1] : 0;
    struct advice_row *row = advice_add(a, "file-max");
    char count[32], used_text[32];
    advice_count_text(used, used_text, sizeof(used_text));
    if (max >= INT64_MAX) { // systemd sets it so
        advice_value(row, "unlimited");
        advice_why(row, "Open files of the whole host; every socket is one.");
        return;
    }
    advice_exact_text(max, count, sizeof(count));
    advice_value(row, "%s", count);
    advice_bound_both(a, row, max > used ? max - used : 0);
    advice_why(row,
               "Open files of the whole host, %s in use. Every connection's socket is one, in a "
               "lane too; with the load tool on this host each connection takes two. Programs "
               "with CAP_SYS_ADMIN are not held by it.",
               used_text);
    if (row->verdict == ADVICE_LOW)
        advice_lift(row, "sysctl -w fs.file-max=%" PRIu64,
                    (2 * a->wanted + used + 999999) / 1000000 * 1000000);
}

static void rule_tasks(struct advice *a, const struct machine *m) {
    uint64_t wanted = a->schedulers + TASKS_BESIDE_SCHEDULERS;
    if (m->cgroup.has_tasks_limit) {
        const struct machine_cgroup *cgroup = &m->cgroup;
        struct advice_row *row = advice_add(a, "cgroup pids");
        uint64_t left =
            cgroup->tasks_max > cgroup->tasks_count ? cgroup->tasks_max - cgroup->tasks_count : 0;
        advice_value(row, "%" PRIu64, cgroup->tasks_max);
        advice_bounds(row, "%" PRIu64 " threads left", left);
        advice_why(row,
                   "Threads of the control group. Fairlead wants about %" PRIu64
                   ": a scheduler for each CPU and some beside them, never one for a connection.",
                   wanted);
        if (left < wanted) {
            row->verdict = ADVICE_LOW;
            advice_lift(row, "TasksMax=512 in the unit (container: --pids-limit 512)");
        }
    }
    if (m->processes.is_known && m->processes.soft < wanted) {
        struct advice_row *row = advice_add(a, "nproc");
        advice_value(row, "%" PRIu64, m->processes.soft);
        advice_bounds(row, "threads of the user");
        advice_why(row, "Threads of this user; Fairlead wants about %" PRIu64 ".", wanted);
        advice_lift(row, "LimitNPROC=512 in the unit (shell: ulimit -u 512)");
        row->verdict = ADVICE_LOW;
    }
}

static void rule_map_count(struct advice *a, const struct machine *m) {
    if (!machine_has(m, MACHINE_MAP_COUNT))
        return;
    struct advice_row *row = advice_add(a, "max_map_count");
    uint64_t lanes = a->wanted / LANE_CONNECTIONS_MAX + a->schedulers;
    uint64_t wanted = lanes * MAPPINGS_PER_LANE + MAPPINGS_FIXED;
    char count[32], wanted_text[32];
    advice_count_text(machine_get(m, MACHINE_MAP_COUNT), count, sizeof(count));
    advice_count_text(wanted, wanted_text, sizeof(wanted_text));
    advice_value(row, "%s", count);
    advice_bounds(row, "mappings");
    advice_why(row, "Memory mappings of a process: %d a lane and about %d for the rest, %s here.",
               MAPPINGS_PER_LANE, MAPPINGS_FIXED, wanted_text);
    if (machine_get(m, MACHINE_MAP_COUNT) < wanted) {
        row->verdict = ADVICE_LOW;
        advice_lift(row, "sysctl -w vm.max_map_count=262144");
    }
}

static void rule_memlock(struct advice *a, const struct machine *m) {
    if (!m->memlock.is_known)
        return;
    struct advice_row *row = advice_add(a, "memlock");
    char text[32];
    if (m->memlock.soft == HOST_FILE_UNLIMITED)
        snprintf(text, sizeof(text), "unlimited");
    else
        advice_bytes_text(m->memlock.soft, text, sizeof(text));
    advice_value(row, "%s", text);
    advice_bounds(row, "pinned memory");
    advice_why(row, "Memory that may be pinned. Since Linux 5.12 rings are charged to the control "
                    "group instead, so nothing of Fairlead's counts here.");
}

void advice_rules_limits(struct advice *advice, const struct machine *machine) {
    rule_nofile(advice, machine);
    rule_file_max(advice, machine);
    rule_nr_open(advice, machine);
    rule_tasks(advice, machine);
    rule_map_count(advice, machine);
    rule_memlock(advice, machine);
}
