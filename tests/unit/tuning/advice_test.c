// Goal: limits are ordered by what is hit first, with arithmetic that can be checked by hand, and
// each has its cure. Method: machines as facts; the lanes against the gateway's own plan.
#include "tuning/advice.h"

#include <errno.h>
#include <string.h>

#include "gateway/host.h"
#include "tests/unit/unit.h"

#define GIB (1ull << 30)

static struct advice a;
static struct machine m;

static void set(enum machine_sysctl which, uint64_t value) {
    m.sysctls[which] = (struct machine_numbers){.count = 1, .values = {value}};
}

// The development machine: 2 CPUs, 24 GiB, 20,000 descriptors.
static void make_machine(void) {
    m = (struct machine){.kernel = "6.18.44", .kernel_major = 6, .kernel_minor = 18};
    m.nofile = (struct machine_limit){true, 20000, 20000};
    m.memory.total_bytes = 24 * GIB;
    m.memory.available_bytes = 22 * GIB;
    ck_assert(cpu_list_decode(&m.cpus.online, "0-1"));
    m.cpus.allowed = m.cpus.online;
    m.uring = MACHINE_URING_OK;
    set(MACHINE_FILE_MAX, 9223372036854775807ull);
    set(MACHINE_SOMAXCONN, 4096);
}

static const struct advice_row *row(const char *name) {
    const struct advice_row *found = advice_lookup(&a, name);
    ck_assert_msg(found != NULL, "no row %s", name);
    return found;
}

static uint32_t place(const char *name) {
    return (uint32_t)(row(name) - a.rows);
}

START_TEST(nothing_known_bounds_nothing) {
    m = (struct machine){0};
    advice_make(&a, &m, 0);
    ck_assert_uint_eq(a.connections, ADVICE_UNBOUNDED);
    ck_assert_str_eq(a.summary, "");
    for (uint32_t i = 0; i < a.count; i++)
        ck_assert_int_ne(a.rows[i].verdict, ADVICE_STOPS);
}
END_TEST

START_TEST(memory_bounds_by_bytes_per_connection) {
    make_machine();
    advice_make(&a, &m, 0);
    ck_assert_uint_eq(row("memory")->connections,
                      (22 * GIB / 100 * 90 - (13612 + 4632) * 1024) / 4215);
    ck_assert_uint_eq(a.connections, row("memory")->connections);
    ck_assert_uint_eq(a.wanted, a.connections);
    ck_assert_int_eq(row("memory")->verdict, ADVICE_OK);
    ck_assert_ptr_nonnull(strstr(row("memory")->why, "232 B in Fairlead"));
    ck_assert_ptr_nonnull(strstr(row("memory")->why, "3983 B in the kernel"));
}
END_TEST

START_TEST(too_little_memory_for_the_server_itself_holds_none) {
    make_machine();
    uint64_t least = (13612 + 4632) * 1024 + 4215;
    m.memory.available_bytes = (least + 89) / 90 * 100;
    advice_make(&a, &m, 0);
    ck_assert_uint_eq(row("memory")->connections, 1);
    m.memory.available_bytes = least / 90 * 100 - 5000;
    advice_make(&a, &m, 0);
    ck_assert_uint_eq(a.connections, 0);
    m.memory.available_bytes = 1;
    advice_make(&a, &m, 0);
    ck_assert_uint_eq(a.connections, 0);
}
END_TEST

// gateway/config.h: CONFIG_SCHEDULERS_MAX.
START_TEST(schedulers_are_one_a_cpu_up_to_the_gateways_limit) {
    make_machine();
    ck_assert_uint_eq(ADVICE_SCHEDULERS_MAX, CONFIG_SCHEDULERS_MAX);
    ck_assert(cpu_list_decode(&m.cpus.allowed, "0-58"));
    advice_make(&a, &m, 0);
    ck_assert_uint_eq(a.schedulers, 59);
    ck_assert(cpu_list_decode(&m.cpus.allowed, "0-59"));
    m.cpus.online = m.cpus.allowed;
    advice_make(&a, &m, 0);
    ck_assert_uint_eq(a.schedulers, 60);
    ck_assert_int_eq(row("CPUs")->verdict, ADVICE_OK);
    ck_assert(cpu_list_decode(&m.cpus.allowed, "0-60"));
    m.cpus.online = m.cpus.allowed;
    advice_make(&a, &m, 0);
    ck_assert_uint_eq(a.schedulers, 60);
    ck_assert_int_eq(row("CPUs")->verdict, ADVICE_MIND);
}
END_TEST

