#include "tuning/machine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tuning/machine_parts.h"

#define KIB 1024ull
#define CAP_SYS_ADMIN_BIT 21 // linux/capability.h

struct sysctl_row {
    const char *path; // below /proc/sys
    const char *help;
};

static const struct sysctl_row SYSCTLS[] = {
#define SYSCTL_ROW(name, file, text) [MACHINE_##name] = {.path = file, .help = text},
    MACHINE_SYSCTLS(SYSCTL_ROW)
#undef SYSCTL_ROW
};

const char *machine_sysctl_path(enum machine_sysctl which) {
    return SYSCTLS[which].path;
}

const char *machine_sysctl_help(enum machine_sysctl which) {
    return SYSCTLS[which].help;
}

void machine_sysctl_name(enum machine_sysctl which, char *name, size_t name_size) {
    snprintf(name, name_size, "%s", SYSCTLS[which].path);
    for (char *slash = strchr(name, '/'); slash != NULL; slash = strchr(slash, '/'))
        *slash = '.';
}

static void read_sysctls(struct machine *machine, const char *root) {
    char path[HOST_FILE_PATH_BYTES];
    for (uint32_t i = 0; i < MACHINE_SYSCTL_COUNT; i++)
        if (host_file_path(path, "", "/proc/sys/%s", SYSCTLS[i].path))
            machine->sysctls[i].count =
                host_file_read_numbers(root, path, machine->sysctls[i].values);
    // An empty answer leaves "" behind, which is what unknown looks like.
    (void)!host_file_read_text(root, "/proc/sys/net/ipv4/tcp_congestion_control",
                               machine->congestion, sizeof(machine->congestion));
    (void)!host_file_read_text(root, "/proc/sys/net/ipv4/tcp_available_congestion_control",
                               machine->congestion_available,
                               sizeof(machine->congestion_available));
}

static void read_kernel(struct machine *machine, const char *root) {
    if (!host_file_read_text(root, "/proc/sys/kernel/osrelease", machine->kernel,
                             sizeof(machine->kernel)))
        return;
    if (sscanf(machine->kernel, "%u.%u", &machine->kernel_major, &machine->kernel_minor) != 2)
        machine->kernel_major = 0;
}

static void read_limit(struct machine_limit *limit, const char *root, const char *name) {
    char text[128];
    uint64_t numbers[3];
    if (!host_file_read_line(root, "/proc/self/limits", name, text, sizeof(text)) ||
        host_file_parse_numbers(text, numbers) < 2)
        return;
    *limit = (struct machine_limit){.is_known = true, .soft = numbers[0], .hard = numbers[1]};
}

static uint64_t read_kib(const char *root, const char *path, const char *name) {
    char text[64];
    uint64_t numbers[3] = {0};
    if (!host_file_read_line(root, path, name, text, sizeof(text)) ||
        host_file_parse_numbers(text, numbers) == 0)
        return 0;
    return numbers[0] * KIB;
}

static void read_memory(struct machine *machine, const char *root) {
    struct machine_memory *memory = &machine->memory;
    const char *path = "/proc/meminfo";
    memory->total_bytes = read_kib(root, path, "MemTotal:");
    memory->available_bytes = read_kib(root, path, "MemAvailable:");
    memory->swap_bytes = read_kib(root, path, "SwapTotal:");
    memory->hugepage_bytes = read_kib(root, path, "Hugetlb:");
    char text[128];
    if (!host_file_read_text(root, "/sys/kernel/mm/transparent_hugepage/enabled", text,
                             sizeof(text)))
        return;
    const char *open = strchr(text, '['); // "always [madvise] never"
    if (open != NULL)
        snprintf(machine->transparent_hugepages, sizeof(machine->transparent_hugepages), "%.*s",
                 (int)strcspn(open + 1, "]"), open + 1);
}

static void read_cpu_list(struct cpu_list *list, const char *root, const char *path) {
    char text[2048];
    if (!host_file_read_text(root, path, text, sizeof(text)) || !cpu_list_decode(list, text))
        *list = (struct cpu_list){0};
}

