// What the kernel says about CPUs, processes and memory while a measurement runs. Reading /proc is
// apart from its decoding, so that texts of other machines can be tested.
//
// CPU of a server is told twice: of its threads (/proc/<pid>/task/*/schedstat, ns), and of all CPUs
// it is pinned to, as what was not idle (/proc/stat, 10 ms steps): the kernel does part of a
// server's work outside of any process. The second is the truth while nobody else uses those CPUs.
//
// LIMITATION: slab caches need root (/proc/slabinfo); without it the kernel's memory is told as the
// growth of all slabs, half of it the client's. Any thread; nothing is kept.
#ifndef FAIRLEAD_MEASURE_SAMPLE_H
#define FAIRLEAD_MEASURE_SAMPLE_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "sched/base/check.h"

#define MEASURE_SAMPLES_MAX 4096
#define MEASURE_CACHES_MAX 512
#define MEASURE_CACHE_NAME_BYTES 40

struct measure_cpu {
    uint64_t at_ns;   // CLOCK_MONOTONIC
    double idle_ns;   // of the server's CPUs together; idle, waiting for a disk, or stolen
    double user_ns;   // everybody's user time on them
    double server_ns; // of the server's threads; NAN once it is gone
    double server_user_ns;
    double client_ns;
};

// Samples of one run, oldest first; when full, every second one is dropped.
struct measure_samples {
    uint32_t count;
    struct measure_cpu all[MEASURE_SAMPLES_MAX];
};

// What a window took.
struct measure_usage {
    double seconds;
    double server_ns;  // its threads
    double whole_ns;   // its CPUs, all that was not idle
    double foreign_ns; // user time of others on its CPUs
    double client_ns;
    double cpus; // so many CPUs the server has
};

struct measure_cache {
    char name[MEASURE_CACHE_NAME_BYTES];
    double count;   // active objects
    double size;    // bytes of pages for each: a page's rest that fits no object counts, too
    bool is_client; // of connecting sockets alone: their local port
};

struct measure_memory {
    double server_bytes;    // resident
    double client_bytes;    // 0 without
    double available_bytes; // of the host
    double slab_bytes;      // all slabs, pages
    double sockets;         // TCP sockets that exist, all namespaces
    uint32_t cache_count;   // 0: not readable
    struct measure_cache caches[MEASURE_CACHES_MAX];
};

// Kernel memory that connections took, by cache, both ends on this machine.
struct measure_growth {
    double bytes;        // per connection, server's half
    double client_bytes; // client's half
    bool has_caches;     // false: halves of the growth of all slabs, others' included
    uint32_t cache_count;
    struct measure_cache caches[MEASURE_CACHES_MAX]; // count: objects per connection, largest first
};

// --- decoding ---

// Sums "cpuN" lines of /proc/stat over the CPUs of the set, in ns.
void measure_stat_decode(const char *text, const cpu_set_t *cpus, double *idle_ns, double *user_ns);

// "Name:   123 kB" of /proc/meminfo, smaps_rollup: bytes; 0 when it is not there.
double measure_field_decode(const char *text, const char *name);

// /proc/slabinfo; the number of caches.
uint32_t measure_caches_decode(const char *text, struct measure_cache caches[MEASURE_CACHES_MAX]);

// What `connections` added between two moments. With caches each is counted by the TCP sockets that
// came with it, so that connections of others meanwhile do not matter; caches that grew by less
// than a tenth of an object per connection, or that hold files and processes, are left out.
void measure_growth_decode(const struct measure_memory *before, const struct measure_memory *after,
                           double connections, struct measure_growth *growth);

// Interpolated between samples; false when the samples do not cover it or a process was gone.
MUST_USE bool measure_samples_cut(const struct measure_samples *samples, uint64_t begin_ns,
                                  uint64_t end_ns, double cpus, struct measure_usage *usage);

// --- reading ---

// pid 0: none.
void measure_samples_take(struct measure_samples *samples, const cpu_set_t *server_cpus,
                          pid_t server, pid_t client);
double measure_process_ns(pid_t pid);
void measure_memory_read(pid_t server, pid_t client, struct measure_memory *memory);
double measure_resident_bytes(pid_t pid);

// Reads at most size - 1 bytes and ends them; the number, 0 when it cannot be read.
uint32_t measure_file_read(const char *path, char *text, uint32_t text_size);

#endif
