// Facts of the host that bound what it will hold, read from /proc and /sys under a prefix. Reading
// is apart from judging (advice.h), so that machines can be judged that are not here.
//
// Everything may be unknown: a container shows little, an old kernel less. Unknown is 0 in a count
// of values, false in a has_ or is_; nothing is guessed. One thread, at start.
#ifndef FAIRLEAD_MACHINE_H
#define FAIRLEAD_MACHINE_H

#include "tuning/cpu_list.h"
#include "tuning/host_file.h"

#define MACHINE_NICS_MAX 16
#define MACHINE_NODES_MAX 16
#define MACHINE_NAME_BYTES 32
#define MACHINE_IRQS_PER_NIC_MAX 512

// Every number of /proc/sys that is looked at: name here, path, what it is. In --wide and in JSON
// they stand in this order.
#define MACHINE_SYSCTLS(X)                                                                         \
    X(FILE_MAX, "fs/file-max", "open files of the whole host")                                     \
    X(FILE_NR, "fs/file-nr", "open files now (first number)")                                      \
    X(NR_OPEN, "fs/nr_open", "how high a process's nofile may be set")                             \
    X(PID_MAX, "kernel/pid_max", "processes and threads")                                          \
    X(THREADS_MAX, "kernel/threads-max", "threads")                                                \
    X(URING_DISABLED, "kernel/io_uring_disabled", "0: everybody may, 1: a group, 2: nobody")       \
    X(URING_GROUP, "kernel/io_uring_group", "the group that may at 1")                             \
    X(NUMA_BALANCING, "kernel/numa_balancing", "moves pages to the node that uses them")           \
    X(SOMAXCONN, "net/core/somaxconn", "handshakes done that wait for accept, a listener")         \
    X(SYN_BACKLOG, "net/ipv4/tcp_max_syn_backlog", "handshakes half done, a listener")             \
    X(SYNCOOKIES, "net/ipv4/tcp_syncookies", "1: beyond that cookies instead of drops")            \
    X(NETDEV_BACKLOG, "net/core/netdev_max_backlog", "packets that wait for a CPU")                \
    X(NETDEV_BUDGET, "net/core/netdev_budget", "packets of one receive round")                     \
    X(PORT_RANGE, "net/ipv4/ip_local_port_range", "ports of outgoing connections")                 \
    X(TW_REUSE, "net/ipv4/tcp_tw_reuse", "TIME_WAIT ports taken again: 1 yes, 2 loopback")         \
    X(TW_BUCKETS, "net/ipv4/tcp_max_tw_buckets", "sockets in TIME_WAIT")                           \
    X(ORPHANS, "net/ipv4/tcp_max_orphans", "closed sockets with unsent data")                      \
    X(EHASH, "net/ipv4/tcp_ehash_entries", "buckets of the table of connections")                  \
    X(TCP_MEM, "net/ipv4/tcp_mem", "pages of all TCP queues: low, pressure, most")                 \
    X(TCP_RMEM, "net/ipv4/tcp_rmem", "receive buffer of a connection: least, first, most")         \
    X(TCP_WMEM, "net/ipv4/tcp_wmem", "send buffer of a connection: least, first, most")            \
    X(RMEM_MAX, "net/core/rmem_max", "most that SO_RCVBUF gives")                                  \
    X(WMEM_MAX, "net/core/wmem_max", "most that SO_SNDBUF gives")                                  \
    X(SLOW_START_IDLE, "net/ipv4/tcp_slow_start_after_idle", "1: a quiet connection starts small") \
    X(BUSY_POLL, "net/core/busy_poll", "µs that poll spins")                                       \
    X(BUSY_READ, "net/core/busy_read", "µs that reads spin")                                       \
    X(NEIGHBOURS, "net/ipv4/neigh/default/gc_thresh3", "hosts of the own network known at once")   \
    X(CONNTRACK_MAX, "net/netfilter/nf_conntrack_max", "connections that the firewall follows")    \
    X(CONNTRACK_COUNT, "net/netfilter/nf_conntrack_count", "of these now")                         \
    X(CONNTRACK_BUCKETS, "net/netfilter/nf_conntrack_buckets", "buckets of its table")             \
    X(SWAPPINESS, "vm/swappiness", "how readily memory is swapped")                                \
    X(MAP_COUNT, "vm/max_map_count", "mappings of a process")                                      \
    X(OVERCOMMIT, "vm/overcommit_memory", "2: reserved memory counts as used")

enum machine_sysctl {
#define MACHINE_SYSCTL_ENUM(name, path, help) MACHINE_##name,
    MACHINE_SYSCTLS(MACHINE_SYSCTL_ENUM)
#undef MACHINE_SYSCTL_ENUM
        MACHINE_SYSCTL_COUNT,
};

