#include "tuning/advice_report.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "loadgen/wrap.h"

#define NAME_COLUMNS 21
#define VALUE_COLUMNS 22
#define BOUNDS_COLUMNS 29

// --- for people ----------------------------------------------------------------------------------

static void print_machine(FILE *out, const struct machine *m) {
    char memory[32], total[32];
    advice_bytes_text(machine_memory_bytes(m), memory, sizeof(memory));
    advice_bytes_text(m->memory.total_bytes, total, sizeof(total));
    uint32_t cpus = machine_cpu_count(m);
    fprintf(out, "Linux %s, %u CPU%s for the server, %s of %s memory free\n\n",
            m->kernel[0] ? m->kernel : "(unknown)", cpus, cpus == 1 ? "" : "s", memory, total);
}

static void print_summary(FILE *out, const struct advice *a) {
    char count[32], line[ADVICE_SUMMARY_BYTES + 160];
    if (a->count > 0 && a->rows[0].verdict == ADVICE_STOPS)
        snprintf(line, sizeof(line), "Fairlead does not run here: %s", a->rows[0].why);
    else if (a->summary[0])
        snprintf(line, sizeof(line), "Fairlead, hit first: %s", a->summary);
    else
        snprintf(line, sizeof(line), "Nothing could be read that bounds connections");
    wrap_print(out, line, (struct wrap){.indent = 2});
    if (a->summary_others[0]) {
        snprintf(line, sizeof(line), "Servers with a descriptor for each connection: %s",
                 a->summary_others);
        wrap_print(out, line, (struct wrap){.indent = 2});
    }
    if (!a->is_wanted_asked)
        return;
    advice_count_text(a->wanted, count, sizeof(count));
    fprintf(out, "\n%s connections, as asked for: %s\n", count,
            a->connections >= a->wanted ? "they fit" : "they do not fit; lift what is LOW");
}

static bool is_shown(const struct advice_row *row, bool is_wide) {
    return is_wide || row->verdict != ADVICE_OK || row->connections != ADVICE_UNBOUNDED;
}

static void print_row(FILE *out, const struct advice_row *row) {
    wrap_print_cell(out, row->name, NAME_COLUMNS);
    wrap_print_cell(out, row->value, VALUE_COLUMNS);
    wrap_print_cell(out, row->bounds, BOUNDS_COLUMNS);
    fprintf(out, "%s\n    ", advice_verdict_name(row->verdict));
    wrap_print(out, row->why, (struct wrap){.indent = 4, .column = 4});
    if (row->lift[0]) {
        fputs("    -> ", out);
        wrap_print(out, row->lift, (struct wrap){.indent = 7, .column = 7});
    }
}

static void print_sysctls(FILE *out, const struct machine *m) {
    fputs("\nAll that was read of /proc/sys:\n", out);
    for (uint32_t i = 0; i < MACHINE_SYSCTL_COUNT; i++) {
        const struct machine_numbers *numbers = &m->sysctls[i];
        char name[64], value[80] = "";
        size_t used = 0;
        machine_sysctl_name((enum machine_sysctl)i, name, sizeof(name));
        for (uint32_t j = 0; j < numbers->count; j++)
            used += (size_t)snprintf(value + used, sizeof(value) - used, "%s%" PRIu64, j ? " " : "",
                                     numbers->values[j]);
        fprintf(out, "  %-36s %s\n", name, numbers->count ? value : "not here");
    }
}

void advice_report_print(FILE *out, const struct machine *machine, const struct advice *advice,
                         bool is_wide) {
    uint32_t hidden = 0;
    print_machine(out, machine);
    print_summary(out, advice);
    fputc('\n', out);
    wrap_print_cell(out, "limit", NAME_COLUMNS);
    wrap_print_cell(out, "now", VALUE_COLUMNS);
    wrap_print_cell(out, "bounds", BOUNDS_COLUMNS);
    fputs("verdict\n", out);
    for (uint32_t i = 0; i < advice->count; i++) {
        if (is_shown(&advice->rows[i], is_wide))
            print_row(out, &advice->rows[i]);
        else
            hidden++;
    }
    if (is_wide)
        print_sysctls(out, machine);
    char line[256];
    snprintf(
        line, sizeof(line),
        "LOW: hit before what is wanted. mind: bounds no count, but costs time or messages "
        "under some load. %u more are fine (--wide). A profile changes most of these: fairlead "
        "tune --apply chat --dry-run",
        hidden);
    fputc('\n', out);
    wrap_print(out, line, (struct wrap){0});
}

// --- for programs --------------------------------------------------------------------------------

static json_t *encode_count(uint64_t count) {
    return count == ADVICE_UNBOUNDED ? json_null() : json_integer((json_int_t)count);
}

static json_t *encode_row(const struct advice_row *row) {
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:o,s:o}", "name", row->name, "value", row->value,
                     "bounds", row->bounds, "why", row->why, "lift", row->lift, "verdict",
                     advice_verdict_name(row->verdict), "connections",
                     encode_count(row->connections), "connections_others",
                     encode_count(row->connections_others));
}

// Numbers are decimal where they fit a signed 64-bit integer, null for "unlimited".
static json_t *encode_number(uint64_t value) {
    return value > INT64_MAX ? json_null() : json_integer((json_int_t)value);
}

