// Rules about memory: what connections take, and what makes memory slow or short.
#include <inttypes.h>
#include <string.h>

#include "tuning/advice_rules.h"

#define OVERCOMMIT_NEVER 2
#define PAGE_BYTES 4096

uint64_t advice_memory_connections(const struct machine *machine) {
    uint32_t schedulers = machine_cpu_count(machine);
    schedulers = schedulers < ADVICE_SCHEDULERS_MAX ? schedulers : ADVICE_SCHEDULERS_MAX;
    uint64_t bytes = machine_memory_bytes(machine) / 100 * ADVICE_MEMORY_PERCENT;
    uint64_t fixed = ADVICE_FIXED_BYTES + (schedulers - 1) * ADVICE_SCHEDULER_BYTES;
    return bytes > fixed ? (bytes - fixed) / ADVICE_BYTES : 0;
}

static void rule_memory(struct advice *a, const struct machine *m) {
    uint64_t bytes = machine_memory_bytes(m);
    const struct machine_cgroup *cgroup = &m->cgroup;
    bool is_cgroup = cgroup->has_memory_limit && cgroup->memory_left_bytes == bytes;
    if (bytes == 0 && !is_cgroup)
        return;
    struct advice_row *row = advice_add(a, is_cgroup ? "cgroup memory" : "memory");
    uint64_t connections = advice_memory_connections(m);
    char text[32], limit[32], half[32], both[32], fixed[32];
    advice_bytes_text(ADVICE_FIXED_BYTES + (a->schedulers - 1) * ADVICE_SCHEDULER_BYTES, fixed,
                      sizeof(fixed));
    advice_bytes_text(bytes, text, sizeof(text));
    advice_bytes_text(cgroup->memory_limit_bytes, limit, sizeof(limit));
    advice_count_text(bytes / ADVICE_BYTES / 2, half, sizeof(half));
    advice_count_text(bytes / 100 * ADVICE_MEMORY_PERCENT / (ADVICE_BYTES + ADVICE_BYTES), both,
                      sizeof(both));
    advice_value(row, "%s", text);
    advice_bound_both(a, row, connections);
    if (is_cgroup)
        advice_why(row,
                   "Left of this control group's %s (its sockets count, page cache that can go "
                   "does not): %d %% of it, less %s of the server's own, by %d B a connection, "
                   "%d B here and %d B in the kernel.",
                   limit, ADVICE_MEMORY_PERCENT, fixed, ADVICE_BYTES, ADVICE_USER_BYTES,
                   ADVICE_KERNEL_BYTES);
    else
        advice_why(
            row,
            "Available: %d %% of it, less %s of the server's own, by %d B an idle connection, "
            "%d B in Fairlead and %d B in the kernel (other servers: more). With the load tool on "
            "this host too: %s. "
            "Unless told otherwise (--connections-max) Fairlead takes half: %s.",
            ADVICE_MEMORY_PERCENT, fixed, ADVICE_BYTES, ADVICE_USER_BYTES, ADVICE_KERNEL_BYTES,
            both, half);
    if (row->verdict == ADVICE_LOW)
        advice_lift(row, is_cgroup ? "MemoryMax= in the unit (container: --memory)"
                                   : "more memory, or fewer programs beside");
}

// Only where it takes away what would be there.
static void rule_hugepages(struct advice *a, const struct machine *m) {
    if (m->memory.hugepage_bytes == 0)
        return;
    struct advice_row *row = advice_add(a, "hugetlb");
    char text[32], count[32];
    advice_bytes_text(m->memory.hugepage_bytes, text, sizeof(text));
    advice_count_text(m->memory.hugepage_bytes / ADVICE_BYTES, count, sizeof(count));
    advice_value(row, "%s", text);
    advice_bounds(row, "%s connections' worth", count);
    advice_why(row, "Set aside for huge pages, which neither sockets nor Fairlead use.");
    advice_lift(row, "sysctl -w vm.nr_hugepages=0 (when nothing else wants them)");
    row->verdict = ADVICE_MIND;
}

static void rule_swap(struct advice *a, const struct machine *m) {
    if (!machine_has(m, MACHINE_SWAPPINESS))
        return;
    struct advice_row *row = advice_add(a, "swappiness");
    uint64_t value = machine_get(m, MACHINE_SWAPPINESS);
    char swap[32];
    advice_bytes_text(m->memory.swap_bytes, swap, sizeof(swap));
    advice_value(row, "%" PRIu64 " (swap %s)", value, swap);
    advice_bounds(row, "tail latency");
    advice_why(row, "The pages of quiet connections look unused and are the first to be swapped; "
                    "the next message then waits for the disk. Kernel memory of sockets is never "
                    "swapped.");
    if (m->memory.swap_bytes > 0 && value > 10) {
        row->verdict = ADVICE_MIND;
        advice_lift(row, "sysctl -w vm.swappiness=1");
    }
}

