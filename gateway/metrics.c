// Each family is printed once with HELP and TYPE, then one line per core and label set: the format
// wants a family's lines together, and counters.h keeps entries of one name side by side.
#include "gateway/metrics.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CORES_MAX CONFIG_SCHEDULERS_MAX
#define TOTAL_SUFFIX "_total"

struct family {
    const char *name;   // without "fairlead_"
    const char *labels; // besides core
    const char *help;
    const char *if_not_0;
};

static const struct family counter_families[COUNTER_COUNT] = {
#define X(id, name, labels, help, if_not_0) {name, labels, help, if_not_0},
    COUNTERS(X)
#undef X
};

// What is no counter of counters.h.
#define EXTRA_FAMILIES(X)                                                                          \
    X(BUILD_INFO, "build_info", "version", "1, with the version as a label", "")                   \
    X(CONNECTIONS_MAX, "connections_max", "", "the limit that connections are held to", "")        \
    X(DRAINING, "draining", "", "1 while the gateway drains", "")                                  \
    X(RESTARTS, "restarts_total", "", "times that a supervisor started it again (--supervised)",   \
      "/healthz says how the last one died")                                                       \
    X(RESIDENT, "process_resident_bytes", "", "memory of the process, kernel sockets excluded",    \
      "")                                                                                          \
    X(ANSWERED, "core_answered", "core", "1 when the core answered for this page within 250 ms",   \
      "")                                                                                          \
    X(AUDIT_BALANCE, "audit_balance", "core",                                                      \
      "due + moved in - delivered - dropped - pending - moved out at the end of a turn",           \
      "messages vanished: report it")                                                              \
    X(SLAB_USED, "slab_used", "core, slab", "slots in use", "")                                    \
    X(SLAB_HIGH_WATER, "slab_high_water", "core, slab", "most slots in use at once", "")           \
    X(SLAB_MAX, "slab_max", "core, slab", "slots that may be in use", "")                          \
    X(SLAB_BYTES, "slab_touched_bytes", "core, slab", "bytes of slots used at least once", "")     \
    X(BLOCKS_USED, "blocks_used_bytes", "core", "parcels, payloads and arrays", "")                \
    X(BLOCKS_HIGH_WATER, "blocks_high_water_bytes", "core", "most of them at once", "")            \
    X(BLOCKS_MAX, "blocks_max_bytes", "core", "their budget", "")                                  \
    X(RESERVED, "reserved_bytes", "core, name", "address space reserved, used or not", "")

enum extra {
#define X(id, name, labels, help, if_not_0) EXTRA_##id,
    EXTRA_FAMILIES(X)
#undef X
        EXTRA_COUNT
};

static const struct family extra_families[EXTRA_COUNT] = {
#define X(id, name, labels, help, if_not_0) {name, labels, help, if_not_0},
    EXTRA_FAMILIES(X)
#undef X
};

static bool is_total(const char *name) {
    size_t size = strlen(name), suffix = strlen(TOTAL_SUFFIX);
    return size > suffix && strcmp(name + size - suffix, TOTAL_SUFFIX) == 0;
}

static void print_head(FILE *out, const struct family *family) {
    fprintf(out, "# HELP fairlead_%s %s\n# TYPE fairlead_%s %s\n", family->name, family->help,
            family->name, is_total(family->name) ? "counter" : "gauge");
}

static void print_counters(FILE *out, void *gateway, uint32_t core_count) {
    for (size_t i = 0; i < COUNTER_COUNT; i++) {
        const struct family *family = &counter_families[i];
        if (i == 0 || strcmp(family->name, counter_families[i - 1].name) != 0)
            print_head(out, family);
        for (uint32_t core = 0; core < core_count; core++)
            fprintf(out, "fairlead_%s{core=\"%u\"%s%s} %" PRIu64 "\n", family->name, core,
                    family->labels[0] ? "," : "", family->labels,
                    counter_read(control_port_counters(gateway, core), (enum counter)i));
    }
}

static void print_simple(FILE *out, enum extra which, uint64_t value) {
    print_head(out, &extra_families[which]);
    fprintf(out, "fairlead_%s %" PRIu64 "\n", extra_families[which].name, value);
}