// RLIMIT_NOFILE bounds a lane of Fairlead's, and all of another server's connections.
START_TEST(nofile_bounds_others_at_19900_and_fairlead_by_lanes) {
    make_machine();
    advice_make(&a, &m, 0);
    ck_assert_uint_eq(a.connections_others, 19900);
    ck_assert_uint_gt(row("nofile")->connections, 2000000);
    ck_assert_uint_eq(row("nofile")->connections, advice_lane_connections(20000, 2));
    ck_assert_uint_lt(place("memory"), place("nofile"));
    ck_assert_ptr_nonnull(strstr(a.summary_others, "nofile 20,000: 19,900 connections; then "));
    ck_assert_ptr_eq(strstr(a.summary, "memory 22 GiB: 5.04 M connections; then nofile"),
                     a.summary);
    ck_assert_ptr_nonnull(strstr(row("nofile")->lift, "LimitNOFILE=1048576"));
    m.nofile = (struct machine_limit){true, 1048576, 1048576}; // more of the same is no cure
    advice_make(&a, &m, 0);
    ck_assert_ptr_null(strstr(row("nofile")->lift, "LimitNOFILE=1048576"));
    ck_assert_ptr_nonnull(strstr(row("nofile")->lift, "fs.nr_open"));
}
END_TEST

// The same sentence from the gateway's own plan, for limits small and large.
START_TEST(lanes_are_those_of_the_gateways_plan) {
    static const uint64_t nofiles[] = {1024, 4096, 16383, 16384, 20000, 65536, 1048576, 2000000};
    static const uint32_t schedulers[] = {1, 2, 3, 16, 60};
    for (size_t i = 0; i < sizeof(nofiles) / sizeof(nofiles[0]); i++)
        for (size_t j = 0; j < sizeof(schedulers) / sizeof(schedulers[0]); j++) {
            struct config config = {.schedulers = (uint16_t)schedulers[j]};
            struct host host = {.cpu_count = schedulers[j],
                                .descriptors_max = nofiles[i],
                                .memory_available_bytes = 1ull << 60};
            struct host_plan plan;
            char error[HOST_ERROR_SIZE];
            uint64_t ours = advice_lane_connections(nofiles[i], schedulers[j]);
            config.connections_max = (uint32_t)(ours < UINT32_MAX ? ours : UINT32_MAX);
            ck_assert_msg(host_plan_make(&config, &host, &plan, error), "%s", error);
            if (ours >= UINT32_MAX)
                continue;
            config.connections_max++;
            ck_assert_msg(!host_plan_make(&config, &host, &plan, error), "nofile %lu, %u",
                          (unsigned long)nofiles[i], schedulers[j]);
        }
}
END_TEST

START_TEST(file_max_is_low_exactly_when_it_is_below_what_is_wanted) {
    make_machine();
    set(MACHINE_FILE_MAX, 1001000);
    m.sysctls[MACHINE_FILE_NR] = (struct machine_numbers){3, {1000, 0, 1001000}};
    advice_make(&a, &m, 999999);
    ck_assert_int_eq(row("file-max")->verdict, ADVICE_OK);
    advice_make(&a, &m, 1000000);
    ck_assert_int_eq(row("file-max")->verdict, ADVICE_OK);
    ck_assert_str_eq(row("file-max")->lift, "");
    advice_make(&a, &m, 1000001);
    ck_assert_int_eq(row("file-max")->verdict, ADVICE_LOW);
    ck_assert_uint_eq(row("file-max")->connections, 1000000);
    ck_assert_uint_eq(a.connections, 1000000);
    ck_assert_uint_eq(place("file-max"), 0);
    ck_assert_str_eq(row("file-max")->lift, "sysctl -w fs.file-max=3000000");
}
END_TEST

