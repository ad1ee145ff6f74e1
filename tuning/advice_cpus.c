// Rules about CPUs, nodes and the placement of the cards' interrupts.
#include <inttypes.h>

#include "tuning/advice_rules.h"

// CPU per delivery of a room message: 1.8 µs on the machine of the first measurements, 9 µs on the
// present one with receive steering (docs/BENCHMARKS.md). A span, for reading; `--measure` tells
// what it is here.
#define DELIVERIES_PER_CPU_LOW 110000
#define DELIVERIES_PER_CPU_HIGH 550000
#define PACKETS_PER_CPU 1000000 // received, in round numbers: a microsecond each

static void rule_cpus(struct advice *a, const struct machine *m) {
    struct advice_row *row = advice_add(a, "CPUs");
    char online[64], allowed[64], low[32], high[32];
    uint32_t online_count = cpu_list_count(&m->cpus.online);
    uint32_t allowed_count = cpu_list_count(&m->cpus.allowed);
    cpu_list_encode(&m->cpus.online, online, sizeof(online));
    cpu_list_encode(&m->cpus.allowed, allowed, sizeof(allowed));
    advice_count_text((uint64_t)a->schedulers * DELIVERIES_PER_CPU_LOW, low, sizeof(low));
    advice_count_text((uint64_t)a->schedulers * DELIVERIES_PER_CPU_HIGH, high, sizeof(high));
    if (allowed_count == 0) {
        advice_value(row, "unknown");
        return;
    }
    if (allowed_count < online_count)
        advice_value(row, "%u of %u allowed", allowed_count, online_count);
    else
        advice_value(row, "%u", allowed_count);
    advice_bounds(row, "%s-%s msg/s", low, high);
    advice_why(row,
               "One scheduler for each CPU that this process may use (%.40s) and that its quota "
               "pays. A delivery of a room message takes 1.8 to 9 µs of CPU, as the machine is; "
               "`fairlead tune --measure` tells what it is here.",
               allowed);
    if (allowed_count < online_count && m->cgroup.cpus == 0) {
        row->verdict = ADVICE_MIND;
        advice_lift(row, "CPUAffinity= and AllowedCPUs= in the unit, taskset (online: %.40s)",
                    online);
    }
    if (machine_cpu_count(m) > ADVICE_SCHEDULERS_MAX) {
        row->verdict = ADVICE_MIND;
        advice_lift(row,
                    "Fairlead runs %d schedulers at most: --cpus chooses which, or run "
                    "one server for each node",
                    ADVICE_SCHEDULERS_MAX);
    }
}

static void rule_quota(struct advice *a, const struct machine *m) {
    if (m->cgroup.cpus == 0)
        return;
    struct advice_row *row = advice_add(a, "cgroup CPU quota");
    uint32_t allowed = cpu_list_count(&m->cpus.allowed);
    advice_value(row, "%.3g CPUs", m->cgroup.cpus);
    advice_bounds(row, "stalls of up to %" PRIu64 " ms", m->cgroup.quota_period_us / 1000);
    advice_why(
        row,
        "A group that has used up its share of a period (%" PRIu64 " ms) stands still until "
        "the next: that is the p99. %.3g CPUs' worth of time on %u; a whole number of CPUs of "
        "its own (cpuset) never stalls.",
        m->cgroup.quota_period_us / 1000, m->cgroup.cpus, allowed);
    if (m->cgroup.cpus < (double)allowed) {
        row->verdict = ADVICE_MIND;
        advice_lift(row, "AllowedCPUs= in place of CPUQuota= (container: --cpuset-cpus in place of "
                         "--cpus)");
    }
}

static void rule_isolated(struct advice *a, const struct machine *m) {
    if (cpu_list_count(&m->cpus.isolated) == 0)
        return;
    struct advice_row *row = advice_add(a, "isolated CPUs");
    char list[48];
    cpu_list_encode(&m->cpus.isolated, list, sizeof(list));
    advice_value(row, "%s", list);
    advice_bounds(row, "schedulers");
    advice_why(row, "Nothing runs on these unless it is put there; schedulers pinned to them are "
                    "never preempted. --cpus puts them there.");
    advice_lift(row, "fairlead serve --cpus %s", list);
}

