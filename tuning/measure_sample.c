#include "tuning/measure_sample.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sched/base/clock.h"

#define KIB 1024.0
#define GROWN_MIN 0.1 // objects per connection
#define STAT_TEXT_BYTES (256u << 10)
#define SLAB_TEXT_BYTES (128u << 10)

uint32_t measure_file_read(const char *path, char *text, uint32_t text_size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint32_t size = 0;
    text[0] = '\0';
    if (fd < 0)
        return 0;
    for (;;) {
        ssize_t got = read(fd, text + size, text_size - 1 - size);
        if (got <= 0)
            break;
        size += (uint32_t)got;
    }
    close(fd);
    text[size] = '\0';
    return size;
}

// --- decoding ------------------------------------------------------------------------------------

void measure_stat_decode(const char *text, const cpu_set_t *cpus, double *idle_ns,
                         double *user_ns) {
    double tick_ns = (double)NS_PER_S / (double)sysconf(_SC_CLK_TCK);
    *idle_ns = *user_ns = 0;
    for (const char *line = text; line != NULL && *line != '\0';) {
        int cpu = -1;
        unsigned long long f[8] = {0};
        // user nice system idle iowait irq softirq steal
        if (sscanf(line, "cpu%d %llu %llu %llu %llu %llu %llu %llu %llu", &cpu, &f[0], &f[1], &f[2],
                   &f[3], &f[4], &f[5], &f[6], &f[7]) >= 5 &&
            cpu >= 0 && CPU_ISSET((size_t)cpu, cpus)) {
            *idle_ns += (double)(f[3] + f[4] + f[7]) * tick_ns;
            *user_ns += (double)(f[0] + f[1]) * tick_ns;
        }
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
}

double measure_field_decode(const char *text, const char *name) {
    size_t name_size = strlen(name);
    for (const char *line = text; line != NULL && *line != '\0';) {
        if (strncmp(line, name, name_size) == 0 && line[name_size] == ':')
            return strtod(line + name_size + 1, NULL) * KIB;
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    return 0;
}

uint32_t measure_caches_decode(const char *text, struct measure_cache caches[MEASURE_CACHES_MAX]) {
    uint32_t count = 0;
    for (const char *line = text; line != NULL && *line != '\0' && count < MEASURE_CACHES_MAX;) {
        struct measure_cache *cache = &caches[count];
        double all, size, objects, pages;
        *cache = (struct measure_cache){0};
        // The two lines of heading have no numbers.
        if (sscanf(line, "%39s %lf %lf %lf %lf %lf", cache->name, &cache->count, &all, &size,
                   &objects, &pages) == 6 &&
            objects > 0) {
            cache->size = pages * (double)sysconf(_SC_PAGESIZE) / objects;
            count++;
        }
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    return count;
}

static double count_of(const struct measure_memory *memory, const char *name) {
    for (uint32_t i = 0; i < memory->cache_count; i++)
        if (strcmp(memory->caches[i].name, name) == 0)
            return memory->caches[i].count;
    return 0;
}

// Caches of files and processes: what grows in them is somebody else's.
static bool is_foreign(const char *name) {
    static const char *const prefixes[] = {"buffer_head", "radix_tree",  "ext4",      "extent_",
                                           "proc_inode",  "inode_cache", "xfs",       "btrfs",
                                           "vm_area",     "anon_vma",    "maple_",    "pid",
                                           "task_struct", "signal_",     "sighand",   "mm_struct",
                                           "files_cache", "kernfs",      "vmap_area", "pool_work"};
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

static int by_bytes(const void *a, const void *b) {
    const struct measure_cache *x = a, *y = b;
    double left = x->count * x->size, right = y->count * y->size;
    return (left < right) - (left > right);
}

void measure_growth_decode(const struct measure_memory *before, const struct measure_memory *after,
                           double connections, struct measure_growth *growth) {
    double grown = (after->slab_bytes - before->slab_bytes) / connections;
    *growth = (struct measure_growth){.bytes = grown / 2, .client_bytes = grown / 2};
    double sockets = count_of(after, "TCP") - count_of(before, "TCP");
    growth->has_caches = sockets >= 1;
    if (!growth->has_caches)
        return;
    growth->bytes = growth->client_bytes = 0;
    for (uint32_t i = 0; i < after->cache_count; i++) {
        struct measure_cache cache = after->caches[i];
        cache.count = (cache.count - count_of(before, cache.name)) / (sockets / 2);
        if (cache.count < GROWN_MIN || is_foreign(cache.name))
            continue;
        growth->caches[growth->cache_count++] = cache;
        growth->client_bytes += cache.count * cache.size * (cache.is_client ? 1 : 0.5);
        growth->bytes += cache.count * cache.size * (cache.is_client ? 0 : 0.5);
    }
    qsort(growth->caches, growth->cache_count, sizeof(growth->caches[0]), by_bytes);
}

static struct measure_cpu between(const struct measure_samples *samples, uint64_t at_ns) {
    uint32_t i = 1;
    while (i + 1 < samples->count && samples->all[i].at_ns < at_ns)
        i++;
    const struct measure_cpu *a = &samples->all[i - 1], *b = &samples->all[i];
    double share = ((double)at_ns - (double)a->at_ns) / ((double)b->at_ns - (double)a->at_ns);
#define MIX(field) .field = a->field + share * (b->field - a->field)
    return (struct measure_cpu){.at_ns = at_ns,
                                MIX(idle_ns),
                                MIX(user_ns),
                                MIX(server_ns),
                                MIX(server_user_ns),
                                MIX(client_ns)};
#undef MIX
}

bool measure_samples_cut(const struct measure_samples *samples, uint64_t begin_ns, uint64_t end_ns,
                         double cpus, struct measure_usage *usage) {
    *usage = (struct measure_usage){.cpus = cpus};
    if (samples->count < 2 || begin_ns >= end_ns || begin_ns < samples->all[0].at_ns ||
        end_ns > samples->all[samples->count - 1].at_ns)
        return false;
    struct measure_cpu a = between(samples, begin_ns), b = between(samples, end_ns);
    double wall_ns = (double)(end_ns - begin_ns);
    usage->seconds = wall_ns / (double)NS_PER_S;
    usage->server_ns = b.server_ns - a.server_ns;
    usage->whole_ns = fmax(wall_ns * cpus - (b.idle_ns - a.idle_ns), 0);
    usage->foreign_ns = fmax(b.user_ns - a.user_ns - (b.server_user_ns - a.server_user_ns), 0);
    usage->client_ns = b.client_ns - a.client_ns;
    return isfinite(usage->server_ns);
}

// --- reading -------------------------------------------------------------------------------------

static double task_ns(pid_t pid, const char *task) {
    char path[64], text[128];
    snprintf(path, sizeof(path), "/proc/%d/task/%.16s/schedstat", (int)pid, task);
    return measure_file_read(path, text, sizeof(text)) > 0 ? strtod(text, NULL) : 0;
}

double measure_process_ns(pid_t pid) {
    char path[64];
    double sum = 0;
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    if (tasks == NULL)
        return NAN;
    for (struct dirent *task; (task = readdir(tasks)) != NULL;)
        if (task->d_name[0] != '.')
            sum += task_ns(pid, task->d_name);
    closedir(tasks);
    return sum;
}

// utime, the fourteenth field of /proc/<pid>/stat.
static double process_user_ns(pid_t pid) {
    char path[64], text[1024];
    unsigned long long ticks = 0;
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    measure_file_read(path, text, sizeof(text));
    const char *rest = strrchr(text, ')');
    if (rest != NULL)
        (void)!sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu", &ticks);
    return (double)ticks * (double)NS_PER_S / (double)sysconf(_SC_CLK_TCK);
}

void measure_samples_take(struct measure_samples *samples, const cpu_set_t *server_cpus,
                          pid_t server, pid_t client) {
    char *text = malloc(STAT_TEXT_BYTES);
    if (text == NULL)
        return;
    if (samples->count == MEASURE_SAMPLES_MAX) {
        samples->count /= 2;
        for (uint32_t i = 0; i < samples->count; i++)
            samples->all[i] = samples->all[2 * i];
    }
    struct measure_cpu *now = &samples->all[samples->count];
    measure_file_read("/proc/stat", text, STAT_TEXT_BYTES);
    measure_stat_decode(text, server_cpus, &now->idle_ns, &now->user_ns);
    now->at_ns = clock_monotonic_ns();
    now->server_ns = server > 0 ? measure_process_ns(server) : 0;
    now->client_ns = client > 0 ? measure_process_ns(client) : 0;
    now->server_user_ns = server > 0 ? process_user_ns(server) : 0;
    // The last sample of a client that has just ended would hide what it took.
    if (!isfinite(now->client_ns))
        now->client_ns = samples->count > 0 ? now[-1].client_ns : 0;
    if (server > 0 && !(now->server_ns > 0))
        now->server_ns = NAN;
    samples->count++;
    free(text);
}

double measure_resident_bytes(pid_t pid) {
    char path[64], text[2048];
    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
    measure_file_read(path, text, sizeof(text));
    return measure_field_decode(text, "Rss");
}

// Caches of one size are often merged into one that is listed by the name of the first; all their
// names are links to the same folder.
static bool link_of(const char *cache, char *target, size_t target_size) {
    char path[128];
    snprintf(path, sizeof(path), "/sys/kernel/slab/%s", cache);
    ssize_t size = readlink(path, target, target_size - 1);
    target[size > 0 ? size : 0] = '\0';
    return size > 0;
}

static void mark_clients(struct measure_memory *memory) {
    static const char *const names[] = {"tcp_bind_bucket", "tcp_bind2_bucket"};
    char target[128], other[128];
    for (uint32_t n = 0; n < 2; n++) {
        bool is_merged = link_of(names[n], target, sizeof(target));
        for (uint32_t i = 0; i < memory->cache_count; i++) {
            struct measure_cache *cache = &memory->caches[i];
            // General caches hold things of both ends.
            if (strncmp(cache->name, "kmalloc", 7) == 0)
                continue;
            cache->is_client |= strcmp(cache->name, names[n]) == 0 ||
                                (is_merged && link_of(cache->name, other, sizeof(other)) &&
                                 strcmp(other, target) == 0);
        }
    }
}

void measure_memory_read(pid_t server, pid_t client, struct measure_memory *memory) {
    *memory = (struct measure_memory){0};
    char *text = malloc(SLAB_TEXT_BYTES);
    if (text == NULL)
        return;
    memory->server_bytes = server > 0 ? measure_resident_bytes(server) : 0;
    memory->client_bytes = client > 0 ? measure_resident_bytes(client) : 0;
    measure_file_read("/proc/meminfo", text, SLAB_TEXT_BYTES);
    memory->available_bytes = measure_field_decode(text, "MemAvailable");
    memory->slab_bytes = measure_field_decode(text, "Slab");
    measure_file_read("/proc/net/sockstat", text, SLAB_TEXT_BYTES);
    const char *alloc = strstr(text, " alloc ");
    memory->sockets = alloc ? strtod(alloc + 7, NULL) : 0;
    if (measure_file_read("/proc/slabinfo", text, SLAB_TEXT_BYTES) > 0)
        memory->cache_count = measure_caches_decode(text, memory->caches);
    mark_clients(memory);
    free(text);
}
