#include "tuning/machine_parts.h"

#include <stdlib.h>
#include <string.h>

// Version 1 writes "no limit" as the largest multiple of a page.
#define V1_UNLIMITED (1ull << 62)

// Where a hierarchy is mounted and where in it this process is, as files below the mount.
struct group {
    char mount[HOST_FILE_PATH_BYTES];
    char path[HOST_FILE_PATH_BYTES]; // "" for the top, else "/a/b"
};

static bool has_word(const char *list, const char *word) {
    size_t size = strlen(word);
    for (const char *at = list; (at = strstr(at, word)) != NULL; at += size)
        if ((at == list || at[-1] == ',') && (at[size] == 0 || at[size] == ','))
            return true;
    return false;
}

// A line of /proc/self/mountinfo: id parent device root mount options - type source options.
static bool match_mount(char *line, const char *controller, char **root, char **mount) {
    char *dash = strstr(line, " - ");
    char type[32], super[512];
    if (dash == NULL || sscanf(dash + 3, "%31s %*s %511s", type, super) != 2)
        return false;
    bool wanted = controller[0] == 0 ? strcmp(type, "cgroup2") == 0
                                     : strcmp(type, "cgroup") == 0 && has_word(super, controller);
    if (!wanted)
        return false;
    char *save = NULL;
    *dash = 0;
    for (uint32_t i = 0; i < 3; i++)
        if (strtok_r(i == 0 ? line : NULL, " ", &save) == NULL)
            return false;
    *root = strtok_r(NULL, " ", &save);
    *mount = strtok_r(NULL, " ", &save);
    return *root != NULL && *mount != NULL;
}

// The path of this process in the hierarchy: "4:memory:/docker/ab" or "0::/system.slice/x".
static bool read_own_path(const char *root, const char *controller,
                          char path[HOST_FILE_PATH_BYTES]) {
    char *line = NULL;
    size_t capacity = 0;
    bool is_found = false;
    FILE *file = host_file_open(root, "/proc/self/cgroup");
    while (file != NULL && !is_found && getline(&line, &capacity, file) > 0) {
        char *first = strchr(line, ':');
        char *second = first ? strchr(first + 1, ':') : NULL;
        if (second == NULL)
            continue;
        *second = 0;
        second[1 + strcspn(second + 1, "\n")] = 0;
        is_found = controller[0] == 0 ? first[1] == 0 : has_word(first + 1, controller);
        if (is_found)
            snprintf(path, HOST_FILE_PATH_BYTES, "%s", second + 1);
    }
    free(line);
    if (file != NULL)
        fclose(file);
    return is_found;
}

// controller "" is version 2. A container without a namespace of its own sees a path that is below
// the mount's root, or is the root.
static bool find_group(struct group *group, const char *root, const char *controller) {
    char own[HOST_FILE_PATH_BYTES];
    if (!read_own_path(root, controller, own))
        return false;
    char *line = NULL, *mount_root = NULL, *mount = NULL;
    size_t capacity = 0;
    bool is_found = false;
    FILE *file = host_file_open(root, "/proc/self/mountinfo");
    while (file != NULL && !is_found && getline(&line, &capacity, file) > 0)
        is_found = match_mount(line, controller, &mount_root, &mount);
    if (is_found) {
        size_t above = strcmp(mount_root, "/") == 0 ? 0 : strlen(mount_root);
        const char *rest = strncmp(own, mount_root, above) == 0 ? own + above : "";
        snprintf(group->mount, sizeof(group->mount), "%s", mount);
        snprintf(group->path, sizeof(group->path), "%s", strcmp(rest, "/") == 0 ? "" : rest);
    }
    free(line);
    if (file != NULL)
        fclose(file);
    return is_found;
}

// Cuts the last name; false when the top was it.
static bool go_up(struct group *group) {
    char *slash = strrchr(group->path, '/');
    if (slash == NULL)
        return false;
    *slash = 0;
    return true;
}

static bool file_of(const struct group *group, const char *name, char path[HOST_FILE_PATH_BYTES]) {
    return host_file_path(path, "", "%s%s/%s", group->mount, group->path, name);
}