START_TEST(more_files_in_use_than_allowed_leave_none) {
    make_machine();
    set(MACHINE_FILE_MAX, 1000);
    m.sysctls[MACHINE_FILE_NR] = (struct machine_numbers){3, {2000, 0, 1000}};
    advice_make(&a, &m, 0);
    ck_assert_uint_eq(a.connections, 0);
}
END_TEST

START_TEST(rows_are_ordered_by_what_is_hit_first) {
    make_machine();
    set(MACHINE_FILE_MAX, 3000000);
    set(MACHINE_CONNTRACK_MAX, 262144);
    set(MACHINE_CONNTRACK_COUNT, 144);
    set(MACHINE_SOMAXCONN, 128);
    advice_make(&a, &m, 0);
    ck_assert_uint_eq(place("conntrack"), 0);
    ck_assert_uint_eq(place("file-max"), 1);
    ck_assert_uint_eq(place("memory"), 2);
    ck_assert_uint_eq(place("nofile"), 3);
    ck_assert_uint_eq(row("conntrack")->connections, 262000);
    ck_assert_int_eq(row("somaxconn")->verdict, ADVICE_MIND);
    for (uint32_t i = 1; i < a.count; i++)
        ck_assert_uint_le(a.rows[i - 1].connections, a.rows[i].connections);
    ck_assert_ptr_eq(strstr(a.summary, "conntrack 262,144: 262,000 connections; then file-max "
                                       "3,000,000: 3.00 M; then memory 22 GiB: 5.04 M"),
                     a.summary);
}
END_TEST

// Loaded and following nothing: it may bound, once a rule switches it on.
START_TEST(conntrack_that_follows_nothing_bounds_nothing_yet) {
    make_machine();
    set(MACHINE_CONNTRACK_MAX, 262144);
    set(MACHINE_CONNTRACK_COUNT, 0);
    advice_make(&a, &m, 0);
    ck_assert_uint_eq(row("conntrack")->connections, ADVICE_UNBOUNDED);
    ck_assert_int_eq(row("conntrack")->verdict, ADVICE_MIND);
    advice_make(&a, &m, 262144);
    ck_assert_int_eq(row("conntrack")->verdict, ADVICE_OK);
}
END_TEST

START_TEST(a_container_is_bounded_by_its_group) {
    make_machine();
    m.cgroup = (struct machine_cgroup){.version = 2,
                                       .has_memory_limit = true,
                                       .memory_limit_bytes = GIB,
                                       .memory_left_bytes = GIB / 2,
                                       .cpus = 1.5,
                                       .quota_period_us = 100000,
                                       .has_tasks_limit = true,
                                       .tasks_max = 20,
                                       .tasks_count = 10};
    ck_assert(cpu_list_decode(&m.cpus.allowed, "0-7"));
    m.cpus.online = m.cpus.allowed;
    advice_make(&a, &m, 0);
    ck_assert_ptr_null(advice_lookup(&a, "memory"));
    ck_assert_uint_eq(row("cgroup memory")->connections,
                      (GIB / 2 / 100 * 90 - (13612 + 4632) * 1024) / 4215);
    ck_assert_uint_eq(a.schedulers, 2);
    ck_assert_int_eq(row("cgroup CPU quota")->verdict, ADVICE_MIND);
    ck_assert_int_eq(row("cgroup pids")->verdict, ADVICE_LOW);
    ck_assert_ptr_nonnull(strstr(row("cgroup pids")->lift, "TasksMax"));
}
END_TEST

