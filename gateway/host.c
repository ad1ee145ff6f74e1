#include "gateway/host.h"

#include "io/ring.h"
#include "sched/actor.h"

#include <inttypes.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define PATH_SIZE 512
#define LINE_SIZE 512
#define MIB (1ull << 20)
#define GIB (1ull << 30)

// Connections hash unevenly over the schedulers' listeners (SO_REUSEPORT): with s schedulers the
// fullest gets about 4 deviations of a binomial more than the mean. 1/32 covers that from 20,000
// connections a scheduler up; HOST_SPREAD_MIN below.
#define SPREAD_SHARE 32
#define SPREAD_MIN 512
#define CONNECTIONS_ROUND 1000
#define TABLE_MIN 64
#define SESSIONS_AUTO 2 // times connections_max

_Static_assert(HOST_LANES_MAX == RING_LANES_MAX, "the plan is for this ring");

PRINTF_LIKE(2, 3)
static bool refuse(char *error, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, HOST_ERROR_SIZE, format, arguments);
    va_end(arguments);
    return false;
}

// --- Reading ---

// The first line of the file that begins with `prefix`, without it; false when there is none.
static bool read_line(const char *root, const char *path, const char *prefix, char *line) {
    char full[PATH_SIZE];
    snprintf(full, sizeof(full), "%s%s", root, path);
    FILE *file = fopen(full, "re");
    if (!file)
        return false;
    bool found = false;
    size_t prefix_size = strlen(prefix);
    while (!found && fgets(line, LINE_SIZE, file))
        found = strncmp(line, prefix, prefix_size) == 0;
    fclose(file);
    if (found) {
        memmove(line, line + prefix_size, strlen(line + prefix_size) + 1);
        line[strcspn(line, "\n")] = '\0';
    }
    return found;
}

static bool read_number(const char *root, const char *path, const char *prefix, uint64_t *value) {
    char line[LINE_SIZE], *end;
    if (!read_line(root, path, prefix, line))
        return false;
    *value = strtoull(line, &end, 10);
    return end > line; // "max" is no number
}

// Control group v2: limits hold for the group and for each of its parents.
static void read_cgroup(struct host *host, const char *root) {
    char group[LINE_SIZE], path[PATH_SIZE + LINE_SIZE], line[LINE_SIZE];
    if (!read_line(root, "/proc/self/cgroup", "0::", group))
        return;
    for (;;) {
        uint64_t limit, used, quota, period;
        char *slash = strrchr(group, '/');
        bool is_root = !slash || strcmp(group, "/") == 0;
        if (is_root)
            group[0] = '\0';
        snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.max", group);
        bool limited = read_number(root, path, "", &limit);
        snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.current", group);
        if (limited && read_number(root, path, "", &used)) {
            uint64_t left = limit > used ? limit - used : 0;
            if (left < host->memory_available_bytes) {
                host->memory_available_bytes = left;
                host->memory_is_cgroup = true;
            }
        }
        snprintf(path, sizeof(path), "/sys/fs/cgroup%s/cpu.max", group);
        if (read_line(root, path, "", line) &&
            sscanf(line, "%" SCNu64 " %" SCNu64, &quota, &period) == 2 && period > 0) {
            uint64_t cpus = (quota + period - 1) / period;
            if (cpus > 0 && (host->cpu_quota == 0 || cpus < host->cpu_quota))
                host->cpu_quota = (uint32_t)cpus;
        }
        if (is_root)
            return;
        *slash = '\0';
    }
}

static void read_cpus(struct host *host) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        for (int cpu = 0; cpu < CPU_SETSIZE && host->cpu_count < CONFIG_CPUS_MAX; cpu++)
            if (CPU_ISSET(cpu, &set))
                host->cpus[host->cpu_count++] = (uint16_t)cpu;
    if (host->cpu_count == 0)
        host->cpu_count = 1; // CPU 0
}