static void rule_hugepage_mode(struct advice *a, const struct machine *m) {
    if (m->transparent_hugepages[0] == 0)
        return;
    struct advice_row *row = advice_add(a, "transparent hugepages");
    advice_value(row, "%s", m->transparent_hugepages);
    advice_bounds(row, "memory of other servers");
    advice_why(row, "With `always` memory that is touched here and there is given in 2 MiB. "
                    "Fairlead's slabs decline that by themselves; other servers, Node and Erlang "
                    "among them, may grow by it.");
    if (strcmp(m->transparent_hugepages, "always") == 0) {
        row->verdict = ADVICE_MIND;
        advice_lift(row, "echo madvise >/sys/kernel/mm/transparent_hugepage/enabled");
    }
}

static void rule_overcommit(struct advice *a, const struct machine *m) {
    if (!machine_has(m, MACHINE_OVERCOMMIT))
        return;
    struct advice_row *row = advice_add(a, "overcommit_memory");
    uint64_t value = machine_get(m, MACHINE_OVERCOMMIT);
    advice_value(row, "%" PRIu64, value);
    advice_bounds(row, "reserved address space");
    advice_why(row, "Fairlead reserves address space for its limits and touches what it uses. At 2 "
                    "the reserve counts as used, and the start fails for want of memory.");
    if (value == OVERCOMMIT_NEVER) {
        row->verdict = ADVICE_LOW;
        advice_lift(row, "sysctl -w vm.overcommit_memory=0, or a lower --connections-max");
    }
}

// One page of a queue for each connection that has something in it: 8,000 sockets with 100 B unread
// took 7,925 pages, with 4,000 B 15,881 (Linux 6.18).
static void rule_tcp_mem(struct advice *a, const struct machine *m) {
    const struct machine_numbers *mem = &m->sysctls[MACHINE_TCP_MEM];
    if (mem->count < 3)
        return;
    struct advice_row *row = advice_add(a, "tcp_mem");
    char pages[32], bytes[32];
    uint64_t most = mem->values[2];
    advice_count_text(most, pages, sizeof(pages));
    advice_bytes_text(most * PAGE_BYTES, bytes, sizeof(bytes));
    advice_value(row, "%s (most)", bytes);
    advice_bounds(row, "%s with data queued", pages);
    advice_why(row,
               "All TCP queues of the host together. A connection with nothing queued takes none, "
               "one with a small message sent but not acknowledged, or not read, at least a page: "
               "%s connections may have one at a time. Beyond it the kernel drops and the log says "
               "`TCP: out of memory`.",
               pages);
    if (most < a->wanted) {
        // A quarter of memory, which is what the kernel itself thinks bearable.
        uint64_t want = m->memory.total_bytes / 4 / PAGE_BYTES;
        want = want > most ? want : most;
        row->verdict = ADVICE_MIND;
        if (want > most)
            advice_lift(row, "sysctl -w net.ipv4.tcp_mem=\"%" PRIu64 " %" PRIu64 " %" PRIu64 "\"",
                        want / 2, want / 4 * 3, want);
    }
}

// For a peer that never reads.
static void rule_tcp_wmem(struct advice *a, const struct machine *m) {
    const struct machine_numbers *wmem = &m->sysctls[MACHINE_TCP_WMEM];
    uint64_t memory = machine_memory_bytes(m);
    if (wmem->count < 3 || memory == 0 || wmem->values[2] == 0)
        return;
    struct advice_row *row = advice_add(a, "tcp_wmem");
    char most[32], peers[32];
    advice_bytes_text(wmem->values[2], most, sizeof(most));
    advice_count_text(memory / wmem->values[2], peers, sizeof(peers));
    advice_value(row, "%s (most)", most);
    advice_bounds(row, "others: %s slow peers", peers);
    advice_why(row,
               "What a peer that never reads makes the kernel hold. Fairlead asks for 64 KiB "
               "(--send-buffer-bytes); a server that leaves it to the kernel gives %s to each, and "
               "%s of them take the memory.",
               most, peers);
}

void advice_rules_memory(struct advice *advice, const struct machine *machine) {
    rule_memory(advice, machine);
    rule_hugepages(advice, machine);
    rule_swap(advice, machine);
    rule_hugepage_mode(advice, machine);
    rule_overcommit(advice, machine);
    rule_tcp_mem(advice, machine);
    rule_tcp_wmem(advice, machine);
}
