// Goal: facts are read as they stand, whatever the machine. Method: trees of machines that are not
// here: a tiny one, a container, one with control groups of version 1, a server with two nodes.
#include "tuning/machine.h"
#include "tuning/machine_parts.h"

#include <errno.h>

#include "tests/unit/tuning/fake_tree.h"

static struct machine m;

static void read_tree(const struct fake_file *files, size_t count, const struct fake_file *more,
                      size_t more_count) {
    struct fake_tree tree;
    fake_tree_init(&tree);
    fake_tree_add(&tree, files, count);
    fake_tree_add(&tree, more, more_count);
    machine_read(&m, tree.root);
    fake_tree_fini(&tree);
}

#define COUNT(files) (sizeof(files) / sizeof(files[0]))

START_TEST(nothing_to_read_is_nothing_known) {
    machine_read(&m, "/nonexistent");
    ck_assert_str_eq(m.kernel, "");
    ck_assert(!m.nofile.is_known);
    for (uint32_t i = 0; i < MACHINE_SYSCTL_COUNT; i++)
        ck_assert(!machine_has(&m, (enum machine_sysctl)i));
    ck_assert_uint_eq(machine_memory_bytes(&m), 0);
    ck_assert_uint_eq(machine_cpu_count(&m), 1);
    ck_assert_int_eq(m.uring, MACHINE_URING_UNKNOWN);
    ck_assert_uint_eq(m.nic_count, 0);
    ck_assert(!m.cgroup.has_memory_limit);
}
END_TEST

START_TEST(files_with_nonsense_are_not_known) {
    static const struct fake_file files[] = {
        {"/proc/sys/kernel/osrelease", "str\xc3\xa4nge\x1b[31m"},
        {"/proc/self/limits", "Max open files            many few files\n"},
        {"/proc/sys/fs/file-max", "lots"},
        {"/proc/sys/net/ipv4/tcp_ehash_entries", "-131072\n"}, // the host's, says a namespace
        {"/proc/sys/fs/nr_open", "maximal\n"},
        {"/proc/meminfo", "MemTotal: kB\nMemAvailable:\n"},
        {"/proc/self/cgroup", "no colons\n0:\n:\n"},
        {"/proc/self/mountinfo", "short\n - \n1 2 - cgroup2\n"},
        {"/sys/devices/system/cpu/online", "a-b"},
        {"/proc/self/status", "Cpus_allowed_list:\tx\nSeccomp:\n"},
    };
    read_tree(files, COUNT(files), NULL, 0);
    ck_assert_uint_eq(m.kernel_major, 0);
    ck_assert_str_eq(m.kernel, "str??nge?[31m"); // a terminal is not to be spoken to
    ck_assert(!m.nofile.is_known);
    ck_assert(!machine_has(&m, MACHINE_FILE_MAX));
    ck_assert(!machine_has(&m, MACHINE_EHASH));
    ck_assert(!machine_has(&m, MACHINE_NR_OPEN));
    ck_assert_uint_eq(machine_memory_bytes(&m), 0);
    ck_assert_uint_eq(machine_cpu_count(&m), 1);
}
END_TEST

START_TEST(a_tiny_machine_is_read) {
    read_tree(FAKE_TINY, COUNT(FAKE_TINY), NULL, 0);
    ck_assert_uint_eq(m.kernel_major, 6);
    ck_assert_uint_eq(m.kernel_minor, 1);
    ck_assert_uint_eq(m.nofile.soft, 1024);
    ck_assert_uint_eq(m.nofile.hard, 524288);
    ck_assert_uint_eq(m.memory.available_bytes, 400000ull * 1024);
    ck_assert_uint_eq(machine_get(&m, MACHINE_SOMAXCONN), 4096);
    ck_assert_uint_eq(m.sysctls[MACHINE_TCP_MEM].count, 3);
    ck_assert_uint_eq(m.sysctls[MACHINE_TCP_MEM].values[2], 11088);
    ck_assert_uint_eq(m.sysctls[MACHINE_PORT_RANGE].values[1], 60999);
    ck_assert_str_eq(m.transparent_hugepages, "always");
    ck_assert_uint_eq(m.cgroup.version, 2);
    ck_assert(!m.cgroup.has_memory_limit);
    ck_assert(!m.is_privileged);
    ck_assert_int_eq(m.uring, MACHINE_URING_UNKNOWN);
}
END_TEST