START_TEST(io_uring_that_is_denied_stops_and_names_the_cure) {
    make_machine();
    m.uring = MACHINE_URING_DENIED;
    set(MACHINE_URING_DISABLED, 2);
    advice_make(&a, &m, 0);
    ck_assert_str_eq(a.rows[0].name, "io_uring");
    ck_assert_int_eq(a.rows[0].verdict, ADVICE_STOPS);
    ck_assert_uint_eq(a.connections, 0);
    ck_assert_uint_eq(a.connections_others, 19900); // they do not need it
    ck_assert_str_eq(a.rows[0].lift, "sysctl -w kernel.io_uring_disabled=0");
    ck_assert_str_eq(a.summary, "none: io_uring is disabled by kernel.io_uring_disabled=2");
    set(MACHINE_URING_DISABLED, 1);
    advice_make(&a, &m, 0);
    ck_assert_ptr_nonnull(strstr(a.rows[0].lift, "kernel.io_uring_group"));
    set(MACHINE_URING_DISABLED, 0);
    advice_make(&a, &m, 0);
    ck_assert_ptr_nonnull(strstr(a.rows[0].lift, "seccomp"));
    m.uring = MACHINE_URING_FAILED;
    m.uring_error = ENOMEM;
    advice_make(&a, &m, 0);
    ck_assert_ptr_nonnull(strstr(a.summary, strerror(ENOMEM)));
}
END_TEST

START_TEST(io_uring_of_another_tree_is_judged_by_its_sysctl) {
    make_machine();
    m.uring = MACHINE_URING_UNKNOWN;
    set(MACHINE_URING_DISABLED, 2);
    advice_make(&a, &m, 0);
    ck_assert_int_eq(row("io_uring")->verdict, ADVICE_STOPS);
    set(MACHINE_URING_DISABLED, 0);
    advice_make(&a, &m, 0);
    ck_assert_int_eq(row("io_uring")->verdict, ADVICE_OK);
    m.is_seccomp_filtered = true;
    advice_make(&a, &m, 0);
    ck_assert_int_eq(row("io_uring")->verdict, ADVICE_MIND);
}
END_TEST

START_TEST(kernels_below_the_floor_stop) {
    make_machine();
    m.kernel_major = 5, m.kernel_minor = 15;
    advice_make(&a, &m, 0);
    ck_assert_str_eq(a.rows[0].name, "kernel");
    ck_assert_uint_eq(a.connections, 0);
    m.kernel_major = 6, m.kernel_minor = 0;
    advice_make(&a, &m, 0);
    ck_assert_uint_eq(a.connections, 0);
    m.kernel_minor = 1;
    advice_make(&a, &m, 0);
    ck_assert_int_eq(row("kernel")->verdict, ADVICE_MIND);
    ck_assert_ptr_nonnull(strstr(row("kernel")->why, "min-wait"));
    m.kernel_minor = 12;
    advice_make(&a, &m, 0);
    ck_assert_int_eq(row("kernel")->verdict, ADVICE_OK);
}
END_TEST

START_TEST(a_server_with_nodes_gets_advice_for_them) {
    make_machine();
    ck_assert(cpu_list_decode(&m.cpus.online, "0-63"));
    m.cpus.allowed = m.cpus.online;
    m.node_count = 2;
    ck_assert(cpu_list_decode(&m.nodes[0].cpus, "0-31"));
    set(MACHINE_NUMA_BALANCING, 1);
    m.nic_count = 2;
    m.nics[0] = (struct machine_nic){.name = "eth0", .is_up = true, .rx_queues = 8, .irq_count = 8};
    ck_assert(cpu_list_decode(&m.nics[0].irq_cpus, "0"));
    m.nics[1] = (struct machine_nic){.name = "docker0", .is_up = true, .is_virtual = true};
    advice_make(&a, &m, 0);
    ck_assert_ptr_nonnull(strstr(row("NUMA")->lift, "--cpus 0-31"));
    ck_assert_ptr_nonnull(strstr(row("numa_balancing")->lift, "kernel.numa_balancing=0"));
    ck_assert_int_eq(row("card eth0")->verdict, ADVICE_MIND);
    ck_assert_ptr_nonnull(strstr(row("card eth0")->why, "by 1 CPU, interrupts on 0"));
    ck_assert_ptr_null(advice_lookup(&a, "card docker0"));
    ck_assert_int_eq(row("CPUs")->verdict, ADVICE_MIND); // 64 are more than 60 schedulers
    ck_assert(cpu_list_decode(&m.nics[0].irq_cpus, "0-63"));
    advice_make(&a, &m, 0);
    ck_assert_int_eq(row("card eth0")->verdict, ADVICE_OK);
}
END_TEST