static void read_descriptors(struct host *host) {
    struct rlimit limit;
    host->descriptors_max = HOST_TABLE_MAX;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    if (limit.rlim_cur < limit.rlim_max) {
        struct rlimit raised = {limit.rlim_max, limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            limit = raised;
    }
    host->descriptors_max = limit.rlim_cur;
}

void host_read(struct host *host, const char *root) {
    uint64_t available_kib = 0;
    *host = (struct host){0};
    read_cpus(host);
    read_descriptors(host);
    if (read_number(root, "/proc/meminfo", "MemAvailable:", &available_kib))
        host->memory_available_bytes = available_kib * 1024;
    read_cgroup(host, root);
}

// --- Planning ---

#define BYTES_PER_CONNECTION (HOST_USER_BYTES_PER_CONNECTION + HOST_KERNEL_BYTES_PER_CONNECTION)

static bool has_cpu(const struct host *host, uint16_t cpu) {
    for (uint32_t i = 0; i < host->cpu_count; i++)
        if (host->cpus[i] == cpu)
            return true;
    return false;
}

static bool plan_cpus(const struct config *config, const struct host *host, struct host_plan *plan,
                      char *error) {
    const uint16_t *cpus = config->cpu_count > 0 ? config->cpus : host->cpus;
    uint32_t cpu_count = config->cpu_count > 0 ? config->cpu_count : host->cpu_count;
    for (uint32_t i = 0; i < config->cpu_count; i++)
        if (!has_cpu(host, config->cpus[i]))
            return refuse(error,
                          "--cpus: this process may not run on CPU %u (it may on %u CPUs, from %u "
                          "to %u); choose among those or lift the limit (taskset, cpuset)",
                          config->cpus[i], host->cpu_count, host->cpus[0],
                          host->cpus[host->cpu_count - 1]);
    uint32_t wanted = config->schedulers;
    if (wanted == 0) {
        wanted = cpu_count < CONFIG_SCHEDULERS_MAX ? cpu_count : CONFIG_SCHEDULERS_MAX;
        if (config->cpu_count == 0 && host->cpu_quota > 0 && host->cpu_quota < wanted)
            wanted = host->cpu_quota;
    }
    plan->scheduler_count = wanted;
    plan->cpus_shared = wanted > cpu_count;
    for (uint32_t i = 0; i < wanted; i++)
        plan->cpus[i] = cpus[i % cpu_count];
    return true;
}

static uint64_t round_down(uint64_t value) {
    return value >= 2 * CONNECTIONS_ROUND ? value - value % CONNECTIONS_ROUND : value;
}

static uint64_t divide_up(uint64_t a, uint64_t b) {
    return (a + b - 1) / b;
}

// With its share of unevenness; one scheduler gets all there is.
static uint64_t per_scheduler(const struct host_plan *plan, uint64_t connections) {
    uint64_t mean = divide_up(connections, plan->scheduler_count);
    uint64_t spread = mean / SPREAD_SHARE > SPREAD_MIN ? mean / SPREAD_SHARE : SPREAD_MIN;
    return plan->scheduler_count == 1 || mean + spread > connections ? connections : mean + spread;
}

static uint64_t lanes_max(const struct host_plan *plan, const struct host *host) {
    uint64_t left = host->descriptors_max > HOST_DESCRIPTORS_RESERVED
                        ? host->descriptors_max - HOST_DESCRIPTORS_RESERVED
                        : 0;
    uint64_t lanes = left / HOST_DESCRIPTORS_PER_LANE / plan->scheduler_count;
    return lanes < HOST_LANES_MAX ? lanes : HOST_LANES_MAX;
}

// The most connections whose uneven share still fits `lanes` lanes per scheduler.
static uint64_t connections_by_lanes(const struct host_plan *plan, uint64_t lanes) {
    uint64_t share = lanes * plan->connections_per_lane;
    if (plan->scheduler_count == 1)
        return share;
    uint64_t mean = share * SPREAD_SHARE / (SPREAD_SHARE + 1);
    if (share - mean < SPREAD_MIN)
        mean = share > SPREAD_MIN ? share - SPREAD_MIN : 0;
    uint64_t all = mean * plan->scheduler_count;
    return all > share ? all : share; // so few that one scheduler may take them all
}

// A table keeps slots free for those that are told "full" (docs/PROTOCOL.md) and for accepts in
// flight: 1/16 of a small table, 512 of a large one.
static uint32_t slots_usable(uint32_t table) {
    return table - (table / 16 < 512 ? table / 16 : 512);
}

static void bytes_text(uint64_t bytes, char *text, size_t size) {
    if (bytes >= GIB)
        snprintf(text, size, "%.1f GiB", (double)bytes / (double)GIB);
    else if (bytes >= 10 * MIB)
        snprintf(text, size, "%.0f MiB", (double)bytes / (double)MIB);
    else
        snprintf(text, size, "%.0f KiB", (double)bytes / 1024.0);
}

static bool plan_connections(const struct config *config, const struct host *host,
                             struct host_plan *plan, char *error) {
    uint64_t by_memory = host->memory_available_bytes / BYTES_PER_CONNECTION;
    uint64_t by_lanes = connections_by_lanes(plan, lanes_max(plan, host));
    uint64_t wanted = config->connections_max;
    if (by_lanes == 0)
        return refuse(error,
                      "RLIMIT_NOFILE is %" PRIu64
                      ", too low for %u schedulers; raise it (ulimit -n, "
                      "LimitNOFILE= in the unit) or lower --schedulers",
                      host->descriptors_max, plan->scheduler_count);
    if (wanted == 0) {
        // The other half is for messages on their way, the page cache and other programs.
        uint64_t fits = by_memory / 2 < by_lanes ? by_memory / 2 : by_lanes;
        wanted = round_down(fits > 0 ? fits : 1);
    }
    char need[32], have[32];
    bytes_text(wanted * BYTES_PER_CONNECTION, need, sizeof(need));
    bytes_text(host->memory_available_bytes, have, sizeof(have));
    if (host->memory_available_bytes > 0 && wanted > by_memory)
        return refuse(
            error,
            "--connections-max %" PRIu64 " needs %s of memory when all are idle (%d B each "
            "in the kernel, %d B here); %s has %s available, which fits %" PRIu64
            "; lower it or add memory",
            wanted, need, HOST_KERNEL_BYTES_PER_CONNECTION, HOST_USER_BYTES_PER_CONNECTION,
            host->memory_is_cgroup ? "the control group" : "this machine", have,
            round_down(by_memory));
    if (wanted > by_lanes)
        return refuse(error,
                      "--connections-max %" PRIu64
                      " needs more descriptors than RLIMIT_NOFILE %" PRIu64 " gives: %" PRIu64
                      " fit with --schedulers %u; lower it or raise the limit "
                      "(ulimit -n, LimitNOFILE= in the unit)",
                      wanted, host->descriptors_max, round_down(by_lanes), plan->scheduler_count);
    plan->connections_max = wanted;
    return true;
}

bool host_plan_make(const struct config *config, const struct host *host, struct host_plan *plan,
                    char *error) {
    *plan = (struct host_plan){0};
    if (!plan_cpus(config, host, plan, error))
        return false;
    plan->descriptors_per_lane = HOST_TABLE_MAX;
    while (plan->descriptors_per_lane > TABLE_MIN &&
           plan->descriptors_per_lane > host->descriptors_max)
        plan->descriptors_per_lane /= 2;
    plan->connections_per_lane = slots_usable(plan->descriptors_per_lane);
    if (!plan_connections(config, host, plan, error))
        return false;
    uint64_t share = per_scheduler(plan, plan->connections_max);
    plan->lane_count = (uint32_t)divide_up(share, plan->connections_per_lane);
    plan->connections_per_scheduler = (uint32_t)share;
    // One lane: a table no larger than it needs, for the kernel takes 8 B per slot at once.
    while (plan->lane_count == 1 && plan->descriptors_per_lane > TABLE_MIN &&
           share <= slots_usable(plan->descriptors_per_lane / 2)) {
        plan->descriptors_per_lane /= 2;
        plan->connections_per_lane = slots_usable(plan->descriptors_per_lane);
    }
    plan->mqtt_sessions_max = config->mqtt_sessions_max ? config->mqtt_sessions_max
                                                        : plan->connections_max * SESSIONS_AUTO;
    if (plan->mqtt_sessions_max > ACTOR_INDEX_MAX)
        plan->mqtt_sessions_max = ACTOR_INDEX_MAX;
    plan->mqtt_sessions_per_scheduler = (uint32_t)per_scheduler(plan, plan->mqtt_sessions_max);
    plan->memory_user_bytes = plan->connections_max * HOST_USER_BYTES_PER_CONNECTION;
    plan->memory_kernel_bytes = plan->connections_max * HOST_KERNEL_BYTES_PER_CONNECTION;
    CHECK((uint64_t)plan->lane_count * plan->connections_per_lane >= share);
    CHECK(plan->connections_per_lane < plan->descriptors_per_lane);
    return true;
}

// --- Policy and words ---

static bool bind_is_allowed(const struct config_address *address, const char *option, char *error) {
    char text[CONFIG_ADDRESS_TEXT_SIZE];
    if (address->port == 0 || config_address_is_loopback(address))
        return true;
    return refuse(error,
                  "--%s %s is reachable from other machines, and there is no authentication yet: "
                  "anybody could join as anybody; put an authenticating proxy in front and listen "
                  "on 127.0.0.1, or accept that with --allow-anonymous",
                  option, config_address_encode(address, text));
}

bool host_bind_policy(const struct config *config, char *error) {
    if (config->allow_anonymous)
        return true;
    for (uint32_t i = 0; i < config->listen_count; i++)
        if (!bind_is_allowed(&config->listen[i], "listen", error))
            return false;
    for (uint32_t i = 0; i < config->listen_mqtt_count; i++)
        if (!bind_is_allowed(&config->listen_mqtt[i], "listen-mqtt", error))
            return false;
    return bind_is_allowed(&config->control, "control", error) &&
           bind_is_allowed(&config->page, "page", error);
}

// "listen=127.0.0.1:8080,[::1]:8080" behind what is there; returns the size used, perhaps beyond
// the text's.
static size_t describe_addresses(const char *key, const struct config_address *addresses,
                                 uint32_t count, char *text, size_t used, size_t text_size) {
    char address[CONFIG_ADDRESS_TEXT_SIZE];
    for (uint32_t i = 0; i < count && used < text_size; i++)
        used += (size_t)snprintf(text + used, text_size - used, "%s%s", i > 0 ? "," : key,
                                 config_address_encode(&addresses[i], address));
    return used;
}

void host_plan_describe(const struct host_plan *plan, const struct config *config, char *text,
                        size_t text_size) {
    char user[32], kernel[32], address[CONFIG_ADDRESS_TEXT_SIZE];
    size_t used =
        describe_addresses("listen=", config->listen, config->listen_count, text, 0, text_size);
    used = describe_addresses(" listen_mqtt=", config->listen_mqtt, config->listen_mqtt_count, text,
                              used, text_size);
    if (used >= text_size)
        return;
    bytes_text(plan->memory_user_bytes, user, sizeof(user));
    bytes_text(plan->memory_kernel_bytes, kernel, sizeof(kernel));
    snprintf(text + used, text_size - used,
             " control=%s schedulers=%u lanes=%u connections_max=%" PRIu64
             " memory_max_idle=\"%s here + %s in the kernel\"",
             config_address_encode(&config->control, address), plan->scheduler_count,
             plan->lane_count * plan->scheduler_count, plan->connections_max, user, kernel);
}

void host_plan_print(const struct host_plan *plan, FILE *out) {
    char user[32], kernel[32], sessions[32];
    bytes_text(plan->mqtt_sessions_max * HOST_BYTES_PER_SESSION, sessions, sizeof(sessions));
    bytes_text(plan->memory_user_bytes, user, sizeof(user));
    bytes_text(plan->memory_kernel_bytes, kernel, sizeof(kernel));
    fprintf(out,
            "connections_max            %12" PRIu64 "\n"
            "schedulers                 %12u  (CPUs",
            plan->connections_max, plan->scheduler_count);
    for (uint32_t i = 0; i < plan->scheduler_count; i++)
        fprintf(out, "%s%u", i > 0 ? "," : " ", plan->cpus[i]);
    fprintf(out,
            ")\n"
            "lanes per scheduler        %12u  (of %u descriptors)\n"
            "idle connection, here      %12d  B at most, %s in all\n"
            "idle connection, kernel    %12d  B, %s in all\n"
            "MQTT sessions              %12" PRIu64 "  (%u per scheduler)\n"
            "MQTT session, offline      %12d  B at most without subscriptions, %s in all\n",
            plan->lane_count, plan->descriptors_per_lane, HOST_USER_BYTES_PER_CONNECTION, user,
            HOST_KERNEL_BYTES_PER_CONNECTION, kernel, plan->mqtt_sessions_max,
            plan->mqtt_sessions_per_scheduler, HOST_BYTES_PER_SESSION, sessions);
}