// The group itself is unlimited, its parent is not: that one counts. Page cache that can go is
// free.
START_TEST(limits_of_parents_hold_in_a_container) {
    static const struct fake_file more[] = {
        {"/proc/self/cgroup", "0::/pod/box\n"},
        {"/sys/fs/cgroup/pod/box/memory.max", "max\n"},
        {"/sys/fs/cgroup/pod/box/memory.current", "1000\n"},
        {"/sys/fs/cgroup/pod/memory.max", "268435456\n"},
        {"/sys/fs/cgroup/pod/memory.current", "100000000\n"},
        {"/sys/fs/cgroup/pod/memory.stat", "anon 1\ninactive_file 60000000\n"},
        {"/sys/fs/cgroup/pod/cpu.max", "150000 100000\n"},
        {"/sys/fs/cgroup/pod/box/cpu.max", "max 100000\n"},
        {"/sys/fs/cgroup/pod/box/pids.max", "64\n"},
        {"/sys/fs/cgroup/pod/box/pids.current", "60\n"},
        {"/proc/self/status", "Seccomp:\t2\nCapEff:\t00000000a80425fb\nCpus_allowed_list:\t0-7\n"},
    };
    read_tree(FAKE_TINY, COUNT(FAKE_TINY), more, COUNT(more));
    ck_assert(m.cgroup.has_memory_limit);
    ck_assert_uint_eq(m.cgroup.memory_limit_bytes, 268435456);
    ck_assert_uint_eq(m.cgroup.memory_left_bytes, 268435456 - 40000000);
    ck_assert_uint_eq(machine_memory_bytes(&m), 268435456 - 40000000);
    ck_assert_double_eq(m.cgroup.cpus, 1.5);
    ck_assert_uint_eq(machine_cpu_count(&m), 2);
    ck_assert_uint_eq(m.cgroup.tasks_max, 64);
    ck_assert_uint_eq(m.cgroup.tasks_count, 60);
    ck_assert(m.is_seccomp_filtered);
    ck_assert(!m.is_privileged);
}
END_TEST