static void read_cpus(struct machine *machine, const char *root) {
    char text[2048];
    uint64_t smt = 0;
    read_cpu_list(&machine->cpus.online, root, "/sys/devices/system/cpu/online");
    read_cpu_list(&machine->cpus.isolated, root, "/sys/devices/system/cpu/isolated");
    if (!host_file_read_line(root, "/proc/self/status", "Cpus_allowed_list:", text, sizeof(text)) ||
        !cpu_list_decode(&machine->cpus.allowed, text))
        machine->cpus.allowed = machine->cpus.online;
    if (host_file_read_number(root, "/sys/devices/system/cpu/smt/active", &smt))
        machine->cpus.has_smt = smt == 1;
}

static void read_nodes(struct machine *machine, const char *root) {
    struct cpu_list nodes; // node numbers, written the same way
    char path[HOST_FILE_PATH_BYTES], name[48];
    read_cpu_list(&nodes, root, "/sys/devices/system/node/online");
    machine->node_count = cpu_list_count(&nodes);
    uint32_t found = 0;
    for (uint32_t id = 0; id < CPU_LIST_MAX && found < MACHINE_NODES_MAX; id++) {
        if (!cpu_list_has(&nodes, id))
            continue;
        struct machine_node *node = &machine->nodes[found++];
        snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/cpulist", id);
        read_cpu_list(&node->cpus, root, path);
        snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/meminfo", id);
        snprintf(name, sizeof(name), "Node %u MemTotal:", id);
        node->memory_bytes = read_kib(root, path, name);
        snprintf(name, sizeof(name), "Node %u MemFree:", id);
        node->memory_free_bytes = read_kib(root, path, name);
    }
}

static void read_permissions(struct machine *machine, const char *root) {
    char text[64];
    const char *path = "/proc/self/status";
    if (host_file_read_line(root, path, "Seccomp:", text, sizeof(text)))
        machine->is_seccomp_filtered = strtoul(text, NULL, 10) == 2;
    if (host_file_read_line(root, path, "CapEff:", text, sizeof(text)))
        machine->is_privileged = strtoull(text, NULL, 16) >> CAP_SYS_ADMIN_BIT & 1;
}

// Second column of every CPU's line, hexadecimal: packets dropped because netdev_max_backlog were
// waiting.
static void read_softnet(struct machine *machine, const char *root) {
    char line[512];
    FILE *file = host_file_open(root, "/proc/net/softnet_stat");
    while (file != NULL && fgets(line, sizeof(line), file)) {
        unsigned int processed, dropped;
        if (sscanf(line, "%x %x", &processed, &dropped) == 2)
            machine->backlog_dropped += dropped;
    }
    if (file != NULL)
        fclose(file);
}

void machine_read(struct machine *machine, const char *root) {
    *machine = (struct machine){0};
    read_kernel(machine, root);
    read_limit(&machine->nofile, root, "Max open files");
    read_limit(&machine->memlock, root, "Max locked memory");
    read_limit(&machine->processes, root, "Max processes");
    read_sysctls(machine, root);
    read_memory(machine, root);
    read_cpus(machine, root);
    read_nodes(machine, root);
    read_permissions(machine, root);
    read_softnet(machine, root);
    machine_cgroup_read(machine, root);
    machine_nic_read(machine, root);
    if (root[0] == 0)
        machine_uring_read(machine);
}

uint64_t machine_memory_bytes(const struct machine *machine) {
    uint64_t bytes = machine->memory.available_bytes;
    if (machine->cgroup.has_memory_limit &&
        (bytes == 0 || machine->cgroup.memory_left_bytes < bytes))
        bytes = machine->cgroup.memory_left_bytes;
    return bytes;
}

uint32_t machine_cpu_count(const struct machine *machine) {
    uint32_t cpus = cpu_list_count(&machine->cpus.allowed);
    uint32_t quota = (uint32_t)ceil(machine->cgroup.cpus);
    if (quota > 0 && quota < cpus)
        cpus = quota;
    return cpus > 0 ? cpus : 1;
}