static bool number_of(const struct group *group, const char *root, const char *name,
                      uint64_t *number) {
    char path[HOST_FILE_PATH_BYTES];
    return file_of(group, name, path) && host_file_read_number(root, path, number);
}

struct memory_files {
    const char *limit;
    const char *used;
    const char *cache; // its line in memory.stat
};

static const struct memory_files MEMORY_V1 = {"memory.limit_in_bytes", "memory.usage_in_bytes",
                                              "total_inactive_file "};
static const struct memory_files MEMORY_V2 = {"memory.max", "memory.current", "inactive_file "};

// Limits hold for the group and for each of its parents: the one with the least left counts.
static void read_memory(struct machine_cgroup *cgroup, const char *root, struct group group,
                        const struct memory_files *files) {
    do {
        uint64_t limit = 0, used = 0, cache[3] = {0};
        char path[HOST_FILE_PATH_BYTES], text[64];
        if (!number_of(&group, root, files->limit, &limit) || limit >= V1_UNLIMITED ||
            !number_of(&group, root, files->used, &used))
            continue;
        if (file_of(&group, "memory.stat", path) &&
            host_file_read_line(root, path, files->cache, text, sizeof(text)) &&
            host_file_parse_numbers(text, cache) > 0 && cache[0] < used)
            used -= cache[0];
        uint64_t left = limit > used ? limit - used : 0;
        if (cgroup->has_memory_limit && left >= cgroup->memory_left_bytes)
            continue;
        cgroup->has_memory_limit = true;
        cgroup->memory_limit_bytes = limit;
        cgroup->memory_left_bytes = left;
    } while (go_up(&group));
}

static void take_quota(struct machine_cgroup *cgroup, uint64_t quota, uint64_t period) {
    if (quota == HOST_FILE_UNLIMITED || quota == 0 || period == 0)
        return;
    double cpus = (double)quota / (double)period;
    if (cgroup->cpus == 0 || cpus < cgroup->cpus) {
        cgroup->cpus = cpus;
        cgroup->quota_period_us = period;
    }
}

static void read_cpu_v2(struct machine_cgroup *cgroup, const char *root, struct group group) {
    do {
        uint64_t numbers[3];
        char path[HOST_FILE_PATH_BYTES];
        if (file_of(&group, "cpu.max", path) && host_file_read_numbers(root, path, numbers) == 2)
            take_quota(cgroup, numbers[0], numbers[1]);
    } while (go_up(&group));
}

static void read_cpu_v1(struct machine_cgroup *cgroup, const char *root, struct group group) {
    do {
        uint64_t quota = 0, period = 0;
        if (number_of(&group, root, "cpu.cfs_quota_us", &quota) &&
            number_of(&group, root, "cpu.cfs_period_us", &period))
            take_quota(cgroup, quota, period);
    } while (go_up(&group));
}

static void read_tasks(struct machine_cgroup *cgroup, const char *root, struct group group) {
    do {
        uint64_t limit = 0, used = 0;
        if (!number_of(&group, root, "pids.max", &limit) || limit == HOST_FILE_UNLIMITED)
            continue;
        if (cgroup->has_tasks_limit && limit >= cgroup->tasks_max)
            continue;
        cgroup->has_tasks_limit = true;
        cgroup->tasks_max = limit;
        cgroup->tasks_count = number_of(&group, root, "pids.current", &used) ? used : 0;
    } while (go_up(&group));
}

void machine_cgroup_read(struct machine *machine, const char *root) {
    struct machine_cgroup *cgroup = &machine->cgroup;
    struct group group;
    if (find_group(&group, root, "")) {
        cgroup->version = 2;
        read_memory(cgroup, root, group, &MEMORY_V2);
        read_cpu_v2(cgroup, root, group);
        read_tasks(cgroup, root, group);
    }
    // Where both are mounted the controllers are version 1's.
    if (find_group(&group, root, "memory")) {
        cgroup->version = 1;
        read_memory(cgroup, root, group, &MEMORY_V1);
    }
    if (find_group(&group, root, "cpu")) {
        cgroup->version = 1;
        read_cpu_v1(cgroup, root, group);
    }
    if (find_group(&group, root, "pids"))
        read_tasks(cgroup, root, group);
}