static void rule_nodes(struct advice *a, const struct machine *m) {
    if (m->node_count < 2)
        return;
    struct advice_row *row = advice_add(a, "NUMA");
    advice_value(row, "%u nodes", m->node_count);
    advice_bounds(row, "CPU a message");
    char first[48], least[32];
    uint64_t least_bytes = UINT64_MAX;
    cpu_list_encode(&m->nodes[0].cpus, first, sizeof(first));
    for (uint32_t i = 0; i < m->node_count && i < MACHINE_NODES_MAX; i++)
        if (m->nodes[i].memory_bytes < least_bytes)
            least_bytes = m->nodes[i].memory_bytes;
    advice_bytes_text(least_bytes, least, sizeof(least));
    advice_why(row,
               "Each scheduler touches its own memory first, so it lies on its node while that has "
               "some (the smallest: %s); what rooms say between nodes costs more. A server for "
               "each node, with its card's interrupts there, costs least.",
               least);
    row->verdict = ADVICE_MIND;
    advice_lift(row, "fairlead serve --cpus %s for one node; numactl --membind to be strict",
                first);
}

static void rule_balancing(struct advice *a, const struct machine *m) {
    if (m->node_count < 2 || !machine_has(m, MACHINE_NUMA_BALANCING))
        return;
    struct advice_row *row = advice_add(a, "numa_balancing");
    uint64_t value = machine_get(m, MACHINE_NUMA_BALANCING);
    advice_value(row, "%" PRIu64, value);
    advice_bounds(row, "tail latency");
    advice_why(row, "Takes pages away from programs to see who uses them. Pinned schedulers have "
                    "theirs where they are; it only costs faults.");
    if (value > 0) {
        row->verdict = ADVICE_MIND;
        advice_lift(row, "sysctl -w kernel.numa_balancing=0");
    }
}

// Where received packets are worked on: the CPUs of the interrupts, or those they are steered to.
static void rule_nic(struct advice *a, const struct machine *m, const struct machine_nic *nic) {
    uint32_t irq_cpus = cpu_list_count(&nic->irq_cpus);
    uint32_t cpus = irq_cpus > 0 ? irq_cpus : nic->rx_queues;
    struct cpu_list all = nic->irq_cpus;
    cpu_list_add(&all, &nic->rps_cpus);
    if (nic->rps_queues > 0)
        cpus = cpu_list_count(&all);
    char name[sizeof(a->rows[0].name) + MACHINE_NAME_BYTES], where[40], packets[32];
    snprintf(name, sizeof(name), "card %.20s", nic->name);
    struct advice_row *row = advice_add(a, name);
    cpu_list_encode(&nic->irq_cpus, where, sizeof(where));
    advice_count_text((uint64_t)cpus * PACKETS_PER_CPU, packets, sizeof(packets));
    advice_value(row, "%u queue%s, RPS %s", nic->rx_queues, nic->rx_queues == 1 ? "" : "s",
                 nic->rps_queues > 0 ? "on" : "off");
    advice_bounds(row, "%s packets/s", packets);
    advice_why(row,
               "Received packets are worked on by %u CPU%s%s%s, at about a microsecond each; the "
               "server runs on %u. Fewer than half as many make some schedulers slow for all "
               "others' packets.",
               cpus, cpus == 1 ? "" : "s", irq_cpus > 0 ? ", interrupts on " : "",
               irq_cpus > 0 ? where : "", a->schedulers);
    // With half as many and more, steering costs what it brings (profiles/irq.sh).
    if (2 * cpus < a->schedulers) {
        row->verdict = ADVICE_MIND;
        advice_lift(row,
                    "fairlead tune --apply chat spreads interrupts, and steers what is left "
                    "(profiles/irq.sh %s)",
                    nic->name);
    }
}

void advice_rules_cpus(struct advice *advice, const struct machine *machine) {
    rule_cpus(advice, machine);
    rule_quota(advice, machine);
    rule_isolated(advice, machine);
    rule_nodes(advice, machine);
    rule_balancing(advice, machine);
    for (uint32_t i = 0; i < machine->nic_count; i++)
        if (!machine->nics[i].is_virtual && machine->nics[i].is_up)
            rule_nic(advice, machine, &machine->nics[i]);
}