static uint64_t resident_bytes(void) {
    uint64_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file && fscanf(file, "%*u %" SCNu64, &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int64_t core_value(const struct control_snapshot *snapshot, enum extra which) {
    switch (which) {
    case EXTRA_ANSWERED:
        return snapshot->answered;
    case EXTRA_AUDIT_BALANCE:
        return (int64_t)(snapshot->due + snapshot->moved_in - snapshot->delivered -
                         snapshot->dropped - snapshot->pending - snapshot->moved_out);
    case EXTRA_BLOCKS_USED:
        return (int64_t)snapshot->blocks_bytes_used;
    case EXTRA_BLOCKS_HIGH_WATER:
        return (int64_t)snapshot->blocks_bytes_high_water;
    case EXTRA_BLOCKS_MAX:
        return (int64_t)snapshot->blocks_bytes_max;
    case EXTRA_BUILD_INFO:
    case EXTRA_CONNECTIONS_MAX:
    case EXTRA_DRAINING:
    case EXTRA_RESTARTS:
    case EXTRA_RESIDENT:
    case EXTRA_SLAB_USED:
    case EXTRA_SLAB_HIGH_WATER:
    case EXTRA_SLAB_MAX:
    case EXTRA_SLAB_BYTES:
    case EXTRA_RESERVED:
    case EXTRA_COUNT:
        break;
    }
    UNREACHABLE();
}

// A core that did not answer has no value: better none than a wrong one.
static void print_per_core(FILE *out, enum extra which, const struct control_snapshot *snapshots,
                           uint32_t core_count) {
    print_head(out, &extra_families[which]);
    for (uint32_t core = 0; core < core_count; core++)
        if (snapshots[core].answered || which == EXTRA_ANSWERED)
            fprintf(out, "fairlead_%s{core=\"%u\"} %" PRId64 "\n", extra_families[which].name, core,
                    core_value(&snapshots[core], which));
}

static uint64_t slab_value(const struct control_slab *slab, enum extra which) {
    if (which == EXTRA_SLAB_USED)
        return slab->used_count;
    if (which == EXTRA_SLAB_HIGH_WATER)
        return slab->used_high_water;
    if (which == EXTRA_SLAB_MAX)
        return slab->slots_max;
    return (uint64_t)slab->touched_count * slab->slot_size;
}

static void print_slabs(FILE *out, enum extra which, const struct control_snapshot *snapshots,
                        uint32_t core_count) {
    print_head(out, &extra_families[which]);
    for (uint32_t core = 0; core < core_count; core++)
        for (uint32_t i = 0; i < snapshots[core].slab_count; i++)
            fprintf(out, "fairlead_%s{core=\"%u\",slab=\"%s\"} %" PRIu64 "\n",
                    extra_families[which].name, core, snapshots[core].slabs[i].name,
                    slab_value(&snapshots[core].slabs[i], which));
}

// Reservations of one name (a ring per lane) are summed: a series may appear once only.
static void print_ledger(FILE *out, const struct memory_ledger *ledger, uint32_t core) {
    for (uint32_t i = 0; i < ledger->entry_count; i++) {
        uint64_t sum = 0;
        bool is_first = true;
        for (uint32_t j = 0; j < ledger->entry_count; j++) {
            if (strcmp(ledger->entries[j].name, ledger->entries[i].name) != 0)
                continue;
            is_first = is_first && j >= i;
            sum += ledger->entries[j].reserved_bytes;
        }
        if (is_first)
            fprintf(out, "fairlead_reserved_bytes{core=\"%u\",name=\"%s\"} %" PRIu64 "\n", core,
                    ledger->entries[i].name, sum);
    }
}

void metrics_print(FILE *out, void *gateway, const struct host_plan *plan,
                   const struct heart_report *heart) {
    uint32_t core_count = control_port_core_count(gateway);
    struct control_snapshot *snapshots = calloc(CORES_MAX, sizeof(*snapshots));
    CHECKF(core_count <= CORES_MAX, "%u cores", core_count);
    if (!snapshots)
        return;
    control_port_snapshot(gateway, snapshots);
    print_head(out, &extra_families[EXTRA_BUILD_INFO]);
    fprintf(out, "fairlead_build_info{version=\"%s\"} 1\n", FAIRLEAD_VERSION);
    print_simple(out, EXTRA_CONNECTIONS_MAX, plan->connections_max);
    print_simple(out, EXTRA_DRAINING, control_port_is_draining(gateway));
    print_simple(out, EXTRA_RESTARTS, heart ? heart->restarts : 0);
    print_simple(out, EXTRA_RESIDENT, resident_bytes());
    print_counters(out, gateway, core_count);
    static const enum extra per_core[] = {EXTRA_ANSWERED, EXTRA_AUDIT_BALANCE, EXTRA_BLOCKS_USED,
                                          EXTRA_BLOCKS_HIGH_WATER, EXTRA_BLOCKS_MAX};
    for (size_t i = 0; i < sizeof(per_core) / sizeof(per_core[0]); i++)
        print_per_core(out, per_core[i], snapshots, core_count);
    for (int which = EXTRA_SLAB_USED; which <= EXTRA_SLAB_BYTES; which++)
        print_slabs(out, (enum extra)which, snapshots, core_count);
    print_head(out, &extra_families[EXTRA_RESERVED]);
    for (uint32_t core = 0; core < core_count; core++)
        print_ledger(out, control_port_ledger(gateway, core), core);
    free(snapshots);
}

static void print_row(FILE *out, const struct family *family, bool has_core) {
    fprintf(out, "| `fairlead_%s` | %s%s%s | %s | %s |\n", family->name, has_core ? "core" : "",
            has_core && family->labels[0] ? ", " : "", family->labels, family->help,
            family->if_not_0);
}

void metrics_print_markdown(FILE *out) {
    fputs("| metric | labels | what it counts | if not 0 |\n|---|---|---|---|\n", out);
    for (size_t i = 0; i < COUNTER_COUNT; i++)
        print_row(out, &counter_families[i], true);
    for (size_t i = 0; i < EXTRA_COUNT; i++)
        print_row(out, &extra_families[i], false);
}
