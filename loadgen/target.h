// Where connections go and where they come from: URLs taken apart and resolved, destinations and
// sources spread. A pair of addresses has some 28,000 local ports, so a run of more connections
// than that needs several pairs: more targets, --spread-destinations, or --sources.
//
// ws://host[:port][/path[?query]], mqtt://host[:port] or tcp://host:port; host is a name, an IPv4
// address, or an IPv6 address in brackets. Resolution blocks; it happens once, before the run.
#ifndef FAIRLEAD_TARGET_H
#define FAIRLEAD_TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "loadgen/load_options.h"
#include "sched/base/bytes.h"

#define TARGET_HOST_BYTES 280 // as the Host header has it
#define TARGET_PATH_BYTES 1024
#define TARGET_COUNT_MAX 254
// Connections of one address pair before another is wanted. Of some 28,000 local ports the kernel
// tries one parity first; once those 14,000 are taken every connect searches them all again, a
// millisecond each (measured: 10,000 connects/s below, under 1,000/s above).
#define TARGET_PORTS_PER_PAIR 12000

struct target {
    struct sockaddr_storage address;
    socklen_t address_size;
    char host[TARGET_HOST_BYTES];
    char path[TARGET_PATH_BYTES]; // with the query, if there is one
};

struct target_set {
    struct target targets[TARGET_COUNT_MAX];
    uint32_t target_count;
    struct sockaddr_storage sources[LOAD_OPTIONS_SOURCES_MAX];
    uint32_t source_count; // 0: the kernel chooses
    bool chose_sources;    // not asked for: loopback, and more connections than one pair has
};

// 0, or an exit code (2 for what is written wrong, 4 for a name that does not resolve) with a
// sentence in `error`.
MUST_USE int target_resolve(struct target_set *set, const struct load_options *o,
                            char error[LOAD_OPTIONS_ERROR_BYTES]);

// Takes a URL apart: host as for the Host header, path with its query. False with a sentence.
// `port` is text ("80" when absent, mqtt:// "1883"; tcp:// must have one), `name` the host without
// brackets.
struct target_url {
    char host[TARGET_HOST_BYTES];
    char name[256];
    char port[8];
    char path[TARGET_PATH_BYTES];
};

MUST_USE bool target_parse_url(struct target_url *url, const char *text,
                               char error[LOAD_OPTIONS_ERROR_BYTES]);

// "10.0.0.1,127.9.8.7-127.9.8.20" into set->sources. False with a sentence.
MUST_USE bool target_parse_sources(struct target_set *set, const char *list,
                                   char error[LOAD_OPTIONS_ERROR_BYTES]);

// Connection `index` goes to this target, from this source (NULL: the kernel chooses). Sources
// change after every round of targets, so that every pair is used.
const struct target *target_of(const struct target_set *set, uint32_t index);
const struct sockaddr_storage *target_source_of(const struct target_set *set, uint32_t index);

#endif