START_TEST(tcp_mem_is_a_page_for_each_connection_with_data) {
    make_machine();
    m.sysctls[MACHINE_TCP_MEM] = (struct machine_numbers){3, {1, 2, 575796}};
    advice_make(&a, &m, 575796);
    ck_assert_int_eq(row("tcp_mem")->verdict, ADVICE_OK);
    advice_make(&a, &m, 575797);
    ck_assert_int_eq(row("tcp_mem")->verdict, ADVICE_MIND);
    ck_assert_str_eq(
        row("tcp_mem")->lift,
        "sysctl -w net.ipv4.tcp_mem=\"786432 1179648 1572864\""); // a quarter of 24 GiB
}
END_TEST

START_TEST(what_is_dangerous_is_said) {
    make_machine();
    set(MACHINE_OVERCOMMIT, 2);
    set(MACHINE_SWAPPINESS, 60);
    m.memory.swap_bytes = GIB;
    snprintf(m.transparent_hugepages, sizeof(m.transparent_hugepages), "always");
    set(MACHINE_NETDEV_BACKLOG, 5000);
    set(MACHINE_EHASH, 262144);
    advice_make(&a, &m, 0);
    ck_assert_int_eq(row("overcommit_memory")->verdict, ADVICE_LOW);
    ck_assert_int_eq(row("swappiness")->verdict, ADVICE_MIND);
    ck_assert_int_eq(row("transparent hugepages")->verdict, ADVICE_MIND);
    ck_assert_int_eq(row("netdev_max_backlog")->verdict, ADVICE_OK);
    ck_assert_int_eq(row("tcp_ehash_entries")->verdict, ADVICE_MIND);
    m.backlog_dropped = 1;
    m.memory.swap_bytes = 0;
    set(MACHINE_EHASH, UINT64_MAX); // a namespace without a table of its own
    advice_make(&a, &m, 0);
    ck_assert_int_eq(row("netdev_max_backlog")->verdict, ADVICE_MIND);
    ck_assert_int_eq(row("swappiness")->verdict, ADVICE_OK);
    ck_assert_ptr_null(advice_lookup(&a, "tcp_ehash_entries"));
}
END_TEST

START_TEST(counts_and_bytes_read_well) {
    static const struct {
        uint64_t value;
        const char *count;
        const char *exact;
        const char *bytes;
    } cases[] = {
        {0, "0", "0", "0 B"},
        {999, "999", "999", "999 B"},
        {1000, "1,000", "1,000", "1000 B"},
        {19900, "19,900", "19,900", "19.4 KiB"},
        {999999, "999,999", "999,999", "977 KiB"},
        {1000000, "1.00 M", "1,000,000", "977 KiB"},
        {2466170, "2.47 M", "2,466,170", "2.35 MiB"},
        {24ull << 30, "25.77 G", "25,769,803,776", "24 GiB"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[32];
        advice_count_text(cases[i].value, text, sizeof(text));
        ck_assert_str_eq(text, cases[i].count);
        advice_exact_text(cases[i].value, text, sizeof(text));
        ck_assert_str_eq(text, cases[i].exact);
        advice_bytes_text(cases[i].value, text, sizeof(text));
        ck_assert_str_eq(text, cases[i].bytes);
    }
}
END_TEST

UNIT_MAIN("tuning/advice", nothing_known_bounds_nothing, memory_bounds_by_bytes_per_connection,
          too_little_memory_for_the_server_itself_holds_none,
          schedulers_are_one_a_cpu_up_to_the_gateways_limit,
          nofile_bounds_others_at_19900_and_fairlead_by_lanes, lanes_are_those_of_the_gateways_plan,
          file_max_is_low_exactly_when_it_is_below_what_is_wanted,
          more_files_in_use_than_allowed_leave_none, rows_are_ordered_by_what_is_hit_first,
          conntrack_that_follows_nothing_bounds_nothing_yet, a_container_is_bounded_by_its_group,
          io_uring_that_is_denied_stops_and_names_the_cure,
          io_uring_of_another_tree_is_judged_by_its_sysctl, kernels_below_the_floor_stop,
          a_server_with_nodes_gets_advice_for_them, tcp_mem_is_a_page_for_each_connection_with_data,
          what_is_dangerous_is_said, counts_and_bytes_read_well)
