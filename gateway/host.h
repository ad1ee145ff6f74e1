// What this machine offers and what of it the gateway takes: CPUs, descriptors and memory in, the
// number of schedulers, lanes and connections out. Reading is apart from planning, so that plans
// for other machines can be tested here.
//
// Called by main before other threads exist; the plan is constant afterwards. What does not fit is
// refused by a sentence with the numbers and the cure.
#ifndef FAIRLEAD_HOST_H
#define FAIRLEAD_HOST_H

#include <stdio.h>

#include "gateway/config.h"

#define HOST_ERROR_SIZE 1024

// An idle connection that joined one room. User: the budget of docs/ARCHITECTURE.md. Kernel: the
// socket with its inode, file and dentry 3,640, its direct descriptor 40, the parked poll 256
// (docs/ARCHITECTURE.md "memory").
#define HOST_USER_BYTES_PER_CONNECTION 256
#define HOST_KERNEL_BYTES_PER_CONNECTION 3936

// An MQTT session without connection: its slot, its client id of up to 19 bytes, its share of the
// directory; then what it subscribes to and what waits for it (docs/ARCHITECTURE.md "memory").
#define HOST_BYTES_PER_SESSION 120

// One lane's table of direct descriptors: a power of two, at most min(RLIMIT_NOFILE, 2^20).
#define HOST_TABLE_MAX (1u << 20)
#define HOST_LANES_MAX 256 // per scheduler (io/ring.h)

// Ordinary descriptors that are no lane's: listeners, control plane, logs, libraries.
#define HOST_DESCRIPTORS_RESERVED 128
#define HOST_DESCRIPTORS_PER_LANE 2 // its ring and its eventfd

struct host {
    uint16_t cpus[CONFIG_CPUS_MAX]; // that this process may run on, ascending
    uint32_t cpu_count;
    uint32_t cpu_quota;       // CPUs' worth of time that the control group grants; 0: no quota
    uint64_t descriptors_max; // RLIMIT_NOFILE after the soft limit was raised
    uint64_t memory_available_bytes; // the host's, or the control group's where that is less
    bool memory_is_cgroup;
};

struct host_plan {
    uint32_t scheduler_count;
    uint16_t cpus[CONFIG_SCHEDULERS_MAX]; // scheduler i is pinned to cpus[i]
    bool cpus_shared;                     // more schedulers than CPUs
    uint64_t connections_max;
    uint32_t connections_per_scheduler;   // rounded up; with room for uneven spreading
    uint32_t lane_count;                  // per scheduler
    uint32_t descriptors_per_lane;        // size of the direct table, a power of two
    uint32_t connections_per_lane;        // descriptors_per_lane less the spare slots
    uint64_t mqtt_sessions_max;           // with and without connection
    uint32_t mqtt_sessions_per_scheduler; // a client id's hash spreads as unevenly as listeners do
    uint64_t memory_user_bytes;           // when connections_max are idle
    uint64_t memory_kernel_bytes;
};

// Reads /proc and /sys under `root` ("" in life), the affinity mask and RLIMIT_NOFILE, whose soft
// limit it raises to the hard one. What cannot be read counts as unlimited, but memory: 0 then.
void host_read(struct host *host, const char *root);

// false: `error` (HOST_ERROR_SIZE bytes) says what does not fit and what would.
MUST_USE bool host_plan_make(const struct config *config, const struct host *host,
                             struct host_plan *plan, char *error);

// Anonymous use is for loopback: any other bind of data, control or page is refused without
// --allow-anonymous.
MUST_USE bool host_bind_policy(const struct config *config, char *error);

// One line: addresses, schedulers, lanes, connections_max and the memory that they may take.
void host_plan_describe(const struct host_plan *plan, const struct config *config, char *text,
                        size_t text_size);

// --print-memory: the plan, per connection and in sum.
void host_plan_print(const struct host_plan *plan, FILE *out);

#endif