struct machine_numbers {
    uint32_t count; // 0: not there
    uint64_t values[3];
};

struct machine_limit {
    bool is_known;
    uint64_t soft; // HOST_FILE_UNLIMITED: none
    uint64_t hard;
};

struct machine_memory {
    uint64_t total_bytes;
    uint64_t available_bytes; // MemAvailable
    uint64_t swap_bytes;
    uint64_t hugepage_bytes; // reserved for huge pages: nobody else's
};

struct machine_cgroup {
    uint32_t version; // 0: none seen
    bool has_memory_limit;
    uint64_t memory_limit_bytes; // the tightest of the group and its parents
    uint64_t memory_left_bytes;  // below it, page cache that can go not counted as used
    double cpus;                 // CPUs' worth of time; 0: no quota
    uint64_t quota_period_us;
    bool has_tasks_limit;
    uint64_t tasks_max;
    uint64_t tasks_count;
};

struct machine_cpus {
    struct cpu_list online;
    struct cpu_list allowed; // to this process
    struct cpu_list isolated;
    bool has_smt; // two of these CPUs may be one core
};

struct machine_node {
    struct cpu_list cpus;
    uint64_t memory_bytes;
    uint64_t memory_free_bytes;
};

struct machine_nic {
    char name[MACHINE_NAME_BYTES];
    bool is_virtual; // no device behind it: veth, bridge, tunnel
    bool is_up;
    uint32_t rx_queues;
    uint32_t tx_queues;
    uint32_t rps_queues;      // of these steered to other CPUs
    struct cpu_list rps_cpus; // by these masks together
    int32_t node;             // of the card, -1: any
    uint32_t irq_count;       // of received packets, where that can be told
    struct cpu_list irq_cpus; // which handle them
    int64_t speed_mbit;       // -1: unknown
};

enum machine_uring {
    MACHINE_URING_UNKNOWN, // not tried: another tree
    MACHINE_URING_OK,
    MACHINE_URING_DENIED,  // EPERM: by sysctl or seccomp
    MACHINE_URING_MISSING, // ENOSYS: not in this kernel, or hidden
    MACHINE_URING_FAILED,  // something else, often RLIMIT_MEMLOCK
};

struct machine {
    char kernel[96]; // "6.18.44-cloud"
    uint32_t kernel_major;
    uint32_t kernel_minor;
    struct machine_limit nofile;
    struct machine_limit memlock;
    struct machine_limit processes;
    struct machine_numbers sysctls[MACHINE_SYSCTL_COUNT];
    char congestion[MACHINE_NAME_BYTES];
    char congestion_available[128];
    char transparent_hugepages[16]; // "always", "madvise", "never"
    struct machine_memory memory;
    struct machine_cgroup cgroup;
    struct machine_cpus cpus;
    struct machine_node nodes[MACHINE_NODES_MAX];
    uint32_t node_count; // as found, may be above MACHINE_NODES_MAX
    struct machine_nic nics[MACHINE_NICS_MAX];
    uint32_t nic_count;
    uint64_t backlog_dropped; // packets since the start (softnet_stat)
    bool is_seccomp_filtered;
    bool is_privileged; // CAP_SYS_ADMIN: file-max does not hold it
    enum machine_uring uring;
    int uring_error;              // errno of FAILED
    uint32_t uring_feature_count; // that `fairlead --version` tried out; 0: not asked
    uint32_t uring_features_there;
    char uring_missing[256]; // names of the others
};

void machine_read(struct machine *machine, const char *root);

// Tries io_uring on this host (machine_read does so for root ""). Closes what it opened.
void machine_probe_uring(struct machine *machine);

// "net.core.somaxconn" as sysctl(8) has it, and what it is.
void machine_sysctl_name(enum machine_sysctl which, char *name, size_t name_size);
const char *machine_sysctl_path(enum machine_sysctl which);
const char *machine_sysctl_help(enum machine_sysctl which);

static inline bool machine_has(const struct machine *machine, enum machine_sysctl which) {
    return machine->sysctls[which].count > 0;
}

// The first number, or the second or third where there are several. 0 when unknown.
static inline uint64_t machine_get(const struct machine *machine, enum machine_sysctl which) {
    return machine->sysctls[which].values[0];
}

// What new processes here may use, the tighter of host and control group. 0 when unknown.
uint64_t machine_memory_bytes(const struct machine *machine);

// CPUs that a server here would pin a scheduler to: allowed, not more than the quota rounded up.
uint32_t machine_cpu_count(const struct machine *machine);

#endif