static json_t *encode_sysctls(const struct machine *m) {
    json_t *all = json_object();
    for (uint32_t i = 0; i < MACHINE_SYSCTL_COUNT; i++) {
        const struct machine_numbers *numbers = &m->sysctls[i];
        char name[64];
        machine_sysctl_name((enum machine_sysctl)i, name, sizeof(name));
        if (numbers->count == 0)
            continue;
        if (numbers->count == 1) {
            json_object_set_new(all, name, encode_number(numbers->values[0]));
            continue;
        }
        json_t *list = json_array();
        for (uint32_t j = 0; j < numbers->count; j++)
            json_array_append_new(list, encode_number(numbers->values[j]));
        json_object_set_new(all, name, list);
    }
    return all;
}

static json_t *encode_limit(const struct machine_limit *limit) {
    return limit->is_known ? json_pack("{s:o,s:o}", "soft", encode_number(limit->soft), "hard",
                                       encode_number(limit->hard))
                           : json_null();
}

static json_t *encode_nics(const struct machine *m) {
    json_t *all = json_array();
    for (uint32_t i = 0; i < m->nic_count; i++) {
        const struct machine_nic *nic = &m->nics[i];
        char irq[128], rps[128];
        cpu_list_encode(&nic->irq_cpus, irq, sizeof(irq));
        cpu_list_encode(&nic->rps_cpus, rps, sizeof(rps));
        json_array_append_new(
            all, json_pack("{s:s,s:b,s:b,s:i,s:i,s:i,s:s,s:s,s:i}", "name", nic->name, "virtual",
                           nic->is_virtual, "up", nic->is_up, "rx_queues", (int)nic->rx_queues,
                           "tx_queues", (int)nic->tx_queues, "rps_queues", (int)nic->rps_queues,
                           "irq_cpus", irq, "rps_cpus", rps, "node", (int)nic->node));
    }
    return all;
}

static json_t *encode_machine(const struct machine *m) {
    char online[256], allowed[256], isolated[256];
    static const char *const URING[] = {"unknown", "works", "denied", "missing", "failed"};
    cpu_list_encode(&m->cpus.online, online, sizeof(online));
    cpu_list_encode(&m->cpus.allowed, allowed, sizeof(allowed));
    cpu_list_encode(&m->cpus.isolated, isolated, sizeof(isolated));
    json_t *all =
        json_pack("{s:s,s:s,s:o,s:o,s:o,s:s,s:s}", "kernel", m->kernel, "io_uring", URING[m->uring],
                  "nofile", encode_limit(&m->nofile), "memlock", encode_limit(&m->memlock), "nproc",
                  encode_limit(&m->processes), "congestion_control", m->congestion,
                  "transparent_hugepages", m->transparent_hugepages);
    json_object_set_new(all, "io_uring_missing", json_string(m->uring_missing));
    json_object_set_new(all, "memory",
                        json_pack("{s:o,s:o,s:o}", "total_bytes",
                                  encode_number(m->memory.total_bytes), "available_bytes",
                                  encode_number(m->memory.available_bytes), "swap_bytes",
                                  encode_number(m->memory.swap_bytes)));
    json_object_set_new(
        all, "cgroup",
        json_pack(
            "{s:i,s:o,s:o,s:f,s:o}", "version", (int)m->cgroup.version, "memory_limit_bytes",
            m->cgroup.has_memory_limit ? encode_number(m->cgroup.memory_limit_bytes) : json_null(),
            "memory_left_bytes",
            m->cgroup.has_memory_limit ? encode_number(m->cgroup.memory_left_bytes) : json_null(),
            "cpus", m->cgroup.cpus, "tasks_max",
            m->cgroup.has_tasks_limit ? encode_number(m->cgroup.tasks_max) : json_null()));
    json_object_set_new(all, "cpus",
                        json_pack("{s:s,s:s,s:s,s:b,s:i}", "online", online, "allowed", allowed,
                                  "isolated", isolated, "smt", m->cpus.has_smt, "nodes",
                                  (int)m->node_count));
    json_object_set_new(all, "cards", encode_nics(m));
    json_object_set_new(all, "backlog_dropped", encode_number(m->backlog_dropped));
    json_object_set_new(all, "sysctl", encode_sysctls(m));
    return all;
}

int advice_report_write_json(const char *path, const struct machine *machine,
                             const struct advice *advice) {
    json_t *rows = json_array();
    for (uint32_t i = 0; i < advice->count; i++)
        json_array_append_new(rows, encode_row(&advice->rows[i]));
    json_t *all = json_pack(
        "{s:s,s:o,s:o,s:o,s:i,s:s,s:s,s:o,s:o}", "tool", "fairlead-tune " FAIRLEAD_VERSION,
        "connections", encode_count(advice->connections), "connections_others",
        encode_count(advice->connections_others), "wanted",
        advice->is_wanted_asked ? encode_count(advice->wanted) : json_null(), "schedulers",
        (int)advice->schedulers, "summary", advice->summary, "summary_others",
        advice->summary_others, "limits", rows, "machine", encode_machine(machine));
    CHECK(all != NULL); // every name and text above is UTF-8 of this program or the kernel's ASCII
    bool is_stdout = strcmp(path, "-") == 0;
    FILE *out = is_stdout ? stdout : fopen(path, "we");
    int status = 0;
    if (out == NULL) {
        status = -errno;
    } else {
        errno = 0;
        if (json_dumpf(all, out, JSON_INDENT(2)) < 0 || fputc('\n', out) == EOF || fflush(out) != 0)
            status = errno ? -errno : -EIO;
        if (!is_stdout && fclose(out) != 0 && status == 0)
            status = -errno;
    }
    json_decref(all);
    return status;
}
