#include "sched/supervisor_tree.h"

#define NAME_COLUMN 26

const char *supervisor_strategy_name(enum supervisor_strategy strategy) {
    switch (strategy) {
    case SUPERVISOR_ONE_FOR_ONE:
        return "one_for_one";
    case SUPERVISOR_REST_FOR_ONE:
        return "rest_for_one";
    case SUPERVISOR_ONE_FOR_ALL:
        return "one_for_all";
    case SUPERVISOR_SIMPLE_ONE_FOR_ONE:
        return "simple_one_for_one";
    }
    UNREACHABLE();
}

const char *supervisor_restart_name(enum supervisor_restart restart) {
    switch (restart) {
    case SUPERVISOR_PERMANENT:
        return "permanent";
    case SUPERVISOR_TRANSIENT:
        return "transient";
    case SUPERVISOR_TEMPORARY:
        return "temporary";
    }
    UNREACHABLE();
}

static void put_spaces(struct writer *w, size_t count) {
    while (count-- > 0)
        writer_put_byte(w, ' ');
}

static void put_pid(struct writer *w, uint64_t pid) {
    static const char digits[] = "0123456789abcdef";
    if (pid == PID_NONE) {
        writer_put_string(w, "-               ");
        return;
    }
    for (int shift = 60; shift >= 0; shift -= 4)
        writer_put_byte(w, (uint8_t)digits[pid >> shift & 15]);
}

static void put_name(struct writer *w, size_t depth, const char *name, uint64_t pid) {
    size_t size = depth * 2 + strlen(name);
    put_spaces(w, depth * 2);
    writer_put_string(w, name);
    put_spaces(w, size < NAME_COLUMN ? NAME_COLUMN - size : 1);
    put_pid(w, pid);
}

// What a supervisor is, behind what it is to its own.
static void put_supervisor(struct writer *w, const struct scheduler *scheduler,
                           const struct supervisor_info *info) {
    writer_put_string(w, "  ");
    writer_put_string(w, supervisor_strategy_name(info->strategy));
    if (info->strategy == SUPERVISOR_SIMPLE_ONE_FOR_ONE) {
        writer_put_string(w, " of ");
        writer_put_u64(w, info->active);
        writer_put_byte(w, ' ');
        writer_put_string(w, supervisor_restart_name(info->restart));
        writer_put_byte(w, ' ');
        writer_put_string(w, scheduler->kinds[info->kind].behaviour->name);
    }
    writer_put_string(w, ", restarts=");
    writer_put_u64(w, info->restarts);
    writer_put_string(w, " intensity=");
    writer_put_u64(w, info->intensity);
    writer_put_byte(w, '/');
    if (info->period_ms % 1000 == 0) {
        writer_put_u64(w, info->period_ms / 1000);
        writer_put_string(w, "s");
    } else {
        writer_put_u64(w, info->period_ms);
        writer_put_string(w, "ms");
    }
    if (info->is_ending)
        writer_put_string(w, ", ending");
}

static void put_child(struct writer *w, const struct scheduler *scheduler, size_t depth,
                      const struct supervisor_child_info *child) {
    put_name(w, depth, child->name, child->pid);
    writer_put_string(w, "  ");
    writer_put_string(w, supervisor_restart_name(child->restart));
    writer_put_byte(w, ' ');
    writer_put_string(w, scheduler->kinds[child->kind].behaviour->name);
    writer_put_string(w, ", restarted=");
    writer_put_u64(w, child->restarts);
    if (child->is_ending)
        writer_put_string(w, ", ending");
    else if (child->is_restarting)
        writer_put_string(w, ", restarting");
    else if (child->pid == PID_NONE)
        writer_put_string(w, ", ended");
}

void supervisor_tree_print(const struct scheduler *scheduler, uint64_t root, struct writer *w) {
    // The way down to where it is: a supervisor and the next of its children.
    struct {
        uint64_t pid;
        uint32_t cursor;
    } path[SUPERVISOR_DEPTH_MAX] = {{.pid = root}};
    size_t depth = 1;
    struct supervisor_info info;
    if (!supervisor_info(scheduler, root, &info))
        return;
    put_name(w, 0, info.name, root);
    put_supervisor(w, scheduler, &info);
    writer_put_byte(w, '\n');
    while (depth > 0) {
        struct supervisor_child_info child;
        if (!supervisor_child_next(scheduler, path[depth - 1].pid, &path[depth - 1].cursor,
                                   &child)) {
            depth--;
            continue;
        }
        put_child(w, scheduler, depth, &child);
        if (child.kind == KIND_SUPERVISOR && supervisor_info(scheduler, child.pid, &info)) {
            put_supervisor(w, scheduler, &info);
            if (depth < SUPERVISOR_DEPTH_MAX) {
                path[depth].pid = child.pid;
                path[depth++].cursor = 0;
            }
        }
        writer_put_byte(w, '\n');
    }
}