// The host's path is no path here: the mount shows the container's group as its root.
START_TEST(version_1_is_read_through_the_root_of_its_mount) {
    static const struct fake_file more[] = {
        {"/proc/self/cgroup", "9:name=systemd:/docker/ab\n4:memory:/docker/ab\n"
                              "2:cpu,cpuacct:/docker/ab/deep\n0::/\n"},
        {"/proc/self/mountinfo",
         "1 0 0:3 / / rw - ext4 /dev/vda rw\n"
         "35 31 0:32 /docker/ab /sys/fs/cgroup/memory ro,nosuid shared:9 - cgroup cgroup "
         "rw,memory\n"
         "32 31 0:29 /docker/ab /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
         "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"},
        {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "134217728\n"},
        {"/sys/fs/cgroup/memory/memory.usage_in_bytes", "34217728\n"},
        {"/sys/fs/cgroup/cpu/deep/cpu.cfs_quota_us", "-1\n"},
        {"/sys/fs/cgroup/cpu/deep/cpu.cfs_period_us", "100000\n"},
        {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n"},
        {"/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"},
    };
    read_tree(FAKE_TINY, COUNT(FAKE_TINY), more, COUNT(more));
    ck_assert_uint_eq(m.cgroup.version, 1);
    ck_assert_uint_eq(m.cgroup.memory_left_bytes, 100000000);
    ck_assert_double_eq(m.cgroup.cpus, 0.5);
    ck_assert_uint_eq(machine_cpu_count(&m), 1);
}
END_TEST

START_TEST(version_1_without_a_limit_has_none) {
    static const struct fake_file more[] = {
        {"/proc/self/cgroup", "4:memory:/\n"},
        {"/proc/self/mountinfo",
         "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"},
        {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"},
        {"/sys/fs/cgroup/memory/memory.usage_in_bytes", "34217728\n"},
    };
    read_tree(FAKE_TINY, COUNT(FAKE_TINY), more, COUNT(more));
    ck_assert(!m.cgroup.has_memory_limit);
    ck_assert_uint_eq(machine_memory_bytes(&m), 400000ull * 1024);
}
END_TEST

START_TEST(a_server_with_two_nodes_and_a_card_is_read) {
    static const struct fake_file more[] = {
        {"/sys/devices/system/cpu/online", "0-63\n"},
        {"/sys/devices/system/cpu/isolated", "60-63\n"},
        {"/proc/self/status", "CapEff:\t000001ffffffffff\nCpus_allowed_list:\t0-59\n"},
        {"/sys/devices/system/node/online", "0-1\n"},
        {"/sys/devices/system/node/node0/cpulist", "0-31\n"},
        {"/sys/devices/system/node/node0/meminfo", "Node 0 MemTotal:  100000 kB\n"
                                                   "Node 0 MemFree:   50000 kB\n"},
        {"/sys/devices/system/node/node1/cpulist", "32-63\n"},
        {"/sys/class/net/lo/operstate", "unknown\n"},
        {"/sys/class/net/eth0/operstate", "up\n"},
        {"/sys/class/net/eth0/speed", "25000\n"},
        {"/sys/class/net/eth0/device/numa_node", "1\n"},
        {"/sys/class/net/eth0/queues/rx-0/rps_cpus", "00000000,00000000\n"},
        {"/sys/class/net/eth0/queues/rx-1/rps_cpus", "00000000,0000000c\n"},
        {"/sys/class/net/eth0/queues/tx-0/xps_cpus", "0\n"},
        {"/sys/class/net/eth0/device/msi_irqs/40", "msix\n"},
        {"/sys/class/net/eth0/device/msi_irqs/41", "msix\n"},
        {"/sys/class/net/eth0/device/msi_irqs/42", "msix\n"},
        {"/proc/irq/40/eth0-mgmnt/x", ""},
        {"/proc/irq/40/smp_affinity_list", "9\n"},
        {"/proc/irq/41/eth0-TxRx-0/x", ""},
        {"/proc/irq/41/smp_affinity_list", "0-63\n"},
        {"/proc/irq/41/effective_affinity_list", "32\n"},
        {"/proc/irq/42/eth0-TxRx-1/x", ""},
        {"/proc/irq/42/effective_affinity_list", "\n"},
        {"/proc/irq/42/smp_affinity_list", "33\n"},
        {"/sys/class/net/veth7/operstate", "up\n"},
        {"/proc/net/softnet_stat", "0000000a 00000010 0 0\n0000000b 00000001 0 0\n"},
    };
    read_tree(FAKE_TINY, COUNT(FAKE_TINY), more, COUNT(more));
    char text[64];
    ck_assert_uint_eq(machine_cpu_count(&m), 60);
    ck_assert_uint_eq(m.node_count, 2);
    ck_assert_uint_eq(m.nodes[0].memory_bytes, 100000ull * 1024);
    ck_assert_uint_eq(cpu_list_count(&m.nodes[1].cpus), 32);
    ck_assert_uint_eq(m.nic_count, 2);
    const struct machine_nic *nic = &m.nics[0];
    ck_assert_str_eq(nic->name, "eth0");
    ck_assert(nic->is_up && !nic->is_virtual);
    ck_assert_int_eq(nic->node, 1);
    ck_assert_int_eq(nic->speed_mbit, 25000);
    ck_assert_uint_eq(nic->rx_queues, 2);
    ck_assert_uint_eq(nic->tx_queues, 1);
    ck_assert_uint_eq(nic->rps_queues, 1);
    cpu_list_encode(&nic->rps_cpus, text, sizeof(text));
    ck_assert_str_eq(text, "2-3");
    ck_assert_uint_eq(nic->irq_count, 2); // not the management interrupt
    cpu_list_encode(&nic->irq_cpus, text, sizeof(text));
    ck_assert_str_eq(text, "32-33");
    ck_assert(m.nics[1].is_virtual);
    ck_assert_uint_eq(m.backlog_dropped, 17);
    ck_assert(m.is_privileged);
}
END_TEST

START_TEST(cards_come_before_interfaces_of_containers) {
    struct fake_tree tree;
    char path[128];
    fake_tree_init(&tree);
    for (int i = 0; i < MACHINE_NICS_MAX + 4; i++) {
        snprintf(path, sizeof(path), "/sys/class/net/veth%d/operstate", i);
        fake_tree_put(&tree, path, "up\n");
    }
    fake_tree_put(&tree, "/sys/class/net/zcard/device/vendor", "x\n");
    fake_tree_put(&tree, "/sys/class/net/a b;\xff/device/vendor", "x\n"); // no name for a report
    machine_read(&m, tree.root);
    fake_tree_fini(&tree);
    ck_assert_uint_eq(m.nic_count, MACHINE_NICS_MAX);
    ck_assert_str_eq(m.nics[0].name, "zcard");
}
END_TEST

START_TEST(this_machine_can_be_read) {
    machine_read(&m, "");
    ck_assert_uint_ge(m.kernel_major, 1);
    ck_assert_uint_gt(machine_memory_bytes(&m), 0);
    ck_assert(m.nofile.is_known);
    ck_assert_int_ne(m.uring, MACHINE_URING_UNKNOWN);
}
END_TEST

START_TEST(features_are_read_from_the_servers_own_list) {
    m = (struct machine){0};
    machine_decode_features(&m, "fairlead 0.1.0\n");
    machine_decode_features(&m, "\n");
    machine_decode_features(&m, "io_uring, tried out on this kernel:\n");
    ck_assert_uint_eq(m.uring_feature_count, 0);
    machine_decode_features(&m, "  msg_ring           yes  wakes between schedulers\n");
    machine_decode_features(&m, "  min_wait           no   gathering work (Linux 6.12)\n");
    machine_decode_features(&m, "  recv_fair          no   x\n");
    ck_assert_uint_eq(m.uring_feature_count, 3);
    ck_assert_uint_eq(m.uring_features_there, 1);
    ck_assert_str_eq(m.uring_missing, "min_wait, recv_fair");
}
END_TEST

START_TEST(sysctl_names_have_dots) {
    char name[64];
    machine_sysctl_name(MACHINE_SOMAXCONN, name, sizeof(name));
    ck_assert_str_eq(name, "net.core.somaxconn");
    ck_assert_str_eq(machine_sysctl_path(MACHINE_SOMAXCONN), "net/core/somaxconn");
    ck_assert_str_ne(machine_sysctl_help(MACHINE_SOMAXCONN), "");
}
END_TEST

UNIT_MAIN("tuning/machine", nothing_to_read_is_nothing_known, files_with_nonsense_are_not_known,
          a_tiny_machine_is_read, limits_of_parents_hold_in_a_container,
          version_1_is_read_through_the_root_of_its_mount, version_1_without_a_limit_has_none,
          a_server_with_two_nodes_and_a_card_is_read, cards_come_before_interfaces_of_containers,
          this_machine_can_be_read, features_are_read_from_the_servers_own_list,
          sysctl_names_have_dots)
